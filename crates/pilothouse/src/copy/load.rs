//! Loading a copy into a control plane, and looking at it before and after a run.

use crate::actions;
use crate::context::Session;
use crate::copy::cluster_copy::{ClusterCopy, Copied, CopyError, SIDE_BY_SIDE};
use crate::copy::object_copy;
use crate::copy::object_copy::{Turn, text};
use crate::copy::{live_objects, policies, quota};
use crate::observe::apply_options;
use futures::StreamExt;
use pilothouse_core::likeness;
use pilothouse_core::{
    DeployRecord, ObjectRef, ObjectsSeen, Rehearsal, RunOutcome, Untold, error_chain, refusals, what_became,
};
use pilothouse_kube::{ClusterError, ListQuery, Precondition, Propagation, wait_ready};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long definitions may take until they are served.
const ESTABLISHED: Duration = Duration::from_secs(60);
/// How long workloads may take until they are as they are going to be.
const SETTLED: Duration = Duration::from_secs(30);
/// How long quotas may take until they are counted.
const COUNTED: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(100);

/// A copy in a control plane, as it was before anything was run there.
#[derive(Debug)]
pub struct LoadedCopy {
    objects: Vec<ObjectRef>,
    before: ObjectsSeen,
    told: Rehearsal,
}

impl LoadedCopy {
    /// What a run on the copy, which has ended so, tells about the cluster. `plane` is a session of the control plane.
    pub async fn compare(&self, plane: &Session, outcome: &RunOutcome) -> Rehearsal {
        let after = live_objects::look(plane, &self.objects).await;
        let became = what_became(&self.before, &after);
        Rehearsal {
            refuses: refusals(outcome),
            recreates: became.recreates,
            deletes: became.deletes,
            adopts: became.adopts,
            changes: became.changes,
            creates: became.creates,
            unknown: became.unknown,
            ..self.told.clone()
        }
    }
}

impl ClusterCopy {
    /// Loads the copy into a control plane that is fresh, in an order in which nothing of it stands in the way of what comes
    /// later: policies and quotas come last. `plane` is a session of the control plane; `volumes` is the provisioner that makes
    /// volumes there. An object that the control plane does not take is told and left out. Returns when definitions are served,
    /// workloads have settled and policies are in force.
    ///
    /// # Errors
    /// When the control plane does not answer.
    pub async fn load(&self, plane: &Session, volumes: &str) -> Result<LoadedCopy, CopyError> {
        let mut loading = Loading { plane, volumes, not_copied: self.not_copied.clone(), uids: BTreeMap::new() };
        let mut not_exercised = self.not_exercised.clone();
        loading.all(self, &mut not_exercised).await.map_err(CopyError::Plane)?;
        let version = plane.cluster.version().await.map_err(CopyError::Plane)?.git_version;
        let served = plane.cluster.discovery(true).await.map_err(CopyError::Plane)?.api_versions();
        not_exercised.extend(other_apis(&self.api_versions, &served));
        let mut objects: BTreeSet<ObjectRef> = self.touched.iter().cloned().collect();
        for copied in self.objects.iter().filter(|copied| copied.touched) {
            if !objects.iter().any(|object| object.same_object(&copied.object)) {
                objects.insert(copied.object.clone());
            }
        }
        // Of what is in the cluster and could not be copied nothing is told.
        let missing = |object: &ObjectRef| loading.not_copied.iter().any(|one| one.what == object.to_string());
        let objects: Vec<ObjectRef> = objects.into_iter().filter(|object| !missing(object)).collect();
        let mut counts = BTreeMap::new();
        for copied in &self.objects {
            *counts.entry(kind_of(copied)).or_default() += 1;
        }
        let told = Rehearsal {
            cluster_version: self.version.clone(),
            plane_version: version,
            copied: counts,
            not_copied: loading.not_copied,
            not_exercised,
            ..Rehearsal::default()
        };
        Ok(LoadedCopy { before: live_objects::look(plane, &objects).await, objects, told })
    }
}

/// For people who count them.
fn kind_of(copied: &Copied) -> String {
    if copied.turn == Turn::Record { "Helm revision".to_owned() } else { copied.object.kind.clone() }
}

