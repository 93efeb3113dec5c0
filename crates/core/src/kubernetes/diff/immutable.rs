//! Fields that cannot be changed once an object exists.

use super::declared::declared;
use crate::kubernetes::quantity::quantity;
use serde_json::Value;

/// The fields of a StatefulSet's spec that can be changed (`pkg/apis/apps/validation`, Kubernetes 1.36); all others cannot.
const STATEFUL_SET_MUTABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
    "revisionHistoryLimit",
];
/// The fields of a claim's spec that can be changed; its size too, but only upwards.
const CLAIM_MUTABLE: [&str; 3] = ["resources", "volumeName", "volumeAttributesClassName"];

/// The field that keeps a live object from becoming what is wanted, in words; `None` when it can be changed in place.
/// `then` may be a manifest: what it does not declare stays as it is.
pub fn forced_replacement(kind: &str, live: &Value, then: &Value) -> Option<String> {
    let fixed =
        |fields: &[&str]| fields.iter().find(|field| differs(live, then, field)).map(|field| fixed_words(field));
    match kind {
        "StatefulSet" => fixed_but(live, then, &STATEFUL_SET_MUTABLE),
        "Deployment" | "DaemonSet" | "ReplicaSet" => fixed(&["/spec/selector"]),
        "Job" => fixed(&["/spec/selector", "/spec/template", "/spec/completionMode", "/spec/podFailurePolicy"]),
        "PersistentVolumeClaim" => fixed_but(live, then, &CLAIM_MUTABLE).or_else(|| shrinks(live, then)),
        "Service" => cluster_ip(live, then),
        "RoleBinding" | "ClusterRoleBinding" => fixed(&["/roleRef"]),
        "Secret" => fixed(&["/type"]).or_else(|| immutable_data(live, then)),
        "ConfigMap" => immutable_data(live, then),
        "StorageClass" => fixed(&["/provisioner", "/parameters", "/reclaimPolicy", "/volumeBindingMode"]),
        "CustomResourceDefinition" => fixed(&["/spec/group", "/spec/scope", "/spec/names/kind", "/spec/names/plural"]),
        "IngressClass" => fixed(&["/spec/controller"]),
        "PriorityClass" => fixed(&["/value", "/preemptionPolicy"]),
        "RuntimeClass" => fixed(&["/handler"]),
        _ => None,
    }
}

/// The fields a refusal of the server is about, when it is one to change them: `spec.selector: field is immutable`. Without the
/// values, which may be long or secret.
pub fn words_of_refusal(message: &str) -> Option<String> {
    const WORDS: [(&str, &str); 6] = [
        ("field is immutable", "field is immutable"),
        ("updates to statefulset spec for fields other than", "only some fields of a StatefulSet can be changed"),
        ("is immutable after creation", "only its size can be changed, upwards"),
        ("can not be less than", "it cannot become smaller"),
        ("may not change once set", "it cannot be changed once set"),
        ("cannot change roleRef", "roleRef cannot be changed"),
    ];
    let what = WORDS.iter().find(|(words, _)| message.contains(words)).map(|(_, what)| *what)?;
    let details = message.split_once(" is invalid: ").map_or(message, |(_, details)| details);
    let mut fields: Vec<&str> = details
        .trim_start_matches('[')
        .split(", ")
        .filter_map(|part| {
            let (field, rest) = part.split_once(": ")?;
            let is_refused = rest.starts_with("Invalid value") || rest.starts_with("Forbidden");
            (is_refused && !field.contains([' ', '"', '{'])).then_some(field)
        })
        .collect();
    fields.dedup();
    Some(if fields.is_empty() { what.to_owned() } else { format!("{}: {what}", fields.join(", ")) })
}

fn fixed_words(pointer: &str) -> String {
    format!("{} cannot be changed", pointer.trim_start_matches('/').replace('/', "."))
}

