//! One line per change: what a run prints as it goes, on a terminal above the live line and in a pipe by itself.

use crate::printer::{BAD, FAINT, GOOD, STRONG, WARN, paint};
use crate::report::text::duration;
use pilothouse_core::{Event, EventKind, Note, Phase, ReleaseOutcome};

/// Turns events into lines. Keeps only what a later line needs of an earlier event.
#[derive(Default)]
pub(crate) struct Lines {
    /// Notes and steps of the running phase, shown below its own line when it ends.
    inside: Vec<String>,
}

/// The longest phase name, so that the columns stand.
const PHASE_WIDTH: usize = 19;

impl Lines {
    /// The lines an event adds.
    pub(crate) fn of(&mut self, event: &Event) -> Vec<String> {
        match &event.kind {
            EventKind::RunStarted { .. }
            | EventKind::RunFinished { .. }
            | EventKind::LockWaiting { .. }
            | EventKind::LockTaken { .. }
            | EventKind::RunResumed { .. }
            | EventKind::RunStopping { .. }
            | EventKind::StepSkipped { .. }
            | EventKind::HelmStarted { .. }
            | EventKind::HelmFinished { .. }
            | EventKind::HealStarted { .. }
            | EventKind::HealFinished { .. } => Vec::new(),
            EventKind::ReleaseStarted { release, action } => {
                vec![String::new(), format!("{} {action}", paint(STRONG, release))]
            }
            EventKind::PhaseStarted { .. } => {
                self.inside.clear();
                Vec::new()
            }
            EventKind::StepStarted { description, .. } => {
                self.inside.push(format!("      - {description}"));
                Vec::new()
            }
            EventKind::StepFinished { .. } => Vec::new(),
            EventKind::Said { note, text, .. } => {
                match note {
                    Note::Doing => {}
                    Note::Info => self.inside.push(format!("        {text}")),
                    Note::Warning => self.inside.push(format!("        {} {text}", paint(WARN, "warning:"))),
                }
                Vec::new()
            }
            EventKind::PhaseFinished { phase, ok, summary, elapsed_ms, .. } => {
                let mut lines = vec![phase_line(*phase, *ok, summary, *elapsed_ms)];
                lines.append(&mut self.inside);
                lines
            }
            EventKind::ReleaseFinished { outcome, .. } => match outcome {
                ReleaseOutcome::Skipped { reason } => vec![format!("  skipped: {reason}")],
                // The summary tells these, with all there is to say.
                ReleaseOutcome::Done { .. }
                | ReleaseOutcome::NotStarted { .. }
                | ReleaseOutcome::Refused { .. }
                | ReleaseOutcome::Failed(_)
                | ReleaseOutcome::Interrupted { .. } => Vec::new(),
            },
        }
    }
}

fn phase_line(phase: Phase, ok: bool, summary: &str, elapsed_ms: u64) -> String {
    let mark = match (phase, ok) {
        (Phase::OnDeployFailure, _) => paint(WARN, "done  "),
        (_, true) => paint(GOOD, "ok    "),
        (_, false) => paint(BAD, "failed"),
    };
    let first = summary.lines().next().unwrap_or_default();
    let line = format!("  {:<PHASE_WIDTH$} {mark} {:>9}", phase.name(), duration(elapsed_ms));
    if first.is_empty() { line } else { format!("{line}  {}", paint(FAINT, first)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::{HelmAction, ReleaseKey};

    fn shown(kinds: Vec<EventKind>) -> String {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for (i, kind) in kinds.into_iter().enumerate() {
            all.extend(lines.of(&Event { seq: i as u64 + 1, at: jiff::Timestamp::UNIX_EPOCH, kind }));
        }
        anstream::adapter::strip_str(&all.join("\n")).to_string()
    }

    #[test]
    fn a_release_that_fails_in_exec() {
        let release = ReleaseKey::new("web", "podinfo");
        let finished = |phase, ok, summary: &str, elapsed_ms| EventKind::PhaseFinished {
            release: release.clone(),
            phase,
            ok,
            summary: summary.to_owned(),
            elapsed_ms,
        };
        let said = |note, text: &str| EventKind::Said {
            release: release.clone(),
            phase: Phase::PreExec,
            note,
            text: text.to_owned(),
        };
        insta::assert_snapshot!(shown(vec![
            EventKind::ReleaseStarted { release: release.clone(), action: HelmAction::Deploy },
            EventKind::PhaseStarted { release: release.clone(), phase: Phase::CheckPrerequisites },
            finished(Phase::CheckPrerequisites, true, "", 310),
            EventKind::PhaseStarted { release: release.clone(), phase: Phase::PreExec },
            said(Note::Doing, "looking"),
            said(Note::Info, "adopted DaemonSet kube-system/aws-node"),
            said(Note::Warning, "something is odd"),
            finished(Phase::PreExec, true, "", 20),
            EventKind::PhaseStarted { release: release.clone(), phase: Phase::Exec },
            finished(Phase::Exec, false, "helm failed\nsecond line", 75_000),
            finished(Phase::OnDeployFailure, false, "rolled back to revision 3", 2_500),
        ]));
    }
}
