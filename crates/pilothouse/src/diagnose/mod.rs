//! Why something does not work: waiting that explains itself, evidence of a failure, the health of a release.
//!
//! In: objects that are not as they should be. Out: causes with their evidence. Reads the cluster only.

pub(crate) mod failure;
pub(crate) mod release_health;
pub(crate) mod wait_ready;
