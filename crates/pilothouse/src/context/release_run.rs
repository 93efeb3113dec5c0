//! What is remembered of a release on its way through a run.

use crate::context::attempts::Attempts;
use crate::context::earlier_run::UnderLock;
use crate::context::foresight::{Foreseen, Foresight};
use crate::context::ledger::{Ledger, StepVerdict, upgrade_is_done};
use crate::context::planned::Planned;
use crate::context::release_context::Context;
use crate::context::rendering::Rendering;
use crate::context::reported_causes::ReportedCauses;
use crate::context::session::Target;
use crate::context::settled::Settled;
use crate::context::step::{Step, Steps};
use crate::error::PhaseError;
use crate::kept_digest::{Given, fresh_key};
use pilothouse_core::{
    CheckVerdict, DeployRecord, DigestKey, EventKind, ObjectRef, Phase, RevisionMeta, RunId, Staying,
};
use pilothouse_kube::Seen;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long Helm's newest revision counts as it was read right after helm has made it. What is remembered is about this very revision,
/// so that nothing is wrong should there be a newer one by then.
const JUST_NOW: Duration = Duration::from_secs(2);

/// What is remembered of a release on its way through a run: what an earlier run has done, what this one has done so far, and
/// what of it cannot be taken back. It belongs to whoever carries the release through its phases, and is handed to each of
/// them beside the [`Context`]; a phase or step written in Rust hands it on.
pub struct ReleaseRun {
    /// The run, if it is one that writes a journal.
    pub(crate) id: Option<RunId>,
    /// What is known of the time before this run, if it is one that takes the stack's lock.
    pub(crate) under_lock: Option<UnderLock>,
    /// The stack, in whose name what is deployed is remembered, if it is.
    pub(crate) stack: Option<String>,
    /// The chart's steps, asked of it once.
    pub(crate) steps: Steps,
    /// The key of digests that are kept or shown.
    pub(crate) digest_key: DigestKey,
    /// What an earlier run has done, as long as it counts.
    pub(crate) ledger: Ledger,
    /// What this run has done of a deploy that may be tried again.
    pub(crate) attempts: Attempts,
    /// What the cluster served when helm rendered what this run has deployed.
    pub(crate) served: Option<Arc<Target>>,
    /// What the chart rendered to right before helm ran, where that was not known before its definitions were there.
    pub(crate) rendered_last: Option<Rendering>,
    /// The revision over which an earlier run has deployed the newest one.
    pub(crate) continued_from: Option<u32>,
    /// What checks have told before the change, by the digest of what their steps are given.
    pub(crate) baselines: BTreeMap<String, CheckVerdict>,
    /// When the running phase began.
    pub(crate) phase_began: Instant,
    /// What is known of why things do not work.
    pub(crate) causes: ReportedCauses,
    /// What proves that nothing is to be done with the release, if that is so.
    pub(crate) settled: Option<Settled>,
    /// What is carried out, and nothing else, where that was planned.
    pub(crate) planned: Option<Arc<Planned>>,
    /// What helm has left of what it would otherwise have deleted.
    pub(crate) stays: Vec<Staying>,
    /// Whether names and steps were checked, as they are of all releases before anything else.
    pub(crate) input_checked: bool,
    /// What was found before the first change of the run.
    pub(crate) foreseen: Option<Foreseen>,
    /// Helm's newest revision as it was read last on the way of this deploy.
    pub(crate) recorded: Option<Recorded>,
    /// The objects of the newest revision right after helm, for the wait that follows.
    pub(crate) looked: Option<ObjectsRead>,
    /// Whether every check is to be made, also after one that has failed.
    pub(crate) thorough: bool,
    /// Whether only the steps that are run in every run are still to be run.
    pub(crate) only_every_run: bool,
}

/// What an earlier run or attempt has deployed, proven by Helm's records to the end and with the same input.
#[derive(Debug, Clone)]
pub(crate) struct DeployedBefore {
    pub(crate) summary: String,
    /// Whether all of `exec` was done then.
    pub(crate) to_the_end: bool,
    /// Of an earlier run: the revision over which it has deployed, and what it wrote, unless it has ended well.
    by_run: Option<(u32, Option<(u32, RunId)>)>,
}

