//! Any other kind: what its conditions, its phase and its counts say by the conventions of the Kubernetes API.
//!
//! An object without any status is ready: most kinds never have one, and waiting for one that never comes would be
//! worse than not waiting for one that comes late.

use super::fields::{Condition, conditions, flag, is_unseen, number, text};
use super::words::{Sense, complains, sense};
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

/// Conditions that hold when all is well, the ones that sum up the others first.
const SUMMARY: [&str; 6] = ["Ready", "Available", "Healthy", "Succeeded", "Complete", "Completed"];
/// Conditions that hold when all is well, of which none sums up the others.
const GOOD: [&str; 16] = [
    "Accepted",
    "Programmed",
    "ResolvedRefs",
    "Established",
    "Synced",
    "Deployed",
    "Valid",
    "Admitted",
    "Installed",
    "Reconciled",
    "Bound",
    "Initialized",
    "Updated",
    "Active",
    "Enforced",
    "Provisioned",
];
/// Conditions that hold while something is done.
const MOVING: [&str; 4] = ["Reconciling", "Progressing", "Updating", "Upgrading"];

/// One finding about the object; the worst of all is its status.
struct Opinion {
    sense: Sense,
    reason: String,
    message: String,
}

impl Opinion {
    fn of(sense: Sense, condition: &Condition<'_>) -> Self {
        Self { sense, reason: condition.reason.to_owned(), message: condition.says() }
    }
}

pub(super) fn any(object: &Value) -> ObjectStatus {
    if is_unseen(object, false) {
        return ObjectStatus::new(Readiness::InProgress, "its controller has not seen this version yet");
    }
    if ["/spec/paused", "/spec/suspend", "/spec/suspended"].into_iter().any(|field| flag(object, field)) {
        return ObjectStatus::new(Readiness::Current, "it is suspended, as its spec asks").because("Suspended");
    }
    let mut opinions: Vec<Opinion> = of_conditions(object, "/status/conditions").into_iter().collect();
    opinions.extend(of_words(object, "/status", &["phase", "state", "health", "status", "compliant"]));
    opinions.extend(of_counts(object));
    opinions.extend(of_failure_text(object));
    if opinions.is_empty() {
        opinions.extend(of_flags(object));
        opinions.extend(of_named_words(object));
        opinions.extend(of_parts(object));
    }
    if opinions.is_empty() && object.pointer("/status/conditions").is_some_and(|all| *all == Value::Array(Vec::new())) {
        return ObjectStatus::new(Readiness::InProgress, "its controller has not judged it yet");
    }
    let Some(worst) = opinions.into_iter().max_by_key(|opinion| opinion.sense) else {
        return ObjectStatus::new(Readiness::Current, "it exists");
    };
    let status = match worst.sense {
        Sense::Good => ObjectStatus::new(Readiness::Current, worst.message),
        Sense::Moving => ObjectStatus::new(Readiness::InProgress, worst.message),
        Sense::Unknown => ObjectStatus::new(Readiness::Unknown, worst.message),
        Sense::Missing => ObjectStatus::new(Readiness::NotFound, worst.message),
        Sense::Paused => return ObjectStatus::new(Readiness::InProgress, worst.message).because("Suspended"),
        Sense::Bad => ObjectStatus::new(Readiness::Failed, worst.message),
    };
    if worst.reason.is_empty() { status } else { status.because(worst.reason) }
}

/// What the conditions in the list at `pointer` say together.
fn of_conditions(object: &Value, pointer: &str) -> Option<Opinion> {
    let generation = number(object, "/metadata/generation");
    let all = conditions(object, pointer);
    let stale = |condition: &Condition<'_>| {
        condition.generation.zip(generation).is_some_and(|(written_for, now)| written_for < now)
    };
    // What is wrong in any case.
    if let Some(bad) = all.iter().find(|condition| condition.is_true() && is_bad(condition.kind)) {
        return Some(Opinion::of(Sense::Bad, bad));
    }
    let broken = |c: &&Condition<'_>| c.is_false() && !is_bad(c.kind) && sense(c.reason) == Some(Sense::Bad);
    if let Some(bad) = all.iter().find(broken) {
        return Some(Opinion::of(Sense::Bad, bad));
    }
    if let Some(paused) = all.iter().find(|c| c.is_true() && sense(c.kind) == Some(Sense::Paused)) {
        return Some(Opinion::of(Sense::Paused, paused));
    }
    let summary = SUMMARY.iter().find_map(|kind| all.iter().find(|condition| condition.kind == *kind));
    if let Some(summary) = summary {
        if stale(summary) {
            return Some(Opinion::of(Sense::Moving, summary));
        }
        if !summary.is_true() {
            return Some(Opinion::of(of_unmet(summary), summary));
        }
    }
    if let Some(moving) = all.iter().find(|c| c.is_true() && MOVING.contains(&c.kind) && summary.is_none()) {
        return Some(Opinion::of(Sense::Moving, moving));
    }
    if let Some(unmet) = all.iter().find(|condition| is_good(condition.kind) && !condition.is_true()) {
        return Some(Opinion::of(of_unmet(unmet), unmet));
    }
    if let Some(old) = all.iter().find(|condition| is_good(condition.kind) && stale(condition)) {
        return Some(Opinion::of(Sense::Moving, old));
    }
    let good = summary.or_else(|| all.iter().find(|condition| is_good(condition.kind)))?;
    Some(Opinion { message: format!("{} is True", good.kind), ..Opinion::of(Sense::Good, good) })
}

