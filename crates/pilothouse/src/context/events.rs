//! Where a release's events go.

use crate::error::PhaseError;
use crate::span;
use pilothouse_core::{Cause, EventKind, Evidence, Failure, NextStep, Redactor, ReleaseOutcome, StopReason};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tracing::Instrument;

/// What a worker tells the one owner of the run.
#[derive(Debug)]
pub(crate) enum Message {
    /// This has happened.
    Happened(EventKind),
    /// This is about to be done. It must not begin before the answer has come: then it is written down, and nothing
    /// speaks against it.
    Ask { intent: EventKind, answer: oneshot::Sender<Result<(), StopReason>> },
}

/// Sends events to the one owner of the run, which numbers and stamps them. Text is redacted here, on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Emitter {
    to: UnboundedSender<Message>,
    redactor: Redactor,
}

impl Emitter {
    pub(crate) fn new(to: UnboundedSender<Message>, redactor: Redactor) -> Self {
        Self { to, redactor }
    }

    /// What replaces the secrets that are known.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Nobody listening any more is no error: the run is over.
    pub(crate) fn emit(&self, mut event: EventKind) {
        self.redact_event(&mut event);
        let _ = self.to.send(Message::Happened(event));
    }

    /// Asks whether what is intended may be done now. When this returns well, the intent is in the journal.
    ///
    /// # Errors
    /// [`PhaseError::Stopped`]: it must not be done.
    pub(crate) async fn ask(&self, mut intent: EventKind) -> Result<(), PhaseError> {
        self.redact_event(&mut intent);
        let (answer, answered) = oneshot::channel();
        if self.to.send(Message::Ask { intent, answer }).is_err() {
            return Err(PhaseError::Interrupted);
        }
        match answered.instrument(span::part("journal")).await {
            Ok(answer) => answer.map_err(PhaseError::Stopped),
            Err(_) => Err(PhaseError::Interrupted),
        }
    }

    fn redact_event(&self, event: &mut EventKind) {
        match event {
            EventKind::RunStarted { .. }
            | EventKind::LockWaiting { .. }
            | EventKind::LockTaken { .. }
            | EventKind::RunResumed { .. }
            | EventKind::RunStopping { .. }
            | EventKind::ReleaseStarted { .. }
            | EventKind::PhaseStarted { .. }
            | EventKind::HelmStarted { .. }
            // Names only, and what would not be as it was if it were masked.
            | EventKind::AdoptionStarted { .. }
            | EventKind::BackupStarted { .. }
            | EventKind::Retrying { .. }
            | EventKind::RunFinished { .. } => {}
            // What a step is told by may be a script.
            EventKind::StepStarted { description: text, .. }
            | EventKind::StepSkipped { description: text, .. }
            | EventKind::PointOfNoReturn { what: text, .. } => self.clean(text),
            EventKind::Said { text, .. }
            | EventKind::PhaseFinished { summary: text, .. } => self.redact(text),
            EventKind::HealStarted { what, why, .. } => [what, why].into_iter().for_each(|text| self.redact(text)),
            EventKind::StepFinished { error, .. }
            | EventKind::HelmFinished { error, .. }
            | EventKind::HealFinished { error, .. } => error.iter_mut().for_each(|text| self.redact(text)),
            EventKind::CauseFound { cause, .. } => self.redact_cause(cause),
            EventKind::DriftFound { drifts, .. } => {
                for drift in drifts {
                    self.redact(&mut drift.what);
                }
            }
            EventKind::Checked { report, .. } => {
                let Evidence { asked, got } = &mut report.evidence;
                [&mut report.check, &mut report.why]
                    .into_iter()
                    .chain(asked)
                    .chain(got)
                    .for_each(|text| self.redact(text));
            }
            EventKind::ReleaseFinished { outcome, .. } => self.redact_outcome(outcome),
        }
    }

