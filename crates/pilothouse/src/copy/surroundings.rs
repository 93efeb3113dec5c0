//! What stands around the objects of a release: the lists that are read, and which of their items matter. Pure.

use crate::copy::object_copy::text;
use pilothouse_core::{ObjectRef, named_by_pods};
use pilothouse_kube::ListQuery;
use serde_json::Value;
use std::collections::BTreeSet;

/// What is copied whole, wherever it is.
pub(super) const OF_CLUSTER: [(&str, &str); 10] = [
    ("v1", "Node"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("scheduling.k8s.io/v1", "PriorityClass"),
    ("node.k8s.io/v1", "RuntimeClass"),
    ("networking.k8s.io/v1", "IngressClass"),
    (ADMISSION, "ValidatingAdmissionPolicy"),
    (ADMISSION, "ValidatingAdmissionPolicyBinding"),
    (ADMISSION, "MutatingAdmissionPolicy"),
    (ADMISSION, "MutatingAdmissionPolicyBinding"),
];
/// What is copied whole of each namespace that a release is about.
pub(super) const OF_NAMESPACE: [&str; 3] = ["ServiceAccount", "LimitRange", "ResourceQuota"];
/// What is read to be named only.
pub(super) const WEBHOOKS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

pub(super) const ADMISSION: &str = "admissionregistration.k8s.io/v1";

/// An object of the core group.
pub(super) fn core(kind: &str, namespace: Option<&str>, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    }
}

/// What the pods of workloads name.
pub(super) fn named_by<'a>(workloads: impl Iterator<Item = &'a Value>) -> BTreeSet<ObjectRef> {
    let named = workloads.flat_map(|workload| {
        let namespace = workload.pointer("/metadata/namespace").and_then(Value::as_str);
        named_by_pods(workload).into_iter().map(move |(kind, name)| core(kind, namespace, &name))
    });
    named.collect()
}

/// Whether a claim was made for a pod of a StatefulSet: `TEMPLATE-STATEFULSET-NUMBER`.
pub(super) fn is_claim_of(claim: &Value, stateful_set: &Value) -> bool {
    if text(stateful_set, "/kind") != "StatefulSet"
        || text(stateful_set, "/metadata/namespace") != text(claim, "/metadata/namespace")
    {
        return false;
    }
    let templates = stateful_set.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    templates.into_iter().flatten().any(|template| {
        let prefix = format!("{}-{}-", text(template, "/metadata/name"), text(stateful_set, "/metadata/name"));
        let number = text(claim, "/metadata/name").strip_prefix(&prefix);
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
    })
}

/// The objects with which a policy is parametrised: one by its name, or those of a selector in a namespace.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    Named(ObjectRef),
    Selected(ListQuery),
    /// A selector that is no list of labels.
    Unclear,
}

/// The parameters of a binding. Without a namespace of its own they are looked for in the namespaces of the objects.
pub(super) fn parameters(policy: &Value, binding: &Value, namespaces: &BTreeSet<String>) -> Vec<Parameter> {
    let (api_version, kind) = (text(policy, "/spec/paramKind/apiVersion"), text(policy, "/spec/paramKind/kind"));
    let Some(parameter) = binding.pointer("/spec/paramRef").filter(|_| !kind.is_empty()) else { return Vec::new() };
    let places: Vec<Option<&str>> = match text(parameter, "/namespace") {
        "" => namespaces.iter().map(|namespace| Some(namespace.as_str())).collect(),
        namespace => vec![Some(namespace)],
    };
    if let Some(name) = parameter.get("name").and_then(Value::as_str) {
        let named = places.into_iter().map(|namespace| {
            let object = core(kind, namespace, name);
            Parameter::Named(ObjectRef { api_version: Some(api_version.to_owned()), ..object })
        });
        return named.collect();
    }
    let selector = parameter.get("selector");
    if selector.and_then(|selector| selector.get("matchExpressions")).is_some() {
        return vec![Parameter::Unclear];
    }
    let labels = selector.and_then(|selector| selector.get("matchLabels")).and_then(Value::as_object);
    let labels: Vec<String> =
        labels.into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
    let query = |namespace: Option<&str>| ListQuery {
        namespace: namespace.map(str::to_owned),
        label_selector: (!labels.is_empty()).then(|| labels.join(",")),
        ..ListQuery::new(api_version, kind)
    };
    places.into_iter().map(|namespace| Parameter::Selected(query(namespace))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("data-db-0", "web", true)]
    #[case("data-db-12", "web", true)]
    #[case("logs-db-0", "web", true)]
    #[case("data-db-", "web", false)]
    #[case("data-db-x", "web", false)]
    #[case("data-db-other-0", "web", false)]
    #[case("data-db-0", "other", false)]
    fn claims_of_a_stateful_set(#[case] name: &str, #[case] namespace: &str, #[case] expected: bool) {
        let set = json!({"kind": "StatefulSet", "metadata": {"name": "db", "namespace": "web"},
            "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}, {"metadata": {"name": "logs"}}]}});
        let claim = json!({"kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": namespace}});
        assert_eq!(is_claim_of(&claim, &set), expected);
    }

    #[test]
    fn what_pods_name_is_in_their_namespace() {
        let pod = json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "web"},
            "spec": {"imagePullSecrets": [{"name": "pull"}], "serviceAccountName": "me"}});
        let expected = [core("Secret", Some("web"), "pull"), core("ServiceAccount", Some("web"), "me")];
        assert_eq!(named_by([&pod].into_iter()), BTreeSet::from(expected));
    }

    #[rstest]
    #[case(json!(null), vec![])]
    #[case(json!({"name": "p", "namespace": "x"}), vec![Parameter::Named(core("ConfigMap", Some("x"), "p"))])]
    #[case(json!({"name": "p"}), vec![Parameter::Named(core("ConfigMap", Some("a"), "p")), Parameter::Named(core("ConfigMap", Some("b"), "p"))])]
    #[case(json!({"namespace": "x", "selector": {"matchLabels": {"k": "v"}}}),
        vec![Parameter::Selected(ListQuery::new("v1", "ConfigMap").within("x").labelled("k=v"))])]
    #[case(json!({"namespace": "x", "selector": {}}), vec![Parameter::Selected(ListQuery::new("v1", "ConfigMap").within("x"))])]
    #[case(json!({"selector": {"matchExpressions": []}}), vec![Parameter::Unclear])]
    fn parameters_of_a_policy(#[case] reference: Value, #[case] expected: Vec<Parameter>) {
        let policy = json!({"spec": {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}});
        let mut binding = json!({"spec": {}});
        if !reference.is_null() {
            binding["spec"]["paramRef"] = reference;
        }
        let namespaces = ["a", "b"].map(str::to_owned).into();
        assert_eq!(parameters(&policy, &binding, &namespaces), expected);
        assert_eq!(parameters(&json!({"spec": {}}), &binding, &namespaces), vec![]);
    }
}
