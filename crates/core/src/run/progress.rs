//! How far a run has come: what its events add up to, and what the next run continues from.

use super::holder::Holder;
use super::outcome::{RunVerdict, StopReason};
use crate::ids::{Phase, ReleaseKey, RunId};
use crate::kubernetes::AdoptionUndo;
use crate::release::{CheckVerdict, ClusterContext, HelmAction};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A run, as its events tell it. [`RunProgress::see`] is a fold: the same events give the same progress, wherever they
/// are read from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunProgress {
    /// The run.
    pub run: RunId,
    /// The stack's name.
    pub stack: String,
    /// What the run is for.
    pub kind: RunKind,
    /// Who runs it.
    pub holder: Option<Holder>,
    /// The cluster it works on, and as whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterContext>,
    /// The stack file, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_file: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// The number of the last event that is in here.
    pub seq: u64,
    /// When that was.
    pub seen_at: Timestamp,
    /// The run this one continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<RunId>,
    /// Why it starts nothing new, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StopReason>,
    /// How it ended; `None` while it runs, or when it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<RunVerdict>,
    /// Its releases in the order of the stack.
    pub releases: Vec<ReleaseProgress>,
}

/// How far a release has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseProgress {
    /// The release.
    pub release: ReleaseKey,
    /// What is, or was, to be done.
    pub action: HelmAction,
    /// The last run that has begun it: an earlier one until this run has begun it itself.
    pub run: RunId,
    /// When that run began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// The phases that were begun, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseProgress>,
    /// What was given to it, or was about to be, with what takes that back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adopted: Vec<AdoptionUndo>,
    /// The files in which was saved, or was about to be, what was going to be lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backups: Vec<String>,
    /// What was begun that cannot be taken back, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_return: Option<String>,
    /// The attempt that is being made, or is about to be, when the deploy has failed before; 0 when it has not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attempt: u32,
    /// What checks have told before the change, by the digest of what their steps were given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub baselines: BTreeMap<String, CheckVerdict>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<ReleaseEnding>,
    /// How it stands in this run, whatever is known of it from earlier ones.
    #[serde(default, skip_serializing_if = "is_default")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub standing: ReleaseStanding,
}

/// How a release stands in the run whose events were seen. The run that continues this one takes nothing of it over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseStanding {
    /// It is not begun yet.
    #[default]
    Waiting,
    /// It was begun.
    Running {
        /// When.
        since: Timestamp,
    },
    /// It is not begun, since another one did not end well.
    Blocked,
    /// It has ended in this way.
    Ended(ReleaseWay),
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How a release ended, in few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseEnding {
    /// The way.
    pub way: ReleaseWay,
    /// What was done, or why not, in one line.
    pub summary: String,
    /// When.
    pub at: Timestamp,
    /// Wall-clock milliseconds.
    pub elapsed_ms: u64,
}

/// The ways a release can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReleaseWay {
    /// Everything was done.
    Done,
    /// There was nothing to do.
    Unchanged,
    /// It was left alone on purpose.
    Skipped,
    /// There were reasons not to begin.
    Refused,
    /// A phase failed, and what it had done was left.
    Failed,
    /// A phase failed, and the failure policy has undone what was done, or tried to.
    Undone,
    /// The run was stopped.
    Interrupted,
    /// It was not begun.
    NotStarted,
}

/// How far a phase has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PhaseProgress {
    /// The phase.
    pub phase: Phase,
    /// When it began.
    pub started_at: Timestamp,
    /// Its steps that were begun, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepProgress>,
    /// What helm was asked to do in it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub helm: Vec<HelmProgress>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// What this run has to do with it.
    #[serde(default, skip_serializing_if = "is_default")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub part: PhasePart,
}

/// What the run whose events were seen has to do with a phase that was begun. The run that continues this one takes nothing of it over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhasePart {
    /// Nothing yet: all that is known of it was done by an earlier run.
    #[default]
    Earlier,
    /// It goes through it, and has found everything done so far.
    Passes,
    /// It does it, or does it again.
    Does,
    /// It does it again after a failure, and has not begun yet.
    Due,
}

