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
    /// What is known of the newest revision when it is pending; `None` when nobody has looked.
    pub pending: Option<PendingSeen>,
}

/// What is known of a pending revision, beside what its record's metadata tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSeen {
    /// The revision.
    pub revision: u32,
    /// Why whoever wrote it is certainly not at work any more, where that is proven.
    pub writer_gone: Option<String>,
    /// Whether this run holds the stack's lock.
    pub lock_held: bool,
    /// Milliseconds the record is old at least, by the server's clock or by having been watched for so long.
    pub age_ms: Option<u64>,
    /// Milliseconds its operation can take.
    pub deadline_ms: u64,
    /// Whether two reads found the record the same.
    pub unchanged: bool,
}

impl PendingSeen {
    /// Why nobody is at work on the revision any more, or else why that is not proven.
    fn proof(&self) -> Result<String, String> {
        let proof = match (&self.writer_gone, self.lock_held, self.age_ms) {
            (Some(why), _, _) => Ok(why.clone()),
            (None, false, _) => {
                Err("another operation may be in progress, and this run does not hold the stack's lock".to_owned())
            }
            (None, true, None) => {
                Err("another operation may be in progress, and how old its record is cannot be told".to_owned())
            }
            (None, true, Some(age)) if age <= self.deadline_ms => {
                let left = (self.deadline_ms - age).div_ceil(1000);
                Err(format!("another operation may be in progress, for {left} s more at most"))
            }
            (None, true, Some(age)) => Ok(format!(
                "its record is {} s old and nobody writes it, and its operation can take {} s at most",
                age / 1000,
                self.deadline_ms / 1000,
            )),
        };
        match proof {
            Ok(_) if !self.unchanged => Err("its record is going to be looked at once more".to_owned()),
            proof => proof,
        }
    }
}

/// The state of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseState {
    /// It cannot be told.
    Unknown {
        /// Why.
        why: String,
    },
    /// Another operation is in progress, or was killed: it is not proven which.
    Locked {
        /// The revision that is pending.
        revision: u32,
        /// How it is pending.
        status: RevisionStatus,
        /// When its record was last written.
        since: Option<Timestamp>,
        /// What is known of it.
        why: String,
    },
    /// The last operation was killed, and nobody is at work on the release any more.
    Stale {
        /// The revision that is pending.
        revision: u32,
        /// How it is pending.
        status: RevisionStatus,
        /// What proves it.
        why: String,
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
    /// Mark a pending revision failed, then look again.
    Unlock {
        /// The revision.
        revision: u32,
        /// What proves that nobody is at work on it.
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
            locked_or_stale(last, seen.pending.as_ref())
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
            ReleaseState::Stale { revision, why, .. } => Decision::Unlock { revision: *revision, why: why.clone() },
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
            ReleaseState::Stale { revision, why, .. } => Decision::Unlock { revision: *revision, why: why.clone() },
            ReleaseState::Absent => Decision::Nothing { why: "it is not installed".to_owned() },
            ReleaseState::HalfRemoved
            | ReleaseState::Failed { .. }
            | ReleaseState::Breaking { .. }
            | ReleaseState::Deployed { .. } => Decision::Uninstall,
        },
    }
}

