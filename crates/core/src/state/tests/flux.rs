//! Flux's helm-controller as the second column: what its table and its tests say, and where ours differs, why.

use super::samples::*;
use crate::ids::Phase;
use crate::release::{DriftPolicy, InputPart, ReleaseHistory, RevisionStatus as S};
use crate::state::{
    Change, Decision, LiveSeen, Missing, Observation, RecordSeen, ReleaseState, Remaining, Wish, decide, determine,
};
use rstest::rstest;

const KEPT_AS_TARGET: &str = "what is deployed is compared before it is upgraded, and stays the revision to go back to";
const COMPARED_FIRST: &str = "an input that differs need not change what is rendered: it is compared first";
const VALIDATED: &str = "what Flux's tests are is the validate phase, and helm's tests are one of its checks";
const TESTS_FAILED: &str =
    "a release that failed to validate is deployed: its failure policy has had its turn, and it is validated again";
const TOLD_APART: &str = "a failure that has applied something is told from one that has not";
const SAME_RUN: &str = "a failed deploy is taken back in the run in which it fails; the next run is somebody's new try";
const NO_EXHAUSTION: &str = "tries are counted within a run; the next run is somebody's new try";
const UNPROVEN: &str = "a lock is broken only when its holder is provably gone";
const PROVEN: &str = "a lock whose holder is provably gone has a name of its own";
const HALF_REMOVED: &str = "helm cannot upgrade what is half removed: the uninstall is finished first";
const CORRECTED_BY_HELM: &str = "helm stays the only one that writes what belongs to the release";
const NEVER_TAKEN_FOR_SEEN: &str = "an input that differs is never taken for seen";
const NO_OPTION: &str = "there is no such option, so there is no observation for it: it is as any other failure";

/// The reasons that hold for more than one row.
pub(super) const REASONS: [&str; 12] = [
    KEPT_AS_TARGET,
    COMPARED_FIRST,
    VALIDATED,
    TESTS_FAILED,
    TOLD_APART,
    SAME_RUN,
    NO_EXHAUSTION,
    UNPROVEN,
    PROVEN,
    HALF_REMOVED,
    CORRECTED_BY_HELM,
    NEVER_TAKEN_FOR_SEEN,
];

/// The state and the decision in Flux's way: the names alone.
fn ours(seen: &Observation, drift: DriftPolicy) -> String {
    let state = determine(seen);
    let decided = decide(&state, &Wish { drift, ..Wish::default() });
    format!("{}/{}", state_name(&state), decision_name(&decided))
}

fn state_name(state: &ReleaseState) -> &'static str {
    match state {
        ReleaseState::Unknown { .. } => "Unknown",
        ReleaseState::Foreign { .. } => "Foreign",
        ReleaseState::Locked { .. } => "Locked",
        ReleaseState::Stale { .. } => "Stale",
        ReleaseState::Absent => "Absent",
        ReleaseState::HalfRemoved => "HalfRemoved",
        ReleaseState::HalfInstalled { .. } => "HalfInstalled",
        ReleaseState::Breaking { .. } => "Breaking",
        ReleaseState::FailedClean { .. } => "FailedClean",
        ReleaseState::FailedDirty { .. } => "FailedDirty",
        ReleaseState::Unmanaged { .. } => "Unmanaged",
        ReleaseState::InputUnknown { .. } => "InputUnknown",
        ReleaseState::OutOfSync { .. } => "OutOfSync",
        ReleaseState::LifecycleChanged { .. } => "LifecycleChanged",
        ReleaseState::Unfinished { .. } => "Unfinished",
        ReleaseState::LiveUnknown { .. } => "LiveUnknown",
        ReleaseState::LiveUnreadable { .. } => "LiveUnreadable",
        ReleaseState::Drifted { .. } => "Drifted",
        ReleaseState::Unvalidated { .. } => "Unvalidated",
        ReleaseState::InSync { .. } => "InSync",
    }
}

/// Flux has an action for each; ours is a change, or what it takes to decide.
fn decision_name(decided: &Result<Decision, Missing>) -> &'static str {
    let decision = match decided {
        Ok(decision) => decision,
        Err(Missing::Unlock { .. }) => return "Unlock",
        Err(Missing::Comparison) => return "Compare",
        Err(Missing::LiveObjects) => return "Look",
    };
    match decision {
        Decision::Keep { .. } => "Keep",
        Decision::Refuse { .. } => "Refuse",
        Decision::Finish { remaining: Remaining::Validation, .. } => "Validate",
        Decision::Finish { remaining: Remaining::Steps, .. } => "Steps",
        Decision::Change(Change::Install) => "Install",
        Decision::Change(Change::Upgrade { .. }) => "Upgrade",
        Decision::Change(Change::Reinstall(_)) => "Reinstall",
        Decision::Change(Change::Uninstall) => "Uninstall",
    }
}

