//! Writing the lease: guarded, with a deadline, and never twice without looking.

use super::judge::{Verdict, judge};
use super::lock::LockError;
use super::record::{moved, released};
use crate::client::{ClusterClient, ClusterError, Precondition};
use jiff::Timestamp;
use pilothouse_core::{Holder, ObjectRef};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How a write went.
pub(super) enum Written {
    /// It was made; the lease as it is now.
    Done(Value),
    /// It was not made: the lease is not any more what it was when it was read.
    Raced,
    /// It may have been made.
    Uncertain(ClusterError),
    /// It was not made, and will not be.
    Refused(ClusterError),
}

/// Creates the lease, or changes it if it still is what was read.
pub(super) async fn write(
    cluster: &dyn ClusterClient,
    target: &ObjectRef,
    read: Option<&Value>,
    body: &Value,
    limit: Duration,
) -> Written {
    let writing = async {
        match read {
            Some(lease) => cluster.merge_patch(target, body, &Precondition::unchanged(lease)).await,
            None => cluster.create(body).await,
        }
    };
    match timeout(limit, writing).await {
        Ok(Ok(lease)) => Written::Done(lease),
        Ok(Err(ClusterError::Conflict { .. })) => Written::Raced,
        Ok(Err(ClusterError::NotFound { .. })) if read.is_some() => Written::Raced,
        // What cannot be read was made, perhaps.
        Ok(Err(error)) if error.is_transient() || matches!(error, ClusterError::Malformed { .. }) => {
            Written::Uncertain(error)
        }
        Ok(Err(error)) => Written::Refused(error),
        Err(_) => Written::Uncertain(ClusterError::Timeout { what: format!("write {target}"), after: limit }),
    }
}

/// Gives the lease free if it is `us` who hold it. It is tried for `limit`; whoever comes next finds out by itself if
/// that did not do.
pub(super) async fn let_go(
    cluster: &dyn ClusterClient,
    target: &ObjectRef,
    us: &Holder,
    mut read: Option<Value>,
    limit: Duration,
) {
    let trying = async {
        loop {
            if let Some(lease) = read.take() {
                match write(cluster, target, Some(&lease), &released(Timestamp::now()), limit).await {
                    Written::Done(_) => return,
                    Written::Raced => {}
                    Written::Uncertain(error) | Written::Refused(error) => {
                        tracing::debug!(lease = %target, %error, "not released yet");
                        sleep(Duration::from_millis(200)).await;
                    }
                }
            }
            match cluster.get(target).await {
                Ok(lease) if judge(lease.as_ref(), us, Duration::ZERO, None) == Verdict::Ours => read = lease,
                Ok(_) => return,
                Err(error) => {
                    tracing::debug!(lease = %target, %error, "not released yet");
                    sleep(Duration::from_millis(200)).await;
                }
            }
        }
    };
    if timeout(limit, trying).await.is_err() {
        tracing::debug!(lease = %target, "not released in time");
    }
}

/// Writes into the lease that what it protects is in another namespace, if it is `us` who hold it.
pub(super) async fn close(
    cluster: &dyn ClusterClient,
    target: &ObjectRef,
    us: &Holder,
    mut lease: Value,
    to: &str,
    limit: Duration,
) -> Result<(), LockError> {
    let trying = async {
        loop {
            let failure = match write(cluster, target, Some(&lease), &moved(to, Timestamp::now()), limit).await {
                Written::Done(_) => return Ok(()),
                Written::Raced => None,
                Written::Uncertain(error) => Some(error),
                Written::Refused(error) => return Err(LockError::Cluster(error)),
            };
            let found = match cluster.get(target).await {
                Ok(found) => found,
                Err(error) => return Err(LockError::Cluster(failure.unwrap_or(error))),
            };
            match (judge(found.as_ref(), us, Duration::ZERO, None), found) {
                (Verdict::Moved { to: there }, _) if there == to => return Ok(()),
                (Verdict::Ours, Some(found)) => lease = found,
                (Verdict::Held { holder }, _) => return Err(LockError::Held { holder, waited: Duration::ZERO }),
                _ => return Err(LockError::Held { holder: None, waited: Duration::ZERO }),
            }
            if let Some(error) = failure {
                tracing::debug!(lease = %target, %error, "not closed yet");
                sleep(Duration::from_millis(200)).await;
            }
        }
    };
    let late = || LockError::Cluster(ClusterError::Timeout { what: format!("write {target}"), after: limit });
    timeout(limit, trying).await.unwrap_or_else(|_| Err(late()))
}