/// What is known of another revision than this one does not count.
fn locked_or_stale(last: &RevisionMeta, pending: Option<&PendingSeen>) -> ReleaseState {
    let (revision, status, since) = (last.revision, last.status, last.written_at);
    let proof = match pending {
        Some(pending) if pending.revision == revision => pending.proof(),
        Some(_) | None => Err("another operation is in progress, or was killed".to_owned()),
    };
    match proof {
        Ok(why) => ReleaseState::Stale { revision, status, why },
        Err(why) => ReleaseState::Locked { revision, status, since, why },
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

    const UNASKED: &str = "another operation is in progress, or was killed";

    fn revisions(statuses: &[RevisionStatus]) -> Vec<RevisionMeta> {
        let meta = |(i, status): (usize, &RevisionStatus)| RevisionMeta {
            namespace: "ns".to_owned(),
            name: "a".to_owned(),
            revision: u32::try_from(i).unwrap() + 1,
            status: *status,
            written_at: None,
            created_at: None,
            run: None,
            resource_version: None,
            uid: None,
            manager: None,
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
            pending: None,
        }
    }

    fn locked(revision: u32, status: RevisionStatus, why: &str) -> ReleaseState {
        ReleaseState::Locked { revision, status, since: None, why: why.to_owned() }
    }

    #[rstest]
    #[case(&[], ReleaseState::Absent)]
    #[case(&[S::Uninstalled], ReleaseState::Absent)]
    #[case(&[S::Superseded, S::Deployed], ReleaseState::Deployed { revision: 2 })]
    #[case(&[S::Superseded], ReleaseState::Deployed { revision: 1 })]
    #[case(&[S::Failed], ReleaseState::Failed { revision: 1, last_good: None })]
    #[case(&[S::Superseded, S::Deployed, S::Failed], ReleaseState::Failed { revision: 3, last_good: Some(2) })]
    #[case(&[S::Deployed, S::Uninstalling], ReleaseState::HalfRemoved)]
    #[case(&[S::PendingInstall], locked(1, S::PendingInstall, UNASKED))]
    #[case(&[S::Deployed, S::PendingUpgrade], locked(2, S::PendingUpgrade, UNASKED))]
    #[case(&[S::PendingUpgrade, S::Deployed], ReleaseState::Deployed { revision: 2 })]
    #[case(&[S::Deployed, S::PendingRollback], locked(2, S::PendingRollback, UNASKED))]
    fn states(#[case] statuses: &[RevisionStatus], #[case] expected: ReleaseState) {
        assert_eq!(determine(&seen(statuses)), expected);
    }

    /// A record of revision 2, 90 s old, of an operation that can take 60 s, that was found the same by two reads.
    fn over() -> PendingSeen {
        PendingSeen {
            revision: 2,
            writer_gone: None,
            lock_held: true,
            age_ms: Some(90_000),
            deadline_ms: 60_000,
            unchanged: true,
        }
    }

    const OVER: &str = "its record is 90 s old and nobody writes it, and its operation can take 60 s at most";
    const GONE: &str = "process 7 is gone";
    const AGAIN: &str = "its record is going to be looked at once more";
    const NO_LOCK: &str = "another operation may be in progress, and this run does not hold the stack's lock";

    fn gone() -> PendingSeen {
        PendingSeen { writer_gone: Some(GONE.to_owned()), ..over() }
    }

    #[rstest]
    #[case(over(), Ok(OVER))]
    #[case(PendingSeen { unchanged: false, ..over() }, Err(AGAIN))]
    #[case(PendingSeen { lock_held: false, ..over() }, Err(NO_LOCK))]
    #[case(PendingSeen { lock_held: false, unchanged: false, ..over() }, Err(NO_LOCK))]
    #[case(PendingSeen { age_ms: None, ..over() }, Err("another operation may be in progress, and how old its record is cannot be told"))]
    #[case(PendingSeen { age_ms: Some(60_000), ..over() }, Err("another operation may be in progress, for 0 s more at most"))]
    #[case(PendingSeen { age_ms: Some(59_001), ..over() }, Err("another operation may be in progress, for 1 s more at most"))]
    #[case(PendingSeen { age_ms: Some(60_001), ..over() }, Ok("its record is 60 s old and nobody writes it, and its operation can take 60 s at most"))]
    // What proves that the writer is gone needs neither the lock nor the deadline, but the second look.
    #[case(gone(), Ok(GONE))]
    #[case(PendingSeen { age_ms: Some(0), ..gone() }, Ok(GONE))]
    #[case(PendingSeen { age_ms: None, lock_held: false, ..gone() }, Ok(GONE))]
    #[case(PendingSeen { unchanged: false, ..gone() }, Err(AGAIN))]
    // Somebody has begun another operation since: what was known is about something else.
    #[case(PendingSeen { revision: 1, ..gone() }, Err(UNASKED))]
    fn who_is_provably_gone(#[case] pending: PendingSeen, #[case] expected: Result<&str, &str>) {
        for status in [S::PendingInstall, S::PendingUpgrade, S::PendingRollback] {
            let state = determine(&Observation { pending: Some(pending.clone()), ..seen(&[S::Deployed, status]) });
            let expected = match expected {
                Ok(why) => ReleaseState::Stale { revision: 2, status, why: why.to_owned() },
                Err(why) => locked(2, status, why),
            };
            assert_eq!(state, expected);
        }
    }

    /// The rows in their order: what stands further up wins.
    #[rstest]
    #[case(Err("forbidden".to_owned()), ReleaseState::Unknown { why: "forbidden".to_owned() })]
    #[case(Ok(vec![]), ReleaseState::Absent)]
    #[case(Ok(revisions(&[S::Deployed, S::PendingUpgrade])), ReleaseState::Stale { revision: 2, status: S::PendingUpgrade, why: GONE.to_owned() })]
    #[case(Ok(revisions(&[S::Deployed, S::Uninstalling])), ReleaseState::HalfRemoved)]
    #[case(Ok(revisions(&[S::Deployed, S::Uninstalled])), ReleaseState::Absent)]
    #[case(Ok(revisions(&[S::PendingUpgrade, S::Failed])), ReleaseState::Breaking { deployed: Version::new(1, 0, 0), breaking: Version::new(2, 0, 0) })]
    #[case(Ok(revisions(&[S::PendingUpgrade, S::Unknown])), ReleaseState::Unknown { why: "revision 2 has a status this program does not know".to_owned() })]
    fn rows_in_their_order(#[case] revisions: Result<Vec<RevisionMeta>, String>, #[case] expected: ReleaseState) {
        let seen = Observation {
            revisions,
            deployed_version: Some(Version::new(1, 0, 0)),
            wanted_version: Some(Version::new(2, 0, 0)),
            breaking_version: Some(Version::new(2, 0, 0)),
            pending: Some(gone()),
        };
        assert_eq!(determine(&seen), expected);
    }

    #[rstest]
    #[case(HelmAction::Deploy, false)]
    #[case(HelmAction::Deploy, true)]
    #[case(HelmAction::Destroy, false)]
    fn a_stale_revision_is_unlocked_and_a_locked_one_left(#[case] action: HelmAction, #[case] skip: bool) {
        let stale = ReleaseState::Stale { revision: 2, status: S::PendingUpgrade, why: GONE.to_owned() };
        assert_eq!(decide(&stale, action, skip), Decision::Unlock { revision: 2, why: GONE.to_owned() });
        let locked = locked(2, S::PendingUpgrade, NO_LOCK);
        assert_eq!(decide(&locked, action, skip), Decision::Stop { state: locked });
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
