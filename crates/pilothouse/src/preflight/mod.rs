//! Reasons not to begin: ownership, adoption, data loss, deletions, definitions, permissions, quota, capacity, webhooks, backups.
//!
//! In: what is wanted and what is there. Out: findings, and the permits without which nothing is
//! changed or deleted. Reads the cluster; only `backup` writes, local files.

mod adoption;
mod applied;
mod as_planned;
mod as_seen;
mod backup;
mod changes;
mod cluster;
mod crds;
mod deploy;
mod left_by_hooks;
mod looked_up;
mod losses;
mod not_there;
mod orphaned_hooks;
mod own_kinds;
mod ownership;
mod permit;
mod rollback_target;
mod state;
mod uncertain_steps;
mod unserved;

pub(crate) use adoption::Adopting;
pub use adoption::unowned;
pub(crate) use applied::{look_at_applied, shared_with_chart};
pub(crate) use as_planned::{in_words, other_revision, planned_findings, planned_rendering};
pub(crate) use as_seen::{refuse_unless_as_seen, refuse_unless_same};
pub use changes::deletions::crds_in_use;
pub(crate) use changes::deletions::deletion_findings;
pub(crate) use changes::hooks::test_hook_findings;
pub(crate) use cluster::checks::selects;
pub(crate) use crds::chart_crds::look_at_definitions;
pub(crate) use deploy::deploy_findings;
pub(crate) use losses::data_loss::{goes_with, volume_of};
pub(crate) use orphaned_hooks::permit_hook_deletion;
#[cfg(test)]
pub(crate) use orphaned_hooks::{NEVER, left_alone};
pub(crate) use ownership::{is_still_free, ownership_findings, whose};
pub(crate) use permit::{
    Deletion, Deploy, Overwriting, Permit, Rollback, Uninstall, permit_adoption, permit_definitions_again,
    permit_deletion_again, permit_deletions, permit_deploy, permit_overwriting, permit_rollback, permit_uninstall,
};
pub(crate) use rollback_target::rollback_findings;
pub(crate) use state::{state_findings, why_refused};
pub(crate) use uncertain_steps::{step_output, uncertain_step, uncertain_step_findings, untrusted};
pub(crate) use unserved::Rewriting;
