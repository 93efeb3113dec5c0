//! `docs/state.md` has a table of the states and of what is done about each, and the reasons for which we differ from Flux.

use super::flux::REASONS;
use super::samples::*;
use crate::ids::Phase;
use crate::release::DriftPolicy;
use crate::release::RevisionStatus as S;
use crate::state::{Change, Decision, Missing, ReinstallReason, ReleaseState, Remaining, Rendered, Wish, decide};

const DOCUMENT: &str = include_str!("../../../../../docs/state.md");

/// One of each state, and of those that are decided by what comparing said, one of each answer; in the order in which they
/// are asked for.
fn in_order() -> Vec<ReleaseState> {
    let unmanaged = |compared| ReleaseState::Unmanaged {
        revision: 2,
        why: "there is no record of ours".to_owned(),
        last_good: Some(2),
        compared,
    };
    let out_of_sync = |rendered| ReleaseState::OutOfSync { revision: 2, differs: Vec::new(), rendered };
    vec![
        ReleaseState::Unknown { why: String::new() },
        ReleaseState::Foreign { foreign: flux(), otherwise: Box::new(ReleaseState::Absent) },
        ReleaseState::Absent,
        locked(2, S::PendingUpgrade, NO_LOCK),
        stale(S::PendingUpgrade, GONE),
        ReleaseState::HalfRemoved,
        is_breaking(),
        ReleaseState::HalfInstalled { revision: 1, hook: "Job a".to_owned() },
        ReleaseState::FailedClean { revision: 2, last_good: Some(1) },
        ReleaseState::FailedDirty { revision: 2, last_good: Some(1) },
        unmanaged(None),
        unmanaged(Some(Rendered::Differs)),
        ReleaseState::InputUnknown { revision: 2 },
        out_of_sync(None),
        out_of_sync(Some(Rendered::Differs)),
        ReleaseState::LifecycleChanged { revision: 2 },
        ReleaseState::Unfinished { revision: 2, reached: Phase::Exec },
        ReleaseState::LiveUnknown { revision: 2, validated: true },
        ReleaseState::LiveUnreadable { revision: 2, why: String::new(), validated: true },
        ReleaseState::Drifted { revision: 2, drifts: gone_ones(), validated: true },
        ReleaseState::Drifted { revision: 2, drifts: drifts(), validated: true },
        ReleaseState::Unvalidated { revision: 2 },
        ReleaseState::InSync { revision: 2 },
    ]
}

fn name(state: &ReleaseState) -> &'static str {
    match state {
        ReleaseState::Unknown { .. } => "unknown",
        ReleaseState::Foreign { .. } => "foreign",
        ReleaseState::Absent => "absent",
        ReleaseState::Locked { .. } => "locked",
        ReleaseState::Stale { .. } => "stale",
        ReleaseState::HalfRemoved => "half removed",
        ReleaseState::Breaking { .. } => "breaking",
        ReleaseState::HalfInstalled { .. } => "half installed",
        ReleaseState::FailedClean { .. } => "failed, nothing applied",
        ReleaseState::FailedDirty { .. } => "failed",
        ReleaseState::Unmanaged { compared: None, .. } => "unmanaged",
        ReleaseState::Unmanaged { compared: Some(Rendered::Same | Rendered::Differs), .. } => "unmanaged, compared",
        ReleaseState::InputUnknown { .. } => "input unknown",
        ReleaseState::OutOfSync { rendered: None, .. } => "out of sync",
        ReleaseState::OutOfSync { rendered: Some(Rendered::Same | Rendered::Differs), .. } => "out of sync, compared",
        ReleaseState::LifecycleChanged { .. } => "steps changed",
        ReleaseState::Unfinished { .. } => "unfinished",
        ReleaseState::LiveUnknown { .. } => "objects not looked at",
        ReleaseState::LiveUnreadable { .. } => "objects unreadable",
        ReleaseState::Drifted { drifts, .. } if drifts.iter().any(|one| one.comes_again) => "object gone",
        ReleaseState::Drifted { .. } => "drifted",
        ReleaseState::Unvalidated { .. } => "not validated",
        ReleaseState::InSync { .. } => "in sync",
    }
}

