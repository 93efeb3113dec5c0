//! The watches of a run.

use super::cache::{Cache, WatchId};
use super::following::Following;
use super::scope::Scope;
use super::watching;
use crate::client::ClusterClient;
use pilothouse_core::ObjectRef;
use pilothouse_health::Rules;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::task::AbortHandle;

/// After this time what belongs to followed workloads is watched too: most releases are ready by then and cost nothing.
const FAMILY_AFTER: Duration = Duration::from_secs(1);

/// Follows objects of one cluster; see [`Following`]. Cheap to clone: clones share the watches.
#[derive(Clone)]
pub struct Tracker {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub client: Arc<dyn ClusterClient>,
    pub rules: Rules,
    cache: Mutex<Cache>,
    watches: Mutex<HashMap<Scope, Weak<Watch>>>,
    warnings: Mutex<Warnings>,
}

#[derive(Default)]
struct Warnings {
    /// Each is given once.
    told: BTreeSet<String>,
    untold: Vec<String>,
}

/// One running watch; it ends when this is dropped.
pub(super) struct Watch {
    pub id: WatchId,
    scope: Scope,
    task: AbortHandle,
    shared: Arc<Shared>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
        let mut watches = self.shared.watches();
        // Another may have begun since nobody held this one any more.
        if watches.get(&self.scope).is_some_and(|watch| watch.strong_count() == 0) {
            watches.remove(&self.scope);
        }
        drop(watches);
        self.shared.cache().end_watch(self.id);
    }
}

impl Tracker {
    /// A tracker without watches.
    pub fn new(client: Arc<dyn ClusterClient>, rules: Rules) -> Self {
        let shared =
            Shared { client, rules, cache: Mutex::default(), watches: Mutex::default(), warnings: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// The cluster.
    pub fn client(&self) -> &dyn ClusterClient {
        self.shared.client.as_ref()
    }

    /// How objects are judged.
    pub fn rules(&self) -> &Rules {
        &self.shared.rules
    }

    /// Follows objects until the [`Following`] is dropped. References should be complete (see [`ClusterClient::resolve`]).
    ///
    /// Writes nothing. Begins watches of their kinds and namespaces where there are none yet; and after a second also of
    /// ReplicaSets, Jobs, Pods, PersistentVolumeClaims and Events in the namespaces of workloads.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn follow(&self, objects: Vec<ObjectRef>) -> Following {
        Following::new(&self.shared, objects, Some(FAMILY_AFTER))
    }

    /// As [`Tracker::follow`], but what belongs to workloads is watched from the beginning.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn follow_at_once(&self, objects: Vec<ObjectRef>) -> Following {
        Following::new(&self.shared, objects, Some(Duration::ZERO))
    }

    /// As [`Tracker::follow`], but nothing of what belongs to the objects is watched for their sake.
    pub(crate) fn follow_alone(&self, objects: Vec<ObjectRef>) -> Following {
        Following::new(&self.shared, objects, None)
    }

    /// Kinds that cannot be watched, each in one line, that were not given before.
    pub fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.warnings.lock().unwrap_or_else(PoisonError::into_inner).untold)
    }

    /// How many watches are running.
    pub fn watches(&self) -> usize {
        self.shared.watches().len()
    }
}

impl Shared {
    pub(super) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watches(&self) -> MutexGuard<'_, HashMap<Scope, Weak<Watch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The watch of a kind and namespace, begun if there is none; and whether it was running.
    pub(super) fn watch(self: &Arc<Self>, scope: &Scope) -> (Arc<Watch>, bool) {
        let mut watches = self.watches();
        if let Some(running) = watches.get(scope).and_then(Weak::upgrade) {
            return (running, true);
        }
        let id = self.cache().begin_watch(scope.clone());
        let task = tokio::spawn(watching::run(Arc::clone(self), id, scope.clone())).abort_handle();
        let watch = Arc::new(Watch { id, scope: scope.clone(), task, shared: Arc::clone(self) });
        watches.insert(scope.clone(), Arc::downgrade(&watch));
        (watch, false)
    }

    pub(super) fn warn(&self, kind: &str, line: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.told.insert(kind.to_owned()) {
            tracing::warn!("{line}");
            warnings.untold.push(line);
        }
    }
}
