//! Taking the lock, and waiting for it.

use super::clock::Moment;
use super::heartbeat::request_limit;
use super::judge::{Verdict, judge};
use super::lock::{LeaseConfig, LeaseLock, LockError, RELEASE_LIMIT};
use super::record::{Beat, holder, renewed, taken};
use super::write::{Written, let_go, write};
use crate::client::{ClusterClient, ClusterError};
use jiff::Timestamp;
use pilothouse_core::Holder;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The bounds of a lease's duration.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3600);
/// How often a lease that is held is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long after a lost race it is looked at again.
const AFTER_A_RACE: Duration = Duration::from_millis(100);
/// How many races may be lost in a row when there is no time to wait.
const RACES: u32 = 3;

impl LeaseLock {
    /// Takes the lock, waiting up to `timeout` while somebody else holds it; with none, it is tried once.
    ///
    /// `is_gone` tells whether a holder's process certainly has ended (`None`: it cannot be told); then the lock is taken
    /// over at once, otherwise only after its record has not changed for its whole duration and a little more. `on_wait`
    /// is told whom the wait is for, before it begins and whenever that changes.
    ///
    /// A request that is under way is waited for at the end of the time; cancelling ends a read at once, and after a write
    /// gives back what it took.
    ///
    /// # Errors
    /// [`LockError::Held`] when it was held all the time, [`LockError::Interrupted`] when cancelled,
    /// [`LockError::Moved`] when what it protects is in another namespace, [`LockError::Cluster`] when the cluster refused, or at the end of the time still did not answer.
    pub async fn acquire(
        cluster: Arc<dyn ClusterClient>,
        mut config: LeaseConfig,
        timeout: Duration,
        cancel: &CancellationToken,
        is_gone: impl Fn(&Holder) -> Option<bool> + Send + Sync,
        mut on_wait: impl FnMut(Option<&Holder>) + Send,
    ) -> Result<Self, LockError> {
        config.duration = config.duration.clamp(SHORTEST, LONGEST);
        let begun = Instant::now();
        let mut attempt = Attempt { cluster, config, watch: None, taken_over: None, unsure: false };
        let mut told: Option<Option<Holder>> = None;
        let mut races = 0;
        loop {
            let found = tokio::select! {
                biased;
                () = cancel.cancelled() => Look::Interrupted,
                found = attempt.look(&is_gone) => found,
            };
            // How to end when there is no time left, and when to look again when there is.
            let (end, pause) = match found {
                Look::Interrupted => return attempt.fail(LockError::Interrupted).await,
                Look::Failed(error) if error.is_transient() => (LockError::Cluster(error), LOOK_EVERY),
                Look::Failed(error) => return attempt.fail(LockError::Cluster(error)).await,
                Look::Moved { to } => return attempt.fail(LockError::Moved { to }).await,
                Look::Held { holder } => {
                    if !timeout.is_zero() && told.as_ref() != Some(&holder) {
                        on_wait(holder.as_ref());
                        told = Some(holder.clone());
                    }
                    races = 0;
                    (LockError::Held { holder, waited: begun.elapsed() }, LOOK_EVERY)
                }
                Look::Takeable { lease, ours } => match attempt.take(lease, ours).await {
                    (asked, Written::Done(lease)) => {
                        let lock = attempt.begin(asked, lease, begun.elapsed());
                        if cancel.is_cancelled() {
                            lock.release().await;
                            return Err(LockError::Interrupted);
                        }
                        return Ok(lock);
                    }
                    (_, Written::Raced) => {
                        races += 1;
                        if races <= RACES {
                            sleep(AFTER_A_RACE).await;
                            continue;
                        }
                        (LockError::Held { holder: None, waited: begun.elapsed() }, AFTER_A_RACE)
                    }
                    (_, Written::Uncertain(error)) => (LockError::Cluster(error), LOOK_EVERY),
                    (_, Written::Refused(error)) => return attempt.fail(LockError::Cluster(error)).await,
                },
            };
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return attempt.fail(end).await;
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                () = sleep(pause.min(left)) => {}
            }
        }
    }
}