/// How far a run is with a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseState {
    /// It is to be done.
    ToCome,
    /// It is being done.
    Running,
    /// It was done.
    Done,
    /// It did not do what it is for.
    Failed,
    /// It was done by an earlier run, and not repeated.
    Resumed,
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ended {
    /// Whether it did what it is for.
    pub ok: bool,
    /// Wall-clock milliseconds.
    pub elapsed_ms: u64,
}

/// How far a step has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepProgress {
    /// Its place in the phase, from 0.
    pub index: usize,
    /// What it does.
    pub description: String,
    /// A digest of what it was given, under the key of the journal; none where an earlier version has kept it under no key.
    pub digest: String,
    /// Whether it may be run again when it is not known whether it has run.
    pub repeatable: bool,
    /// The run that began it.
    pub run: RunId,
    /// When it began.
    pub started_at: Timestamp,
    /// How it ended; `None` when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// What it put into the payload.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub output: BTreeMap<String, Value>,
    /// Whether that is all it put there.
    pub output_kept: bool,
    /// Whether that comes from a record that anybody may have written: then it is no value of anything without consent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub output_untrusted: bool,
}

/// How far helm has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HelmProgress {
    /// The run that asked: its label is on what helm wrote. Not always the last one that has worked on the release.
    pub run: RunId,
    /// Who ran that run: as long as it is not gone, neither may its helm be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// What it was asked to do.
    pub command: HelmCommand,
    /// The newest revision there was before; 0 when there was none.
    pub revision_before: u32,
    /// A digest of what it was given, under the key of the journal; none where an earlier version has kept it under no key.
    pub digest: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Wall-clock milliseconds it might take.
    pub timeout_ms: u64,
    /// How it ended; `None` when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// To make every release what the stack says.
    Apply,
    /// To destroy every release.
    Destroy,
    /// To run only the validate phases.
    Validate,
}

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apply => "apply",
            Self::Destroy => "destroy",
            Self::Validate => "validate",
        })
    }
}

/// What changes a release by helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HelmCommand {
    /// `helm upgrade --install`
    Upgrade,
    /// `helm uninstall`
    Uninstall,
    /// `helm rollback`
    Rollback,
}

impl fmt::Display for HelmCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upgrade => "upgrade",
            Self::Uninstall => "uninstall",
            Self::Rollback => "rollback",
        })
    }
}

impl RunProgress {
    /// Whether there is something to continue: it was killed, or stopped before its end, or an earlier run was and this
    /// one has not touched the release.
    pub fn is_unfinished(&self) -> bool {
        !self.to_continue().is_empty()
    }

    /// What the next run continues: everything when this run did not come to its end; otherwise only what is half done,
    /// because this run has not touched it or was refused.
    pub fn to_continue(&self) -> Vec<ReleaseProgress> {
        if self.was_cut_short() {
            return self.releases.iter().map(ReleaseProgress::taken_over).collect();
        }
        self.half_done()
    }

    /// The releases of which something was changed and that have come to no end.
    pub fn half_done(&self) -> Vec<ReleaseProgress> {
        self.releases.iter().filter(|release| release.is_half_done()).map(ReleaseProgress::taken_over).collect()
    }

    fn was_cut_short(&self) -> bool {
        match self.verdict {
            None | Some(RunVerdict::Interrupted) => true,
            // It wanted to finish what an earlier run had begun, and needs the user for that.
            Some(RunVerdict::Refused) if self.resumes.is_some() => true,
            Some(RunVerdict::Done | RunVerdict::BadInput | RunVerdict::Refused | RunVerdict::Failed) => {
                matches!(self.stopped, Some(StopReason::LockLost { .. } | StopReason::JournalFailed { .. }))
            }
        }
    }

