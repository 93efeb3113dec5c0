//! What belongs to an object: what it owns, directly or through others, and the events about all of that.

use crate::client::{event_time, revision, uid};
use pilothouse_core::ObjectRef;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// Events kept per object, the newest.
const EVENTS: usize = 60;

/// The kinds whose objects may be owned by one of this kind, each with its API version. Empty for kinds that own nothing.
pub(super) fn owned_kinds(kind: &str) -> &'static [(&'static str, &'static str)] {
    const POD: (&str, &str) = ("v1", "Pod");
    const CLAIM: (&str, &str) = ("v1", "PersistentVolumeClaim");
    const SET: (&str, &str) = ("apps/v1", "ReplicaSet");
    const JOB: (&str, &str) = ("batch/v1", "Job");
    const ALL: &[(&str, &str)] = &[("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), SET, JOB, POD, CLAIM];
    match kind {
        "Deployment" => &[SET, POD, CLAIM],
        "StatefulSet" | "Pod" => &[POD, CLAIM],
        "ReplicaSet" | "DaemonSet" | "Job" | "ReplicationController" => &[POD],
        "CronJob" => &[JOB, POD],
        "ConfigMap"
        | "Secret"
        | "Service"
        | "ServiceAccount"
        | "Endpoints"
        | "EndpointSlice"
        | "Ingress"
        | "IngressClass"
        | "NetworkPolicy"
        | "Role"
        | "RoleBinding"
        | "ClusterRole"
        | "ClusterRoleBinding"
        | "Namespace"
        | "PersistentVolume"
        | "PersistentVolumeClaim"
        | "StorageClass"
        | "PodDisruptionBudget"
        | "HorizontalPodAutoscaler"
        | "PriorityClass"
        | "ResourceQuota"
        | "LimitRange"
        | "CustomResourceDefinition"
        | "APIService"
        | "ValidatingWebhookConfiguration"
        | "MutatingWebhookConfiguration" => &[],
        // A custom resource's controller makes anything of it.
        _ => ALL,
    }
}

/// What the object owns among `candidates`, in their order, and the claims that the pods among it use. Of a Deployment only
/// its newest ReplicaSet counts, and of what makes pods by revisions nothing before its controller has seen its present spec: old
/// pods tell nothing about the new ones.
pub(super) fn owned(object: &Value, candidates: &[Arc<Value>]) -> Vec<Arc<Value>> {
    let Some(root) = uid(object) else { return Vec::new() };
    if matches!(text(object, "/kind"), "Deployment" | "StatefulSet" | "DaemonSet") && !is_seen(object) {
        return Vec::new();
    }
    let mut owners: HashSet<&str> = HashSet::from([root]);
    loop {
        let before = owners.len();
        let own = candidates.iter().filter(|candidate| is_owned(candidate, &owners) && counts(candidate, candidates));
        let own: Vec<&str> = own.filter_map(|candidate| uid(candidate)).collect();
        owners.extend(own);
        if owners.len() == before {
            break;
        }
    }
    let is_pod = |candidate: &Value| text(candidate, "/kind") == "Pod";
    let pods = candidates.iter().filter(|pod| is_pod(pod) && uid(pod).is_some_and(|uid| owners.contains(uid)));
    let itself = Some(object).filter(|object| is_pod(object));
    let claims: HashSet<&str> = pods.map(AsRef::as_ref).chain(itself).flat_map(claims_of).collect();
    let belongs = |candidate: &&Arc<Value>| {
        let own = uid(candidate).is_some_and(|uid| uid != root && owners.contains(uid));
        own || (text(candidate, "/kind") == "PersistentVolumeClaim"
            && claims.contains(text(candidate, "/metadata/name")))
    };
    candidates.iter().filter(belongs).cloned().collect()
}

/// Whether the controller has seen the object's present spec.
fn is_seen(object: &Value) -> bool {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
    match (number("/metadata/generation"), number("/status/observedGeneration")) {
        (Some(generation), Some(observed)) => observed >= generation,
        (Some(_), None) => false,
        (None, _) => true,
    }
}

fn is_owned(candidate: &Value, owners: &HashSet<&str>) -> bool {
    owner_uids(candidate).any(|owner| owners.contains(owner))
}

fn owner_uids(object: &Value) -> impl Iterator<Item = &str> {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().filter_map(|owner| owner.get("uid").and_then(Value::as_str))
}

/// Whether a ReplicaSet is the newest of its owner; anything else counts.
fn counts(candidate: &Value, all: &[Arc<Value>]) -> bool {
    if text(candidate, "/kind") != "ReplicaSet" {
        return true;
    }
    let owners: HashSet<&str> = owner_uids(candidate).collect();
    let siblings = all.iter().filter(|other| text(other, "/kind") == "ReplicaSet" && is_owned(other, &owners));
    siblings.map(|sibling| revision(sibling)).max().is_none_or(|newest| revision(candidate) >= newest)
}

fn claims_of(pod: &Value) -> impl Iterator<Item = &str> {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    volumes.into_iter().flatten().filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName")?.as_str())
}

/// The events about the object and what it owns, oldest first; at most the newest sixty. An event without the UID of what it
/// is about counts by kind and name.
pub(super) fn events_about(
    object: &ObjectRef,
    live: Option<&Value>,
    owned: &[Arc<Value>],
    events: &[Arc<Value>],
) -> Vec<Arc<Value>> {
    let uids: HashSet<&str> = live.into_iter().chain(owned.iter().map(AsRef::as_ref)).filter_map(uid).collect();
    let names: HashSet<(&str, &str)> = owned
        .iter()
        .map(|owned| (text(owned, "/kind"), text(owned, "/metadata/name")))
        .chain([(object.kind.as_str(), object.name.as_str())])
        .collect();
    let is_about = |event: &&Arc<Value>| match text(event, "/involvedObject/uid") {
        "" => names.contains(&(text(event, "/involvedObject/kind"), text(event, "/involvedObject/name"))),
        // Of an object that is gone, or not there yet, nothing but its name is known.
        uid => {
            uids.contains(uid)
                || (live.is_none()
                    && names.contains(&(text(event, "/involvedObject/kind"), text(event, "/involvedObject/name"))))
        }
    };
    let mut about: Vec<Arc<Value>> = events.iter().filter(is_about).cloned().collect();
    about.sort_by_cached_key(|event| event_time(event));
    about.split_off(about.len().saturating_sub(EVENTS))
}

/// The namespace of the events about an object: those of cluster-scoped ones are in `default`.
pub(super) fn events_namespace(object: &ObjectRef) -> &str {
    object.namespace.as_deref().unwrap_or("default")
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(kind: &str, name: &str, owner: &str) -> Arc<Value> {
        Arc::new(json!({
            "kind": kind, "metadata": {"name": name, "uid": name, "ownerReferences": [{"uid": owner, "controller": true}]},
        }))
    }

    fn set(name: &str, revision: &str) -> Arc<Value> {
        let mut set = object("ReplicaSet", name, "web").as_ref().clone();
        set["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": revision});
        Arc::new(set)
    }

    fn names(objects: &[Arc<Value>]) -> Vec<&str> {
        objects.iter().map(|object| text(object, "/metadata/name")).collect()
    }

    fn deployment(generation: i64, observed: i64) -> Value {
        json!({"kind": "Deployment", "metadata": {"name": "web", "uid": "web", "generation": generation}, "status": {"observedGeneration": observed}})
    }

    #[test]
    fn only_the_newest_replica_set_of_a_deployment_counts() {
        let candidates = [
            set("old", "9"),
            set("new", "10"),
            object("Pod", "old-1", "old"),
            object("Pod", "new-1", "new"),
            object("Pod", "stranger", "other"),
        ];
        assert_eq!(names(&owned(&deployment(2, 2), &candidates)), ["new", "new-1"]);
        assert_eq!(names(&owned(&deployment(3, 2), &candidates)), [""; 0]);
    }

    #[test]
    fn what_is_owned_through_others_belongs_too_and_so_do_claims_of_pods() {
        let mut pod = object("Pod", "db-0", "db").as_ref().clone();
        pod["spec"] = json!({"volumes": [{"persistentVolumeClaim": {"claimName": "data-db-0"}}]});
        let claim =
            |name: &str| Arc::new(json!({"kind": "PersistentVolumeClaim", "metadata": {"name": name, "uid": name}}));
        let candidates =
            [object("StatefulSet", "db", "cluster"), Arc::new(pod.clone()), claim("data-db-0"), claim("other")];
        let cluster = json!({"kind": "Cluster", "metadata": {"name": "cluster", "uid": "cluster"}});
        assert_eq!(names(&owned(&cluster, &candidates)), ["db", "db-0", "data-db-0"]);
        assert_eq!(names(&owned(&pod, &candidates)), ["data-db-0"]);
    }

    #[test]
    fn events_belong_by_uid_and_without_one_by_name() {
        let event = |kind: &str, name: &str, uid: &str, second: u32| {
            Arc::new(json!({
                "metadata": {"name": format!("{kind}-{name}-{uid}")}, "lastTimestamp": format!("2026-11-21T08:00:{second:02}Z"),
                "involvedObject": {"kind": kind, "name": name, "uid": uid},
            }))
        };
        let events = [
            event("Pod", "web-1", "web-1", 3),
            event("Deployment", "web", "web", 1),
            event("Deployment", "web", "before", 2),
            event("Deployment", "web", "", 4),
            event("Pod", "other", "other", 5),
        ];
        let web = ObjectRef::parse("Deployment/shop/web").unwrap();
        let owned = [object("Pod", "web-1", "web")];
        let about = events_about(&web, Some(&deployment(1, 1)), &owned, &events);
        assert_eq!(names(&about), ["Deployment-web-web", "Pod-web-1-web-1", "Deployment-web-"]);
        let of_one_that_is_gone = events_about(&web, None, &[], &events);
        assert_eq!(names(&of_one_that_is_gone), ["Deployment-web-web", "Deployment-web-before", "Deployment-web-"]);
    }
}
