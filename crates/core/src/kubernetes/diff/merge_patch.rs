//! What a JSON merge patch does to an object.

use serde_json::{Map, Value};

/// What the JSON merge patch (RFC 7396) that makes one manifest into the next one makes of a live object. What is the same in both
/// manifests is left as it is, whatever others have made of it; a list is replaced as a whole.
pub fn merge_patched(live: &Value, stored: &Value, wanted: &Value) -> Value {
    let Value::Object(wanted) = wanted else { return wanted.clone() };
    let nothing = Map::new();
    let stored = stored.as_object().unwrap_or(&nothing);
    let mut patched = live.as_object().cloned().unwrap_or_default();
    for name in stored.keys().filter(|name| !wanted.contains_key(*name)) {
        patched.remove(name);
    }
    for (name, wanted) in wanted.iter().filter(|(name, wanted)| stored.get(*name) != Some(*wanted)) {
        if wanted.is_null() {
            patched.remove(name);
        } else {
            let [live, stored] = [patched.get(name), stored.get(name)].map(|value| value.unwrap_or(&Value::Null));
            let merged = merge_patched(live, stored, wanted);
            patched.insert(name.clone(), merged);
        }
    }
    Value::Object(patched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::left_as_others_made_it(json!({"a": 1, "b": 1}), json!({"a": 1, "b": 2}), json!({"a": 9, "b": 1}), json!({"a": 9, "b": 2}))]
    #[case::not_set_any_more(json!({"a": {"b": 1, "c": 1}}), json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2, "d": 3}}), json!({"a": {"b": 1, "d": 3}}))]
    #[case::null_is_nothing(json!({"a": 1}), json!({"a": null}), json!({"a": 1, "b": 1}), json!({"b": 1}))]
    #[case::lists_are_replaced(json!({"a": [{"name": "x"}]}), json!({"a": [{"name": "y"}]}), json!({"a": [{"name": "z"}]}), json!({"a": [{"name": "y"}]}))]
    #[case::a_map_in_place_of_a_text(json!({"a": "x"}), json!({"a": {"b": 1}}), json!({"a": "x"}), json!({"a": {"b": 1}}))]
    #[case::what_others_took_away(json!({"a": {"b": 1, "c": 1}}), json!({"a": {"b": 1, "c": 2}}), json!({}), json!({"a": {"c": 2}}))]
    #[case::the_same(json!({"a": 1}), json!({"a": 1}), json!({"b": 1}), json!({"b": 1}))]
    fn patched(#[case] stored: Value, #[case] wanted: Value, #[case] live: Value, #[case] expected: Value) {
        assert_eq!(merge_patched(&live, &stored, &wanted), expected);
    }
}
