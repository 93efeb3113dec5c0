//! The one owner of a run's state: numbers and stamps what happens, writes it down, and tells whether what is intended
//! may be done.

use crate::context::Message;
use crate::journal::Recorder;
use crate::kept_digest;
use jiff::Timestamp;
use pilothouse_core::{Event, EventKind, Phase, RunProgress, StopReason};
use pilothouse_kube::LeaseLock;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The state of a run.
pub(crate) struct Owner<F> {
    on_event: F,
    seq: u64,
    progress: Option<RunProgress>,
    recorder: Option<Recorder>,
    lock: Option<Arc<LeaseLock>>,
    /// Events from before the journal was opened; it begins with them.
    before_journal: Vec<Event>,
    stopped: Option<StopReason>,
    waiting: Vec<Waiting>,
}

/// An intent that is not yet written down everywhere.
struct Waiting {
    seq: u64,
    answer: oneshot::Sender<Result<(), StopReason>>,
    /// What is written down if it must not be done after all, so that nobody has to ask whether it was.
    never_begun: Option<EventKind>,
}

impl<F: FnMut(&Event)> Owner<F> {
    pub(crate) fn new(on_event: F) -> Self {
        Self {
            on_event,
            seq: 0,
            progress: None,
            recorder: None,
            lock: None,
            before_journal: Vec::new(),
            stopped: None,
            waiting: Vec::new(),
        }
    }

    /// Takes a message of a worker.
    pub(crate) fn take(&mut self, message: Message) {
        match message {
            Message::Happened(kind) => self.happened(kind),
            Message::Ask { intent, answer } => self.asked(intent, answer),
        }
    }

    /// Something has happened: it is numbered, written down and handed out.
    pub(crate) fn happened(&mut self, kind: EventKind) {
        self.seq += 1;
        let event = Event { seq: self.seq, at: Timestamp::now(), kind };
        match &mut self.progress {
            Some(progress) => progress.see(&event),
            None => self.progress = RunProgress::begin(&event),
        }
        let written = if let Some(recorder) = &mut self.recorder {
            recorder.write(&event)
        } else {
            self.before_journal.push(event.clone());
            Ok(())
        };
        (self.on_event)(&shown(event));
        if let Err(why) = written {
            self.stop(StopReason::JournalFailed { why });
        }
    }

    /// Something is intended. The answer comes once it is written down, or at once when it must not be done.
    fn asked(&mut self, intent: EventKind, answer: oneshot::Sender<Result<(), StopReason>>) {
        self.look_at_lock();
        if let Some(reason) = self.forbids(&intent) {
            let _ = answer.send(Err(reason));
            return;
        }
        let never_begun = never_begun(&intent);
        self.happened(intent);
        match (&self.recorder, &self.stopped) {
            (_, Some(reason @ StopReason::JournalFailed { .. })) => {
                let _ = answer.send(Err(reason.clone()));
                if let Some(event) = never_begun {
                    self.happened(event);
                }
            }
            (None, _) => {
                let _ = answer.send(Ok(()));
            }
            (Some(_), _) => self.waiting.push(Waiting { seq: self.seq, answer, never_begun }),
        }
        self.publish();
    }

    /// Whatever is about to be done is only done under a lock that certainly is ours.
    fn look_at_lock(&mut self) {
        if let Some(lock) = self.lock.as_ref().filter(|lock| !lock.is_valid()) {
            let why = lock.why_lost().unwrap_or_else(|| "it could not be renewed in time".to_owned());
            self.stop(StopReason::LockLost { why });
        }
    }

    /// Why something must not be done any more.
    fn forbids(&self, intent: &EventKind) -> Option<StopReason> {
        let cleans_up = match intent {
            EventKind::StepStarted { phase, .. } | EventKind::HelmStarted { phase, .. } => {
                *phase == Phase::OnDeployFailure
            }
            _ => false,
        };
        match &self.stopped {
            // The releases that run go on.
            None | Some(StopReason::FailFast { .. }) => None,
            // What went wrong by itself is still cleaned up.
            Some(StopReason::User) if cleans_up => None,
            Some(reason) => Some(reason.clone()),
        }
    }

