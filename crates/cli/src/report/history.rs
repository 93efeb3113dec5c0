//! Past runs: the list of them, and one in detail.

use crate::report::causes::{self, one_line};
use crate::report::outcome::{details, indented};
use crate::report::undo_commands::undo_commands;
use crate::terminal::printer::{BAD, FAINT, GOOD, STRONG, WARN, paint};
use crate::terminal::text::{duration, next_attempt};
use anstyle::Style;
use jiff::Timestamp;
use pilothouse::state::{RunDetails, RunSummary};
use pilothouse_core::{
    Ended, Event, EventKind, Note, PhaseProgress, ReleaseKey, ReleaseOutcome, ReleaseProgress, ReleaseWay, RunVerdict,
};

/// The lines about all runs of a stack, newest first.
pub(crate) fn runs(stack: &str, runs: &[RunSummary]) -> Vec<String> {
    if runs.is_empty() {
        return vec![paint(FAINT, format!("no run of {stack} is known"))];
    }
    let width = |text: fn(&RunSummary) -> String| runs.iter().map(|run| text(run).chars().count()).max().unwrap_or(0);
    let kinds = width(|run| run.kind.to_string());
    let ends = width(|run| ended(run.verdict).1.to_owned());
    let times = width(|run| duration(run.elapsed_ms));
    let mut lines = Vec::new();
    for run in runs {
        let (style, end) = ended(run.verdict);
        lines.push(format!(
            "{}  {:kinds$}  {}  {:>times$}  {}  run {}",
            moment(run.started_at),
            run.kind.to_string(),
            paint(style, format!("{end:ends$}")),
            duration(run.elapsed_ms),
            who(run),
            paint(STRONG, run.run.short()),
        ));
        let counts: Vec<String> = run.counts.iter().map(|(way, count)| format!("{count} {}", word(*way).1)).collect();
        let mut facts = Vec::new();
        if !counts.is_empty() {
            facts.push(counts.join(", "));
        }
        facts.extend(run.resumes.map(|from| format!("continued run {}", from.short())));
        facts.extend(run.ci_job.clone());
        if !facts.is_empty() {
            lines.push(format!("    {}", facts.join("; ")));
        }
        lines.extend(run.changed.iter().map(|change| format!("    {change}")));
    }
    lines
}

/// The lines about one run: its releases with their phases, steps and what helm was asked to do.
pub(crate) fn run(run: &RunDetails) -> Vec<String> {
    let progress = &run.progress;
    let (style, end) = ended(progress.verdict);
    let summary = RunSummary::of(progress);
    let mut lines = vec![
        format!("{} {} of {}", paint(STRONG, format!("run {}", progress.run)), progress.kind, progress.stack),
        format!("  begun  {}", moment(progress.started_at)),
        format!("  ended  {} after {}", paint(style, end), duration(summary.elapsed_ms)),
    ];
    lines.extend(progress.holder.as_ref().map(|holder| format!("  by     {holder}")));
    lines.extend(progress.resumes.map(|from| format!("  continued run {}", from.short())));
    lines.extend(progress.stopped.as_ref().map(|reason| format!("  {} {reason}", paint(WARN, "stopped early:"))));
    lines.push(match &run.journal {
        Some(path) => format!("  journal {}", path.display()),
        None => "  as the cluster knows it; its journal is not on this machine".to_owned(),
    });
    if run.torn {
        lines.push(format!("  {} the journal's last line is not whole and was left out", paint(WARN, "warning:")));
    }
    for release in &progress.releases {
        lines.push(String::new());
        lines.extend(of_release(run, release));
    }
    lines
}

fn of_release(run: &RunDetails, release: &ReleaseProgress) -> Vec<String> {
    let name = paint(STRONG, &release.release);
    let mut lines = vec![match &release.ending {
        Some(ending) => {
            let (style, word) = word(ending.way);
            let summary =
                if ending.summary.is_empty() { String::new() } else { format!("  {}", first_line(&ending.summary)) };
            format!("{name}  {}{summary}  {}", paint(style, word), paint(FAINT, duration(ending.elapsed_ms)))
        }
        None if release.phases.is_empty() => format!("{name}  {}", paint(FAINT, "not begun")),
        None => format!("{name}  {}", paint(BAD, "its end is not known")),
    }];
    if release.run != run.progress.run {
        lines.push(format!("  as run {} has left it", release.run.short()));
    }
    for phase in &release.phases {
        lines.push(format!("  {:20} {}", phase.phase.name(), outcome(phase.ended)));
        lines.extend(of_phase(run, phase));
    }
    for event in run.events.iter().filter(|event| is_about(event, &release.release)) {
        lines.extend(note(event));
    }
    if !release.adopted.is_empty() {
        lines.push("  objects were adopted, or were about to be; these commands take it back:".to_owned());
        lines.extend(undo_commands(&release.adopted).into_iter().map(|command| format!("    {command}")));
    }
    if !release.backups.is_empty() {
        lines.push("  what was lost was saved before, or was about to be, on the machine of the run:".to_owned());
        lines.extend(release.backups.iter().map(|path| format!("    {path}")));
    }
    lines
}

