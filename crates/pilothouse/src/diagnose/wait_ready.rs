//! Why what is waited for does not work: told the moment it is known, and ending the wait when it will not pass by itself.

use crate::context::Context;
use crate::context::ReportedCauses;
use crate::error::PhaseError;
use crate::text;
use jiff::Timestamp;
use pilothouse_core::{Cause, Certainty, EventKind, FailFast, ObjectRef, ObjectStatus, Readiness};
use pilothouse_health::{Evidence, OtherRelease, causes};
use pilothouse_kube::{Beforehand, Ended, Following, Known, NotReady, Progress, Subject};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// What starts well is ready, or well on its way, by then: nothing is read before.
const PATIENCE: Duration = Duration::from_secs(1);
/// What has not come by then is told of, also where nothing is known to be wrong.
pub(crate) const LASTS: Duration = Duration::from_secs(15);
/// Between two looks, when nothing changes.
const INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks, however much changes.
const SOONEST: Duration = Duration::from_millis(300);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(10);

/// Objects that are not ready, with how they stand.
pub(crate) type Unready = Vec<(ObjectRef, ObjectStatus)>;

/// Waits until all objects are ready, tells why they are not, and ends early when that is certain to stay so and the
/// release's `fail_fast` allows it. `before` is what is known of the objects; since when they are at work is known here.
///
/// # Errors
/// The objects that are not ready.
pub(crate) async fn wait_ready(
    ctx: &Context,
    reported: &mut ReportedCauses,
    objects: &[ObjectRef],
    before: Beforehand,
    deadline: Instant,
) -> Result<(), PhaseError> {
    let ttl_jobs = before.ttl_jobs.clone();
    let mut before = Beforehand { since: reported.since, ..before };
    let ended = loop {
        let ended = once(ctx, reported, objects, before, deadline).await;
        before = Beforehand { since: reported.since, ttl_jobs: ttl_jobs.clone(), seen: None };
        // A probe that is passed once says little of a program that has just ended with an error.
        let restarted: Vec<ObjectRef> =
            objects.iter().filter(|object| reported.restarted().contains(object)).cloned().collect();
        if ended.is_err() || restarted.is_empty() {
            break ended;
        }
        let looked = timeout_at(deadline, pilothouse_kube::unsettled_now(ctx.cluster(), &restarted));
        let unsettled = tokio::select! {
            () = ctx.cancel().cancelled() => break Err(NotReady { objects: Vec::new(), ended: Ended::Cancelled }),
            looked = looked => looked.unwrap_or_else(|_| {
                let why = "a container of it was started again, and its pods could not be read in time";
                restarted.into_iter().map(|object| (object, ObjectStatus::new(Readiness::Unknown, why))).collect()
            }),
        };
        if unsettled.is_empty() {
            break ended;
        }
        ctx.doing(text::progress(&Progress { total: objects.len(), pending: unsettled.clone() }));
        tokio::select! {
            () = ctx.cancel().cancelled() => break Err(NotReady { objects: unsettled, ended: Ended::Cancelled }),
            () = sleep_until(deadline) => break Err(NotReady { objects: unsettled, ended: Ended::Deadline }),
            () = sleep(INTERVAL) => {}
        }
    };
    for warning in ctx.tracker().warnings() {
        ctx.warn(warning);
    }
    for job in ended? {
        ctx.warn(format!(
            "{job} has ended and is gone by its ttlSecondsAfterFinished: nobody has seen whether it completed"
        ));
    }
    // What was in the way is not what fails later.
    reported.keep_only(|_| false);
    Ok(())
}

