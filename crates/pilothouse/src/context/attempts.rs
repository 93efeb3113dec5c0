//! What this run has done of a deploy that is tried again. A retry goes on as a continued run would: what is done and was
//! given the same still counts, from the first thing that is done again on nothing does.

use crate::context::ledger::Ledger;
use pilothouse_core::{Decision, ObjectRef, Phase, RevisionMeta, RevisionStatus, RunId};

/// The attempts of one release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// The attempt that is being made, when it is not the first.
    retry: Option<u32>,
    /// The newest revision there was before the first attempt, and what was decided then.
    baseline: Option<(u32, Decision)>,
    /// The revisions that helm has written, or was to write, on this way, with the run that had it do so.
    written: Vec<(u32, Option<RunId>)>,
    /// What helm has deployed.
    deployed: Option<Deployed>,
    /// What `exec` did when it came to its end.
    executed: Option<String>,
    /// Steps that ended well, each with what it was given.
    steps: Vec<(Phase, usize, String)>,
    /// What was begun that cannot be taken back.
    no_return: Option<String>,
    /// What was given to the release.
    adopted: Vec<ObjectRef>,
    /// Whether anything was, even where it is not known what.
    has_adopted: bool,
    /// Steps of `on_deploy_failure` were run: they may have taken away what was done.
    cleaned_up: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Deployed {
    digest: String,
    revision: u32,
    run: Option<RunId>,
}

impl Attempts {
    /// Goes on where an earlier run was, if that one tried more than once, passed a point of no return, or adopted something.
    pub(crate) fn continued(ledger: &Ledger) -> Self {
        let mut attempts = Self {
            retry: Some(ledger.attempt()).filter(|attempt| *attempt > 1),
            no_return: ledger.no_return().map(str::to_owned),
            ..Self::default()
        };
        let adopted: Vec<ObjectRef> = ledger.adopted().cloned().collect();
        if !adopted.is_empty() {
            attempts.note_adopted(&adopted);
        }
        attempts
    }

    /// Objects were given to the release, these among them.
    pub(crate) fn note_adopted(&mut self, objects: &[ObjectRef]) {
        self.has_adopted = true;
        self.adopted.extend_from_slice(objects);
    }

    /// Whether objects were given to the release on this way.
    pub(crate) fn has_adopted(&self) -> bool {
        self.has_adopted
    }

    /// The objects that were given to the release on this way, as far as they are known.
    pub(crate) fn adopted(&self) -> &[ObjectRef] {
        &self.adopted
    }

    /// Which attempt is being made, from 1.
    pub(crate) fn current(&self) -> u32 {
        self.retry.unwrap_or(1)
    }

    /// The next attempt begins.
    pub(crate) fn begin(&mut self, attempt: u32, baseline: (u32, Decision)) {
        self.retry = Some(attempt);
        self.baseline.get_or_insert(baseline);
        if std::mem::take(&mut self.cleaned_up) {
            self.done_again(Phase::Exec);
        }
    }

    pub(crate) fn baseline(&self) -> Option<&(u32, Decision)> {
        self.baseline.as_ref()
    }

    /// Nothing can be taken back from here on.
    pub(crate) fn pass_no_return(&mut self, what: &str) {
        self.no_return = Some(what.to_owned());
    }

    pub(crate) fn no_return(&self) -> Option<&str> {
        self.no_return.as_deref()
    }

    /// Something that may change the cluster is done again: what came after it counts no more.
    pub(crate) fn done_again(&mut self, phase: Phase) {
        self.cleaned_up |= phase == Phase::OnDeployFailure;
        if !phase.may_change_cluster() || phase == Phase::OnDeployFailure {
            return;
        }
        self.steps.retain(|(known, ..)| *known <= phase);
        if phase <= Phase::Exec {
            self.deployed = None;
            self.executed = None;
        }
    }

    /// A step ended well.
    pub(crate) fn note_step(&mut self, phase: Phase, index: usize, digest: &str, repeatable: bool) {
        // What only looks is asked again, as in a continued run.
        let counts = phase != Phase::OnDeployFailure && (phase.may_change_cluster() || !repeatable);
        if counts {
            self.steps.push((phase, index, digest.to_owned()));
        }
    }

    /// Whether an earlier attempt has done a step with the same input.
    pub(crate) fn has_done(&self, phase: Phase, index: usize, digest: &str) -> bool {
        let same =
            |(known, at, given): &(Phase, usize, String)| (*known, *at, given.as_str()) == (phase, index, digest);
        self.retry.is_some() && self.steps.iter().any(same)
    }

    /// Helm has deployed the revision after `before`.
    pub(crate) fn note_deployed(&mut self, digest: &str, before: u32, run: Option<RunId>) {
        self.deployed = Some(Deployed { digest: digest.to_owned(), revision: before.saturating_add(1), run });
    }

    /// Helm has written this revision on the way that this run is on, or is to write it now.
    pub(crate) fn note_written(&mut self, revision: u32, run: Option<RunId>) {
        self.written.push((revision, run));
    }

    /// Whether a revision is one of this way. Its number alone could be another run's, and its label alone too: helm copies
    /// the labels of the revision before.
    pub(crate) fn has_written(&self, newest: &RevisionMeta) -> bool {
        let same = |(revision, run): &(u32, Option<RunId>)| {
            *revision == newest.revision && run.is_none_or(|run| newest.run == Some(run))
        };
        self.written.iter().any(same)
    }

    /// Whether helm has deployed it in this run.
    pub(crate) fn is_deployed(&self) -> bool {
        self.deployed.is_some()
    }

    /// `exec` came to its end.
    pub(crate) fn note_exec(&mut self, summary: &str) {
        self.executed = Some(summary.to_owned());
    }

