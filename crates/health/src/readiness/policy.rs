//! Definitions, aggregated APIs, namespaces, disruption budgets, autoscalers.

use crate::conventions::fields::{Condition, condition, conditions_of, is_unseen, text};
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

fn told(readiness: Readiness, condition: &Condition<'_>) -> ObjectStatus {
    let status = ObjectStatus::new(readiness, condition.says());
    if condition.reason.is_empty() { status } else { status.because(condition.reason) }
}

pub(super) fn definition(object: &Value) -> ObjectStatus {
    if let Some(refused) = condition(object, "NamesAccepted").filter(Condition::is_false) {
        return told(Readiness::Failed, &refused);
    }
    match condition(object, "Established") {
        Some(established) if established.is_true() => ObjectStatus::new(Readiness::Current, "its API is served"),
        Some(established) => told(Readiness::InProgress, &established),
        None => ObjectStatus::new(Readiness::InProgress, "its API is not served yet"),
    }
}

pub(super) fn api_service(object: &Value) -> ObjectStatus {
    match condition(object, "Available") {
        Some(available) if available.is_true() => ObjectStatus::new(Readiness::Current, "its API is served"),
        Some(available) => told(Readiness::InProgress, &available),
        None => ObjectStatus::new(Readiness::InProgress, "its API is not served yet"),
    }
}

pub(super) fn namespace(object: &Value) -> ObjectStatus {
    match text(object, "/status/phase") {
        "Terminating" => ObjectStatus::new(Readiness::Terminating, "it is being deleted"),
        "Active" => ObjectStatus::new(Readiness::Current, "it is active"),
        _ => ObjectStatus::new(Readiness::InProgress, "it is not active yet"),
    }
}

/// A budget restrains evictions; whether it has enough pods says nothing about itself.
pub(super) fn disruption_budget(object: &Value) -> ObjectStatus {
    if is_unseen(object, true) {
        return ObjectStatus::new(Readiness::InProgress, "its controller has not seen this version yet");
    }
    if object.get("status").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty) {
        return ObjectStatus::new(Readiness::InProgress, "its controller has not written a status yet");
    }
    let all = object.pointer("/status/conditions").map(conditions_of).unwrap_or_default();
    match all.into_iter().find(|condition| condition.reason == "SyncFailed") {
        Some(failed) => told(Readiness::Failed, &failed),
        None => ObjectStatus::new(Readiness::Current, "it is in force"),
    }
}

/// Without a metrics API, as on many clusters, an autoscaler never becomes active; it keeps the replicas as they are.
pub(super) fn autoscaler(object: &Value) -> ObjectStatus {
    if let Some(unable) = condition(object, "AbleToScale").filter(Condition::is_false) {
        return told(Readiness::InProgress, &unable);
    }
    match condition(object, "ScalingActive") {
        Some(inactive) if inactive.is_false() => told(Readiness::Current, &inactive),
        Some(_) => ObjectStatus::new(Readiness::Current, "it scales"),
        // Its controller looks every 15 s.
        None if condition(object, "AbleToScale").is_none() => {
            ObjectStatus::new(Readiness::InProgress, "its controller has not looked at it yet")
        }
        None => ObjectStatus::new(Readiness::Current, "it exists"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Readiness::{Current, Failed, InProgress, Terminating};
    use rstest::rstest;
    use serde_json::json;

    fn with(kind: &str, status: &str, reason: &str) -> Value {
        json!({"status": {"conditions": [{"type": kind, "status": status, "reason": reason}]}})
    }

    #[rstest]
    #[case(definition, json!({}), (InProgress, None))]
    #[case(definition, with("Established", "False", "Installing"), (InProgress, Some("Installing")))]
    #[case(definition, with("Established", "True", "InitialNamesAccepted"), (Current, None))]
    #[case(definition, with("NamesAccepted", "False", "PluralConflict"), (Failed, Some("PluralConflict")))]
    #[case(api_service, json!({}), (InProgress, None))]
    #[case(api_service, with("Available", "False", "MissingEndpoints"), (InProgress, Some("MissingEndpoints")))]
    #[case(api_service, with("Available", "True", "Passed"), (Current, None))]
    #[case(namespace, json!({"status": {"phase": "Active"}}), (Current, None))]
    #[case(namespace, json!({"status": {"phase": "Terminating"}}), (Terminating, None))]
    #[case(namespace, json!({}), (InProgress, None))]
    #[case(disruption_budget, json!({"metadata": {"generation": 1}}), (InProgress, None))]
    #[case(disruption_budget, with("DisruptionAllowed", "False", "InsufficientPods"), (Current, None))]
    #[case(disruption_budget, with("DisruptionAllowed", "False", "SyncFailed"), (Failed, Some("SyncFailed")))]
    #[case(autoscaler, json!({}), (InProgress, None))]
    #[case(autoscaler, with("AbleToScale", "True", "ReadyForNewScale"), (Current, None))]
    #[case(autoscaler, with("ScalingActive", "True", "ValidMetricFound"), (Current, None))]
    #[case(autoscaler, with("ScalingActive", "False", "FailedGetResourceMetric"), (Current, Some("FailedGetResourceMetric")))]
    #[case(autoscaler, with("AbleToScale", "False", "FailedGetScale"), (InProgress, Some("FailedGetScale")))]
    fn statuses(
        #[case] rules: fn(&Value) -> ObjectStatus,
        #[case] object: Value,
        #[case] expected: (Readiness, Option<&'static str>),
    ) {
        let status = rules(&object);
        assert_eq!((status.readiness, status.reason.as_deref()), expected);
    }
}
