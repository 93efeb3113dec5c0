//! What becomes of a workload's pods.

use super::changed::{Around, Found, replaces_pods};
use crate::kubernetes::change::EffectKind;
use crate::kubernetes::pod_references::{claim_names, pod_spec};
use serde_json::Value;

/// What a change of a Deployment, StatefulSet or DaemonSet does to its pods.
pub(super) fn of(kind: &str, live: &Value, then: &Value, around: &Around<'_>) -> Vec<Found> {
    let (before, after) = (replicas(kind, live), replicas(kind, then));
    if after == 0 && before > 0 && kind != "DaemonSet" {
        return vec![(EffectKind::Unavailable, format!("it is scaled to 0: {}", stop(before)))];
    }
    if before == 0 || !replaces_pods(live, then) {
        return Vec::new();
    }
    let mut found = vec![match kind {
        "Deployment" => deployment(then, before),
        "StatefulSet" => stateful_set(then, before),
        _ => daemon_set(then, before),
    }];
    let rolls = found.iter().any(|(kind, _)| *kind == EffectKind::Rolls);
    if kind == "Deployment" && rolls && after == 1 {
        found.extend(waiting_for_volume(then, around));
    }
    found.extend(budgets(then, around));
    found
}

fn deployment(then: &Value, pods_now: u64) -> Found {
    if then.pointer("/spec/paused").and_then(Value::as_bool) == Some(true) {
        return (EffectKind::Rolls, "it is paused: its pods are replaced once it is resumed".to_owned());
    }
    if text(then, "/spec/strategy/type") == Some("Recreate") {
        return (EffectKind::Restarts, format!("{} before a new one starts (strategy Recreate)", stop(pods_now)));
    }
    let wanted = replicas("Deployment", then);
    let amount = |field: &str, up| {
        let value = then.pointer(&format!("/spec/strategy/rollingUpdate/{field}"));
        value.map_or_else(|| share(25, wanted, up), |value| resolved(value, wanted, up))
    };
    let (unavailable, surge) = (amount("maxUnavailable", false), amount("maxSurge", true));
    // Kubernetes lets one pod go where neither is allowed.
    let unavailable = if unavailable == 0 && surge == 0 { 1 } else { unavailable };
    rolling(pods_now, wanted, unavailable)
}

fn stateful_set(then: &Value, pods_now: u64) -> Found {
    if text(then, "/spec/updateStrategy/type") == Some("OnDelete") {
        return on_delete();
    }
    let wanted = replicas("StatefulSet", then);
    let partition = then.pointer("/spec/updateStrategy/rollingUpdate/partition").and_then(Value::as_u64).unwrap_or(0);
    if partition >= wanted {
        return (EffectKind::Rolls, format!("nothing happens: its partition {partition} holds all pods back"));
    }
    if partition > 0 {
        let what = format!("its pods from number {partition} on are replaced one after another");
        return (EffectKind::Rolls, what);
    }
    rolling(pods_now, wanted, max_unavailable(then, wanted))
}

fn daemon_set(then: &Value, pods_now: u64) -> Found {
    if text(then, "/spec/updateStrategy/type") == Some("OnDelete") {
        return on_delete();
    }
    let surge = then.pointer("/spec/updateStrategy/rollingUpdate/maxSurge");
    if surge.is_some_and(|surge| resolved(surge, pods_now, true) > 0) {
        return rolling(pods_now, pods_now, 0);
    }
    rolling(pods_now, pods_now, max_unavailable(then, pods_now))
}

fn max_unavailable(then: &Value, of: u64) -> u64 {
    let value = then.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable");
    value.map_or(1, |value| resolved(value, of, true)).max(1)
}

fn on_delete() -> Found {
    (EffectKind::Rolls, "nothing happens until its pods are deleted (OnDelete)".to_owned())
}

fn rolling(pods_now: u64, wanted: u64, unavailable: u64) -> Found {
    if unavailable < wanted {
        let how = if pods_now == 1 { "is replaced once a new one is ready" } else { "are replaced one after another" };
        return (EffectKind::Rolls, format!("{} {how}", pods(pods_now)));
    }
    let why =
        if wanted == 1 { "its only pod stops before a new one is ready" } else { "all its pods may stop at once" };
    (EffectKind::Restarts, format!("{why} (maxUnavailable)"))
}

/// A volume that one node at a time can mount keeps the new pod waiting while the old one runs on another node.
fn waiting_for_volume(then: &Value, around: &Around<'_>) -> Option<Found> {
    let name = claim_names(pod_spec(then)?).find(|name| {
        around.claims.iter().any(|claim| {
            let modes = claim.pointer("/spec/accessModes").and_then(Value::as_array);
            text(claim, "/metadata/name") == Some(*name)
                && text(claim, "/metadata/namespace") == text(then, "/metadata/namespace")
                && modes.is_some_and(|modes| {
                    modes.iter().all(|mode| matches!(mode.as_str(), Some("ReadWriteOnce" | "ReadWriteOncePod")))
                })
        })
    })?;
    let what = format!("on another node the new pod waits for the volume of claim {name}, which the old one holds");
    Some((EffectKind::Unavailable, what))
}

/// A rollout does not ask disruption budgets; whoever relies on one should know.
fn budgets(then: &Value, around: &Around<'_>) -> Vec<Found> {
    let labels = then.pointer("/spec/template/metadata/labels");
    let selects = |budget: &&Value| {
        let wanted = budget.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        text(budget, "/metadata/namespace") == text(then, "/metadata/namespace")
            && wanted.is_some_and(|wanted| {
                !wanted.is_empty()
                    && wanted.iter().all(|(key, value)| labels.and_then(|map| map.get(key)) == Some(value))
            })
    };
    let none_allowed =
        |budget: &&Value| budget.pointer("/status/disruptionsAllowed").and_then(Value::as_u64) == Some(0);
    around
        .budgets
        .iter()
        .filter(selects)
        .filter(none_allowed)
        .filter_map(|budget| text(budget, "/metadata/name"))
        .map(|name| {
            let what = format!("PodDisruptionBudget {name} allows no disruption now; a rollout does not ask it");
            (EffectKind::UsedBy, what)
        })
        .collect()
}

fn replicas(kind: &str, object: &Value) -> u64 {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64);
    match kind {
        // How many there are is told by the nodes; before anybody has counted there is one at least.
        "DaemonSet" => number("/status/desiredNumberScheduled").unwrap_or(1),
        _ => number("/spec/replicas").unwrap_or(1),
    }
}

/// A number or a percentage of the pods.
fn resolved(value: &Value, of: u64, up: bool) -> u64 {
    if let Some(number) = value.as_u64() {
        return number;
    }
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')?.parse().ok());
    percent.map_or(0, |percent: u64| share(percent, of, up))
}

fn share(percent: u64, of: u64, up: bool) -> u64 {
    let hundredths = percent.saturating_mul(of);
    if up { hundredths.div_ceil(100) } else { hundredths / 100 }
}

fn pods(count: u64) -> String {
    if count == 1 { "its only pod".to_owned() } else { format!("its {count} pods") }
}

fn stop(count: u64) -> String {
    format!("{} {}", pods(count), if count == 1 { "stops" } else { "stop" })
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}
