//! A copy of what matters of a cluster, read-only, into a throwaway control plane, and what a run there tells about the
//! cluster.

#[cfg(test)]
#[path = "cluster_copy_tests.rs"]
mod tests;

use crate::copy::object_copy::Turn;
use crate::error::PhaseError;
use pilothouse_core::ReleaseKey;
use pilothouse_core::{DeployRecord, ObjectRef, Sensitive, Untold, lenient_version};
use pilothouse_kube::ClusterError;
use serde_json::Value;

/// How many requests are under way at once.
pub(super) const SIDE_BY_SIDE: usize = 8;

/// Why a cluster cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The cluster does not answer, or does not let it be seen what it serves.
    #[error("the cluster cannot be read")]
    Cluster(#[from] ClusterError),
    /// Without this nobody knows what a run would do.
    #[error("what {release} is about cannot be read")]
    Release {
        /// The release.
        release: ReleaseKey,
        /// Why.
        #[source]
        source: PhaseError,
    },
    /// The control plane that takes the copy is not as it should be.
    #[error("the copy cannot be loaded into the control plane")]
    Plane(#[source] ClusterError),
}

/// What was read of a cluster for some releases. It holds Secrets: it is kept in memory, and shown nowhere.
#[derive(Debug)]
pub struct ClusterCopy {
    pub(super) version: String,
    pub(super) api_versions: Vec<String>,
    /// Every object once.
    pub(super) objects: Vec<Copied>,
    /// What the releases are about, whether it was there or not.
    pub(super) touched: Vec<ObjectRef>,
    /// What we remember of the releases.
    pub(super) remembered: Vec<DeployRecord>,
    /// Whether it is known which classes of storage there are.
    pub(super) knows_storage: bool,
    pub(super) not_copied: Vec<Untold>,
    pub(super) not_exercised: Vec<String>,
}

/// An object as it was read.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) object: ObjectRef,
    pub(super) turn: Turn,
    pub(super) live: Sensitive<Value>,
    /// Whether its kind is defined in the cluster.
    pub(super) custom: bool,
    /// Whether a release is about it, or it goes with something that a release is about.
    pub(super) touched: bool,
}

impl ClusterCopy {
    /// The version of the cluster.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether it has nodes of its own.
    pub fn has_nodes(&self) -> bool {
        self.objects.iter().any(|copied| copied.turn == Turn::Node)
    }

    /// How many objects it has.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

/// Whether two versions of Kubernetes (`v1.36.2`, `v1.36.4-eks-1234`) have the same major and minor number.
pub fn same_minor(one: &str, other: &str) -> bool {
    let numbers = |text: &str| lenient_version(text).map(|version| (version.major, version.minor));
    numbers(one).is_some_and(|numbers_of_one| numbers(other) == Some(numbers_of_one))
}
