//! Where a field is in an object.

use super::lists::key_of;
use serde_json::Value;
use std::fmt::{self, Write as _};

/// One step of a way into an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathSegment {
    /// A key of a map.
    Field(String),
    /// The item of a list that holds these values in these fields.
    Item(Vec<(String, Value)>),
    /// The item of a list at this place, from 0.
    Index(usize),
}

/// A way into an object; shown as `spec.containers[name=web].image`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldPath(Vec<PathSegment>);

impl FieldPath {
    /// Its segments, the outermost first.
    pub fn segments(&self) -> &[PathSegment] {
        &self.0
    }

    /// What an object holds there; `null` counts as nothing.
    pub fn find<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(object, |value, segment| segment.find(value)).filter(|value| !value.is_null())
    }

    /// Takes out what an object holds there.
    pub fn remove(&self, object: &mut Value) {
        let Some((last, way)) = self.0.split_last() else { return };
        let Some(parent) = way.iter().try_fold(object, |value, segment| segment.find_mut(value)) else { return };
        match (last, parent) {
            (PathSegment::Field(name), Value::Object(map)) => {
                // The order of the other keys stays.
                map.shift_remove(name);
            }
            (segment, Value::Array(items)) => {
                if let Some(at) = segment.position(items) {
                    items.remove(at);
                }
            }
            (_, _) => {}
        }
    }

    pub(super) fn with<T>(&mut self, segment: PathSegment, inside: impl FnOnce(&mut Self) -> T) -> T {
        self.0.push(segment);
        let result = inside(self);
        self.0.pop();
        result
    }

    /// The keys of the way, when it leads through maps only.
    pub(super) fn fields(&self) -> Vec<&str> {
        let field = |segment: &'_ PathSegment| matches!(segment, PathSegment::Field(_));
        if !self.0.iter().all(field) {
            return Vec::new();
        }
        self.0.iter().filter_map(PathSegment::field).collect()
    }

    /// The name of the list or map this leads to.
    pub(super) fn last_field(&self) -> &str {
        self.0.iter().rev().find_map(PathSegment::field).unwrap_or_default()
    }
}

impl PathSegment {
    fn field(&self) -> Option<&str> {
        match self {
            Self::Field(name) => Some(name),
            Self::Item(_) | Self::Index(_) => None,
        }
    }

    fn position(&self, items: &[Value]) -> Option<usize> {
        match self {
            Self::Field(_) => None,
            Self::Item(key) => {
                let fields: Vec<&str> = key.iter().map(|(field, _)| field.as_str()).collect();
                items.iter().position(|item| key_of(item, &fields).as_ref() == Some(key))
            }
            Self::Index(at) => (*at < items.len()).then_some(*at),
        }
    }

    fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Field(name) => value.get(name),
            Self::Item(_) | Self::Index(_) => value.as_array().and_then(|items| items.get(self.position(items)?)),
        }
    }

    fn find_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        match (self, value) {
            (Self::Field(name), Value::Object(map)) => map.get_mut(name),
            (Self::Item(_) | Self::Index(_), Value::Array(items)) => {
                self.position(items).and_then(|at| items.get_mut(at))
            }
            (Self::Field(_) | Self::Item(_) | Self::Index(_), _) => None,
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                PathSegment::Field(name) if is_plain(name) => {
                    if at > 0 {
                        f.write_char('.')?;
                    }
                    f.write_str(name)?;
                }
                PathSegment::Field(name) => write!(f, "[{}]", Value::from(name.as_str()))?,
                PathSegment::Item(key) => {
                    f.write_char('[')?;
                    for (at, (field, value)) in key.iter().enumerate() {
                        if at > 0 {
                            f.write_char(',')?;
                        }
                        match value {
                            Value::String(text) if !text.contains([']', ',', '=', '"']) => write!(f, "{field}={text}")?,
                            value => write!(f, "{field}={value}")?,
                        }
                    }
                    f.write_char(']')?;
                }
                PathSegment::Index(at) => write!(f, "[{at}]")?,
            }
        }
        Ok(())
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn path(segments: &[PathSegment]) -> FieldPath {
        FieldPath(segments.to_vec())
    }

    fn field(name: &str) -> PathSegment {
        PathSegment::Field(name.to_owned())
    }

    fn item(key: &[(&str, Value)]) -> PathSegment {
        PathSegment::Item(key.iter().map(|(field, value)| ((*field).to_owned(), value.clone())).collect())
    }

    #[rstest]
    #[case(&[field("spec"), field("containers"), item(&[("name", json!("web"))]), field("image")], "spec.containers[name=web].image")]
    #[case(&[field("metadata"), field("annotations"), field("helm.sh/x")], r#"metadata.annotations["helm.sh/x"]"#)]
    #[case(&[field("ports"), item(&[("containerPort", json!(80)), ("protocol", json!("TCP"))])], "ports[containerPort=80,protocol=TCP]")]
    #[case(&[field("rules"), PathSegment::Index(2), field("host")], "rules[2].host")]
    #[case(&[field("x"), item(&[("key", json!("a=b]"))])], r#"x[key="a=b]"]"#)]
    fn shown(#[case] segments: &[PathSegment], #[case] expected: &str) {
        assert_eq!(path(segments).to_string(), expected);
    }

    #[test]
    fn what_is_found_can_be_taken_out() {
        let mut object = json!({"a": [{"name": "x", "v": 1}, {"name": "y", "v": 2}], "b": [1, 2], "c": null});
        let v = path(&[field("a"), item(&[("name", json!("y"))]), field("v")]);
        assert_eq!(v.find(&object), Some(&json!(2)));
        assert_eq!(path(&[field("c")]).find(&object), None);
        for gone in [
            v,
            path(&[field("a"), item(&[("name", json!("x"))])]),
            path(&[field("b"), PathSegment::Index(0)]),
            path(&[field("not"), field("there")]),
        ] {
            gone.remove(&mut object);
        }
        assert_eq!(object, json!({"a": [{"name": "y"}], "b": [2], "c": null}));
    }
}
