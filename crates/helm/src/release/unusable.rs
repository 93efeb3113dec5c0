//! Rendered documents that helm fails on for certain, whatever the cluster holds.
//!
//! Helm has them read by kubectl's resource builder and its validation: `ObjectMeta` is decoded as it is typed, and a `v1` List is
//! validated item by item (`k8s.io/kubectl/pkg/validation`, `FlattenListVisitor` and `UnstructuredJSONScheme`).

use serde_json::Value;

/// Why helm cannot use a list: what it holds, or what it is itself. `None` of what is no list.
pub(super) fn list(document: &Value) -> Option<String> {
    let is_list = document.get("kind").and_then(Value::as_str) == Some("List");
    let items = match document.get("items") {
        Some(Value::Array(items)) => items,
        None if !is_list => return None,
        // Kinds of a cluster may have such a field, if it is empty.
        Some(Value::Null) if !is_list => return None,
        None => return Some("a list without `items`".to_owned()),
        Some(other) => return Some(format!("`items` is {}, not a list", named(other))),
    };
    if is_list && let Some(why) = kind(document) {
        return Some(why);
    }
    for (at, item) in items.iter().enumerate() {
        let why = match item {
            Value::Object(fields) if fields.get("items").is_some_and(Value::is_array) => Some(
                " is a list in a list, which helm does not take apart: write its objects into the outer one".to_owned(),
            ),
            Value::Object(_) if is_list => kind(item).map(|why| format!(": {why}")),
            Value::Object(_) => None,
            other => Some(format!(" is {}, not an object", named(other))),
        };
        if let Some(why) = why {
            return Some(format!("items[{at}]{why}"));
        }
    }
    metadata(document)
}

/// Why helm cannot use an object. Some hooks may be made under another name each time.
pub(super) fn object(object: &Value, may_be_nameless: bool) -> Option<String> {
    let no_name = || {
        let metadata = |key: &str| object.pointer("/metadata")?.get(key);
        let is_nameless = metadata("name").is_none_or(|name| name.is_null() || name == "");
        match (is_nameless, metadata("generateName")) {
            (true, Some(_)) if may_be_nameless => None,
            (true, Some(_)) => {
                let why =
                    "it has no name (generateName), which helm takes only for hooks that it does not delete before";
                Some(why.to_owned())
            }
            (true, None) => Some("it has no name".to_owned()),
            (false, _) => None,
        }
    };
    kind(object).or_else(|| metadata(object)).or_else(no_name)
}

/// What does not say what it is.
fn kind(object: &Value) -> Option<String> {
    ["apiVersion", "kind"].into_iter().find_map(|key| match object.get(key) {
        None | Some(Value::Null) => Some(format!("it has no `{key}`")),
        Some(Value::String(text)) if text.is_empty() => Some(format!("its `{key}` is empty")),
        Some(value) => not_text(key, value),
    })
}

/// What its metadata has that is not of the type it has to be.
fn metadata(object: &Value) -> Option<String> {
    let metadata = object.get("metadata")?.as_object()?;
    let text = |key: &str| not_text(&format!("metadata.{key}"), metadata.get(key)?);
    let texts = |key: &str| match metadata.get(key)? {
        Value::Object(map) => map.iter().find_map(|(name, value)| not_text(&format!("metadata.{key}.{name}"), value)),
        Value::Null => None,
        other => Some(format!("metadata.{key} is {}, not a mapping", named(other))),
    };
    let finalizers = || match metadata.get("finalizers")? {
        Value::Array(list) => list.iter().find_map(|value| not_text("one of metadata.finalizers", value)),
        Value::Null => None,
        other => Some(format!("metadata.finalizers is {}, not a list", named(other))),
    };
    ["name", "namespace", "generateName"]
        .into_iter()
        .find_map(text)
        .or_else(|| ["labels", "annotations"].into_iter().find_map(texts))
        .or_else(finalizers)
}

fn not_text(place: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(_) | Value::Null => None,
        Value::Bool(_) | Value::Number(_) => {
            Some(format!("{place} is {} to helm, not text: write it in quotes", named(value)))
        }
        Value::Array(_) | Value::Object(_) => Some(format!("{place} is {}, not text", named(value))),
    }
}

fn named(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(_) => "text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}