/// What the cluster serves and the copy does not, and the other way round, by group and version.
fn other_apis(there: &[String], here: &[String]) -> Vec<String> {
    let versions = |served: &[String]| -> BTreeSet<String> {
        served
            .iter()
            .filter(|api| !api.rsplit('/').next().is_some_and(|last| last.starts_with(char::is_uppercase)))
            .cloned()
            .collect()
    };
    let (there, here) = (versions(there), versions(here));
    let line = |what: &str, apis: Vec<String>| (!apis.is_empty()).then(|| format!("{what}: {}", apis.join(", ")));
    let missing = line("served by the cluster and not by the copy", there.difference(&here).cloned().collect());
    let more = line("served by the copy and not by the cluster", here.difference(&there).cloned().collect());
    missing.into_iter().chain(more).collect()
}

struct Loading<'a> {
    plane: &'a Session,
    volumes: &'a str,
    not_copied: Vec<Untold>,
    /// The UIDs of records in the cluster, and what they are in the copy.
    uids: BTreeMap<String, String>,
}

impl Loading<'_> {
    async fn all(&mut self, copy: &ClusterCopy, not_exercised: &mut Vec<String>) -> Result<(), ClusterError> {
        if copy.knows_storage {
            self.forget_storage().await?;
        }
        for turn in Turn::ALL {
            let objects: Vec<&Copied> = copy.objects.iter().filter(|copied| copied.turn == turn).collect();
            let created = self.load(&objects).await?;
            match turn {
                Turn::Definition => self.establish(&created).await?,
                Turn::Workload => self.settle(&created).await,
                Turn::Record => self.remember(&copy.remembered).await,
                Turn::Quota => self.count(&objects, not_exercised).await?,
                Turn::Binding if !objects.is_empty() => {
                    if !policies::in_force(self.plane.cluster.as_ref()).await? {
                        not_exercised.push("admission policies: they may not have been in force yet".to_owned());
                    }
                    if objects.iter().any(|copied| copied.object.kind.starts_with("Mutating")) {
                        not_exercised
                            .push("mutating admission policies: they may not have been in force yet".to_owned());
                    }
                }
                Turn::Node
                | Turn::Namespace
                | Turn::Class
                | Turn::Account
                | Turn::Limit
                | Turn::Volume
                | Turn::Object
                | Turn::Policy
                | Turn::Binding => {}
            }
        }
        Ok(())
    }

    /// The control plane has a class of its own, which the cluster may not have.
    async fn forget_storage(&self) -> Result<(), ClusterError> {
        let query = ListQuery::new("storage.k8s.io/v1", "StorageClass");
        for class in self.plane.cluster.list_metadata(&query).await? {
            if let Some(class) = pilothouse_core::object_ref(&class) {
                self.plane.cluster.delete(&class, &Precondition::default(), Propagation::Background).await?;
            }
        }
        Ok(())
    }

    /// Loads objects side by side. Gives those that are there now.
    async fn load(&mut self, objects: &[&Copied]) -> Result<Vec<ObjectRef>, ClusterError> {
        let (plane, volumes) = (self.plane, self.volumes);
        let puts = objects.iter().map(|copied| async move { (*copied, put(plane, copied, volumes).await) });
        let mut puts = futures::stream::iter(puts.collect::<Vec<_>>()).buffered(SIDE_BY_SIDE);
        let mut there = Vec::new();
        while let Some((copied, put)) = puts.next().await {
            match put {
                Ok(created) => {
                    if copied.turn == Turn::Record {
                        let uid = |object: &Value| text(object, "/metadata/uid").to_owned();
                        self.uids.insert(uid(copied.live.expose()), uid(&created));
                    }
                    there.push(copied.object.clone());
                }
                // Without a record, the run would be about another release than the cluster has.
                Err(error) if error.is_transient() || copied.turn == Turn::Record => return Err(error),
                Err(error) => {
                    let why = self.plane.redactor.clean(&error_chain(&error).join(": "));
                    self.not_copied.push(Untold::new(&copied.object, format!("the copy does not take it: {why}")));
                }
            }
        }
        Ok(there)
    }

    async fn establish(&self, definitions: &[ObjectRef]) -> Result<(), ClusterError> {
        if !definitions.is_empty() {
            let deadline = Instant::now() + ESTABLISHED;
            // One that never is has been so in the cluster.
            let _ = wait_ready(&self.plane.tracker, definitions, deadline, &self.plane.cancel, |_| {}).await;
            self.plane.cluster.discovery(true).await?;
        }
        Ok(())
    }

    /// Whatever does not become ready may not be so in the cluster either.
    async fn settle(&self, workloads: &[ObjectRef]) {
        if !workloads.is_empty() {
            let deadline = Instant::now() + SETTLED;
            let _ = wait_ready(&self.plane.tracker, workloads, deadline, &self.plane.cancel, |_| {}).await;
        }
    }

    /// What we remember of releases belongs to one very record of Helm's, which has another UID here. The objects have others too:
    /// without them everything is compared.
    async fn remember(&mut self, remembered: &[DeployRecord]) {
        for record in remembered {
            let Some(uid) = self.uids.get(&record.revision_uid) else { continue };
            let record =
                DeployRecord { revision_uid: uid.clone(), revision_version: None, objects: None, ..record.clone() };
            if let Err(error) =
                actions::store_deploy_record(self.plane.cluster.as_ref(), &record, self.plane.state_key()).await
            {
                let what = format!("what pilothouse remembers of {}", record.release);
                self.not_copied.push(Untold::new(what, error_chain(&error).join(": ")));
            }
        }
    }

    /// Takes from each quota what others use in the cluster.
    async fn count(&self, quotas: &[&Copied], not_exercised: &mut Vec<String>) -> Result<(), ClusterError> {
        for quota in quotas {
            let live = quota.live.expose();
            let (hard, used) = (amounts(live, "/spec/hard"), amounts(live, "/status/used"));
            let is_counted = |quota: &Value| amounts(quota, "/status/used").len() >= hard.len();
            let Some(here) = self.until(&quota.object, is_counted).await? else {
                not_exercised.push(format!("{}: it is not counted in the copy", quota.object));
                continue;
            };
            let Some(limits) = quota::without_others(&hard, &used, &amounts(&here, "/status/used")) else { continue };
            // Nobody is asked about these: the quota itself is not what is tried.
            let patch = json!({"spec": {"hard": limits}});
            self.plane.cluster.merge_patch(&quota.object, &patch, &Precondition::default()).await?;
            let is_taken_over = |quota: &Value| quota::are_same(&amounts(quota, "/status/hard"), &limits);
            if self.until(&quota.object, is_taken_over).await?.is_none() {
                not_exercised.push(format!("{}: what others use is not counted in the copy", quota.object));
            }
        }
        Ok(())
    }

    /// Waits until an object is as wanted; `None` when it is not in time, or not there.
    async fn until(&self, object: &ObjectRef, wanted: impl Fn(&Value) -> bool) -> Result<Option<Value>, ClusterError> {
        let deadline = Instant::now() + COUNTED;
        loop {
            let Some(live) = self.plane.cluster.get(object).await? else { return Ok(None) };
            if wanted(&live) {
                return Ok(Some(live));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            sleep(LOOK).await;
        }
    }
}

