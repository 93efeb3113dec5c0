//! Why what is waited for does not work: told the moment it is known, and ending the wait when it will not pass by itself.

use crate::context::Context;
use crate::error::PhaseError;
use crate::words;
use pilothouse_core::{Cause, Certainty, EventKind, FailFast, ObjectRef, ObjectStatus, Readiness};
use pilothouse_health::causes;
use pilothouse_kube::{Ended, NotReady, Subject};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What starts well is ready, or well on its way, by then: nothing is read before.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(10);

/// Objects that are not ready, with how they stand.
pub(crate) type Unready = Vec<(ObjectRef, ObjectStatus)>;

/// Waits until all objects are ready, tells why they are not, and ends early when that is certain to stay so and the
/// release's `fail_fast` allows it.
///
/// # Errors
/// The objects that are not ready.
pub(crate) async fn wait_ready(ctx: &Context, objects: &[ObjectRef], deadline: Instant) -> Result<(), PhaseError> {
    let (tell, pending) = watch::channel(Unready::new());
    let waiting = pilothouse_kube::wait_ready(ctx.cluster(), objects, deadline, ctx.cancel(), |progress| {
        ctx.doing(words::progress(progress));
        // The receiver lives as long as this.
        tell.send_replace(progress.pending.clone());
    });
    tokio::select! {
        biased;
        ended = waiting => Ok(ended?),
        unready = until_hopeless(ctx, pending.clone()) => {
            Err(PhaseError::NotReady(NotReady { objects: unready, ended: Ended::Failed }))
        }
    }
}

/// Looks at what is pending again and again. Ends, with what is pending then, when a cause is certain twice in a row.
async fn until_hopeless(ctx: &Context, mut pending: watch::Receiver<Unready>) -> Unready {
    let mut next = Instant::now() + PATIENCE;
    let mut verdict = Verdict::default();
    loop {
        tokio::select! {
            () = sleep_until(next) => {}
            // What has failed is not given its second.
            true = has_failed(&mut pending), if next > Instant::now() + INTERVAL / 4 => {}
        }
        let unready = pending.borrow().clone();
        ctx.known().keep_only(|object| unready.iter().any(|(unready, _)| unready.same_object(object)));
        if verdict.is_hopeless(ctx, &look(ctx, &unready).await) {
            return unready;
        }
        next = Instant::now() + INTERVAL;
    }
}

/// Waits for a change after which an object has failed.
async fn has_failed(pending: &mut watch::Receiver<Unready>) -> bool {
    while pending.changed().await.is_ok() {
        if pending.borrow().iter().any(|(_, status)| status.readiness == Readiness::Failed) {
            return true;
        }
    }
    // Nobody waits any more; whoever asks is about to be dropped.
    std::future::pending().await
}

/// Whether there is still hope.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    certain: Vec<(String, String)>,
}

impl Verdict {
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

/// Gathers the evidence for objects that are not ready, tells what is new of its causes, and gives all of them.
pub(crate) async fn look(ctx: &Context, unready: &Unready) -> Vec<Cause> {
    let found = causes_of(ctx, unready, Instant::now() + LOOK).await;
    let mut all = Vec::new();
    for (object, causes) in found {
        ctx.known().see(&object, &causes);
        for cause in &causes {
            if ctx.known().is_news(cause) {
                let (release, phase) = (ctx.release(), ctx.phase());
                ctx.emitter().emit(EventKind::CauseFound { release, phase, cause: cause.clone() });
            }
        }
        all.extend(causes);
    }
    all
}

/// The causes of each object's trouble.
pub(crate) async fn causes_of(ctx: &Context, unready: &Unready, deadline: Instant) -> Vec<(ObjectRef, Vec<Cause>)> {
    let subjects = unready.iter().map(|(object, status)| Subject::new(object.clone(), status.clone())).collect();
    let gathered = ctx.session().gathering.evidence(ctx.cluster(), subjects, deadline).await;
    let now = jiff::Timestamp::now();
    gathered.iter().map(|evidence| (evidence.object.clone(), causes(evidence, now))).collect()
}
