//! Runs for the tests of this module.

use pilothouse_core::{
    DigestKey, Event, EventKind, Failure, Finding, HelmAction, HelmCommand, Holder, NextStep, Phase, PlannedRelease,
    ReleaseKey, ReleaseOutcome, RunId, RunKind, RunProgress, RunVerdict,
};
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use uuid::Uuid;

pub(crate) fn run_id(n: u128) -> RunId {
    RunId(Uuid::from_u128(n))
}

/// The key of the digests.
pub(crate) fn key_of_digests() -> DigestKey {
    DigestKey::new([7; 32])
}

pub(crate) fn key(name: &str) -> ReleaseKey {
    ReleaseKey::new("web", name)
}

/// Hex that cannot be compressed, as digests are.
fn digest(of: impl Hash) -> String {
    let part = |n: u8| {
        let mut hasher = DefaultHasher::new();
        (n, &of).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    };
    format!("2:00000000:{}", (0..4).map(part).collect::<String>())
}

/// An event, `seq` seconds after a fixed time.
pub(crate) fn event(seq: u64, kind: EventKind) -> Event {
    let at = jiff::Timestamp::from_second(1_800_000_000 + i64::try_from(seq).unwrap()).unwrap();
    Event { seq, at, kind }
}

/// Events numbered from 1, one second apart.
pub(crate) fn numbered(kinds: impl IntoIterator<Item = EventKind>) -> Vec<Event> {
    (1..).zip(kinds).map(|(seq, kind)| event(seq, kind)).collect()
}

pub(crate) fn run_started(run: u128, releases: &[&str]) -> EventKind {
    let planned =
        |name: &&str| PlannedRelease { release: key(name), action: HelmAction::Deploy, waits_for: Vec::new() };
    EventKind::RunStarted {
        run: run_id(run),
        stack: "shop".to_owned(),
        kind: RunKind::Apply,
        holder: Some(Holder {
            run: run_id(run),
            user: "anna".to_owned(),
            host: "laptop".to_owned(),
            pid: 7,
            process: None,
            ci_job: None,
        }),
        cluster: None,
        stack_file: None,
        concurrency: 2,
        releases: releases.iter().map(planned).collect(),
    }
}

pub(crate) fn step(name: &str, index: usize) -> EventKind {
    EventKind::StepStarted {
        release: key(name),
        phase: Phase::PreExec,
        index,
        description: format!("command: migrate {index}"),
        repeatable: false,
        digest: digest((name, "step", index)),
    }
}

pub(crate) fn step_ended(name: &str, index: usize, output: Value) -> EventKind {
    EventKind::StepFinished {
        release: key(name),
        phase: Phase::PreExec,
        index,
        error: None,
        output: Some([("out".to_owned(), output)].into()),
        elapsed_ms: 1_500,
    }
}

/// A release that is upgraded, with one step, up to the end.
pub(crate) fn release(name: &str, outcome: ReleaseOutcome, output: Value) -> Vec<EventKind> {
    let (release, phase) = (key(name), Phase::Exec);
    let helm = HelmCommand::Upgrade;
    let finished = |phase| EventKind::PhaseFinished {
        release: key(name),
        phase,
        ok: true,
        summary: String::new(),
        elapsed_ms: 2_000,
    };
    vec![
        EventKind::ReleaseStarted { release: release.clone(), action: HelmAction::Deploy },
        EventKind::PhaseStarted { release: release.clone(), phase: Phase::PreExec },
        step(name, 0),
        step_ended(name, 0, output),
        finished(Phase::PreExec),
        EventKind::PhaseStarted { release: release.clone(), phase },
        EventKind::HelmStarted {
            release: release.clone(),
            phase,
            command: helm,
            revision_before: 0,
            digest: digest((name, "helm")),
            timeout_ms: 60_000,
        },
        EventKind::HelmFinished { release: release.clone(), phase, command: helm, error: None, elapsed_ms: 1_900 },
        finished(phase),
        EventKind::ReleaseFinished { release, outcome, elapsed_ms: 4_000 },
    ]
}

pub(crate) fn done(name: &str) -> ReleaseOutcome {
    ReleaseOutcome::Done { summary: format!("upgraded {name} 6.9.0") }
}

pub(crate) fn failed() -> ReleaseOutcome {
    ReleaseOutcome::Failed(Failure {
        phase: Phase::Exec,
        step: None,
        error: vec!["helm failed".to_owned()],
        causes: Vec::new(),
        attempts: Vec::new(),
        on_deploy_failure_error: None,
        next: NextStep::RolledBack { to_revision: 2 },
    })
}

pub(crate) fn refused() -> ReleaseOutcome {
    let finding = Finding::new(pilothouse_core::Class::Unsafe, "X", "ConfigMap web/c", "nobody owns it");
    ReleaseOutcome::Refused { findings: vec![finding] }
}

pub(crate) fn run_finished(verdict: RunVerdict) -> EventKind {
    EventKind::RunFinished { verdict, elapsed_ms: 12_000 }
}

pub(crate) fn fold(events: &[Event]) -> RunProgress {
    let mut progress = RunProgress::begin(&events[0]).unwrap();
    for event in events {
        progress.see(event);
    }
    progress
}

/// A run of one release that is done, but for the end of the run.
pub(crate) fn events(run: u128) -> Vec<Event> {
    let mut kinds = vec![run_started(run, &["podinfo"])];
    kinds.extend(release("podinfo", done("podinfo"), json!("x")));
    numbered(kinds)
}

pub(crate) fn progress(run: u128) -> RunProgress {
    fold(&events(run))
}
