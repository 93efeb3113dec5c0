//! Events to progress: the same events give the same progress.

use super::event::{Event, EventKind};
use super::outcome::{NextStep, ReleaseOutcome};
use super::progress::{
    Ended, HelmProgress, PhasePart, PhaseProgress, PhaseState, ReleaseEnding, ReleaseProgress, ReleaseStanding,
    ReleaseWay, RunProgress, StepProgress,
};
use crate::ids::{Phase, ReleaseKey, RunId};
use crate::kubernetes::AdoptionUndo;
use jiff::Timestamp;
use std::collections::BTreeMap;

impl RunProgress {
    /// The progress of a run whose first event this is; `None` for any other event.
    pub fn begin(event: &Event) -> Option<Self> {
        let EventKind::RunStarted { run, stack, kind, holder, cluster, stack_file, releases, .. } = &event.kind else {
            return None;
        };
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
            standing: ReleaseStanding::default(),
        });
        Some(Self {
            run: *run,
            stack: stack.clone(),
            kind: *kind,
            holder: holder.clone(),
            cluster: cluster.clone(),
            stack_file: stack_file.clone(),
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
                    release.standing = ReleaseStanding::Running { since: event.at };
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
                    phase.part = PhasePart::Does;
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
                        output_untrusted: false,
                    });
                }
            }
            EventKind::StepFinished { release, phase, index, error, output, elapsed_ms } => {
                let ended = Ended { ok: error.is_none(), elapsed_ms: *elapsed_ms };
                if let Some(step) = self.phase_mut(release, *phase).and_then(|phase| phase.step_mut(*index)) {
                    step.ended = Some(ended);
                    step.output_kept = output.is_some();
                    step.output_untrusted = false;
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
                    phase.part = PhasePart::Does;
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
            EventKind::Retrying { release, attempt, phase, .. } => {
                if let Some(release) = self.release_mut(release) {
                    release.attempt = *attempt;
                    release.go_on_after_failure(*phase);
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
                    release.standing = match outcome {
                        ReleaseOutcome::NotStarted { blocked_by: Some(_), .. } => ReleaseStanding::Blocked,
                        _ => ReleaseStanding::Ended(way),
                    };
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
                Some(release) if release.action == earlier.action => *release = earlier.taken_over(),
                // What is to be done with it now is something else.
                Some(_) => {}
                // Not part of this run, but still to be continued one day.
                None => self.releases.push(earlier.taken_over()),
            }
        }
    }
}

impl ReleaseProgress {
    /// The way goes on: that there was a failure does not make what was done before it count less. But what was cleaned up
    /// after it may have been taken away.
    fn go_on_after_failure(&mut self, from: Phase) {
        let cleaned_up = self.phase(Phase::OnDeployFailure).is_some_and(|progress| !progress.steps.is_empty());
        self.phases.retain(|progress| {
            progress.phase != Phase::OnDeployFailure && !(cleaned_up && progress.phase > Phase::Exec)
        });
        let exec = self.phases.iter_mut().find(|progress| progress.phase == Phase::Exec);
        if let Some(helm) = exec.filter(|_| cleaned_up).and_then(|exec| exec.helm.last_mut()) {
            helm.ended = helm.ended.map(|ended| Ended { ok: false, ..ended });
        }
        self.phases
            .iter_mut()
            .filter(|progress| progress.phase >= from)
            .for_each(|progress| progress.part = PhasePart::Due);
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
                // Phases that only read are done again in any case.
                let was_done = known.state() == PhaseState::Resumed && phase.may_change_cluster();
                known.part = if was_done { PhasePart::Passes } else { PhasePart::Does };
                known.started_at = at;
                known.ended = None;
            }
            None => self.phases.push(PhaseProgress {
                phase,
                started_at: at,
                steps: Vec::new(),
                helm: Vec::new(),
                ended: None,
                part: PhasePart::Does,
            }),
        }
    }
}

impl PhaseProgress {
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
