//! The cluster side of Pilothouse: discovery, apply, delete, readiness, evidence.
//!
//! [`ClusterClient`] is the port through which everything else sees a cluster; `Cluster` is the real one.

mod client;
mod discovery;
mod error;
mod records;
mod workload;

pub use client::{
    ApplyOptions, ClusterClient, HelmDriver, ListQuery, LogQuery, Precondition, Propagation, ServerVersion,
};
pub use discovery::{Discovery, Resource};
pub use error::ClusterError;
