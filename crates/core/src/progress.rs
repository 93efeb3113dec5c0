//! How far a run has come: what its events add up to, and what the next run continues from.

use crate::chart_info::HelmAction;
use crate::check::CheckVerdict;
use crate::event::{Event, EventKind, HelmCommand, RunKind};
use crate::holder::Holder;
use crate::ids::{Phase, ReleaseKey, RunId};
use crate::outcome::{NextStep, ReleaseOutcome, RunVerdict, StopReason};
use crate::ownership::AdoptionUndo;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

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
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u32,
    /// What checks have told before the change, by the digest of what their steps were given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub baselines: BTreeMap<String, CheckVerdict>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<ReleaseEnding>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
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
    /// SHA-256 of what it was given, in hex.
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
    /// SHA-256 of what it was given, in hex.
    pub digest: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Wall-clock milliseconds it might take.
    pub timeout_ms: u64,
    /// How it ended; `None` when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

impl RunProgress {
    /// The progress of a run whose first event this is; `None` for any other event.
    pub fn begin(event: &Event) -> Option<Self> {
        let EventKind::RunStarted { run, stack, kind, holder, releases, .. } = &event.kind else { return None };
        let releases = releases.iter().map(|planned| ReleaseProgress {
            release: planned.release.clone(),
            action: planned.action,
            run: *run,
            started_at: None,
            phases: Vec::new(),
            adopted: Vec::new(),
            backups: Vec::new(),
            no_return: None,
            attempt: 0,
            baselines: BTreeMap::new(),
            ending: None,
        });
        Some(Self {
            run: *run,
            stack: stack.clone(),
            kind: *kind,
            holder: holder.clone(),
            started_at: event.at,
            seq: event.seq,
            seen_at: event.at,
            resumes: None,
            stopped: None,
            verdict: None,
            releases: releases.collect(),
        })
    }

