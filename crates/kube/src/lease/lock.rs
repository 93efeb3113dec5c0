//! The lock, for whoever holds it.

use super::clock::Moment;
use super::heartbeat::{Renewal, Tenure, keep};
use super::record::{holder, identity, lease_ref, moved_to, written_at};
use super::write::{close, let_go};
use crate::client::{ClusterClient, ClusterError};
use jiff::Timestamp;
use pilothouse_core::{Holder, ObjectRef};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// How long a release may take.
pub(super) const RELEASE_LIMIT: Duration = Duration::from_secs(5);

/// Which lease, for whom.
#[derive(Debug, Clone)]
pub struct LeaseConfig {
    /// The namespace of the lease. It has to be there.
    pub namespace: String,
    /// The name of the lease.
    pub name: String,
    /// How long each renewal is good for, between a second and an hour; it is renewed three times as often. Others read
    /// it in whole seconds, rounded up.
    pub duration: Duration,
    /// Who takes the lock. No two attempts may share it.
    pub holder: Holder,
    /// Labels of the lease, beside `app.kubernetes.io/managed-by`.
    pub labels: BTreeMap<String, String>,
    /// Whether it is taken although what it protects was moved to another namespace: that is moved back.
    pub moved_back: bool,
    /// Whether it was not there a moment ago: then it is created without another look, and looked at only where somebody was faster.
    pub absent: bool,
}

impl LeaseConfig {
    /// A lease of 15 s without labels of its own.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, holder: Holder) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            duration: Duration::from_secs(15),
            holder,
            labels: BTreeMap::new(),
            moved_back: false,
            absent: false,
        }
    }

    /// Whether there is no such lease now.
    ///
    /// # Errors
    /// As for any request.
    pub async fn is_absent(&self, cluster: &dyn ClusterClient) -> Result<bool, ClusterError> {
        Ok(cluster.get(&self.target()).await?.is_none())
    }

    pub(super) fn target(&self) -> ObjectRef {
        lease_ref(&self.namespace, &self.name)
    }
}

/// What a lock looks like to somebody who does not want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockSeen {
    /// Nobody has it.
    Free,
    /// Somebody has it, or had it and ended without a word.
    Held,
    /// What it protects was moved to another namespace.
    Moved {
        /// Which one.
        to: String,
    },
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("the lock is held by {}", holder.as_ref().map_or("somebody unknown".to_owned(), Holder::to_string))]
    Held {
        /// Who, as far as the lease tells.
        holder: Option<Holder>,
        /// How long was waited.
        waited: Duration,
    },
    /// What it protects was moved to another namespace, and so is the lock.
    #[error("what the lock protects was moved to namespace {to}")]
    Moved {
        /// Which one.
        to: String,
    },
    /// The wait was cancelled.
    #[error("the wait for the lock was interrupted")]
    Interrupted,
    /// The cluster did not let us look, or take it.
    #[error("the lock cannot be taken")]
    Cluster(#[source] ClusterError),
}

/// A lock that is ours until it is released, dropped or lost.
///
/// Dropping it stops the heartbeat and leaves the lease to run out; [`LeaseLock::release`] lets the next one in at once.
pub struct LeaseLock {
    tenure: Arc<Tenure>,
    heartbeat: AbortOnDropHandle<()>,
    waited: Duration,
    taken_over: Option<String>,
    /// The server's clock when it made the write that took the lock, and the moment its answer was here.
    server: Option<(Timestamp, Moment)>,
}

impl LeaseLock {
    /// Begins to hold a lease that was just written: the request was begun at `asked`, the lease is its answer.
    pub(super) fn begin(
        cluster: Arc<dyn ClusterClient>,
        config: LeaseConfig,
        asked: Moment,
        lease: Value,
        waited: Duration,
        taken_over: Option<String>,
    ) -> Self {
        let server = written_at(&lease).map(|time| (time, Moment::now()));
        let tenure = Arc::new(Tenure {
            cluster,
            target: config.target(),
            us: config.holder,
            valid: config.duration,
            lost: CancellationToken::new(),
            why_lost: OnceLock::new(),
            renewal: Mutex::new(Renewal { asked, lease, failure: None }),
        });
        let heartbeat = AbortOnDropHandle::new(tokio::spawn(keep(Arc::clone(&tenure))));
        Self { tenure, heartbeat, waited, taken_over, server }
    }

