//! Which ConfigMaps, Secrets and claims a pod refers to.

use serde_json::Value;
use std::collections::BTreeSet;

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

/// What the pods of a workload name in their namespace, as kind and name: ConfigMaps, Secrets (those with which images are
/// pulled too), claims and the ServiceAccount. Nothing for what makes no pods.
pub fn named_by_pods(workload: &Value) -> BTreeSet<(&'static str, String)> {
    let pulled_with = any_pod_spec(workload).into_iter().flat_map(|spec| items(spec, "/imagePullSecrets"));
    let pulled_with = pulled_with.filter_map(|secret| Some(("Secret", named(secret, "/name")?)));
    references(workload, |_| true).chain(pulled_with).collect()
}

/// Those of them without which its pods do not start: not what is optional, and not what images are pulled with.
pub fn needed_by_pods(workload: &Value) -> BTreeSet<(&'static str, String)> {
    references(workload, |at| at.get("optional") != Some(&Value::Bool(true))).collect()
}

/// The spec of the pods it makes, whether they stay or not.
fn any_pod_spec(workload: &Value) -> Option<&Value> {
    match workload.get("kind").and_then(Value::as_str) {
        Some("Pod") => workload.get("spec"),
        Some("CronJob") => workload.pointer("/spec/jobTemplate/spec/template/spec"),
        _ => workload.pointer("/spec/template/spec"),
    }
}

/// What pods name in volumes, in their environment and as their ServiceAccount, where that `counts`.
fn references(workload: &Value, counts: impl Fn(&Value) -> bool) -> impl Iterator<Item = (&'static str, String)> {
    let mut found = Vec::new();
    let Some(spec) = any_pod_spec(workload) else { return found.into_iter() };
    let mut add = |kind, at: Option<&Value>, name: &str| {
        let at = at.filter(|at| counts(at));
        found.extend(at.and_then(|at| named(at, name)).map(|name| (kind, name)));
    };
    add("ServiceAccount", Some(spec), "/serviceAccountName");
    for volume in items(spec, "/volumes") {
        add("ConfigMap", volume.get("configMap"), "/name");
        add("Secret", volume.get("secret"), "/secretName");
        add("PersistentVolumeClaim", volume.get("persistentVolumeClaim"), "/claimName");
        for source in items(volume, "/projected/sources") {
            add("ConfigMap", source.get("configMap"), "/name");
            add("Secret", source.get("secret"), "/name");
        }
    }
    for container in ["/initContainers", "/containers"].into_iter().flat_map(|list| items(spec, list)) {
        for entry in items(container, "/env") {
            add("ConfigMap", entry.pointer("/valueFrom/configMapKeyRef"), "/name");
            add("Secret", entry.pointer("/valueFrom/secretKeyRef"), "/name");
        }
        for entry in items(container, "/envFrom") {
            add("ConfigMap", entry.get("configMapRef"), "/name");
            add("Secret", entry.get("secretRef"), "/name");
        }
    }
    found.into_iter()
}

fn named(at: &Value, name: &str) -> Option<String> {
    at.pointer(name).and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned)
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn everything_pods_name() {
        let spec = json!({
            "serviceAccountName": "account",
            "imagePullSecrets": [{"name": "pull"}],
            "volumes": [
                {"configMap": {"name": "mounted"}}, {"secret": {"secretName": "mounted"}},
                {"persistentVolumeClaim": {"claimName": "data"}},
                {"projected": {"sources": [{"configMap": {"name": "projected"}}, {"secret": {"name": "projected"}}]}},
            ],
            "initContainers": [{"env": [{"name": "a", "valueFrom": {"configMapKeyRef": {"name": "key"}}}]}],
            "containers": [{"env": [{"name": "a", "valueFrom": {"secretKeyRef": {"name": "key"}}}, {"name": "b", "value": "c"}],
                "envFrom": [{"configMapRef": {"name": "all"}}, {"secretRef": {"name": "all"}}]}],
        });
        let expected = [
            ("ConfigMap", "all"),
            ("ConfigMap", "key"),
            ("ConfigMap", "mounted"),
            ("ConfigMap", "projected"),
            ("PersistentVolumeClaim", "data"),
            ("Secret", "all"),
            ("Secret", "key"),
            ("Secret", "mounted"),
            ("Secret", "projected"),
            ("Secret", "pull"),
            ("ServiceAccount", "account"),
        ];
        let expected: BTreeSet<(&str, String)> = expected.map(|(kind, name)| (kind, name.to_owned())).into();
        let named = [
            named_by_pods(&json!({"kind": "Pod", "spec": spec})),
            named_by_pods(&json!({"kind": "Deployment", "spec": {"template": {"spec": spec}}})),
            named_by_pods(&json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}})),
        ];
        assert_eq!(named, [expected.clone(), expected.clone(), expected]);
        assert_eq!(named_by_pods(&json!({"kind": "Service", "spec": {}})), BTreeSet::new());
    }

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