/// Whether a condition of this name, when it holds, says that something is wrong.
fn is_bad(kind: &str) -> bool {
    // Warnings are common in objects that work.
    kind != "Warning"
        && (kind == "Stalled" || kind == "NotReady" || kind.ends_with("Terminal") || sense(kind) == Some(Sense::Bad))
}

/// Whether a condition of this name should hold.
fn is_good(kind: &str) -> bool {
    GOOD.contains(&kind) || kind.ends_with("Ready") || kind.ends_with("Healthy") || kind.ends_with("Synced")
}

/// What a condition that should hold and does not says: wrong, or not yet.
fn of_unmet(condition: &Condition<'_>) -> Sense {
    if condition.status == "Unknown" {
        return Sense::Moving;
    }
    match sense(condition.reason) {
        Some(clear @ (Sense::Bad | Sense::Moving | Sense::Paused)) => clear,
        Some(Sense::Good | Sense::Unknown | Sense::Missing) | None if complains(condition.message) => Sense::Bad,
        Some(Sense::Good | Sense::Unknown | Sense::Missing) | None => Sense::Moving,
    }
}

/// The worst of what single words in the object at `pointer` say.
fn of_words(object: &Value, pointer: &str, keys: &[&str]) -> Option<Opinion> {
    let known = keys.iter().filter_map(|key| {
        let word = text(object, &format!("{pointer}/{key}"));
        sense(word).map(|sense| (key, word, sense))
    });
    // The first of equals.
    let (key, word, sense) = known.reduce(|worst, other| if other.2 > worst.2 { other } else { worst })?;
    let said = ["message", "reason"].map(|field| text(object, &format!("{pointer}/{field}")));
    let said = said.into_iter().find(|text| !text.is_empty() && *text != word);
    let message = said.map_or_else(|| format!("{key} is {word}"), |said| format!("{key} is {word}: {said}"));
    Some(Opinion { sense, reason: word.split_whitespace().collect(), message })
}

/// What words under a longer name say (`certificateStatus`, `currentStatus`, `lifecycleState`).
fn of_named_words(object: &Value) -> Option<Opinion> {
    let status = object.get("status")?.as_object()?;
    let named = |key: &&String| ["Status", "State", "Phase", "Health"].iter().any(|end| key.ends_with(end));
    let keys: Vec<&str> = status.keys().filter(named).map(String::as_str).collect();
    of_words(object, "/status", &keys)
}

/// What a status says in a field for errors (`failureMessage` is Cluster API's).
fn of_failure_text(object: &Value) -> Option<Opinion> {
    let fields = ["failureMessage", "errorMessage", "errorDescription", "error/message", "error"];
    let said =
        fields.into_iter().map(|field| text(object, &format!("/status/{field}"))).find(|text| !text.is_empty())?;
    Some(Opinion { sense: Sense::Bad, reason: "Error".to_owned(), message: said.to_owned() })
}

/// What `ready: false` and its like say.
fn of_flags(object: &Value) -> Option<Opinion> {
    let (field, ready) = ["ready", "readyToUse", "available"]
        .into_iter()
        .find_map(|field| Some((field, object.pointer(&format!("/status/{field}"))?.as_bool()?)))?;
    let sense = if ready { Sense::Good } else { Sense::Moving };
    Some(Opinion { sense, reason: String::new(), message: format!("{field} is {ready}") })
}

/// Whether there are as many replicas as asked for, and no old ones, where they are counted.
fn of_counts(object: &Value) -> Option<Opinion> {
    let moving = |message: String| Opinion { sense: Sense::Moving, reason: String::new(), message };
    let counted = |field: &str| number(object, &format!("/status/{field}"));
    if let (Some(all), Some(updated)) = (counted("replicas"), counted("updatedReplicas"))
        && all > updated
    {
        return Some(moving(format!("{updated} of {all} replicas updated")));
    }
    let wanted = number(object, "/spec/replicas")?;
    let fields = ["readyReplicas", "availableReplicas", "updatedReplicas"];
    let counts = fields.into_iter().filter_map(|field| Some((field, counted(field)?)));
    let (field, count) = counts.min_by_key(|(_, count)| *count).filter(|(_, count)| *count < wanted)?;
    Some(moving(format!("{field}: {count} of {wanted}")))
}