    /// Whether the lock certainly is ours right now: to be asked before each effect. It counts on while the process is
    /// stopped or the machine suspended, and a lock that was lost never comes back.
    pub fn is_valid(&self) -> bool {
        self.tenure.is_valid()
    }

    /// Cancelled as soon as the lock is known to be lost: somebody else holds it, it is gone, or it could not be
    /// renewed in time. Not when it is released or dropped.
    pub fn lost(&self) -> CancellationToken {
        self.tenure.lost.clone()
    }

    /// Why the lock was lost, if it was.
    pub fn why_lost(&self) -> Option<String> {
        self.tenure.why_lost.get().cloned()
    }

    /// How long it took to get the lock.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Why the holder before was taken for gone, when the lock was not free.
    pub fn taken_over(&self) -> Option<&str> {
        self.taken_over.as_deref()
    }

    /// When the lock was taken by the API server's clock, in whole seconds, rounded down. `None` when the server does
    /// not tell.
    pub fn taken_at(&self) -> Option<Timestamp> {
        self.server.map(|(time, _)| time)
    }

    /// What the API server's clock shows now, if it ran as evenly as ours since the lock was taken: behind it by a second
    /// and the time of one request at most. Does not depend on this machine's wall clock.
    pub fn server_now(&self) -> Option<Timestamp> {
        self.server.and_then(|(time, moment)| time.checked_add(moment.elapsed()).ok())
    }

    /// What a lock looks like, without wanting it.
    ///
    /// # Errors
    /// As for any request.
    pub async fn look(cluster: &dyn ClusterClient, namespace: &str, name: &str) -> Result<LockSeen, ClusterError> {
        let lease = cluster.get(&lease_ref(namespace, name)).await?;
        Ok(match lease.as_ref().map(|lease| (moved_to(lease), identity(lease))) {
            Some((Some(to), _)) => LockSeen::Moved { to: to.to_owned() },
            Some((None, Some(_))) => LockSeen::Held,
            Some((None, None)) | None => LockSeen::Free,
        })
    }

    /// Whether somebody may be at work under a lock, without wanting it: somebody is named in it whose process is not proven to be gone.
    ///
    /// # Errors
    /// As for any request.
    pub async fn may_be_held(
        cluster: &dyn ClusterClient,
        namespace: &str,
        name: &str,
        is_gone: impl Fn(&Holder) -> Option<bool>,
    ) -> Result<bool, ClusterError> {
        let lease = cluster.get(&lease_ref(namespace, name)).await?;
        let is_gone = |lease: &Value| holder(lease).as_ref().and_then(&is_gone) == Some(true);
        Ok(lease.is_some_and(|lease| moved_to(&lease).is_none() && identity(&lease).is_some() && !is_gone(&lease)))
    }

    /// Closes the lock for good, since what it protects is from now on in another namespace: whoever comes is told so, and
    /// a program that does not know of it takes it for held. Tried for 5 s.
    ///
    /// # Errors
    /// When the lock is not ours any more, or it is not known whether that was written. Then it is not given free.
    pub async fn move_away(self, to: &str) -> Result<(), LockError> {
        self.heartbeat.abort();
        // A renewal that was under way may still be made; then the lease is read again.
        let _ = self.heartbeat.await;
        let Tenure { cluster, target, us, .. } = self.tenure.as_ref();
        let lease = self.tenure.renewal().lease.clone();
        close(cluster.as_ref(), target, us, lease, to, RELEASE_LIMIT).await
    }

    /// Gives the lock free, within 5 s. To be called when everything it protects has ended, since the next one starts at
    /// once. What somebody else holds by now is left alone; if the API does not answer, the lease runs out by itself.
    pub async fn release(self) {
        self.heartbeat.abort();
        // A renewal that was under way may still be made; then the lease is read again.
        let _ = self.heartbeat.await;
        let Tenure { cluster, target, us, .. } = self.tenure.as_ref();
        let lease = self.tenure.renewal().lease.clone();
        let_go(cluster.as_ref(), target, us, Some(lease), RELEASE_LIMIT).await;
    }
}

impl std::fmt::Debug for LeaseLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseLock")
            .field("target", &self.tenure.target)
            .field("us", &self.tenure.us)
            .finish_non_exhaustive()
    }
}
