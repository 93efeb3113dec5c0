//! Values as they may be shown.

use super::path::{FieldPath, PathSegment};
use crate::text::Redactor;
use serde_json::Value;

/// Where kubectl keeps a copy of the whole object.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Longer values are shortened.
const LONGEST: usize = 400;
/// To so many characters.
const SHORTENED: usize = 200;

/// What of an object must not be shown.
#[derive(Debug, Clone, Copy)]
pub struct Secrecy<'a> {
    /// The object's kind.
    pub kind: &'a str,
    /// What is known to be secret.
    pub redactor: &'a Redactor,
}

impl Secrecy<'_> {
    /// Whether the path leads to the map of a ConfigMap or Secret whose keys are looked at one by one.
    pub(super) fn is_data(&self, path: &FieldPath) -> bool {
        matches!(self.kind, "ConfigMap" | "Secret")
            && matches!(path.fields()[..], ["data" | "stringData" | "binaryData"])
    }

    /// Both sides of a change. They differ even where what differs is not shown.
    pub(super) fn pair(
        &self,
        path: &FieldPath,
        old: Option<&Value>,
        new: Option<&Value>,
    ) -> (Option<Value>, Option<Value>) {
        let mask = |value: &Value| self.masked(&mut path.clone(), value);
        let (old, new) = (old.map(mask), new.map(mask));
        let alike = old.as_ref().zip(new.as_ref()).map_or(0, |(old, new)| alike(&written(old), &written(new)));
        let shorten = |value: Value| shortened(value, alike);
        let (old, new) = (old.map(shorten), new.map(shorten));
        if old.is_none() || old != new && !self.is_sensitive(path) {
            return (old, new);
        }
        (old, new.map(changed))
    }

    /// A text without what is known to be secret.
    pub(super) fn text(&self, text: &str) -> String {
        self.redactor.redact(text)
    }

    fn is_sensitive(&self, path: &FieldPath) -> bool {
        self.kind == "Secret"
            && matches!(path.fields()[..], ["data" | "stringData", _, ..] | ["metadata", "annotations", LAST_APPLIED])
    }

    fn masked(&self, path: &mut FieldPath, value: &Value) -> Value {
        if self.is_sensitive(path) || (self.kind == "Secret" && self.is_data(path) && !value.is_object()) {
            return Value::String(format!("(sensitive, {} bytes)", size(path, value)));
        }
        match value {
            // What everything is told by; a name is no secret.
            Value::String(_) if is_name(path) => value.clone(),
            Value::String(text) => Value::String(self.text(text)),
            Value::Number(number) => match self.text(&number.to_string()) {
                text if text == number.to_string() => value.clone(),
                text => Value::String(text),
            },
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| path.with(PathSegment::Index(at), |path| self.masked(path, item)))
                    .collect(),
            ),
            Value::Object(map) => Value::Object(
                map.iter()
                    .map(|(key, value)| {
                        let masked = path.with(PathSegment::Field(key.clone()), |path| self.masked(path, value));
                        (key.clone(), masked)
                    })
                    .collect(),
            ),
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }
}

fn is_name(path: &FieldPath) -> bool {
    matches!(path.fields()[..], ["kind" | "apiVersion"] | ["metadata", "name" | "namespace"])
}

/// How long a sensitive value is: that of `data` without its base64.
fn size(path: &FieldPath, value: &Value) -> usize {
    let Some(text) = value.as_str() else { return value.to_string().len() };
    match path.fields().first() {
        Some(&"data") => text.trim_end_matches('=').len() * 3 / 4,
        Some(_) | None => text.len(),
    }
}

fn changed(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(match text.strip_suffix(')') {
            Some(beginning) if text.starts_with("(sensitive") => format!("{beginning}, changed)"),
            Some(_) | None => format!("{text} (changed)"),
        }),
        Value::Array(mut items) => {
            items.push(Value::from("(changed)"));
            Value::Array(items)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value,
    }
}

/// A text as it stands, anything else as JSON.
fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// How many characters two texts begin with alike.
fn alike(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

/// Cuts a long value, so that what follows the first `alike` characters is seen.
fn shortened(value: Value, alike: usize) -> Value {
    if matches!(value, Value::Null | Value::Bool(_) | Value::Number(_)) {
        return value;
    }
    let text = written(&value);
    let count = text.chars().count();
    if count <= LONGEST {
        return value;
    }
    // What differs stands behind a quarter of what is shown.
    let start = if alike < SHORTENED / 2 { 0 } else { (alike - SHORTENED / 4).min(count) };
    let shown: String = text.chars().skip(start).take(SHORTENED).collect();
    let (before, after) = (if start > 0 { "…" } else { "" }, if start + SHORTENED < count { "…" } else { "" });
    Value::String(format!("{before}{shown}{after} ({count} characters)"))
}
