//! A run in a few lines.

use pilothouse_core::{ReleaseProgress, ReleaseWay, RunId, RunKind, RunProgress, RunVerdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many changes a summary names.
const CHANGES: usize = 10;
/// How many characters a change may have.
const CHANGE_LENGTH: usize = 160;

/// A run in a few lines: who, when, what changed, how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// What it was for.
    pub kind: RunKind,
    /// The user's name, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The machine's name, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The address of the CI job, if it ran in one that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci_job: Option<String>,
    /// When it began.
    pub started_at: jiff::Timestamp,
    /// Wall-clock milliseconds from its first to its last known event.
    pub elapsed_ms: u64,
    /// How it ended; `None` while it runs, or when it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<RunVerdict>,
    /// The run it continued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<RunId>,
    /// How its releases ended: those it has begun or decided about, not those an earlier run has left.
    pub counts: BTreeMap<ReleaseWay, usize>,
    /// The releases that helm has changed, or may have, in one line each: `web/podinfo upgraded podinfo 6.9.0`. When
    /// there are many, the last line counts the others.
    pub changed: Vec<String>,
}

impl RunSummary {
    /// The summary of a run as far as it has come.
    pub fn of(progress: &RunProgress) -> Self {
        let own = || progress.releases.iter().filter(|release| release.run == progress.run);
        let mut counts = BTreeMap::new();
        for ending in own().filter_map(|release| release.ending.as_ref()) {
            *counts.entry(ending.way).or_default() += 1;
        }
        let all: Vec<String> = own().filter_map(|release| change(progress, release)).collect();
        let mut changed: Vec<String> = all.iter().take(CHANGES).cloned().collect();
        if all.len() > CHANGES {
            changed.push(format!("and {} more", all.len() - CHANGES));
        }
        let elapsed = progress.seen_at.duration_since(progress.started_at).as_millis();
        let holder = progress.holder.as_ref();
        Self {
            run: progress.run,
            kind: progress.kind,
            user: holder.map(|holder| holder.user.clone()),
            host: holder.map(|holder| holder.host.clone()),
            ci_job: holder.and_then(|holder| holder.ci_job.clone()),
            started_at: progress.started_at,
            // A clock that was set back makes no negative time.
            elapsed_ms: u64::try_from(elapsed).unwrap_or_default(),
            verdict: progress.verdict,
            resumes: progress.resumes,
            counts,
            changed,
        }
    }
}

/// What a run did to a release by helm, if anything.
fn change(progress: &RunProgress, release: &ReleaseProgress) -> Option<String> {
    let mut helm = release.phases.iter().flat_map(|phase| &phase.helm);
    // What an earlier run has done is part of the release's progress, but not of this run.
    let last = helm.rfind(|helm| helm.run == progress.run)?;
    let text = match (&release.ending, last.ended) {
        (Some(ending), _) => match ending.way {
            ReleaseWay::Done => format!("{} {}", release.release, ending.summary),
            ReleaseWay::Failed => format!("{} failed {}", release.release, ending.summary),
            ReleaseWay::Undone => format!("{} undone, failed {}", release.release, ending.summary),
            ReleaseWay::Interrupted => format!("{} interrupted {}", release.release, ending.summary),
            ReleaseWay::Unchanged | ReleaseWay::Skipped | ReleaseWay::Refused | ReleaseWay::NotStarted => {
                format!("{} helm {}, {}", release.release, last.command, ending.summary)
            }
        },
        (None, Some(ended)) => {
            let how = if ended.ok { "done" } else { "failed" };
            format!("{} helm {} {how}, the release not ended", release.release, last.command)
        }
        (None, None) => format!("{} helm {} begun", release.release, last.command),
    };
    Some(shortened(&text))
}

