//! Job and CronJob. A Job that has started is not done.

use super::suspended::suspended;
use crate::conventions::fields::{condition, count};
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

pub(super) fn job(object: &Value) -> ObjectStatus {
    let holds = |kind: &str| condition(object, kind).filter(crate::conventions::fields::Condition::is_true);
    if let Some(failed) = holds("Failed").or_else(|| holds("FailureTarget")) {
        return ObjectStatus::new(Readiness::Failed, failed.says()).because(failed.reason);
    }
    if holds("Complete").is_some() {
        return ObjectStatus::new(Readiness::Current, "the Job is complete");
    }
    if let Some(suspended) = suspended(object, "suspend", "the Job is suspended") {
        return suspended;
    }
    let counts = [("active", "running"), ("succeeded", "succeeded"), ("failed", "failed")]
        .into_iter()
        .map(|(field, word)| (count(object, &format!("/status/{field}")), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} pods {word}"));
    let counts: Vec<String> = counts.collect();
    let message = if counts.is_empty() { "the Job has not started".to_owned() } else { counts.join(", ") };
    ObjectStatus::new(Readiness::InProgress, message)
}

/// Whether Kubernetes deletes it once it has ended: a Job with `ttlSecondsAfterFinished`.
pub fn leaves_when_done(object: &Value) -> bool {
    let is = |field: &str, wanted: &str| object.get(field).and_then(Value::as_str) == Some(wanted);
    let ttl = object.pointer("/spec/ttlSecondsAfterFinished");
    is("apiVersion", "batch/v1") && is("kind", "Job") && ttl.is_some_and(Value::is_u64)
}

pub(super) fn cron_job(object: &Value) -> ObjectStatus {
    suspended(object, "suspend", "it is suspended")
        .unwrap_or_else(|| ObjectStatus::new(Readiness::Current, "it is scheduled"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Readiness::{Current, Failed, InProgress};
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"status": {}}), (InProgress, None, "the Job has not started"))]
    #[case(json!({"status": {"active": 1, "failed": 2}}), (InProgress, None, "1 pods running, 2 pods failed"))]
    #[case(json!({"spec": {"suspend": true}}), (Current, Some("Suspended"), "the Job is suspended, as its spec asks"))]
    #[case(json!({"status": {"conditions": [{"type": "SuccessCriteriaMet", "status": "True"}], "succeeded": 1}}),
        (InProgress, None, "1 pods succeeded"))]
    #[case(json!({"status": {"conditions": [{"type": "Complete", "status": "True"}]}}), (Current, None, "the Job is complete"))]
    #[case(json!({"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}]}}),
        (Failed, Some("BackoffLimitExceeded"), "Job has reached the specified backoff limit"))]
    #[case(json!({"status": {"conditions": [{"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}]}}),
        (Failed, Some("DeadlineExceeded"), "DeadlineExceeded"))]
    fn jobs(#[case] object: Value, #[case] expected: (Readiness, Option<&'static str>, &'static str)) {
        let status = job(&object);
        assert_eq!((status.readiness, status.reason.as_deref(), status.message.as_str()), expected);
    }

    #[test]
    fn a_cron_job_is_ready_when_it_exists() {
        assert_eq!(cron_job(&json!({})).readiness, Current);
        assert_eq!(cron_job(&json!({"spec": {"suspend": true}})).reason.as_deref(), Some("Suspended"));
    }

    #[rstest]
    #[case(json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"ttlSecondsAfterFinished": 0}}), true)]
    #[case(json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"ttlSecondsAfterFinished": null}}), false)]
    #[case(json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {}}), false)]
    #[case(json!({"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"ttlSecondsAfterFinished": 1}}), false)]
    #[case(json!({"apiVersion": "example.com/v1", "kind": "Job", "spec": {"ttlSecondsAfterFinished": 1}}), false)]
    fn what_leaves_when_it_is_done(#[case] object: Value, #[case] expected: bool) {
        assert_eq!(leaves_when_done(&object), expected);
    }
}
