//! The only code that changes a cluster, but for the journal's own record and the lock.
//!
//! In: a decision that nothing speaks against. Out: what was done.

mod crds;
mod deploy;
mod deploy_record;
mod helm_run;
mod helm_watch;
mod objects;
mod orphaned_hooks;
mod remember;
mod rewrite_record;
mod roll_back;
mod uninstall;
mod unlock;

pub(crate) use deploy::{deploy, finish_deployed};
#[cfg(test)]
pub(crate) use deploy_record::forget;
pub(crate) use deploy_record::store_deploy_record;
pub(crate) use objects::tell_what_stays;
pub use objects::{adopt, apply, delete, delete_crds, restart, wait, wait_ready};
#[cfg(test)]
pub(crate) use orphaned_hooks::clear_orphaned_hooks;
pub(crate) use remember::{
    Writing, finish_writing, forget_deploy, refresh_deploy_records, remember_deploy, renew_deploy_record,
};
pub(crate) use roll_back::roll_back;
pub use uninstall::{uninstall, uninstall_if_breaking_change};
pub(crate) use uninstall::{uninstall_as_permitted, wait_for_what_is_left};
pub(crate) use unlock::unlock_before;
#[cfg(test)]
pub(crate) use unlock::{Healed, Intents, unlock_release};
