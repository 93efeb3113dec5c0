//! Waiting until objects are gone, or exist, by reading them again and again: such waits are short. For readiness see `ready`.

use super::look::{Look, look_for_ready, pending, unreadable};
use super::progress::{Ended, NotReady, Progress};
use crate::client::{ClusterClient, ClusterError, Detail, Seen, read_all};
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, ObjectStatus, Readiness};
use pilothouse_health::Rules;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// Between two reads of the same object.
const FIRST_INTERVAL: Duration = Duration::from_millis(50);
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);

/// The times between reads: at first 50 ms, later a second.
pub(crate) struct Intervals(Duration);

impl Default for Intervals {
    fn default() -> Self {
        Self(FIRST_INTERVAL)
    }
}

impl Intervals {
    pub(crate) fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 3 / 2).min(LONGEST_INTERVAL);
        now
    }
}

/// Waits until none of the objects exists. A kind that is no longer served has no objects left.
///
/// # Errors
/// What still exists, with what holds it (its finalizers), and why the wait ended.
pub async fn wait_deleted(
    client: &dyn ClusterClient,
    objects: &[ObjectRef],
    deadline: Instant,
    cancel: &CancellationToken,
    on_change: impl FnMut(&Progress) + Send,
) -> Result<(), NotReady> {
    wait(client, objects, deadline, cancel, look_for_gone, Detail::Metadata, on_change).await
}

/// Waits until all of the objects exist, in whatever state.
///
/// # Errors
/// What does not exist, and why the wait ended.
pub async fn wait_exists(
    client: &dyn ClusterClient,
    objects: &[ObjectRef],
    deadline: Instant,
    cancel: &CancellationToken,
    on_change: impl FnMut(&Progress) + Send,
) -> Result<(), NotReady> {
    wait(client, objects, deadline, cancel, look_for_any, Detail::Metadata, on_change).await
}

async fn wait(
    client: &dyn ClusterClient,
    objects: &[ObjectRef],
    deadline: Instant,
    cancel: &CancellationToken,
    look: fn(&Seen) -> Look,
    want: Detail,
    mut on_change: impl FnMut(&Progress) + Send,
) -> Result<(), NotReady> {
    let unread = || ObjectStatus::new(Readiness::Unknown, "it has not been read yet");
    let mut statuses: Vec<ObjectStatus> = objects.iter().map(|_| unread()).collect();
    let mut pending: Vec<usize> = (0..objects.len()).collect();
    let mut intervals = Intervals::default();
    let ended = |ended, pending: &[usize], statuses: &[ObjectStatus]| {
        let objects = pending.iter().map(|&index| (objects[index].clone(), statuses[index].clone())).collect();
        NotReady { objects, ended }
    };
    loop {
        let asked: Vec<ObjectRef> = pending.iter().map(|&index| objects[index].clone()).collect();
        let seen = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(ended(Ended::Cancelled, &pending, &statuses)),
            seen = timeout_at(deadline, read_all(client, &asked, want)) => seen,
        };
        let Ok(seen) = seen else { return Err(ended(Ended::Deadline, &pending, &statuses)) };
        let complete = pending.len() == objects.len();
        let (mut left, mut changed, mut hopeless) = (Vec::new(), false, false);
        for (index, seen) in pending.into_iter().zip(&seen) {
            let look = look(seen);
            changed |= look.done || look.status != statuses[index];
            hopeless |= look.hopeless;
            statuses[index] = look.status;
            if !look.done {
                left.push(index);
            }
        }
        pending = left;
        if changed {
            let pending = pending.iter().map(|&index| (objects[index].clone(), statuses[index].clone())).collect();
            on_change(&Progress { total: objects.len(), pending });
        }
        if hopeless {
            return Err(ended(Ended::Failed, &pending, &statuses));
        }
        if pending.is_empty() {
            if complete {
                return Ok(());
            }
            pending = (0..objects.len()).collect();
            continue;
        }
        let next = Instant::now() + intervals.next();
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(ended(Ended::Cancelled, &pending, &statuses)),
            () = sleep_until(next.min(deadline)) => {}
        }
        if Instant::now() >= deadline {
            return Err(ended(Ended::Deadline, &pending, &statuses));
        }
    }
}

fn look_for_gone(seen: &Seen) -> Look {
    let gone = || Look {
        status: ObjectStatus::new(Readiness::NotFound, "it is gone"),
        done: true,
        hopeless: false,
        depends: false,
    };
    match seen {
        Ok(None) => gone(),
        Ok(Some(object)) => match Rules::default().judge(object, Timestamp::now()).status {
            held if held.readiness == Readiness::Terminating => {
                Look { status: held, done: false, hopeless: false, depends: false }
            }
            held => pending(held.readiness, "it still exists"),
        },
        Err(error) if matches!(**error, ClusterError::NotServed { .. }) => gone(),
        Err(error) => unreadable(error),
    }
}

fn look_for_any(seen: &Seen) -> Look {
    match seen {
        Ok(Some(_)) => Look {
            status: ObjectStatus::new(Readiness::Current, "it exists"),
            done: true,
            hopeless: false,
            depends: false,
        },
        _ => look_for_ready(&Rules::default(), seen),
    }
}
