use super::event::{Event, EventKind, Note, PlannedRelease};
use super::finding::{Class, Finding};
use super::outcome::{Failure, NextStep, ReleaseOutcome, RunVerdict, StopReason};
use super::progress::*;
use crate::ids::{ObjectRef, Phase, ReleaseKey, RunId};
use crate::kubernetes::AdoptionUndo;
use crate::release::HelmAction;
use jiff::Timestamp;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

const DIGEST: &str = "d1";

pub(super) fn run_id(n: u128) -> RunId {
    RunId(Uuid::from_u128(n))
}

pub(super) fn key(name: &str) -> ReleaseKey {
    ReleaseKey::new("web", name)
}

pub(super) fn at(second: u64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + i64::try_from(second).unwrap()).unwrap()
}

/// Events numbered from 1, one second apart.
pub(super) fn numbered(kinds: impl IntoIterator<Item = EventKind>) -> Vec<Event> {
    (1..).zip(kinds).map(|(seq, kind)| Event { seq, at: at(seq), kind }).collect()
}

pub(super) fn fold(events: &[Event]) -> RunProgress {
    let mut progress = RunProgress::begin(&events[0]).unwrap();
    see_all(&mut progress, events);
    progress
}

fn see_all(progress: &mut RunProgress, events: &[Event]) {
    for event in events {
        progress.see(event);
    }
}

pub(super) fn run_of(run: u128, releases: &[(&str, HelmAction)]) -> EventKind {
    let releases = releases
        .iter()
        .map(|(name, action)| PlannedRelease { release: key(name), action: *action, waits_for: Vec::new() })
        .collect();
    EventKind::RunStarted {
        run: run_id(run),
        stack: "shop".to_owned(),
        kind: RunKind::Apply,
        holder: None,
        cluster: None,
        stack_file: None,
        concurrency: 2,
        releases,
    }
}

pub(super) fn started(name: &str) -> EventKind {
    EventKind::ReleaseStarted { release: key(name), action: HelmAction::Deploy }
}

pub(super) fn phase(phase: Phase) -> EventKind {
    EventKind::PhaseStarted { release: key("a"), phase }
}

pub(super) fn phase_ended(phase: Phase, ok: bool) -> EventKind {
    EventKind::PhaseFinished { release: key("a"), phase, ok, summary: String::new(), elapsed_ms: 5 }
}

pub(super) fn step(phase: Phase, index: usize) -> EventKind {
    EventKind::StepStarted {
        release: key("a"),
        phase,
        index,
        description: format!("step {index}"),
        repeatable: index == 0,
        digest: DIGEST.to_owned(),
    }
}

pub(super) fn step_ended(phase: Phase, index: usize, output: Option<Value>) -> EventKind {
    let output = output.map(|value| [(format!("{phase}-{index}"), value)].into());
    EventKind::StepFinished { release: key("a"), phase, index, error: None, output, elapsed_ms: 7 }
}

pub(super) fn helm(phase: Phase, command: HelmCommand) -> EventKind {
    EventKind::HelmStarted {
        release: key("a"),
        phase,
        command,
        revision_before: 3,
        digest: DIGEST.to_owned(),
        timeout_ms: 300_000,
    }
}

pub(super) fn helm_ended(phase: Phase, command: HelmCommand, error: Option<&str>) -> EventKind {
    EventKind::HelmFinished { release: key("a"), phase, command, error: error.map(str::to_owned), elapsed_ms: 9 }
}

pub(super) fn ended(name: &str, outcome: ReleaseOutcome) -> EventKind {
    EventKind::ReleaseFinished { release: key(name), outcome, elapsed_ms: 11 }
}

pub(super) fn done() -> ReleaseOutcome {
    ReleaseOutcome::Done { summary: "upgraded podinfo 6.9.0".to_owned() }
}

pub(super) fn not_started() -> ReleaseOutcome {
    ReleaseOutcome::NotStarted { reason: "the run was interrupted".to_owned(), blocked_by: None }
}

