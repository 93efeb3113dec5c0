//! When waiting longer is certainly of no use.

use super::suspended::SUSPENDED;
use crate::conventions::fields::{condition, text};
use jiff::Timestamp;
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

/// Whether this failure was told before that time, of an object that goes on all the same: a Deployment past its progress deadline
/// makes progress again once what kept it is put right, and says so only then.
pub fn failed_before(object: &Value, status: &ObjectStatus, time: Timestamp) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let told = conditions.filter(|condition| text(condition, "/type") == "Progressing");
    let told = told.filter_map(|condition| text(condition, "/lastUpdateTime").parse::<Timestamp>().ok()).max();
    (text(object, "/kind"), status.reason.as_deref()) == ("Deployment", Some("ProgressDeadlineExceeded"))
        && told.is_some_and(|told| told.as_second() < time.as_second())
}

/// Whether a failed object will certainly not become ready by itself: a failed Job, a failed pod that nothing starts
/// again, a Deployment past its progress deadline, a definition whose names are taken. A custom resource that says it
/// failed may well be tried again by its controller.
pub fn is_certain(object: &Value, status: &ObjectStatus) -> bool {
    if status.readiness != Readiness::Failed {
        return false;
    }
    if status.reason.as_deref() == Some(SUSPENDED) {
        return true;
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
    #[case::told_before("2026-11-21T11:59:59Z", true)]
    #[case::told_in_the_same_second("2026-11-21T12:00:00Z", false)]
    #[case::told_since("2026-11-21T12:00:01Z", false)]
    fn a_rollout_that_was_late_before(#[case] told: &str, #[case] expected: bool) {
        let progressing = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": told});
        let status = json!({"observedGeneration": 1, "conditions": [progressing]});
        let object =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 1}, "status": status});
        let status = Rules::default().judge(&object, Timestamp::UNIX_EPOCH).status;
        let time = "2026-11-21T12:00:00.5Z".parse().unwrap();
        assert_eq!((is_certain(&object, &status), failed_before(&object, &status, time)), (true, expected));
    }

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