fn only(history: ReleaseHistory) -> Observation {
    Observation { history: Ok(history), ..in_sync() }
}

/// No history of Flux's is no record of ours.
fn without_record(seen: Observation) -> Observation {
    Observation { record: RecordSeen::None, ..seen }
}

fn mismatching() -> Observation {
    let mut other = record(Phase::Validate);
    "uid-9".clone_into(&mut other.revision_uid);
    Observation { record: RecordSeen::Some(Box::new(other)), ..in_sync() }
}

fn unparsable() -> Observation {
    Observation { record: RecordSeen::Unreadable("our record is not one".to_owned()), ..in_sync() }
}

fn unreadable() -> Observation {
    Observation { history: Err("timeout".to_owned()), ..in_sync() }
}

fn reached(phase: Phase) -> Observation {
    Observation { record: super::samples::ours(phase), ..in_sync() }
}

fn wanted(part: InputPart) -> Observation {
    Observation { inputs: Some(wanting(&[part])), ..in_sync() }
}

fn live(live: LiveSeen) -> Observation {
    Observation { live, ..in_sync() }
}

fn killed(status: S) -> Observation {
    Observation { pending: Some(over()), ..newest(status) }
}

/// What is the same has no reason, and what differs has one.
fn compare(seen: &Observation, drift: DriftPolicy, flux: &str, expected: &str, why: Option<&str>) {
    assert_eq!(ours(seen, drift), expected);
    assert_eq!(why.is_some(), flux != expected, "{flux} and {expected}");
}

