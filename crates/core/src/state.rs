//! What state a release is in, and what to do about it: two pure functions.
//!
//! The rows are those of Helm's own records that matter to install, upgrade and uninstall. Comparing inputs and live
//! objects (out of sync, drifted, in sync) is not done yet: a deployed release is always upgraded.

use crate::chart_info::HelmAction;
use crate::release::{RevisionMeta, RevisionStatus};
use jiff::Timestamp;
use semver::Version;

/// Everything that was seen of a release before deciding.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Helm's records of it in any order, or why they could not be read. An error is never taken for "none".
    pub revisions: Result<Vec<RevisionMeta>, String>,
    /// The chart version of the newest revision that was deployed at some time.
    pub deployed_version: Option<Version>,
    /// The chart version that is wanted; `None` when the release is to be destroyed.
    pub wanted_version: Option<Version>,
    /// See `ChartInfo::last_breaking_version_requiring_restart`.
    pub breaking_version: Option<Version>,
}

/// The state of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseState {
    /// It cannot be told.
    Unknown {
        /// Why.
        why: String,
    },
    /// Another operation is in progress, or was killed: Helm's records do not tell which.
    Locked {
        /// The revision that is pending.
        revision: u32,
        /// How it is pending.
        status: RevisionStatus,
        /// When its record was last written.
        since: Option<Timestamp>,
    },
    /// There is nothing.
    Absent,
    /// An uninstall stopped half-way.
    HalfRemoved,
    /// The last deploy failed.
    Failed {
        /// The failed revision.
        revision: u32,
        /// The newest revision that was deployed before it.
        last_good: Option<u32>,
    },
    /// A breaking version lies between what is deployed and what is wanted.
    Breaking {
        /// What is deployed.
        deployed: Version,
        /// The breaking version.
        breaking: Version,
    },
    /// It is deployed.
    Deployed {
        /// The deployed revision.
        revision: u32,
    },
}

/// What `exec` is going to do.
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

/// Tells the state of a release from what was seen of it. The order of the questions matters.
pub fn determine(seen: &Observation) -> ReleaseState {
    let revisions = match &seen.revisions {
        Ok(revisions) => revisions,
        Err(why) => return ReleaseState::Unknown { why: why.clone() },
    };
    let Some(last) = revisions.iter().max_by_key(|meta| meta.revision) else { return ReleaseState::Absent };
    let last_good = last_good(revisions);
    match last.status {
        RevisionStatus::PendingInstall | RevisionStatus::PendingUpgrade | RevisionStatus::PendingRollback => {
            ReleaseState::Locked { revision: last.revision, status: last.status, since: last.written_at }
        }
        RevisionStatus::Uninstalling => ReleaseState::HalfRemoved,
        RevisionStatus::Uninstalled => ReleaseState::Absent,
        RevisionStatus::Failed | RevisionStatus::Deployed | RevisionStatus::Superseded => {
            if let Some((deployed, breaking)) = breaking(seen) {
                return ReleaseState::Breaking { deployed, breaking };
            }
            if last.status == RevisionStatus::Failed {
                ReleaseState::Failed { revision: last.revision, last_good }
            } else {
                ReleaseState::Deployed { revision: last.revision }
            }
        }
        RevisionStatus::Unknown => {
            ReleaseState::Unknown { why: format!("revision {} has a status this program does not know", last.revision) }
        }
    }
}

/// Tells what to do about a state.
pub fn decide(state: &ReleaseState, action: HelmAction, skip_if_already_installed: bool) -> Decision {
    match action {
        HelmAction::Skip => Decision::Nothing { why: "action is skip".to_owned() },
        HelmAction::Deploy => match state {
            ReleaseState::Unknown { .. } | ReleaseState::Locked { .. } => Decision::Stop { state: state.clone() },
            ReleaseState::Absent => Decision::Install,
            ReleaseState::HalfRemoved => Decision::FinishUninstallThenInstall,
            ReleaseState::Failed { last_good, .. } => Decision::Upgrade { last_good: *last_good },
            ReleaseState::Breaking { .. } | ReleaseState::Deployed { .. } if skip_if_already_installed => {
                Decision::Nothing { why: "it is already installed".to_owned() }
            }
            ReleaseState::Breaking { deployed, breaking } => {
                Decision::Reinstall { deployed: deployed.clone(), breaking: breaking.clone() }
            }
            ReleaseState::Deployed { revision } => Decision::Upgrade { last_good: Some(*revision) },
        },
        HelmAction::Destroy => match state {
            ReleaseState::Unknown { .. } | ReleaseState::Locked { .. } => Decision::Stop { state: state.clone() },
            ReleaseState::Absent => Decision::Nothing { why: "it is not installed".to_owned() },
            ReleaseState::HalfRemoved
            | ReleaseState::Failed { .. }
            | ReleaseState::Breaking { .. }
            | ReleaseState::Deployed { .. } => Decision::Uninstall,
        },
    }
}

/// The newest revision that is or was deployed.
fn last_good(revisions: &[RevisionMeta]) -> Option<u32> {
    let good = |meta: &&RevisionMeta| matches!(meta.status, RevisionStatus::Deployed | RevisionStatus::Superseded);
    revisions.iter().filter(good).map(|meta| meta.revision).max()
}

