//! A copy of a cluster for a rehearsal: read from one, loaded into another.

pub(crate) mod cluster_copy;
pub(crate) mod live_objects;
pub(crate) mod load;
pub(crate) mod object_copy;
pub(crate) mod policies;
pub(crate) mod quota;
pub(crate) mod read;
pub(crate) mod releases;
pub(crate) mod surroundings;
pub(crate) mod webhooks;