/// A whole release of a run of one.
fn whole() -> Vec<Event> {
    numbered([
        run_of(1, &[("a", HelmAction::Deploy)]),
        EventKind::LockTaken { waited_ms: 3, taken_over: None },
        started("a"),
        phase(Phase::CheckPrerequisites),
        phase_ended(Phase::CheckPrerequisites, true),
        phase(Phase::PreExec),
        step(Phase::PreExec, 0),
        step_ended(Phase::PreExec, 0, Some(json!("made"))),
        step(Phase::PreExec, 1),
        step_ended(Phase::PreExec, 1, None),
        phase_ended(Phase::PreExec, true),
        phase(Phase::Exec),
        helm(Phase::Exec, HelmCommand::Upgrade),
        helm_ended(Phase::Exec, HelmCommand::Upgrade, None),
        phase_ended(Phase::Exec, true),
        phase(Phase::Validate),
        EventKind::Said { release: key("a"), phase: Phase::Validate, note: Note::Info, text: "ready".to_owned() },
        phase_ended(Phase::Validate, true),
        ended("a", done()),
        EventKind::RunFinished { verdict: RunVerdict::Done, elapsed_ms: 20 },
    ])
}

#[test]
fn a_whole_release() {
    let ok = |elapsed_ms| Some(Ended { ok: true, elapsed_ms });
    let phase = |phase, second| PhaseProgress {
        phase,
        started_at: at(second),
        steps: Vec::new(),
        helm: Vec::new(),
        ended: ok(5),
        part: PhasePart::Does,
    };
    let step = |index, second, output: BTreeMap<String, Value>, output_kept| StepProgress {
        index,
        description: format!("step {index}"),
        digest: DIGEST.to_owned(),
        repeatable: index == 0,
        run: run_id(1),
        started_at: at(second),
        ended: ok(7),
        output,
        output_kept,
        output_untrusted: false,
    };
    let output: BTreeMap<String, Value> = [("pre_exec-0".to_owned(), json!("made"))].into();
    let helm = HelmProgress {
        run: run_id(1),
        holder: None,
        command: HelmCommand::Upgrade,
        revision_before: 3,
        digest: DIGEST.to_owned(),
        started_at: at(13),
        timeout_ms: 300_000,
        ended: ok(9),
    };
    let expected = RunProgress {
        run: run_id(1),
        stack: "shop".to_owned(),
        kind: RunKind::Apply,
        holder: None,
        cluster: None,
        stack_file: None,
        started_at: at(1),
        seq: 20,
        seen_at: at(20),
        resumes: None,
        stopped: None,
        verdict: Some(RunVerdict::Done),
        releases: vec![ReleaseProgress {
            release: key("a"),
            action: HelmAction::Deploy,
            run: run_id(1),
            started_at: Some(at(3)),
            phases: vec![
                phase(Phase::CheckPrerequisites, 4),
                PhaseProgress {
                    steps: vec![step(0, 7, output.clone(), true), step(1, 9, BTreeMap::new(), false)],
                    ..phase(Phase::PreExec, 6)
                },
                PhaseProgress { helm: vec![helm], ..phase(Phase::Exec, 12) },
                phase(Phase::Validate, 16),
            ],
            adopted: Vec::new(),
            backups: Vec::new(),
            no_return: None,
            attempt: 0,
            baselines: BTreeMap::new(),
            ending: Some(ReleaseEnding {
                way: ReleaseWay::Done,
                summary: "upgraded podinfo 6.9.0".to_owned(),
                at: at(19),
                elapsed_ms: 11,
            }),
            standing: ReleaseStanding::Ended(ReleaseWay::Done),
        }],
    };
    let progress = fold(&whole());
    assert_eq!(progress, expected);
    assert_eq!(progress.releases[0].payload(), output);
    assert!(!progress.is_unfinished());
}

#[test]
fn events_and_progress_survive_being_written_and_read() {
    let events = whole();
    let written: Vec<String> = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let read: Vec<Event> = written.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, events);
    let progress = fold(&events);
    let written = serde_json::to_string(&progress).unwrap();
    assert_eq!(serde_json::from_str::<RunProgress>(&written).unwrap(), progress);
}

#[test]
fn events_seen_twice_change_nothing() {
    let events = whole();
    let once = fold(&events);
    let mut twice = once.clone();
    see_all(&mut twice, &events);
    assert_eq!(twice, once);
}