/// Helm's newest revision, and what is remembered of it.
pub(crate) struct Recorded {
    pub(crate) revision: RevisionMeta,
    /// When it was read from the cluster.
    pub(crate) at: Instant,
    pub(crate) remembered: Remembered,
}

/// The objects of a revision, and how each was when it was read.
pub(crate) struct ObjectsRead {
    pub(crate) revision: u32,
    pub(crate) uid: Option<String>,
    pub(crate) objects: Vec<ObjectRef>,
    /// Those of them that Kubernetes deletes once they are done.
    pub(crate) leaving: Vec<ObjectRef>,
    pub(crate) seen: Vec<Seen>,
}

impl ObjectsRead {
    /// Whether they are those of this revision.
    pub(crate) fn is_of(&self, revision: &RevisionMeta) -> bool {
        (self.revision, &self.uid) == (revision.revision, &revision.uid)
    }
}

/// What this run knows of our own record about a revision.
pub(crate) enum Remembered {
    /// Nobody has looked.
    NotRead,
    /// There is none: helm has made the revision just now.
    Nothing,
    /// What was written there in this run.
    This(Box<DeployRecord>),
}

impl ReleaseRun {
    /// What was deployed before, when `newest` is the newest revision and a deploy is given this.
    pub(crate) fn deployed_before(&self, given: &Given, newest: Option<&RevisionMeta>) -> Option<DeployedBefore> {
        if let Some((revision, executed)) = self.attempts.has_deployed(given.digest(), newest) {
            let to_the_end = executed.is_some();
            let summary = executed.unwrap_or_else(|| format!("an earlier attempt had deployed revision {revision}"));
            return Some(DeployedBefore { summary, to_the_end, by_run: None });
        }
        let helm = self.ledger.helm()?;
        let revision = upgrade_is_done(helm, given, newest)?;
        let by_run = if self.ledger.has_ended_well() {
            (revision, None)
        } else {
            let base = newest.and_then(|newest| self.ledger.base(newest));
            (base.unwrap_or(helm.revision_before), Some((revision, helm.run)))
        };
        let summary = format!("run {} had deployed revision {revision}", helm.run.short());
        Some(DeployedBefore { summary, to_the_end: self.ledger.exec_ended_well(), by_run: Some(by_run) })
    }

    /// This run goes on after what was deployed before.
    pub(crate) fn note_deployed_before(&mut self, done: &DeployedBefore) {
        let Some((base, written)) = done.by_run else { return };
        self.continued_from = Some(base);
        if let Some((revision, run)) = written {
            self.attempts.note_written(revision, Some(run));
        }
    }

    /// Nothing has been done yet; digests that are kept or shown are put under this key.
    pub(crate) fn new(digest_key: DigestKey) -> Self {
        Self {
            id: None,
            under_lock: None,
            stack: None,
            steps: Steps::default(),
            digest_key,
            ledger: Ledger::default(),
            attempts: Attempts::default(),
            served: None,
            rendered_last: None,
            continued_from: None,
            baselines: BTreeMap::new(),
            phase_began: Instant::now(),
            causes: ReportedCauses::default(),
            settled: None,
            planned: None,
            stays: Vec::new(),
            input_checked: false,
            foreseen: None,
            recorded: None,
            looked: None,
            thorough: false,
            only_every_run: false,
        }
    }

    /// Makes it part of a run that writes a journal; `ledger` is what an earlier one has done, in digests under `digest_key`.
    pub(crate) fn join(&mut self, id: RunId, ledger: Ledger, under_lock: UnderLock, digest_key: DigestKey) {
        self.digest_key = digest_key;
        self.id = Some(id);
        self.under_lock = Some(under_lock);
        self.attempts = Attempts::continued(&ledger);
        self.ledger = ledger;
    }