/// The steps of a phase and helm's runs, by the time they began.
fn of_phase(run: &RunDetails, phase: &PhaseProgress) -> Vec<String> {
    let begun = run.progress.started_at;
    let earlier = |at: Timestamp| if at < begun { paint(FAINT, "  in an earlier run") } else { String::new() };
    let steps = phase.steps.iter().map(|step| {
        let number = step.index + 1;
        let line = format!("step {number}: {}  {}", first_line(&step.description), outcome(step.ended));
        (step.started_at, line)
    });
    let helm = phase.helm.iter().map(|helm| {
        let from = match helm.revision_before {
            0 => "with no revision before".to_owned(),
            revision => format!("on revision {revision}"),
        };
        (helm.started_at, format!("helm {} {from}  {}", helm.command, outcome(helm.ended)))
    });
    let mut all: Vec<(Timestamp, String)> = steps.chain(helm).collect();
    // Stable: what began at the same time stays in its order.
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(at, line)| format!("    {line}{}", earlier(at))).collect()
}

/// What is worth telling of an event beside the phases.
fn note(event: &Event) -> Vec<String> {
    let at = paint(FAINT, moment(event.at));
    let line = |text: String| indented(&format!("  {at} "), &text, "      ");
    match &event.kind {
        EventKind::Said { note: Note::Warning, text, .. } => line(format!("{} {text}", paint(WARN, "warning:"))),
        EventKind::Said { note: Note::Info, text, .. } => line(text.clone()),
        EventKind::DriftFound { drifts, .. } => drifts
            .iter()
            .flat_map(|drift| line(format!("{} {}: {}", paint(WARN, "drift:"), drift.object, drift.what)))
            .collect(),
        EventKind::CauseFound { cause, .. } => line(format!("{} {}", paint(BAD, "cause:"), one_line(cause))),
        EventKind::StepFinished { index, error: Some(error), .. } => {
            line(format!("{} {error}", paint(BAD, format!("step {} failed:", index + 1))))
        }
        EventKind::HelmFinished { command, error: Some(error), .. } => {
            line(format!("{} {error}", paint(BAD, format!("helm {command} failed:"))))
        }
        EventKind::HealStarted { what, why, .. } => line(format!("{what}: {why}")),
        EventKind::HealFinished { error: Some(error), .. } => line(format!("{} {error}", paint(BAD, "that failed:"))),
        EventKind::PointOfNoReturn { what, .. } => line(format!("point of no return: {what}")),
        EventKind::Retrying { attempt, of, wait_ms, .. } => line(next_attempt(*attempt, *of, *wait_ms)),
        EventKind::ReleaseFinished { release, outcome, .. } => match outcome {
            ReleaseOutcome::Failed(_) | ReleaseOutcome::Undone { .. } | ReleaseOutcome::Refused { .. } => {
                with_causes(release, outcome)
                    .into_iter()
                    .filter(|line| !line.is_empty())
                    .map(|line| format!("  {line}"))
                    .collect()
            }
            ReleaseOutcome::Done { .. }
            | ReleaseOutcome::Unchanged { .. }
            | ReleaseOutcome::Skipped { .. }
            | ReleaseOutcome::Interrupted { .. }
            | ReleaseOutcome::NotStarted { .. } => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// How a release ended, with the causes of a failure.
fn with_causes(release: &ReleaseKey, outcome: &ReleaseOutcome) -> Vec<String> {
    let causes = match outcome {
        ReleaseOutcome::Failed(failure) => {
            failure.causes.iter().map(|cause| (release.clone(), cause.clone())).collect()
        }
        _ => Vec::new(),
    };
    let told = causes::told(causes);
    let mut lines = details(release, outcome, &told);
    lines.extend(causes::paragraphs(&told, None, false));
    lines
}

fn is_about(event: &Event, key: &ReleaseKey) -> bool {
    match &event.kind {
        EventKind::Said { release, .. }
        | EventKind::StepFinished { release, .. }
        | EventKind::HelmFinished { release, .. }
        | EventKind::HealStarted { release, .. }
        | EventKind::HealFinished { release, .. }
        | EventKind::CauseFound { release, .. }
        | EventKind::DriftFound { release, .. }
        | EventKind::PointOfNoReturn { release, .. }
        | EventKind::Retrying { release, .. }
        | EventKind::ReleaseFinished { release, .. } => release == key,
        _ => false,
    }
}

fn outcome(ended: Option<Ended>) -> String {
    match ended {
        Some(Ended { ok: true, elapsed_ms }) => format!("{} {}", paint(GOOD, "ok"), duration(elapsed_ms)),
        Some(Ended { ok: false, elapsed_ms }) => format!("{} {}", paint(BAD, "failed"), duration(elapsed_ms)),
        None => paint(WARN, "its end is not known"),
    }
}

fn ended(verdict: Option<RunVerdict>) -> (Style, &'static str) {
    match verdict {
        Some(RunVerdict::Done) => (GOOD, "done"),
        Some(RunVerdict::Failed) => (BAD, "failed"),
        Some(RunVerdict::BadInput) => (BAD, "bad input"),
        Some(RunVerdict::Refused) => (BAD, "refused"),
        Some(RunVerdict::Interrupted) => (WARN, "interrupted"),
        None => (WARN, "killed or still running"),
    }
}

fn word(way: ReleaseWay) -> (Style, &'static str) {
    match way {
        ReleaseWay::Done => (GOOD, "done"),
        ReleaseWay::Unchanged => (FAINT, "unchanged"),
        ReleaseWay::Skipped => (FAINT, "skipped"),
        ReleaseWay::Refused => (BAD, "refused"),
        ReleaseWay::Failed => (BAD, "failed"),
        ReleaseWay::Undone => (BAD, "undone"),
        ReleaseWay::Interrupted => (WARN, "interrupted"),
        ReleaseWay::NotStarted => (FAINT, "not started"),
    }
}

fn who(run: &RunSummary) -> String {
    match (&run.user, &run.host) {
        (Some(user), Some(host)) => format!("{user}@{host}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => "somebody".to_owned(),
    }
}

/// A moment, to the second, in UTC.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::adoption_undo;
    use pilothouse_core::{
        Failure, HelmAction, HelmCommand, Holder, NextStep, ObjectRef, Phase, PlannedRelease, RunId, RunKind,
        RunProgress, StopReason,
    };
    use std::path::PathBuf;
    use uuid::Uuid;

    fn shown(lines: &[String]) -> String {
        anstream::adapter::strip_str(&lines.join("\n")).to_string()
    }

    fn run_id(n: u128) -> RunId {
        RunId(Uuid::from_u128(n))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_262_403 + second).unwrap()
    }

    fn summary(n: u128, verdict: Option<RunVerdict>) -> RunSummary {
        RunSummary {
            run: run_id(n),
            kind: RunKind::Apply,
            user: Some("anna".to_owned()),
            host: Some("laptop".to_owned()),
            ci_job: None,
            started_at: at(i64::try_from(n).unwrap() * 3600),
            elapsed_ms: 12_000,
            verdict,
            resumes: None,
            counts: [(ReleaseWay::Done, 2)].into(),
            changed: vec!["web/podinfo upgraded podinfo 6.9.0".to_owned(), "web/db installed db 1.2.3".to_owned()],
        }
    }

    #[test]
    fn the_list() {
        let all = [
            RunSummary { kind: RunKind::Validate, user: None, host: None, ..summary(5, None) },
            RunSummary {
                resumes: Some(run_id(3)),
                ci_job: Some("https://ci.example.com/job/7".to_owned()),
                counts: [(ReleaseWay::Done, 1), (ReleaseWay::Undone, 1), (ReleaseWay::NotStarted, 3)].into(),
                elapsed_ms: 185_000,
                ..summary(4, Some(RunVerdict::Failed))
            },
            RunSummary { counts: [].into(), changed: vec![], ..summary(3, Some(RunVerdict::Interrupted)) },
            RunSummary { kind: RunKind::Destroy, ..summary(1, Some(RunVerdict::Done)) },
        ];
        insta::assert_snapshot!(shown(&runs("shop", &all)));
        assert_eq!(shown(&runs("shop", &[])), "no run of shop is known");
    }

    fn fold(kinds: Vec<EventKind>, since: i64) -> (RunProgress, Vec<Event>) {
        let events: Vec<Event> = (1..)
            .zip(kinds)
            .map(|(seq, kind)| Event { seq, at: at(since + i64::try_from(seq).unwrap()), kind })
            .collect();
        let mut progress = RunProgress::begin(&events[0]).unwrap();
        for event in &events {
            progress.see(event);
        }
        (progress, events)
    }

    fn begin(run: u128) -> EventKind {
        let key = |name: &str| ReleaseKey::new("web", name);
        let planned =
            |name: &str| PlannedRelease { release: key(name), action: HelmAction::Deploy, waits_for: Vec::new() };
        EventKind::RunStarted {
            run: run_id(run),
            stack: "shop".to_owned(),
            kind: RunKind::Apply,
            holder: Some(Holder {
                run: run_id(run),
                user: "anna".to_owned(),
                host: "laptop".to_owned(),
                pid: 4711,
                process: None,
                ci_job: None,
            }),
            cluster: None,
            stack_file: None,
            concurrency: 2,
            releases: ["a", "b", "c"].map(planned).to_vec(),
        }
    }

    fn a_step(name: &str, index: usize, error: Option<&str>) -> [EventKind; 2] {
        let (release, phase) = (ReleaseKey::new("web", name), Phase::PreExec);
        let description = format!("command: migrate --part {index}");
        let (repeatable, digest) = (false, "00".to_owned());
        let started =
            EventKind::StepStarted { release: release.clone(), phase, index, description, repeatable, digest };
        let error = error.map(str::to_owned);
        [started, EventKind::StepFinished { release, phase, index, error, output: None, elapsed_ms: 1_500 }]
    }

    fn helm(name: &str, error: Option<&str>) -> [EventKind; 2] {
        let (release, phase, command) = (ReleaseKey::new("web", name), Phase::Exec, HelmCommand::Upgrade);
        let started = EventKind::HelmStarted {
            release: release.clone(),
            phase,
            command,
            revision_before: 3,
            digest: "00".to_owned(),
            timeout_ms: 1,
        };
        let error = error.map(str::to_owned);
        [started, EventKind::HelmFinished { release, phase, command, error, elapsed_ms: 61_000 }]
    }

    fn phase(
        name: &str,
        phase: Phase,
        ok: Option<bool>,
        inside: impl IntoIterator<Item = EventKind>,
    ) -> Vec<EventKind> {
        let release = ReleaseKey::new("web", name);
        let mut kinds = vec![EventKind::PhaseStarted { release: release.clone(), phase }];
        kinds.extend(inside);
        kinds.extend(ok.map(|ok| EventKind::PhaseFinished {
            release,
            phase,
            ok,
            summary: String::new(),
            elapsed_ms: 62_000,
        }));
        kinds
    }

    /// A run that continued one that was killed, and was killed itself: one release done, one failed, one in helm.
    #[test]
    fn a_run_in_detail() {
        let key = |name: &str| ReleaseKey::new("web", name);
        let start = |name: &str| EventKind::ReleaseStarted { release: key(name), action: HelmAction::Deploy };
        let mut kinds = vec![begin(1), start("c")];
        kinds.extend(phase("c", Phase::PreExec, Some(true), a_step("c", 0, None)));
        let (earlier, _) = fold(kinds, -1000);

        let mut kinds = vec![
            begin(2),
            EventKind::RunResumed { from: run_id(1), releases: earlier.releases },
            start("a"),
            EventKind::HealStarted {
                release: key("a"),
                what: "mark revision 3 failed".to_owned(),
                why: "the run that began it is gone".to_owned(),
            },
        ];
        kinds.extend(phase("a", Phase::PreExec, Some(true), a_step("a", 0, None)));
        kinds.extend(phase("a", Phase::Exec, Some(true), helm("a", None)));
        let done = ReleaseOutcome::Done { summary: "upgraded podinfo 6.9.0".to_owned() };
        kinds.push(EventKind::ReleaseFinished { release: key("a"), outcome: done, elapsed_ms: 62_100 });
        kinds.push(start("b"));
        kinds.extend(phase("b", Phase::PreExec, Some(false), a_step("b", 1, Some("exit code 1:\nno such table"))));
        let failure = Failure {
            phase: Phase::PreExec,
            step: Some("command: migrate --part 1".to_owned()),
            error: vec!["step failed: command: migrate --part 1".to_owned(), "exit code 1".to_owned()],
            causes: vec![],
            attempts: vec![],
            on_deploy_failure_error: None,
            next: NextStep::Left { why: "helm has not run".to_owned() },
        };
        let outcome = ReleaseOutcome::Failed(failure);
        kinds.push(EventKind::ReleaseFinished { release: key("b"), outcome, elapsed_ms: 2_000 });
        kinds.push(start("c"));
        kinds.extend(phase("c", Phase::PreExec, Some(true), []));
        kinds.extend(phase("c", Phase::Exec, None, helm("c", None).into_iter().take(1)));
        kinds.push(EventKind::Said {
            release: key("c"),
            phase: Phase::Exec,
            note: Note::Warning,
            text: "the chart is deprecated".to_owned(),
        });
        let (progress, events) = fold(kinds, 0);
        let journal = Some(PathBuf::from("/state/runs/8f0c/shop/run.jsonl"));
        insta::assert_snapshot!(shown(&run(&RunDetails { progress, events, torn: true, journal })));
    }

    /// Killed while it adopted: what was about to be adopted is told with how to take it back.
    #[test]
    fn a_run_that_has_adopted() {
        let release = ReleaseKey::new("web", "a");
        let start = EventKind::ReleaseStarted { release: release.clone(), action: HelmAction::Deploy };
        let mut kinds = vec![begin(1), start];
        let [started, _] = a_step("a", 0, None);
        let adopting = EventKind::AdoptionStarted { release, phase: Phase::PreExec, undo: vec![adoption_undo()] };
        kinds.extend(phase("a", Phase::PreExec, None, [started, adopting]));
        let (progress, events) = fold(kinds, 0);
        let told = run(&RunDetails { progress, events, torn: false, journal: None });
        let expected = [
            "  objects were adopted, or were about to be; these commands take it back:",
            "    kubectl patch --namespace web configmap/podinfo --type merge --patch \
             '{\"metadata\":{\"annotations\":{\"meta.helm.sh/release-name\":null,\"meta.helm.sh/release-namespace\":null},\
             \"labels\":{\"app.kubernetes.io/managed-by\":\"it'\\''s ours\"}}}'",
        ];
        let shown = shown(&told);
        let lines: Vec<&str> =
            shown.lines().filter(|line| line.contains("take it back") || line.contains("--namespace web")).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_run_that_has_saved_what_was_lost() {
        let release = ReleaseKey::new("web", "a");
        let start = EventKind::ReleaseStarted { release: release.clone(), action: HelmAction::Deploy };
        let mut kinds = vec![begin(1), start];
        let objects = vec![ObjectRef::parse("pvc/web/data").unwrap()];
        let path = "/state/backups/web.json".to_owned();
        let saving = EventKind::BackupStarted { release, phase: Phase::Exec, path, objects };
        kinds.extend(phase("a", Phase::Exec, None, [saving]));
        let (progress, events) = fold(kinds, 0);
        let shown = shown(&run(&RunDetails { progress, events, torn: false, journal: None }));
        let expected = "  what was lost was saved before, or was about to be, on the machine of the run:\n    \
                        /state/backups/web.json";
        assert!(shown.contains(expected), "{shown}");
    }

    /// From the cluster: no events, and texts that were left out for want of room.
    #[test]
    fn a_run_that_only_the_cluster_knows() {
        let key = |name: &str| ReleaseKey::new("web", name);
        let mut kinds = vec![begin(1), EventKind::ReleaseStarted { release: key("a"), action: HelmAction::Deploy }];
        kinds.extend(phase("a", Phase::Exec, Some(true), helm("a", None)));
        let done = ReleaseOutcome::Done { summary: String::new() };
        kinds.push(EventKind::ReleaseFinished { release: key("a"), outcome: done, elapsed_ms: 62_100 });
        kinds.push(EventKind::RunStopping { reason: StopReason::User });
        kinds.push(EventKind::RunFinished { verdict: RunVerdict::Interrupted, elapsed_ms: 70_000 });
        let (progress, _) = fold(kinds, 0);
        insta::assert_snapshot!(shown(&run(&RunDetails { progress, events: vec![], torn: false, journal: None })));
    }
}
