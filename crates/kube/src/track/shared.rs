//! What a tracker, its followers and its watches have in common.

use super::cache::{Cache, WatchId};
use super::scope::Scope;
use crate::client::ClusterClient;
use pilothouse_health::Rules;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::task::AbortHandle;

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
    pub scope: Scope,
    pub task: AbortHandle,
    pub shared: Arc<Shared>,
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

impl Shared {
    pub(super) fn new(client: Arc<dyn ClusterClient>, rules: Rules) -> Arc<Self> {
        let (cache, watches, warnings) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { client, rules, cache, watches, warnings })
    }

    pub(super) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watches(&self) -> MutexGuard<'_, HashMap<Scope, Weak<Watch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn warn(&self, kind: &str, line: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.told.insert(kind.to_owned()) {
            tracing::warn!("{line}");
            warnings.untold.push(line);
        }
    }

    /// The warnings that were not given before.
    pub(super) fn new_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner).untold)
    }
}
