//! Reading what matters of a cluster. Nothing but `get` and `list` is asked of it.

use crate::context::Context;
use crate::context::Session;
use crate::copy::cluster_copy::{ClusterCopy, Copied, CopyError, SIDE_BY_SIDE};
use crate::copy::object_copy;
use crate::copy::object_copy::{Turn, text};
use crate::copy::releases;
use crate::copy::releases::AboutRelease;
use crate::copy::surroundings;
use crate::copy::surroundings::{OF_CLUSTER, OF_NAMESPACE, Parameter, WEBHOOKS, core};
use crate::copy::webhooks;
use crate::error::PhaseError;
use crate::observe::FLUX;
use crate::phases::HelmChart;
use futures::StreamExt;
use pilothouse_core::{ObjectRef, ReleaseKey, Sensitive, Untold, crd_facts, error_chain, named_release, object_ref};
use pilothouse_kube::{ClusterError, Discovery, ListQuery, record_ref};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::mpsc::unbounded_channel;

/// How many custom resources of one definition are copied at most.
const CUSTOM_RESOURCES: usize = 200;
/// How many nodes are copied at most.
const NODES: usize = 100;

/// The definition of Flux's releases: who manages a release is told by them.
const FLUX_RELEASES: &str = "helmreleases.helm.toolkit.fluxcd.io";

/// Reads what matters of a cluster for these releases: what they are about (what they are going to have, what is deployed, what
/// their steps name) and what stands around that. `session` is of the cluster. What cannot be read is told in the copy and is
/// not taken for absent.
///
/// # Errors
/// When the cluster does not answer, or Helm's records of a release cannot be read.
pub async fn copy(charts: &[Box<dyn HelmChart>], session: &Arc<Session>) -> Result<ClusterCopy, CopyError> {
    let target = session.target().await?;
    let served = session.cluster.discovery(false).await?;
    let (to, _nobody) = unbounded_channel();
    let contexts: Vec<Context> =
        charts.iter().map(|chart| Context::new(session.clone(), chart.chart_info(), to.clone())).collect();
    let abouts = charts
        .iter()
        .zip(&contexts)
        .map(|(chart, ctx)| async move { (ctx.release(), releases::about(chart.as_ref(), ctx).await) });
    let abouts: Vec<(ReleaseKey, Result<AboutRelease, PhaseError>)> =
        futures::stream::iter(abouts).buffered(SIDE_BY_SIDE).collect().await;
    let mut releases = BTreeMap::new();
    for (release, about) in abouts {
        let about = about.map_err(|source| CopyError::Release { release: release.clone(), source })?;
        releases.insert(release, about);
    }
    let mut reading = Reading { session, served: &served, found: BTreeMap::new(), not_copied: Vec::new() };
    let mut not_exercised = Vec::new();
    let (mut touched, mut records) = (Vec::new(), Vec::new());
    let (mut rendered, mut remembered) = (Vec::new(), Vec::new());
    let mut namespaces: BTreeSet<String> = releases.keys().map(|release| release.namespace.clone()).collect();
    let by_flux = releases.values().any(|about| about.manager.as_deref() == Some(FLUX));
    let own: BTreeSet<ReleaseKey> = releases.keys().cloned().collect();
    for about in releases.into_values() {
        touched.extend(about.objects);
        records.extend(about.records);
        rendered.extend(about.rendered);
        remembered.extend(about.remembered);
        reading.not_copied.extend(about.not_copied);
        not_exercised.extend(about.not_exercised);
    }
    let touched = distinct(touched);
    namespaces.extend(touched.iter().filter_map(|object| object.namespace.clone()));

    reading.get(&touched, true).await;
    reading.get(&records, false).await;
    let places: Vec<ObjectRef> = namespaces.iter().map(|name| core("Namespace", None, name)).collect();
    reading.get(&places, false).await;
    let knows_storage = reading.environment(&namespaces).await;
    reading.belongings(&rendered, &namespaces).await;
    reading.custom_resources(by_flux).await;
    reading.parameters(&namespaces).await;
    reading.owners(&own).await;
    reading.places().await;
    not_exercised.extend(reading.webhooks(&touched).await);
    let Reading { found, mut not_copied, .. } = reading;
    let mut objects: Vec<Copied> = found.into_values().collect();
    let defined: BTreeSet<(String, String)> = objects
        .iter()
        .filter_map(|copied| crd_facts(copied.live.expose()))
        .map(|facts| (facts.group, facts.kind))
        .collect();
    for copied in &mut objects {
        let group = copied.object.group().unwrap_or_default().to_owned();
        copied.custom = defined.contains(&(group, copied.object.kind.clone()));
    }
    let nodes = objects.iter().filter(|copied| copied.turn == Turn::Node).count();
    if nodes > NODES {
        not_copied.push(Untold::new(format!("{} of {nodes} nodes", nodes - NODES), "there are too many of them"));
        let mut kept = 0;
        objects.retain(|copied| {
            kept += usize::from(copied.turn == Turn::Node);
            copied.turn != Turn::Node || kept <= NODES
        });
    }
    not_exercised.extend(objects.iter().flat_map(|one| object_copy::not_shown(one.live.expose(), one.touched)));
    not_copied.sort();
    not_copied.dedup();
    Ok(ClusterCopy {
        version: target.kube_version.clone(),
        api_versions: target.api_versions.clone(),
        objects,
        touched,
        remembered,
        knows_storage,
        not_copied,
        not_exercised,
    })
}