    /// Adds what an event tells. Events that were seen already, or are about nothing known here, change nothing.
    pub fn see(&mut self, event: &Event) {
        if event.seq <= self.seq {
            return;
        }
        self.seq = event.seq;
        self.seen_at = event.at;
        let run = self.run;
        match &event.kind {
            EventKind::RunStarted { .. }
            | EventKind::LockWaiting { .. }
            | EventKind::LockTaken { .. }
            | EventKind::HealStarted { .. }
            | EventKind::HealFinished { .. }
            | EventKind::CauseFound { .. }
            | EventKind::DriftFound { .. }
            | EventKind::Said { .. } => {}
            EventKind::RunResumed { from, releases } => self.inherit(*from, releases),
            EventKind::RunStopping { reason } => self.stopped = Some(reason.clone()),
            EventKind::RunFinished { verdict, .. } => self.verdict = Some(*verdict),
            EventKind::ReleaseStarted { release, .. } => {
                if let Some(release) = self.release_mut(release) {
                    release.run = run;
                    release.started_at = Some(event.at);
                    release.ending = None;
                }
            }
            EventKind::PhaseStarted { release, phase } => {
                if let Some(release) = self.release_mut(release) {
                    release.begin_phase(*phase, event.at);
                }
            }
            EventKind::PhaseFinished { release, phase, ok, elapsed_ms, .. } => {
                if let Some(phase) = self.phase_mut(release, *phase) {
                    phase.ended = Some(Ended { ok: *ok, elapsed_ms: *elapsed_ms });
                }
            }
            EventKind::StepStarted { release, phase, index, description, repeatable, digest } => {
                if let Some(release) = self.release_mut(release) {
                    release.forget_after(*phase, Some(*index));
                }
                if let Some(phase) = self.phase_mut(release, *phase) {
                    phase.begin_step(StepProgress {
                        index: *index,
                        description: description.clone(),
                        digest: digest.clone(),
                        repeatable: *repeatable,
                        run,
                        started_at: event.at,
                        ended: None,
                        output: BTreeMap::new(),
                        output_kept: true,
                    });
                }
            }
            EventKind::StepFinished { release, phase, index, error, output, elapsed_ms } => {
                let ended = Ended { ok: error.is_none(), elapsed_ms: *elapsed_ms };
                if let Some(step) = self.phase_mut(release, *phase).and_then(|phase| phase.step_mut(*index)) {
                    step.ended = Some(ended);
                    step.output_kept = output.is_some();
                    step.output = output.clone().unwrap_or_default();
                }
            }
            EventKind::Checked { release, report, baseline_of, .. } => {
                if let (Some(release), Some(digest)) = (self.release_mut(release), baseline_of) {
                    release.baselines.insert(digest.clone(), report.verdict);
                }
            }
            EventKind::StepSkipped { release, phase, index, .. } => {
                // When its end was not known, the user has told.
                let step = self.phase_mut(release, *phase).and_then(|phase| phase.step_mut(*index));
                if let Some(step) = step.filter(|step| step.ended.is_none() || !step.output_kept) {
                    step.ended = Some(Ended { ok: true, elapsed_ms: 0 });
                    step.output_kept = true;
                }
            }
            EventKind::HelmStarted { release, phase, command, revision_before, digest, timeout_ms } => {
                let holder = self.holder.clone();
                if let Some(release) = self.release_mut(release) {
                    release.forget_after(*phase, None);
                }
                if let Some(phase) = self.phase_mut(release, *phase) {
                    phase.helm.push(HelmProgress {
                        run,
                        holder,
                        command: *command,
                        revision_before: *revision_before,
                        digest: digest.clone(),
                        started_at: event.at,
                        timeout_ms: *timeout_ms,
                        ended: None,
                    });
                }
            }
            EventKind::HelmFinished { release, phase, error, elapsed_ms, .. } => {
                let helm = self.phase_mut(release, *phase).and_then(|phase| phase.helm.last_mut());
                if let Some(helm) = helm.filter(|helm| helm.ended.is_none()) {
                    helm.ended = Some(Ended { ok: error.is_none(), elapsed_ms: *elapsed_ms });
                }
            }
            EventKind::AdoptionStarted { release, undo, .. } => {
                if let Some(release) = self.release_mut(release) {
                    for undo in undo {
                        undo.objects
                            .iter()
                            .for_each(|object| AdoptionUndo::add(&mut release.adopted, object, &undo.patch));
                    }
                }
            }
            EventKind::BackupStarted { release, path, .. } => {
                if let Some(release) = self.release_mut(release) {
                    release.backups.push(path.clone());
                }
            }
            EventKind::PointOfNoReturn { release, what, .. } => {
                if let Some(release) = self.release_mut(release) {
                    release.no_return = Some(what.clone());
                }
            }
            EventKind::Retrying { release, attempt, .. } => {
                if let Some(release) = self.release_mut(release) {
                    release.attempt = *attempt;
                    release.go_on_after_failure();
                }
            }
            EventKind::ReleaseFinished { release, outcome, elapsed_ms } => {
                if let Some(release) = self.release_mut(release) {
                    if matches!(outcome, ReleaseOutcome::Done { .. } | ReleaseOutcome::Failed(_)) {
                        // Whoever continues after that begins to count anew.
                        release.attempt = 0;
                    }
                    if matches!(outcome, ReleaseOutcome::Done { .. }) {
                        // What is deployed now is what a later deploy can go back to.
                        release.no_return = None;
                    }
                    let (way, summary) = way(outcome);
                    let ending = ReleaseEnding { way, summary, at: event.at, elapsed_ms: *elapsed_ms };
                    // What was not begun in this run still stands as the run before has left it.
                    let begun_here = release.run == run;
                    if begun_here || release.phases.is_empty() {
                        release.ending = Some(ending);
                    }
                }
            }
        }
    }

    /// Whether there is something to continue: it was killed, or stopped before its end, or an earlier run was and this
    /// one has not touched the release.
    pub fn is_unfinished(&self) -> bool {
        !self.to_continue().is_empty()
    }

    /// What the next run continues: everything when this run did not come to its end; otherwise only what is half done,
    /// because this run has not touched it or was refused.
    pub fn to_continue(&self) -> Vec<ReleaseProgress> {
        if self.was_cut_short() {
            return self.releases.clone();
        }
        self.half_done()
    }

