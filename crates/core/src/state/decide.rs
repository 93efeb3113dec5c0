//! What to do about the state of a release.

use super::observation::Rendered;
use super::release_state::ReleaseState;
use crate::release::{Drift, DriftPolicy, HelmAction};
use semver::Version;

/// What is asked for, as far as the decision depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// What to do with the release.
    pub action: HelmAction,
    /// Whether a release that is deployed is left as it is.
    pub skip_if_already_installed: bool,
    /// What is done about drift.
    pub drift: DriftPolicy,
    /// Consent to act on a release that another tool manages.
    pub take_over: bool,
}

/// What is going to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Nothing {
        /// Why.
        why: String,
    },
    /// Nothing, and the release cannot be acted on.
    Stop {
        /// The state that forbids it.
        state: ReleaseState,
    },
    /// Mark a pending revision failed, then look again.
    Unlock {
        /// The revision.
        revision: u32,
        /// What proves that nobody is at work on it.
        why: String,
    },
    /// Render, compare with what is deployed, then decide again.
    Compare {
        /// The newest revision that was deployed.
        last_good: Option<u32>,
    },
    /// Look at the live objects, then decide again.
    Look,
    /// Only the validate phase.
    Validate {
        /// Why.
        why: String,
    },
    /// The phases after `exec`: helm is not run, and nothing before it.
    Steps {
        /// Why.
        why: String,
    },
    /// Install.
    Install,
    /// Finish the uninstall that stopped half-way, then install.
    FinishUninstallThenInstall,
    /// Upgrade. If that fails, this is the revision to go back to.
    Upgrade {
        /// The newest revision that was deployed.
        last_good: Option<u32>,
    },
    /// Uninstall, then install.
    Reinstall {
        /// What is deployed.
        deployed: Version,
        /// The breaking version.
        breaking: Version,
    },
    /// Uninstall.
    Uninstall,
}

/// Tells what to do about a state.
pub fn decide(state: &ReleaseState, wish: &Wish) -> Decision {
    match wish.action {
        HelmAction::Skip => Decision::Nothing { why: "action is skip".to_owned() },
        HelmAction::Deploy if wish.skip_if_already_installed && is_deployed(state) => {
            Decision::Nothing { why: "it is already installed".to_owned() }
        }
        HelmAction::Deploy => deploy(state, wish),
        HelmAction::Destroy => destroy(state, wish),
    }
}

fn deploy(state: &ReleaseState, wish: &Wish) -> Decision {
    match state {
        ReleaseState::Unknown { .. } | ReleaseState::Locked { .. } => Decision::Stop { state: state.clone() },
        ReleaseState::Foreign { otherwise, .. } if wish.take_over => decide(otherwise, wish),
        ReleaseState::Foreign { .. } => Decision::Stop { state: state.clone() },
        ReleaseState::Stale { revision, why, .. } => Decision::Unlock { revision: *revision, why: why.clone() },
        ReleaseState::Absent => Decision::Install,
        ReleaseState::HalfRemoved | ReleaseState::HalfInstalled { .. } => Decision::FinishUninstallThenInstall,
        ReleaseState::Breaking { deployed, breaking } => {
            Decision::Reinstall { deployed: deployed.clone(), breaking: breaking.clone() }
        }
        // What a failed deploy is followed by is decided in the run in which it fails.
        ReleaseState::FailedClean { last_good, .. } | ReleaseState::FailedDirty { last_good, .. } => {
            Decision::Upgrade { last_good: *last_good }
        }
        ReleaseState::Unmanaged { last_good, compared, .. } => compare_or_upgrade(*last_good, *compared),
        ReleaseState::InputUnknown { revision } => Decision::Upgrade { last_good: Some(*revision) },
        ReleaseState::OutOfSync { revision, rendered, .. } => compare_or_upgrade(Some(*revision), *rendered),
        ReleaseState::LifecycleChanged { .. } => Decision::Steps { why: "its steps have changed".to_owned() },
        ReleaseState::Unfinished { revision, reached } => Decision::Steps {
            why: format!("of revision {revision}, nothing after {reached} is known to have ended well"),
        },
        ReleaseState::LiveUnknown { revision, validated } => match wish.drift {
            DriftPolicy::Report | DriftPolicy::Correct => Decision::Look,
            DriftPolicy::Ignore => without_drift(*revision, *validated),
        },
        ReleaseState::LiveUnreadable { revision, validated, .. } => match wish.drift {
            DriftPolicy::Report | DriftPolicy::Correct => Decision::Stop { state: state.clone() },
            DriftPolicy::Ignore => without_drift(*revision, *validated),
        },
        ReleaseState::Drifted { revision, drifts, validated } => match wish.drift {
            // Not validated either: what is recorded after that would make the drift the state to be kept.
            DriftPolicy::Report => Decision::Nothing { why: format!("{}, reported only", drifted(drifts)) },
            DriftPolicy::Correct => Decision::Upgrade { last_good: Some(*revision) },
            DriftPolicy::Ignore => without_drift(*revision, *validated),
        },
        ReleaseState::Unvalidated { revision } => without_drift(*revision, false),
        ReleaseState::InSync { revision } => without_drift(*revision, true),
    }
}

