//! The key paths of `--set`, and the document they build.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Larger indexes are refused, as by Helm (`pkg/strvals/parser.go`).
pub(crate) const MAX_INDEX: usize = 65536;

/// Deeper paths are refused, as by Helm (`pkg/strvals/parser.go`).
pub(crate) const MAX_DEPTH: usize = 30;

/// A part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

/// A document under construction. Lists are kept by index, so that gaps can be told in the end.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Leaf(Value),
    Map(Vec<(String, Node)>),
    List(BTreeMap<usize, Node>),
}

/// A document that is set piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Document(Vec<(String, Node)>);

impl Document {
    /// Sets the value at a path; what a path of an earlier call put there is replaced.
    ///
    /// # Errors
    /// What is wrong with the path, in words.
    pub(crate) fn set(&mut self, path: &str, value: Value) -> Result<(), String> {
        let segments = parse(path)?;
        let mut root = Node::Map(std::mem::take(&mut self.0));
        let done = root.set(&segments, value);
        if let Node::Map(entries) = root {
            self.0 = entries;
        }
        done
    }

    /// The document, or the first list that has a gap, in words.
    pub(crate) fn finish(self) -> Result<Value, String> {
        Node::Map(self.0).finish("")
    }
}

impl Node {
    fn of(value: Value) -> Self {
        match value {
            Value::Object(map) => Self::Map(map.into_iter().map(|(key, value)| (key, Self::of(value))).collect()),
            Value::Array(list) => Self::List(list.into_iter().map(Self::of).enumerate().collect()),
            leaf => Self::Leaf(leaf),
        }
    }

    fn set(&mut self, path: &[Segment], value: Value) -> Result<(), String> {
        let Some((first, rest)) = path.split_first() else {
            *self = Self::of(value);
            return Ok(());
        };
        let child = match (first, self) {
            (Segment::Key(key), Self::Map(entries)) => {
                let at = entries.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
                    entries.push((key.clone(), Self::empty(rest)));
                    entries.len() - 1
                });
                &mut entries[at].1
            }
            (Segment::Index(index), Self::List(items)) => items.entry(*index).or_insert_with(|| Self::empty(rest)),
            (Segment::Key(key), _) => return Err(format!("`{key}` cannot be set in something that is not a map")),
            (Segment::Index(index), _) => {
                return Err(format!("[{index}] cannot be set in something that is not a list"));
            }
        };
        child.set(rest, value)
    }

    /// What a path goes through when there is nothing yet.
    fn empty(path: &[Segment]) -> Self {
        match path.first() {
            Some(Segment::Key(_)) => Self::Map(Vec::new()),
            Some(Segment::Index(_)) => Self::List(BTreeMap::new()),
            None => Self::Leaf(Value::Null),
        }
    }

    fn finish(self, place: &str) -> Result<Value, String> {
        match self {
            Self::Leaf(value) => Ok(value),
            Self::Map(entries) => {
                let mut map = Map::new();
                for (key, node) in entries {
                    let inner = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                    map.insert(key, node.finish(&inner)?);
                }
                Ok(Value::Object(map))
            }
            Self::List(items) => {
                let mut list = Vec::new();
                for (index, node) in items {
                    if index != list.len() {
                        return Err(format!(
                            "`{place}` has [{index}], but not [{}]: a list is set as a whole",
                            list.len()
                        ));
                    }
                    list.push(node.finish(&format!("{place}[{index}]"))?);
                }
                Ok(Value::Array(list))
            }
        }
    }
}

/// What a document has at a path of `--set`.
pub fn value_at<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    parse(path).ok()?.iter().try_fold(document, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => value.get(index),
    })
}

/// Reads a path: keys joined by `.`, indexes as `[n]`; a backslash takes the next character as it is.
pub(crate) fn parse(path: &str) -> Result<Vec<Segment>, String> {
    let mut segments = Vec::new();
    let mut chars = path.chars().peekable();
    loop {
        let mut key = String::new();
        while let Some(c) = chars.next_if(|c| !matches!(c, '.' | '[')) {
            match c {
                '\\' => key.push(chars.next().ok_or("it ends with a backslash")?),
                c => key.push(c),
            }
        }
        if key.is_empty() {
            return Err("a part of it is empty".to_owned());
        }
        segments.push(Segment::Key(key));
        while chars.next_if_eq(&'[').is_some() {
            segments.push(Segment::Index(index(&mut chars)?));
        }
        match chars.next() {
            None => break,
            Some('.') => {}
            Some(c) => return Err(format!("`{c}` follows an index, there should be a dot")),
        }
    }
    if segments.len() > MAX_DEPTH {
        return Err(format!("it is more than {MAX_DEPTH} levels deep"));
    }
    Ok(segments)
}