/// What the parts of a status say that have conditions or a state of their own (`status.parents` of a Gateway API
/// route, `status.statuses` by namespace, `status.lastOperation`).
fn of_parts(object: &Value) -> Option<Opinion> {
    let mut parts = Vec::new();
    for (key, value) in object.get("status")?.as_object()? {
        let pointer = format!("/status/{}", escaped(key));
        match value {
            Value::Array(items) => parts.extend((0..items.len()).map(|index| format!("{pointer}/{index}"))),
            Value::Object(inner) => {
                parts.extend(inner.keys().map(|key| format!("{pointer}/{}", escaped(key))));
                parts.push(pointer);
            }
            _ => {}
        }
    }
    let said = parts.iter().filter_map(|part| {
        let conditions = of_conditions(object, &format!("{part}/conditions"));
        conditions.or_else(|| of_words(object, part, &["phase", "state", "health"]))
    });
    said.max_by_key(|opinion| opinion.sense)
}

/// A key as JSON pointers write it (RFC 6901).
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use Readiness::{Current, Failed, InProgress, NotFound, Unknown};
    use rstest::rstest;
    use serde_json::json;

    fn ready(status: &str, reason: &str, message: &str) -> Value {
        json!({"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": message}]})
    }

    #[rstest]
    // An object without a status.
    #[case(json!(null), (Current, None, "it exists"))]
    #[case(json!({}), (Current, None, "it exists"))]
    #[case(json!({"conditions": []}), (InProgress, None, "its controller has not judged it yet"))]
    // The conventions of conditions.
    #[case(json!({"observedGeneration": 1}), (InProgress, None, "its controller has not seen this version yet"))]
    #[case(json!({"observedGeneration": "abc"}), (Current, None, "it exists"))]
    #[case(ready("True", "Issued", "up to date"), (Current, Some("Issued"), "Ready is True"))]
    #[case(ready("Unknown", "", ""), (InProgress, None, "Ready is Unknown"))]
    #[case(ready("False", "Issuing", "issuing a certificate"), (InProgress, Some("Issuing"), "issuing a certificate"))]
    #[case(ready("False", "InvalidSpec", "no issuer"), (Failed, Some("InvalidSpec"), "no issuer"))]
    #[case(ready("False", "", "secret does not exist"), (Failed, None, "secret does not exist"))]
    #[case(json!({"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]}), (InProgress, None, "Ready is True"))]
    #[case(json!({"conditions": [{"type": "Ready", "status": true}]}), (Current, None, "Ready is True"))]
    #[case(json!({"conditions": [{"type": "Ready", "status": "True"}, {"type": "Stalled", "status": "True", "reason": "Stuck"}]}),
        (Failed, Some("Stuck"), "Stuck"))]
    #[case(json!({"conditions": [{"type": "Reconciling", "status": "True", "message": "at work"}]}), (InProgress, None, "at work"))]
    #[case(json!({"conditions": [{"type": "Paused", "status": "True"}]}), (InProgress, Some("Suspended"), "Paused is True"))]
    #[case(json!({"conditions": [{"type": "NetworkReady", "status": "False"}]}), (InProgress, None, "NetworkReady is False"))]
    #[case(json!({"conditions": [{"type": "MemoryPressure", "status": "False"}]}), (Current, None, "it exists"))]
    // Words, counts and flags.
    #[case(json!({"phase": "Failed", "message": "no disk"}), (Failed, Some("Failed"), "phase is Failed: no disk"))]
    #[case(json!({"phase": "Ready", "health": "yellow"}), (InProgress, Some("yellow"), "health is yellow"))]
    #[case(json!({"state": "Unknown"}), (Unknown, Some("Unknown"), "state is Unknown"))]
    #[case(json!({"state": "NotFound"}), (NotFound, Some("NotFound"), "state is NotFound"))]
    #[case(json!({"certificateStatus": "Provisioning"}), (InProgress, Some("Provisioning"), "certificateStatus is Provisioning"))]
    #[case(json!({"failureMessage": "quota"}), (Failed, Some("Error"), "quota"))]
    #[case(json!({"ready": false}), (InProgress, None, "ready is false"))]
    #[case(json!({"readyReplicas": 1}), (InProgress, None, "readyReplicas: 1 of 2"))]
    #[case(json!({"replicas": 3, "updatedReplicas": 2, "readyReplicas": 3}), (InProgress, None, "2 of 3 replicas updated"))]
    // Parts.
    #[case(json!({"parents": [{"conditions": [{"type": "Accepted", "status": "True"}]}, {"conditions": [{"type": "Accepted", "status": "False", "message": "not yet"}]}]}),
        (InProgress, None, "not yet"))]
    #[case(json!({"statuses": {"a/b": {"state": "Rejected"}}}), (Failed, Some("Rejected"), "state is Rejected"))]
    fn conventions(#[case] status: Value, #[case] expected: (Readiness, Option<&'static str>, &'static str)) {
        let object = json!({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status});
        let told = any(&object);
        assert_eq!((told.readiness, told.reason.as_deref(), told.message.as_str()), expected);
    }

    #[test]
    fn what_is_suspended_by_its_spec_is_as_asked_for() {
        let told = any(&json!({"spec": {"suspend": true}, "status": {"phase": "Failed"}}));
        assert_eq!((told.readiness, told.reason.as_deref()), (Current, Some("Suspended")));
    }
}
