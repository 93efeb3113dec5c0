//! Waiting until objects are ready.
//!
//! Watches tell when to look, and a look decides. What a watch has brought may be older than what helm has just written: an old
//! generation that was ready, or that had failed. So whatever ends a wait comes from a read:
//!
//! - A read asks for the most recent state (no `resourceVersion`), and it begins after the wait has begun, hence after
//!   helm's last write. It cannot show anything older.
//! - All objects are read together once all seem to be there, and the wait has succeeded only if that one look shows every
//!   one of them ready. Seeming ready ends nothing, from however old a cache it comes: it costs one look.
//! - That an object has failed for certain is read, too, before it ends a wait.
//!
//! What an old cache can do is delay: the object is looked at again when its watch has something new, or after a second.

use super::look::{Look, readiness};
use super::polling::Intervals;
use super::progress::{Ended, NotReady, Progress};
use super::together::{self, is_unbound_claim};
use crate::client::{Detail, Seen, read_all};
use crate::track::{self, Following, Tracker};
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, ObjectStatus, Readiness};
use pilothouse_health::unproven;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long a watch may take until it has told of an object; from then on the object is read again and again, too.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often an object is judged again of which nothing new is heard: some judgements depend on its age.
const TICK: Duration = Duration::from_secs(1);

/// Waits until all objects are ready, all of them in one look. What is ready at the first look costs nothing more; the others are
/// followed by watches of their kinds and namespaces. Where these do not work (they may be forbidden, or the kind is not served
/// yet), objects are read again and again: at first every 50 ms, later every second. Failed reads are borne until the
/// deadline where they may pass. Each change is told to `on_change`.
///
/// The wait ends early only when an object has certainly failed: see [`Ended::Failed`].
///
/// # Errors
/// What is not ready, and why the wait ended.
pub async fn wait_ready(
    tracker: &Tracker,
    objects: &[ObjectRef],
    deadline: Instant,
    cancel: &CancellationToken,
    on_change: impl FnMut(&Progress) + Send,
) -> Result<(), NotReady> {
    wait_ready_from(tracker, objects, Beforehand::default(), deadline, cancel, on_change).await.map(|_| ())
}

/// What is known before a wait begins.
#[derive(Debug, Default)]
pub struct Beforehand {
    /// How all objects were just read: in place of the first look, but for ending the wait well.
    pub seen: Option<Vec<Seen>>,
    /// Since when somebody is at work on the objects, by the server's clock: a rollout that was late before that is late only when
    /// that is told again.
    pub since: Option<Timestamp>,
    /// The Jobs among the objects that were created and that Kubernetes deletes some time after their end, complete or not.
    pub ttl_jobs: Vec<ObjectRef>,
}

/// As [`wait_ready`], where something is known before. Gives the Jobs that are gone by their TTL and that nobody has seen complete.
///
/// # Errors
/// As there.
pub async fn wait_ready_from(
    tracker: &Tracker,
    objects: &[ObjectRef],
    before: Beforehand,
    deadline: Instant,
    cancel: &CancellationToken,
    mut on_change: impl FnMut(&Progress) + Send,
) -> Result<Vec<ObjectRef>, NotReady> {
    let Beforehand { mut seen, since, ttl_jobs } = before;
    let mut wait = Wait::new(tracker, objects, since, &ttl_jobs);
    let mut intervals = Intervals::default();
    let mut due: Vec<usize> = (0..objects.len()).collect();
    loop {
        let asked: Vec<ObjectRef> = due.iter().map(|&index| objects[index].clone()).collect();
        let before = seen.take().filter(|seen| seen.len() == asked.len());
        let complete = due.len() == objects.len() && before.is_none();
        let looks = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(wait.ended(Ended::Cancelled)),
            looks = timeout_at(deadline, look(tracker, &asked, before, since)) => looks,
        };
        let Ok(looks) = looks else { return Err(wait.ended(Ended::Deadline)) };
        let read = wait.read(&due, looks);
        if read.changed {
            on_change(&wait.progress());
        }
        if read.hopeless {
            return Err(wait.ended(Ended::Failed));
        }
        if wait.is_done() {
            if complete {
                return Ok(wait.unseen());
            }
            due = wait.all();
            continue;
        }
        wait.follow_pending();
        let poll_at = Instant::now() + intervals.next();
        due = loop {
            let heard = wait.hear(Instant::now() >= poll_at);
            if heard.changed {
                on_change(&wait.progress());
            }
            if !heard.due.is_empty() {
                break heard.due;
            }
            let next = if heard.unwatched { poll_at.min(wait.tick) } else { wait.tick };
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(wait.ended(Ended::Cancelled)),
                () = sleep_until(next.min(deadline)) => {}
                () = wait.changed() => {}
            }
            if Instant::now() >= deadline {
                return Err(wait.ended(Ended::Deadline));
            }
        };
    }
}

