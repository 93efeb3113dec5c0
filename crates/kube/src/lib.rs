//! The cluster side of Pilothouse: discovery, apply, delete, readiness, evidence.
//!
//! [`ClusterClient`] is the port through which everything else sees a cluster; [`Cluster`] is the real one. What is
//! built on it works on any: following objects by watches ([`Tracker`]), waiting ([`wait_ready`], [`wait_deleted`]),
//! evidence ([`Gathering`]), ownership
//! ([`PlannedAdoption`], [`adoption_conflicts`], [`ownership_conflicts`]), definitions in use ([`live_custom_resources`]), the lock of a stack ([`LeaseLock`]). Whether an object is ready is told by the
//! pure functions of `pilothouse-health`.
//!
//! ```no_run
//! use pilothouse_core::ObjectRef;
//! use pilothouse_health::Rules;
//! use pilothouse_kube::{Cluster, ClusterClient, ConnectOptions, Gathering, Subject, Tracker, wait_ready};
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tokio::time::Instant;
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = Arc::new(Cluster::connect(ConnectOptions::kubeconfig("plane/kubeconfig")).await?);
//! let tracker = Tracker::new(cluster.clone(), Rules::default());
//! let web = cluster.resolve(&ObjectRef::parse("deploy/web")?, "shop").await?;
//! let deadline = Instant::now() + Duration::from_secs(60);
//! if let Err(ended) = wait_ready(&tracker, &[web], deadline, &CancellationToken::new(), |_| {}).await {
//!     let subjects = Subject::of_release(&ended.objects);
//!     let until = Instant::now() + Duration::from_secs(10);
//!     let gathering = Gathering::default();
//!     for evidence in gathering.evidence(cluster.as_ref(), subjects, until).await {
//!         println!("{}: {} events", evidence.object, evidence.events.len());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! No type of the library `kube` is needed to use this, but for [`Cluster::from_client`].

mod client;
mod cluster;
mod gather;
mod lease;
mod objects;
mod track;
mod wait;

pub use client::{
    ApplyOptions, ByteStream, Change, ClusterAccess, ClusterClient, ClusterError, Detail, Discovery, ExecOutput,
    ExecQuery, ListQuery, LogQuery, PodConnection, PodPort, Precondition, Propagation, Resource, Seen, ServerVersion,
    StoredRevision, UpdateOptions, cluster_uid, payload_patch, read_all, record_patch, record_payload, record_ref,
};
pub use cluster::{Cluster, ConnectError, ConnectOptions, Credentials, NotPinned, Proxies};
pub use gather::{Gathering, Known, Subject};
pub use lease::{LeaseConfig, LeaseLock, LockError, LockSeen};
pub use objects::{
    AdoptError, Adoption, Conflict, ObjectError, PlannedAdoption, adoption_conflicts, conflicts_among, crd_ref,
    live_custom_resources, ownership_conflicts, ownerships, read_for_ownership, records_of, restart,
};
pub use pilothouse_core::HelmDriver;
pub use track::{Family, Following, Snapshot, Tracker};
pub use wait::{
    Beforehand, Ended, Leaving, MadeAgain, NotReady, Progress, RestartedLately, restarted_lately, statuses,
    statuses_labelled, unsettled_now, wait_deleted, wait_exists, wait_ready, wait_ready_from,
};
