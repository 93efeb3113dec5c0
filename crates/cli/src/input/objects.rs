//! Reading objects from files and standard input: YAML documents, JSON, JSON lines, and the lists that kubectl prints.

use crate::terminal::exit::CommandError;
use pilothouse_process::{MAX_DOCUMENT, Named, read_text};
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// How many values are read at most.
const MOST: usize = 1_000_000;

/// The objects of a file, or of standard input for `-`.
pub(crate) fn read(file: &Path) -> Result<Vec<Value>, CommandError> {
    let (name, text) = if file == Path::new("-") {
        ("standard input".to_owned(), standard_input())
    } else {
        (file.display().to_string(), read_text(file, Named::FileOrPipe, MAX_DOCUMENT))
    };
    let text = text.map_err(|error| CommandError::input(format!("cannot read {name}: {error}")))?;
    parse(&text).map_err(|why| CommandError::input(format!("{name}: {why}")))
}

/// What is piped into the program, within the same bounds.
fn standard_input() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().lock().take(MAX_DOCUMENT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_DOCUMENT {
        return Err(std::io::Error::other(format!("it is longer than {} MiB", MAX_DOCUMENT / 1024 / 1024)));
    }
    Ok(text)
}

/// The objects in a text; what is wrong is said with its place.
fn parse(text: &str) -> Result<Vec<Value>, String> {
    // Each value takes many times the room of a `0,`.
    if text.bytes().filter(|byte| b",[{\n".contains(byte)).take(MOST).count() == MOST {
        return Err(format!("it holds more than {MOST} values"));
    }
    let documents = if text.trim_start().starts_with(['{', '[']) {
        let read = serde_json::Deserializer::from_str(text).into_iter::<Value>().collect::<Result<_, _>>();
        read.or_else(|error| {
            // A mapping in YAML may begin like JSON.
            pilothouse_helm::parse_documents(text).map_err(|_| error.to_string())
        })?
    } else {
        pilothouse_helm::parse_documents(text).map_err(|error| error.to_string())?
    };
    let mut objects = Vec::new();
    for document in documents {
        flatten(document, &mut objects);
    }
    for (index, object) in objects.iter().enumerate() {
        let has = |field: &str| object.get(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        if !has("apiVersion") || !has("kind") {
            return Err(format!("object {} is none of Kubernetes: it needs an `apiVersion` and a `kind`", index + 1));
        }
    }
    Ok(objects)
}

/// Lists stand for their items. The items of a typed list, as the API itself gives it, have their kind from it.
fn flatten(document: Value, objects: &mut Vec<Value>) {
    let Value::Object(mut map) = document else {
        match document {
            Value::Array(items) => items.into_iter().for_each(|item| flatten(item, objects)),
            other => objects.push(other),
        }
        return;
    };
    let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    let version = map.get("apiVersion").cloned().unwrap_or_default();
    let (Some(of), Some(Value::Array(items))) = (kind.strip_suffix("List"), map.get_mut("items")) else {
        objects.push(Value::Object(map));
        return;
    };
    for mut item in std::mem::take(items) {
        if let (Value::Object(item), false) = (&mut item, of.is_empty()) {
            item.entry("apiVersion").or_insert_with(|| version.clone());
            item.entry("kind").or_insert_with(|| of.into());
        }
        objects.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn kinds(text: &str) -> Result<Vec<String>, String> {
        let kind =
            |object: &Value| format!("{}/{}", object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        parse(text).map(|objects| objects.iter().map(kind).collect())
    }

    #[rstest]
    #[case::nothing("", &[])]
    #[case::yaml("apiVersion: v1\nkind: A\n---\n# nothing\n---\napiVersion: b/v1\nkind: B\n", &["v1/A", "b/v1/B"])]
    #[case::json(r#"{"apiVersion": "v1", "kind": "A"}"#, &["v1/A"])]
    #[case::json_lines("{\"apiVersion\": \"v1\", \"kind\": \"A\"}\n{\"apiVersion\": \"v1\", \"kind\": \"B\"}\n", &["v1/A", "v1/B"])]
    #[case::array(r#"[{"apiVersion": "v1", "kind": "A"}]"#, &["v1/A"])]
    #[case::list(r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "A"}]}"#, &["v1/A"])]
    #[case::list_in_yaml("apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n", &["v1/A"])]
    #[case::typed_list(r#"{"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [{"metadata": {}}]}"#, &["apps/v1/Deployment"])]
    #[case::empty_list(r#"{"apiVersion": "v1", "kind": "List", "items": []}"#, &[])]
    #[case::yaml_like_json("{apiVersion: v1, kind: A}", &["v1/A"])]
    fn objects(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(kinds(text).unwrap(), expected);
    }

    #[rstest]
    #[case("kind: A", "object 1 is none of Kubernetes: it needs an `apiVersion` and a `kind`")]
    #[case(
        r#"[{"apiVersion": "v1", "kind": "A"}, 7]"#,
        "object 2 is none of Kubernetes: it needs an `apiVersion` and a `kind`"
    )]
    #[case("{\"apiVersion\": \"v1\",\n \"kind\": ]}", "expected value at line 2 column 10")]
    fn mistakes(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(kinds(text).unwrap_err(), expected);
    }
}