fn index(chars: &mut impl Iterator<Item = char>) -> Result<usize, String> {
    let mut digits = String::new();
    loop {
        match chars.next() {
            Some(']') => break,
            Some(c) if c.is_ascii_digit() => digits.push(c),
            Some(c) => return Err(format!("`{c}` is not part of an index")),
            None => return Err("an index lacks its `]`".to_owned()),
        }
    }
    match digits.parse() {
        Ok(index) if index <= MAX_INDEX => Ok(index),
        Ok(_) => Err(format!("an index is greater than {MAX_INDEX}")),
        Err(_) => Err(format!("`{digits}` is not an index")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    fn document(settings: &[(&str, Value)]) -> Result<Value, String> {
        let mut document = Document::default();
        for (path, value) in settings {
            document.set(path, value.clone())?;
        }
        document.finish()
    }

    #[rstest]
    #[case(&[], json!({}))]
    #[case(&[("a", json!(1))], json!({"a": 1}))]
    #[case(&[("a.b.c", json!(true)), ("a.d", json!("x"))], json!({"a": {"b": {"c": true}, "d": "x"}}))]
    #[case(&[(r"annotations.example\.com/a", json!("x"))], json!({"annotations": {"example.com/a": "x"}}))]
    #[case(&[(r"a\[0\]", json!(1)), (r"b\\c", json!(2))], json!({"a[0]": 1, "b\\c": 2}))]
    #[case(&[("hosts[0]", json!("a")), ("hosts[1].name", json!("b"))], json!({"hosts": ["a", {"name": "b"}]}))]
    #[case(&[("hosts[1]", json!("b")), ("hosts[0]", json!("a"))], json!({"hosts": ["a", "b"]}))]
    #[case(&[("m[0][1]", json!(2)), ("m[0][0]", json!(1))], json!({"m": [[1, 2]]}))]
    #[case(&[("a", json!(1)), ("a", json!(2))], json!({"a": 2}))]
    #[case(&[("a.b", json!(1)), ("a", json!(2))], json!({"a": 2}))]
    #[case(&[("a", json!({"b": [1, 2]})), ("a.b[1]", json!(3)), ("a.c", json!(4))], json!({"a": {"b": [1, 3], "c": 4}}))]
    #[case(&[("a", json!({})), ("b", json!([])), ("c", json!(null))], json!({"a": {}, "b": [], "c": null}))]
    fn documents(#[case] settings: &[(&str, Value)], #[case] expected: Value) {
        assert_eq!(document(settings), Ok(expected));
    }

    #[rstest]
    #[case(&[("", json!(1))], "a part of it is empty")]
    #[case(&[("a..b", json!(1))], "a part of it is empty")]
    #[case(&[("a.", json!(1))], "a part of it is empty")]
    #[case(&[("[0]", json!(1))], "a part of it is empty")]
    #[case(&[("a\\", json!(1))], "it ends with a backslash")]
    #[case(&[("a[x]", json!(1))], "`x` is not part of an index")]
    #[case(&[("a[]", json!(1))], "`` is not an index")]
    #[case(&[("a[0", json!(1))], "an index lacks its `]`")]
    #[case(&[("a[0]b", json!(1))], "`b` follows an index, there should be a dot")]
    #[case(&[("a[65537]", json!(1))], "an index is greater than 65536")]
    #[case(&[("a[1]", json!(1))], "`a` has [1], but not [0]: a list is set as a whole")]
    #[case(&[("a.b[0]", json!(1)), ("a.b[2].c", json!(1))], "`a.b` has [2], but not [1]: a list is set as a whole")]
    #[case(&[("a", json!(1)), ("a.b", json!(1))], "`b` cannot be set in something that is not a map")]
    #[case(&[("a.b", json!(1)), ("a[0]", json!(1))], "[0] cannot be set in something that is not a list")]
    fn refused(#[case] settings: &[(&str, Value)], #[case] expected: &str) {
        assert_eq!(document(settings), Err(expected.to_owned()));
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path in r"[a-c.\[\]0-2\\]{0,12}") {
            let _ = document(&[(path.as_str(), json!(1))]);
        }

        #[test]
        fn an_escaped_key_is_found_again(key in "[a-z.\\[\\]\\\\=,/ ]{1,12}") {
            let escaped: String = key.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert_eq!(document(&[(&escaped, json!(1))]), Ok(json!({key: 1})));
        }
    }
}