#[test]
fn only_the_first_event_begins_a_run() {
    let events = whole();
    let beginning: Vec<bool> = events.iter().map(|event| RunProgress::begin(event).is_some()).collect();
    assert_eq!(beginning.iter().filter(|begins| **begins).count(), 1);
    assert!(beginning[0]);
}

#[test]
fn what_is_not_known_changes_nothing() {
    let before = fold(&numbered([run_of(1, &[("b", HelmAction::Deploy)])]));
    let mut after = before.clone();
    see_all(&mut after, &whole()[1..19]);
    assert_eq!(RunProgress { seq: before.seq, seen_at: before.seen_at, ..after }, before);
}

/// The progress of run 1, killed in `pre_exec` of `a`, with `b` done, `c` not begun and `d` failed.
fn killed() -> RunProgress {
    let all = ["a", "b", "c", "d"].map(|name| (name, HelmAction::Deploy));
    let failure = Failure {
        phase: Phase::Exec,
        step: None,
        error: vec!["helm failed".to_owned()],
        causes: Vec::new(),
        attempts: Vec::new(),
        on_deploy_failure_error: None,
        next: NextStep::Uninstalled,
    };
    fold(&numbered([
        run_of(1, &all),
        started("b"),
        EventKind::PhaseStarted { release: key("b"), phase: Phase::Exec },
        ended("b", done()),
        started("d"),
        ended("d", ReleaseOutcome::Failed(failure)),
        started("a"),
        phase(Phase::PreExec),
        step(Phase::PreExec, 0),
        step_ended(Phase::PreExec, 0, Some(json!(1))),
        step(Phase::PreExec, 1),
    ]))
}

#[test]
fn a_killed_run_is_continued() {
    let earlier = killed();
    assert!(earlier.is_unfinished());
    let mut progress = fold(&numbered([
        run_of(2, &[("a", HelmAction::Deploy), ("b", HelmAction::Destroy), ("e", HelmAction::Deploy)]),
        EventKind::RunResumed { from: run_id(1), releases: earlier.releases.clone() },
    ]));
    assert_eq!(progress.resumes, Some(run_id(1)));
    let of = |progress: &RunProgress, name: &str| progress.release(&key(name)).cloned().unwrap();
    // The same is to be done: all is known.
    assert_eq!(of(&progress, "a"), of(&earlier, "a").taken_over());
    // Something else is to be done: what was done before says nothing.
    assert_eq!(of(&progress, "b").run, run_id(2));
    assert_eq!(of(&progress, "b").phases, []);
    assert_eq!(of(&progress, "b").ending, None);
    // Not part of this run, but not forgotten.
    assert_eq!(of(&progress, "c"), of(&earlier, "c").taken_over());
    let order: Vec<&str> = progress.releases.iter().map(|release| release.release.name.as_str()).collect();
    assert_eq!(order, ["a", "b", "e", "c", "d"]);

    // Begun again: it is this run's now, and its steps are still known.
    let next = |progress: &mut RunProgress, kind: EventKind| {
        let seq = progress.seq + 1;
        progress.see(&Event { seq, at: at(1000 + seq), kind });
    };
    next(&mut progress, started("a"));
    next(&mut progress, phase(Phase::PreExec));
    next(
        &mut progress,
        EventKind::StepSkipped { release: key("a"), phase: Phase::PreExec, index: 0, description: "step 0".to_owned() },
    );
    let a = of(&progress, "a");
    assert_eq!(a.run, run_id(2));
    assert_eq!(a.phases[0].steps, of(&earlier, "a").phases[0].steps);
    assert_eq!(a.payload(), [("pre_exec-0".to_owned(), json!(1))].into());
}

