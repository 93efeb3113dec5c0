//! The cluster side of Pilothouse: discovery, apply, delete, readiness, evidence.
//!
//! [`ClusterClient`] is the port through which everything else sees a cluster; [`Cluster`] is the real one.

mod client;
mod cluster;
mod connect;
mod discovery;
mod error;
mod readiness;
mod records;
mod transport;
mod workload;

pub use client::{
    ApplyOptions, ClusterClient, HelmDriver, ListQuery, LogQuery, Precondition, Propagation, ServerVersion,
};
pub use cluster::Cluster;
pub use connect::{ConnectError, ConnectOptions, Credentials};
pub use discovery::{Discovery, Resource};
pub use error::ClusterError;
pub use readiness::status;
