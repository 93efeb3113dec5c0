//! The Gateway API: gateways, their classes, routes, and policies. A route is ready when every gateway it names has
//! accepted it in its present version; what gateways it no longer names say of it does not count.

use crate::conventions::fields::{Condition, array, conditions_of, is_unseen, member, number};
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

pub(super) fn class(object: &Value) -> ObjectStatus {
    let all = object.pointer("/status/conditions").map(conditions_of).unwrap_or_default();
    judge(&all, &["Accepted"], number(object, "/metadata/generation"), "no controller has accepted it yet")
}

pub(super) fn gateway(object: &Value) -> ObjectStatus {
    if is_unseen(object, false) {
        return ObjectStatus::new(Readiness::InProgress, "its controller has not seen this version yet");
    }
    let all = object.pointer("/status/conditions").map(conditions_of).unwrap_or_default();
    let generation = number(object, "/metadata/generation");
    let whole = judge(&all, &["Accepted", "Programmed"], generation, "no controller has accepted it yet");
    let listeners = || array(object, "/status/listeners").iter().map(|listener| of_listener(listener, generation));
    // A gateway with a listener that is refused is accepted all the same (`ListenersNotValid`).
    let refused = || listeners().find(|status| status.readiness == Readiness::Failed);
    match whole.readiness {
        Readiness::Failed => whole,
        Readiness::Current => refused().or_else(|| listeners().find(|status| !status.is_ready())).unwrap_or(whole),
        _ => refused().unwrap_or(whole),
    }
}

/// What a gateway says of one of its listeners.
fn of_listener(listener: &Value, generation: Option<i64>) -> ObjectStatus {
    let all = listener.get("conditions").map(conditions_of).unwrap_or_default();
    let conflict = all.iter().find(|one| one.kind == "Conflicted" && one.is_true() && !one.is_before(generation));
    let status = match conflict {
        Some(conflict) => ObjectStatus::new(Readiness::Failed, conflict.says()).because(conflict.reason),
        None => of_given(&all, &["Accepted", "ResolvedRefs", "Programmed"], generation),
    };
    ObjectStatus { message: format!("listener {}: {}", member(listener, "name"), status.message), ..status }
}

