//! Reading fields that every family needs.

use serde_json::Value;

/// One entry of `status.conditions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition<'a> {
    pub kind: &'a str,
    /// `True`, `False` or `Unknown`.
    pub status: &'a str,
    pub reason: &'a str,
    pub message: &'a str,
    /// The generation it was written for.
    pub generation: Option<i64>,
}

impl Condition<'_> {
    pub(crate) fn is_true(&self) -> bool {
        self.status == "True"
    }

    pub(crate) fn is_false(&self) -> bool {
        self.status == "False"
    }

    /// Whether it was written for an earlier version of a spec that is at this generation now.
    pub(crate) fn is_before(&self, generation: Option<i64>) -> bool {
        self.generation.zip(generation).is_some_and(|(written_for, now)| written_for < now)
    }

    /// Its message, or its reason, or what it says at all.
    pub(crate) fn says(&self) -> String {
        [self.message, self.reason]
            .into_iter()
            .find(|text| !text.is_empty())
            .map_or_else(|| format!("{} is {}", self.kind, self.status), str::to_owned)
    }
}

pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer).and_then(Value::as_str).unwrap_or_default()
}

/// As [`Value::pointer`], which copies every name; those in our pointers have nothing escaped, but some annotations.
fn at<'a>(object: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.contains('~') {
        return object.pointer(pointer);
    }
    pointer.split('/').skip(1).try_fold(object, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        value => value.get(name),
    })
}

/// The API group (empty for the core one) and the kind.
pub(crate) fn group_and_kind(object: &Value) -> (&str, &str) {
    let group = member(object, "apiVersion").split_once('/').map_or("", |(group, _)| group);
    (group, member(object, "kind"))
}

pub(crate) fn flag(object: &Value, pointer: &str) -> bool {
    at(object, pointer).and_then(Value::as_bool) == Some(true)
}

/// A whole number, also one written as text.
pub(crate) fn number(object: &Value, pointer: &str) -> Option<i64> {
    let value = at(object, pointer)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// A count that Kubernetes leaves out when it is 0.
pub(crate) fn count(object: &Value, pointer: &str) -> i64 {
    number(object, pointer).unwrap_or_default()
}

pub(crate) fn array<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    at(object, pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The conditions in a list.
pub(crate) fn conditions_of(list: &Value) -> Vec<Condition<'_>> {
    list.as_array().into_iter().flatten().map(condition_of).collect()
}

fn condition_of(condition: &Value) -> Condition<'_> {
    // Some controllers write booleans.
    let status = match condition.get("status").or_else(|| condition.get("phase")) {
        Some(Value::Bool(true)) => "True",
        Some(Value::Bool(false)) => "False",
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => "True",
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => "False",
        _ => "Unknown",
    };
    Condition {
        kind: member(condition, "type"),
        status,
        reason: member(condition, "reason"),
        message: member(condition, "message"),
        generation: condition.get("observedGeneration").and_then(Value::as_i64),
    }
}

/// Text in a field of this object, or nothing.
pub(crate) fn member<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// One condition of the object's status.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<Condition<'a>> {
    let all = at(object, "/status/conditions").map(conditions_of).unwrap_or_default();
    all.into_iter().find(|condition| condition.kind == kind)
}

/// Whether the controller has not yet seen the present spec. A controller that always writes `observedGeneration` has
/// seen nothing while it is missing.
pub(crate) fn is_unseen(object: &Value, always_written: bool) -> bool {
    let Some(generation) = number(object, "/metadata/generation") else { return false };
    match number(object, "/status/observedGeneration") {
        Some(observed) => observed < generation,
        None => always_written,
    }
}
