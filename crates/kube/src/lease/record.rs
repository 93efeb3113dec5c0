//! What is written into the lease, and read from it.

use crate::client::FIELD_MANAGER;
use jiff::Timestamp;
use pilothouse_core::{Holder, ObjectRef};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Holds the [`Holder`] as JSON; `spec.holderIdentity` is its text for people.
const HOLDER: &str = "pilothouse.dev/holder";

/// Names the namespace that what the lock protects was moved to.
const MOVED_TO: &str = "pilothouse.dev/moved-to";

/// How long a lease is valid that does not say so. Every one of ours does.
const USUAL_DURATION: Duration = Duration::from_secs(15);

/// The reference of a lease.
pub(super) fn lease_ref(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some("coordination.k8s.io/v1".to_owned()),
        kind: "Lease".to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    }
}

/// Who holds the lease, as `spec.holderIdentity` tells; `None` when nobody does.
pub(super) fn identity(lease: &Value) -> Option<&str> {
    lease.pointer("/spec/holderIdentity").and_then(Value::as_str).filter(|identity| !identity.is_empty())
}

/// Who holds the lease, as far as it was one of us: `None` also when the annotation is missing, unreadable, or not of
/// whom `spec.holderIdentity` names.
pub(super) fn holder(lease: &Value) -> Option<Holder> {
    let text = lease.get("metadata")?.get("annotations")?.get(HOLDER)?.as_str()?;
    let holder: Holder = serde_json::from_str(text).ok()?;
    (identity(lease)? == holder.to_string()).then_some(holder)
}

/// Where what the lock protects was moved to: nobody works under this lock any more.
pub(super) fn moved_to(lease: &Value) -> Option<&str> {
    lease.get("metadata")?.get("annotations")?.get(MOVED_TO)?.as_str()
}

/// How long the lease is valid after each renewal.
pub(super) fn duration(lease: &Value) -> Duration {
    let seconds = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64);
    seconds.map_or(USUAL_DURATION, Duration::from_secs)
}

/// What changes with every renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beat {
    uid: Value,
    resource_version: Value,
    renew_time: Value,
}

impl Beat {
    pub(super) fn of(lease: &Value) -> Self {
        let at = |pointer| lease.pointer(pointer).cloned().unwrap_or_default();
        Self {
            uid: at("/metadata/uid"),
            resource_version: at("/metadata/resourceVersion"),
            renew_time: at("/spec/renewTime"),
        }
    }
}

