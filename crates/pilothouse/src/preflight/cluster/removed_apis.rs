//! APIs that the next minor version of Kubernetes does not serve any more.

use pilothouse_core::{lenient_version, object_ref};
use serde_json::Value;

/// API version, kind, and the minor version of Kubernetes 1 that has removed it (the deprecated API migration guide).
const REMOVED: [(&str, &str, u64); 22] = [
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler", 25),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler", 26),
    ("batch/v1beta1", "CronJob", 25),
    ("certificates.k8s.io/v1beta1", "CertificateSigningRequest", 22),
    ("admissionregistration.k8s.io/v1beta1", "MutatingWebhookConfiguration", 22),
    ("admissionregistration.k8s.io/v1beta1", "ValidatingWebhookConfiguration", 22),
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition", 22),
    ("apiregistration.k8s.io/v1beta1", "APIService", 22),
    ("discovery.k8s.io/v1beta1", "EndpointSlice", 25),
    ("events.k8s.io/v1beta1", "Event", 25),
    ("extensions/v1beta1", "Ingress", 22),
    ("flowcontrol.apiserver.k8s.io/v1beta1", "FlowSchema", 26),
    ("flowcontrol.apiserver.k8s.io/v1beta2", "FlowSchema", 29),
    ("flowcontrol.apiserver.k8s.io/v1beta2", "PriorityLevelConfiguration", 29),
    ("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema", 32),
    ("flowcontrol.apiserver.k8s.io/v1beta3", "PriorityLevelConfiguration", 32),
    ("networking.k8s.io/v1beta1", "Ingress", 22),
    ("networking.k8s.io/v1beta1", "IngressClass", 22),
    ("node.k8s.io/v1beta1", "RuntimeClass", 25),
    ("policy/v1beta1", "PodDisruptionBudget", 25),
    ("policy/v1beta1", "PodSecurityPolicy", 25),
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity", 27),
];

/// A line for each object whose API goes with the next minor version of a cluster of this version (`v1.36.2`).
pub(super) fn warnings(rendered: &[Value], kube_version: &str) -> Vec<String> {
    let Some(version) = lenient_version(kube_version) else { return Vec::new() };
    let next = version.minor + 1;
    let warning = |object: &Value| {
        let named = object_ref(object)?;
        let api_version = named.api_version.clone()?;
        let goes =
            REMOVED.iter().any(|(api, kind, removed)| (*api, *kind, *removed) == (&*api_version, &*named.kind, next));
        goes.then(|| format!("{named}: Kubernetes 1.{next} does not serve {api_version} any more"))
    };
    rendered.iter().filter_map(warning).collect()
}
