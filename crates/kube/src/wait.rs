//! Waiting until objects are gone, or exist, by reading them again and again: such waits are short. For readiness see `ready`.

use crate::client::{ClusterClient, Detail};
use crate::error::ClusterError;
use crate::read::{Seen, in_one_line, read_all};
use crate::together;
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, ObjectStatus, Readiness};
use pilothouse_health::{Rules, is_certain};
use serde_json::Value;
use std::fmt;
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

/// How far a wait is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// How many objects are waited for.
    pub total: usize,
    /// Those that are not there yet, in the order they were given.
    pub pending: Vec<(ObjectRef, ObjectStatus)>,
}

impl Progress {
    /// How many objects are there.
    pub fn done(&self) -> usize {
        self.total - self.pending.len()
    }
}

/// Why a wait ended without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The time was up.
    Deadline,
    /// At least one object will certainly not become ready, or cannot be read for good.
    Failed,
    /// The user stopped it.
    Cancelled,
}

/// What is not ready, and why the wait for it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// The objects that are not ready (or not gone), with how each was last seen.
    pub objects: Vec<(ObjectRef, ObjectStatus)>,
    /// Why the wait ended.
    pub ended: Ended,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ended {
            Ended::Deadline => f.write_str("the time is up")?,
            Ended::Failed => f.write_str("waiting longer is of no use")?,
            Ended::Cancelled => f.write_str("the wait was stopped")?,
        }
        for (index, (object, status)) in self.objects.iter().enumerate() {
            let separator = if index == 0 { ": " } else { "; " };
            write!(f, "{separator}{object} is {}: {}", status.readiness, status.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for NotReady {}

/// What a look at one object tells a wait.
pub(crate) struct Look {
    pub status: ObjectStatus,
    /// It is where it should be.
    pub done: bool,
    /// It will certainly not get there.
    pub hopeless: bool,
    /// What others show has a part in it.
    pub depends: bool,
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

/// How each of the objects stands right now, in their order. One that cannot be read is `Unknown`, with the reason.
pub async fn statuses(
    client: &dyn ClusterClient,
    rules: &Rules,
    objects: &[ObjectRef],
) -> Vec<(ObjectRef, ObjectStatus)> {
    let seen = read_all(client, objects, Detail::Whole).await;
    let looks = together::looks(client, rules, objects, &seen).await;
    objects.iter().cloned().zip(looks.into_iter().map(|look| look.status)).collect()
}

/// What an object that was read tells, or that it is not there (`None`).
pub(crate) fn readiness(rules: &Rules, object: Option<&Value>) -> Look {
    match object {
        Some(object) => {
            let status = rules.judge(object, Timestamp::now()).status;
            Look { done: status.is_ready(), hopeless: is_certain(object, &status), depends: false, status }
        }
        None => pending(Readiness::NotFound, "it does not exist"),
    }
}

pub(crate) fn look_for_ready(rules: &Rules, seen: &Seen) -> Look {
    match seen {
        Ok(object) => readiness(rules, object.as_ref()),
        // Its definition may be on its way.
        Err(error) if matches!(**error, ClusterError::NotServed { .. }) => {
            pending(Readiness::NotFound, error.to_string())
        }
        Err(error) => unreadable(error),
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

fn pending(readiness: Readiness, message: impl Into<String>) -> Look {
    Look { status: ObjectStatus::new(readiness, message), done: false, hopeless: false, depends: false }
}

fn unreadable(error: &ClusterError) -> Look {
    let status = ObjectStatus::new(Readiness::Unknown, format!("it cannot be read: {}", in_one_line(error)));
    Look { status: status.because("Unreadable"), done: false, hopeless: !error.is_transient(), depends: false }
}
