//! Which rules apply to which kind.

use super::fields::text;
use super::{batch, generic, network, pod, policy, storage, workload};
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

/// Tells how an object stands, from its JSON as the API gives it.
pub(crate) fn status(object: &Value) -> ObjectStatus {
    if object.pointer("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null()) {
        return terminating(object);
    }
    let api_version = text(object, "/apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    match (group, text(object, "/kind")) {
        ("apps", "Deployment") => workload::deployment(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("apps", "DaemonSet") => workload::daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workload::replica_set(object),
        ("batch", "Job") => batch::job(object),
        ("batch", "CronJob") => batch::cron_job(object),
        ("", "Pod") => pod::pod(object),
        ("", "PersistentVolumeClaim") => storage::claim(object),
        ("", "PersistentVolume") => storage::volume(object),
        ("", "Service") => network::service(object),
        ("networking.k8s.io", "Ingress") => network::ingress(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => policy::definition(object),
        ("apiregistration.k8s.io", "APIService") => policy::api_service(object),
        ("", "Namespace") => policy::namespace(object),
        ("policy", "PodDisruptionBudget") => policy::disruption_budget(object),
        ("autoscaling", "HorizontalPodAutoscaler") => policy::autoscaler(object),
        _ => generic::any(object),
    }
}

fn terminating(object: &Value) -> ObjectStatus {
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    let finalizers: Vec<&str> = finalizers.into_iter().flatten().filter_map(Value::as_str).collect();
    let message = if finalizers.is_empty() {
        "it is being deleted".to_owned()
    } else {
        format!("it is being deleted; finalizers left: {}", finalizers.join(", "))
    };
    ObjectStatus::new(Readiness::Terminating, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whatever_is_being_deleted_is_terminating() {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"deletionTimestamp": "2026-11-21T08:00:00Z"},
            "status": {"phase": "Succeeded"},
        });
        assert_eq!(status(&pod), ObjectStatus::new(Readiness::Terminating, "it is being deleted"));
        pod["metadata"]["finalizers"] = json!(["a/b", "c"]);
        assert_eq!(status(&pod).message, "it is being deleted; finalizers left: a/b, c");
    }

    #[test]
    fn the_group_decides_whose_rules_apply() {
        let object =
            |api_version: &str| json!({"apiVersion": api_version, "kind": "Service", "spec": {"type": "LoadBalancer"}});
        assert_eq!(status(&object("v1")).readiness, Readiness::InProgress);
        assert_eq!(status(&object("serving.example.com/v1")).readiness, Readiness::Current);
    }
}
