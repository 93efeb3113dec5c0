//! What one follower sees.

use super::cache::{FollowerId, Health, Key, Look};
use super::family::{self, Family};
use super::scope::{FAMILY, Scope, is_workload};
use super::shared::{Shared, Watch};
use super::watching;
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, ObjectStatus, Readiness};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// How long the kinds of a family wait for those before them in [`FAMILY`].
const PATIENCE: Duration = Duration::from_secs(5);

/// Objects that are followed, until this is dropped. What it tells may be some milliseconds old.
pub struct Following {
    held: Arc<Held>,
    changes: watch::Receiver<u64>,
    family: Option<AbortHandle>,
}

/// How a followed object stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The object.
    pub object: ObjectRef,
    /// As it is on the cluster, without what is of no use for judging (`managedFields`, the data of Secrets and ConfigMaps, the
    /// schemas of definitions); `None` when it does not exist, or is not known yet.
    pub live: Option<Arc<Value>>,
    /// Its judgement; `Unknown` when it is not known yet.
    pub status: ObjectStatus,
    /// The watch has told how it is, and works.
    pub known: bool,
    /// Why the watch does not work, in one line.
    pub unwatched: Option<String>,
}

/// What is given back when nobody follows any more.
struct Held {
    shared: Arc<Shared>,
    id: FollowerId,
    /// With its key where it is watched.
    objects: Vec<ObjectRef>,
    keys: Vec<Option<Key>>,
    /// The namespaces with workloads.
    namespaces: BTreeSet<String>,
    watches: Mutex<Vec<Arc<Watch>>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        // First the watches: what they have brought need not be looked through then.
        self.watches().clear();
        self.shared.cache().unfollow(self.id);
    }
}

impl Held {
    fn watches(&self) -> MutexGuard<'_, Vec<Arc<Watch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes part in a watch; gives its key, and whether it was running before.
    fn hold(&self, scope: &Scope) -> (u64, bool) {
        let mut watches = self.watches();
        let (watch, running) = watching::watch(&self.shared, scope);
        let id = watch.id;
        self.shared.cache().hold(self.id, id);
        let new = !watches.iter().any(|held| held.id == id);
        if new {
            watches.push(watch);
        }
        (id, running && new)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(family) = &self.family {
            family.abort();
        }
    }
}

impl Following {
    pub(super) fn new(shared: &Arc<Shared>, objects: Vec<ObjectRef>, family_after: Option<Duration>) -> Self {
        let (to, changes) = watch::channel(0);
        let id = shared.cache().follow(to);
        let workloads = objects.iter().filter(|object| is_workload(object));
        let namespaces = workloads.filter_map(|object| object.namespace.clone()).collect();
        let mut held = Held {
            shared: Arc::clone(shared),
            id,
            keys: Vec::with_capacity(objects.len()),
            objects,
            namespaces,
            watches: Mutex::default(),
        };
        for index in 0..held.objects.len() {
            let object = &held.objects[index];
            let key =
                Scope::of(object).map(|scope| Key { watch: held.hold(&scope).0, name: object.name.as_str().into() });
            if let Some(key) = &key {
                shared.cache().add_root(id, key);
            }
            held.keys.push(key);
        }
        watching::feed(shared);
        let held = Arc::new(held);
        let family = family_after.filter(|_| !held.namespaces.is_empty()).map(|after| {
            let work = attach_family(Arc::downgrade(&held), changes.clone(), after);
            tokio::spawn(work).abort_handle()
        });
        Self { held, changes, family }
    }

    /// The objects that are followed.
    pub fn objects(&self) -> &[ObjectRef] {
        &self.held.objects
    }

    /// How an object stands at the time `now`; `None` when it is not one of those that are followed.
    pub fn snapshot(&self, object: &ObjectRef, now: Timestamp) -> Option<Snapshot> {
        let index = self.held.objects.iter().position(|followed| followed == object)?;
        Some(self.snapshot_at(index, now))
    }