    /// The revision that an earlier attempt has deployed with the same input, if Helm's newest record proves that it still
    /// stands; and what `exec` did, if it came to its end then.
    pub(crate) fn has_deployed(&self, digest: &str, newest: Option<&RevisionMeta>) -> Option<(u32, Option<String>)> {
        let (deployed, newest) = (self.deployed.as_ref()?, newest?);
        let same = deployed.digest == digest
            && deployed.revision == newest.revision
            && deployed.run == newest.run
            && newest.status == RevisionStatus::Deployed;
        (self.retry.is_some() && same).then(|| (newest.revision, self.executed.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::release;
    use pilothouse_core::{AdoptionUndo, Change, HelmAction, ReleaseKey, ReleaseProgress};
    use rstest::rstest;
    use std::collections::BTreeMap;

    fn tried() -> Attempts {
        let mut attempts = Attempts::default();
        attempts.note_deployed("d", 2, None);
        attempts.note_exec("upgraded");
        attempts.note_step(Phase::PostExec, 0, "s", true);
        attempts.note_step(Phase::Validate, 0, "s", true);
        attempts.note_step(Phase::Validate, 1, "s", false);
        attempts.note_step(Phase::OnDeployFailure, 0, "s", false);
        attempts
    }

    fn again() -> Attempts {
        let mut attempts = tried();
        attempts.begin(2, (2, Decision::Change(Change::Install)));
        attempts
    }

    fn newest(revision: u32, status: RevisionStatus, run: Option<RunId>) -> RevisionMeta {
        RevisionMeta { run, ..RevisionMeta::new(&release(), revision, status) }
    }

    #[test]
    fn a_retry_does_not_repeat_what_is_done() {
        let steps = [
            (Phase::PostExec, 0),
            (Phase::PostExec, 1),
            (Phase::Validate, 0),
            (Phase::Validate, 1),
            (Phase::OnDeployFailure, 0),
        ];
        let done =
            |attempts: &Attempts, given: &str| steps.map(|(phase, index)| attempts.has_done(phase, index, given));
        assert_eq!(done(&again(), "s"), [true, false, false, true, false]);
        assert_eq!(done(&again(), "other"), [false; 5]);
        assert_eq!(done(&tried(), "s"), [false; 5], "the first attempt asks nobody");
        let mut from_exec = again();
        from_exec.done_again(Phase::Exec);
        assert_eq!(done(&from_exec, "s"), [false; 5]);
        let mut from_post_exec = again();
        from_post_exec.done_again(Phase::PostExec);
        assert_eq!(done(&from_post_exec, "s"), [true, false, false, false, false]);
        // Nobody knows what is left after a clean-up.
        let mut cleaned_up = again();
        cleaned_up.done_again(Phase::OnDeployFailure);
        cleaned_up.begin(3, (2, Decision::Change(Change::Install)));
        assert_eq!((done(&cleaned_up, "s"), cleaned_up.is_deployed()), ([false; 5], false));
    }

    #[rstest]
    #[case::proven("d", newest(3, RevisionStatus::Deployed, None), Some((3, Some("upgraded"))))]
    #[case::other_input("e", newest(3, RevisionStatus::Deployed, None), None)]
    #[case::somebody_went_on("d", newest(4, RevisionStatus::Deployed, None), None)]
    #[case::it_failed("d", newest(3, RevisionStatus::Failed, None), None)]
    #[case::somebody_else_wrote_it("d", newest(3, RevisionStatus::Deployed, Some(RunId(uuid::Uuid::nil()))), None)]
    fn what_helm_has_deployed(
        #[case] digest: &str,
        #[case] newest: RevisionMeta,
        #[case] expected: Option<(u32, Option<&str>)>,
    ) {
        let expected = expected.map(|(revision, done)| (revision, done.map(str::to_owned)));
        assert_eq!(again().has_deployed(digest, Some(&newest)), expected);
        assert_eq!(tried().has_deployed(digest, Some(&newest)), None);
        assert_eq!(again().has_deployed(digest, None), None);
    }

    #[test]
    fn the_baseline_is_that_of_the_first_attempt() {
        let mut attempts = again();
        attempts.begin(3, (4, Decision::Change(Change::Uninstall)));
        assert_eq!((attempts.current(), attempts.baseline()), (3, Some(&(2, Decision::Change(Change::Install)))));
    }

    #[rstest]
    #[case(0, 1)]
    #[case(1, 1)]
    #[case(3, 3)]
    fn a_continued_run_goes_on_where_the_earlier_one_was(#[case] kept: u32, #[case] current: u32) {
        let object = ObjectRef::parse("configmap/web/web").unwrap();
        let adopted = AdoptionUndo { patch: serde_json::json!({}), objects: vec![object.clone()] };
        let earlier = ReleaseProgress {
            release: ReleaseKey::new("web", "web"),
            action: HelmAction::Deploy,
            run: RunId(uuid::Uuid::nil()),
            started_at: None,
            phases: Vec::new(),
            adopted: vec![adopted],
            backups: Vec::new(),
            no_return: Some("migrate".to_owned()),
            attempt: kept,
            baselines: BTreeMap::new(),
            ending: None,
            standing: pilothouse_core::ReleaseStanding::default(),
        };
        let attempts = Attempts::continued(&Ledger::new(Some(earlier), Vec::new()));
        assert_eq!((attempts.current(), attempts.no_return()), (current, Some("migrate")));
        assert_eq!((attempts.has_adopted(), attempts.adopted()), (true, [object].as_slice()));
        assert!(!Attempts::continued(&Ledger::default()).has_adopted());
    }
}
