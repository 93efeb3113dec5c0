//! A copy of a cluster for a rehearsal: read from one, loaded into another.

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

pub use cluster_copy::{ClusterCopy, CopyError, same_minor};
pub use load::LoadedCopy;
pub use read::copy;
