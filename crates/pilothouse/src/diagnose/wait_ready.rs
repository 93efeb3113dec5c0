//! Why what is waited for does not work: told the moment it is known, and ending the wait when it will not pass by itself.

use crate::context::Context;
use crate::context::ReportedCauses;
use crate::error::PhaseError;
use crate::text;
use jiff::Timestamp;
use pilothouse_core::{Cause, Certainty, EventKind, FailFast, ObjectRef, ObjectStatus, Readiness};
use pilothouse_health::causes;
use pilothouse_kube::{Beforehand, Ended, Following, Known, NotReady, Seen, Subject};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What starts well is ready, or well on its way, by then: nothing is read before.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks, when nothing changes.
const INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks, however much changes.
const SOONEST: Duration = Duration::from_millis(300);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(10);

/// Objects that are not ready, with how they stand.
pub(crate) type Unready = Vec<(ObjectRef, ObjectStatus)>;

/// Waits until all objects are ready, tells why they are not, and ends early when that is certain to stay so and the
/// release's `fail_fast` allows it. `looked` is how the objects were read a moment ago, if they were.
///
/// # Errors
/// The objects that are not ready.
pub(crate) async fn wait_ready(
    ctx: &Context,
    reported: &mut ReportedCauses,
    objects: &[ObjectRef],
    looked: Option<Vec<Seen>>,
    deadline: Instant,
) -> Result<(), PhaseError> {
    let (tell, pending) = watch::channel(Unready::new());
    let before = Beforehand { seen: looked, since: reported.since };
    let waiting =
        pilothouse_kube::wait_ready_from(ctx.tracker(), objects, before, deadline, ctx.cancel(), |progress| {
            ctx.doing(text::progress(progress));
            // The receiver lives as long as this.
            tell.send_replace(progress.pending.clone());
        });
    let ended = tokio::select! {
        biased;
        ended = waiting => ended,
        unready = until_hopeless(ctx, reported, pending.clone()) => Err(NotReady { objects: unready, ended: Ended::Failed }),
    };
    for warning in ctx.tracker().warnings() {
        ctx.warn(warning);
    }
    if ended.is_ok() {
        // What was in the way is not what fails later.
        reported.keep_only(|_| false);
    }
    Ok(ended?)
}

/// Looks at what is pending again and again: when something has changed, and in any case every second. Ends, with what is
/// pending then, when a cause is certain twice in a row.
async fn until_hopeless(
    ctx: &Context,
    reported: &mut ReportedCauses,
    mut pending: watch::Receiver<Unready>,
) -> Unready {
    let begun = Instant::now();
    tokio::select! {
        () = sleep_until(begun + PATIENCE) => {}
        // An object that has failed is not waited for another second.
        () = has_failed(&mut pending) => {}
    }
    let mut verdict = Verdict::default();
    let mut following: Option<Following> = None;
    loop {
        let looked = Instant::now();
        let unready = pending.borrow_and_update().clone();
        reported.keep_only(|object| unready.iter().any(|(unready, _)| unready.same_object(object)));
        follow(ctx, &mut following, &unready);
        // What is about to end the wait is not taken from a cache.
        let known = following.as_ref().filter(|_| !verdict.doubts());
        if verdict.is_hopeless(ctx, &look_at_readiness(ctx, reported, &unready, known).await) {
            return unready;
        }
        sleep_until(looked + SOONEST).await;
        tokio::select! {
            () = sleep_until(looked + if verdict.doubts() { SOONEST } else { INTERVAL }) => {}
            changed = pending.changed() => if changed.is_err() {
                // Nobody waits any more: this is about to be dropped.
                return std::future::pending().await;
            },
            () = changed(&mut following) => {}
        }
    }
}

/// Follows what is pending, once there is anything; all of what is pending later was pending then, or comes back to it.
fn follow(ctx: &Context, following: &mut Option<Following>, unready: &Unready) {
    let is_followed =
        |object: &ObjectRef| following.as_ref().is_some_and(|following| following.objects().contains(object));
    if !unready.iter().all(|(object, _)| is_followed(object)) {
        *following = Some(ctx.tracker().follow_at_once(unready.iter().map(|(object, _)| object.clone()).collect()));
    }
}

async fn changed(following: &mut Option<Following>) {
    match following {
        Some(following) => following.changed().await,
        None => std::future::pending().await,
    }
}

/// Waits for a change after which an object has failed.
async fn has_failed(pending: &mut watch::Receiver<Unready>) {
    while pending.changed().await.is_ok() {
        if pending.borrow().iter().any(|(_, status)| status.readiness == Readiness::Failed) {
            return;
        }
    }
    // Nobody waits any more; whoever asks is about to be dropped.
    std::future::pending::<()>().await;
}

/// Whether there is still hope.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    certain: Vec<(String, String)>,
}

impl Verdict {
    /// Whether the next look may end the wait.
    fn doubts(&self) -> bool {
        !self.certain.is_empty()
    }

    /// Whether what is waited for will certainly not come: a cause is certain now and was so the time before. One look could
    /// have seen what is just being mended.
    pub(crate) fn is_hopeless(&mut self, ctx: &Context, causes: &[Cause]) -> bool {
        let certain = causes.iter().filter(|cause| cause.certainty == Certainty::Certain);
        let certain: Vec<(String, String)> = certain.map(|cause| (cause.code.clone(), cause.root.clone())).collect();
        let again = certain.iter().any(|cause| self.certain.contains(cause));
        self.certain = certain;
        again && ctx.info().fail_fast == FailFast::Certain
    }
}

/// Gathers the evidence for objects that are not ready, tells what is new of its causes, and gives all of them. What is
/// followed is not read.
pub(crate) async fn look_at_readiness(
    ctx: &Context,
    reported: &mut ReportedCauses,
    unready: &Unready,
    following: Option<&Following>,
) -> Vec<Cause> {
    let mut subjects = Subject::of_release(unready);
    if let Some(following) = following {
        for subject in &mut subjects {
            subject.known = known(following, &subject.object);
        }
    }
    let mut all = Vec::new();
    for (object, causes) in causes_of(ctx, subjects, reported.since, Instant::now() + LOOK).await {
        reported.see(&object, &causes);
        for cause in &causes {
            if reported.is_news(cause) {
                let (release, phase) = (ctx.release(), ctx.phase());
                ctx.emitter().emit(EventKind::CauseFound { release, phase, cause: cause.clone() });
            }
        }
        all.extend(causes);
    }
    all
}

/// What following an object has brought, if that is all there is to know.
fn known(following: &Following, object: &ObjectRef) -> Option<Known> {
    let snapshot = following.snapshot(object, Timestamp::now())?;
    let family = following.family(object);
    let is_whole = snapshot.known && snapshot.unwatched.is_none() && family.complete && family.unreadable.is_empty();
    is_whole.then_some(Known { live: snapshot.live, owned: family.owned, events: family.events })
}

/// The causes of each object's trouble, to somebody who is at work on the release since that time.
pub(crate) async fn causes_of(
    ctx: &Context,
    mut subjects: Vec<Subject>,
    since: Option<Timestamp>,
    deadline: Instant,
) -> Vec<(ObjectRef, Vec<Cause>)> {
    for subject in &mut subjects {
        subject.since = since;
    }
    let gathered = ctx.session().gathering.evidence(ctx.cluster(), subjects, deadline).await;
    let now = Timestamp::now();
    gathered.iter().map(|evidence| (evidence.object.clone(), causes(evidence, now))).collect()
}
