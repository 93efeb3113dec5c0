//! Deployment, StatefulSet, DaemonSet, ReplicaSet: every replica asked for is updated and available.

use super::suspended::suspended;
use crate::conventions::fields::{condition, count, is_unseen, number, text};
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

/// The replicas a spec asks for; Kubernetes' default is 1.
fn wanted(object: &Value) -> i64 {
    number(object, "/spec/replicas").unwrap_or(1)
}

fn progress(message: impl Into<String>) -> ObjectStatus {
    ObjectStatus::new(Readiness::InProgress, message)
}

fn ready(object: &str, count: i64) -> ObjectStatus {
    ObjectStatus::new(Readiness::Current, format!("{count} of {count} {object} available"))
}

fn unseen() -> ObjectStatus {
    progress("its controller has not seen this version yet")
}

/// Why pods cannot even be created (quota, admission, a missing ServiceAccount), if that is so.
fn cannot_create(object: &Value) -> Option<ObjectStatus> {
    let failure = condition(object, "ReplicaFailure").filter(crate::conventions::fields::Condition::is_true)?;
    Some(progress(format!("pods cannot be created: {}", failure.says())).because(failure.reason))
}

pub(super) fn deployment(object: &Value) -> ObjectStatus {
    if is_unseen(object, true) {
        return unseen();
    }
    let wanted = wanted(object);
    let Some(lacks) = deployment_lacks(object, wanted) else { return ready("replicas", wanted) };
    if let Some(suspended) = suspended(object, "paused", "the rollout is paused") {
        return suspended;
    }
    // Counts first: a rollout that got there after its deadline is there.
    let deadline = condition(object, "Progressing").filter(|c| c.reason == "ProgressDeadlineExceeded");
    if let Some(deadline) = deadline {
        let message = format!("{lacks}; {}", deadline.says());
        return ObjectStatus::new(Readiness::Failed, message).because(deadline.reason);
    }
    cannot_create(object).unwrap_or_else(|| progress(lacks))
}

/// What a Deployment lacks.
fn deployment_lacks(object: &Value, wanted: i64) -> Option<String> {
    let updated = count(object, "/status/updatedReplicas");
    let all = count(object, "/status/replicas");
    let available = count(object, "/status/availableReplicas");
    if updated < wanted {
        Some(format!("{updated} of {wanted} replicas updated"))
    } else if all > wanted && all <= updated {
        Some(format!("{} replicas too many still run", all - wanted))
    } else if all > updated {
        Some(format!("{} old replicas still run", all - updated))
    } else if available < wanted {
        Some(format!("{available} of {wanted} replicas available"))
    } else {
        None
    }
}

pub(super) fn stateful_set(object: &Value) -> ObjectStatus {
    if is_unseen(object, true) {
        return unseen();
    }
    let wanted = wanted(object);
    let exist = count(object, "/status/replicas");
    let updated = count(object, "/status/updatedReplicas");
    let ready_replicas = count(object, "/status/readyReplicas");
    let available = number(object, "/status/availableReplicas").unwrap_or(ready_replicas);
    let on_delete = text(object, "/spec/updateStrategy/type") == "OnDelete";
    // Pods below the partition keep the old revision, on purpose.
    let partition = count(object, "/spec/updateStrategy/rollingUpdate/partition");
    let to_update = if on_delete { 0 } else { (wanted - partition).max(0) };
    if updated < to_update {
        return progress(format!("{updated} of {to_update} replicas updated"));
    }
    if exist > wanted {
        return progress(format!("{} replicas too many still run", exist - wanted));
    }
    let lowest = available.min(ready_replicas);
    if lowest < wanted {
        return progress(format!("{lowest} of {wanted} replicas available"));
    }
    let revisions = (text(object, "/status/currentRevision"), text(object, "/status/updateRevision"));
    if !on_delete && partition == 0 && wanted > 0 && revisions.0 != revisions.1 {
        return progress("the rollout is not yet complete");
    }
    ready("replicas", wanted)
}

pub(super) fn daemon_set(object: &Value) -> ObjectStatus {
    if is_unseen(object, true) {
        return unseen();
    }
    let wanted = count(object, "/status/desiredNumberScheduled");
    let updated = count(object, "/status/updatedNumberScheduled");
    let available = count(object, "/status/numberAvailable");
    let on_delete = text(object, "/spec/updateStrategy/type") == "OnDelete";
    if !on_delete && updated < wanted {
        return progress(format!("{updated} of {wanted} pods updated"));
    }
    if available < wanted {
        return progress(format!("{available} of {wanted} pods available"));
    }
    ready("pods", wanted)
}

