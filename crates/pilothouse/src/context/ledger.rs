//! What an earlier run has proven done of a release, and what of it need not be done again: pure decisions.
//!
//! The way of a release is a chain. What was done counts as long as everything before it on the chain still counts and
//! its own input is the same; from the first thing that is done again on, everything after it is done again too.

use crate::kept_digest::{self, Given};
use jiff::Timestamp;
use pilothouse_core::{
    CheckVerdict, HelmCommand, HelmProgress, ObjectRef, Phase, PhaseProgress, ReleaseProgress, ReleaseWay,
    RevisionMeta, RevisionStatus, RunId,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is known of a release from an earlier run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    earlier: Option<ReleaseProgress>,
    answers: Vec<StepAnswer>,
    /// Something on the way was done again.
    broken: bool,
    /// What was begun that cannot be taken back, whatever else counts.
    no_return: Option<String>,
    /// What was given to the release, whatever else counts.
    adopted: Vec<ObjectRef>,
}

/// What the user says of a step whose end is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepAnswer {
    /// The phase.
    pub phase: Phase,
    /// The step's place in the phase, from 0.
    pub index: usize,
    /// Whether it has done what it is for; otherwise it is run again.
    pub done: bool,
}

impl StepAnswer {
    /// Whether both are about the same step.
    pub fn is_about(&self, other: &Self) -> bool {
        (self.phase, self.index) == (other.phase, other.index)
    }
}

/// What becomes of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StepVerdict {
    /// It is run.
    Run,
    /// An earlier run has done it.
    Done {
        /// What it has put into the payload.
        output: BTreeMap<String, Value>,
    },
    /// An earlier run has done it, and only the cluster has what it has put out, where anybody may have written it.
    Untrusted {
        /// That run.
        run: RunId,
    },
    /// An earlier run has begun it, nobody knows how it ended, and it must not be repeated.
    Uncertain {
        /// That run.
        run: RunId,
        /// When it was begun.
        since: Timestamp,
        /// Whether it has ended well, and only what it was given cannot be told.
        ended: bool,
    },
}

impl Ledger {
    /// What of an earlier run counts. After a failure that was cleaned up or undone everything begins anew: nobody knows
    /// what of the earlier phases is left.
    pub(crate) fn new(earlier: Option<ReleaseProgress>, answers: Vec<StepAnswer>) -> Self {
        let undone = |progress: &ReleaseProgress| {
            let cleaned_up = |phase: &PhaseProgress| !phase.steps.is_empty() || !phase.helm.is_empty();
            progress.ending.as_ref().is_some_and(|ending| ending.way == ReleaseWay::Undone)
                || progress.phase(Phase::OnDeployFailure).is_some_and(cleaned_up)
        };
        let no_return = earlier.as_ref().and_then(|progress| progress.no_return.clone());
        let adopted =
            earlier.iter().flat_map(|progress| &progress.adopted).flat_map(|undo| undo.objects.clone()).collect();
        Self { earlier: earlier.filter(|progress| !undone(progress)), answers, broken: false, no_return, adopted }
    }

    /// What the earlier run has given to the release, or was about to.
    pub(crate) fn adopted(&self) -> impl Iterator<Item = &ObjectRef> {
        self.adopted.iter()
    }

    /// What the earlier run has begun that cannot be taken back.
    pub(crate) fn no_return(&self) -> Option<&str> {
        self.no_return.as_deref()
    }

    /// The attempt of the deploy that the earlier run was at; 0 when its first one had not failed.
    pub(crate) fn attempt(&self) -> u32 {
        self.earlier.as_ref().map(|earlier| earlier.attempt).unwrap_or_default()
    }

    /// Whether the earlier run has brought the release to its good end: what it has deployed is what a later deploy can go
    /// back to, and is not this run's to take back.
    pub(crate) fn has_ended_well(&self) -> bool {
        let ending = self.earlier.as_ref().and_then(|earlier| earlier.ending.as_ref());
        ending.is_some_and(|ending| ending.way == ReleaseWay::Done)
    }