/// Its table of states. `Keep` stands for its "none", `Refuse` for its "none, and the error".
#[rstest]
#[case::r1_not_found(only(ReleaseHistory::NONE), "Absent/Install", "Absent/Install", None)]
#[case::r2_read_error(unreadable(), "Unknown/Refuse", "Unknown/Refuse", None)]
#[case::r3_pending_install(newest(S::PendingInstall), "Locked/Unlock", "Locked/Refuse", Some(UNPROVEN))]
#[case::r3_pending_upgrade(newest(S::PendingUpgrade), "Locked/Unlock", "Locked/Refuse", Some(UNPROVEN))]
#[case::r3_pending_rollback(newest(S::PendingRollback), "Locked/Unlock", "Locked/Refuse", Some(UNPROVEN))]
#[case::r3_proven(killed(S::PendingUpgrade), "Locked/Unlock", "Stale/Unlock", Some(PROVEN))]
#[case::r4_removed_before(without_record(newest(S::Uninstalled)), "Absent/Install", "Absent/Install", None)]
#[case::r5_deployed(without_record(in_sync()), "Unmanaged/Upgrade", "Unmanaged/Compare", Some(KEPT_AS_TARGET))]
#[case::r5_failed(
    without_record(newest(S::Failed)),
    "Unmanaged/Upgrade",
    "FailedDirty/Upgrade",
    Some("that the last deploy failed is told, whoever made it")
)]
#[case::r5_superseded(
    without_record(newest(S::Superseded)),
    "Unmanaged/Upgrade",
    "Unmanaged/Compare",
    Some(KEPT_AS_TARGET)
)]
#[case::r5_uninstalling(
    without_record(Observation { pending: Some(gone()), ..newest(S::Uninstalling) }),
    "Unmanaged/Upgrade",
    "HalfRemoved/Reinstall",
    Some(HALF_REMOVED)
)]
#[case::r5_unknown(
    without_record(newest(S::Unknown)),
    "Unmanaged/Upgrade",
    "Unknown/Refuse",
    Some("what is not understood is not changed")
)]
#[case::r6_unparsable(unparsable(), "Unmanaged/Upgrade", "Unmanaged/Compare", Some(KEPT_AS_TARGET))]
#[case::r6_mismatching(mismatching(), "Unmanaged/Upgrade", "Unmanaged/Compare", Some(KEPT_AS_TARGET))]
#[case::r7_other_error(Observation { record: RecordSeen::Unreadable("timeout".to_owned()), ..in_sync() }, "Unknown/Refuse", "Unmanaged/Compare", Some("a record that cannot be read costs a comparison, and nothing else"))]
#[case::r8_failed(newest(S::Failed), "Failed/Upgrade", "FailedDirty/Upgrade", Some(TOLD_APART))]
#[case::r9_uninstalled(newest(S::Uninstalled), "Absent/Install", "Absent/Install", None)]
#[case::r10_chart(wanted(InputPart::Chart), "OutOfSync/Upgrade", "OutOfSync/Compare", Some(COMPARED_FIRST))]
#[case::r11_values(wanted(InputPart::Values), "OutOfSync/Upgrade", "OutOfSync/Compare", Some(COMPARED_FIRST))]
#[case::r12_post_renderers(wanted(InputPart::Options), "OutOfSync/Upgrade", "OutOfSync/Compare", Some(COMPARED_FIRST))]
#[case::r13_common_metadata(wanted(InputPart::Options), "OutOfSync/Upgrade", "OutOfSync/Compare", Some(COMPARED_FIRST))]
#[case::r14_untested(reached(Phase::PostExec), "Untested/Test", "Unvalidated/Validate", Some(VALIDATED))]
#[case::r15_test_failed(reached(Phase::PostExec), "Failed/Rollback", "Unvalidated/Validate", Some(TESTS_FAILED))]
#[case::r16_drifted(live(drifted()), "Drifted/Keep", "Drifted/Keep", None)]
#[case::r17_diff_error(live(LiveSeen::Unreadable("timeout".to_owned())), "Unknown/Refuse", "LiveUnreadable/Refuse", Some("what cannot be read is named; where drift is ignored, it does not matter"))]
#[case::r18_in_sync(in_sync(), "InSync/Keep", "InSync/Keep", None)]
#[case::r19_uninstalling(
    Observation { pending: Some(gone()), ..newest(S::Uninstalling) },
    "Unknown/Refuse",
    "HalfRemoved/Reinstall",
    Some(HALF_REMOVED)
)]
#[case::r19_superseded(
    newest(S::Superseded),
    "Unknown/Refuse",
    "Unmanaged/Compare",
    Some("helm can upgrade it, and it is the revision to go back to")
)]
#[case::r19_unknown(newest(S::Unknown), "Unknown/Refuse", "Unknown/Refuse", None)]
fn its_table(#[case] seen: Observation, #[case] flux: &str, #[case] expected: &str, #[case] why: Option<&str>) {
    compare(&seen, DriftPolicy::Report, flux, expected, why);
}

/// Row 16 where drift is to be corrected: its CorrectClusterDrift applies the objects again.
#[test]
fn drift_is_corrected_by_an_upgrade() {
    let seen = live(drifted());
    compare(&seen, DriftPolicy::Correct, "Drifted/CorrectClusterDrift", "Drifted/Upgrade", Some(CORRECTED_BY_HELM));
}

