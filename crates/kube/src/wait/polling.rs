//! Waiting until objects are gone, or exist, by reading them again and again: such waits are short. For readiness see `ready`.

use super::look::{Look, look_for_ready, pending, unreadable};
use super::progress::{Ended, NotReady, Progress};
use crate::client::{ClusterClient, ClusterError, Detail, Seen, read_all};
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, ObjectStatus, Readiness};
use pilothouse_health::Rules;
use serde_json::Value;
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

/// An object that is waited for to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// Its name.
    pub object: ObjectRef,
    /// Its `metadata.uid`: another object of that name is not waited for. `None` for whatever has the name.
    pub uid: Option<String>,
}

impl Leaving {
    /// Whatever has this name.
    pub fn named(object: ObjectRef) -> Self {
        Self { object, uid: None }
    }
}

/// An object that has taken the name of one that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeAgain {
    /// The name.
    pub object: ObjectRef,
    /// Who has made it, where it tells: its controller, or the field manager that was first to write it.
    pub by: Option<String>,
}

/// Waits until none of the objects exists. A kind that is no longer served has no objects left. Gives those whose names others
/// have taken since: a controller may well be faster than any look.
///
/// # Errors
/// What still exists, with what holds it (its finalizers), and why the wait ended.
pub async fn wait_deleted(
    client: &dyn ClusterClient,
    leaving: &[Leaving],
    deadline: Instant,
    cancel: &CancellationToken,
    on_change: impl FnMut(&Progress) + Send,
) -> Result<Vec<MadeAgain>, NotReady> {
    let objects: Vec<ObjectRef> = leaving.iter().map(|one| one.object.clone()).collect();
    let mut again: Vec<Option<MadeAgain>> = leaving.iter().map(|_| None).collect();
    let look = |index: usize, seen: &Seen| {
        let one: &Leaving = &leaving[index];
        again[index] = made_again(one, seen);
        if again[index].is_some() { gone() } else { look_for_gone(seen) }
    };
    wait(client, &objects, deadline, cancel, look, Detail::Metadata, on_change).await?;
    Ok(again.into_iter().flatten().collect())
}

/// The object that has the name now, where that is another one.
fn made_again(leaving: &Leaving, seen: &Seen) -> Option<MadeAgain> {
    let now = seen.as_ref().ok()?.as_ref()?;
    let uid = now.pointer("/metadata/uid").and_then(Value::as_str)?;
    // One that is being deleted too may well be what was deleted by its name.
    let stays = now.pointer("/metadata/deletionTimestamp").is_none();
    let is_another = stays && leaving.uid.as_deref().is_some_and(|before| before != uid);
    is_another.then(|| MadeAgain { object: leaving.object.clone(), by: maker(now) })
}

fn maker(object: &Value) -> Option<String> {
    let list = |pointer| object.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let controller =
        list("/metadata/ownerReferences").find(|owner| owner.get("controller") == Some(&Value::Bool(true)));
    let owner = controller.and_then(|owner| Some(format!("{} {}", text(owner, "kind")?, text(owner, "name")?)));
    // Times of RFC 3339 in UTC are in the order of their text.
    let first = list("/metadata/managedFields").min_by_key(|entry| text(entry, "time"));
    owner.or_else(|| text(first?, "manager"))
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
    wait(client, objects, deadline, cancel, |_, seen| look_for_any(seen), Detail::Metadata, on_change).await
}

async fn wait(
    client: &dyn ClusterClient,
    objects: &[ObjectRef],
    deadline: Instant,
    cancel: &CancellationToken,
    mut look: impl FnMut(usize, &Seen) -> Look + Send,
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
            let look = look(index, seen);
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

fn gone() -> Look {
    Look { status: ObjectStatus::new(Readiness::NotFound, "it is gone"), done: true, hopeless: false, depends: false }
}

fn look_for_gone(seen: &Seen) -> Look {
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
