//! What becomes of an object when it is copied into another control plane. Pure.

use pilothouse_core::{crd_facts, object_ref};
use serde_json::{Value, json};

/// When an object is loaded: what others need comes before them, and what may refuse them after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    Node,
    Namespace,
    Definition,
    Class,
    Account,
    Limit,
    Volume,
    Object,
    Workload,
    Record,
    Quota,
    Policy,
    Binding,
}

impl Turn {
    /// All, in their order.
    pub(super) const ALL: [Self; 13] = [
        Self::Node,
        Self::Namespace,
        Self::Definition,
        Self::Class,
        Self::Account,
        Self::Limit,
        Self::Volume,
        Self::Object,
        Self::Workload,
        Self::Record,
        Self::Quota,
        Self::Policy,
        Self::Binding,
    ];

    /// Of an object.
    pub(super) fn of(object: &Value) -> Self {
        let group = text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
        match (group, text(object, "/kind")) {
            ("", "Node") => Self::Node,
            ("", "Namespace") => Self::Namespace,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::Definition,
            ("storage.k8s.io", "StorageClass")
            | ("scheduling.k8s.io", "PriorityClass")
            | ("node.k8s.io", "RuntimeClass")
            | ("networking.k8s.io", "IngressClass") => Self::Class,
            ("", "ServiceAccount") => Self::Account,
            ("", "LimitRange") => Self::Limit,
            ("", "PersistentVolume" | "PersistentVolumeClaim") => Self::Volume,
            ("apps" | "batch", _) | ("", "Pod" | "ReplicationController") => Self::Workload,
            ("", "Secret" | "ConfigMap") if text(object, "/metadata/name").starts_with("sh.helm.release.v1.") => {
                Self::Record
            }
            ("", "ResourceQuota") => Self::Quota,
            ("admissionregistration.k8s.io", kind) if kind.ends_with("PolicyBinding") => Self::Binding,
            ("admissionregistration.k8s.io", kind) if kind.ends_with("Policy") => Self::Policy,
            _ => Self::Object,
        }
    }
}

/// Who owns which fields, without those of the status. The server takes them over as they are when nothing else is changed
/// (`k8s.io/apimachinery/pkg/util/managedfields`, as client-go's `csaupgrade` relies on); `None` where nothing is known.
pub(super) fn managers(live: &Value) -> Option<Value> {
    let managed = live.pointer("/metadata/managedFields")?.as_array()?;
    let own: Vec<&Value> = managed.iter().filter(|entry| text(entry, "/subresource") != "status").collect();
    (!own.is_empty()).then(|| json!({"metadata": {"managedFields": own}}))
}

/// The versions of a definition that objects may be stored in and that is not the one they are stored in now.
pub(super) fn formerly_stored(definition: &Value) -> Vec<String> {
    let Some(facts) = crd_facts(definition) else { return Vec::new() };
    let is_former = |version: &String| Some(version) != facts.storage_version.as_ref();
    facts.stored_versions.into_iter().filter(|version| is_former(version) && facts.versions.contains(version)).collect()
}

/// A definition whose objects are stored in this version.
pub(super) fn stored_in(definition: &Value, version: &str) -> Value {
    let mut definition = definition.clone();
    for one in definition.pointer_mut("/spec/versions").and_then(Value::as_array_mut).into_iter().flatten() {
        one["storage"] = json!(text(one, "/name") == version);
    }
    definition
}

