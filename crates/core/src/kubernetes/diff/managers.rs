//! Who has written a field, by what the server notes of it.

use super::lists::Key;
use super::path::PathSegment;
use serde_json::{Map, Value};

/// Field managers that are helm's own and ours.
const OWN: [&str; 2] = ["helm", "pilothouse"];

/// Who has written a field of a live object, when it was neither helm nor we: `kubectl-edit, 2026-11-21T10:00:00Z`. Of
/// several, the last one.
pub fn written_by(live: &Value, path: &[PathSegment]) -> Option<String> {
    let managers = live.pointer("/metadata/managedFields").and_then(Value::as_array)?;
    let text = |entry: &'_ Value, field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    managers
        .iter()
        .filter(|entry| entry.get("fieldsV1").is_some_and(|fields| owns(fields, path)))
        .map(|entry| (text(entry, "time"), text(entry, "manager")))
        .filter(|(_, manager)| !manager.is_empty() && !OWN.contains(&manager.as_str()))
        // Times are all UTC and of one length: their order is that of the text.
        .max()
        .map(|(time, manager)| if time.is_empty() { manager } else { format!("{manager}, {time}") })
}

/// Whether helm has written something of the object by an update, that is without server-side apply.
pub fn is_client_side_applied(live: &Value) -> bool {
    let managers = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    managers.into_iter().flatten().any(|entry| {
        entry.get("manager").and_then(Value::as_str) == Some("helm")
            && entry.get("operation").and_then(Value::as_str) == Some("Update")
            && entry.get("subresource").and_then(Value::as_str).is_none_or(str::is_empty)
    })
}

/// Whether a set of fields has the one at the path, something within it, or something around it as a whole.
fn owns(fields: &Value, path: &[PathSegment]) -> bool {
    let Some(map) = fields.as_object() else { return false };
    let Some((segment, rest)) = path.split_first() else { return true };
    match child(map, segment) {
        Some(child) => owns(child, rest),
        None => map.keys().all(|key| key == "."),
    }
}

fn child<'a>(fields: &'a Map<String, Value>, segment: &PathSegment) -> Option<&'a Value> {
    match segment {
        PathSegment::Field(name) => fields.get(&format!("f:{name}")),
        PathSegment::Item(key) => fields
            .iter()
            .find(|(name, _)| name.strip_prefix("k:").is_some_and(|json| is_key(json, key)))
            .map(|(_, v)| v),
        PathSegment::Index(at) => fields.get(&format!("i:{at}")),
    }
}

/// Whether the server's key is that of the item. Ours may have fewer fields than the server's, or more.
fn is_key(json: &str, key: &Key) -> bool {
    let Ok(Value::Object(theirs)) = serde_json::from_str(json) else { return false };
    let mut common = key.iter().filter_map(|(field, value)| Some((theirs.get(field)?, value))).peekable();
    common.peek().is_some() && common.all(|(theirs, ours)| theirs == ours)
}
