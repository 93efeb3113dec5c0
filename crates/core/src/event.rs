//! What happens in a run. Every output is a projection of these.

use crate::chart_info::HelmAction;
use crate::ids::{Phase, ReleaseKey, RunId};
use crate::outcome::{ReleaseOutcome, RunVerdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up from 1 within a run.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// A line with its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// What is being done or waited for right now; the next one replaces it.
    Doing,
    /// Worth keeping.
    Info,
    /// Worth a person's attention.
    Warning,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A run begins.
    RunStarted {
        /// The run.
        run: RunId,
        /// The stack's name.
        stack: String,
        /// The releases in the order they will run, with what is to be done.
        releases: Vec<(ReleaseKey, HelmAction)>,
    },
    /// A release begins.
    ReleaseStarted {
        /// The release.
        release: ReleaseKey,
        /// What is to be done.
        action: HelmAction,
    },
    /// A phase begins.
    PhaseStarted {
        /// The release.
        release: ReleaseKey,
        /// The phase.
        phase: Phase,
    },
    /// A step of a phase begins.
    StepStarted {
        /// The release.
        release: ReleaseKey,
        /// The phase.
        phase: Phase,
        /// Its place in the phase, from 0.
        index: usize,
        /// What it is going to do.
        description: String,
    },
    /// A step of a phase ended.
    StepFinished {
        /// The release.
        release: ReleaseKey,
        /// The phase.
        phase: Phase,
        /// Its place in the phase, from 0.
        index: usize,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// A line from inside a phase.
    Said {
        /// The release.
        release: ReleaseKey,
        /// The phase.
        phase: Phase,
        /// Its weight.
        note: Note,
        /// The line, redacted.
        text: String,
    },
    /// A phase ended.
    PhaseFinished {
        /// The release.
        release: ReleaseKey,
        /// The phase.
        phase: Phase,
        /// Whether it did what it is for.
        ok: bool,
        /// What it did or what went wrong, in one line; empty when there is nothing to say.
        summary: String,
        /// Wall-clock milliseconds.
        elapsed_ms: u64,
    },
    /// A release ended.
    ReleaseFinished {
        /// The release.
        release: ReleaseKey,
        /// How.
        outcome: ReleaseOutcome,
        /// Wall-clock milliseconds.
        elapsed_ms: u64,
    },
    /// The run ended.
    RunFinished {
        /// How.
        verdict: RunVerdict,
        /// Wall-clock milliseconds.
        elapsed_ms: u64,
    },
}
