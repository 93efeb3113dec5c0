//! What every part is handed: the clients, what the release is to be, its events, the memory of its run, and the types of what
//! is known of it.
//!
//! In: a session's clients and one release. Out: [`Context`] and plain data with slots. Computes nothing. Imported by every room below.

pub(crate) mod attempts;
pub(crate) mod cache;
pub(crate) mod capacity;
pub(crate) mod earlier_run;
pub(crate) mod events;
pub(crate) mod inputs;
pub(crate) mod ledger;
pub(crate) mod observed;
pub(crate) mod preflight_report;
pub(crate) mod release_context;
pub(crate) mod release_run;
pub(crate) mod rendering;
pub(crate) mod reported_causes;
pub(crate) mod session;
pub(crate) mod settled;
pub(crate) mod step;
pub(crate) mod steps_seen;
pub(crate) mod wanted;
