//! The watches of a run.

use super::following::Following;
use super::shared::Shared;
use crate::client::ClusterClient;
use pilothouse_core::ObjectRef;
use pilothouse_health::Rules;
use std::sync::Arc;
use std::time::Duration;

/// After this time what belongs to followed workloads is watched too: most releases are ready by then and cost nothing.
const FAMILY_AFTER: Duration = Duration::from_secs(1);

/// Follows objects of one cluster; see [`Following`]. Cheap to clone: clones share the watches.
#[derive(Clone)]
pub struct Tracker {
    shared: Arc<Shared>,
}

impl Tracker {
    /// A tracker without watches.
    pub fn new(client: Arc<dyn ClusterClient>, rules: Rules) -> Self {
        Self { shared: Shared::new(client, rules) }
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
        self.shared.new_warnings()
    }

    /// How many watches are running.
    pub fn watches(&self) -> usize {
        self.shared.watches().len()
    }
}