/// Waits until all objects say that they are ready, or one of them will certainly not be.
async fn once(
    ctx: &Context,
    reported: &mut ReportedCauses,
    objects: &[ObjectRef],
    before: Beforehand,
    deadline: Instant,
) -> Result<Vec<ObjectRef>, NotReady> {
    let (tell, pending) = watch::channel(Unready::new());
    let waiting =
        pilothouse_kube::wait_ready_from(ctx.tracker(), objects, before, deadline, ctx.cancel(), |progress| {
            ctx.doing(text::progress(progress));
            // The receiver lives as long as this.
            tell.send_replace(progress.pending.clone());
        });
    tokio::select! {
        biased;
        ended = waiting => ended,
        unready = until_hopeless(ctx, reported, pending.clone()) => Err(NotReady { objects: unready, ended: Ended::Failed }),
    }
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
    // The objects and how many other releases there were at the look before.
    let mut before: Option<(Unready, usize)> = None;
    loop {
        let looked = Instant::now();
        let unready = pending.borrow_and_update().clone();
        let beside = ctx.session().at_work.beside(&ctx.release()).len();
        if before.is_some_and(|(objects, others)| has_come(&objects, &unready) || beside < others) {
            reported.something_came();
        }
        before = Some((unready.clone(), beside));
        reported.keep_only(|object| unready.iter().any(|(unready, _)| unready.same_object(object)));
        follow(ctx, &mut following, &unready);
        // What is about to end the wait is not taken from a cache.
        let known = following.as_ref().filter(|_| !verdict.doubts());
        let lasts = begun.elapsed() >= LASTS;
        if verdict.is_hopeless(ctx, &look_at_readiness(ctx, reported, &unready, known, lasts).await) {
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

/// Whether one of the objects is ready now that a program may have waited for: of the core ones only pods do something.
fn has_come(before: &Unready, unready: &Unready) -> bool {
    let may_help = |object: &ObjectRef| object.kind == "Pod" || object.group().is_some_and(|group| !group.is_empty());
    let is_ready = |object: &ObjectRef| !unready.iter().any(|(unready, _)| unready.same_object(object));
    before.iter().any(|(object, _)| may_help(object) && is_ready(object))
}

/// Follows what is pending, once there is anything; all of what is pending later was pending then, or comes back to it.
fn follow(ctx: &Context, following: &mut Option<Following>, unready: &Unready) {
    let is_followed =
        |object: &ObjectRef| following.as_ref().is_some_and(|following| following.objects().contains(object));
    if !unready.iter().all(|(object, _)| is_followed(object)) {
        *following = Some(ctx.tracker().follow_at_once(unready.iter().map(|(object, _)| object.clone()).collect()));
    }
}

/// Returns when something of what is followed has changed; never where nothing is.
pub(crate) async fn changed(following: &mut Option<Following>) {
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
/// followed is not read. `lasts` is whether this has been waited for so long that what may be well is told too.
pub(crate) async fn look_at_readiness(
    ctx: &Context,
    reported: &mut ReportedCauses,
    unready: &Unready,
    following: Option<&Following>,
    lasts: bool,
) -> Vec<Cause> {
    let mut subjects = Subject::of_release(unready);
    if let Some(following) = following {
        for subject in &mut subjects {
            subject.known = known(following, &subject.object);
        }
    }
    let (release, others) = (ctx.release(), ctx.session().at_work.beside(&ctx.release()));
    let mut gathered = gather(ctx, subjects, reported.since, &others, Instant::now() + LOOK).await;
    for evidence in &gathered {
        if pilothouse_health::starts(evidence).iter().any(|(_, restarts)| *restarts > 0) {
            reported.see_restart(&evidence.object);
        }
    }
    let started = gathered.iter().flat_map(pilothouse_health::starts);
    let before = reported.starts_before(started.collect::<Vec<_>>()).clone();
    for evidence in &mut gathered {
        evidence.starts_before.clone_from(&before);
        evidence.hooks.clone_from(&reported.hooks);
    }
    if !others.is_empty() {
        // Without the others' work this would be certain: then nothing comes of this one for them.
        let alone = gathered.iter().cloned().map(|evidence| Evidence { releases: Vec::new(), ..evidence });
        let alone = found(alone.collect()).await;
        let is_certain = |cause: &Cause| cause.certainty == Certainty::Certain;
        let stuck = alone.iter().flat_map(|(_, causes)| causes).any(is_certain);
        ctx.session().at_work.note_stuck(&release, stuck);
    }
    // An object that went while it was looked at, a hook's Job, tells less than it did before.
    let gone = |evidence: &&Evidence| {
        evidence.live.is_none() && evidence.unreadable.is_empty() && evidence.status.readiness != Readiness::NotFound
    };
    let gone: Vec<ObjectRef> = gathered.iter().filter(gone).map(|evidence| evidence.object.clone()).collect();
    let mut all = Vec::new();
    for (object, causes) in found(gathered).await {
        if gone.contains(&object) {
            continue;
        }
        reported.see(&object, &causes, Instant::now());
        for cause in &causes {
            if reported.is_news(cause, lasts) {
                let (release, phase) = (release.clone(), ctx.phase());
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
    subjects: Vec<Subject>,
    since: Option<Timestamp>,
    deadline: Instant,
) -> Vec<(ObjectRef, Vec<Cause>)> {
    found(gather_beside_others(ctx, subjects, since, deadline).await).await
}

/// The same where helm has stopped waiting for them.
pub(crate) async fn causes_after_helm(
    ctx: &Context,
    subjects: Vec<Subject>,
    since: Option<Timestamp>,
    deadline: Instant,
) -> Vec<(ObjectRef, Vec<Cause>)> {
    let mut gathered = gather_beside_others(ctx, subjects, since, deadline).await;
    for evidence in &mut gathered {
        evidence.out_of_time = true;
    }
    found(gathered).await
}

async fn gather_beside_others(
    ctx: &Context,
    subjects: Vec<Subject>,
    since: Option<Timestamp>,
    deadline: Instant,
) -> Vec<Evidence> {
    let others = ctx.session().at_work.beside(&ctx.release());
    gather(ctx, subjects, since, &others, deadline).await
}

async fn gather(
    ctx: &Context,
    mut subjects: Vec<Subject>,
    since: Option<Timestamp>,
    others: &[OtherRelease],
    deadline: Instant,
) -> Vec<Evidence> {
    for subject in &mut subjects {
        subject.since = since;
    }
    let mut gathered = ctx.session().gathering.evidence(ctx.cluster(), subjects, deadline).await;
    for evidence in &mut gathered {
        evidence.releases = others.to_vec();
    }
    gathered
}

/// The causes in evidence. Ten thousand pods take their time, and the thread of the run has deadlines and signals to see.
async fn found(gathered: Vec<Evidence>) -> Vec<(ObjectRef, Vec<Cause>)> {
    let now = Timestamp::now();
    let find = move || gathered.iter().map(|evidence| (evidence.object.clone(), causes(evidence, now))).collect();
    tokio::task::spawn_blocking(find).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::test_world::fake;
    use pilothouse_testkit::FakeCluster;
    use rstest::rstest;
    use serde_json::json;
    use std::sync::Arc;

    /// What a program may have waited for runs something, or is served by what does.
    #[rstest]
    #[case::nothing(&[], false)]
    #[case::a_workload(&["Deployment/web/db"], true)]
    #[case::a_pod(&["Pod/web/db"], true)]
    #[case::an_address(&["Service/web/db"], false)]
    #[case::values(&["ConfigMap/web/db"], false)]
    #[case::both(&["ConfigMap/web/db", "Deployment/web/db"], true)]
    fn what_has_come(#[case] ready: &[&str], #[case] expected: bool) {
        let unready = |name: &str| {
            let version = if name.starts_with("Deployment") { "apps/v1" } else { "v1" };
            let object = ObjectRef { api_version: Some(version.to_owned()), ..ObjectRef::parse(name).unwrap() };
            (object, ObjectStatus::new(Readiness::InProgress, "0 of 1"))
        };
        let now = vec![unready("Deployment/web/web")];
        let before: Unready = now.iter().cloned().chain(ready.iter().map(|name| unready(name))).collect();
        assert_eq!(has_come(&before, &now), expected);
        assert!(!has_come(&now, &before), "what is not ready any more has not come");
    }

    /// A Deployment that says it is ready; its container has a probe, and was started again so many seconds ago.
    fn cluster(started: i64, last: &serde_json::Value) -> Arc<FakeCluster> {
        let cluster = Arc::new(FakeCluster::default());
        let container = json!({"name": "web", "readinessProbe": {"tcpSocket": {"port": 80}}});
        cluster.put(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "default", "uid": "web", "generation": 1},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"containers": [container]}}},
            "status": {
                "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
                "conditions": [{"type": "Available", "status": "True"}],
            },
        }));
        let started = Timestamp::now() - jiff::SignedDuration::from_secs(started);
        let owner = json!({"kind": "ReplicaSet", "name": "web-1", "uid": "set", "controller": true});
        cluster.put(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "web-1-a", "namespace": "default", "ownerReferences": [owner],
                "labels": {"app": "web", "pod-template-hash": "1"},
            },
            "status": {"phase": "Running", "containerStatuses": [{
                "name": "web", "ready": true, "restartCount": 1,
                "state": {"running": {"startedAt": started.to_string()}}, "lastState": {"terminated": last},
            }]},
        }));
        cluster
    }

    /// The pods are asked only where a container was seen to be started again.
    #[rstest]
    #[case::a_moment_ago(1, json!({"exitCode": 137}), true, false)]
    #[case::long_ago(20, json!({"exitCode": 137}), true, true)]
    #[case::well(1, json!({"exitCode": 0}), true, true)]
    #[case::not_seen(1, json!({"exitCode": 137}), false, true)]
    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_passed_once_after_an_error_is_not_enough(
        #[case] started: i64,
        #[case] last: serde_json::Value,
        #[case] seen: bool,
        #[case] expected: bool,
    ) {
        let world = fake(&cluster(started, &last), HelmDriver::Secret);
        let object = ObjectRef {
            api_version: Some("apps/v1".to_owned()),
            ..ObjectRef::parse("Deployment/default/web").unwrap()
        };
        let mut reported = ReportedCauses::default();
        if seen {
            reported.see_restart(&object);
        }
        let deadline = Instant::now() + Duration::from_secs(3);
        let ended = wait_ready(&world.ctx, &mut reported, &[object], Beforehand::default(), deadline).await;
        assert_eq!(ended.is_ok(), expected, "{ended:?}");
        assert!(expected || ended.unwrap_err().not_ready().is_some());
    }
}
