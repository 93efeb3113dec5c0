//! Reasons in the cluster's surroundings: permissions, quotas, capacity, webhooks, removed APIs, pull secrets.

pub(crate) mod capacity;
pub(crate) mod checks;
pub(crate) mod permissions;
pub(crate) mod pull_secrets;
pub(crate) mod quota;
pub(crate) mod removed_apis;
pub(crate) mod selector;
pub(crate) mod verb;
pub(crate) mod webhooks;