    /// The releases of which something was changed and that have come to no end.
    pub fn half_done(&self) -> Vec<ReleaseProgress> {
        self.releases.iter().filter(|release| release.is_half_done()).cloned().collect()
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

    fn release_mut(&mut self, key: &ReleaseKey) -> Option<&mut ReleaseProgress> {
        self.releases.iter_mut().find(|release| release.release == *key)
    }

    fn phase_mut(&mut self, key: &ReleaseKey, phase: Phase) -> Option<&mut PhaseProgress> {
        self.release_mut(key)?.phases.iter_mut().find(|progress| progress.phase == phase)
    }

    fn inherit(&mut self, from: RunId, releases: &[ReleaseProgress]) {
        self.resumes = Some(from);
        for earlier in releases {
            match self.release_mut(&earlier.release) {
                Some(release) if release.action == earlier.action => release.clone_from(earlier),
                // What is to be done with it now is something else.
                Some(_) => {}
                // Not part of this run, but still to be continued one day.
                None => self.releases.push(earlier.clone()),
            }
        }
    }
}

impl ReleaseProgress {
    /// A phase that was begun.
    pub fn phase(&self, phase: Phase) -> Option<&PhaseProgress> {
        self.phases.iter().find(|progress| progress.phase == phase)
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

    /// The way goes on: that there was a failure does not make what was done before it count less. But what was cleaned up
    /// after it may have been taken away.
    fn go_on_after_failure(&mut self) {
        let cleaned_up = self.phase(Phase::OnDeployFailure).is_some_and(|progress| !progress.steps.is_empty());
        self.phases.retain(|progress| {
            progress.phase != Phase::OnDeployFailure && !(cleaned_up && progress.phase > Phase::Exec)
        });
        let exec = self.phases.iter_mut().find(|progress| progress.phase == Phase::Exec);
        if let Some(helm) = exec.filter(|_| cleaned_up).and_then(|exec| exec.helm.last_mut()) {
            helm.ended = helm.ended.map(|ended| Ended { ok: false, ..ended });
        }
    }

    /// What was done after a step (or helm's run) counts no more once that is done again, and neither does an earlier
    /// failure. Phases that only read change nothing, and cleaning up after a failure is not part of the way.
    fn forget_after(&mut self, phase: Phase, index: Option<usize>) {
        match phase {
            Phase::CheckPrerequisites | Phase::Validate | Phase::OnDeployFailure => return,
            Phase::PreExec | Phase::Exec | Phase::PostExec => {}
        }
        self.phases.retain(|progress| progress.phase <= phase && progress.phase != Phase::OnDeployFailure);
        if let (Some(progress), Some(index)) = (self.phases.iter_mut().find(|progress| progress.phase == phase), index)
        {
            progress.steps.retain(|step| step.index <= index);
        }
    }

    /// A phase begins, perhaps again: what is known of its steps stays until they begin again.
    fn begin_phase(&mut self, phase: Phase, at: Timestamp) {
        match self.phases.iter_mut().find(|progress| progress.phase == phase) {
            Some(known) => {
                known.started_at = at;
                known.ended = None;
            }
            None => self.phases.push(PhaseProgress {
                phase,
                started_at: at,
                steps: Vec::new(),
                helm: Vec::new(),
                ended: None,
            }),
        }
    }
}

impl PhaseProgress {
    /// A step that was begun.
    pub fn step(&self, index: usize) -> Option<&StepProgress> {
        self.steps.iter().find(|step| step.index == index)
    }

    fn step_mut(&mut self, index: usize) -> Option<&mut StepProgress> {
        self.steps.iter_mut().find(|step| step.index == index)
    }

    fn begin_step(&mut self, step: StepProgress) {
        match self.step_mut(step.index) {
            Some(known) => *known = step,
            None => self.steps.push(step),
        }
    }
}

fn way(outcome: &ReleaseOutcome) -> (ReleaseWay, String) {
    match outcome {
        ReleaseOutcome::Done { summary } => (ReleaseWay::Done, summary.clone()),
        ReleaseOutcome::Unchanged { why } => (ReleaseWay::Unchanged, why.clone()),
        ReleaseOutcome::Skipped { reason } => (ReleaseWay::Skipped, reason.clone()),
        ReleaseOutcome::NotStarted { reason, .. } => (ReleaseWay::NotStarted, reason.clone()),
        ReleaseOutcome::Undone { because_of, next } => (way_after(next), format!("since {because_of} failed")),
        ReleaseOutcome::Interrupted { phase } => (ReleaseWay::Interrupted, format!("in {phase}")),
        ReleaseOutcome::Refused { findings } => {
            (ReleaseWay::Refused, findings.first().map(ToString::to_string).unwrap_or_default())
        }
        ReleaseOutcome::Failed(failure) => {
            let error = failure.error.first().map(String::as_str).unwrap_or_default();
            (way_after(&failure.next), format!("in {}: {error}", failure.phase))
        }
    }
}

/// After a remedy, also one that has failed half-way, nobody knows what of the earlier phases is left.
fn way_after(next: &NextStep) -> ReleaseWay {
    match next {
        NextStep::Left { .. } => ReleaseWay::Failed,
        NextStep::RolledBack { .. } | NextStep::Uninstalled | NextStep::RemediationFailed { .. } => ReleaseWay::Undone,
    }
}

#[cfg(test)]
mod tests;
