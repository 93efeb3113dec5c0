//! Is an object what its spec asks for, and if not, why: pure functions, without cluster and clock.
//!
//! [`Rules::judge`] tells how one object stands and which rule says so. What is gathered about an object that is not ready
//! is its [`Evidence`]; [`wanted`] tells what more would help to understand it, and [`causes`] makes causes with stable
//! codes of it.

mod conventions;
pub mod diagnosis;
mod groups;
mod readiness;
mod stories;

pub use diagnosis::{
    AtWork, Events, Evidence, Family, HelmEvidence, LockSeen, LogTail, OtherRelease, Referred, Rule, Want, Whereabouts,
    causes, helm_causes, helm_wanted, mount_warnings, rejection_reasons, rules, sandbox_warnings, starts,
    tolerates_taints, wanted,
};
pub use groups::is_built_in;
pub use readiness::{
    ContainerTrouble, RuleError, Rules, Verdict, check_rule, container_troubles, failed_before, is_certain,
    leaves_when_done, restarted, runs_pods, selector, unproven, unsettled,
};
pub use stories::{Story, explain};
