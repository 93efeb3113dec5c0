//! Which ConfigMaps, Secrets and claims a pod refers to.

use serde_json::Value;

/// The spec of the pods a workload makes; `None` for what makes no pods that stay.
pub(crate) fn pod_spec(workload: &Value) -> Option<&Value> {
    match workload.get("kind").and_then(Value::as_str)? {
        "Pod" => workload.get("spec"),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" => {
            workload.pointer("/spec/template/spec")
        }
        _ => None,
    }
}

/// Whether the pods of a workload mount the ConfigMap or Secret, or take their environment from it.
pub(crate) fn refers_to(pod_spec: &Value, kind: &str, name: &str) -> bool {
    let (volume, named, key_ref, env_from) = match kind {
        "ConfigMap" => ("configMap", "name", "configMapKeyRef", "configMapRef"),
        "Secret" => ("secret", "secretName", "secretKeyRef", "secretRef"),
        _ => return false,
    };
    let is = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str) == Some(name);
    let mounted = items(pod_spec, "/volumes").any(|entry| {
        is(entry, &format!("/{volume}/{named}"))
            || items(entry, "/projected/sources").any(|source| is(source, &format!("/{volume}/name")))
    });
    let containers = ["/initContainers", "/containers"].into_iter().flat_map(|list| items(pod_spec, list));
    let taken = |container: &Value| {
        items(container, "/env").any(|entry| is(entry, &format!("/valueFrom/{key_ref}/name")))
            || items(container, "/envFrom").any(|entry| is(entry, &format!("/{env_from}/name")))
    };
    mounted || containers.into_iter().any(taken)
}

/// The claims a pod mounts by their names.
pub(crate) fn claim_names(pod_spec: &Value) -> impl Iterator<Item = &str> {
    items(pod_spec, "/volumes")
        .filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str))
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"volumes": [{"configMap": {"name": "x"}}]}), true, false)]
    #[case(json!({"volumes": [{"secret": {"secretName": "x"}}]}), false, true)]
    #[case(json!({"volumes": [{"projected": {"sources": [{"configMap": {"name": "x"}}, {"secret": {"name": "x"}}]}}]}), true, true)]
    #[case(json!({"initContainers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "x"}}}]}]}), true, false)]
    #[case(json!({"containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "x"}}}]}]}), false, true)]
    #[case(json!({"containers": [{"envFrom": [{"configMapRef": {"name": "x"}}, {"secretRef": {"name": "x"}}]}]}), true, true)]
    #[case(json!({"volumes": [{"configMap": {"name": "y"}}]}), false, false)]
    fn references(#[case] spec: Value, #[case] config_map: bool, #[case] secret: bool) {
        assert_eq!((refers_to(&spec, "ConfigMap", "x"), refers_to(&spec, "Secret", "x")), (config_map, secret));
    }
}
