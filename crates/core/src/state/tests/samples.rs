//! Observations of a release, and parts of them.

use crate::ids::{ObjectRef, Phase, ReleaseKey};
use crate::release::{
    DEPLOY_RECORD_FORMAT, DeployRecord, Drift, InputDigests, InputPart, ReleaseHistory, RevisionMeta, RevisionStatus,
};
use crate::state::{Foreign, LiveSeen, Observation, PendingOf, PendingSeen, RecordSeen, ReleaseState};
use RevisionStatus as S;
use jiff::Timestamp;
use semver::Version;

pub(super) const UNASKED: &str = "another operation is in progress, or was killed";
pub(super) const OVER: &str = "its record is 90 s old and nobody writes it, and its operation can take 60 s at most";
pub(super) const GONE: &str = "process 7 is gone";
pub(super) const AGAIN: &str = "its record is going to be looked at once more";
pub(super) const SOMEBODY: &str = "another operation may be in progress, which no run of this stack has begun";
pub(super) const NO_LOCK: &str = "another operation may be in progress, and this run does not hold the stack's lock";

/// Revisions from 1 on with these statuses, and with the uids `uid-1`, `uid-2` and so on.
pub(super) fn revisions(statuses: &[RevisionStatus]) -> Vec<RevisionMeta> {
    let meta = |(i, status): (usize, &RevisionStatus)| RevisionMeta {
        uid: Some(format!("uid-{}", i + 1)),
        ..RevisionMeta::new(&ReleaseKey::new("ns", "a"), u32::try_from(i).unwrap() + 1, *status)
    };
    // Reversed, since the order in which a cluster lists them means nothing.
    statuses.iter().enumerate().map(meta).rev().collect()
}

/// The same as a history.
pub(super) fn history(statuses: &[RevisionStatus]) -> ReleaseHistory {
    ReleaseHistory::new(revisions(statuses))
}

/// Helm's records only; nothing else was looked at.
pub(super) fn seen(statuses: &[RevisionStatus]) -> Observation {
    Observation::of(Ok(history(statuses)))
}

/// Revision 2 is deployed; everything was looked at, and all is well.
pub(super) fn in_sync() -> Observation {
    Observation {
        record: ours(Phase::Validate),
        inputs: Some(inputs()),
        live: LiveSeen::Same,
        ..seen(&[S::Superseded, S::Deployed])
    }
}

/// Revision 2 is `status`, with everything else as in [`in_sync`].
pub(super) fn newest(status: RevisionStatus) -> Observation {
    Observation { history: Ok(history(&[S::Deployed, status])), ..in_sync() }
}

pub(super) fn inputs() -> InputDigests {
    InputDigests {
        chart: "c1".to_owned(),
        values: "v1".to_owned(),
        options: "o1".to_owned(),
        helm_major: 4,
        capabilities: Some("k1".to_owned()),
        lifecycle: "l1".to_owned(),
    }
}

/// What is wanted when these parts are not as they were deployed.
pub(super) fn wanting(parts: &[InputPart]) -> InputDigests {
    let mut wanted = inputs();
    for part in parts {
        match part {
            InputPart::Chart => "c2".clone_into(&mut wanted.chart),
            InputPart::Values => "v2".clone_into(&mut wanted.values),
            InputPart::Options => "o2".clone_into(&mut wanted.options),
            InputPart::HelmMajor => wanted.helm_major = 5,
            InputPart::Capabilities => wanted.capabilities = None,
            InputPart::Lifecycle => "l2".clone_into(&mut wanted.lifecycle),
        }
    }
    wanted
}

/// Our record of revision 2.
pub(super) fn record(reached: Phase) -> DeployRecord {
    DeployRecord {
        format: DEPLOY_RECORD_FORMAT,
        stack: "shop".to_owned(),
        release: ReleaseKey::new("ns", "a"),
        chart: "a-1.0.0".to_owned(),
        revision: 2,
        revision_uid: "uid-2".to_owned(),
        revision_version: None,
        run: None,
        written_at: Timestamp::UNIX_EPOCH,
        key: None,
        input: inputs(),
        reached,
        objects: None,
        made_up: Vec::new(),
    }
}

pub(super) fn ours(reached: Phase) -> RecordSeen {
    RecordSeen::Some(Box::new(record(reached)))
}

pub(super) fn drifts() -> Vec<Drift> {
    let object = ObjectRef {
        api_version: Some("apps/v1".to_owned()),
        kind: "Deployment".to_owned(),
        namespace: Some("ns".to_owned()),
        name: "a".to_owned(),
    };
    vec![Drift { object, what: "spec.replicas by kubectl-scale".to_owned(), comes_again: false }]
}

/// What is gone, and is made again.
pub(super) fn gone_ones() -> Vec<Drift> {
    let mut gone = drifts();
    for one in &mut gone {
        one.comes_again = true;
    }
    gone
}

pub(super) fn drifted() -> LiveSeen {
    LiveSeen::Drifted(drifts())
}

pub(super) fn flux() -> Foreign {
    Foreign { tool: "Flux".to_owned(), why: "HelmRelease ns/a manages it".to_owned() }
}

/// A record of revision 2, 90 s old, of an operation that can take 60 s, that was found the same by two reads.
pub(super) fn over() -> PendingSeen {
    PendingSeen {
        revision: 2,
        writer_gone: None,
        of: PendingOf::ThisStack,
        lock_held: true,
        age_ms: Some(90_000),
        deadline_ms: 60_000,
        unchanged: true,
    }
}

pub(super) fn gone() -> PendingSeen {
    PendingSeen { writer_gone: Some(GONE.to_owned()), ..over() }
}

pub(super) fn locked(revision: u32, status: RevisionStatus, why: &str) -> ReleaseState {
    ReleaseState::Locked { revision, status, since: None, why: why.to_owned() }
}

pub(super) fn stale(status: RevisionStatus, why: &str) -> ReleaseState {
    ReleaseState::Stale { revision: 2, status, why: why.to_owned() }
}

/// 1.0.0 is deployed, and 2.0.0 breaks.
pub(super) fn breaking(seen: Observation) -> Observation {
    Observation {
        deployed_version: Some(Version::new(1, 0, 0)),
        wanted_version: Some(Version::new(2, 0, 0)),
        breaking_version: Some(Version::new(2, 0, 0)),
        ..seen
    }
}

pub(super) fn is_breaking() -> ReleaseState {
    ReleaseState::Breaking { deployed: Version::new(1, 0, 0), breaking: Version::new(2, 0, 0) }
}
