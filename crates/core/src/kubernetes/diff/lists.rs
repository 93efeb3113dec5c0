//! Which items of two lists are the same one.

use serde_json::Value;

/// The fields that identify the items of Kubernetes' own lists (`x-kubernetes-list-map-keys`), by the name of the list.
const BY_LIST: [(&str, &[&str]); 7] = [
    ("ports", &["containerPort", "protocol"]),
    ("ports", &["port", "protocol"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("hostAliases", &["ip"]),
    ("conditions", &["type"]),
    ("ownerReferences", &["uid"]),
];

/// The fields that identify items in any list, where they do: not every kind tells by a schema.
const ANYWHERE: [&[&str]; 4] = [&["name"], &["key"], &["type"], &["topologyKey"]];

/// Values of some fields that identify an item.
pub(super) type Key = Vec<(String, Value)>;

/// The fields by which the items of both lists are told apart. `None` when there are none: the items are compared by their place.
pub(super) fn key_fields(list: &str, old: &[Value], new: &[Value]) -> Option<&'static [&'static str]> {
    let own = BY_LIST.iter().filter(|(name, _)| *name == list).map(|(_, fields)| *fields);
    own.chain(ANYWHERE).find(|fields| are_told_apart(old, fields) && are_told_apart(new, fields))
}

fn are_told_apart(items: &[Value], fields: &[&str]) -> bool {
    let keys: Option<Vec<Key>> = items.iter().map(|item| key_of(item, fields)).collect();
    keys.is_some_and(|keys| keys.iter().enumerate().all(|(at, key)| !keys[..at].contains(key)))
}

/// What identifies an item; `None` when it lacks one of the fields.
pub(super) fn key_of(item: &Value, fields: &[&str]) -> Option<Key> {
    let value = |field: &&str| match item.get(field) {
        Some(value @ (Value::String(_) | Value::Number(_))) => Some(((*field).to_owned(), value.clone())),
        // What the server sets where none is given.
        None if *field == "protocol" && item.is_object() => Some(((*field).to_owned(), Value::from("TCP"))),
        Some(_) | None => None,
    };
    fields.iter().map(value).collect()
}

/// Whether both are lists of objects.
pub(super) fn are_objects(old: &[Value], new: &[Value]) -> bool {
    old.iter().chain(new).all(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("containers", json!([{"name": "a"}]), json!([{"name": "b"}]), Some(&["name"][..]))]
    #[case("env", json!([{"name": "a"}, {"name": "a"}]), json!([]), None)]
    #[case("ports", json!([{"name": "http", "containerPort": 80}]), json!([]), Some(&["containerPort", "protocol"][..]))]
    #[case("ports", json!([{"name": "http", "port": 80, "protocol": "UDP"}, {"port": 80}]), json!([]), Some(&["port", "protocol"][..]))]
    #[case("volumeMounts", json!([{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]), json!([]), Some(&["mountPath"][..]))]
    #[case("volumeDevices", json!([{"name": "v", "devicePath": "/a"}]), json!([]), Some(&["devicePath"][..]))]
    #[case("hostAliases", json!([{"ip": "1.2.3.4"}]), json!([]), Some(&["ip"][..]))]
    #[case("conditions", json!([{"type": "Ready"}]), json!([]), Some(&["type"][..]))]
    #[case("tolerations", json!([{"key": "a"}, {"key": "b"}]), json!([]), Some(&["key"][..]))]
    #[case("tolerations", json!([{"key": "a"}, {"operator": "Exists"}]), json!([]), None)]
    #[case("topologySpreadConstraints", json!([{"topologyKey": "zone"}]), json!([]), Some(&["topologyKey"][..]))]
    #[case("paths", json!([{"path": "/"}]), json!([]), None)]
    fn identified(
        #[case] list: &str,
        #[case] old: Value,
        #[case] new: Value,
        #[case] expected: Option<&'static [&'static str]>,
    ) {
        assert_eq!(key_fields(list, old.as_array().unwrap(), new.as_array().unwrap()), expected);
    }
}
