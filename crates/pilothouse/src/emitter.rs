//! Where a release's events go.

use pilothouse_core::{EventKind, Note, Phase, Redactor, ReleaseKey};
use tokio::sync::mpsc::UnboundedSender;

/// Sends events to the one owner of the run, which numbers and stamps them. Text is redacted here, on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Emitter {
    to: UnboundedSender<EventKind>,
    release: ReleaseKey,
    redactor: Redactor,
}

impl Emitter {
    pub(crate) fn new(to: UnboundedSender<EventKind>, release: ReleaseKey, redactor: Redactor) -> Self {
        Self { to, release, redactor }
    }

    pub(crate) fn release(&self) -> ReleaseKey {
        self.release.clone()
    }

    /// Nobody listening any more is no error: the run is over.
    pub(crate) fn emit(&self, event: EventKind) {
        let _ = self.to.send(event);
    }

    pub(crate) fn say(&self, phase: Phase, note: Note, text: &str) {
        let text = self.redactor.redact(text);
        self.emit(EventKind::Said { release: self.release(), phase, note, text });
    }
}