/// What the copy of an object does not show.
pub(super) fn not_shown(live: &Value, touched: bool) -> Vec<String> {
    let Some(object) = object_ref(live) else { return Vec::new() };
    let mut lines = Vec::new();
    if live.pointer("/metadata/deletionTimestamp").is_some() {
        lines.push(format!("{object} is being deleted in the cluster; in the copy it is not"));
    }
    let owners = live.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    for owner in owners.into_iter().flatten().filter(|_| touched) {
        let (kind, name) = (text(owner, "/kind"), text(owner, "/name"));
        lines.push(format!("{object} belongs to {kind} {name} in the cluster; in the copy it does not"));
    }
    if touched && object.kind == "CustomResourceDefinition" && text(live, "/spec/conversion/strategy") == "Webhook" {
        lines.push(format!("{object}: its webhook for conversions is not called"));
    }
    lines
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::likeness;
    use rstest::rstest;

    const VOLUMES: &str = "pilothouse.dev/volume";

    #[rstest]
    #[case::what_the_server_writes(
        json!({"kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b", "uid": "1", "resourceVersion": "2",
            "generation": 3, "creationTimestamp": "t", "managedFields": [], "generateName": "a-", "selfLink": "/a",
            "labels": {"x": "y"}, "annotations": {"x": "y", "deployment.kubernetes.io/revision": "4"},
            "ownerReferences": [{"kind": "A"}], "finalizers": ["a/b"], "deletionTimestamp": "t"}, "data": {"x": "y"}, "status": {}}),
        json!({"kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b", "labels": {"x": "y"},
            "annotations": {"x": "y"}}, "data": {"x": "y"}})
    )]
    #[case(
        json!({"kind": "Namespace", "metadata": {"name": "a"}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}),
        json!({"kind": "Namespace", "metadata": {"name": "a"}, "spec": {}})
    )]
    #[case(
        json!({"kind": "Node", "metadata": {"name": "a"}, "spec": {"podCIDR": "1", "podCIDRs": ["1"], "providerID": "x",
            "unschedulable": true, "taints": [{"key": "node.kubernetes.io/not-ready"}, {"key": "gpu"}, {"key": "node.kubernetes.io/unschedulable"}]},
            "status": {"capacity": {"cpu": "1"}, "allocatable": {"cpu": "1"}, "nodeInfo": {"kubeletVersion": "v1"}, "images": []}}),
        json!({"kind": "Node", "metadata": {"name": "a"}, "spec": {"unschedulable": true,
            "taints": [{"key": "gpu"}, {"key": "node.kubernetes.io/unschedulable"}]},
            "status": {"capacity": {"cpu": "1"}, "allocatable": {"cpu": "1"}, "nodeInfo": {"kubeletVersion": "v1"}}})
    )]
    #[case(
        json!({"kind": "Pod", "metadata": {"name": "a"}, "spec": {"nodeName": "n", "volumes": [{"name": "kube-api-access-x"}, {"name": "v"}],
            "containers": [{"volumeMounts": [{"name": "v"}, {"name": "kube-api-access-x"}]}, {"name": "b"}]}}),
        json!({"kind": "Pod", "metadata": {"name": "a"}, "spec": {"volumes": [{"name": "v"}],
            "containers": [{"volumeMounts": [{"name": "v"}]}, {"name": "b"}]}})
    )]
    #[case(
        json!({"kind": "Job", "metadata": {"name": "a", "labels": {"controller-uid": "1", "x": "y"}}, "spec": {"selector": {},
            "template": {"metadata": {"labels": {"batch.kubernetes.io/job-name": "a", "x": "y"}}}}}),
        json!({"kind": "Job", "metadata": {"name": "a", "labels": {"x": "y"}}, "spec": {
            "template": {"metadata": {"labels": {"x": "y"}}}}})
    )]
    #[case::a_selector_of_ones_own(
        json!({"kind": "Job", "metadata": {"name": "a"}, "spec": {"manualSelector": true, "selector": {"x": "y"}}}),
        json!({"kind": "Job", "metadata": {"name": "a"}, "spec": {"manualSelector": true, "selector": {"x": "y"}}})
    )]
    #[case(
        json!({"kind": "Service", "metadata": {"name": "a"}, "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "PreferDualStack", "ports": [{"nodePort": 30000}]}}),
        json!({"kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"nodePort": 30000}]}})
    )]
    #[case::headless(
        json!({"kind": "Service", "metadata": {"name": "a"}, "spec": {"clusterIP": "None", "clusterIPs": ["None"], "ipFamilyPolicy": "SingleStack"}}),
        json!({"kind": "Service", "metadata": {"name": "a"}, "spec": {"clusterIP": "None", "clusterIPs": ["None"], "ipFamilyPolicy": "SingleStack"}})
    )]
    #[case(
        json!({"kind": "Secret", "type": "kubernetes.io/service-account-token", "data": {"token": "x"},
            "metadata": {"name": "a", "annotations": {"kubernetes.io/service-account.uid": "1", "kubernetes.io/service-account.name": "b"}}}),
        json!({"kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {"name": "a", "annotations": {"kubernetes.io/service-account.name": "b"}}})
    )]
    #[case(
        json!({"kind": "Secret", "type": "Opaque", "metadata": {"name": "a"}, "data": {"token": "x"}}),
        json!({"kind": "Secret", "type": "Opaque", "metadata": {"name": "a"}, "data": {"token": "x"}})
    )]
    #[case(
        json!({"kind": "PersistentVolume", "metadata": {"name": "a"}, "spec": {"claimRef": {"name": "c", "uid": "1", "resourceVersion": "2"}}}),
        json!({"kind": "PersistentVolume", "metadata": {"name": "a"}, "spec": {"claimRef": {"name": "c"}}})
    )]
    #[case(
        json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "a", "annotations": {"pv.kubernetes.io/bind-completed": "yes",
            "pv.kubernetes.io/bound-by-controller": "yes", "volume.kubernetes.io/selected-node": "n", "x": "y"}}, "spec": {"volumeName": "v"}}),
        json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "a", "annotations": {"x": "y"}}, "spec": {"volumeName": "v"}})
    )]
    #[case(
        json!({"kind": "StorageClass", "metadata": {"name": "a"}, "provisioner": "ebs.csi.aws.com", "reclaimPolicy": "Retain"}),
        json!({"kind": "StorageClass", "metadata": {"name": "a"}, "provisioner": VOLUMES, "reclaimPolicy": "Retain"})
    )]
    #[case(
        json!({"kind": "CustomResourceDefinition", "metadata": {"name": "a"}, "spec": {"conversion": {"strategy": "Webhook", "webhook": {}}}}),
        json!({"kind": "CustomResourceDefinition", "metadata": {"name": "a"}, "spec": {"conversion": {"strategy": "None"}}})
    )]
    fn what_is_copied(#[case] live: Value, #[case] expected: Value) {
        assert_eq!(likeness(&live, VOLUMES, false), expected);
    }

    #[test]
    fn a_class_of_a_release_keeps_its_provisioner() {
        let class = json!({"kind": "StorageClass", "metadata": {"name": "a"}, "provisioner": "ebs.csi.aws.com"});
        assert_eq!(likeness(&class, VOLUMES, true), class);
    }

    #[test]
    fn fields_keep_their_owners_but_those_of_the_status() {
        let entry = |manager: &str, subresource: Option<&str>| json!({"manager": manager, "subresource": subresource});
        let of = |entries: Value| managers(&json!({"metadata": {"managedFields": entries}}));
        let (helm, kubectl, status) =
            (entry("helm", None), entry("kubectl", Some("scale")), entry("kcm", Some("status")));
        assert_eq!(of(json!([helm, kubectl, status])), Some(json!({"metadata": {"managedFields": [helm, kubectl]}})));
        assert_eq!((of(json!([status])), of(json!([])), managers(&json!({}))), (None, None, None));
    }

    #[rstest]
    #[case("v1", "Node", "a", Turn::Node)]
    #[case("apps/v1", "Deployment", "a", Turn::Workload)]
    #[case("batch/v1", "CronJob", "a", Turn::Workload)]
    #[case("v1", "Secret", "sh.helm.release.v1.a.v1", Turn::Record)]
    #[case("v1", "Secret", "a", Turn::Object)]
    #[case("example.com/v1", "Node", "a", Turn::Object)]
    #[case("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "a", Turn::Policy)]
    #[case("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "a", Turn::Binding)]
    #[case("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "a", Turn::Object)]
    #[case("v1", "ResourceQuota", "a", Turn::Quota)]
    fn turns(#[case] api_version: &str, #[case] kind: &str, #[case] name: &str, #[case] expected: Turn) {
        assert_eq!(Turn::of(&json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}})), expected);
    }

    #[test]
    fn every_turn_has_its_place() {
        assert!(Turn::ALL.is_sorted());
    }

    #[test]
    fn versions_that_objects_were_stored_in() {
        let definition = json!({"kind": "CustomResourceDefinition",
            "spec": {"group": "g", "scope": "Namespaced", "names": {"kind": "A", "plural": "as"},
                "versions": [{"name": "v1", "storage": false}, {"name": "v2", "storage": true}]},
            "status": {"storedVersions": ["v0", "v1", "v2"]}});
        assert_eq!(formerly_stored(&definition), ["v1"]);
        let versions = stored_in(&definition, "v1")["spec"]["versions"].clone();
        assert_eq!(versions, json!([{"name": "v1", "storage": true}, {"name": "v2", "storage": false}]));
    }

    #[test]
    fn what_a_copy_does_not_show() {
        let object = json!({"kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b", "deletionTimestamp": "t",
            "ownerReferences": [{"kind": "App", "name": "x"}]}});
        assert_eq!(
            not_shown(&object, true),
            [
                "ConfigMap b/a is being deleted in the cluster; in the copy it is not",
                "ConfigMap b/a belongs to App x in the cluster; in the copy it does not"
            ]
        );
    }
}