/// Whether what is declared of a field is not what is there.
fn differs(live: &Value, then: &Value, pointer: &str) -> bool {
    let is = live.pointer(pointer).unwrap_or(&Value::Null);
    let Some(wanted) = then.pointer(pointer).filter(|wanted| !wanted.is_null()) else { return false };
    if pointer == "/spec/selector" {
        // A selector is replaced as a whole, so what is left out counts too.
        return is.get("matchLabels") != wanted.get("matchLabels");
    }
    declared(is, wanted) != *is
}

fn fixed_but(live: &Value, then: &Value, mutable: &[&str]) -> Option<String> {
    let spec = then.get("spec")?.as_object()?;
    let pointers = spec.keys().filter(|field| !mutable.contains(&field.as_str())).map(|field| format!("/spec/{field}"));
    pointers.into_iter().find(|pointer| differs(live, then, pointer)).map(|pointer| fixed_words(&pointer))
}

fn shrinks(live: &Value, then: &Value) -> Option<String> {
    let size = |object: &Value| object.pointer("/spec/resources/requests/storage").cloned();
    let (is, wanted) = (size(live)?, size(then)?);
    let smaller = quantity(&wanted)? < quantity(&is)?;
    smaller.then(|| "spec.resources.requests.storage cannot become smaller".to_owned())
}

fn cluster_ip(live: &Value, then: &Value) -> Option<String> {
    let ip = |object: &'_ Value| object.pointer("/spec/clusterIP").and_then(Value::as_str).map(str::to_owned);
    let external = then.pointer("/spec/type").and_then(Value::as_str) == Some("ExternalName");
    let (is, wanted) = (ip(live)?, ip(then)?);
    (!external && !is.is_empty() && is != wanted).then(|| fixed_words("/spec/clusterIP"))
}