    /// How all objects stand at the time `now`, in their order.
    pub fn snapshots(&self, now: Timestamp) -> Vec<Snapshot> {
        (0..self.held.objects.len()).map(|index| self.snapshot_at(index, now)).collect()
    }

    /// What the watches have told of each object, in their order and not judged; `None` where it cannot be watched at all.
    pub(crate) fn heard(&self) -> Vec<Option<Look>> {
        let cache = self.held.shared.cache();
        self.held.keys.iter().map(|key| key.as_ref().map(|key| cache.look(key))).collect()
    }

    fn snapshot_at(&self, index: usize, now: Timestamp) -> Snapshot {
        let object = self.held.objects[index].clone();
        let look = self.held.keys[index].as_ref().map(|key| self.held.shared.cache().look(key));
        let Some(look) = look else {
            let why = "its API version is not known";
            return Snapshot {
                object,
                live: None,
                status: ObjectStatus::new(Readiness::Unknown, why),
                known: false,
                unwatched: Some(why.to_owned()),
            };
        };
        let status = match (&look.live, &look.unwatched) {
            (Some(live), _) => self.held.shared.rules.judge(live, now).status,
            (None, _) if look.known => ObjectStatus::new(Readiness::NotFound, "it does not exist"),
            (None, Some(why)) => ObjectStatus::new(Readiness::Unknown, format!("it cannot be watched: {why}")),
            (None, None) => ObjectStatus::new(Readiness::Unknown, "it has not been read yet"),
        };
        Snapshot { object, live: look.live, status, known: look.known, unwatched: look.unwatched }
    }

    /// What belongs to an object; empty when it is not one of those that are followed.
    pub fn family(&self, object: &ObjectRef) -> Family {
        let index = self.held.objects.iter().position(|followed| followed == object);
        let Some(key) = index.and_then(|index| self.held.keys[index].as_ref()) else { return Family::default() };
        let cache = self.held.shared.cache();
        let (owned, events) = family::of(&cache, key);
        let scopes = object.namespace.iter().filter(|_| is_workload(object)).flat_map(|namespace| {
            let kinds = FAMILY.into_iter().flatten();
            kinds.map(|(api_version, kind)| Scope::within(api_version, kind, namespace))
        });
        let (mut complete, mut unreadable) = (is_workload(object), Vec::new());
        for scope in scopes {
            match cache.health(&scope) {
                Some(Health::Live) => {}
                Some(Health::Failing(why)) => {
                    complete = false;
                    unreadable.push(format!("{scope} cannot be watched: {why}"));
                }
                Some(Health::Starting) | None => complete = false,
            }
        }
        Family { owned, events, complete, unreadable }
    }

    /// Returns when anything about the objects, what belongs to them, or their watches has changed since this was last awaited.
    /// Can be cancelled at any time without losing a change.
    pub async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // The other end is there as long as this is.
            std::future::pending::<()>().await;
        }
    }
}

/// Takes part in the watches of what belongs to workloads, the owners first.
async fn attach_family(held: Weak<Held>, mut changes: watch::Receiver<u64>, after: Duration) {
    sleep(after).await;
    for kinds in FAMILY {
        let Some(held) = held.upgrade() else { return };
        let mut scopes = Vec::new();
        for namespace in &held.namespaces {
            for (api_version, kind) in kinds {
                let scope = Scope::within(api_version, kind, namespace);
                let (_, running) = held.hold(&scope);
                if running && scope.is_events() {
                    tokio::spawn(watching::read_events(Arc::clone(&held.shared), namespace.clone()));
                }
                scopes.push(scope);
            }
        }
        let shared = Arc::clone(&held.shared);
        drop(held);
        watching::feed(&shared);
        let heard = |scope: &Scope| !matches!(shared.cache().health(scope), Some(Health::Starting));
        let all = async { while !scopes.iter().all(heard) && changes.changed().await.is_ok() {} };
        // Nothing is lost when it takes longer: what comes too early is read later.
        let _ = timeout(PATIENCE, all).await;
    }
}
