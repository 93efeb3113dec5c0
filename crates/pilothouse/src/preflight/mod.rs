//! Reasons not to begin: ownership, adoption, data loss, deletions, definitions, permissions, quota, capacity, webhooks, backups.
//!
//! In: what is wanted and what is there. Out: findings. Reads the cluster; only `backup` writes, local files.

pub(crate) mod adoption;
pub(crate) mod backup;
pub(crate) mod changes;
pub(crate) mod cluster;
pub(crate) mod crds;
pub(crate) mod deploy;
pub(crate) mod losses;
pub(crate) mod orphaned_hooks;
pub(crate) mod own_kinds;
pub(crate) mod permit;
pub(crate) mod rollback_target;
pub(crate) mod uncertain_steps;
