//! What happens in a run. Every output is a projection of these.

use super::cause::Cause;
use super::holder::Holder;
use super::outcome::{ReleaseOutcome, RunVerdict, StopReason};
use super::progress::{HelmCommand, ReleaseProgress, RunKind};
use crate::ids::{ObjectRef, Phase, ReleaseKey, RunId};
use crate::kubernetes::AdoptionUndo;
use crate::release::{CheckReport, ClusterContext, Drift, HelmAction};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// What is being done or waited for right now; the next one replaces it.
    Doing,
    /// Worth keeping.
    Info,
    /// Worth a person's attention.
    Warning,
}

/// A release of a run, before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlannedRelease {
    /// The release.
    pub release: ReleaseKey,
    /// What is to be done.
    pub action: HelmAction,
    /// The releases of this run it waits for, in its action's direction: a release that is destroyed waits for those
    /// that need it.
    pub waits_for: Vec<ReleaseKey>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A run begins.
    RunStarted {
        /// The run.
        run: RunId,
        /// The stack's name.
        stack: String,
        /// What the run is for.
        kind: RunKind,
        /// Who runs it; `None` for a run that keeps no journal and takes no lock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<Holder>,
        /// The cluster it works on, and as whom, where the client was made from a kubeconfig.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cluster: Option<ClusterContext>,
        /// The stack file, absolute.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stack_file: Option<String>,
        /// How many releases are worked on at once, at most.
        concurrency: usize,
        /// The releases in the order of the stack.
        releases: Vec<PlannedRelease>,
    },
    /// Another run holds the stack's lock.
    LockWaiting {
        /// Who, as far as the lock tells.
        holder: Option<Holder>,
        /// Wall-clock milliseconds this run is going to wait, at most.
        timeout_ms: u64,
    },
    /// The stack's lock is this run's.
    LockTaken {
        /// Wall-clock milliseconds it took.
        waited_ms: u64,
        /// Why the holder before was taken for gone, when the lock was not free.
        taken_over: Option<String>,
    },
    /// This run goes on where an earlier one ended.
    RunResumed {
        /// The earlier run.
        from: RunId,
        /// What is known of its releases.
        releases: Vec<ReleaseProgress>,
    },
    /// Nothing new is begun any more.
    RunStopping {
        /// Why.
        reason: StopReason,
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
        /// Whether it may be run again when it is not known whether it has run.
        repeatable: bool,
        /// A digest of what it was given, under a key that is in no output: the same for the same, as long as the stack is.
        digest: String,
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
        /// What it put into the payload; `None` when that cannot be kept (it holds a secret, or is too large).
        output: Option<BTreeMap<String, Value>>,
        /// Wall-clock milliseconds.
        elapsed_ms: u64,
    },
    /// A check of a step has come to its end.
    Checked {
        /// The release.
        release: ReleaseKey,
        /// The phase.
        phase: Phase,
        /// What it has told.
        report: CheckReport,
        /// Set when it was made before the change, to be compared with: the digest of what the step
        /// was given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        baseline_of: Option<String>,
    },
    /// A step is not run, since an earlier run has done it with the same input.
    StepSkipped {
        /// The release.
        release: ReleaseKey,
        /// The phase.
        phase: Phase,
        /// Its place in the phase, from 0.
        index: usize,
        /// What it did.
        description: String,
    },
    /// Helm is about to change the release.
    HelmStarted {
        /// The release.
        release: ReleaseKey,
        /// The phase.
        phase: Phase,
        /// What it is asked to do.
        command: HelmCommand,
        /// The newest revision there is; 0 when there is none.
        revision_before: u32,
        /// A digest of what it is given (chart, values, options, its own major version), under a key that is in no output.
        digest: String,
        /// Wall-clock milliseconds it may take.
        timeout_ms: u64,
    },
    /// Helm has ended.
    HelmFinished {
        /// The release.
        release: ReleaseKey,
        /// The phase.
        phase: Phase,
        /// What it was asked to do.
        command: HelmCommand,
        /// Why it failed, if it did.
        error: Option<String>,
        /// Wall-clock milliseconds.
        elapsed_ms: u64,
    },
    /// What an interrupted run has left is about to be put in order.
    HealStarted {
        /// The release.
        release: ReleaseKey,
        /// What is done: "mark revision 3 failed".
        what: String,
        /// Why that is right.
        why: String,
    },
    /// It was put in order, or not.
    HealFinished {
        /// The release.
        release: ReleaseKey,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// Objects are about to be given to the release.
    AdoptionStarted {
        /// The release.
        release: ReleaseKey,
        /// The phase.
        phase: Phase,
        /// Which, and what takes it back, also when the run is killed half-way: of one that was not adopted, it changes nothing.
        undo: Vec<AdoptionUndo>,
    },
    /// What is going to be lost is about to be saved; what loses it comes after.
    BackupStarted {
        /// The release.
        release: ReleaseKey,
        /// The phase.
        phase: Phase,
        /// The file, on the machine of the run. It is whole only when the run went on.
        path: String,
        /// What is going to be lost. The file may hold more: what goes with it.
        objects: Vec<ObjectRef>,
    },
    /// What was done cannot be taken back from here on: what fails is left as it is.
    PointOfNoReturn {
        /// The release.
        release: ReleaseKey,
        /// The phase.
        phase: Phase,
        /// What is about to be done.
        what: String,
    },
    /// The deploy failed, and is tried again after a wait.
    Retrying {
        /// The release.
        release: ReleaseKey,
        /// The attempt that follows: 2 for the first retry.
        attempt: u32,
        /// How many attempts there are at most.
        of: u32,
        /// Wall-clock milliseconds of the wait.
        wait_ms: u64,
        /// The phase it goes on with.
        phase: Phase,
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
    /// It became known why something does not work, while it is waited for. Each cause is told once per release, and once
    /// more when it became certain.
    CauseFound {
        /// The release.
        release: ReleaseKey,
        /// The phase.
        phase: Phase,
        /// Why, redacted.
        cause: Cause,
    },
    /// Objects are not as they were deployed, and nothing else is to be done.
    DriftFound {
        /// The release.
        release: ReleaseKey,
        /// Which objects, and what was changed, redacted.
        drifts: Vec<Drift>,
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
