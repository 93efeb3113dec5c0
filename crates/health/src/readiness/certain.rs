//! When waiting longer is certainly of no use.

use crate::conventions::fields::{condition, text};
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

/// Whether a failed object will certainly not become ready by itself: a failed Job, a failed pod that nothing starts
/// again, a Deployment past its progress deadline, a definition whose names are taken. A custom resource that says it
/// failed may well be tried again by its controller.
pub fn is_certain(object: &Value, status: &ObjectStatus) -> bool {
    if status.readiness != Readiness::Failed {
        return false;
    }
    match (text(object, "/apiVersion"), text(object, "/kind")) {
        ("batch/v1", "Job") => true,
        ("v1", "Pod") => text(object, "/spec/restartPolicy") == "Never",
        ("apps/v1", "Deployment") => status.reason.as_deref() == Some("ProgressDeadlineExceeded"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition") => {
            condition(object, "NamesAccepted").is_some_and(|names| names.is_false())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rules;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"apiVersion": "batch/v1", "kind": "Job", "status": {"conditions": [{"type": "Failed", "status": "True"}]}}), true)]
    #[case(json!({"apiVersion": "batch/v1", "kind": "Job", "status": {"failed": 1}}), false)]
    #[case(json!({"apiVersion": "v1", "kind": "Pod", "spec": {"restartPolicy": "Never"}, "status": {"phase": "Failed"}}), true)]
    #[case(json!({"apiVersion": "v1", "kind": "Pod", "spec": {"restartPolicy": "Always"}, "status": {"phase": "Failed"}}), false)]
    #[case(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "status": {"conditions": [{"type": "NamesAccepted", "status": "False"}]}}), true)]
    #[case(json!({"apiVersion": "example.com/v1", "kind": "Job", "status": {"conditions": [{"type": "Failed", "status": "True"}]}}), false)]
    fn certainty(#[case] object: Value, #[case] expected: bool) {
        assert_eq!(is_certain(&object, &Rules::default().judge(&object, jiff::Timestamp::UNIX_EPOCH).status), expected);
    }
}
