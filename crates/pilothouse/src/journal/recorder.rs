//! Writes a run down: on disk at once, in the cluster by a task of its own that always takes the newest state.

use crate::journal::{ClusterJournal, JournalError, JournalFile, Side, side};
use crate::span;
use pilothouse_core::{Event, RunProgress, StopReason};
use pilothouse_kube::LeaseLock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

/// How long to wait before a failed write to the cluster is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// How long writing to the cluster is tried before the run gives up: nothing new is begun meanwhile.
const LONGEST: Duration = Duration::from_secs(60);

/// How long the last write to the cluster may take. The journal on disk has everything in any case.
const LAST_WRITE: Duration = Duration::from_secs(20);

/// The journal of a run, in both its places.
pub(crate) struct Recorder {
    file: JournalFile,
    newest: watch::Sender<Option<RunProgress>>,
    results: UnboundedReceiver<Result<u64, StopReason>>,
    task: JoinHandle<()>,
    /// The newest event that was sent to the cluster.
    published: u64,
    /// An event could not be written to disk. None after it is: a journal has no gaps.
    gap: bool,
    /// It was told that nothing more is written to the cluster.
    told_end: bool,
}

impl Recorder {
    /// A recorder into these two places, which hold everything up to `written` already. The cluster's copy is written only
    /// under the lock.
    pub(crate) fn new(file: JournalFile, cluster: ClusterJournal, lock: Arc<LeaseLock>, written: u64) -> Self {
        let (newest, changes) = watch::channel(None);
        let (to, results) = unbounded_channel();
        let task = tokio::spawn(keep_writing(cluster, lock, changes, to));
        Self { file, newest, results, task, published: written, gap: false, told_end: false }
    }

    /// Writes an event to disk.
    pub(crate) fn write(&mut self, event: &Event) -> Result<(), String> {
        if self.gap {
            return Err("an earlier event could not be written".to_owned());
        }
        // An intent must survive whatever happens then.
        let durable = side(&event.kind) == Some(Side::Intent);
        let written = self.file.append(event, durable);
        self.gap = written.is_err();
        written.map_err(|error| pilothouse_core::error_chain(&error).join(": "))
    }

    /// Sends the state to the cluster, unless it holds what happened up to `needed` already or will soon.
    pub(crate) fn publish(&mut self, progress: &RunProgress, needed: u64) {
        if needed > self.published {
            self.published = progress.seq;
            self.newest.send_replace(Some(progress.clone()));
        }
    }

    /// Waits for the next result of writing to the cluster: everything up to an event is there, or nothing more will be.
    pub(crate) async fn written(&mut self) -> Result<u64, StopReason> {
        match self.results.recv().await {
            Some(result) => result,
            None if self.told_end => std::future::pending().await,
            None => {
                self.told_end = true;
                Err(StopReason::JournalFailed { why: "what writes it to the cluster has ended".to_owned() })
            }
        }
    }

    /// Writes what is left to be written. `ours` says whether the cluster's copy is still this run's.
    pub(crate) async fn finish(self, progress: RunProgress, ours: bool) {
        let Self { newest, mut results, mut task, .. } = self;
        if !ours {
            task.abort();
            return;
        }
        let last = progress.seq;
        newest.send_replace(Some(progress));
        drop(newest);
        let written = async {
            while let Some(result) = results.recv().await {
                if result.map_or(true, |seq| seq >= last) {
                    return;
                }
            }
        };
        if timeout(LAST_WRITE, written).await.is_err() {
            tracing::debug!("the last state of the run was not written to the cluster");
            task.abort();
        }
        let _ = (&mut task).await;
    }
}

/// Writes the newest state until there are no newer ones, or writing cannot succeed any more. What may pass is tried again
/// for as long as the run lives: nothing new is begun meanwhile. Once the lock is not ours any more, not even an attempt
/// is made: perhaps this process was stopped, and another run has long been at work.
async fn keep_writing(
    mut cluster: ClusterJournal,
    lock: Arc<LeaseLock>,
    mut changes: watch::Receiver<Option<RunProgress>>,
    to: UnboundedSender<Result<u64, StopReason>>,
) {
    while changes.changed().await.is_ok() {
        let Some(mut progress) = changes.borrow_and_update().clone() else { continue };
        let since = Instant::now();
        loop {
            if !lock.is_valid() {
                let _ = to.send(Err(StopReason::LockLost { why: lock.why_lost().unwrap_or_default() }));
                return;
            }
            let written = cluster.store(&progress).instrument(span::beside("write the journal")).await;
            let result = match written {
                Ok(()) => Ok(progress.seq),
                Err(error) if error.is_transient() && since.elapsed() < LONGEST => {
                    tracing::debug!(%error, "the journal in the cluster cannot be written now");
                    sleep(AGAIN).await;
                    if let Some(newer) = changes.borrow_and_update().clone() {
                        progress = newer;
                    }
                    continue;
                }
                Err(error @ JournalError::Taken { .. }) => Err(StopReason::LockLost { why: error.to_string() }),
                Err(error) => Err(StopReason::JournalFailed { why: pilothouse_core::error_chain(&error).join(": ") }),
            };
            let failed = result.is_err();
            if to.send(result).is_err() || failed {
                return;
            }
            break;
        }
    }
}
