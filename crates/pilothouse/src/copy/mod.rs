//! A copy of a cluster for a rehearsal: read from one, loaded into another.
//!
//! In: two sessions, the cluster's and the plane's. Out: what was copied and what was not. Imported by `run`, for what a rehearsal
//! without a copy cannot exercise.

mod beyond;
mod cluster_copy;
mod live_objects;
mod load;
mod object_copy;
mod policies;
mod quota;
mod read;
mod releases;
mod surroundings;
mod webhooks;

pub(crate) use beyond::beyond_rehearsal;
pub use cluster_copy::{ClusterCopy, CopyError, same_minor};
pub use load::LoadedCopy;
pub use read::copy;
