//! The effects of a change, by what is done to the object and by its kind.

use super::changed::{Around, ChangedObject, Found};
use super::rollout;
use crate::ids::ObjectRef;
use crate::kubernetes::change::{Effect, EffectKind, ObjectChange};
use crate::kubernetes::cluster_object::object_ref;
use crate::kubernetes::pod_references::{pod_spec, refers_to};
use crate::kubernetes::stateful_set::{ScaledDown, deletes_its_claims};
use crate::kubernetes::volume::{Reclaimed, snapshot_goes_with_its_object};
use serde_json::Value;

/// What a change does to what is running; nothing for what is created, stays, or is not going to happen.
pub fn effects(change: &ChangedObject<'_>, around: &Around<'_>) -> Vec<Effect> {
    let found = match change.change {
        ObjectChange::Delete => deleted(change, around),
        ObjectChange::Update | ObjectChange::Adopt => updated(change, around),
        ObjectChange::Create
        | ObjectChange::Replace { .. }
        | ObjectChange::Keep
        | ObjectChange::After { .. }
        | ObjectChange::Refused { .. }
        | ObjectChange::Same => Vec::new(),
    };
    found.into_iter().map(|(kind, what)| Effect { kind, object: change.object.clone(), what }).collect()
}

fn deleted(change: &ChangedObject<'_>, around: &Around<'_>) -> Vec<Found> {
    let one = |kind, what: &str| vec![(kind, what.to_owned())];
    match change.object.kind.as_str() {
        "Deployment" | "DaemonSet" => one(EffectKind::Unavailable, "all its pods stop"),
        "StatefulSet" if change.live.is_some_and(deletes_its_claims) => {
            one(EffectKind::DataLost, "all its pods stop, and its claims go with it (whenDeleted: Delete)")
        }
        "StatefulSet" => one(EffectKind::Unavailable, "all its pods stop"),
        "Service" | "Ingress" => one(EffectKind::Unavailable, "nothing is reached through it any more"),
        "PersistentVolumeClaim" => {
            one(EffectKind::DataLost, "the data goes with it, unless its volume has the reclaim policy Retain")
        }
        "Namespace" => one(EffectKind::DataLost, "everything in it goes"),
        "CustomResourceDefinition" => match live_resources(change, around) {
            Some(0) => Vec::new(),
            Some(count) => vec![(EffectKind::DataLost, format!("{} with it", counted(count, "go", "goes")))],
            None => one(EffectKind::DataLost, "all objects of its kind go with it"),
        },
        "ConfigMap" | "Secret" => {
            users(change, around).map(|(user, _)| (EffectKind::UsedBy, format!("{user} still uses it"))).collect()
        }
        _ => Vec::new(),
    }
}

/// Whose claims go, by name as long as they are few.
fn claims_go(scaled: &ScaledDown, set: &str) -> String {
    let (named, count) = scaled.pods(set);
    let more = if count > named.len() as u64 { ", ..." } else { "" };
    format!("the claims of {}{more} go with them (whenScaled: Delete)", named.join(", "))
}

fn reclaimed(when: Reclaimed) -> Found {
    match when {
        Reclaimed::AtOnce => {
            (EffectKind::DataLost, "its claim is gone, so it is deleted at once, with its data".to_owned())
        }
        Reclaimed::WithItsClaim => {
            (EffectKind::UsedBy, "its data is deleted with its claim from now on, and was kept before".to_owned())
        }
    }
}

fn updated(change: &ChangedObject<'_>, around: &Around<'_>) -> Vec<Found> {
    let (Some(live), Some(then)) = (change.live, change.then) else { return Vec::new() };
    let differs = |pointer: &str| live.pointer(pointer) != then.pointer(pointer);
    match change.object.kind.as_str() {
        "StatefulSet" => {
            let mut found: Vec<Found> = ScaledDown::of(live, then)
                .map(|scaled| (EffectKind::DataLost, claims_go(&scaled, &change.object.name)))
                .into_iter()
                .collect();
            found.extend(rollout::of(&change.object.kind, live, then, around));
            found
        }
        "PersistentVolume" => Reclaimed::of(live, then).map(reclaimed).into_iter().collect(),
        "VolumeSnapshotContent" if snapshot_goes_with_its_object(live, then) => vec![(
            EffectKind::UsedBy,
            "its data is deleted with its snapshot from now on (deletionPolicy: Delete)".to_owned(),
        )],
        "Deployment" | "DaemonSet" => rollout::of(&change.object.kind, live, then, around),
        "Service" if differs("/spec/selector") => {
            vec![(
                EffectKind::Unavailable,
                "its selector changes: whoever uses it reaches other pods, or none".to_owned(),
            )]
        }
        "Service" => ports(live, then),
        "ConfigMap" | "Secret" if ["/data", "/binaryData"].into_iter().any(differs) => users(change, around)
            .filter(|(_, rolls)| !rolls)
            .map(|(user, _)| (EffectKind::UsedBy, format!("{user} uses it and does not restart")))
            .collect(),
        "CustomResourceDefinition" if differs("/spec") => match live_resources(change, around) {
            Some(0) | None => Vec::new(),
            Some(count) => vec![(
                EffectKind::UsedBy,
                format!("{} in the cluster", counted(count, "of its kind are", "of its kind is")),
            )],
        },
        _ => Vec::new(),
    }
}

/// Ports that are not there any more, or lead elsewhere. One that is only added disturbs nobody.
fn ports(live: &Value, then: &Value) -> Vec<Found> {
    let list = |object: &Value| object.pointer("/spec/ports").and_then(Value::as_array).cloned().unwrap_or_default();
    let leads = |port: &Value| ["port", "protocol", "targetPort", "nodePort"].map(|field| port.get(field).cloned());
    let then = list(then);
    list(live)
        .iter()
        .filter(|port| !then.iter().any(|other| leads(other) == leads(port)))
        .map(|port| {
            let number = port.get("port").and_then(Value::as_u64).unwrap_or_default();
            (EffectKind::Unavailable, format!("its port {number} changes: whoever uses it has to know"))
        })
        .collect()
}

/// The workloads that use the ConfigMap or Secret, and whether their pods are replaced.
fn users<'a>(change: &'a ChangedObject<'_>, around: &'a Around<'_>) -> impl Iterator<Item = (ObjectRef, bool)> + 'a {
    let object = change.object;
    around.workloads.iter().filter_map(move |workload| {
        let user = object_ref(workload.object)?;
        let is_used = refers_to(pod_spec(workload.object)?, &object.kind, &object.name);
        (is_used && user.namespace == object.namespace).then_some((user, workload.rolls))
    })
}

fn live_resources(change: &ChangedObject<'_>, around: &Around<'_>) -> Option<usize> {
    around.custom_resources?.get(&change.object.name).copied()
}

fn counted(count: usize, many: &str, one: &str) -> String {
    if count == 1 { format!("1 object {one}") } else { format!("{count} objects {many}") }
}