/// Reads objects and tells how they stand.
async fn look(
    tracker: &Tracker,
    objects: &[ObjectRef],
    seen: Option<Vec<Seen>>,
    since: Option<Timestamp>,
) -> Vec<Look> {
    let seen = match seen {
        Some(seen) => seen,
        None => read_all(tracker.client(), objects, Detail::Whole).await,
    };
    let looks = together::looks(tracker.client(), tracker.rules(), objects, &seen).await;
    let live = seen.iter().map(|seen| seen.as_ref().ok().and_then(Option::as_ref));
    looks.into_iter().zip(live).map(|(look, live)| look.since(live, since)).collect()
}

/// Where a wait stands.
struct Wait<'a> {
    tracker: &'a Tracker,
    objects: &'a [ObjectRef],
    /// Since when somebody is at work on them.
    begun: Option<Timestamp>,
    statuses: Vec<ObjectStatus>,
    done: Vec<bool>,
    /// Which of them are Jobs with a TTL.
    ttl_jobs: Vec<bool>,
    /// Which of these have gone, and nobody has seen how they ended.
    unseen: Vec<bool>,
    /// For which others had a part in it when they were last read.
    depends: Vec<bool>,
    following: Option<Following>,
    /// Since when all of these are followed.
    since: Instant,
    /// Which objects are followed, in the order of the `following`.
    followed: BTreeSet<usize>,
    /// The version of each object that was last heard of.
    heard: Vec<Option<u64>>,
    /// When all are judged again.
    tick: Instant,
}

/// What a look has told.
struct Read {
    changed: bool,
    hopeless: bool,
}

/// What the watches have told.
struct Heard {
    changed: bool,
    /// What is to be looked at.
    due: Vec<usize>,
    /// Something that is waited for is not watched.
    unwatched: bool,
}

impl<'a> Wait<'a> {
    fn new(tracker: &'a Tracker, objects: &'a [ObjectRef], begun: Option<Timestamp>, ttl_jobs: &[ObjectRef]) -> Self {
        let unread = || ObjectStatus::new(Readiness::Unknown, "it has not been read yet");
        Self {
            tracker,
            objects,
            begun,
            statuses: objects.iter().map(|_| unread()).collect(),
            done: vec![false; objects.len()],
            ttl_jobs: objects.iter().map(|object| ttl_jobs.contains(object)).collect(),
            unseen: vec![false; objects.len()],
            depends: vec![false; objects.len()],
            following: None,
            since: Instant::now(),
            followed: BTreeSet::new(),
            heard: vec![None; objects.len()],
            tick: Instant::now() + TICK,
        }
    }

    fn all(&self) -> Vec<usize> {
        (0..self.objects.len()).collect()
    }

    /// The Jobs that are gone and that nobody has seen complete.
    fn unseen(&self) -> Vec<ObjectRef> {
        self.objects.iter().zip(&self.unseen).filter(|(_, unseen)| **unseen).map(|(object, _)| object.clone()).collect()
    }

    fn is_done(&self) -> bool {
        self.done.iter().all(|done| *done)
    }

    fn pending(&self) -> Vec<(ObjectRef, ObjectStatus)> {
        let open = (0..self.objects.len()).filter(|&index| !self.done[index]);
        open.map(|index| (self.objects[index].clone(), self.statuses[index].clone())).collect()
    }

