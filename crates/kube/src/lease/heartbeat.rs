//! Holding the lease: renewing it in time, and knowing when it is lost.

use super::clock::Moment;
use super::judge::{Verdict, judge, slack};
use super::record::{identity, renewed};
use super::write::{Written, write};
use crate::client::ClusterClient;
use jiff::Timestamp;
use pilothouse_core::{Holder, ObjectRef};
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// A lease we hold, or have held.
pub(super) struct Tenure {
    pub(super) cluster: Arc<dyn ClusterClient>,
    pub(super) target: ObjectRef,
    pub(super) us: Holder,
    /// How long each renewal is good for, as the lease says.
    pub(super) valid: Duration,
    pub(super) lost: CancellationToken,
    pub(super) why_lost: OnceLock<String>,
    pub(super) renewal: Mutex<Renewal>,
}

/// The last renewal that is known to have been made.
pub(super) struct Renewal {
    /// When it was asked for: the server made it then or later, so that nobody else counts from an earlier moment.
    pub(super) asked: Moment,
    /// The lease after it.
    pub(super) lease: Value,
    /// Why the attempts since then failed.
    pub(super) failure: Option<String>,
}

/// How an attempt to renew went.
enum Renewed {
    Done(Value),
    /// It is still ours, as far as is known.
    Again {
        lease: Option<Value>,
        failure: String,
    },
    Lost(String),
}

impl Tenure {
    /// Whether the lease certainly is ours. Once it is not, it never is again.
    pub(super) fn is_valid(&self) -> bool {
        if self.lost.is_cancelled() {
            return false;
        }
        let why = {
            let renewal = self.renewal();
            let since = renewal.asked.elapsed();
            if since < self.good_for() {
                return true;
            }
            let failure = renewal.failure.as_ref().map(|failure| format!(": {failure}")).unwrap_or_default();
            format!("it was not renewed for {} s{failure}", since.as_secs())
        };
        self.lose(why);
        false
    }

    pub(super) fn lose(&self, why: String) {
        // The first reason stays.
        if self.why_lost.set(why).is_ok() {
            self.lost.cancel();
        }
    }

    pub(super) fn renewal(&self) -> MutexGuard<'_, Renewal> {
        self.renewal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long after a renewal we still take the lease for ours.
    fn good_for(&self) -> Duration {
        self.valid.saturating_sub(slack(self.valid))
    }

    fn expires(&self) -> Instant {
        self.renewal().asked.instant() + self.good_for()
    }

    /// How long one request may take: there is time for another attempt after one that hangs.
    fn request_limit(&self) -> Duration {
        request_limit(self.valid)
    }

    /// One attempt.
    async fn renew(&self) -> Renewed {
        let read = self.renewal().lease.clone();
        let limit = self.request_limit().min(self.expires().saturating_duration_since(Instant::now()));
        let patch = renewed(&read, self.valid, Timestamp::now());
        match write(self.cluster.as_ref(), &self.target, Some(&read), &patch, limit).await {
            Written::Done(lease) => Renewed::Done(lease),
            Written::Uncertain(error) | Written::Refused(error) => {
                Renewed::Again { lease: None, failure: error.to_string() }
            }
            Written::Raced => self.look().await,
        }
    }

    /// Somebody has changed the lease, perhaps we ourselves in an attempt whose answer did not reach us.
    async fn look(&self) -> Renewed {
        let limit = self.request_limit().min(self.expires().saturating_duration_since(Instant::now()));
        let lease = match timeout(limit, self.cluster.get(&self.target)).await {
            Ok(Ok(lease)) => lease,
            Ok(Err(error)) => return Renewed::Again { lease: None, failure: error.to_string() },
            Err(_) => return Renewed::Again { lease: None, failure: "it could not be read in time".to_owned() },
        };
        match judge(lease.as_ref(), &self.us, Duration::ZERO, None) {
            Verdict::Ours => Renewed::Again { lease, failure: "somebody else has changed it".to_owned() },
            Verdict::Free if lease.is_none() => Renewed::Lost("it was deleted".to_owned()),
            Verdict::Free => Renewed::Lost("somebody else has released it".to_owned()),
            Verdict::Held { .. } | Verdict::Gone { .. } | Verdict::Moved { .. } => {
                let named = lease.as_ref().and_then(identity).unwrap_or_default();
                Renewed::Lost(format!("{named} has taken it"))
            }
        }
    }
}

/// How long one request about a lease may take.
pub(super) fn request_limit(valid: Duration) -> Duration {
    valid / 4
}

/// Renews the lease until it is lost.
pub(super) async fn keep(tenure: Arc<Tenure>) {
    let mut next = tenure.renewal().asked.instant() + tenure.valid / 3;
    loop {
        sleep_until(next.min(tenure.expires())).await;
        // Before anything else: perhaps this process was stopped, and others have long been at work.
        if !tenure.is_valid() {
            return;
        }
        let asked = Moment::now();
        match tenure.renew().await {
            Renewed::Done(lease) => {
                *tenure.renewal() = Renewal { asked, lease, failure: None };
                next = asked.instant() + tenure.valid / 3;
            }
            Renewed::Again { lease, failure } => {
                tracing::debug!(lease = %tenure.target, failure, "not renewed yet");
                let mut renewal = tenure.renewal();
                renewal.failure = Some(failure);
                if let Some(lease) = lease {
                    renewal.lease = lease;
                }
                next = Instant::now() + (tenure.valid / 15).min(Duration::from_secs(1));
            }
            Renewed::Lost(why) => {
                tenure.lose(why);
                return;
            }
        }
    }
}
