//! What an object would be if only what a manifest declares changed.

use super::lists::{are_objects, key_fields, key_of};
use crate::kubernetes::quantity::quantity;
use serde_json::{Map, Value};

/// A live object with everything a manifest declares, and all else as it is: what an apply comes to without defaults and
/// admission. Quantities that mean the same stay as they are.
pub fn declared(live: &Value, wanted: &Value) -> Value {
    overlay("", live, wanted)
}

fn overlay(name: &str, live: &Value, wanted: &Value) -> Value {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => Value::Object(maps(name, live, wanted)),
        (Value::Array(live), Value::Array(wanted)) => Value::Array(lists(name, live, wanted)),
        (live, wanted) if is_same_number(live, wanted) => live.clone(),
        (_, wanted) => wanted.clone(),
    }
}

fn maps(own: &str, live: &Map<String, Value>, wanted: &Map<String, Value>) -> Map<String, Value> {
    let mut result = live.clone();
    for (name, wanted) in wanted.iter().filter(|(_, wanted)| !wanted.is_null()) {
        let merged = match live.get(name) {
            Some(live) if is_quantity(own, name) && is_same_quantity(live, wanted) => live.clone(),
            Some(live) => overlay(name, live, wanted),
            // The server keeps no empty map or list of its own accord.
            None if wanted.as_object().is_some_and(Map::is_empty) || wanted.as_array().is_some_and(Vec::is_empty) => {
                continue;
            }
            None => wanted.clone(),
        };
        result.insert(name.clone(), merged);
    }
    result
}

fn lists(name: &str, live: &[Value], wanted: &[Value]) -> Vec<Value> {
    if !are_objects(live, wanted) {
        return wanted.to_vec();
    }
    let Some(fields) = key_fields(name, live, wanted) else {
        // Without keys an item is another one as soon as their number changes.
        let pairs = live.iter().zip(wanted).map(|(live, wanted)| overlay("", live, wanted));
        return if live.len() == wanted.len() { pairs.collect() } else { wanted.to_vec() };
    };
    let find = |items: &'_ [Value], item: &Value| {
        let key = key_of(item, fields);
        items.iter().position(|other| key_of(other, fields) == key)
    };
    let kept = live.iter().map(|item| match find(wanted, item) {
        Some(at) => overlay("", item, &wanted[at]),
        None => item.clone(),
    });
    let added = wanted.iter().filter(|item| find(live, item).is_none()).cloned();
    kept.chain(added).collect()
}

fn is_same_number(live: &Value, wanted: &Value) -> bool {
    live.is_number() && wanted.is_number() && live.as_f64() == wanted.as_f64()
}

/// Whether Kubernetes keeps a quantity there. Elsewhere `1` and `1.0` are different texts.
fn is_quantity(map: &str, field: &str) -> bool {
    matches!(map, "limits" | "requests" | "capacity" | "hard" | "overhead" | "podFixed") || field == "sizeLimit"
}

/// Whether the server's own way to write a quantity is all that differs: `0.5` and `500m`, `1024Mi` and `1Gi`.
fn is_same_quantity(live: &Value, wanted: &Value) -> bool {
    quantity(live).zip(quantity(wanted)).is_some_and(|(live, wanted)| is_close(live, wanted))
}

fn is_close(a: f64, b: f64) -> bool {
    (a - b).abs() <= a.abs().max(b.abs()) * 1e-12
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"a": 1, "b": {"c": 1}}), json!({"b": {"c": 2}}), json!({"a": 1, "b": {"c": 2}}))]
    #[case(json!({"limits": {"cpu": "500m", "memory": "1Gi"}}), json!({"limits": {"cpu": 0.5, "memory": "1024Mi"}}), json!({"limits": {"cpu": "500m", "memory": "1Gi"}}))]
    #[case(json!({"limits": {"cpu": "500m"}}), json!({"limits": {"cpu": "600m"}}), json!({"limits": {"cpu": "600m"}}))]
    #[case(json!({"value": "1"}), json!({"value": "1.0"}), json!({"value": "1.0"}))]
    #[case(json!({"weight": 1}), json!({"weight": 1.0}), json!({"weight": 1}))]
    #[case(json!({"env": [{"name": "A", "x": 1}]}), json!({"env": [{"name": "B"}, {"name": "A", "x": 2}]}), json!({"env": [{"name": "A", "x": 2}, {"name": "B"}]}))]
    #[case(json!({"args": ["a"]}), json!({"args": ["b", "c"]}), json!({"args": ["b", "c"]}))]
    #[case(json!({"paths": [{"path": "/", "pathType": "Prefix"}]}), json!({"paths": [{"path": "/a"}]}), json!({"paths": [{"path": "/a", "pathType": "Prefix"}]}))]
    #[case(json!({"a": 1}), json!({"a": null, "resources": {}, "tolerations": []}), json!({"a": 1}))]
    fn overlaid(#[case] live: Value, #[case] wanted: Value, #[case] expected: Value) {
        assert_eq!(declared(&live, &wanted), expected);
    }
}