/// Releases that were not touched stand as the run before has left them, whatever this run says of them.
#[test]
fn a_release_that_is_not_begun_again_keeps_what_is_known() {
    let earlier = killed();
    let progress = fold(&numbered([
        run_of(2, &[("a", HelmAction::Deploy), ("b", HelmAction::Deploy), ("c", HelmAction::Deploy)]),
        EventKind::RunResumed { from: run_id(1), releases: earlier.releases.clone() },
        EventKind::RunStopping { reason: StopReason::User },
        ended("a", not_started()),
        ended("b", not_started()),
        ended("c", not_started()),
        EventKind::RunFinished { verdict: RunVerdict::Interrupted, elapsed_ms: 1 },
    ]));
    let way = |name: &str| progress.release(&key(name)).unwrap().ending.as_ref().map(|ending| ending.way);
    assert_eq!(way("a"), None);
    assert_eq!(way("b"), Some(ReleaseWay::Done));
    assert_eq!(way("c"), Some(ReleaseWay::NotStarted));
    assert_eq!(progress.stopped, Some(StopReason::User));
}

/// A run of some releases leaves those alone that an earlier one has left half done; the next one must still know.
#[test]
fn a_half_done_release_outlives_a_run_of_others() {
    let earlier = killed();
    let finish = |name: &str| {
        let run = run_of(2, &[(name, HelmAction::Deploy)]);
        fold(&numbered([
            run,
            EventKind::RunResumed { from: run_id(1), releases: earlier.releases.clone() },
            started(name),
            ended(name, done()),
            EventKind::RunFinished { verdict: RunVerdict::Done, elapsed_ms: 1 },
        ]))
    };
    assert!(finish("c").is_unfinished());
    assert!(!finish("a").is_unfinished());
}

fn refused() -> ReleaseOutcome {
    ReleaseOutcome::Refused { findings: vec![Finding::new(Class::Unsafe, "X", "a", "nobody knows")] }
}

/// A run that went on with what a killed one had left: `a` was refused, `c` done.
fn refused_to_go_on(verdict: RunVerdict) -> RunProgress {
    fold(&numbered([
        run_of(2, &["a", "b", "c", "d"].map(|name| (name, HelmAction::Deploy))),
        EventKind::RunResumed { from: run_id(1), releases: killed().releases },
        started("a"),
        phase(Phase::CheckPrerequisites),
        ended("a", refused()),
        started("c"),
        ended("c", done()),
        EventKind::RunFinished { verdict, elapsed_ms: 1 },
    ]))
}

/// Nothing of what was asked about is forgotten when the user is asked, or begun anew because of that.
#[rstest]
#[case::only_asked(RunVerdict::Refused, &["a", "b", "c", "d"])]
#[case::something_else_failed(RunVerdict::Failed, &["a"])]
fn a_run_that_was_refused_to_go_on_is_continued(#[case] verdict: RunVerdict, #[case] continued: &[&str]) {
    let progress = refused_to_go_on(verdict);
    let names: Vec<String> = progress.to_continue().into_iter().map(|release| release.release.name).collect();
    assert_eq!(names, continued);
    let steps =
        |progress: RunProgress| progress.release(&key("a")).unwrap().taken_over().phase(Phase::PreExec).cloned();
    assert_eq!(steps(progress), steps(killed()));
}

/// Whoever began a step or helm is known, however many runs have looked at the release since.
#[test]
fn what_was_done_stays_that_runs() {
    let before = killed();
    let mut kinds = vec![
        run_of(2, &[("a", HelmAction::Deploy)]),
        EventKind::RunResumed { from: run_id(1), releases: before.releases },
        started("a"),
        phase(Phase::PreExec),
    ];
    let steps = |kinds: &[EventKind]| {
        let progress = fold(&numbered(kinds.to_vec()));
        let steps = progress.releases[0].phase(Phase::PreExec).unwrap().steps.clone();
        steps.iter().map(|step| (step.run, step.ended.map(|ended| ended.ok))).collect::<Vec<_>>()
    };
    assert_eq!(steps(&kinds), [(run_id(1), Some(true)), (run_id(1), None)]);
    // The user says that it was done: nobody asks again.
    let skipped =
        EventKind::StepSkipped { release: key("a"), phase: Phase::PreExec, index: 1, description: "step 1".to_owned() };
    assert_eq!(steps(&[kinds.as_slice(), &[skipped]].concat()), [(run_id(1), Some(true)), (run_id(1), Some(true))]);
    kinds.push(step(Phase::PreExec, 1));
    assert_eq!(steps(&kinds), [(run_id(1), Some(true)), (run_id(2), None)]);
}

