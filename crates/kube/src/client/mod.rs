//! The port through which everything else sees a cluster, and what is asked and answered through it.
//!
//! In: nothing; fakes and [`Cluster`](crate::Cluster) implement it. Out: [`ClusterClient`], its requests and its errors, what a cluster serves
//! ([`Discovery`]), and objects read side by side. Imports nothing of this crate; everything else imports it.

mod access;
mod discovery;
mod error;
mod port;
mod read;
mod records;
mod requests;
mod uid;
mod workload;

pub use access::ClusterAccess;
pub use discovery::{Discovery, Resource};
pub use error::ClusterError;
pub use port::ClusterClient;
pub(crate) use read::{SIDE_BY_SIDE, detail_of, in_one_line, read_labelled};
pub use read::{Seen, read_all};
pub use records::{record_patch, record_payload, record_ref};
pub(crate) use requests::FIELD_MANAGER;
pub use requests::{
    ApplyOptions, ByteStream, Change, Detail, ExecOutput, ExecQuery, ListQuery, LogQuery, PodConnection, PodPort,
    Precondition, Propagation, ServerVersion, StoredRevision, UpdateOptions,
};
pub use uid::cluster_uid;
pub(crate) use workload::{event_time, revision, text, uid};
