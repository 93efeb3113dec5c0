//! The only code that changes a cluster, but for the journal's own record and the lock.
//!
//! In: a decision that nothing speaks against. Out: what was done.

pub(crate) mod crds;
pub(crate) mod deploy;
pub(crate) mod helm_run;
pub(crate) mod helm_watch;
pub(crate) mod objects;
pub(crate) mod orphaned_hooks;
pub(crate) mod roll_back;
pub(crate) mod uninstall;
pub(crate) mod unlock;
