//! What a phase is handed.

use crate::context::attempts::Attempts;
use crate::context::cache::Cache;
use crate::context::earlier_run::Before;
use crate::context::events::{Emitter, Message};
use crate::context::ledger::{Ledger, StepVerdict};
use crate::context::preflight_report::{Foreseen, Foresight};
use crate::context::reported_causes::Known;
use crate::context::session::Session;
use crate::context::settled::Settled;
use crate::context::steps_seen::StepsSeen;
use crate::context::wanted::Wanted;
use crate::error::PhaseError;
use crate::kept_digest::{Given, fresh_key};
use pilothouse_core::{
    ChartInfo, CheckVerdict, DigestKey, EventKind, HelmProgress, Note, Phase, Redactor, ReleaseKey, RevisionMeta,
    RunId, ValueSource, error_chain,
};
use pilothouse_helm::HelmClient;
use pilothouse_kube::{ClusterClient, Tracker};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// What every phase of one release is handed: the clients, the cancel token, and a place to say what is going on.
/// What was observed and rendered is kept here, so that a phase does not repeat what an earlier one did.
pub struct Context {
    session: Arc<Session>,
    info: ChartInfo,
    emitter: Emitter,
    redactor: Redactor,
    phase: Mutex<(Phase, Instant)>,
    cache: tokio::sync::Mutex<Cache>,
    run: Option<RunId>,
    before: Option<Before>,
    continued_from: Mutex<Option<u32>>,
    ledger: Mutex<Ledger>,
    /// The key of digests that are kept or shown.
    digest_key: DigestKey,
    known: Mutex<Known>,
    attempts: Mutex<Attempts>,
    baselines: Mutex<BTreeMap<String, CheckVerdict>>,
    thorough: bool,
    /// The stack, in whose name what is deployed is remembered.
    stack: Option<String>,
    settled: Option<Settled>,
    only_every_run: AtomicBool,
}

impl Context {
    /// A context for one release, which sends its events to `events`.
    pub(crate) fn new(session: Arc<Session>, info: &ChartInfo, events: UnboundedSender<Message>) -> Self {
        let redactor = redactor_of(&session.redactor, info);
        Self {
            emitter: Emitter::new(events, info.key(), redactor.clone()),
            session,
            info: info.clone(),
            redactor,
            phase: Mutex::new((Phase::CheckPrerequisites, Instant::now())),
            cache: tokio::sync::Mutex::default(),
            run: None,
            before: None,
            continued_from: Mutex::default(),
            ledger: Mutex::default(),
            digest_key: fresh_key(),
            known: Mutex::default(),
            attempts: Mutex::default(),
            baselines: Mutex::default(),
            thorough: false,
            stack: None,
            settled: None,
            only_every_run: AtomicBool::new(false),
        }
    }

    /// Makes it part of a run that writes a journal; `ledger` is what an earlier one has done, in digests under `digest_key`.
    pub(crate) fn join(&mut self, run: RunId, ledger: Ledger, before: Before, digest_key: DigestKey) {
        self.use_digest_key(digest_key);
        self.run = Some(run);
        self.before = Some(before);
        self.attempts = Mutex::new(Attempts::continued(&ledger));
        self.ledger = Mutex::new(ledger);
    }

    /// Has digests that are kept or shown put under this key.
    pub(crate) fn use_digest_key(&mut self, key: DigestKey) {
        self.digest_key = key;
    }

    /// Lets what is deployed be remembered, in the name of this stack.
    pub(crate) fn remember_for(&mut self, stack: &str) {
        self.stack = Some(stack.to_owned());
    }

    /// The stack in whose name what is deployed is remembered, if it is.
    pub(crate) fn stack(&self) -> Option<&str> {
        self.stack.as_deref()
    }

    /// Notes what is known of the chart's steps.
    pub(crate) fn see_steps(&mut self, steps: StepsSeen) {
        self.cache.get_mut().wanted = Arc::new(Wanted { steps: Arc::new(steps), ..Wanted::default() });
    }

    /// What is known of the chart's steps.
    pub(crate) async fn steps(&self) -> Arc<StepsSeen> {
        self.cache.lock().await.wanted.steps.clone()
    }

    /// Nothing is to be done with the release, as was proven before the run.
    pub(crate) fn settle(&mut self, settled: Settled) {
        self.settled = Some(settled);
    }

    /// What was proven before the run does not count any more.
    pub(crate) fn unsettle(&mut self) {
        self.settled = None;
    }

    /// What proves that nothing is to be done with the release, if that is so.
    pub(crate) fn settled(&self) -> Option<&Settled> {
        self.settled.as_ref()
    }

    /// From here on only the steps that are run in every run are run.
    pub(crate) fn run_only_every_run(&self) {
        self.only_every_run.store(true, Ordering::Relaxed);
    }