/// Each object once, whatever version names it.
fn distinct(objects: Vec<ObjectRef>) -> Vec<ObjectRef> {
    let mut seen = BTreeSet::new();
    objects.into_iter().filter(|object| seen.insert(key(object))).collect()
}

/// Group, kind, namespace and name.
type Key = (String, String, Option<String>, String);

fn key(object: &ObjectRef) -> Key {
    let group = object.group().unwrap_or_default().to_owned();
    (group, object.kind.clone(), object.namespace.clone(), object.name.clone())
}

struct Reading<'a> {
    session: &'a Session,
    served: &'a Discovery,
    found: BTreeMap<Key, Copied>,
    not_copied: Vec<Untold>,
}

impl Reading<'_> {
    /// Why something cannot be read. The server names user, verb and kind once more when it forbids it.
    fn error(&self, error: &ClusterError) -> String {
        let told = match error {
            ClusterError::Forbidden { verb, what, .. } => format!("not allowed to {verb} {what}"),
            ClusterError::Unreachable { .. }
            | ClusterError::Timeout { .. }
            | ClusterError::Unauthorized { .. }
            | ClusterError::NotServed { .. }
            | ClusterError::Stale { .. }
            | ClusterError::NotFound { .. }
            | ClusterError::Conflict { .. }
            | ClusterError::Invalid { .. }
            | ClusterError::Unnamed { .. }
            | ClusterError::Api { .. }
            | ClusterError::Malformed { .. } => error_chain(error).join(": "),
        };
        self.session.redactor.redact(&told)
    }

    fn add(&mut self, live: Value, touched: bool) {
        let Some(object) = object_ref(&live) else { return };
        // What serves it is not in the copy, and the copy's own controllers would stumble over that.
        if object.group() == Some("apiregistration.k8s.io") {
            self.not_copied.push(Untold::new(&object, "the server behind it is not there"));
            return;
        }
        if let Some(known) = self.found.get_mut(&key(&object)) {
            known.touched |= touched;
            return;
        }
        let turn = Turn::of(&live);
        self.found.insert(key(&object), Copied { object, turn, live: Sensitive::new(live), custom: false, touched });
    }

    /// Reads objects that are not known yet. Kinds that are not served have none.
    async fn get(&mut self, objects: &[ObjectRef], touched: bool) {
        let (known, unknown): (Vec<&ObjectRef>, Vec<&ObjectRef>) =
            objects.iter().partition(|object| self.found.contains_key(&key(object)));
        for object in known {
            if let Some(known) = self.found.get_mut(&key(object)) {
                known.touched |= touched;
            }
        }
        let session = self.session;
        let reads = unknown.into_iter().map(|object| async move { (object, session.cluster.get(object).await) });
        let mut reads = futures::stream::iter(reads.collect::<Vec<_>>()).buffered(SIDE_BY_SIDE);
        while let Some((object, read)) = reads.next().await {
            match read {
                Ok(Some(live)) => self.add(live, touched),
                Ok(None) | Err(ClusterError::NotServed { .. }) => {}
                Err(error) => self.not_copied.push(Untold::new(object, self.error(&error))),
            }
        }
    }

    /// Reads lists; what cannot be listed is told and is `None`.
    async fn list(&mut self, queries: Vec<ListQuery>) -> Vec<(ListQuery, Option<Vec<Value>>)> {
        let session = self.session;
        let lists = queries.into_iter().map(|query| async move {
            let listed = session.cluster.list(&query).await;
            (query, listed)
        });
        let lists: Vec<_> = futures::stream::iter(lists).buffered(SIDE_BY_SIDE).collect().await;
        let told = lists.into_iter().map(|(query, listed)| match listed {
            Ok(items) => (query, Some(items)),
            Err(ClusterError::NotServed { .. }) => (query, Some(Vec::new())),
            Err(error) => {
                let place = query.namespace.as_ref().map(|name| format!(" of namespace {name}")).unwrap_or_default();
                self.not_copied.push(Untold::new(format!("every {}{place}", query.kind), self.error(&error)));
                (query, None)
            }
        });
        told.collect()
    }

    /// What is copied whole. Tells whether the classes of storage are known.
    async fn environment(&mut self, namespaces: &BTreeSet<String>) -> bool {
        let of_cluster = OF_CLUSTER.iter().map(|(api_version, kind)| ListQuery::new(*api_version, *kind));
        let within =
            |kind: &&str| namespaces.iter().map(|name| ListQuery::new("v1", *kind).within(name)).collect::<Vec<_>>();
        let queries: Vec<ListQuery> = of_cluster.chain(OF_NAMESPACE.iter().flat_map(within)).collect();
        let mut knows_storage = false;
        for (query, items) in self.list(queries).await {
            knows_storage |= query.kind == "StorageClass" && items.is_some();
            items.into_iter().flatten().for_each(|live| self.add(live, false));
        }
        knows_storage
    }

    /// What goes with the workloads of the releases: what their pods name, claims and their volumes.
    async fn belongings(&mut self, rendered: &[Value], namespaces: &BTreeSet<String>) {
        let claims = namespaces.iter().map(|name| ListQuery::new("v1", "PersistentVolumeClaim").within(name)).collect();
        let claims: Vec<Value> =
            self.list(claims).await.into_iter().flat_map(|(_, items)| items.unwrap_or_default()).collect();
        let touched = || self.found.values().filter(|copied| copied.touched).map(|copied| copied.live.expose());
        let named: Vec<ObjectRef> = surroundings::named_by(touched().chain(rendered)).into_iter().collect();
        let is_named =
            |claim: &Value| object_ref(claim).is_some_and(|claim| named.iter().any(|one| one.same_object(&claim)));
        let of_set = |claim: &Value| touched().chain(rendered).any(|set| surroundings::is_claim_of(claim, set));
        let kept: Vec<Value> = claims.into_iter().filter(|claim| is_named(claim) || of_set(claim)).collect();
        for claim in kept {
            self.add(claim, true);
        }
        let others: Vec<ObjectRef> =
            named.into_iter().filter(|object| matches!(object.kind.as_str(), "Secret" | "ConfigMap")).collect();
        self.get(&others, false).await;
        let is_claim = |copied: &&Copied| copied.object.kind == "PersistentVolumeClaim";
        let volumes = self.found.values().filter(is_claim).map(|claim| text(claim.live.expose(), "/spec/volumeName"));
        let volumes: Vec<ObjectRef> =
            volumes.filter(|name| !name.is_empty()).map(|name| core("PersistentVolume", None, name)).collect();
        self.get(&volumes, false).await;
    }

    /// The custom resources of definitions that a release is about: they go with these.
    async fn custom_resources(&mut self, by_flux: bool) {
        let definitions = self.found.values().filter(|copied| {
            copied.turn == Turn::Definition && (copied.touched || (by_flux && copied.object.name == FLUX_RELEASES))
        });
        let facts: Vec<_> = definitions.filter_map(|copied| crd_facts(copied.live.expose())).collect();
        let queries = facts.iter().filter_map(|facts| {
            let version = facts.storage_version.as_ref()?;
            Some(ListQuery::new(format!("{}/{version}", facts.group), &facts.kind))
        });
        for (query, items) in self.list(queries.collect()).await {
            let items = items.unwrap_or_default();
            if items.len() > CUSTOM_RESOURCES {
                let left = items.len() - CUSTOM_RESOURCES;
                let what = format!("{left} of {} objects of kind {}", items.len(), query.kind);
                self.not_copied.push(Untold::new(what, "there are too many of them"));
            }
            items.into_iter().take(CUSTOM_RESOURCES).for_each(|live| self.add(live, true));
        }
    }

    /// What policies are parametrised with.
    async fn parameters(&mut self, namespaces: &BTreeSet<String>) {
        let of = |turn: Turn| {
            self.found.values().filter(move |copied| copied.turn == turn).map(|copied| copied.live.expose())
        };
        let (mut named, mut selected, mut unclear) = (Vec::new(), Vec::new(), Vec::new());
        for binding in of(Turn::Binding) {
            let policy =
                of(Turn::Policy).find(|policy| text(policy, "/metadata/name") == text(binding, "/spec/policyName"));
            for parameter in
                policy.map(|policy| surroundings::parameters(policy, binding, namespaces)).unwrap_or_default()
            {
                match parameter {
                    // A kind of the cluster's own has no namespace, whatever was asked for.
                    Parameter::Named(object) => named.extend(self.served.resolve(&object, "default").ok()),
                    Parameter::Selected(query) => selected.push(query),
                    Parameter::Unclear => unclear.push(Untold::new(
                        format!("parameters of {}", text(binding, "/metadata/name")),
                        "they are selected by more than labels",
                    )),
                }
            }
        }
        self.not_copied.extend(unclear);
        self.get(&distinct(named), false).await;
        for (_, items) in self.list(selected).await {
            items.into_iter().flatten().for_each(|live| self.add(live, false));
        }
    }

    /// The newest record of each other release that has something a release is about.
    async fn owners(&mut self, own: &BTreeSet<ReleaseKey>) {
        let owner = |copied: &Copied| named_release(copied.live.expose());
        let touched = self.found.values().filter(|copied| copied.touched);
        let others: BTreeSet<ReleaseKey> = touched.filter_map(owner).filter(|owner| !own.contains(owner)).collect();
        let driver = self.session.driver;
        let mut records = Vec::new();
        for other in others {
            let listed = self.session.cluster.release_history(driver, &other).await;
            match listed {
                Ok(history) => {
                    records.extend(
                        history.newest().map(|meta| record_ref(driver, &other.namespace, &other.name, meta.revision)),
                    );
                }
                Err(error) => self.not_copied.push(Untold::new(format!("the records of {other}"), self.error(&error))),
            }
        }
        self.get(&records, false).await;
    }

    /// The namespaces of all that was found: it has to have somewhere to be. One that may not be read is there all the same, and
    /// is copied as bare as it is known.
    async fn places(&mut self) {
        let missing = |found: &BTreeMap<Key, Copied>| {
            let named: BTreeSet<String> = found.values().filter_map(|copied| copied.object.namespace.clone()).collect();
            let places = named.iter().map(|name| core("Namespace", None, name));
            places.filter(|place| !found.values().any(|copied| copied.object.same_object(place))).collect::<Vec<_>>()
        };
        self.get(&missing(&self.found), false).await;
        for place in missing(&self.found) {
            self.add(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.name}}), false);
        }
    }

    /// The webhooks that would be asked, a line each.
    async fn webhooks(&mut self, touched: &[ObjectRef]) -> Vec<String> {
        let queries = WEBHOOKS.iter().map(|kind| ListQuery::new(surroundings::ADMISSION, *kind)).collect();
        let configurations = self.list(queries).await.into_iter().flat_map(|(_, items)| items.unwrap_or_default());
        let configurations: Vec<Value> = configurations.collect();
        let labels = |copied: &Copied| copied.live.expose().pointer("/metadata/labels").cloned().unwrap_or_default();
        let namespaces = self.found.values().filter(|copied| copied.turn == Turn::Namespace);
        let namespaces = namespaces.map(|copied| (copied.object.name.clone(), labels(copied))).collect();
        let line = |configuration| webhooks::not_called(configuration, touched, self.served, &namespaces);
        configurations.iter().filter_map(line).collect()
    }
}