    /// The newest revision there was before the earlier run's first attempt to deploy, if its last attempt has written the
    /// one that is the newest now, and it did not come to its good end.
    pub(crate) fn base(&self, newest: &RevisionMeta) -> Option<u32> {
        if self.has_ended_well() {
            return None;
        }
        let helm = &self.earlier.as_ref()?.phase(Phase::Exec)?.helm;
        let upgrades = || helm.iter().rev().take_while(|helm| helm.command == HelmCommand::Upgrade);
        let last = upgrades().next()?;
        let wrote = newest.revision == last.revision_before.checked_add(1)? && newest.run == Some(last.run);
        wrote.then(|| upgrades().last().map(|first| first.revision_before)).flatten()
    }

    /// Believes what steps have put out, whoever may have written it.
    pub(crate) fn believe_outputs(&mut self) {
        let phases = self.earlier.iter_mut().flat_map(|earlier| &mut earlier.phases);
        phases.flat_map(|phase| &mut phase.steps).for_each(|step| step.output_untrusted = false);
    }

    /// Whether a step has to be run.
    pub(crate) fn step(&self, phase: Phase, index: usize, given: &Given, repeatable: bool) -> StepVerdict {
        let verdict = self.believed(phase, index, given, repeatable);
        let step = self.earlier.as_ref().and_then(|earlier| earlier.phase(phase)?.step(index));
        let again = |answer: &StepAnswer| (answer.phase, answer.index, answer.done) == (phase, index, false);
        match (verdict, step) {
            (StepVerdict::Done { .. }, Some(step)) if step.output_untrusted => {
                if repeatable || self.answers.iter().any(again) {
                    StepVerdict::Run
                } else {
                    StepVerdict::Untrusted { run: step.run }
                }
            }
            (verdict, _) => verdict,
        }
    }

    /// As if all that was put out were to be believed.
    fn believed(&self, phase: Phase, index: usize, given: &Given, repeatable: bool) -> StepVerdict {
        let Some(earlier) = &self.earlier else { return StepVerdict::Run };
        let Some(step) = earlier.phase(phase).and_then(|progress| progress.step(index)) else {
            return StepVerdict::Run;
        };
        let answer = self.answers.iter().find(|answer| answer.phase == phase && answer.index == index);
        let uncertain = |ended| StepVerdict::Uncertain { run: step.run, since: step.started_at, ended };
        if self.broken || !given.is(&step.digest) {
            let ended_well = step.ended.is_some_and(|ended| ended.ok) && !given.can_tell(&step.digest);
            return match answer {
                Some(StepAnswer { done: true, .. }) if ended_well => StepVerdict::Done { output: step.output.clone() },
                Some(_) => StepVerdict::Run,
                // Whatever it is given now: it may have been half done with what it was given then.
                None if step.ended.is_none() && !step.repeatable => uncertain(false),
                // It has ended well, and a digest of another form does not say that it was given something else.
                None if ended_well && !step.repeatable => uncertain(true),
                None => StepVerdict::Run,
            };
        }
        let done = step.ended.map(|ended| ended.ok && step.output_kept);
        match (done, answer) {
            // What it looked at may have changed since.
            (Some(true), _) if repeatable && !phase.may_change_cluster() => StepVerdict::Run,
            (Some(true), _) => StepVerdict::Done { output: step.output.clone() },
            (Some(false), _) if step.ended.is_some_and(|ended| !ended.ok) => StepVerdict::Run,
            (_, _) if repeatable => StepVerdict::Run,
            (_, Some(StepAnswer { done: true, .. })) => StepVerdict::Done { output: step.output.clone() },
            (_, Some(StepAnswer { done: false, .. })) => StepVerdict::Run,
            (_, None) => uncertain(false),
        }
    }

    /// What a check has told before the earlier run began to change something.
    pub(crate) fn baseline(&self, given: &Given) -> Option<CheckVerdict> {
        let earlier = self.earlier.as_ref().filter(|_| self.has_changes())?;
        earlier.baselines.iter().find(|(kept, _)| given.is(kept)).map(|(_, verdict)| *verdict)
    }

    /// Whether digests of the form before are among what counts.
    pub(crate) fn keeps_former_digests(&self) -> bool {
        self.earlier.as_ref().is_some_and(kept_digest::has_former)
    }

    /// Whether the earlier run has begun to change something, and that counts.
    pub(crate) fn has_changes(&self) -> bool {
        let phases = self.earlier.iter().flat_map(|earlier| &earlier.phases);
        phases.into_iter().any(|progress| progress.phase.may_change_cluster())
    }

