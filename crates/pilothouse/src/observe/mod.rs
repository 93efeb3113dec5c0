//! What is there: Helm's release storage, deploy records, live objects, drift and other tools; and what is to be done about it.
//!
//! In: what is wanted. Out: an observation and the decision. Reads the cluster, changes nothing.

pub(crate) mod claims;
pub(crate) mod crd_changes;
pub(crate) mod deploy_preview;
pub(crate) mod deploy_records;
pub(crate) mod drift;
pub(crate) mod drift_left;
pub(crate) mod dry_run;
pub(crate) mod failed_deploy;
pub(crate) mod fingerprint;
pub(crate) mod objects;
pub(crate) mod observation;
pub(crate) mod other_tools;
pub(crate) mod release_storage;
pub(crate) mod remedy;
pub(crate) mod rendered_diff;
pub(crate) mod status;
pub(crate) mod survey;

pub use observation::decision;
pub(crate) use observation::{baseline, observe_with, observed};
