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
    /// It is left as it is.
    Keep {
        /// Why.
        why: String,
    },
    /// It cannot be acted on.
    Refuse {
        /// The state that forbids it.
        state: ReleaseState,
    },
    /// It is deployed as wanted, and what follows helm is still to be done. Helm is not run, and nothing before it.
    Finish {
        /// What that is.
        remaining: Remaining,
        /// Why.
        why: String,
    },
    /// Helm changes it.
    Change(Change),
}

/// What is still to be done after helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remaining {
    /// All phases after `exec`.
    Steps,
    /// Only the validate phase.
    Validation,
}

/// What helm is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Install.
    Install,
    /// Upgrade. If that fails, this is the revision to go back to.
    Upgrade {
        /// The newest revision that was deployed.
        last_good: Option<u32>,
    },
    /// Uninstall, then install.
    Reinstall(ReinstallReason),
    /// Uninstall.
    Uninstall,
}

/// Why a release is uninstalled before it is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReinstallReason {
    /// An uninstall or a first install stopped half-way: what it has left is removed first.
    HalfDone,
    /// A breaking version lies between what is deployed and what is wanted.
    Breaking {
        /// What is deployed.
        deployed: Version,
        /// The breaking version.
        breaking: Version,
    },
}

/// What is missing before it can be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// How what is rendered compares with what is deployed.
    Comparison,
    /// How the live objects are.
    LiveObjects,
    /// That a pending revision is marked failed.
    Unlock {
        /// The revision.
        revision: u32,
        /// What proves that nobody is at work on it.
        why: String,
    },
}

/// Tells what to do about a state.
///
/// # Errors
/// What is missing before that can be told.
pub fn decide(state: &ReleaseState, wish: &Wish) -> Result<Decision, Missing> {
    match wish.action {
        HelmAction::Skip => Ok(keep("action is skip")),
        HelmAction::Deploy if wish.skip_if_already_installed && is_deployed(state) => {
            Ok(keep("it is already installed"))
        }
        HelmAction::Deploy => deploy(state, wish),
        HelmAction::Destroy => destroy(state, wish),
    }
}

fn deploy(state: &ReleaseState, wish: &Wish) -> Result<Decision, Missing> {
    Ok(match state {
        ReleaseState::Unknown { .. } | ReleaseState::Locked { .. } => Decision::Refuse { state: state.clone() },
        ReleaseState::Foreign { otherwise, .. } if wish.take_over => return decide(otherwise, wish),
        ReleaseState::Foreign { .. } => Decision::Refuse { state: state.clone() },
        ReleaseState::Stale { revision, why, .. } => {
            return Err(Missing::Unlock { revision: *revision, why: why.clone() });
        }
        ReleaseState::Absent => Decision::Change(Change::Install),
        ReleaseState::HalfRemoved | ReleaseState::HalfInstalled { .. } => {
            Decision::Change(Change::Reinstall(ReinstallReason::HalfDone))
        }
        ReleaseState::Breaking { deployed, breaking } => {
            let (deployed, breaking) = (deployed.clone(), breaking.clone());
            Decision::Change(Change::Reinstall(ReinstallReason::Breaking { deployed, breaking }))
        }
        // What a failed deploy is followed by is decided in the run in which it fails.
        ReleaseState::FailedClean { last_good, .. } | ReleaseState::FailedDirty { last_good, .. } => {
            upgrade(*last_good)
        }
        ReleaseState::Unmanaged { last_good, compared, .. } => compared_then_upgrade(*last_good, *compared)?,
        ReleaseState::InputUnknown { revision } => upgrade(Some(*revision)),
        ReleaseState::OutOfSync { revision, rendered, .. } => compared_then_upgrade(Some(*revision), *rendered)?,
        ReleaseState::LifecycleChanged { .. } => steps("its steps have changed".to_owned()),
        ReleaseState::Unfinished { revision, reached } => {
            steps(format!("of revision {revision}, nothing after {reached} is known to have ended well"))
        }
        ReleaseState::LiveUnknown { revision, validated } => match wish.drift {
            DriftPolicy::Report | DriftPolicy::Correct => return Err(Missing::LiveObjects),
            DriftPolicy::Ignore => without_drift(*revision, *validated),
        },
        ReleaseState::LiveUnreadable { revision, validated, .. } => match wish.drift {
            DriftPolicy::Report | DriftPolicy::Correct => Decision::Refuse { state: state.clone() },
            DriftPolicy::Ignore => without_drift(*revision, *validated),
        },
        ReleaseState::Drifted { revision, drifts, validated } => match wish.drift {
            // The upgrade would take back what others have changed too, and make again what is not made again by itself.
            DriftPolicy::Report if !drifts.is_empty() && drifts.iter().all(|drift| drift.comes_again) => {
                upgrade(Some(*revision))
            }
            // Not validated either: what is recorded after that would make the drift the state to be kept.
            DriftPolicy::Report => keep(format!("{}, reported only", drifted(drifts))),
            DriftPolicy::Correct => upgrade(Some(*revision)),
            DriftPolicy::Ignore => without_drift(*revision, *validated),
        },
        ReleaseState::Unvalidated { revision } => without_drift(*revision, false),
        ReleaseState::InSync { revision } => without_drift(*revision, true),
    })
}

fn destroy(state: &ReleaseState, wish: &Wish) -> Result<Decision, Missing> {
    Ok(match state {
        ReleaseState::Unknown { .. } | ReleaseState::Locked { .. } => Decision::Refuse { state: state.clone() },
        ReleaseState::Foreign { otherwise, .. } if wish.take_over => return decide(otherwise, wish),
        ReleaseState::Foreign { .. } => Decision::Refuse { state: state.clone() },
        ReleaseState::Stale { revision, why, .. } => {
            return Err(Missing::Unlock { revision: *revision, why: why.clone() });
        }
        ReleaseState::Absent => keep("it is not installed"),
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
        | ReleaseState::InSync { .. } => Decision::Change(Change::Uninstall),
    })
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

fn keep(why: impl Into<String>) -> Decision {
    Decision::Keep { why: why.into() }
}

fn steps(why: String) -> Decision {
    Decision::Finish { remaining: Remaining::Steps, why }
}

fn upgrade(last_good: Option<u32>) -> Decision {
    Decision::Change(Change::Upgrade { last_good })
}

fn compared_then_upgrade(last_good: Option<u32>, rendered: Option<Rendered>) -> Result<Decision, Missing> {
    match rendered {
        None => Err(Missing::Comparison),
        Some(Rendered::Same | Rendered::Differs) => Ok(upgrade(last_good)),
    }
}

fn without_drift(revision: u32, validated: bool) -> Decision {
    if validated {
        keep(format!("revision {revision} is what is wanted, and was validated"))
    } else {
        let why = format!("revision {revision} is what is wanted, and was not validated");
        Decision::Finish { remaining: Remaining::Validation, why }
    }
}

fn drifted(drifts: &[Drift]) -> String {
    match drifts {
        [] => "live objects have drifted".to_owned(),
        [Drift { object, what, .. }] => format!("{object} has drifted ({what})"),
        [Drift { object, what, .. }, rest @ ..] => format!("{object} has drifted ({what}) and {} more", rest.len()),
    }
}