fn amounts(quota: &Value, pointer: &str) -> Map<String, Value> {
    quota.pointer(pointer).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Writes: one object, and then who owns its fields. What the control plane has itself (`ServiceAccount default`, namespaces of the
/// system) becomes as it was read.
async fn put(plane: &Session, copied: &Copied, volumes: &str) -> Result<Value, ClusterError> {
    let live = copied.live.expose();
    let mut object = likeness(live, volumes, copied.touched);
    if let Some(status) = live.get("status").filter(|_| copied.custom) {
        // Where a kind has no status of its own, this is like any other field.
        object["status"] = status.clone();
    }
    let former = if copied.turn == Turn::Definition { object_copy::formerly_stored(live) } else { Vec::new() };
    let mut created = match former.first() {
        None => create(plane, &object).await?,
        Some(version) => create(plane, &object_copy::stored_in(&object, version)).await?,
    };
    for version in former.iter().skip(1) {
        let versions = object_copy::stored_in(&object, version)["spec"]["versions"].take();
        created = patch(plane, &copied.object, &json!({"spec": {"versions": versions}})).await?;
    }
    if !former.is_empty() {
        created = patch(plane, &copied.object, &json!({"spec": {"versions": object["spec"]["versions"]}})).await?;
    }
    // Nobody looks after custom resources here: they stay what their controller has last said of them.
    if let Some(status) = live.get("status").filter(|_| copied.custom)
        && created.get("status") != Some(status)
    {
        created = plane.cluster.merge_patch_status(&copied.object, &json!({"status": status})).await?;
    }
    match object_copy::managers(live) {
        Some(managers) => patch(plane, &copied.object, &managers).await,
        None => Ok(created),
    }
}

async fn create(plane: &Session, object: &Value) -> Result<Value, ClusterError> {
    match plane.cluster.create(object).await {
        Err(ClusterError::Conflict { .. }) => plane.cluster.apply(object, &apply_options(false)).await,
        created => created,
    }
}

async fn patch(plane: &Session, object: &ObjectRef, patch: &Value) -> Result<Value, ClusterError> {
    plane.cluster.merge_patch(object, patch, &Precondition::default()).await
}
