//! A run on a task of its own.

use crate::run::RunError;
use futures::Stream;
use pilothouse_core::{Event, RunOutcome};
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// A run that goes on by itself, a stream of its events. When it is dropped, everything the run has started is killed; the next run
/// continues.
pub struct Running {
    events: UnboundedReceiver<Event>,
    task: AbortOnDropHandle<Result<RunOutcome, RunError>>,
    cancel: CancellationToken,
}

impl Running {
    pub(super) fn new<F>(cancel: CancellationToken, begin: impl FnOnce(UnboundedSender<Event>) -> F) -> Self
    where
        F: Future<Output = Result<RunOutcome, RunError>> + Send + 'static,
    {
        let (to, events) = unbounded_channel();
        Self { events, task: AbortOnDropHandle::new(tokio::spawn(begin(to))), cancel }
    }

    /// How it ended, once it has.
    ///
    /// # Errors
    /// When it could not begin.
    pub async fn outcome(self) -> Result<RunOutcome, RunError> {
        match self.task.await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // Only this handle could have aborted it, and it is still here.
                Err(_) => Err(RunError::Interrupted),
            },
        }
    }

    /// Begins nothing new, lets what runs go on to a safe point, and waits for that. All runs of the session end so.
    ///
    /// # Errors
    /// As [`outcome`](Self::outcome).
    pub async fn cancel(self) -> Result<RunOutcome, RunError> {
        self.cancel.cancel();
        self.outcome().await
    }
}

/// The events in their order, from the first; it ends when the run has ended.
impl Stream for Running {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.poll_recv(context)
    }
}