fn when(state: &ReleaseState) -> &'static str {
    match state {
        ReleaseState::Unknown { .. } => "Helm's records cannot be read, or the newest has a status nobody knows here",
        ReleaseState::Foreign { .. } => "another tool still manages it; with `take_over` this is not asked",
        ReleaseState::Absent => "no revision, or the newest is `uninstalled`",
        ReleaseState::Locked { .. } => "the newest is `pending-*` or `uninstalling`, and its writer may be at work",
        ReleaseState::Stale { .. } => "the newest is `pending-*`, and its writer is provably gone",
        ReleaseState::HalfRemoved => "the newest is `uninstalling`, and its writer is not at work any more",
        ReleaseState::Breaking { .. } => "`last_breaking_version_requiring_restart` lies between deployed and wanted",
        ReleaseState::HalfInstalled { .. } => {
            "the first install failed, and a hook that only an install runs has not completed"
        }
        ReleaseState::FailedClean { .. } => "the newest is `failed`, and it is known that nothing of it was applied",
        ReleaseState::FailedDirty { .. } => "the newest is `failed`",
        ReleaseState::Unmanaged { compared: None, .. } => {
            "our record is not about the newest revision, or there is none"
        }
        ReleaseState::Unmanaged { compared: Some(Rendered::Same | Rendered::Differs), .. } => {
            "the same, and it renders to something else than is deployed"
        }
        ReleaseState::InputUnknown { .. } => "a value comes from a step of this run",
        ReleaseState::OutOfSync { rendered: None, .. } => {
            "chart, values, options, helm's major version or what the cluster serves are others, or the chart must be rendered to tell"
        }
        ReleaseState::OutOfSync { rendered: Some(Rendered::Same | Rendered::Differs), .. } => {
            "the same, and it renders to something else than is deployed"
        }
        ReleaseState::LifecycleChanged { .. } => "only its steps are others",
        ReleaseState::Unfinished { .. } => "helm has deployed it, and what follows has not ended well",
        ReleaseState::LiveUnknown { .. } => "it is deployed as wanted",
        ReleaseState::LiveUnreadable { .. } => "the same, and an object cannot be read",
        ReleaseState::Drifted { drifts, .. } if drifts.iter().any(|one| one.comes_again) => {
            "the same, and an object is gone that can be made again"
        }
        ReleaseState::Drifted { .. } => "the same, and others have changed an object",
        ReleaseState::Unvalidated { .. } => "the same, all objects are as deployed, and it was not validated since",
        ReleaseState::InSync { .. } => "the same, and it was validated",
    }
}

fn done(decided: &Result<Decision, Missing>) -> &'static str {
    let decision = match decided {
        Ok(decision) => decision,
        Err(Missing::Unlock { .. }) => return "mark it failed, look again",
        Err(Missing::Comparison) => return "render and compare, decide again",
        Err(Missing::LiveObjects) => return "look at the objects, decide again",
    };
    match decision {
        Decision::Keep { .. } => "nothing",
        Decision::Refuse { .. } => "refuse",
        Decision::Finish { remaining: Remaining::Validation, .. } => "validate",
        Decision::Finish { remaining: Remaining::Steps, .. } => "`post_exec` and `validate`, without helm",
        Decision::Change(Change::Install) => "install",
        Decision::Change(Change::Upgrade { .. }) => "upgrade",
        Decision::Change(Change::Reinstall(ReinstallReason::HalfDone)) => "uninstall what is left, install",
        Decision::Change(Change::Reinstall(ReinstallReason::Breaking { .. })) => "uninstall, install",
        Decision::Change(Change::Uninstall) => "uninstall",
    }
}

fn row(state: &ReleaseState) -> String {
    let by = |drift| done(&decide(state, &Wish { drift, ..Wish::default() }));
    let by = [DriftPolicy::Report, DriftPolicy::Correct, DriftPolicy::Ignore].map(by);
    let then = match by {
        [report, correct, ignore] if report == correct && correct == ignore => report.to_owned(),
        [report, correct, ignore] if report == correct => format!("{report}; with `drift: ignore` {ignore}"),
        [report, correct, ignore] if report == ignore => format!("{report}; with `drift: correct` {correct}"),
        [report, correct, ignore] => format!("`report`: {report}; `correct`: {correct}; `ignore`: {ignore}"),
    };
    format!("| {} | {} | {then} |\n", name(state), when(state))
}

#[test]
fn the_document_has_every_state_in_its_order() {
    let rows: String = in_order().iter().map(row).collect();
    let table = format!("| state | when | a deploy |\n|---|---|---|\n{rows}\n");
    assert!(DOCUMENT.contains(&table), "docs/state.md should have\n{table}");
}

#[test]
fn the_document_has_the_reasons_for_which_we_differ_from_flux() {
    let missing: Vec<&str> = REASONS.into_iter().filter(|reason| !DOCUMENT.contains(reason)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
