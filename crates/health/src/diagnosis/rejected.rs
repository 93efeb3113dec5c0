//! Pods that their node has rejected or removed: the kubelet says so in the pod's own status, and never takes it back.

use super::draft::Draft;
use super::evidence::Evidence;
use super::line::Line;
use super::read::{family, one_line, text};
use serde_json::Value;

/// Pods after which a node that rejects them means it.
const OFTEN: usize = 3;

/// What a reason of the kubelet's means for the next pod of the same spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// It had been taken, and had to go: the node was short of something, or went away.
    Removed,
    /// The node, as it is, does not run it; the next pod may go elsewhere, or find room.
    Rejected,
    /// No node set up like this one runs such a pod.
    Unsupported,
}

/// The reasons that a kubelet gives in `status.reason` of a pod that it has failed, as of Kubernetes 1.36:
/// `admissionRejectionReasons` of pkg/kubelet/kubelet.go, pkg/kubelet/{eviction,preemption,nodeshutdown,sysctl},
/// pkg/kubelet/cm/{topologymanager,memorymanager,cpumanager}, the names of the scheduler's plugins that the kubelet runs again, and
/// the two of the node lifecycle and pod garbage controllers.
const REASONS: &[(&str, Means)] = &[
    ("Evicted", Means::Removed),
    ("Preempting", Means::Removed),
    ("NodeShutdown", Means::Removed),
    ("Terminated", Means::Removed),
    ("NodeLost", Means::Removed),
    ("Shutdown", Means::Removed),
    ("OutOfcpu", Means::Rejected),
    ("OutOfmemory", Means::Rejected),
    ("OutOfephemeral-storage", Means::Rejected),
    ("OutOfpods", Means::Rejected),
    ("VolumeAttachmentLimitExceeded", Means::Rejected),
    ("NodeAffinity", Means::Rejected),
    ("NodeName", Means::Rejected),
    ("NodePorts", Means::Rejected),
    ("TaintToleration", Means::Rejected),
    ("InvalidNodeInfo", Means::Rejected),
    ("UnexpectedAdmissionError", Means::Rejected),
    ("UnexpectedPredicateFailureType", Means::Rejected),
    ("UnknownReason", Means::Rejected),
    ("TopologyAffinityError", Means::Rejected),
    ("SMTAlignmentError", Means::Rejected),
    ("SysctlForbidden", Means::Unsupported),
    ("AppArmor", Means::Unsupported),
    ("PodOSNotSupported", Means::Unsupported),
    ("PodOSSelectorNodeLabelDoesNotMatch", Means::Unsupported),
    ("InitContainerRestartPolicyForbidden", Means::Unsupported),
    ("SupplementalGroupsPolicyNotSupported", Means::Unsupported),
    ("PodLevelResourcesNotSupported", Means::Unsupported),
    ("PodFeatureUnsupported", Means::Unsupported),
];

/// The reasons for which a node rejects or removes a pod, as far as they are known.
pub fn rejection_reasons() -> impl Iterator<Item = &'static str> {
    REASONS.iter().map(|(reason, _)| *reason)
}

/// What a reason means. One that is not in the table is a rejection: the kubelet gives none for anything else.
fn means(reason: &str) -> Means {
    REASONS.iter().find(|(known, _)| *known == reason).map_or(Means::Rejected, |(_, means)| *means)
}

/// The reason for which a pod's node does not run it.
fn reason(pod: &Value) -> Option<&str> {
    // Its own deadline is the pod's, not the node's.
    let reason = Some(text(pod, "/status/reason")).filter(|reason| !matches!(*reason, "" | "DeadlineExceeded"))?;
    (text(pod, "/status/phase") == "Failed" || means(reason) == Means::Removed).then_some(reason)
}

/// Why the node has failed the pod, if it has.
pub(super) fn cause(evidence: &Evidence, pod: &Value) -> Option<Draft> {
    let reason = reason(pod)?;
    let node = match text(pod, "/spec/nodeName") {
        "" => "its node".to_owned(),
        node => format!("node {node}"),
    };
    let message = one_line(text(pod, "/status/message"));
    let message = message.strip_prefix("Pod was rejected: ").unwrap_or(&message);
    let says = format!("pod {}: {reason}: {message}", super::read::name(pod));
    let looks = "kubectl get nodes, and look at the pressure conditions of the node";
    Some(match means(reason) {
        Means::Removed => Draft::new(Line::Evicted, node, format!("pod {reason}: {message}")).next(looks),
        kind => {
            let like_it = family(evidence).filter(|other| self::reason(other) == Some(reason));
            let often = like_it.take(OFTEN).count() == OFTEN;
            let line = if often && kind == Means::Unsupported { Line::Unsupported } else { Line::Rejected };
            let why = format!("{node} rejects the pod: {reason}: {message}");
            Draft::new(line, evidence.object.to_string(), why).next(match reason {
                "SysctlForbidden" => {
                    "take the sysctl out of securityContext.sysctls in the values, or allow it on the node (kubelet --allowed-unsafe-sysctls)"
                }
                reason if reason.starts_with("OutOf") => {
                    "kubectl describe node: it had no room left when the pod came; lower resources.requests in the values, or add nodes"
                }
                "NodeAffinity" | "NodeName" | "TaintToleration" => {
                    "kubectl get nodes --show-labels, and correct nodeName, nodeSelector or tolerations in the values"
                }
                _ => "kubectl describe node, and change what the message names in the values or on the node",
            })
        }
    }
    .seen(says))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_once() {
        let mut names: Vec<&str> = REASONS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), REASONS.len());
    }

    #[test]
    fn what_is_not_in_the_table() {
        assert_eq!(means("OutOfnvidia.com/gpu"), Means::Rejected);
        assert_eq!(means("SomethingNew"), Means::Rejected);
    }
}
