//! The live line of the running phase, on a terminal.

use crate::report::console_width;
use crate::report::text::{duration, fit};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use pilothouse_core::{Event, EventKind, Note, Phase, ReleaseKey};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What runs right now. Pure: the time and the width are passed in.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Now {
    release: Option<ReleaseKey>,
    phase: Option<Phase>,
    step: Option<String>,
    doing: String,
    done: usize,
    total: usize,
}

impl Now {
    fn see(&mut self, event: &EventKind) {
        match event {
            EventKind::RunStarted { releases, .. } => {
                self.total = releases.len();
                "checking charts and values".clone_into(&mut self.doing);
            }
            EventKind::ReleaseStarted { release, .. } => self.release = Some(release.clone()),
            EventKind::PhaseStarted { phase, .. } => {
                self.phase = Some(*phase);
                self.step = None;
                self.doing.clear();
            }
            EventKind::StepStarted { description, .. } => {
                self.step = Some(description.clone());
                self.doing.clear();
            }
            EventKind::StepFinished { .. } => self.step = None,
            EventKind::Said { note: Note::Doing, text, .. } => self.doing.clone_from(text),
            EventKind::Said { .. }
            | EventKind::PhaseFinished { .. }
            | EventKind::LockWaiting { .. }
            | EventKind::LockTaken { .. }
            | EventKind::RunResumed { .. }
            | EventKind::RunStopping { .. }
            | EventKind::StepSkipped { .. }
            | EventKind::HelmStarted { .. }
            | EventKind::HelmFinished { .. }
            | EventKind::HealStarted { .. }
            | EventKind::HealFinished { .. } => {}
            EventKind::ReleaseFinished { .. } => {
                self.done += 1;
                self.release = None;
                self.phase = None;
            }
            EventKind::RunFinished { .. } => *self = Self::default(),
        }
    }

    /// The line, at most `width` columns wide; the time in the phase is passed in.
    fn line(&self, elapsed_ms: u64, width: usize) -> String {
        let mut parts = vec![format!("{}/{}", self.done, self.total)];
        parts.extend(self.release.as_ref().map(ToString::to_string));
        parts.extend(self.phase.map(|phase| phase.name().to_owned()));
        parts.push(duration(elapsed_ms));
        parts.extend(self.step.clone());
        if !self.doing.is_empty() {
            parts.push(self.doing.clone());
        }
        fit(&parts.join("  "), width)
    }
}

/// The live line on the terminal's standard error; draws nothing elsewhere.
pub(crate) struct Live {
    bar: ProgressBar,
    now: Arc<Mutex<Now>>,
}

/// Columns the spinner takes.
const SPINNER: usize = 2;

impl Live {
    pub(crate) fn new(visible: bool) -> Self {
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let now = Arc::new(Mutex::new(Now::default()));
        let drawn = now.clone();
        // The line is made anew at every tick, so that its clock goes on while nothing else happens.
        let line = move |state: &ProgressState, to: &mut dyn std::fmt::Write| {
            let elapsed = u64::try_from(state.elapsed().as_millis()).unwrap_or(u64::MAX);
            let now = drawn.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = to.write_str(&now.line(elapsed, console_width().saturating_sub(SPINNER)));
        };
        let style =
            ProgressStyle::with_template("{spinner} {line}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style.with_key("line", line));
        if visible {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self { bar, now }
    }

    /// Shows an event on the live line, and lines above it.
    pub(crate) fn show(&mut self, event: &Event, above: &[String], print: impl Fn(&str)) {
        if matches!(event.kind, EventKind::RunStarted { .. } | EventKind::PhaseStarted { .. }) {
            self.bar.reset_elapsed();
        }
        self.now.lock().unwrap_or_else(PoisonError::into_inner).see(&event.kind);
        if !above.is_empty() {
            self.bar.suspend(|| above.iter().for_each(|line| print(line)));
        }
        self.bar.tick();
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    fn waiting() -> Now {
        let release = ReleaseKey::new("monitoring", "kube-prometheus-stack");
        Now {
            release: Some(release),
            phase: Some(Phase::Validate),
            step: None,
            doing: "3 of 12 ready, waiting for Deployment monitoring/grafana: 0 of 1 available".to_owned(),
            done: 2,
            total: 5,
        }
    }

    #[test]
    fn widths() {
        let lines = [40, 80, 160].map(|width| waiting().line(12_300, width));
        for (line, width) in lines.iter().zip([40, 80, 160]) {
            assert!(line.width() <= width);
        }
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_new_phase_forgets_the_step_of_the_one_before() {
        let mut now = Now { step: Some("restart web".to_owned()), ..waiting() };
        now.see(&EventKind::PhaseStarted { release: ReleaseKey::new("a", "b"), phase: Phase::Validate });
        assert_eq!((now.step, now.doing.as_str()), (None, ""));
    }
}