#[rstest]
#[case(None, None, true)]
#[case(Some(RunVerdict::Interrupted), Some(StopReason::User), true)]
#[case(Some(RunVerdict::Failed), Some(StopReason::LockLost { why: String::new() }), true)]
#[case(Some(RunVerdict::Failed), Some(StopReason::JournalFailed { why: String::new() }), true)]
#[case(Some(RunVerdict::Failed), Some(StopReason::FailFast { release: key("a") }), false)]
#[case(Some(RunVerdict::Failed), None, false)]
#[case(Some(RunVerdict::BadInput), None, false)]
#[case(Some(RunVerdict::Refused), None, false)]
#[case(Some(RunVerdict::Done), None, false)]
fn unfinished_runs(#[case] verdict: Option<RunVerdict>, #[case] stopped: Option<StopReason>, #[case] unfinished: bool) {
    let mut progress = fold(&numbered([run_of(1, &[("a", HelmAction::Deploy)])]));
    progress.verdict = verdict;
    progress.stopped = stopped;
    assert_eq!(progress.is_unfinished(), unfinished);
}

/// Each phase with the indices of its steps and how often helm ran, after everything was done and `again` begun.
#[rstest]
#[case::a_step_before_helm(
    step(Phase::PreExec, 0),
    &[(Phase::CheckPrerequisites, vec![0, 1], 0), (Phase::PreExec, vec![0], 0)],
    &["check_prerequisites-0", "check_prerequisites-1"]
)]
#[case::the_last_step_before_helm(
    step(Phase::PreExec, 1),
    &[(Phase::CheckPrerequisites, vec![0, 1], 0), (Phase::PreExec, vec![0, 1], 0)],
    &["check_prerequisites-0", "check_prerequisites-1", "pre_exec-0"]
)]
#[case::helm(
    helm(Phase::Exec, HelmCommand::Upgrade),
    &[(Phase::CheckPrerequisites, vec![0, 1], 0), (Phase::PreExec, vec![0, 1], 0), (Phase::Exec, vec![0, 1], 2)],
    &["check_prerequisites-0", "check_prerequisites-1", "exec-0", "exec-1", "pre_exec-0", "pre_exec-1"]
)]
#[case::a_step_after_helm(
    step(Phase::PostExec, 0),
    &[
        (Phase::CheckPrerequisites, vec![0, 1], 0), (Phase::PreExec, vec![0, 1], 0), (Phase::Exec, vec![0, 1], 1),
        (Phase::PostExec, vec![0], 0)
    ],
    &["check_prerequisites-0", "check_prerequisites-1", "exec-0", "exec-1", "pre_exec-0", "pre_exec-1"]
)]
#[case::a_step_that_only_reads(
    step(Phase::CheckPrerequisites, 0),
    &[
        (Phase::CheckPrerequisites, vec![0, 1], 0), (Phase::PreExec, vec![0, 1], 0), (Phase::Exec, vec![0, 1], 1),
        (Phase::OnDeployFailure, vec![0, 1], 0), (Phase::PostExec, vec![0, 1], 0), (Phase::Validate, vec![0, 1], 0)
    ],
    &[
        "check_prerequisites-1", "exec-0", "exec-1", "post_exec-0", "post_exec-1", "pre_exec-0", "pre_exec-1",
        "validate-0", "validate-1"
    ]
)]
#[case::a_step_that_cleans_up(
    step(Phase::OnDeployFailure, 0),
    &[
        (Phase::CheckPrerequisites, vec![0, 1], 0), (Phase::PreExec, vec![0, 1], 0), (Phase::Exec, vec![0, 1], 1),
        (Phase::OnDeployFailure, vec![0, 1], 0), (Phase::PostExec, vec![0, 1], 0), (Phase::Validate, vec![0, 1], 0)
    ],
    &[
        "check_prerequisites-0", "check_prerequisites-1", "exec-0", "exec-1", "post_exec-0", "post_exec-1",
        "pre_exec-0", "pre_exec-1", "validate-0", "validate-1"
    ]
)]
fn what_comes_after_something_done_again_counts_no_more(
    #[case] again: EventKind,
    #[case] phases: &[(Phase, Vec<usize>, usize)],
    #[case] payload: &[&str],
) {
    let mut kinds = vec![run_of(1, &[("a", HelmAction::Deploy)]), started("a")];
    // In the list of phases cleaning up comes before `post_exec`; in a run it is the last.
    let (clean_up, way) = (Phase::OnDeployFailure, Phase::ALL.into_iter().filter(|of| *of != Phase::OnDeployFailure));
    for of in way.chain([clean_up]) {
        kinds.push(phase(of));
        for index in 0..2 {
            kinds.extend([step(of, index), step_ended(of, index, Some(json!(index)))]);
        }
        if of == Phase::Exec {
            kinds.extend([helm(of, HelmCommand::Upgrade), helm_ended(of, HelmCommand::Upgrade, None)]);
        }
        kinds.push(phase_ended(of, true));
    }
    // A phase begins again without anything being forgotten.
    let again_in = match &again {
        EventKind::StepStarted { phase, .. } | EventKind::HelmStarted { phase, .. } => *phase,
        other => panic!("not a beginning: {other:?}"),
    };
    kinds.extend([phase(again_in), again]);
    let progress = fold(&numbered(kinds));
    let mut known: Vec<(Phase, Vec<usize>, usize)> = progress.releases[0]
        .phases
        .iter()
        .map(|phase| (phase.phase, phase.steps.iter().map(|step| step.index).collect(), phase.helm.len()))
        .collect();
    known.sort();
    assert_eq!(known, phases);
    let payload_known = progress.releases[0].payload();
    assert_eq!(payload_known.keys().map(String::as_str).collect::<Vec<_>>(), payload);
    assert_eq!(progress.releases[0].phase(again_in).unwrap().ended, None);
}

