//! What a manifest does not set any more.

use super::lists::{are_objects, key_fields, key_of};
use super::path::{FieldPath, PathSegment};
use serde_json::Value;

/// The fields that one manifest sets and the next one does not: helm's three-way merge deletes them. An item of a list counts
/// where items are told apart by a key; other lists are replaced as a whole.
pub fn removed_paths(stored: &Value, wanted: &Value) -> Vec<FieldPath> {
    let mut removed = Vec::new();
    collect(&mut FieldPath::default(), stored, wanted, &mut removed);
    removed
}

fn collect(path: &mut FieldPath, stored: &Value, wanted: &Value, removed: &mut Vec<FieldPath>) {
    match (stored, wanted) {
        (Value::Object(stored), Value::Object(wanted)) => {
            for (name, was) in stored.iter().filter(|(_, was)| !was.is_null()) {
                path.with(PathSegment::Field(name.clone()), |path| match wanted.get(name) {
                    None | Some(Value::Null) => removed.push(path.clone()),
                    Some(is) => collect(path, was, is, removed),
                });
            }
        }
        (Value::Array(stored), Value::Array(wanted)) if are_objects(stored, wanted) => {
            let Some(fields) = key_fields(path.last_field(), stored, wanted) else { return };
            for was in stored {
                let Some(key) = key_of(was, fields) else { continue };
                let is = wanted.iter().find(|item| key_of(item, fields).as_ref() == Some(&key));
                path.with(PathSegment::Item(key), |path| match is {
                    None => removed.push(path.clone()),
                    Some(is) => collect(path, was, is, removed),
                });
            }
        }
        (_, _) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"a": 1, "b": {"c": 1, "d": 2}}), json!({"a": 2, "b": {"d": 2}}), &["b.c"])]
    #[case(json!({"a": {"b": 1}}), json!({}), &["a"])]
    #[case(json!({"a": null, "b": 1}), json!({"b": null}), &["b"])]
    #[case(
        json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}),
        json!({"env": [{"name": "B"}]}),
        &["env[name=A]", "env[name=B].value"]
    )]
    #[case(json!({"args": ["a", "b"]}), json!({"args": ["a"]}), &[])]
    #[case(json!({"paths": [{"path": "/a"}, {"path": "/b"}]}), json!({"paths": [{"path": "/b"}]}), &[])]
    #[case(json!({"a": 1}), json!({"a": 1, "b": 2}), &[])]
    fn removed(#[case] stored: Value, #[case] wanted: Value, #[case] expected: &[&str]) {
        let paths: Vec<String> = removed_paths(&stored, &wanted).iter().map(FieldPath::to_string).collect();
        assert_eq!(paths, expected);
    }
}