pub(super) fn replica_set(object: &Value) -> ObjectStatus {
    if is_unseen(object, true) {
        return unseen();
    }
    let wanted = wanted(object);
    let exist = count(object, "/status/replicas");
    let available = count(object, "/status/availableReplicas");
    if available < wanted {
        let lacks = || progress(format!("{available} of {wanted} replicas available"));
        return cannot_create(object).unwrap_or_else(lacks);
    }
    if exist > wanted {
        return progress(format!("{} replicas too many still run", exist - wanted));
    }
    ready("replicas", wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Readiness::{Current, Failed, InProgress};
    use rstest::rstest;
    use serde_json::json;

    fn object(spec: &Value, status: &Value) -> Value {
        json!({"metadata": {"generation": 2}, "spec": spec, "status": status})
    }

    fn told(status: &ObjectStatus) -> (Readiness, Option<&str>, &str) {
        (status.readiness, status.reason.as_deref(), status.message.as_str())
    }

    #[rstest]
    #[case(json!({}), json!({}), (InProgress, None, "its controller has not seen this version yet"))]
    #[case(json!({}), json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}),
        (InProgress, None, "its controller has not seen this version yet"))]
    #[case(json!({}), json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}),
        (Current, None, "1 of 1 replicas available"))]
    #[case(json!({"replicas": 0}), json!({"observedGeneration": 2}), (Current, None, "0 of 0 replicas available"))]
    #[case(json!({"replicas": 0}), json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}),
        (InProgress, None, "3 replicas too many still run"))]
    #[case(json!({"replicas": 3}), json!({"observedGeneration": 2, "replicas": 4, "updatedReplicas": 2, "availableReplicas": 3}),
        (InProgress, None, "2 of 3 replicas updated"))]
    #[case(json!({"replicas": 3}), json!({"observedGeneration": 2, "replicas": 4, "updatedReplicas": 3, "availableReplicas": 3}),
        (InProgress, None, "1 old replicas still run"))]
    #[case(json!({"replicas": 1, "strategy": {"rollingUpdate": {"maxUnavailable": 1}}}),
        json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "conditions": [{"type": "Available", "status": "True"}]}),
        (InProgress, None, "0 of 1 replicas available"))]
    #[case(json!({"replicas": 1}),
        json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"a\" has timed out progressing."}]}),
        (Failed, Some("ProgressDeadlineExceeded"), "0 of 1 replicas available; ReplicaSet \"a\" has timed out progressing."))]
    #[case(json!({"replicas": 1}),
        json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}),
        (Current, None, "1 of 1 replicas available"))]
    #[case(json!({"replicas": 2, "paused": true}), json!({"observedGeneration": 2, "replicas": 2}),
        (Current, Some("Suspended"), "the rollout is paused, as its spec asks"))]
    #[case(json!({"replicas": 2}),
        json!({"observedGeneration": 2, "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}]}),
        (InProgress, Some("FailedCreate"), "pods cannot be created: exceeded quota"))]
    fn deployments(
        #[case] spec: Value,
        #[case] status: Value,
        #[case] expected: (Readiness, Option<&'static str>, &'static str),
    ) {
        assert_eq!(told(&deployment(&object(&spec, &status))), expected);
    }

    #[rstest]
    #[case(json!({"replicas": 2}), json!({}), (InProgress, "its controller has not seen this version yet"))]
    #[case(json!({"replicas": 2}),
        json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2}),
        (InProgress, "1 of 2 replicas updated"))]
    #[case(json!({"replicas": 2}),
        json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 1}),
        (InProgress, "1 of 2 replicas available"))]
    #[case(json!({"replicas": 1}),
        json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}),
        (InProgress, "1 replicas too many still run"))]
    #[case(json!({"replicas": 2}),
        json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "currentRevision": "a", "updateRevision": "b"}),
        (InProgress, "the rollout is not yet complete"))]
    #[case(json!({"replicas": 2}),
        json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "currentRevision": "b", "updateRevision": "b"}),
        (Current, "2 of 2 replicas available"))]
    #[case(json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}),
        json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "readyReplicas": 3, "currentRevision": "a", "updateRevision": "b"}),
        (Current, "3 of 3 replicas available"))]
    #[case(json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}),
        json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "currentRevision": "a", "updateRevision": "b"}),
        (InProgress, "0 of 1 replicas updated"))]
    #[case(json!({"replicas": 1, "updateStrategy": {"type": "OnDelete"}}),
        json!({"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "b"}),
        (Current, "1 of 1 replicas available"))]
    #[case(json!({"replicas": 1, "updateStrategy": {"type": "OnDelete"}}), json!({"observedGeneration": 2, "replicas": 1}),
        (InProgress, "0 of 1 replicas available"))]
    fn stateful_sets(#[case] spec: Value, #[case] status: Value, #[case] expected: (Readiness, &'static str)) {
        let status = stateful_set(&object(&spec, &status));
        assert_eq!((status.readiness, status.message.as_str()), expected);
    }

    #[rstest]
    #[case(json!({}), json!({"observedGeneration": 1}), (InProgress, "its controller has not seen this version yet"))]
    #[case(json!({}), json!({"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 1, "numberAvailable": 2}),
        (InProgress, "1 of 2 pods updated"))]
    #[case(json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}),
        json!({"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2}),
        (InProgress, "0 of 2 pods available"))]
    #[case(json!({"updateStrategy": {"type": "OnDelete"}}),
        json!({"observedGeneration": 2, "desiredNumberScheduled": 2, "numberAvailable": 2}),
        (Current, "2 of 2 pods available"))]
    #[case(json!({}), json!({"observedGeneration": 2}), (Current, "0 of 0 pods available"))]
    fn daemon_sets(#[case] spec: Value, #[case] status: Value, #[case] expected: (Readiness, &'static str)) {
        let status = daemon_set(&object(&spec, &status));
        assert_eq!((status.readiness, status.message.as_str()), expected);
    }

    #[rstest]
    #[case(json!({"observedGeneration": 2, "replicas": 1, "availableReplicas": 1}), (Current, None))]
    #[case(json!({"observedGeneration": 2, "replicas": 1}), (InProgress, None))]
    #[case(json!({"observedGeneration": 2, "replicas": 2, "availableReplicas": 2}), (InProgress, None))]
    #[case(json!({"observedGeneration": 2, "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}]}),
        (InProgress, Some("FailedCreate")))]
    fn replica_sets(#[case] status: Value, #[case] expected: (Readiness, Option<&'static str>)) {
        let status = replica_set(&object(&json!({"replicas": 1}), &status));
        assert_eq!((status.readiness, status.reason.as_deref()), expected);
    }
}
