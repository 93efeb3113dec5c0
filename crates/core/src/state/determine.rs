//! The state of a release, from what was seen of it.

use super::observation::{LiveSeen, Observation, RecordSeen, Rendered};
use super::pending::PendingSeen;
use super::release_state::ReleaseState;
use crate::ids::Phase;
use crate::release::{DEPLOY_RECORD_FORMAT, DeployRecord, InputPart, ReleaseHistory, RevisionMeta, RevisionStatus};
use semver::Version;

/// Tells the state of a release from what was seen of it. The order of the questions matters.
pub fn determine(seen: &Observation) -> ReleaseState {
    let history = match &seen.history {
        Ok(history) => history,
        Err(why) => return ReleaseState::Unknown { why: why.clone() },
    };
    let state = by_newest(seen, history);
    match &seen.foreign {
        Some(foreign) => ReleaseState::Foreign { foreign: foreign.clone(), otherwise: Box::new(state) },
        None => state,
    }
}

fn by_newest(seen: &Observation, history: &ReleaseHistory) -> ReleaseState {
    let Some(last) = history.newest() else { return ReleaseState::Absent };
    let last_good = history.last_deployed().map(|meta| meta.revision);
    match last.status {
        RevisionStatus::PendingInstall | RevisionStatus::PendingUpgrade | RevisionStatus::PendingRollback => {
            locked_or_stale(last, seen.pending.as_ref())
        }
        // Helm goes on with an uninstall, beside one that is at work.
        RevisionStatus::Uninstalling => match locked_or_stale(last, seen.pending.as_ref()) {
            ReleaseState::Stale { .. } => ReleaseState::HalfRemoved,
            locked => locked,
        },
        RevisionStatus::Uninstalled => ReleaseState::Absent,
        RevisionStatus::Failed | RevisionStatus::Deployed | RevisionStatus::Superseded => {
            // Before "failed" and "unmanaged" are told apart: an upgrade is as wrong over a failed revision, whoever wrote it.
            if let Some((deployed, breaking)) = breaking(seen) {
                return ReleaseState::Breaking { deployed, breaking };
            }
            if last.status == RevisionStatus::Failed {
                return failed(seen, last, last_good);
            }
            match matching_record(&seen.record, last) {
                Ok((record, reached)) => managed(seen, record, reached),
                Err(why) => unmanaged(seen, last, last_good, why),
            }
        }
        RevisionStatus::Unknown => {
            ReleaseState::Unknown { why: format!("revision {} has a status this program does not know", last.revision) }
        }
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

/// What is deployed and the breaking version, when that lies between what is deployed and what is wanted.
fn breaking(seen: &Observation) -> Option<(Version, Version)> {
    let (deployed, wanted) = (seen.deployed_version.as_ref()?, seen.wanted_version.as_ref()?);
    let breaking = seen.breaking_version.as_ref()?;
    (deployed < breaking && breaking <= wanted).then(|| (deployed.clone(), breaking.clone()))
}

fn failed(seen: &Observation, last: &RevisionMeta, last_good: Option<u32>) -> ReleaseState {
    if let (None, Some(hook)) = (last_good, &seen.install_hook) {
        return ReleaseState::HalfInstalled { revision: last.revision, hook: hook.clone() };
    }
    match seen.failed_applied {
        Some(false) => ReleaseState::FailedClean { revision: last.revision, last_good },
        Some(true) | None => ReleaseState::FailedDirty { revision: last.revision, last_good },
    }
}

/// How far a deploy has come after helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    Exec,
    PostExec,
    Validate,
}

/// Our record when it is about this very revision, or else why it does not count. A record that is lost costs a comparison;
/// one that is taken for another's would cost the truth.
fn matching_record<'a>(record: &'a RecordSeen, newest: &RevisionMeta) -> Result<(&'a DeployRecord, Reached), String> {
    let record = match record {
        RecordSeen::NotLooked => return Err("nobody has looked for our record".to_owned()),
        RecordSeen::None => return Err("there is no record of ours".to_owned()),
        RecordSeen::Unreadable(why) => return Err(why.clone()),
        RecordSeen::Some(record) => record,
    };
    if record.format > DEPLOY_RECORD_FORMAT {
        return Err(format!("our record has format {}, and this program knows {DEPLOY_RECORD_FORMAT}", record.format));
    }
    if newest.status != RevisionStatus::Deployed {
        return Err(format!("revision {} is {}, and no newer one is deployed", newest.revision, newest.status));
    }
    if record.revision != newest.revision {
        return Err(format!("our record is about revision {}, and {} is deployed", record.revision, newest.revision));
    }
    match &newest.uid {
        Some(uid) if *uid == record.revision_uid => {}
        Some(_) => return Err(format!("our record is about another revision {} that is gone", record.revision)),
        None => return Err(format!("whether our record is about this revision {} cannot be told", record.revision)),
    }
    let reached = match record.reached {
        Phase::Exec => Reached::Exec,
        Phase::PostExec => Reached::PostExec,
        Phase::Validate => Reached::Validate,
        Phase::CheckPrerequisites | Phase::PreExec | Phase::OnDeployFailure => {
            return Err(format!("our record says that a deploy has ended with {}", record.reached));
        }
    };
    Ok((record, reached))
}

