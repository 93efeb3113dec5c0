//! Whole numbers that helm is given by `--set`: from a file each number reaches templates as floating point, and is
//! printed as `1e+06` then, or loses its last digits.
//!
//! Only what is no secret comes here, since a command line can be read by everybody: sensitive values are strings, and what a key
//! calls a password or a token stays in its file.

use super::key_path::{MAX_DEPTH, MAX_INDEX, Segment};
use pilothouse_core::is_secret_name;
use serde_json::Value;
use std::collections::BTreeSet;

/// From here on Go prints a floating point number with an exponent, and `%v` of a whole number shows it.
const EXPONENT: u64 = 1_000_000;

/// From here on a floating point number does not have all whole numbers.
const EXACT: u64 = 1 << 53;

/// The arguments of `--set` for a document: each whole number that would not be printed as it is, and those at `as_set`,
/// which are given as text whose type `--set` guesses.
///
/// # Errors
/// The path of a number that helm cannot be given with its digits.
pub(crate) fn whole_numbers(document: &Value, as_set: &BTreeSet<Vec<Segment>>) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    collect(document, &mut Vec::new(), as_set, &mut found)?;
    Ok(found)
}

fn collect(
    value: &Value,
    path: &mut Vec<Segment>,
    as_set: &BTreeSet<Vec<Segment>>,
    found: &mut Vec<String>,
) -> Result<(), String> {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                path.push(Segment::Key(key.clone()));
                collect(value, path, as_set, found)?;
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                path.push(Segment::Index(index));
                collect(value, path, as_set, found)?;
                path.pop();
            }
        }
        Value::Number(number) => {
            let can_be_set = can_be_set(path) && !is_secret(path);
            match number.as_i64().map(i64::unsigned_abs) {
                // `--set` takes more than 64 bits for text.
                None if number.is_u64() => return Err(written(path)),
                Some(size) if size > EXACT && !can_be_set => return Err(written(path)),
                Some(size) if can_be_set && (size >= EXPONENT || as_set.contains(path.as_slice())) => {
                    found.push(format!("{}={number}", written(path)));
                }
                Some(_) | None => {}
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
    Ok(())
}

/// Whether a key of the path says that a secret is there: nobody has marked it, and it stays in its file all the same.
fn is_secret(path: &[Segment]) -> bool {
    path.iter().any(|segment| matches!(segment, Segment::Key(key) if is_secret_name(key)))
}

/// Whether `--set` takes such a path (`pkg/strvals/parser.go`).
fn can_be_set(path: &[Segment]) -> bool {
    path.len() <= MAX_DEPTH
        && path.iter().all(|segment| match segment {
            Segment::Key(key) => !key.is_empty(),
            Segment::Index(index) => *index <= MAX_INDEX,
        })
}

/// A path as `--set` reads it.
fn written(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                for c in key.chars() {
                    if r"\.,=[]{}".contains(c) {
                        text.push('\\');
                    }
                    text.push(c);
                }
            }
            Segment::Index(index) => text.extend(["[", &index.to_string(), "]"]),
        }
    }
    text
}

/// What helm makes of two values files: maps are merged, everything else is replaced.
pub(crate) fn merge(into: &mut Value, other: Value) {
    match (into, other) {
        (Value::Object(into), Value::Object(other)) => {
            for (key, value) in other {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, other) => *into = other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn only_what_would_not_be_printed_as_it_is() {
        let document = json!({
            "small": 999_999, "large": 1_000_000, "below": -1_000_000, "part": 1e7, "text": "1000000",
            "password": 12_345_678, "db": { "token": 12_345_678 },
            "a.b": { "list": [1, [2_000_000], { "c,d=e": i64::MIN }] }, "": 3_000_000,
        });
        let as_set = BTreeSet::from([vec![Segment::Key("small".to_owned())]]);
        let found = whole_numbers(&document, &as_set).unwrap().join("\n");
        insta::assert_snapshot!(found, @r"
        small=999999
        large=1000000
        below=-1000000
        a\.b.list[1][0]=2000000
        a\.b.list[2].c\,d\=e=-9223372036854775808
        ");
    }

    #[test]
    fn a_path_that_set_would_refuse_stays_in_its_document_unless_digits_are_lost() {
        for (number, is_exact) in [(1_000_000, true), (1 << 53, true), ((1_i64 << 53) + 1, false)] {
            let mut document = json!(number);
            for _ in 0..=MAX_DEPTH {
                document = json!({ "a": document });
            }
            for document in [document, json!({"": number}), json!({"db": {"password": number}})] {
                let found = whole_numbers(&document, &BTreeSet::new());
                assert_eq!(found.ok(), is_exact.then(Vec::new), "{document}");
            }
        }
        let over = json!({"a": [{"b.c": u64::MAX}]});
        assert_eq!(whole_numbers(&over, &BTreeSet::new()), Err(r"a[0].b\.c".to_owned()));
    }

    #[test]
    fn documents_are_merged_as_helm_merges_them() {
        let mut all = json!({"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 1});
        merge(&mut all, json!({"a": {"b": null, "f": 3}, "d": [3], "e": {"g": 1}}));
        assert_eq!(all, json!({"a": {"b": null, "c": 2, "f": 3}, "d": [3], "e": {"g": 1}}));
    }

    proptest! {
        #[test]
        fn a_path_is_read_as_it_was_written(keys in prop::collection::vec("[a-z.,=\\[\\]{}\\\\/ ]{1,6}", 1..5)) {
            let path: Vec<Segment> = keys.iter().cloned().map(Segment::Key).collect();
            prop_assert_eq!(super::super::key_path::parse(&written(&path)), Ok(path));
        }
    }
}
