//! What becomes of an object when it is created anew, in the same cluster or in another control plane.

use serde_json::{Map, Value, json};

/// An object as it is created in the copy. What the server and its controllers write is left to those of the copy: `uid`,
/// `resourceVersion`, `status` and the like; and what refers to things that are not there is taken off: owners, finalizers,
/// nodes, addresses. Labels, annotations and all that a user gives stay.
///
/// Claims get their volumes from `volumes`, a provisioner of the copy; a class that a release itself has keeps its own.
pub fn likeness(live: &Value, volumes: &str, of_release: bool) -> Value {
    let mut object = live.clone();
    let kind = text(live, "/kind").to_owned();
    if let Some(fields) = object.as_object_mut() {
        if kind != "Node" {
            fields.remove("status");
        }
        let metadata = fields.get("metadata").and_then(Value::as_object).map(kept_metadata).unwrap_or_default();
        fields.insert("metadata".to_owned(), Value::Object(metadata));
    }
    match kind.as_str() {
        "Namespace" => remove(&mut object, "/spec", &["finalizers"]),
        "Node" => node(&mut object),
        "Pod" => pod(&mut object),
        "Job" => job(&mut object),
        "Service" => service(&mut object),
        "Secret" if text(live, "/type") == "kubernetes.io/service-account-token" => {
            // The controller of the copy writes another one for its own account.
            remove(&mut object, "", &["data"]);
            remove(&mut object, "/metadata/annotations", &["kubernetes.io/service-account.uid"]);
        }
        "PersistentVolume" => remove(&mut object, "/spec/claimRef", &["uid", "resourceVersion"]),
        "PersistentVolumeClaim" => remove(&mut object, "/metadata/annotations", &BOUND),
        "StorageClass" if !of_release => object["provisioner"] = json!(volumes),
        // Nobody answers there; objects are converted by their version alone.
        "CustomResourceDefinition" if text(live, "/spec/conversion/strategy") == "Webhook" => {
            object["spec"]["conversion"] = json!({"strategy": "None"});
        }
        _ => {}
    }
    object
}

/// What can be created again in the place of an object that is gone, in the same cluster.
pub fn recreatable(live: &Value) -> Value {
    let mut object = likeness(live, "", true);
    if text(live, "/kind") == "CustomResourceDefinition" {
        object["spec"].clone_from(&live["spec"]);
    }
    object
}

/// What binding a claim has written (`k8s.io/component-helpers/storage/volume`).
const BOUND: [&str; 4] = [
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.kubernetes.io/selected-node",
    "volume.beta.kubernetes.io/storage-provisioner",
];

/// What a user gives of the metadata.
fn kept_metadata(metadata: &Map<String, Value>) -> Map<String, Value> {
    let kept = |key: &String| ["name", "namespace", "labels", "annotations"].contains(&key.as_str());
    let mut kept: Map<String, Value> =
        metadata.iter().filter(|(key, _)| kept(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
    if let Some(annotations) = kept.get_mut("annotations").and_then(Value::as_object_mut) {
        // The controller of the copy counts its own ReplicaSets.
        annotations.remove("deployment.kubernetes.io/revision");
    }
    kept
}

/// Sizes and what machine it is; taints that tell its condition come with the condition.
fn node(object: &mut Value) {
    let status = object.get("status").and_then(Value::as_object);
    let status: Map<String, Value> = ["capacity", "allocatable", "nodeInfo"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), status?.get(key)?.clone())))
        .collect();
    object["status"] = Value::Object(status);
    remove(object, "/spec", &["podCIDR", "podCIDRs", "providerID", "configSource"]);
    if let Some(Value::Array(taints)) = object.pointer_mut("/spec/taints") {
        taints.retain(|taint| {
            let key = text(taint, "/key");
            !key.starts_with("node.kubernetes.io/") || key == "node.kubernetes.io/unschedulable"
        });
    }
}

/// Without the node and the token of the cluster it runs in.
fn pod(object: &mut Value) {
    remove(object, "/spec", &["nodeName"]);
    let is_token = |named: &Value| text(named, "/name").starts_with("kube-api-access-");
    if let Some(Value::Array(volumes)) = object.pointer_mut("/spec/volumes") {
        volumes.retain(|volume| !is_token(volume));
    }
    for list in ["initContainers", "containers"] {
        for container in object["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
                mounts.retain(|mount| !is_token(mount));
            }
        }
    }
}

/// The selector of a Job holds its `uid`, unless somebody else chooses it (`pkg/registry/batch/job/strategy.go`).
fn job(object: &mut Value) {
    if object.pointer("/spec/manualSelector").and_then(Value::as_bool) == Some(true) {
        return;
    }
    remove(object, "/spec", &["selector"]);
    let generated =
        ["controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"];
    for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
        remove(object, labels, &generated);
    }
}

/// Addresses are of the cluster's own range; one without any stays so.
fn service(object: &mut Value) {
    if text(object, "/spec/clusterIP") != "None" {
        remove(object, "/spec", &["clusterIP", "clusterIPs"]);
    }
    remove(object, "/spec", &["ipFamilies", "healthCheckNodePort"]);
    // The copy has addresses of one family.
    if text(object, "/spec/ipFamilyPolicy").ends_with("DualStack") {
        remove(object, "/spec", &["ipFamilyPolicy"]);
    }
}

fn remove(object: &mut Value, pointer: &str, keys: &[&str]) {
    if let Some(fields) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
        fields.retain(|key, _| !keys.contains(&key.as_str()));
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