/// The 22 cases of its Test_DetermineReleaseState, with the action that its table has for the state.
#[rstest]
#[case::t01_in_sync(in_sync(), "InSync/Keep", "InSync/Keep", None)]
#[case::t02_no_release(without_record(only(ReleaseHistory::NONE)), "Absent/Install", "Absent/Install", None)]
#[case::t03_vanished(only(ReleaseHistory::NONE), "Absent/Install", "Absent/Install", None)]
#[case::t04_without_history(without_record(in_sync()), "Unmanaged/Upgrade", "Unmanaged/Compare", Some(KEPT_AS_TARGET))]
#[case::t05_digest_parse_error(unparsable(), "Unmanaged/Upgrade", "Unmanaged/Compare", Some(KEPT_AS_TARGET))]
#[case::t06_digest_mismatch(mismatching(), "Unmanaged/Upgrade", "Unmanaged/Compare", Some(KEPT_AS_TARGET))]
#[case::t07_pending(newest(S::PendingInstall), "Locked/Unlock", "Locked/Refuse", Some(UNPROVEN))]
#[case::t08_untested(reached(Phase::PostExec), "Untested/Test", "Unvalidated/Validate", Some(VALIDATED))]
#[case::t09_test_incomplete(reached(Phase::PostExec), "Untested/Test", "Unvalidated/Validate", Some(VALIDATED))]
#[case::t10_test_failed(reached(Phase::PostExec), "Failed/Rollback", "Unvalidated/Validate", Some(TESTS_FAILED))]
#[case::t11_test_failed_rest_unstarted(
    reached(Phase::PostExec),
    "Failed/Rollback",
    "Unvalidated/Validate",
    Some(TESTS_FAILED)
)]
#[case::t12_test_failed_ignored(in_sync(), "InSync/Keep", "InSync/Keep", None)]
#[case::t13_test_of_somebody_else(reached(Phase::PostExec), "Untested/Test", "Unvalidated/Validate", Some(VALIDATED))]
#[case::t14_failed(newest(S::Failed), "Failed/Upgrade", "FailedDirty/Upgrade", Some(TOLD_APART))]
#[case::t15_uninstalled(newest(S::Uninstalled), "Absent/Install", "Absent/Install", None)]
#[case::t16_uninstalled_without_history(
    without_record(newest(S::Uninstalled)),
    "Absent/Install",
    "Absent/Install",
    None
)]
#[case::t17_chart(wanted(InputPart::Chart), "OutOfSync/Upgrade", "OutOfSync/Compare", Some(COMPARED_FIRST))]
#[case::t18_values(wanted(InputPart::Values), "OutOfSync/Upgrade", "OutOfSync/Compare", Some(COMPARED_FIRST))]
#[case::t19_post_renderers(wanted(InputPart::Options), "OutOfSync/Upgrade", "OutOfSync/Compare", Some(COMPARED_FIRST))]
#[case::t20_common_metadata(wanted(InputPart::Options), "OutOfSync/Upgrade", "OutOfSync/Compare", Some(COMPARED_FIRST))]
#[case::t21_post_renderers_observed(
    wanted(InputPart::Options),
    "InSync/Keep",
    "OutOfSync/Compare",
    Some(NEVER_TAKEN_FOR_SEEN)
)]
#[case::t22_common_metadata_observed(
    wanted(InputPart::Options),
    "InSync/Keep",
    "OutOfSync/Compare",
    Some(NEVER_TAKEN_FOR_SEEN)
)]
fn its_tests(#[case] seen: Observation, #[case] flux: &str, #[case] expected: &str, #[case] why: Option<&str>) {
    compare(&seen, DriftPolicy::Report, flux, expected, why);
}

/// The 5 cases about drift.
#[rstest]
#[case::enabled(
    live(drifted()),
    DriftPolicy::Correct,
    "Drifted/CorrectClusterDrift",
    "Drifted/Upgrade",
    Some(CORRECTED_BY_HELM)
)]
#[case::enabled_none(in_sync(), DriftPolicy::Correct, "InSync/Keep", "InSync/Keep", None)]
#[case::warn(live(drifted()), DriftPolicy::Report, "Drifted/Keep", "Drifted/Keep", None)]
#[case::warn_none(in_sync(), DriftPolicy::Report, "InSync/Keep", "InSync/Keep", None)]
#[case::disabled(
    live(drifted()),
    DriftPolicy::Ignore,
    "InSync/Keep",
    "Drifted/Keep",
    Some("that it has drifted is known, and does not count")
)]
fn its_tests_of_drift(
    #[case] seen: Observation,
    #[case] drift: DriftPolicy,
    #[case] flux: &str,
    #[case] expected: &str,
    #[case] why: Option<&str>,
) {
    compare(&seen, drift, flux, expected, why);
}

/// Its table of what follows a failure. None of its conditions is part of what is observed, so ours is always the same.
#[rstest]
#[case::f1_retry_on_failure("Failed/Upgrade", TOLD_APART)]
#[case::f2_no_remediation("Failed/Upgrade", TOLD_APART)]
#[case::f3_counters_reset("Failed/Upgrade", TOLD_APART)]
#[case::f4_forced("Failed/Upgrade", TOLD_APART)]
#[case::f5_exhausted("Failed/ErrExceededMaxRetries", NO_EXHAUSTION)]
#[case::f6_no_rollback_target("Failed/ErrMissingRollbackTarget", SAME_RUN)]
#[case::f7_rollback_target_gone("Failed/Upgrade", TOLD_APART)]
#[case::f8_rollback("Failed/Rollback", SAME_RUN)]
#[case::f9_uninstall("Failed/UninstallRemediation", SAME_RUN)]
#[case::f10_unknown_strategy("Failed/Refuse", NO_OPTION)]
fn its_table_of_failures(#[case] flux: &str, #[case] why: &str) {
    compare(&newest(S::Failed), DriftPolicy::Report, flux, "FailedDirty/Upgrade", Some(why));
}