    /// Opens the journal: what happened so far is in it already.
    pub(crate) fn record_with(&mut self, recorder: Recorder, lock: Arc<LeaseLock>) {
        self.recorder = Some(recorder);
        self.lock = Some(lock);
        self.before_journal.clear();
    }

    /// The lock is about to be given back.
    pub(crate) fn forget_lock(&mut self) {
        self.lock = None;
    }

    /// What happened before the journal was opened.
    pub(crate) fn before_journal(&self) -> &[Event] {
        &self.before_journal
    }

    pub(crate) fn progress(&self) -> Option<&RunProgress> {
        self.progress.as_ref()
    }

    pub(crate) fn stopped(&self) -> Option<&StopReason> {
        self.stopped.as_ref()
    }

    /// Nothing new is begun from now on. A second, harder reason takes the place of a softer one.
    pub(crate) fn stop(&mut self, reason: StopReason) {
        if self.stopped.as_ref().is_some_and(|known| hardness(known) >= hardness(&reason)) {
            return;
        }
        let refused = if hardness(&reason) > 0 { std::mem::take(&mut self.waiting) } else { Vec::new() };
        let told = reason.clone();
        self.stopped = Some(reason);
        self.happened(EventKind::RunStopping { reason: told.clone() });
        for Waiting { answer, never_begun, .. } in refused {
            let _ = answer.send(Err(told.clone()));
            if let Some(event) = never_begun {
                self.happened(event);
            }
        }
    }

    /// Waits until the copy in the cluster holds everything up to an event, or cannot. Never ends without a journal.
    pub(crate) async fn written(&mut self) -> Result<u64, StopReason> {
        match &mut self.recorder {
            Some(recorder) => recorder.written().await,
            None => std::future::pending().await,
        }
    }

    /// The copy in the cluster holds everything up to this event.
    pub(crate) fn is_written(&mut self, up_to: u64) {
        self.look_at_lock();
        let (done, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|ask: &Waiting| ask.seq <= up_to);
        self.waiting = waiting;
        let done: Vec<Waiting> = done;
        for ask in done {
            let _ = ask.answer.send(Ok(()));
        }
        self.publish();
    }

    /// Sends the state to the cluster if someone waits for that; see also [`Owner::publish_lazily`].
    fn publish(&mut self) {
        if let (Some(recorder), Some(progress), Some(newest)) =
            (&mut self.recorder, &self.progress, self.waiting.last().map(|ask| ask.seq))
        {
            recorder.publish(progress, newest);
        }
    }

    /// Sends the state to the cluster although nobody waits for it.
    pub(crate) fn publish_lazily(&mut self) {
        if let (Some(recorder), Some(progress)) = (&mut self.recorder, &self.progress) {
            recorder.publish(progress, progress.seq);
        }
    }

    /// The end: what is still to be written is written, unless the copy in the cluster is not ours any more.
    pub(crate) async fn finish(mut self, ours: bool) {
        self.forget_lock();
        if let (Some(recorder), Some(progress)) = (self.recorder, self.progress) {
            recorder.finish(progress, ours).await;
        }
    }
}

/// How it is told that what was intended, and written down as such, was not begun; `None` for what is no intent. Without it
/// the next run would take its end for unknown.
fn never_begun(intent: &EventKind) -> Option<EventKind> {
    let error = Some("it was not begun: the run had to stop".to_owned());
    match intent {
        EventKind::StepStarted { release, phase, index, .. } => Some(EventKind::StepFinished {
            release: release.clone(),
            phase: *phase,
            index: *index,
            error,
            output: None,
            elapsed_ms: 0,
        }),
        EventKind::HelmStarted { release, phase, command, .. } => Some(EventKind::HelmFinished {
            release: release.clone(),
            phase: *phase,
            command: *command,
            error,
            elapsed_ms: 0,
        }),
        EventKind::HealStarted { release, .. } => Some(EventKind::HealFinished { release: release.clone(), error }),
        _ => None,
    }
}

/// An event as it is shown.
fn shown(mut event: Event) -> Event {
    kept_digest::hide(&mut event.kind);
    event
}

/// How much a reason forbids.
fn hardness(reason: &StopReason) -> u8 {
    match reason {
        StopReason::FailFast { .. } => 0,
        StopReason::User => 1,
        StopReason::JournalFailed { .. } => 2,
        StopReason::LockLost { .. } => 3,
    }
}