    fn progress(&self) -> Progress {
        Progress { total: self.objects.len(), pending: self.pending() }
    }

    fn ended(&self, ended: Ended) -> NotReady {
        NotReady { objects: self.pending(), ended }
    }

    /// Notes what is known of an object; whether that is something new.
    fn note(&mut self, index: usize, mut look: Look) -> bool {
        // A Job that was complete stays so when it is cleared away, and one that had failed stays failed.
        let is_gone = look.status.readiness == Readiness::NotFound;
        let is_job = self.objects[index].is_job();
        if is_gone && is_job && self.statuses[index].readiness == Readiness::Failed {
            return false;
        }
        let was_complete = self.done[index] && is_job;
        if is_gone && (self.ttl_jobs[index] || was_complete) {
            self.unseen[index] |= !was_complete;
            look.status = ObjectStatus::new(Readiness::Current, "it has ended and was deleted");
            look.done = true;
        }
        let changed = look.done != self.done[index] || look.status != self.statuses[index];
        self.done[index] = look.done;
        self.statuses[index] = look.status;
        changed
    }

    fn read(&mut self, due: &[usize], looks: Vec<Look>) -> Read {
        let mut read = Read { changed: false, hopeless: false };
        for (&index, look) in due.iter().zip(looks) {
            read.hopeless |= look.hopeless;
            self.depends[index] = look.depends;
            read.changed |= self.note(index, look);
        }
        read
    }

    /// Follows what is not ready, too. What was followed before stays so: it may fall back.
    fn follow_pending(&mut self) {
        let before = self.followed.len();
        self.followed.extend((0..self.objects.len()).filter(|&index| !self.done[index]));
        if self.followed.len() > before {
            let objects = self.followed.iter().map(|&index| self.objects[index].clone()).collect();
            // The new one takes part in the watches before the old one leaves them.
            self.following = Some(self.tracker.follow_alone(objects));
            self.since = Instant::now();
        }
    }

    async fn changed(&mut self) {
        match &mut self.following {
            Some(following) => following.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Takes in what the watches have brought; `poll` says that it is time to read what is not watched.
    fn hear(&mut self, poll: bool) -> Heard {
        let now = Instant::now();
        let ticked = now >= self.tick;
        if ticked {
            self.tick = now + TICK;
        }
        let told = self.following.as_ref().map(Following::heard);
        let (mut changed, mut hopeless, mut unwatched, mut again) = (false, Vec::new(), Vec::new(), Vec::new());
        let followed: Vec<usize> = self.followed.iter().copied().collect();
        for (index, told) in followed.into_iter().zip(told.into_iter().flatten()) {
            let works = |told: &track::Look| told.unwatched.is_none() && (told.known || now <= self.since + PATIENCE);
            let Some(told) = told.filter(works) else {
                if !self.done[index] {
                    unwatched.push(index);
                }
                continue;
            };
            // What has not changed is judged again at each tick only.
            if told.known && (ticked || self.heard[index] != Some(told.version)) {
                self.heard[index] = Some(told.version);
                let look =
                    readiness(self.tracker.rules(), told.live.as_deref()).since(told.live.as_deref(), self.begun);
                if look.hopeless {
                    hopeless.push(index);
                }
                // A watch of the object alone does not tell all of it: that is read.
                let now = Timestamp::now();
                let doubted = told.live.as_ref().is_some_and(|live| unproven(live, now).is_some());
                if (self.depends[index] || doubted) && (look.done || is_unbound_claim(&self.objects[index], &look)) {
                    again.push(index);
                } else {
                    changed |= self.note(index, look);
                }
            }
        }
        let not_watched = !unwatched.is_empty();
        again.retain(|&index| !self.done[index]);
        let due = if !hopeless.is_empty() {
            hopeless
        } else if self.is_done() {
            self.all()
        } else {
            again.into_iter().chain(unwatched.into_iter().filter(|_| poll)).collect()
        };
        Heard { changed, due, unwatched: not_watched }
    }
}
