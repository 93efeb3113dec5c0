//! What is kept of an object that arrives: what tells how it stands and why, and nothing else.

use crate::client::{Detail, detail_of};
use serde_json::Value;

/// A copy of the whole spec that kubectl leaves behind.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Takes out what nothing is judged by: who has written which field (but of a workload that is halted), the last configuration, the data of Secrets and
/// ConfigMaps, the schemas of definitions.
pub(super) fn prune(mut object: Value) -> Value {
    let is_suspended =
        ["/spec/paused", "/spec/suspend"].iter().any(|field| object.pointer(field) == Some(&Value::Bool(true)));
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        if !is_suspended {
            metadata.shift_remove("managedFields");
        }
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.shift_remove(LAST_APPLIED);
        }
    }
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    if detail_of(kind) == Detail::Metadata {
        if let Value::Object(fields) = &mut object {
            fields.retain(|field, _| matches!(field.as_str(), "apiVersion" | "kind" | "metadata"));
        }
    } else if kind == "CustomResourceDefinition" {
        let versions = object.pointer_mut("/spec/versions").and_then(Value::as_array_mut);
        for version in versions.into_iter().flatten().filter_map(Value::as_object_mut) {
            version.shift_remove("schema");
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "managedFields": [{}], "annotations": {LAST_APPLIED: "{}", "b": "c"}}, "spec": {"replicas": 1}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "annotations": {"b": "c"}}, "spec": {"replicas": 1}})
    )]
    #[case(
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "type": "Opaque", "data": {"k": "djE="}, "stringData": {"k": "v"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})
    )]
    #[case(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "binaryData": {"k": "djE="}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
    )]
    #[case(
        json!({"kind": "CustomResourceDefinition", "spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": {}}}]}}),
        json!({"kind": "CustomResourceDefinition", "spec": {"versions": [{"name": "v1"}]}})
    )]
    #[case(json!("no object"), json!("no object"))]
    fn pruned(#[case] object: Value, #[case] expected: Value) {
        assert_eq!(prune(object), expected);
    }
}