/// The same key from several steps: the later step wins, however they were begun.
#[test]
fn the_payload_follows_the_order_of_the_steps() {
    let output = |value: u64| Some([("k".to_owned(), json!(value))].into());
    let finished = |phase, index, value, error: Option<&str>| EventKind::StepFinished {
        release: key("a"),
        phase,
        index,
        error: error.map(str::to_owned),
        output: output(value),
        elapsed_ms: 1,
    };
    let mut kinds = vec![
        run_of(1, &[("a", HelmAction::Deploy)]),
        started("a"),
        phase(Phase::Validate),
        step(Phase::Validate, 1),
        finished(Phase::Validate, 1, 2, None),
        step(Phase::Validate, 0),
        finished(Phase::Validate, 0, 1, None),
    ];
    assert_eq!(fold(&numbered(kinds.clone())).releases[0].payload(), output(2).unwrap());
    // Begun again, it has put nothing there yet.
    kinds.push(step(Phase::Validate, 1));
    assert_eq!(fold(&numbered(kinds)).releases[0].payload(), output(1).unwrap());
}

#[rstest]
#[case(done(), ReleaseWay::Done, "upgraded podinfo 6.9.0")]
#[case(ReleaseOutcome::Skipped { reason: "action: skip".to_owned() }, ReleaseWay::Skipped, "action: skip")]
#[case(not_started(), ReleaseWay::NotStarted, "the run was interrupted")]
#[case(ReleaseOutcome::Interrupted { phase: Phase::Exec }, ReleaseWay::Interrupted, "in exec")]
#[case(
    ReleaseOutcome::Refused { findings: vec![Finding::new(Class::Unsafe, "X", "ConfigMap web/a", "nobody owns it")] },
    ReleaseWay::Refused,
    "ConfigMap web/a: nobody owns it"
)]
#[case(failed(NextStep::Left { why: "it is the policy".to_owned() }), ReleaseWay::Failed, "in exec: helm failed")]
#[case(failed(NextStep::RolledBack { to_revision: 2 }), ReleaseWay::Undone, "in exec: helm failed")]
#[case(failed(NextStep::Uninstalled), ReleaseWay::Undone, "in exec: helm failed")]
#[case(
    failed(NextStep::RemediationFailed { tried: "rollback".to_owned(), error: "no".to_owned() }),
    ReleaseWay::Undone,
    "in exec: helm failed"
)]
fn ways_to_end(#[case] outcome: ReleaseOutcome, #[case] way: ReleaseWay, #[case] summary: &str) {
    let progress =
        fold(&numbered([run_of(1, &[("a", HelmAction::Deploy)]), started("a"), ended("a", outcome.clone())]));
    let ending = progress.releases[0].ending.clone().unwrap();
    assert_eq!((ending.way, ending.summary.as_str()), (way, summary));
    // Every outcome can be kept.
    let written = serde_json::to_string(&ended("a", outcome.clone())).unwrap();
    assert_eq!(serde_json::from_str::<EventKind>(&written).unwrap(), ended("a", outcome));
}

