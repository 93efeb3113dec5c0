//! How objects stand that were read together: some depend on others that are not among them. Whether a claim has to be bound
//! depends on pods and storage classes; whether a workload has settled, on its pods.

use super::look::{Look, look_for_ready, pending, unreadable};
use crate::client::{
    ClusterClient, ClusterError, Detail, ListQuery, SIDE_BY_SIDE, Seen, in_one_line, read_all, read_labelled,
};
use futures::StreamExt;
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, ObjectStatus, Readiness};
use pilothouse_health::{Rules, restarted, runs_pods, selector, unproven, unsettled};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// How each of the objects stands right now, in their order. One that cannot be read is `Unknown`, with the reason.
pub async fn statuses(
    client: &dyn ClusterClient,
    rules: &Rules,
    objects: &[ObjectRef],
) -> Vec<(ObjectRef, ObjectStatus)> {
    let seen = read_all(client, objects, Detail::Whole).await;
    let looks = looks(client, rules, objects, &seen).await;
    objects.iter().cloned().zip(looks.into_iter().map(|look| look.status)).collect()
}

/// As [`statuses`], of objects that should all have this label: those of a kind that are in many namespaces are listed at once. No
/// more than a few kinds are in memory at a time.
pub async fn statuses_labelled(
    client: &dyn ClusterClient,
    rules: &Rules,
    objects: Vec<ObjectRef>,
    label: &str,
) -> HashMap<ObjectRef, ObjectStatus> {
    let mut kinds: HashMap<(Option<String>, String), Vec<ObjectRef>> = HashMap::new();
    for object in objects {
        kinds.entry((object.api_version.clone(), object.kind.clone())).or_default().push(object);
    }
    let each = kinds.into_values().map(|objects| async move {
        let seen = read_labelled(client, &objects, Detail::Whole, label).await;
        let looks = looks(client, rules, &objects, &seen).await;
        objects.into_iter().zip(looks.into_iter().map(|look| look.status)).collect::<Vec<_>>()
    });
    let each: Vec<_> = each.collect();
    futures::stream::iter(each).buffer_unordered(SIDE_BY_SIDE).flat_map(futures::stream::iter).collect().await
}

/// Those of the workloads whose pods do not bear out that they are ready, whether or not they have readiness probes: a container has
/// ended with an error a moment ago. One that cannot be read is among them where that may pass.
pub async fn unsettled_now(client: &dyn ClusterClient, objects: &[ObjectRef]) -> Vec<(ObjectRef, ObjectStatus)> {
    let seen = read_all(client, objects, Detail::Whole).await;
    let look = |seen: &Seen| match seen {
        Err(error) if error.is_transient() => unreadable(error),
        Ok(_) | Err(_) => Look { done: true, ..pending(Readiness::Current, "its status says so") },
    };
    let mut looks: Vec<Look> = seen.iter().map(look).collect();
    let live = seen.iter().enumerate().filter_map(|(index, seen)| Some((index, seen.as_ref().ok()?.as_ref()?)));
    let workloads = live.filter_map(|(index, live)| Some((index, live, selector(live)?))).collect();
    doubt_workloads(client, objects, workloads, &mut looks).await;
    let all = objects.iter().cloned().zip(looks);
    all.filter(|(_, look)| !look.done).map(|(object, look)| (object, look.status)).collect()
}

/// Those of the objects of which a container has ended with an error and not proven itself since: ready by their own status, until it
/// ends again. The pods of each namespace are listed once. Where they cannot be listed, for whatever reason, none is told of: a look
/// that failed says nothing against what its own status says, and nothing for it.
pub async fn restarted_lately(client: &dyn ClusterClient, objects: &[ObjectRef]) -> RestartedLately {
    let mut namespaces: HashMap<&str, Vec<&ObjectRef>> = HashMap::new();
    for object in objects.iter().filter(|object| runs_pods(object)) {
        namespaces.entry(object.namespace.as_deref().unwrap_or_default()).or_default().push(object);
    }
    let each = namespaces.into_iter().map(|(namespace, objects)| async move {
        let pods = client.list(&ListQuery::new("v1", "Pod").within(namespace)).await;
        (namespace, objects, pods)
    });
    let each: Vec<_> = each.collect();
    let mut listed = futures::stream::iter(each).buffer_unordered(SIDE_BY_SIDE);
    let mut all = RestartedLately::default();
    while let Some((namespace, objects, pods)) = listed.next().await {
        match pods {
            Ok(pods) => {
                let status = |object: &ObjectRef| restarted(object, &pods, Timestamp::now());
                all.found.extend(objects.into_iter().filter_map(|object| Some((object.clone(), status(object)?))));
            }
            Err(error) => all.unlisted.push((namespace.to_owned(), in_one_line(&error))),
        }
    }
    all
}

/// What [`restarted_lately`] has found, and what it could not see.
#[derive(Debug, Default)]
pub struct RestartedLately {
    /// The objects that come and go, with how they stand therefore.
    pub found: Vec<(ObjectRef, ObjectStatus)>,
    /// The namespaces whose pods could not be listed, with the reason.
    pub unlisted: Vec<(String, String)>,
}