/// What makes the lease `holder`'s, as a whole object: to create it, or to merge it into what there is.
pub(super) fn taken(
    lease: Option<&Value>,
    target: &ObjectRef,
    holder: &Holder,
    labels: &BTreeMap<String, String>,
    valid: Duration,
    now: Timestamp,
) -> Value {
    let mut labels = json!(labels);
    labels["app.kubernetes.io/managed-by"] = json!("pilothouse");
    // To write it as text cannot fail: all its keys are strings.
    let annotation = serde_json::to_string(holder).unwrap_or_default();
    let before = lease.and_then(|lease| lease.pointer("/spec/leaseTransitions")).and_then(Value::as_i64);
    let transitions = match lease {
        // The field has 32 bits.
        Some(_) => before.unwrap_or_default().saturating_add(1).min(i64::from(i32::MAX)),
        None => 0,
    };
    let mut annotations = json!({HOLDER: annotation});
    if lease.is_some_and(|lease| moved_to(lease).is_some()) {
        annotations[MOVED_TO] = Value::Null;
    }
    json!({
        "apiVersion": target.api_version,
        "kind": target.kind,
        "metadata": {
            "name": target.name,
            "namespace": target.namespace,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {
            "holderIdentity": holder.to_string(),
            "leaseDurationSeconds": whole_seconds(valid),
            "acquireTime": micro_time(now),
            "renewTime": micro_time(now),
            "leaseTransitions": transitions,
        },
    })
}

/// The patch that renews the lease.
pub(super) fn renewed(lease: &Value, valid: Duration, now: Timestamp) -> Value {
    // A write that changes nothing is none for the server, and a clock may stand still.
    let mut time = micro_time(now);
    if lease.pointer("/spec/renewTime").and_then(Value::as_str) == Some(time.as_str()) {
        time = micro_time(now.saturating_add(Duration::from_micros(1)).unwrap_or(now));
    }
    json!({"spec": {"renewTime": time, "leaseDurationSeconds": whole_seconds(valid)}})
}

/// The patch that gives the lease free.
pub(super) fn released(now: Timestamp) -> Value {
    json!({
        "metadata": {"annotations": {HOLDER: null}},
        "spec": {"holderIdentity": null, "renewTime": micro_time(now)},
    })
}

/// The patch that closes the lock for good: what it protects is in another namespace now. A program that does not know of that
/// takes it for held, and does not live to see its end.
pub(super) fn moved(to: &str, now: Timestamp) -> Value {
    json!({
        "metadata": {"annotations": {HOLDER: null, MOVED_TO: to}},
        "spec": {
            "holderIdentity": format!("moved to namespace {to}"),
            "leaseDurationSeconds": i32::MAX,
            "renewTime": micro_time(now),
        },
    })
}

/// When the server, by its own clock and in whole seconds, wrote what we wrote last. It is in the answer to each write.
pub(super) fn written_at(lease: &Value) -> Option<Timestamp> {
    let entries = lease.pointer("/metadata/managedFields")?.as_array()?;
    let ours = entries.iter().filter(|entry| entry["manager"] == FIELD_MANAGER);
    ours.filter_map(|entry| entry["time"].as_str()?.parse().ok()).max()
}

/// The field knows only whole seconds, from one up.
fn whole_seconds(duration: Duration) -> u64 {
    let up = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(up).clamp(1, i32::MAX.unsigned_abs().into())
}

/// Kubernetes' `MicroTime`.
fn micro_time(time: Timestamp) -> String {
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use crate::lease::judge::tests::somebody;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written() {
        let labels = BTreeMap::from([("pilothouse.dev/stack".to_owned(), "shop".to_owned())]);
        let now = at("2026-03-01T10:00:00.5Z");
        let target = lease_ref("ops", "shop");
        let first = taken(None, &target, &somebody(1), &labels, Duration::from_millis(14_500), now);
        insta::assert_json_snapshot!(first, @r#"
        {
          "apiVersion": "coordination.k8s.io/v1",
          "kind": "Lease",
          "metadata": {
            "name": "shop",
            "namespace": "ops",
            "labels": {
              "pilothouse.dev/stack": "shop",
              "app.kubernetes.io/managed-by": "pilothouse"
            },
            "annotations": {
              "pilothouse.dev/holder": "{\"run\":\"00000000-0000-0000-0000-000000000001\",\"user\":\"ann\",\"host\":\"desk\",\"pid\":1}"
            }
          },
          "spec": {
            "holderIdentity": "ann@desk (process 1, run 00000001)",
            "leaseDurationSeconds": 15,
            "acquireTime": "2026-03-01T10:00:00.500000Z",
            "renewTime": "2026-03-01T10:00:00.500000Z",
            "leaseTransitions": 0
          }
        }
        "#);
        assert_eq!(holder(&first), Some(somebody(1)));
        assert_eq!(duration(&first), Duration::from_secs(15));
        let second = taken(Some(&first), &target, &somebody(2), &labels, Duration::from_millis(1), now);
        assert_eq!(second["spec"]["leaseTransitions"], 1);
        assert_eq!(second["spec"]["leaseDurationSeconds"], 1);
    }

    #[test]
    fn every_renewal_changes_something() {
        let valid = Duration::from_secs(15);
        let lease = json!({"spec": {"renewTime": "2026-03-01T10:00:00.000000Z"}});
        let time = |now| renewed(&lease, valid, at(now))["spec"]["renewTime"].clone();
        assert_eq!(time("2026-03-01T10:00:05Z"), "2026-03-01T10:00:05.000000Z");
        assert_eq!(time("2026-03-01T10:00:00Z"), "2026-03-01T10:00:00.000001Z", "the clock stood still");
        assert_eq!(time("1999-03-01T10:00:00Z"), "1999-03-01T10:00:00.000000Z", "the clock was set back");
    }

    #[test]
    fn only_who_is_named_twice_is_known() {
        let annotation = serde_json::to_string(&somebody(1)).unwrap();
        let named = somebody(1).to_string();
        let lease = |identity: &str, annotation: &str| json!({"metadata": {"annotations": {HOLDER: annotation}}, "spec": {"holderIdentity": identity}});
        let table = [
            (lease(&named, &annotation), Some(somebody(1))),
            (lease("kubectl", &annotation), None),
            (lease("", &annotation), None),
            (lease(&named, "{\"run\": 1}"), None),
            (json!({"spec": {"holderIdentity": named}}), None),
            (json!({}), None),
        ];
        for (lease, expected) in table {
            assert_eq!(holder(&lease), expected, "{lease}");
        }
    }

    #[test]
    fn the_servers_clock_is_read_of_our_own_writes() {
        let entry = |manager: &str, time: &str| json!({"manager": manager, "operation": "Update", "time": time});
        let lease = |entries: Vec<Value>| json!({"metadata": {"managedFields": entries}});
        let written = |entries| written_at(&lease(entries)).map(|time| time.to_string());
        let ours = entry("pilothouse", "2026-03-01T10:00:00Z");
        let others = entry("kubectl-edit", "2026-03-01T11:00:00Z");
        assert_eq!(written(vec![ours, others.clone()]).as_deref(), Some("2026-03-01T10:00:00Z"));
        assert_eq!(written(vec![others, entry("pilothouse", "soon")]), None);
        assert_eq!(written_at(&json!({})), None);
    }
}