fn destroy(state: &ReleaseState, wish: &Wish) -> Decision {
    match state {
        ReleaseState::Unknown { .. } | ReleaseState::Locked { .. } => Decision::Stop { state: state.clone() },
        ReleaseState::Foreign { otherwise, .. } if wish.take_over => decide(otherwise, wish),
        ReleaseState::Foreign { .. } => Decision::Stop { state: state.clone() },
        ReleaseState::Stale { revision, why, .. } => Decision::Unlock { revision: *revision, why: why.clone() },
        ReleaseState::Absent => Decision::Nothing { why: "it is not installed".to_owned() },
        ReleaseState::HalfRemoved
        | ReleaseState::HalfInstalled { .. }
        | ReleaseState::Breaking { .. }
        | ReleaseState::FailedClean { .. }
        | ReleaseState::FailedDirty { .. }
        | ReleaseState::Unmanaged { .. }
        | ReleaseState::InputUnknown { .. }
        | ReleaseState::OutOfSync { .. }
        | ReleaseState::LifecycleChanged { .. }
        | ReleaseState::Unfinished { .. }
        | ReleaseState::LiveUnknown { .. }
        | ReleaseState::LiveUnreadable { .. }
        | ReleaseState::Drifted { .. }
        | ReleaseState::Unvalidated { .. }
        | ReleaseState::InSync { .. } => Decision::Uninstall,
    }
}

/// Whether it is installed, whatever else is to be said of it.
fn is_deployed(state: &ReleaseState) -> bool {
    match state {
        ReleaseState::Breaking { .. }
        | ReleaseState::Unmanaged { .. }
        | ReleaseState::InputUnknown { .. }
        | ReleaseState::OutOfSync { .. }
        | ReleaseState::LifecycleChanged { .. }
        | ReleaseState::Unfinished { .. }
        | ReleaseState::LiveUnknown { .. }
        | ReleaseState::LiveUnreadable { .. }
        | ReleaseState::Drifted { .. }
        | ReleaseState::Unvalidated { .. }
        | ReleaseState::InSync { .. } => true,
        ReleaseState::Unknown { .. }
        | ReleaseState::Foreign { .. }
        | ReleaseState::Locked { .. }
        | ReleaseState::Stale { .. }
        | ReleaseState::Absent
        | ReleaseState::HalfRemoved
        | ReleaseState::HalfInstalled { .. }
        | ReleaseState::FailedClean { .. }
        | ReleaseState::FailedDirty { .. } => false,
    }
}

fn compare_or_upgrade(last_good: Option<u32>, rendered: Option<Rendered>) -> Decision {
    match rendered {
        None => Decision::Compare { last_good },
        Some(Rendered::Same | Rendered::Differs) => Decision::Upgrade { last_good },
    }
}

fn without_drift(revision: u32, validated: bool) -> Decision {
    if validated {
        Decision::Nothing { why: format!("revision {revision} is what is wanted, and was validated") }
    } else {
        Decision::Validate { why: format!("revision {revision} is what is wanted, and was not validated") }
    }
}

fn drifted(drifts: &[Drift]) -> String {
    match drifts {
        [] => "live objects have drifted".to_owned(),
        [Drift { object, what }] => format!("{object} has drifted ({what})"),
        [Drift { object, what }, rest @ ..] => format!("{object} has drifted ({what}) and {} more", rest.len()),
    }
}