/// Of a release that we have not deployed: the same result is taken over as it is, without a new revision.
fn unmanaged(seen: &Observation, newest: &RevisionMeta, last_good: Option<u32>, why: String) -> ReleaseState {
    let revision = newest.revision;
    match seen.rendered {
        Some(Rendered::Same) if newest.status == RevisionStatus::Deployed => {
            match deployed_as_wanted(revision, Reached::PostExec, &seen.live) {
                // A run of ours has written it, or the one before it, and its steps may not have ended well.
                ReleaseState::Unvalidated { revision } if newest.run.is_some() => {
                    ReleaseState::Unfinished { revision, reached: Phase::Exec }
                }
                state => state,
            }
        }
        compared @ (Some(Rendered::Same | Rendered::Differs) | None) => {
            ReleaseState::Unmanaged { revision, why, last_good, compared }
        }
    }
}

/// Of a release that we have deployed.
fn managed(seen: &Observation, record: &DeployRecord, reached: Reached) -> ReleaseState {
    let (revision, rendered) = (record.revision, seen.rendered);
    let differs = seen.inputs.as_ref().map(|inputs| record.input.differs(inputs));
    let Some(differs) = differs else {
        return match rendered {
            Some(Rendered::Differs) => ReleaseState::OutOfSync { revision, differs: Vec::new(), rendered },
            // The same result says nothing of the steps.
            Some(Rendered::Same) | None => ReleaseState::InputUnknown { revision },
        };
    };
    // Steps have no part in what is rendered.
    let needs_rendering = seen.must_render || differs.iter().any(|part| *part != InputPart::Lifecycle);
    match rendered {
        Some(Rendered::Differs) => return ReleaseState::OutOfSync { revision, differs, rendered },
        None if needs_rendering => return ReleaseState::OutOfSync { revision, differs, rendered },
        Some(Rendered::Same) | None => {}
    }
    if differs.contains(&InputPart::Lifecycle) {
        return ReleaseState::LifecycleChanged { revision };
    }
    // Other inputs with the same result: validated it was with the ones before, and is to be recorded anew. What the cluster
    // serves is nothing that anybody has wanted.
    let is_same = differs.iter().all(|part| *part == InputPart::Capabilities);
    let reached = if is_same { reached } else { reached.min(Reached::PostExec) };
    deployed_as_wanted(revision, reached, &seen.live)
}

/// Unfinished comes before drift: what the steps that did not end well have changed cannot be told from what others have.
fn deployed_as_wanted(revision: u32, reached: Reached, live: &LiveSeen) -> ReleaseState {
    let validated = match reached {
        Reached::Exec => return ReleaseState::Unfinished { revision, reached: Phase::Exec },
        Reached::PostExec => false,
        Reached::Validate => true,
    };
    match live {
        LiveSeen::NotLooked => ReleaseState::LiveUnknown { revision, validated },
        LiveSeen::Unreadable(why) => ReleaseState::LiveUnreadable { revision, why: why.clone(), validated },
        LiveSeen::Drifted(drifts) => ReleaseState::Drifted { revision, drifts: drifts.clone(), validated },
        LiveSeen::Same if validated => ReleaseState::InSync { revision },
        LiveSeen::Same => ReleaseState::Unvalidated { revision },
    }
}