fn immutable_data(live: &Value, then: &Value) -> Option<String> {
    if live.get("immutable").and_then(Value::as_bool) != Some(true) {
        return None;
    }
    let changed = ["data", "binaryData"].into_iter().any(|field| {
        let value = |object: &Value| {
            object.get(field).filter(|map| map.as_object().is_some_and(|map| !map.is_empty())).cloned()
        };
        value(live) != value(then)
    });
    let freed = then.get("immutable").and_then(Value::as_bool) == Some(false);
    (changed || freed).then(|| "it is marked immutable".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("StatefulSet", json!({"spec": {"serviceName": "a", "replicas": 1}}), json!({"spec": {"serviceName": "a", "replicas": 2, "template": {}}}), None)]
    #[case("StatefulSet", json!({"spec": {"serviceName": "a"}}), json!({"spec": {"serviceName": "b"}}), Some("spec.serviceName cannot be changed"))]
    #[case("StatefulSet", json!({"spec": {"podManagementPolicy": "OrderedReady"}}), json!({"spec": {"podManagementPolicy": "Parallel"}}), Some("spec.podManagementPolicy cannot be changed"))]
    #[case(
        "StatefulSet",
        json!({"spec": {"volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}, "volumeMode": "Filesystem"}, "status": {}}]}}),
        json!({"spec": {"volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {"resources": {"requests": {"storage": "1024Mi"}}}}]}}),
        None
    )]
    #[case(
        "StatefulSet",
        json!({"spec": {"volumeClaimTemplates": [{"spec": {"resources": {"requests": {"storage": "1Gi"}}}}]}}),
        json!({"spec": {"volumeClaimTemplates": [{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}]}}),
        Some("spec.volumeClaimTemplates cannot be changed")
    )]
    #[case("Deployment", json!({"spec": {"selector": {"matchLabels": {"a": "1", "b": "2"}}}}), json!({"spec": {"selector": {"matchLabels": {"a": "1"}}}}), Some("spec.selector cannot be changed"))]
    #[case("DaemonSet", json!({"spec": {"selector": {"matchLabels": {"a": "1"}}}}), json!({"spec": {"selector": {"matchLabels": {"a": "1"}}}}), None)]
    #[case("Job", json!({"spec": {"template": {"spec": {"dnsPolicy": "x", "containers": [{"name": "a", "image": "1"}]}}}}), json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "2"}]}}}}), Some("spec.template cannot be changed"))]
    #[case("Job", json!({"spec": {"parallelism": 1, "template": {"spec": {"dnsPolicy": "x"}}}}), json!({"spec": {"parallelism": 2, "template": {"spec": {}}}}), None)]
    #[case("PersistentVolumeClaim", json!({"spec": {"storageClassName": "a"}}), json!({"spec": {"storageClassName": "b"}}), Some("spec.storageClassName cannot be changed"))]
    #[case("PersistentVolumeClaim", json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}}), json!({"spec": {"resources": {"requests": {"storage": "1Gi"}}}}), Some("spec.resources.requests.storage cannot become smaller"))]
    #[case("PersistentVolumeClaim", json!({"spec": {"resources": {"requests": {"storage": "1Gi"}}}}), json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}}), None)]
    #[case("Service", json!({"spec": {"clusterIP": "10.0.0.1"}}), json!({"spec": {"clusterIP": "None"}}), Some("spec.clusterIP cannot be changed"))]
    #[case("Service", json!({"spec": {"clusterIP": "10.0.0.1"}}), json!({"spec": {"ports": []}}), None)]
    #[case("RoleBinding", json!({"roleRef": {"name": "a", "kind": "Role"}}), json!({"roleRef": {"name": "b", "kind": "Role"}}), Some("roleRef cannot be changed"))]
    #[case("ConfigMap", json!({"immutable": true, "data": {"a": "1"}}), json!({"data": {"a": "2"}}), Some("it is marked immutable"))]
    #[case("ConfigMap", json!({"immutable": true, "data": {"a": "1"}}), json!({"data": {"a": "1"}}), None)]
    #[case("ConfigMap", json!({"immutable": true}), json!({"immutable": false}), Some("it is marked immutable"))]
    #[case("ConfigMap", json!({"data": {"a": "1"}}), json!({"data": {"a": "2"}}), None)]
    #[case("Secret", json!({"type": "Opaque"}), json!({"type": "kubernetes.io/tls"}), Some("type cannot be changed"))]
    #[case("StorageClass", json!({"parameters": {"type": "a"}}), json!({"parameters": {"type": "b"}}), Some("parameters cannot be changed"))]
    #[case("CustomResourceDefinition", json!({"spec": {"scope": "Namespaced"}}), json!({"spec": {"scope": "Cluster"}}), Some("spec.scope cannot be changed"))]
    #[case("Widget", json!({"spec": {"selector": 1}}), json!({"spec": {"selector": 2}}), None)]
    fn replaced(#[case] kind: &str, #[case] live: Value, #[case] then: Value, #[case] expected: Option<&str>) {
        assert_eq!(forced_replacement(kind, &live, &then).as_deref(), expected);
    }

    #[rstest]
    #[case(
        r#"Deployment.apps "web" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: field is immutable"#,
        Some("spec.selector: field is immutable")
    )]
    #[case(
        r#"Deployment.apps "web" is invalid: [spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`, spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: field is immutable]"#,
        Some("spec.template.metadata.labels, spec.selector: field is immutable")
    )]
    #[case(
        r#"StatefulSet.apps "db" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template' are forbidden"#,
        Some("spec: only some fields of a StatefulSet can be changed")
    )]
    #[case(
        r#"Secret "a" is invalid: data: Forbidden: field is immutable when `immutable` is set"#,
        Some("data: field is immutable")
    )]
    #[case(
        r#"RoleBinding.rbac.authorization.k8s.io "a" is invalid: roleRef: Invalid value: {"name":"b"}: cannot change roleRef"#,
        Some("roleRef: roleRef cannot be changed")
    )]
    #[case(r#"Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: must be greater than 0"#, None)]
    fn refusals(#[case] message: &str, #[case] expected: Option<&str>) {
        assert_eq!(words_of_refusal(message).as_deref(), expected);
    }
}