/// The first line of a text, cut where it is too long.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= CHANGE_LENGTH {
        return line.to_owned();
    }
    line.chars().take(CHANGE_LENGTH - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples;
    use pilothouse_core::{EventKind, ReleaseOutcome};
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn a_run_with_all_kinds_of_ends() {
        let mut kinds = vec![samples::run_started(7, &["a", "b", "c", "d", "e", "f"])];
        kinds.extend(samples::release("a", samples::done("a"), json!(1)));
        kinds.extend(samples::release("b", samples::failed(), json!(1)));
        kinds.push(EventKind::ReleaseFinished {
            release: samples::key("c"),
            outcome: samples::refused(),
            elapsed_ms: 1,
        });
        // Killed in helm.
        kinds.extend(samples::release("d", samples::done("d"), json!(1)).into_iter().take(7));
        // Nothing to do for helm.
        let idle = samples::release("e", ReleaseOutcome::Done { summary: "nothing to do".to_owned() }, json!(1));
        kinds.extend(
            idle.into_iter()
                .filter(|kind| !matches!(kind, EventKind::HelmStarted { .. } | EventKind::HelmFinished { .. })),
        );
        let progress = samples::fold(&samples::numbered(kinds));
        let expected = RunSummary {
            run: samples::run_id(7),
            kind: RunKind::Apply,
            user: Some("anna".to_owned()),
            host: Some("laptop".to_owned()),
            ci_job: None,
            started_at: progress.started_at,
            elapsed_ms: 36_000,
            verdict: None,
            resumes: None,
            counts: [(ReleaseWay::Done, 2), (ReleaseWay::Undone, 1), (ReleaseWay::Refused, 1)].into(),
            changed: [
                "web/a upgraded a 6.9.0",
                "web/b undone, failed in exec: helm failed",
                "web/d helm upgrade begun",
            ]
            .map(str::to_owned)
            .to_vec(),
        };
        assert_eq!(RunSummary::of(&progress), expected);
    }

    /// Also when the clock was set back between the two.
    #[rstest]
    #[case(1000)]
    #[case(0)]
    fn what_an_earlier_run_did_is_not_told_again(#[case] after: u64) {
        let earlier = samples::progress(1);
        let kinds = [
            samples::run_started(2, &["podinfo"]),
            EventKind::RunResumed { from: samples::run_id(1), releases: earlier.releases },
        ];
        let later = |(seq, kind): (u64, EventKind)| samples::event(after + seq, kind);
        let mut events: Vec<_> = (0..).zip(kinds).map(later).collect();
        let untouched = RunSummary::of(&samples::fold(&events));
        assert_eq!(
            (untouched.resumes, untouched.counts, untouched.changed),
            (Some(samples::run_id(1)), [].into(), vec![])
        );
        // Begun again, with nothing left for helm to do.
        let release = samples::key("podinfo");
        let started =
            EventKind::ReleaseStarted { release: release.clone(), action: pilothouse_core::HelmAction::Deploy };
        let ended = EventKind::ReleaseFinished { release, outcome: samples::done("podinfo"), elapsed_ms: 1 };
        events.extend([later((2, started)), later((3, ended))]);
        let begun = RunSummary::of(&samples::fold(&events));
        assert_eq!((begun.counts, begun.changed), ([(ReleaseWay::Done, 1)].into(), vec![]));
    }

    #[test]
    fn many_and_long_changes_are_counted_and_cut() {
        let names: Vec<String> = (0..13).map(|n| format!("r{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut kinds = vec![samples::run_started(1, &names)];
        for name in &names {
            let outcome = ReleaseOutcome::Done { summary: format!("{}\nsecond line", "ä".repeat(500)) };
            kinds.extend(samples::release(name, outcome, json!(1)));
        }
        let changed = RunSummary::of(&samples::fold(&samples::numbered(kinds))).changed;
        assert_eq!(changed.len(), 11);
        assert_eq!(changed[10], "and 3 more");
        assert_eq!(changed[0], format!("web/r0 {}…", "ä".repeat(152)));
    }
}
