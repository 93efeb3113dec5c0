//! What a phase is handed.

use crate::context::cache::Cache;
use crate::context::events::{Emitter, Message};
use crate::context::session::Session;
use crate::context::steps_seen::StepsSeen;
use crate::context::taken::Taken;
use crate::context::wanted::Wanted;
use crate::error::PhaseError;
use pilothouse_core::{ChartInfo, CrdFacts, EventKind, Note, Phase, Redactor, ReleaseKey, ValueSource, error_chain};
use pilothouse_helm::HelmClient;
use pilothouse_kube::{ClusterClient, Tracker};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// What every phase of one release is handed: the clients, the cancel token, and a place to say what is going on.
/// What was observed and rendered is kept here, so that a phase does not repeat what an earlier one did. What the run has done
/// so far is in the [`ReleaseRun`](crate::ReleaseRun) beside it.
pub struct Context {
    session: Arc<Session>,
    info: ChartInfo,
    emitter: Emitter,
    phase: Phase,
    /// Whether a deploy was begun that goes on to its end, whatever it finds half done.
    under_way: bool,
    cache: Mutex<Cache>,
}

impl Context {
    /// A context for one release, which sends its events to `events`.
    pub(crate) fn new(session: Arc<Session>, info: &ChartInfo, events: UnboundedSender<Message>) -> Self {
        Self {
            emitter: Emitter::new(events, redactor_of(&session.redactor, info)),
            session,
            info: info.clone(),
            phase: Phase::CheckPrerequisites,
            under_way: false,
            cache: Mutex::default(),
        }
    }

    /// Notes what is known of the chart's steps. What they say is secret is hidden from now on.
    pub(crate) fn see_steps(&mut self, steps: StepsSeen) {
        steps.secrets.iter().for_each(|secret| self.redactor().add(secret.expose()));
        self.cache.get_mut().wanted = Arc::new(Wanted { steps: Arc::new(steps), ..Wanted::default() });
    }

    /// What is known of the chart's steps.
    pub(crate) async fn steps(&self) -> Arc<StepsSeen> {
        self.cache.lock().await.wanted.steps.clone()
    }

    /// A deploy was begun, by an earlier run or an earlier attempt: it goes on to its end, whatever it finds half done.
    pub(crate) fn go_on_with_deploy(&mut self) {
        self.under_way = true;
        // What was decided was not on this way.
        self.cache.get_mut().observed = None;
    }

    /// Whether a deploy was begun that goes on to its end.
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way
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

    /// Fires when the lock is lost: then nothing may go on, whatever it is.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.session.lost
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
        self.emitter.redactor()
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

    /// Says what is being done or waited for right now.
    pub fn doing(&self, text: impl AsRef<str>) {
        self.note(Note::Doing, text.as_ref());
    }

    /// Says something worth keeping.
    pub fn say(&self, text: impl AsRef<str>) {
        self.note(Note::Info, text.as_ref());
    }

    /// Says something that wants attention.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.note(Note::Warning, text.as_ref());
    }

    fn note(&self, note: Note, text: &str) {
        let (release, phase) = (self.release(), self.phase);
        self.emitter.emit(EventKind::Said { release, phase, note, text: text.to_owned() });
    }

    /// The phase that is running.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// A phase begins.
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    pub(crate) fn emitter(&self) -> &Emitter {
        &self.emitter
    }

    /// What was found out so far. Held across an await only by whoever fills a slot.
    pub(crate) async fn cache(&self) -> tokio::sync::MutexGuard<'_, Cache> {
        self.cache.lock().await
    }

    /// It is rendered from now on for a cluster that has these definitions too.
    pub(crate) async fn expect_kinds(&self, coming: Arc<[CrdFacts]>) {
        let mut cache = self.cache.lock().await;
        if cache.wanted.coming != coming {
            cache.wanted = Arc::new(Wanted { coming, ..cache.wanted.to_be_made() });
            cache.observed = None;
            cache.rendered.clear();
        }
    }

    /// Before its turn comes, earlier releases take this away: what was observed does not count then.
    pub(crate) async fn expect_taken(&self, taken: Taken) {
        let mut cache = self.cache.lock().await;
        if *cache.wanted.taken != taken {
            Arc::make_mut(&mut cache.wanted).taken = Arc::new(taken);
            cache.observed = None;
        }
    }

    /// What earlier releases of a plan take away before its turn comes.
    pub(crate) async fn taken(&self) -> Arc<Taken> {
        self.cache.lock().await.wanted.taken.clone()
    }

    /// What was wanted last, without asking whether it is out of date.
    pub(crate) async fn last_wanted(&self) -> Option<Arc<Wanted>> {
        let wanted = self.cache.lock().await.wanted.clone();
        wanted.target.is_some().then_some(wanted)
    }

    /// It is going to be an install, or an upgrade to this revision, as far as that is known.
    pub(crate) async fn expect_revision(&self, upgrade: Option<u32>) {
        let wanted = &mut self.cache.lock().await.wanted;
        if wanted.expected != upgrade {
            Arc::make_mut(wanted).expected = upgrade;
        }
    }

    /// What is wanted has to be made anew, of the same values of earlier phases; what was observed does not hold any more either.
    pub(crate) async fn forget_wanted(&self) {
        let mut cache = self.cache.lock().await;
        cache.wanted = Arc::new(cache.wanted.to_be_made());
        cache.observed = None;
        cache.rendered.clear();
    }

    /// The release is not at work any more, or not yet: what was read of it for that is not kept.
    pub(crate) fn forget_reads(&self) {
        self.session.reads.forget(&self.release());
    }

    /// Keeps what was rendered as small as it can be, until the release's turn has come, or after it.
    pub(crate) async fn compress_renderings(&self) {
        let mut cache = self.cache.lock().await;
        cache.wanted = Arc::new(cache.wanted.packed());
        cache.rendered.iter_mut().for_each(|kept| kept.rendering = kept.rendering.packed());
    }

    /// What was observed does not hold any more, nor what was rendered with a look at the cluster, unless that was just now and
    /// nothing has begun to change since.
    pub(crate) async fn forget_observation(&self) {
        self.session.reads.forget_found(&self.release());
        let mut cache = self.cache.lock().await;
        if cache.wanted.rendered_as.looks_up && (self.session.has_begun() || !cache.wanted.is_fresh()) {
            drop(cache);
            return self.forget_wanted().await;
        }
        cache.observed = None;
        cache.rendered.clear();
    }

    /// What was rendered with a look at the cluster does not hold any more.
    pub(crate) async fn forget_renderings(&self) {
        self.cache.lock().await.rendered.clear();
    }

    /// An error with all that caused it in one line, redacted.
    pub(crate) fn error_text(&self, error: &(dyn Error + 'static)) -> String {
        self.redactor().clean(&error_chain(error).join(": ")).into_string()
    }
}

/// The redactor, which knows the secrets of this release too from now on, and by what names it is told of.
pub(crate) fn redactor_of(known: &Redactor, info: &ChartInfo) -> Redactor {
    let redactor = known.clone();
    redactor.spare(&info.name);
    redactor.spare(info.key().namespace.as_str());
    for value in &info.values {
        redactor.spare(&value.key);
        value.key.split(['.', '[', ']']).filter(|key| key.len() > 2).for_each(|key| redactor.spare(key));
        if let ValueSource::Sensitive(secret) = &value.value {
            redactor.add(secret.expose());
        }
    }
    redactor
}