    /// Says that `what` is about to be done and cannot be taken back: if the release fails after it, the failure policy does
    /// not act. Written down before this returns, so that a run that continues this one knows.
    ///
    /// # Errors
    /// [`PhaseError::Stopped`]: it must not be begun any more.
    pub async fn point_of_no_return(&mut self, ctx: &Context, what: impl AsRef<str>) -> Result<(), PhaseError> {
        let what = ctx.redactor().redact(what.as_ref());
        let intent = EventKind::PointOfNoReturn { release: ctx.release(), phase: ctx.phase(), what: what.clone() };
        ctx.emitter().ask(intent).await?;
        self.attempts.pass_no_return(&what);
        Ok(())
    }

    /// A phase begins.
    pub(crate) fn enter_phase(&mut self) {
        self.phase_began = Instant::now();
        self.causes.enter_phase();
    }

    /// What is left of the release's [`timeout`](Context::timeout) in the running phase; at least a second, so that what is
    /// started can say itself that the time is up.
    pub fn remaining(&self, ctx: &Context) -> Duration {
        ctx.timeout().saturating_sub(self.phase_began.elapsed()).max(Duration::from_secs(1))
    }

    /// Whether an earlier run has begun to change something here, and that counts.
    pub(crate) fn is_continued(&self) -> bool {
        self.ledger.has_changes()
    }

    /// Whether a deploy was begun that goes on to its end, whatever it finds half done.
    pub(crate) fn is_under_way(&self) -> bool {
        self.is_continued() || self.attempts.current() > 1
    }

    /// Notes Helm's newest revision as it is now, without forgetting what is known of it.
    pub(crate) fn note_recorded(&mut self, revision: &RevisionMeta) {
        let same =
            |known: &Recorded| known.revision.revision == revision.revision && known.revision.uid == revision.uid;
        let known = self.recorded.take().filter(same).map(|known| known.remembered);
        let remembered = known.unwrap_or(Remembered::NotRead);
        self.recorded = Some(Recorded { revision: revision.clone(), at: Instant::now(), remembered });
    }

    /// Helm's newest revision, if it was read so short a time ago that reading it again would tell nothing new.
    pub(crate) fn recorded_just_now(&self) -> Option<RevisionMeta> {
        let recorded = self.recorded.as_ref().filter(|recorded| recorded.at.elapsed() < JUST_NOW);
        recorded.map(|recorded| recorded.revision.clone())
    }

    /// Something that may change the cluster is done, or done again.
    pub(crate) fn done_again(&mut self, phase: Phase) {
        self.recorded = None;
        self.looked = None;
        self.ledger.done_again(phase);
        self.attempts.done_again(phase);
    }

    /// What a step is given, to be kept, and to be compared with what was kept.
    pub(crate) async fn given(&self, step: &dyn Step) -> Given {
        let former = if self.ledger.keeps_former_digests() { step.former_digests().await } else { Vec::new() };
        Given::new(&self.digest_key, &step.digest().await, &former)
    }

    /// Whether a step has to be run, by what an earlier run has done.
    pub(crate) fn step_verdict(&self, phase: Phase, index: usize, given: &Given, repeatable: bool) -> StepVerdict {
        self.ledger.step(phase, index, given, repeatable)
    }

    /// Keeps what a check has told before the change, by the digest of what its step is given.
    pub(crate) fn keep_baseline(&mut self, digest: String, verdict: CheckVerdict) {
        self.baselines.insert(digest, verdict);
    }

    /// What a check has told before the change, in this run or in the one it continues.
    pub(crate) fn baseline_of(&self, given: &Given) -> Option<CheckVerdict> {
        self.baselines.get(given.digest()).copied().or_else(|| self.ledger.baseline(given))
    }

    /// Keeps what was found before the first change of the run, for the release's turn; without what it was found by, which may
    /// be large.
    pub(crate) fn keep_foresight(&mut self, foresight: Foresight) {
        let foresight = Foresight { preview: None, ..foresight };
        self.foreseen = Some(Foreseen { foresight, at: Instant::now() });
    }
}

impl Default for ReleaseRun {
    fn default() -> Self {
        Self::new(fresh_key())
    }
}