fn failed(next: NextStep) -> ReleaseOutcome {
    ReleaseOutcome::Failed(Failure {
        phase: Phase::Exec,
        step: None,
        error: vec!["helm failed".to_owned(), "exit code 1".to_owned()],
        causes: Vec::new(),
        attempts: Vec::new(),
        on_deploy_failure_error: None,
        next,
    })
}

pub(super) fn retrying(attempt: u32) -> EventKind {
    EventKind::Retrying { release: key("a"), attempt, of: 5, wait_ms: 10_000, phase: Phase::Exec }
}

fn no_return() -> EventKind {
    EventKind::PointOfNoReturn { release: key("a"), phase: Phase::PreExec, what: "migrate".to_owned() }
}

/// Whoever continues a run that was killed before its second attempt, or in it, makes that one, with what was done before
/// the failure; who continues a failed one counts anew. What cannot be taken back is known until the release is done.
#[test]
fn attempts_and_points_of_no_return_are_kept() {
    let mut kinds = vec![run_of(1, &[("a", HelmAction::Deploy)]), started("a"), phase(Phase::PreExec)];
    kinds.extend([no_return(), step(Phase::PreExec, 0), step_ended(Phase::PreExec, 0, None)]);
    kinds.extend([phase(Phase::OnDeployFailure), step(Phase::OnDeployFailure, 0)]);
    let state = |kinds: &[EventKind]| {
        let progress = fold(&numbered(kinds.to_vec())).releases.remove(0);
        let phases: Vec<Phase> = progress.phases.iter().map(|phase| phase.phase).collect();
        (progress.attempt, progress.no_return, phases)
    };
    let what = || Some("migrate".to_owned());
    assert_eq!(state(&kinds), (0, what(), vec![Phase::PreExec, Phase::OnDeployFailure]));
    kinds.push(retrying(2));
    assert_eq!(state(&kinds), (2, what(), vec![Phase::PreExec]));
    let left = failed(NextStep::Left { why: String::new() });
    assert_eq!(state(&[kinds.clone(), vec![ended("a", left)]].concat()), (0, what(), vec![Phase::PreExec]));
    assert_eq!(state(&[kinds, vec![ended("a", done())]].concat()), (0, None, vec![Phase::PreExec]));
}

/// Anything that can happen to a release, in any order.
fn happenings() -> impl Strategy<Value = EventKind> {
    let phases = prop::sample::select(Phase::ALL.to_vec());
    let json = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300_f64).prop_map(Value::from),
        ".{0,4}".prop_map(Value::from),
    ];
    let command = prop::sample::select(vec![HelmCommand::Upgrade, HelmCommand::Uninstall, HelmCommand::Rollback]);
    let outcomes = prop::sample::select(vec![
        done(),
        not_started(),
        ReleaseOutcome::Interrupted { phase: Phase::Exec },
        failed(NextStep::Uninstalled),
    ]);
    let earlier = killed().releases;
    prop_oneof![
        Just(started("a")),
        phases.clone().prop_map(phase),
        (phases.clone(), any::<bool>()).prop_map(|(phase, ok)| phase_ended(phase, ok)),
        (phases.clone(), 0..3_usize).prop_map(|(phase, index)| step(phase, index)),
        (phases.clone(), 0..3_usize, prop::option::of(json))
            .prop_map(|(phase, index, output)| step_ended(phase, index, output)),
        (phases.clone(), command.clone()).prop_map(|(phase, command)| helm(phase, command)),
        (phases, command, prop::option::of("e")).prop_map(|(phase, command, error)| helm_ended(
            phase,
            command,
            error.as_deref()
        )),
        outcomes.prop_map(|outcome| ended("a", outcome)),
        (2..5_u32).prop_map(retrying),
        Just(no_return()),
        Just(EventKind::RunResumed { from: run_id(1), releases: earlier }),
        Just(EventKind::RunStopping { reason: StopReason::User }),
        Just(EventKind::RunFinished { verdict: RunVerdict::Interrupted, elapsed_ms: 3 }),
    ]
}

