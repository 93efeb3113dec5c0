//! How objects stand that were read together: whether a claim has to be bound depends on pods and storage classes, too.

use crate::client::{ClusterClient, ListQuery};
use crate::read::Seen;
use crate::wait::{Look, look_for_ready};
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, Readiness};
use pilothouse_health::Rules;
use serde_json::Value;
use std::collections::BTreeSet;

/// How the objects stand, in their order. A claim that its storage class binds only when a pod uses it is ready when no pod
/// does; to know that, the storage classes and the pods of its namespace are listed. What cannot be listed excuses nothing.
pub(crate) async fn looks(
    client: &dyn ClusterClient,
    rules: &Rules,
    objects: &[ObjectRef],
    seen: &[Seen],
) -> Vec<Look> {
    let mut looks: Vec<Look> = seen.iter().map(|seen| look_for_ready(rules, seen)).collect();
    let unbound: Vec<usize> =
        (0..looks.len()).filter(|&index| is_unbound_claim(&objects[index], &looks[index])).collect();
    if unbound.is_empty() {
        return looks;
    }
    let Ok(mut others) = client.list(&ListQuery::new("storage.k8s.io/v1", "StorageClass")).await else { return looks };
    let namespaces: BTreeSet<&str> = unbound.iter().filter_map(|&index| objects[index].namespace.as_deref()).collect();
    for namespace in namespaces {
        let Ok(pods) = client.list(&ListQuery::new("v1", "Pod").within(namespace)).await else { return looks };
        others.extend(pods);
    }
    let claims: Vec<(usize, &Value)> =
        unbound.into_iter().filter_map(|index| Some((index, seen[index].as_ref().ok()?.as_ref()?))).collect();
    let all: Vec<&Value> = claims.iter().map(|(_, claim)| *claim).chain(&others).collect();
    let verdicts = rules.judge_together(&all, Timestamp::now());
    for ((index, _), verdict) in claims.into_iter().zip(verdicts) {
        let done = verdict.status.is_ready();
        looks[index] = Look { done, status: verdict.status, ..looks[index] };
    }
    looks
}

/// Whether it is a claim that is on its way to be bound, as far as it tells itself.
pub(crate) fn is_unbound_claim(object: &ObjectRef, look: &Look) -> bool {
    object.kind == "PersistentVolumeClaim" && look.status.readiness == Readiness::InProgress
}