    /// What helm was last asked to do in `exec` by the earlier run, as long as it counts.
    pub(crate) fn helm(&self) -> Option<&HelmProgress> {
        let earlier = self.earlier.as_ref().filter(|_| !self.broken)?;
        earlier.phase(Phase::Exec)?.helm.last()
    }

    /// Whether the earlier run has ended `exec` well.
    pub(crate) fn exec_ended_well(&self) -> bool {
        let exec = self.earlier.as_ref().filter(|_| !self.broken).and_then(|earlier| earlier.phase(Phase::Exec));
        exec.and_then(|exec| exec.ended).is_some_and(|ended| ended.ok)
    }

    /// Something that may change the cluster is done again: what comes after it is done again too.
    pub(crate) fn done_again(&mut self, phase: Phase) {
        self.broken |= phase.may_change_cluster() && phase != Phase::OnDeployFailure;
    }
}

/// Whether helm has carried an upgrade out to its end, as Helm's newest record proves: it is the very next revision
/// after the one there was before, that run has written it, and it is deployed. What helm was given must be the same.
pub(crate) fn upgrade_is_done(earlier: &HelmProgress, given: &Given, newest: Option<&RevisionMeta>) -> Option<u32> {
    let newest = newest?;
    let same = earlier.command == HelmCommand::Upgrade && given.is(&earlier.digest);
    let not_failed = earlier.ended.is_none_or(|ended| ended.ok);
    let written = newest.revision == earlier.revision_before + 1 && newest.run == Some(earlier.run);
    (same && not_failed && written && newest.status == RevisionStatus::Deployed).then_some(newest.revision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::release;
    use pilothouse_core::{Ended, HelmAction, ReleaseEnding, ReleaseKey, StepProgress};
    use rstest::rstest;

    const OK: Option<Ended> = Some(Ended { ok: true, elapsed_ms: 1 });
    const BAD: Option<Ended> = Some(Ended { ok: false, elapsed_ms: 1 });

    fn run(n: u128) -> RunId {
        RunId(uuid::Uuid::from_u128(n))
    }

    fn progress(phase: Phase, repeatable: bool, ended: Option<Ended>, output_kept: bool) -> ReleaseProgress {
        let at = Timestamp::UNIX_EPOCH;
        let step = StepProgress {
            index: 0,
            description: String::new(),
            digest: "d".to_owned(),
            repeatable,
            run: run(1),
            started_at: at,
            ended,
            output: BTreeMap::new(),
            output_kept,
            output_untrusted: false,
        };
        ReleaseProgress {
            release: ReleaseKey::new("a", "b"),
            action: HelmAction::Deploy,
            run: run(1),
            started_at: Some(at),
            phases: vec![PhaseProgress {
                phase,
                started_at: at,
                steps: vec![step],
                helm: Vec::new(),
                ended: None,
                part: pilothouse_core::PhasePart::default(),
            }],
            adopted: Vec::new(),
            backups: Vec::new(),
            no_return: None,
            attempt: 0,
            baselines: BTreeMap::new(),
            ending: None,
            standing: pilothouse_core::ReleaseStanding::default(),
        }
    }

    const DONE: StepVerdict = StepVerdict::Done { output: BTreeMap::new() };
    const UNCERTAIN: StepVerdict =
        StepVerdict::Uncertain { run: RunId(uuid::Uuid::from_u128(1)), since: Timestamp::UNIX_EPOCH, ended: false };

    #[rstest]
    #[case::done(Phase::PreExec, "d", false, OK, true, DONE)]
    #[case::done_though_repeatable(Phase::PostExec, "d", true, OK, true, DONE)]
    #[case::other_input(Phase::PreExec, "e", false, OK, true, StepVerdict::Run)]
    #[case::failed(Phase::PreExec, "d", false, BAD, true, StepVerdict::Run)]
    #[case::unknown_and_repeatable(Phase::PreExec, "d", true, None, true, StepVerdict::Run)]
    #[case::unknown(Phase::PreExec, "d", false, None, true, UNCERTAIN)]
    #[case::output_lost(Phase::PreExec, "d", false, OK, false, UNCERTAIN)]
    #[case::output_lost_and_repeatable(Phase::PreExec, "d", true, OK, false, StepVerdict::Run)]
    #[case::a_check_is_repeated(Phase::Validate, "d", true, OK, true, StepVerdict::Run)]
    #[case::a_check_that_must_not_be(Phase::Validate, "d", false, OK, true, DONE)]
    fn steps(
        #[case] phase: Phase,
        #[case] digest: &str,
        #[case] repeatable: bool,
        #[case] ended: Option<Ended>,
        #[case] output_kept: bool,
        #[case] expected: StepVerdict,
    ) {
        let ledger = Ledger::new(Some(progress(phase, repeatable, ended, output_kept)), Vec::new());
        assert_eq!(ledger.step(phase, 0, &Given::plain(digest), repeatable), expected);
        assert_eq!(ledger.step(phase, 1, &Given::plain(digest), repeatable), StepVerdict::Run, "another step");
        assert_eq!(
            Ledger::default().step(phase, 0, &Given::plain(digest), repeatable),
            StepVerdict::Run,
            "no earlier run"
        );
    }

    #[rstest]
    #[case::stops(false, &[], false, StepVerdict::Untrusted { run: RunId(uuid::Uuid::from_u128(1)) })]
    #[case::can_be_repeated(true, &[], false, StepVerdict::Run)]
    #[case::is_to_be_run_again(false, &[false], false, StepVerdict::Run)]
    #[case::is_said_to_be_done(false, &[true], false, StepVerdict::Untrusted { run: RunId(uuid::Uuid::from_u128(1)) })]
    #[case::is_consented_to(false, &[], true, DONE)]
    fn an_output_that_anybody_may_have_written(
        #[case] repeatable: bool,
        #[case] answers: &[bool],
        #[case] consent: bool,
        #[case] expected: StepVerdict,
    ) {
        let mut earlier = progress(Phase::PreExec, repeatable, OK, true);
        earlier.phases[0].steps[0].output_untrusted = true;
        let answers = answers.iter().map(|done| StepAnswer { phase: Phase::PreExec, index: 0, done: *done });
        let mut ledger = Ledger::new(Some(earlier), answers.collect());
        if consent {
            ledger.believe_outputs();
        }
        assert_eq!(ledger.step(Phase::PreExec, 0, &Given::plain("d"), repeatable), expected);
    }

    #[rstest]
    #[case(true, DONE)]
    #[case(false, StepVerdict::Run)]
    fn the_user_can_say_what_became_of_a_step(#[case] done: bool, #[case] expected: StepVerdict) {
        let answer = StepAnswer { phase: Phase::PreExec, index: 0, done };
        let ledger = Ledger::new(Some(progress(Phase::PreExec, false, None, true)), vec![answer]);
        assert_eq!(ledger.step(Phase::PreExec, 0, &Given::plain("d"), false), expected);
    }

    #[test]
    fn a_step_that_may_be_half_done_is_asked_about_whatever_it_is_given_now() {
        let mut ledger = Ledger::new(Some(progress(Phase::PreExec, false, None, true)), Vec::new());
        assert_eq!(ledger.step(Phase::PreExec, 0, &Given::plain("other"), false), UNCERTAIN);
        ledger.done_again(Phase::PreExec);
        assert_eq!(ledger.step(Phase::PreExec, 0, &Given::plain("d"), false), UNCERTAIN);
    }

    #[test]
    fn nothing_counts_after_something_was_done_again_or_undone() {
        let mut ledger = Ledger::new(Some(progress(Phase::PostExec, false, OK, true)), Vec::new());
        ledger.done_again(Phase::CheckPrerequisites);
        ledger.done_again(Phase::OnDeployFailure);
        assert_eq!(ledger.step(Phase::PostExec, 0, &Given::plain("d"), false), DONE);
        ledger.done_again(Phase::Exec);
        assert_eq!(ledger.step(Phase::PostExec, 0, &Given::plain("d"), false), StepVerdict::Run);

        let mut undone = progress(Phase::PreExec, false, OK, true);
        undone.ending = Some(ReleaseEnding {
            way: ReleaseWay::Undone,
            summary: String::new(),
            at: Timestamp::UNIX_EPOCH,
            elapsed_ms: 0,
        });
        assert_eq!(
            Ledger::new(Some(undone), Vec::new()).step(Phase::PreExec, 0, &Given::plain("d"), false),
            StepVerdict::Run
        );

        let mut cleaned_up = progress(Phase::PreExec, false, OK, true);
        cleaned_up.phases.extend(progress(Phase::OnDeployFailure, true, None, true).phases);
        assert_eq!(
            Ledger::new(Some(cleaned_up), Vec::new()).step(Phase::PreExec, 0, &Given::plain("d"), false),
            StepVerdict::Run
        );
    }

    /// Two attempts of run 1 to deploy over revision 2, the second of which wrote revision 4.
    #[rstest]
    #[case::its_last(4, 1, Some(2))]
    #[case::its_first(3, 1, None)]
    #[case::somebody_went_on(5, 1, None)]
    #[case::somebody_else_wrote_it(4, 2, None)]
    fn what_was_there_before_the_first_attempt(#[case] revision: u32, #[case] by: u128, #[case] expected: Option<u32>) {
        let helm = |command, revision_before| HelmProgress {
            run: run(1),
            holder: None,
            command,
            revision_before,
            digest: String::new(),
            started_at: Timestamp::UNIX_EPOCH,
            timeout_ms: 0,
            ended: BAD,
        };
        let mut earlier = progress(Phase::Exec, true, OK, true);
        earlier.phases[0].helm = vec![helm(HelmCommand::Upgrade, 2), helm(HelmCommand::Upgrade, 3)];
        earlier.attempt = 2;
        earlier.no_return = Some("migrate".to_owned());
        let newest =
            RevisionMeta { run: Some(run(by)), ..RevisionMeta::new(&release(), revision, RevisionStatus::Failed) };
        let ledger = Ledger::new(Some(earlier.clone()), Vec::new());
        assert_eq!((ledger.base(&newest), ledger.attempt(), ledger.no_return()), (expected, 2, Some("migrate")));
        // What has ended well is not to be taken back by whoever looks at it again.
        let well =
            ReleaseEnding { way: ReleaseWay::Done, summary: String::new(), at: Timestamp::UNIX_EPOCH, elapsed_ms: 1 };
        let done = Ledger::new(Some(ReleaseProgress { ending: Some(well), ..earlier.clone() }), Vec::new());
        assert_eq!((done.base(&newest), done.has_ended_well()), (None, true));
        // After an uninstall, what was there before it does not matter.
        earlier.phases[0].helm.insert(1, helm(HelmCommand::Uninstall, 3));
        assert_eq!(Ledger::new(Some(earlier.clone()), Vec::new()).base(&newest), expected.map(|_| 3));
        // What was cleaned up begins anew, and still cannot be taken back.
        earlier.phases.extend(progress(Phase::OnDeployFailure, true, None, true).phases);
        let ledger = Ledger::new(Some(earlier), Vec::new());
        assert_eq!((ledger.base(&newest), ledger.attempt(), ledger.no_return()), (None, 0, Some("migrate")));
    }

    #[rstest]
    #[case::proven(None, "d", 3, RevisionStatus::Deployed, 1, Some(3))]
    #[case::proven_and_written_down(OK, "d", 3, RevisionStatus::Deployed, 1, Some(3))]
    #[case::it_failed(BAD, "d", 3, RevisionStatus::Deployed, 1, None)]
    #[case::other_input(OK, "e", 3, RevisionStatus::Deployed, 1, None)]
    #[case::nothing_was_written(None, "d", 2, RevisionStatus::Deployed, 1, None)]
    #[case::somebody_went_on(OK, "d", 4, RevisionStatus::Deployed, 1, None)]
    #[case::pending(None, "d", 3, RevisionStatus::PendingUpgrade, 1, None)]
    #[case::somebody_else_wrote_it(None, "d", 3, RevisionStatus::Deployed, 2, None)]
    fn upgrades(
        #[case] ended: Option<Ended>,
        #[case] digest: &str,
        #[case] revision: u32,
        #[case] status: RevisionStatus,
        #[case] written_by: u128,
        #[case] expected: Option<u32>,
    ) {
        let earlier = HelmProgress {
            run: run(1),
            holder: None,
            command: HelmCommand::Upgrade,
            revision_before: 2,
            digest: "d".to_owned(),
            started_at: Timestamp::UNIX_EPOCH,
            timeout_ms: 0,
            ended,
        };
        let newest = RevisionMeta { run: Some(run(written_by)), ..RevisionMeta::new(&release(), revision, status) };
        assert_eq!(upgrade_is_done(&earlier, &Given::plain(digest), Some(&newest)), expected);
        assert_eq!(upgrade_is_done(&earlier, &Given::plain(digest), None), None);
    }
}