proptest! {
    #[test]
    fn a_progress_that_was_kept_goes_on_as_if_it_never_was(
        kinds in prop::collection::vec(happenings(), 0..40),
        cut in any::<prop::sample::Index>(),
        overlap in 0..5_usize,
    ) {
        let first = run_of(2, &[("a", HelmAction::Deploy), ("b", HelmAction::Deploy)]);
        let events = numbered(std::iter::once(first).chain(kinds));
        let cut = cut.index(events.len()) + 1;
        let kept = serde_json::to_string(&fold(&events[..cut])).unwrap();
        let mut progress: RunProgress = serde_json::from_str(&kept).unwrap();
        // What was seen already may be told again.
        see_all(&mut progress, &events[cut.saturating_sub(overlap)..]);
        prop_assert_eq!(progress, fold(&events));
    }

    #[test]
    fn every_event_survives_being_written_and_read(kind in happenings()) {
        let event = Event { seq: 1, at: at(1), kind };
        let written = serde_json::to_string(&event).unwrap();
        prop_assert_eq!(serde_json::from_str::<Event>(&written).unwrap(), event);
    }
}

/// What takes an adoption back is known until the end and to whoever continues the run, also when helm has run since.
#[test]
fn undos_of_adoptions_are_kept() {
    let object = |name: &str| ObjectRef::parse(&format!("ConfigMap/web/{name}")).unwrap();
    let undo = |to: &str, names: &[&str]| AdoptionUndo {
        patch: json!({"metadata": {"labels": to}}),
        objects: names.iter().map(|name| object(name)).collect(),
    };
    let adopting = |undo| EventKind::AdoptionStarted { release: key("a"), phase: Phase::PreExec, undo: vec![undo] };
    let mut kinds = vec![run_of(1, &[("a", HelmAction::Deploy)]), started("a"), phase(Phase::PreExec)];
    kinds.extend([step(Phase::PreExec, 0), adopting(undo("none", &["x", "y"]))]);
    let killed = fold(&numbered(kinds)).releases;
    assert_eq!(killed[0].adopted, [undo("none", &["x", "y"])]);

    let resumed = EventKind::RunResumed { from: run_id(1), releases: killed };
    let mut kinds = vec![run_of(2, &[("a", HelmAction::Deploy)]), resumed, started("a"), phase(Phase::PreExec)];
    // The first was adopted; the second was not, and was given to somebody in between.
    kinds.extend([step(Phase::PreExec, 0), adopting(undo("other", &["y"])), step_ended(Phase::PreExec, 0, None)]);
    kinds.push(ended("a", done()));
    let all = fold(&numbered(kinds)).releases.remove(0).adopted;
    assert_eq!(all, [undo("none", &["x"]), undo("other", &["y"])]);
}

/// Also by a run that continues the one that has made the first.
#[test]
fn every_backup_is_known() {
    let saving = |path: &str| EventKind::BackupStarted {
        release: key("a"),
        phase: Phase::PreExec,
        path: path.to_owned(),
        objects: vec![ObjectRef::parse("pvc/web/data").unwrap()],
    };
    let mut kinds = vec![run_of(1, &[("a", HelmAction::Deploy)]), started("a"), phase(Phase::PreExec)];
    kinds.push(saving("/1.json"));
    let killed = fold(&numbered(kinds)).releases;
    let resumed = EventKind::RunResumed { from: run_id(1), releases: killed };
    let mut kinds = vec![run_of(2, &[("a", HelmAction::Deploy)]), resumed, started("a"), phase(Phase::PreExec)];
    kinds.push(saving("/2.json"));
    assert_eq!(fold(&numbered(kinds)).releases[0].backups, ["/1.json", "/2.json"]);
}
