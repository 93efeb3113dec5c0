//! Label selectors.

use serde_json::Value;

/// Whether a selector matches the labels of an object (its `metadata.labels`, or null). An empty one matches everything.
pub(crate) fn matches(selector: &Value, labels: &Value) -> bool {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let equal = |(key, value): (&String, &Value)| labels.get(key) == Some(value);
    let expression = |expression: &Value| {
        let label = expression.get("key").and_then(Value::as_str).and_then(|key| labels.get(key)).and_then(text);
        let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
        let is_among = label.is_some() && values.filter_map(text).any(|value| Some(value) == label);
        match expression.get("operator").and_then(Value::as_str) {
            Some("In") => is_among,
            Some("NotIn") => !is_among,
            Some("Exists") => label.is_some(),
            Some("DoesNotExist") => label.is_none(),
            // The server knows no other.
            Some(_) | None => false,
        }
    };
    let maps = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    maps.into_iter().all(equal) && expressions.into_iter().all(expression)
}
