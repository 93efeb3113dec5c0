//! Why something does not work: waiting that explains itself, evidence of a failure, the health of a release.
//!
//! In: objects that are not as they should be. Out: causes with their evidence. Reads the cluster only.

mod failure;
mod named_objects;
mod release_health;
mod wait_ready;

pub(crate) use failure::collect_evidence;
pub(crate) use named_objects::causes_of_named;
pub use release_health::{Diagnosis, Health, diagnose};
pub(crate) use wait_ready::{LASTS, Unready, Verdict, changed, look_at_readiness, wait_ready};
