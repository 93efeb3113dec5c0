//! The cluster side of Pilothouse: discovery, apply, delete, readiness, evidence.
//!
//! [`ClusterClient`] is the port through which everything else sees a cluster; [`Cluster`] is the real one.

mod client;
mod cluster;
mod connect;
mod crds;
mod discovery;
mod error;
mod evidence;
mod ownership;
mod read;
mod readiness;
mod records;
mod restart;
mod transport;
mod wait;
mod workload;

pub use client::{
    ApplyOptions, ClusterClient, HelmDriver, ListQuery, LogQuery, Precondition, Propagation, ServerVersion,
};
pub use cluster::Cluster;
pub use connect::{ConnectError, ConnectOptions, Credentials};
pub use crds::{CrdDeletion, DeleteCrdsError, crd_ref, delete_crds, live_custom_resources};
pub use discovery::{Discovery, Resource};
pub use error::ClusterError;
pub use evidence::causes;
pub use ownership::{AdoptError, Adoption, Conflict, Holder, ObjectError, adopt, ownership_conflicts};
pub use readiness::status;
pub use restart::restart;
pub use wait::{Ended, NotReady, Progress, wait_deleted, wait_exists, wait_ready};
