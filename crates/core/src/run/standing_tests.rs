//! How releases and their phases stand in a run, also in one that continues another.

use super::event::EventKind;
use super::outcome::ReleaseOutcome;
use super::progress::*;
use super::progress_tests::{
    at, done, ended, fold, helm, helm_ended, key, not_started, numbered, phase, phase_ended, retrying, run_id, run_of,
    started, step, step_ended,
};
use crate::ids::Phase;
use crate::release::HelmAction;
use rstest::rstest;

/// A mark for each phase: `.` to come, `>` running, `=` done, `x` failed, `-` done by an earlier run.
fn marks(kinds: &[EventKind]) -> String {
    let release = fold(&numbered(kinds.to_vec())).releases.remove(0);
    let mark = |phase: &Phase| match release.phase_state(*phase) {
        PhaseState::ToCome => '.',
        PhaseState::Running => '>',
        PhaseState::Done => '=',
        PhaseState::Failed => 'x',
        PhaseState::Resumed => '-',
    };
    Phase::ALL.iter().map(mark).collect()
}

/// The phases of `a` in this run, which was killed in `post_exec`: what was done before it is done.
fn killed_after_exec() -> Vec<ReleaseProgress> {
    let mut kinds = vec![run_of(1, &[("a", HelmAction::Deploy)]), started("a")];
    for of in [Phase::CheckPrerequisites, Phase::PreExec, Phase::Exec] {
        kinds.extend([phase(of), step(of, 0), step_ended(of, 0, None), phase_ended(of, true)]);
    }
    kinds.extend([phase(Phase::PostExec), step(Phase::PostExec, 0)]);
    assert_eq!(marks(&kinds), "===.>.");
    fold(&numbered(kinds)).to_continue()
}

/// What an earlier run has done stays its work until something of it is done again, and then what came after it is to come.
#[test]
fn phases_of_a_continued_release() {
    let resumed = EventKind::RunResumed { from: run_id(1), releases: killed_after_exec() };
    let mut kinds = vec![run_of(2, &[("a", HelmAction::Deploy)]), resumed];
    assert_eq!(marks(&kinds), "---...");
    kinds.extend([started("a"), phase(Phase::CheckPrerequisites)]);
    assert_eq!(marks(&kinds), ">--...");
    // It only reads, so it was done anew.
    kinds.extend([phase_ended(Phase::CheckPrerequisites, true), phase(Phase::PreExec)]);
    assert_eq!(marks(&kinds), "=>-...");
    let passed = [kinds.clone(), vec![phase_ended(Phase::PreExec, true)]].concat();
    assert_eq!(marks(&passed), "=--...");
    let done_again = [kinds, vec![step(Phase::PreExec, 0)]].concat();
    assert_eq!(marks(&done_again), "=>....");
}

#[test]
fn phases_of_a_release_that_is_tried_again() {
    let mut kinds = vec![run_of(1, &[("a", HelmAction::Deploy)]), started("a"), phase(Phase::PreExec)];
    kinds.extend([phase_ended(Phase::PreExec, true), phase(Phase::Exec), phase_ended(Phase::Exec, false)]);
    kinds.extend([phase(Phase::OnDeployFailure), phase_ended(Phase::OnDeployFailure, false)]);
    assert_eq!(marks(&kinds), ".=x=..");
    kinds.push(retrying(2));
    assert_eq!(marks(&kinds), ".=....");
    kinds.push(phase(Phase::Exec));
    assert_eq!(marks(&kinds), ".=>...");
}

/// How a release stands in a run is told by this run alone, also where what an earlier one has left stays as it is.
#[rstest]
#[case::waits(&[], ReleaseStanding::Waiting)]
#[case::runs(&[started("a")], ReleaseStanding::Running { since: at(3) })]
#[case::ended(&[started("a"), ended("a", done())], ReleaseStanding::Ended(ReleaseWay::Done))]
#[case::left(&[ended("a", not_started())], ReleaseStanding::Ended(ReleaseWay::NotStarted))]
#[case::blocked(
    &[ended("a", ReleaseOutcome::NotStarted { reason: String::new(), blocked_by: Some(key("b")) })],
    ReleaseStanding::Blocked
)]
fn standing_of_a_continued_release(#[case] then: &[EventKind], #[case] expected: ReleaseStanding) {
    let resumed = EventKind::RunResumed { from: run_id(1), releases: killed_after_exec() };
    let kinds = [&[run_of(2, &[("a", HelmAction::Deploy)]), resumed], then].concat();
    assert_eq!(fold(&numbered(kinds)).releases[0].standing, expected);
}

/// What an earlier run has left in the middle is not at work in this one.
#[test]
fn what_runs_is_of_this_run() {
    let resumed = EventKind::RunResumed { from: run_id(1), releases: killed_after_exec() };
    let running = |kinds: &[EventKind]| {
        let release = fold(&numbered(kinds.to_vec())).releases.remove(0);
        let phase = release.running_phase().map(|progress| progress.phase);
        let step = release.running_step().map(|step| step.index);
        (phase, step, release.running_helm().map(|helm| helm.command))
    };
    let mut kinds = vec![run_of(2, &[("a", HelmAction::Deploy)]), resumed, started("a")];
    assert_eq!(running(&kinds), (None, None, None));
    kinds.push(phase(Phase::PostExec));
    assert_eq!(running(&kinds), (Some(Phase::PostExec), None, None));
    kinds.push(step(Phase::PostExec, 0));
    assert_eq!(running(&kinds), (Some(Phase::PostExec), Some(0), None));
    kinds.extend([step_ended(Phase::PostExec, 0, None), helm(Phase::PostExec, HelmCommand::Rollback)]);
    assert_eq!(running(&kinds), (Some(Phase::PostExec), None, Some(HelmCommand::Rollback)));
    kinds.extend([helm_ended(Phase::PostExec, HelmCommand::Rollback, None), phase_ended(Phase::PostExec, true)]);
    assert_eq!(running(&kinds), (None, None, None));
}