impl RestartedLately {
    /// A sentence about each namespace whose pods could not be listed.
    pub fn warnings(&self) -> impl Iterator<Item = (&str, String)> {
        self.unlisted.iter().map(|(namespace, why)| {
            let text = format!(
                "the pods of namespace {namespace} could not be listed: {why}; whether programs come and go is not known"
            );
            (namespace.as_str(), text)
        })
    }
}

/// Of a workload whose pods cannot be read nothing is known, where that may pass. Who may not read them gets what Kubernetes says of
/// the workload.
fn pods_unreadable(error: &ClusterError) -> Option<ObjectStatus> {
    let message = format!("its pods cannot be read: {}", in_one_line(error));
    error.is_transient().then(|| ObjectStatus::new(Readiness::Unknown, message).because("Unreadable"))
}

/// How the objects stand, in their order. What they depend on is listed; what may not be listed changes nothing.
pub(crate) async fn looks(
    client: &dyn ClusterClient,
    rules: &Rules,
    objects: &[ObjectRef],
    seen: &[Seen],
) -> Vec<Look> {
    let mut looks: Vec<Look> = seen.iter().map(|seen| look_for_ready(rules, seen)).collect();
    let found = |index: usize| seen[index].as_ref().ok()?.as_ref().map(|live| (index, live));
    let claims = (0..looks.len()).filter(|&index| is_unbound_claim(&objects[index], &looks[index]));
    let claims: Vec<(usize, &Value)> = claims.filter_map(found).collect();
    excuse_claims(client, rules, &claims, &mut looks).await;
    let ready = (0..looks.len()).filter(|&index| looks[index].done).filter_map(found);
    let now = Timestamp::now();
    let workloads: Vec<(usize, &Value, String)> =
        ready.filter_map(|(index, live)| Some((index, live, unproven(live, now)?))).collect();
    doubt_workloads(client, objects, workloads, &mut looks).await;
    looks
}

/// A claim that its storage class binds only when a pod uses it is ready when no pod does.
async fn excuse_claims(client: &dyn ClusterClient, rules: &Rules, claims: &[(usize, &Value)], looks: &mut [Look]) {
    if claims.is_empty() {
        return;
    }
    for (index, _) in claims {
        looks[*index].depends = true;
    }
    let Ok(mut others) = client.list(&ListQuery::new("storage.k8s.io/v1", "StorageClass")).await else { return };
    let namespace = |claim: &Value| claim.pointer("/metadata/namespace").and_then(Value::as_str).map(str::to_owned);
    let namespaces: BTreeSet<String> = claims.iter().filter_map(|(_, claim)| namespace(claim)).collect();
    for namespace in namespaces {
        let Ok(pods) = client.list(&ListQuery::new("v1", "Pod").within(namespace)).await else { return };
        others.extend(pods);
    }
    let all: Vec<&Value> = claims.iter().map(|(_, claim)| *claim).chain(&others).collect();
    let verdicts = rules.judge_together(&all, Timestamp::now());
    for ((index, _), verdict) in claims.iter().zip(verdicts) {
        looks[*index].done = verdict.status.is_ready();
        looks[*index].status = verdict.status;
    }
}

/// A workload whose pods have only just started, with no probe to vouch for them, is not ready yet.
async fn doubt_workloads(
    client: &dyn ClusterClient,
    objects: &[ObjectRef],
    workloads: Vec<(usize, &Value, String)>,
    looks: &mut [Look],
) {
    let mut namespaces: HashMap<&str, Vec<(usize, &Value, String)>> = HashMap::new();
    for workload in workloads {
        namespaces.entry(objects[workload.0].namespace.as_deref().unwrap_or_default()).or_default().push(workload);
    }
    let each = namespaces.into_iter().map(|(namespace, workloads)| settling(client, namespace, workloads));
    let each: Vec<_> = each.collect();
    let answers = futures::stream::iter(each).buffer_unordered(SIDE_BY_SIDE);
    let mut answers = answers.flat_map(futures::stream::iter);
    while let Some((index, status)) = answers.next().await {
        looks[index].depends = true;
        if let Some(status) = status {
            looks[index].done = false;
            looks[index].status = status;
        }
    }
}

/// Whether the workloads of a namespace have settled. Where there are several, their pods are listed at once, with those of others:
/// who has made a pod is told by its owner.
async fn settling(
    client: &dyn ClusterClient,
    namespace: &str,
    workloads: Vec<(usize, &Value, String)>,
) -> Vec<(usize, Option<ObjectStatus>)> {
    let query = ListQuery::new("v1", "Pod").within(namespace);
    let query = match workloads.as_slice() {
        [(_, _, selector)] => query.labelled(selector.as_str()),
        _ => query,
    };
    let pods = client.list(&query).await;
    let status = |workload: &Value| match &pods {
        Ok(pods) => unsettled(workload, pods, Timestamp::now()),
        Err(error) => pods_unreadable(error),
    };
    workloads.into_iter().map(|(index, workload, _)| (index, status(workload))).collect()
}

/// Whether it is a claim that is on its way to be bound, as far as it tells itself.
pub(crate) fn is_unbound_claim(object: &ObjectRef, look: &Look) -> bool {
    object.kind == "PersistentVolumeClaim" && look.status.readiness == Readiness::InProgress
}
