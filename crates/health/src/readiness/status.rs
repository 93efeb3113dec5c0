//! Which rules apply to which kind.

use super::{batch, gateway, network, pod, policy, storage, workload};
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

/// By Kubernetes' own semantics, for the kinds that are Kubernetes' own and have a status; `None` for any other kind.
pub(super) fn built_in(group: &str, kind: &str, object: &Value) -> Option<ObjectStatus> {
    let judge: fn(&Value) -> ObjectStatus = match (group, kind) {
        ("apps", "Deployment") => workload::deployment,
        ("apps", "StatefulSet") => workload::stateful_set,
        ("apps", "DaemonSet") => workload::daemon_set,
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workload::replica_set,
        ("batch", "Job") => batch::job,
        ("batch", "CronJob") => batch::cron_job,
        ("", "Pod") => pod::pod,
        ("", "PersistentVolumeClaim") => storage::claim,
        ("", "PersistentVolume") => storage::volume,
        ("", "Service") => network::service,
        ("networking.k8s.io", "Ingress") => network::ingress,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => policy::definition,
        ("apiregistration.k8s.io", "APIService") => policy::api_service,
        ("", "Namespace") => policy::namespace,
        ("policy", "PodDisruptionBudget") => policy::disruption_budget,
        ("autoscaling", "HorizontalPodAutoscaler") => policy::autoscaler,
        ("gateway.networking.k8s.io", "GatewayClass") => gateway::class,
        ("gateway.networking.k8s.io", "Gateway") => gateway::gateway,
        ("gateway.networking.k8s.io", kind) if kind.ends_with("Route") => gateway::route,
        ("gateway.networking.k8s.io", kind) if kind.ends_with("Policy") => gateway::policy,
        _ => return None,
    };
    Some(judge(object))
}

/// An object that is being deleted is that before anything else.
pub(super) fn deleted(object: &Value) -> Option<ObjectStatus> {
    let at = object.get("metadata")?.get("deletionTimestamp")?;
    if at.is_null() { None } else { Some(terminating(object)) }
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
        assert_eq!(deleted(&pod), Some(ObjectStatus::new(Readiness::Terminating, "it is being deleted")));
        pod["metadata"]["finalizers"] = json!(["a/b", "c"]);
        assert_eq!(deleted(&pod).unwrap().message, "it is being deleted; finalizers left: a/b, c");
        assert_eq!(deleted(&json!({"metadata": {"deletionTimestamp": null}})), None);
    }

    #[test]
    fn the_group_decides_whose_rules_apply() {
        let object = json!({"spec": {"type": "LoadBalancer"}});
        let judge = |group: &str| built_in(group, "Service", &object).map(|status| status.readiness);
        assert_eq!(judge(""), Some(Readiness::InProgress));
        assert_eq!(judge("serving.knative.dev"), None);
    }
}