/// What a look at the lease found.
enum Look {
    Interrupted,
    Failed(ClusterError),
    Held { holder: Option<Holder> },
    Moved { to: String },
    Takeable { lease: Option<Value>, ours: bool },
}

/// An attempt to take the lock.
struct Attempt {
    cluster: Arc<dyn ClusterClient>,
    config: LeaseConfig,
    /// What the lease was like, and since when we have seen it so.
    watch: Option<(Beat, Instant)>,
    /// Why the last holder was taken for gone.
    taken_over: Option<String>,
    /// Whether a write may have been made whose answer is not known.
    unsure: bool,
}

impl Attempt {
    async fn look(&mut self, is_gone: &(impl Fn(&Holder) -> Option<bool> + Sync)) -> Look {
        if std::mem::take(&mut self.config.absent) {
            return Look::Takeable { lease: None, ours: false };
        }
        let asked = Instant::now();
        let lease = match self.cluster.get(&self.config.target()).await {
            Ok(lease) => lease,
            Err(error) => return Look::Failed(error),
        };
        let unchanged = self.unchanged_for(lease.as_ref(), asked);
        let us = &self.config.holder;
        let proof = lease.as_ref().and_then(holder).as_ref().filter(|holder| *holder != us).and_then(is_gone);
        match judge(lease.as_ref(), us, unchanged, proof) {
            Verdict::Held { holder } => Look::Held { holder },
            Verdict::Moved { .. } if self.config.moved_back => Look::Takeable { lease, ours: false },
            Verdict::Moved { to } => Look::Moved { to },
            // A write of ours whose answer did not reach us was made after all.
            Verdict::Ours => Look::Takeable { lease, ours: true },
            Verdict::Free => {
                self.taken_over = None;
                Look::Takeable { lease, ours: false }
            }
            Verdict::Gone { why, .. } => {
                self.taken_over = Some(why);
                Look::Takeable { lease, ours: false }
            }
        }
    }

    /// For how long the lease certainly was as it is: from when an answer first told of it until this one was asked for.
    fn unchanged_for(&mut self, lease: Option<&Value>, asked: Instant) -> Duration {
        let beat = lease.map(Beat::of);
        match (&self.watch, beat) {
            (Some((seen, since)), Some(beat)) if *seen == beat => asked.saturating_duration_since(*since),
            (_, beat) => {
                self.watch = beat.map(|beat| (beat, Instant::now()));
                Duration::ZERO
            }
        }
    }

    /// Writes that the lock is ours.
    async fn take(&mut self, lease: Option<Value>, ours: bool) -> (Moment, Written) {
        let LeaseConfig { holder, labels, duration, .. } = &self.config;
        let (target, now) = (self.config.target(), Timestamp::now());
        let body = match &lease {
            Some(lease) if ours => renewed(lease, *duration, now),
            _ => taken(lease.as_ref(), &target, holder, labels, *duration, now),
        };
        let asked = Moment::now();
        let limit = request_limit(*duration);
        let written = write(self.cluster.as_ref(), &target, lease.as_ref(), &body, limit).await;
        self.unsure |= matches!(written, Written::Uncertain(_));
        (asked, written)
    }

    fn begin(self, asked: Moment, lease: Value, waited: Duration) -> LeaseLock {
        LeaseLock::begin(self.cluster, self.config, asked, lease, waited, self.taken_over)
    }

    /// Ends without the lock, and without leaving it taken.
    async fn fail(self, error: LockError) -> Result<LeaseLock, LockError> {
        if self.unsure {
            let target = self.config.target();
            let_go(self.cluster.as_ref(), &target, &self.config.holder, None, RELEASE_LIMIT).await;
        }
        Err(error)
    }
}