/// What is deployed and the breaking version, when that lies between what is deployed and what is wanted.
fn breaking(seen: &Observation) -> Option<(Version, Version)> {
    let (deployed, wanted) = (seen.deployed_version.as_ref()?, seen.wanted_version.as_ref()?);
    let breaking = seen.breaking_version.as_ref()?;
    (deployed < breaking && breaking <= wanted).then(|| (deployed.clone(), breaking.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use RevisionStatus as S;
    use rstest::rstest;

    fn revisions(statuses: &[RevisionStatus]) -> Vec<RevisionMeta> {
        let meta = |(i, status): (usize, &RevisionStatus)| RevisionMeta {
            namespace: "ns".to_owned(),
            name: "a".to_owned(),
            revision: u32::try_from(i).unwrap() + 1,
            status: *status,
            written_at: None,
            created_at: None,
            run: None,
        };
        // Reversed, since the order in which a cluster lists them means nothing.
        statuses.iter().enumerate().map(meta).rev().collect()
    }

    fn seen(statuses: &[RevisionStatus]) -> Observation {
        Observation {
            revisions: Ok(revisions(statuses)),
            deployed_version: None,
            wanted_version: None,
            breaking_version: None,
        }
    }

    #[rstest]
    #[case(&[], ReleaseState::Absent)]
    #[case(&[S::Uninstalled], ReleaseState::Absent)]
    #[case(&[S::Superseded, S::Deployed], ReleaseState::Deployed { revision: 2 })]
    #[case(&[S::Superseded], ReleaseState::Deployed { revision: 1 })]
    #[case(&[S::Failed], ReleaseState::Failed { revision: 1, last_good: None })]
    #[case(&[S::Superseded, S::Deployed, S::Failed], ReleaseState::Failed { revision: 3, last_good: Some(2) })]
    #[case(&[S::Deployed, S::Uninstalling], ReleaseState::HalfRemoved)]
    #[case(&[S::PendingInstall], ReleaseState::Locked { revision: 1, status: S::PendingInstall, since: None })]
    #[case(&[S::Deployed, S::PendingUpgrade], ReleaseState::Locked { revision: 2, status: S::PendingUpgrade, since: None })]
    #[case(&[S::PendingUpgrade, S::Deployed], ReleaseState::Deployed { revision: 2 })]
    #[case(&[S::Deployed, S::PendingRollback], ReleaseState::Locked { revision: 2, status: S::PendingRollback, since: None })]
    fn states(#[case] statuses: &[RevisionStatus], #[case] expected: ReleaseState) {
        assert_eq!(determine(&seen(statuses)), expected);
    }

    #[test]
    fn a_store_that_cannot_be_read_is_not_an_absent_release() {
        let seen = Observation { revisions: Err("forbidden".to_owned()), ..seen(&[]) };
        let state = determine(&seen);
        assert_eq!(state, ReleaseState::Unknown { why: "forbidden".to_owned() });
        assert_eq!(decide(&state, HelmAction::Deploy, false), Decision::Stop { state: state.clone() });
        assert_eq!(decide(&state, HelmAction::Destroy, false), Decision::Stop { state });
    }

    #[rstest]
    #[case("1.0.0", "2.0.0", "2.0.0", true)]
    #[case("1.0.0", "3.0.0", "2.0.0", true)]
    #[case("2.0.0", "3.0.0", "2.0.0", false)]
    #[case("1.0.0", "1.9.0", "2.0.0", false)]
    #[case("2.0.0-rc.1", "2.0.0", "2.0.0", true)]
    #[case("3.0.0", "1.0.0", "2.0.0", false)]
    fn breaking_versions(#[case] deployed: &str, #[case] wanted: &str, #[case] breaking: &str, #[case] expected: bool) {
        let version = |text: &str| Some(Version::parse(text).unwrap());
        let seen = Observation {
            deployed_version: version(deployed),
            wanted_version: version(wanted),
            breaking_version: version(breaking),
            ..seen(&[S::Deployed])
        };
        assert_eq!(matches!(determine(&seen), ReleaseState::Breaking { .. }), expected);
    }

    #[rstest]
    #[case(ReleaseState::Absent, HelmAction::Deploy, false, Decision::Install)]
    #[case(ReleaseState::Absent, HelmAction::Destroy, false, Decision::Nothing { why: "it is not installed".to_owned() })]
    #[case(ReleaseState::HalfRemoved, HelmAction::Deploy, true, Decision::FinishUninstallThenInstall)]
    #[case(ReleaseState::HalfRemoved, HelmAction::Destroy, false, Decision::Uninstall)]
    #[case(ReleaseState::Deployed { revision: 4 }, HelmAction::Deploy, false, Decision::Upgrade { last_good: Some(4) })]
    #[case(ReleaseState::Deployed { revision: 4 }, HelmAction::Deploy, true, Decision::Nothing { why: "it is already installed".to_owned() })]
    #[case(ReleaseState::Failed { revision: 1, last_good: None }, HelmAction::Deploy, true, Decision::Upgrade { last_good: None })]
    #[case(ReleaseState::Failed { revision: 1, last_good: None }, HelmAction::Skip, false, Decision::Nothing { why: "action is skip".to_owned() })]
    fn decisions(
        #[case] state: ReleaseState,
        #[case] action: HelmAction,
        #[case] skip: bool,
        #[case] expected: Decision,
    ) {
        assert_eq!(decide(&state, action, skip), expected);
    }
}
