//! Which events are kept, and which of them stand around an effect.

use pilothouse_core::{EventKind, Note};

/// Whether an event is written into the journal. What only tells what is being waited for right now is not.
pub(crate) fn is_kept(kind: &EventKind) -> bool {
    match kind {
        EventKind::LockWaiting { .. } | EventKind::Said { note: Note::Doing, .. } => false,
        EventKind::Said { note: Note::Info | Note::Warning, .. }
        | EventKind::RunStarted { .. }
        | EventKind::LockTaken { .. }
        | EventKind::RunResumed { .. }
        | EventKind::RunStopping { .. }
        | EventKind::ReleaseStarted { .. }
        | EventKind::PhaseStarted { .. }
        | EventKind::StepStarted { .. }
        | EventKind::StepFinished { .. }
        | EventKind::StepSkipped { .. }
        | EventKind::Checked { .. }
        | EventKind::HelmStarted { .. }
        | EventKind::HelmFinished { .. }
        | EventKind::HealStarted { .. }
        | EventKind::HealFinished { .. }
        | EventKind::CauseFound { .. }
        | EventKind::DriftFound { .. }
        | EventKind::AdoptionStarted { .. }
        | EventKind::BackupStarted { .. }
        | EventKind::PointOfNoReturn { .. }
        | EventKind::Retrying { .. }
        | EventKind::PhaseFinished { .. }
        | EventKind::ReleaseFinished { .. }
        | EventKind::RunFinished { .. } => true,
    }
}

/// On which side of an effect an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// It is about to be done.
    Intent,
    /// It has ended.
    Outcome,
}

/// Whether an event is the intent or the outcome of an effect.
pub(crate) fn side(kind: &EventKind) -> Option<Side> {
    match kind {
        // How an adoption or a backup has ended is told by the step or phase that it is a part of.
        EventKind::StepStarted { .. }
        | EventKind::HelmStarted { .. }
        | EventKind::HealStarted { .. }
        | EventKind::AdoptionStarted { .. }
        | EventKind::BackupStarted { .. } => Some(Side::Intent),
        EventKind::StepFinished { .. } | EventKind::HelmFinished { .. } | EventKind::HealFinished { .. } => {
            Some(Side::Outcome)
        }
        EventKind::RunStarted { .. }
        | EventKind::LockWaiting { .. }
        | EventKind::LockTaken { .. }
        | EventKind::RunResumed { .. }
        | EventKind::RunStopping { .. }
        | EventKind::ReleaseStarted { .. }
        | EventKind::PhaseStarted { .. }
        | EventKind::StepSkipped { .. }
        | EventKind::PointOfNoReturn { .. }
        | EventKind::Retrying { .. }
        | EventKind::Checked { .. }
        | EventKind::Said { .. }
        | EventKind::CauseFound { .. }
        | EventKind::DriftFound { .. }
        | EventKind::PhaseFinished { .. }
        | EventKind::ReleaseFinished { .. }
        | EventKind::RunFinished { .. } => None,
    }
}