    /// Whether only the steps that are run in every run are run.
    pub(crate) fn runs_only_every_run(&self) -> bool {
        self.only_every_run.load(Ordering::Relaxed)
    }

    /// Lets every check be made, also after one that has failed.
    pub(crate) fn be_thorough(&mut self) {
        self.thorough = true;
    }

    /// Whether every check is to be made, also after one that has failed.
    pub(crate) fn is_thorough(&self) -> bool {
        self.thorough
    }

    /// Keeps what a check has told before the change, by the digest of what its step is given.
    pub(crate) fn keep_baseline(&self, digest: String, verdict: CheckVerdict) {
        self.baselines.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, verdict);
    }

    /// What a check has told before the change, in this run or in the one it continues.
    pub(crate) fn baseline_of(&self, given: &Given) -> Option<CheckVerdict> {
        let known = self.baselines.lock().unwrap_or_else(PoisonError::into_inner).get(given.digest()).copied();
        known.or_else(|| self.ledger().baseline(given))
    }

    /// The cluster.
    pub fn cluster(&self) -> &dyn ClusterClient {
        self.session.cluster.as_ref()
    }

    /// Follows objects by watches that all releases of the run share.
    pub fn tracker(&self) -> &Tracker {
        &self.session.tracker
    }

    /// Helm.
    pub fn helm(&self) -> &dyn HelmClient {
        self.session.helm.as_ref()
    }

    /// Fires when nothing new is to be begun. What only waits or reads must end then; what changes the cluster should
    /// go on to a point where it can be left.
    pub fn cancel(&self) -> &CancellationToken {
        &self.session.cancel
    }

    /// Fires when what runs is to end too: pass it to what is started.
    pub fn terminate(&self) -> &CancellationToken {
        &self.session.terminate
    }

    /// The run this is part of, if it is one that writes a journal.
    pub(crate) fn run(&self) -> Option<RunId> {
        self.run
    }

    /// What is known of the time before this run, if it is one that takes the stack's lock.
    pub(crate) fn before(&self) -> Option<&Before> {
        self.before.as_ref()
    }

    /// Notes that an earlier run has deployed the newest revision, over this one.
    pub(crate) fn continue_from(&self, revision: u32) {
        *self.continued_from.lock().unwrap_or_else(PoisonError::into_inner) = Some(revision);
    }

    /// The revision over which an earlier run has deployed the newest one.
    pub(crate) fn continued_from(&self) -> Option<u32> {
        *self.continued_from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an earlier run has begun to change something here, and that counts.
    pub(crate) fn is_continued(&self) -> bool {
        self.ledger().has_changes()
    }

    /// Fires when the lock is lost: then nothing may go on, whatever it is.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.session.lost
    }

    /// Whether a step has to be run, by what an earlier run has done.
    pub(crate) fn step_verdict(&self, phase: Phase, index: usize, given: &Given, repeatable: bool) -> StepVerdict {
        self.ledger().step(phase, index, given, repeatable)
    }

    /// Something that may change the cluster is done, or done again.
    pub(crate) fn done_again(&self, phase: Phase) {
        self.ledger().done_again(phase);
        self.attempts().done_again(phase);
    }

    /// What this run has done of a deploy that may be tried again.
    pub(crate) fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that `what` is about to be done and cannot be taken back: if the release fails after it, the failure policy does
    /// not act. Written down before this returns, so that a run that continues this one knows.
    ///
    /// # Errors
    /// [`PhaseError::Stopped`]: it must not be begun any more.
    pub async fn point_of_no_return(&self, what: impl AsRef<str>) -> Result<(), PhaseError> {
        let what = self.redactor.redact(what.as_ref());
        let intent = EventKind::PointOfNoReturn { release: self.release(), phase: self.phase(), what: what.clone() };
        self.emitter.ask(intent).await?;
        self.attempts().pass_no_return(&what);
        Ok(())
    }

    /// What helm was last asked to do in `exec` by an earlier run, as long as it counts.
    pub(crate) fn earlier_helm(&self) -> Option<HelmProgress> {
        self.ledger().helm().cloned()
    }

    /// As of when the deploy that an earlier run has begun was begun, if the newest revision is what became of it.
    pub(crate) fn earlier_base(&self, newest: Option<&RevisionMeta>) -> Option<u32> {
        self.ledger().base(newest?)
    }

    /// Whether an earlier run has brought the release to its good end.
    pub(crate) fn has_ended_well_before(&self) -> bool {
        self.ledger().has_ended_well()
    }

    /// Whether an earlier run has ended `exec` well, as long as that counts.
    pub(crate) fn earlier_exec_ended_well(&self) -> bool {
        self.ledger().exec_ended_well()
    }

    /// The key of digests that are kept or shown.
    pub(crate) fn digest_key(&self) -> &DigestKey {
        &self.digest_key
    }

    /// Whether digests of the form before are among what counts of an earlier run.
    pub(crate) fn keeps_former_digests(&self) -> bool {
        self.ledger().keeps_former_digests()
    }

    /// What counts of an earlier run, to think ahead with.
    pub(crate) fn ledger_copy(&self) -> Ledger {
        self.ledger().clone()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever writes several objects asks before each whether everything is to end: the lock may be somebody else's by now.
    ///
    /// # Errors
    /// [`PhaseError::Interrupted`].
    pub(crate) fn go_on(&self) -> Result<(), PhaseError> {
        if self.terminate().is_cancelled() { Err(PhaseError::Interrupted) } else { Ok(()) }
    }

    /// Everything the releases of a run share.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Replaces the secrets known in this run. To be used on any text that comes from elsewhere.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What the release is to be.
    pub fn info(&self) -> &ChartInfo {
        &self.info
    }

    /// The release.
    pub fn release(&self) -> ReleaseKey {
        self.info.key()
    }

    /// Wall-clock time `exec` and `validate` each may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.info.timeout_in_seconds)
    }

    /// What is left of [`timeout`](Self::timeout) in the running phase; at least a second, so that what is started can say
    /// itself that the time is up.
    pub fn remaining(&self) -> Duration {
        let since = self.phase.lock().unwrap_or_else(PoisonError::into_inner).1;
        self.timeout().saturating_sub(since.elapsed()).max(Duration::from_secs(1))
    }

    /// Says what is being done or waited for right now.
    pub fn doing(&self, text: impl AsRef<str>) {
        self.emitter.say(self.phase(), Note::Doing, text.as_ref());
    }

    /// Says something worth keeping.
    pub fn say(&self, text: impl AsRef<str>) {
        self.emitter.say(self.phase(), Note::Info, text.as_ref());
    }

    /// Says something that wants attention.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.emitter.say(self.phase(), Note::Warning, text.as_ref());
    }

    /// The phase that is running.
    pub fn phase(&self) -> Phase {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = (phase, Instant::now());
        self.known().enter_phase();
    }

    /// What is known of why things do not work. Not to be held across an await.
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn emitter(&self) -> &Emitter {
        &self.emitter
    }

    /// What was found out so far. Held across an await only by whoever fills a slot.
    pub(crate) async fn cache(&self) -> tokio::sync::MutexGuard<'_, Cache> {
        self.cache.lock().await
    }

    /// What was wanted last, without asking whether it is out of date.
    pub(crate) async fn last_wanted(&self) -> Option<Arc<Wanted>> {
        let wanted = self.cache.lock().await.wanted.clone();
        wanted.target.is_some().then_some(wanted)
    }

    /// Keeps what was rendered as small as it can be, until the release's turn has come, or after it.
    pub(crate) async fn pack(&self) {
        let mut cache = self.cache.lock().await;
        cache.wanted = Arc::new(cache.wanted.packed());
        cache.rendered.iter_mut().for_each(|kept| kept.rendering = kept.rendering.packed());
    }

    /// What was observed does not hold any more.
    pub(crate) async fn forget_observation(&self) {
        let mut cache = self.cache.lock().await;
        cache.observed = None;
        cache.rendered.clear();
        cache.foreseen = None;
    }

    /// What was rendered with a look at the cluster does not hold any more.
    pub(crate) async fn forget_renderings(&self) {
        self.cache.lock().await.rendered.clear();
    }

    /// Keeps what was found before the first change of the run, for the release's turn.
    pub(crate) async fn keep_foresight(&self, foresight: Foresight) {
        self.cache.lock().await.foreseen = Some(Foreseen { foresight, at: Instant::now() });
    }

    /// The release's turn has come: what was seen of it before counts only if that was just now, and no release of the run has
    /// changed anything since.
    pub(crate) async fn begin_turn(&self) {
        let is_fresh = self.cache.lock().await.foreseen.as_ref().is_some_and(Foreseen::is_fresh);
        if !is_fresh || self.session.has_begun() {
            self.forget_observation().await;
        }
    }

    /// What was found before the first change of the run, if that still counts. Given once.
    pub(crate) async fn foreseen(&self) -> Option<Foresight> {
        self.cache.lock().await.foreseen.take().map(|seen| seen.foresight)
    }

    /// An error with all that caused it in one line, redacted.
    pub(crate) fn error_text(&self, error: &(dyn Error + 'static)) -> String {
        self.redactor.redact(&error_chain(error).join(": "))
    }
}

/// The secrets known of a release, besides those known anyway.
pub(crate) fn redactor_of(known: &Redactor, info: &ChartInfo) -> Redactor {
    let mut redactor = known.clone();
    for value in &info.values {
        if let ValueSource::Sensitive(secret) = &value.value {
            redactor.add(secret.expose());
        }
    }
    redactor
}