    /// Redacts an outcome, which also leaves the run beside the events.
    pub(crate) fn redact_outcome(&self, outcome: &mut ReleaseOutcome) {
        match outcome {
            ReleaseOutcome::Done { summary: text }
            | ReleaseOutcome::Unchanged { why: text }
            | ReleaseOutcome::Skipped { reason: text }
            | ReleaseOutcome::NotStarted { reason: text, .. } => self.redact(text),
            ReleaseOutcome::Refused { findings } => {
                for finding in findings {
                    self.redact(&mut finding.subject);
                    self.redact(&mut finding.message);
                }
            }
            ReleaseOutcome::Failed(failure) => self.redact_failure(failure),
            ReleaseOutcome::Undone { next, .. } => self.redact_next(next),
            ReleaseOutcome::Interrupted { .. } => {}
        }
    }

    fn redact_failure(&self, failure: &mut Failure) {
        let Failure { phase: _, step, error, causes, attempts, on_deploy_failure_error, next } = failure;
        if let Some(text) = step {
            self.clean(text);
        }
        error.iter_mut().chain(attempts).chain(on_deploy_failure_error).for_each(|text| self.redact(text));
        for cause in causes {
            self.redact_cause(cause);
        }
        self.redact_next(next);
    }

    fn redact_next(&self, next: &mut NextStep) {
        match next {
            NextStep::Left { why: text } | NextStep::RemediationFailed { error: text, .. } => self.redact(text),
            NextStep::RolledBack { .. } | NextStep::Uninstalled => {}
        }
    }

    /// Redacts every text of a cause.
    pub(crate) fn redact_cause(&self, cause: &mut Cause) {
        let Cause { code: _, class: _, certainty: _, object: _, status, why, root, evidence, next } = cause;
        let message = status.as_mut().map(|status| &mut status.message);
        message.into_iter().chain([why, root]).chain(evidence).chain(next).for_each(|text| self.redact(text));
    }

    fn clean(&self, text: &mut String) {
        *text = self.redactor.clean(text).into_string();
    }

    fn redact(&self, text: &mut String) {
        *text = self.redactor.redact(text);
    }
}

/// A duration as events have it, in milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::{Class, Finding, Note, Phase, ReleaseKey};
    use tokio::sync::mpsc::unbounded_channel;

    #[test]
    fn no_event_carries_a_secret() {
        let (to, mut events) = unbounded_channel();
        let release = ReleaseKey::new("a", "b");
        let emitter = Emitter::new(to, Redactor::new(["hunter22"]));
        let secret = || "it is hunter22".to_owned();
        let failure = Failure {
            phase: Phase::Exec,
            step: Some(secret()),
            error: vec![secret()],
            causes: Vec::new(),
            attempts: vec![secret()],
            on_deploy_failure_error: Some(secret()),
            next: NextStep::Left { why: secret() },
        };
        let finding = Finding::new(Class::BadInput, "X", secret(), secret());
        let outcomes = [
            ReleaseOutcome::Done { summary: secret() },
            ReleaseOutcome::Refused { findings: vec![finding] },
            ReleaseOutcome::Failed(failure),
        ];
        for outcome in outcomes {
            emitter.emit(EventKind::ReleaseFinished { release: release.clone(), outcome, elapsed_ms: 0 });
        }
        let said = |text| EventKind::Said { release: release.clone(), phase: Phase::Exec, note: Note::Info, text };
        emitter.emit(said(secret()));
        let phase = Phase::PreExec;
        emitter.emit(EventKind::StepStarted {
            release: release.clone(),
            phase,
            index: 0,
            description: secret(),
            repeatable: true,
            digest: String::new(),
        });
        emitter.emit(EventKind::StepFinished {
            release,
            phase,
            index: 0,
            error: Some(secret()),
            output: None,
            elapsed_ms: 0,
        });
        drop(emitter);
        let mut seen = 0;
        while let Ok(Message::Happened(event)) = events.try_recv() {
            let text = serde_json::to_string(&event).unwrap();
            assert!(text.contains("it is ***") && !text.contains("hunter22"), "{text}");
            seen += 1;
        }
        assert_eq!(seen, 6);
    }
}