    /// What is known of a release.
    pub fn release(&self, key: &ReleaseKey) -> Option<&ReleaseProgress> {
        self.releases.iter().find(|release| release.release == *key)
    }
}

impl ReleaseProgress {
    /// What another run takes over of it: how it stood in this one is none of it.
    #[must_use]
    pub fn taken_over(&self) -> Self {
        let mut taken = Self { standing: ReleaseStanding::default(), ..self.clone() };
        taken.phases.iter_mut().for_each(|phase| phase.part = PhasePart::default());
        taken
    }

    /// A phase that was begun.
    pub fn phase(&self, phase: Phase) -> Option<&PhaseProgress> {
        self.phases.iter().find(|progress| progress.phase == phase)
    }

    /// How far this run is with a phase.
    pub fn phase_state(&self, phase: Phase) -> PhaseState {
        self.phase(phase).map_or(PhaseState::ToCome, PhaseProgress::state)
    }

    /// The phase that this run is in; of several the one that was begun last.
    pub fn running_phase(&self) -> Option<&PhaseProgress> {
        let running = self.phases.iter().filter(|phase| phase.state() == PhaseState::Running);
        running.max_by_key(|phase| phase.started_at)
    }

    /// The step that this run is at.
    pub fn running_step(&self) -> Option<&StepProgress> {
        self.running_phase()?.steps.iter().find(|step| step.run == self.run && step.ended.is_none())
    }

    /// What helm is doing for this run.
    pub fn running_helm(&self) -> Option<&HelmProgress> {
        self.running_phase()?.helm.last().filter(|helm| helm.run == self.run && helm.ended.is_none())
    }

    /// What its steps have put into the payload, in their order. What cleaning up after a failure has put there is not
    /// part of it.
    pub fn payload(&self) -> BTreeMap<String, Value> {
        let phases = self.phases.iter().filter(|phase| phase.phase != Phase::OnDeployFailure);
        let mut steps: Vec<(Phase, &StepProgress)> =
            phases.flat_map(|phase| phase.steps.iter().map(|step| (phase.phase, step))).collect();
        steps.sort_by_key(|(phase, step)| (*phase, step.index));
        let mut payload = BTreeMap::new();
        for (_, step) in steps {
            payload.extend(step.output.clone());
        }
        payload
    }

    /// Whether something was changed, and it has come to no end: neither done nor failed.
    fn is_half_done(&self) -> bool {
        let changed = self.phases.iter().any(|phase| phase.phase.may_change_cluster());
        let ended = match self.ending.as_ref().map(|ending| ending.way) {
            None | Some(ReleaseWay::Interrupted | ReleaseWay::Refused | ReleaseWay::NotStarted) => false,
            Some(
                ReleaseWay::Done
                | ReleaseWay::Unchanged
                | ReleaseWay::Skipped
                | ReleaseWay::Failed
                | ReleaseWay::Undone,
            ) => true,
        };
        changed && !ended
    }
}

impl PhaseProgress {
    /// How far this run is with it.
    pub fn state(&self) -> PhaseState {
        match (self.part, self.ended) {
            (PhasePart::Earlier, Some(Ended { ok: true, .. })) => PhaseState::Resumed,
            (PhasePart::Earlier | PhasePart::Due, _) => PhaseState::ToCome,
            (PhasePart::Passes | PhasePart::Does, None) => PhaseState::Running,
            // What was put in order after a failure has done its work.
            (part, Some(ended)) if ended.ok || self.phase == Phase::OnDeployFailure => match part {
                PhasePart::Passes => PhaseState::Resumed,
                PhasePart::Earlier | PhasePart::Does | PhasePart::Due => PhaseState::Done,
            },
            (PhasePart::Passes | PhasePart::Does, Some(_)) => PhaseState::Failed,
        }
    }

    /// A step that was begun.
    pub fn step(&self, index: usize) -> Option<&StepProgress> {
        self.steps.iter().find(|step| step.index == index)
    }
}