/// What the conditions of these kinds say; only those that are given count.
fn of_given(all: &[Condition<'_>], kinds: &[&str], generation: Option<i64>) -> ObjectStatus {
    let given = kinds.iter().filter(|kind| all.iter().any(|one| one.kind == **kind));
    let mut told = given.map(|kind| judge(all, &[kind], generation, ""));
    told.find(|status| !status.is_ready()).unwrap_or_else(|| ObjectStatus::new(Readiness::Current, "it is accepted"))
}

pub(super) fn route(object: &Value) -> ObjectStatus {
    let wanted = array(object, "/spec/parentRefs");
    let generation = number(object, "/metadata/generation");
    let namespace = object.get("metadata").map_or("", |metadata| member(metadata, "namespace"));
    let answers = array(object, "/status/parents");
    let mut ready = None;
    for reference in wanted {
        let mut of_this = answers
            .iter()
            .filter(|answer| answer.get("parentRef").is_some_and(|parent| is_same(reference, parent, namespace)));
        let Some(first) = of_this.next() else {
            let message = format!("{} has not answered it yet", named(reference));
            return ObjectStatus::new(Readiness::InProgress, message);
        };
        for answer in std::iter::once(first).chain(of_this) {
            let status = of_answer(answer, generation, &named(reference));
            if !status.is_ready() {
                return status;
            }
            ready = Some(status);
        }
    }
    ready.unwrap_or_else(|| ObjectStatus::new(Readiness::Current, "it names no gateway"))
}

/// A policy is ready when every object above its targets has accepted it.
pub(super) fn policy(object: &Value) -> ObjectStatus {
    let generation = number(object, "/metadata/generation");
    let answers = array(object, "/status/ancestors").iter().map(|answer| {
        let ancestor = answer.get("ancestorRef").map_or_else(|| "an ancestor".to_owned(), named);
        of_answer(answer, generation, &ancestor)
    });
    let statuses: Vec<ObjectStatus> = answers.collect();
    let worst = statuses.iter().find(|status| status.readiness == Readiness::Failed);
    let worst = worst.or_else(|| statuses.iter().find(|status| !status.is_ready())).or_else(|| statuses.first());
    worst.cloned().unwrap_or_else(|| ObjectStatus::new(Readiness::InProgress, "no controller has accepted it yet"))
}

/// What one parent or ancestor says.
fn of_answer(answer: &Value, generation: Option<i64>, name: &str) -> ObjectStatus {
    let all = answer.get("conditions").map(conditions_of).unwrap_or_default();
    let status = judge(&all, &["Accepted"], generation, "it is not accepted yet");
    let status = if status.is_ready() { of_given(&all, &["ResolvedRefs", "Programmed"], generation) } else { status };
    ObjectStatus { message: format!("{name}: {}", status.message), ..status }
}

/// Whether all of these conditions hold.
fn judge(all: &[Condition<'_>], kinds: &[&str], generation: Option<i64>, without: &str) -> ObjectStatus {
    for kind in kinds {
        let Some(condition) = all.iter().find(|condition| condition.kind == *kind) else {
            return ObjectStatus::new(Readiness::InProgress, without);
        };
        if condition.is_before(generation) {
            let message = format!("{kind} is about an earlier version of its spec");
            return ObjectStatus::new(Readiness::InProgress, message);
        }
        if condition.is_true() {
            continue;
        }
        let goes_on = !condition.is_false() || *kind == "Programmed" && condition.reason != "Invalid";
        let goes_on = goes_on || matches!(condition.reason, "Pending" | "Waiting");
        let readiness = if goes_on { Readiness::InProgress } else { Readiness::Failed };
        let status = ObjectStatus::new(readiness, condition.says());
        return if condition.reason.is_empty() { status } else { status.because(condition.reason) };
    }
    ObjectStatus::new(Readiness::Current, format!("{} is True", kinds.join(" and ")))
}

/// Whether two references name the same parent.
fn is_same(wanted: &Value, answered: &Value, namespace: &str) -> bool {
    let parts = |reference: &Value| {
        let or = |field: &str, default: &str| {
            let text = member(reference, field);
            if text.is_empty() { default.to_owned() } else { text.to_owned() }
        };
        let place = (or("group", "gateway.networking.k8s.io"), or("kind", "Gateway"), or("namespace", namespace));
        (place, or("name", ""), or("sectionName", ""), number(reference, "/port"))
    };
    parts(wanted) == parts(answered)
}

/// A reference, for people.
fn named(reference: &Value) -> String {
    let kind = member(reference, "kind");
    let kind = if kind.is_empty() { "gateway".to_owned() } else { kind.to_lowercase() };
    let section = member(reference, "sectionName");
    let section = if section.is_empty() { String::new() } else { format!(" ({section})") };
    format!("{kind} {}{section}", member(reference, "name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Readiness::{Current, Failed, InProgress};
    use rstest::rstest;
    use serde_json::json;

    fn conditions(all: &[(&str, &str, &str, i64)]) -> Value {
        let one = |(kind, status, reason, generation): &(&str, &str, &str, i64)| json!({"type": kind, "status": status, "reason": reason, "observedGeneration": generation});
        Value::Array(all.iter().map(one).collect())
    }

    #[rstest]
    #[case(&[], (InProgress, "no controller has accepted it yet"))]
    #[case(&[("Accepted", "Unknown", "Pending", 2)], (InProgress, "Pending"))]
    #[case(&[("Accepted", "True", "Accepted", 1), ("Programmed", "True", "Programmed", 1)],
        (InProgress, "Accepted is about an earlier version of its spec"))]
    #[case(&[("Accepted", "True", "Accepted", 2)], (InProgress, "no controller has accepted it yet"))]
    #[case(&[("Accepted", "True", "Accepted", 2), ("Programmed", "False", "AddressNotAssigned", 2)], (InProgress, "AddressNotAssigned"))]
    #[case(&[("Accepted", "True", "Accepted", 2), ("Programmed", "False", "Invalid", 2)], (Failed, "Invalid"))]
    #[case(&[("Accepted", "False", "ListenersNotValid", 2)], (Failed, "ListenersNotValid"))]
    #[case(&[("Accepted", "True", "Accepted", 2), ("Programmed", "True", "Programmed", 2)], (Current, "Accepted and Programmed is True"))]
    fn gateways(#[case] all: &[(&str, &str, &str, i64)], #[case] expected: (Readiness, &'static str)) {
        let status = gateway(&json!({"metadata": {"generation": 2}, "status": {"conditions": conditions(all)}}));
        assert_eq!((status.readiness, status.message.as_str()), expected);
    }

    #[rstest]
    #[case(&[("Accepted", "True", "Accepted", 2), ("ResolvedRefs", "False", "InvalidCertificateRef", 2)], (Failed, "listener https: InvalidCertificateRef"))]
    #[case(&[("Conflicted", "True", "HostnameConflict", 2)], (Failed, "listener https: HostnameConflict"))]
    #[case(&[("Accepted", "False", "PortUnavailable", 2)], (Failed, "listener https: PortUnavailable"))]
    #[case(&[("Programmed", "False", "Pending", 2)], (InProgress, "listener https: Pending"))]
    #[case(&[("ResolvedRefs", "False", "InvalidCertificateRef", 1)], (InProgress, "listener https: ResolvedRefs is about an earlier version of its spec"))]
    #[case(&[("Conflicted", "False", "NoConflicts", 2), ("ResolvedRefs", "True", "ResolvedRefs", 2)], (Current, "Accepted and Programmed is True"))]
    fn listeners(#[case] all: &[(&str, &str, &str, i64)], #[case] expected: (Readiness, &'static str)) {
        let whole = conditions(&[("Accepted", "True", "Accepted", 2), ("Programmed", "True", "Programmed", 2)]);
        let listeners = json!([{"name": "http", "conditions": []}, {"name": "https", "conditions": conditions(all)}]);
        let status =
            gateway(&json!({"metadata": {"generation": 2}, "status": {"conditions": whole, "listeners": listeners}}));
        assert_eq!((status.readiness, status.message.as_str()), expected);
    }

    #[rstest]
    #[case(json!([]), (InProgress, "gateway a has not answered it yet"))]
    #[case(json!([{"parentRef": {"name": "b"}, "conditions": conditions(&[("Accepted", "True", "Accepted", 2)])}]),
        (InProgress, "gateway a has not answered it yet"))]
    #[case(json!([{"parentRef": {"name": "a", "namespace": "n", "group": "gateway.networking.k8s.io"}, "conditions": conditions(&[("Accepted", "True", "Accepted", 2)])}]),
        (Current, "gateway a: it is accepted"))]
    #[case(json!([{"parentRef": {"name": "a"}, "conditions": conditions(&[("Accepted", "True", "Accepted", 1)])}]),
        (InProgress, "gateway a: Accepted is about an earlier version of its spec"))]
    #[case(json!([{"parentRef": {"name": "a"}, "conditions": conditions(&[("Accepted", "False", "NoMatchingParent", 2)])}]),
        (Failed, "gateway a: NoMatchingParent"))]
    #[case(json!([{"parentRef": {"name": "a"}, "conditions": conditions(&[("Accepted", "True", "Accepted", 2), ("ResolvedRefs", "False", "BackendNotFound", 2)])}]),
        (Failed, "gateway a: BackendNotFound"))]
    #[case(json!([
        {"parentRef": {"name": "a"}, "conditions": conditions(&[("Accepted", "True", "Accepted", 2)])},
        {"parentRef": {"name": "old"}, "conditions": conditions(&[("Accepted", "False", "NoMatchingParent", 1)])}]),
        (Current, "gateway a: it is accepted"))]
    fn routes(#[case] parents: Value, #[case] expected: (Readiness, &'static str)) {
        let object = json!({
            "metadata": {"generation": 2, "namespace": "n"}, "spec": {"parentRefs": [{"name": "a"}]}, "status": {"parents": parents},
        });
        let status = route(&object);
        assert_eq!((status.readiness, status.message.as_str()), expected);
    }

    #[rstest]
    #[case(json!([]), InProgress)]
    #[case(json!([{"conditions": conditions(&[("Accepted", "True", "Accepted", 2)])}, {"conditions": []}]), InProgress)]
    #[case(json!([{"conditions": []}, {"conditions": conditions(&[("Accepted", "False", "TargetNotFound", 2)])}]), Failed)]
    #[case(json!([{"conditions": conditions(&[("Accepted", "True", "Accepted", 2)])}]), Current)]
    fn policies(#[case] ancestors: Value, #[case] expected: Readiness) {
        let object = json!({"metadata": {"generation": 2}, "status": {"ancestors": ancestors}});
        assert_eq!(policy(&object).readiness, expected);
    }

    #[test]
    fn a_route_that_names_no_gateway_has_nothing_to_wait_for() {
        assert_eq!(route(&json!({})), ObjectStatus::new(Current, "it names no gateway"));
    }
}
