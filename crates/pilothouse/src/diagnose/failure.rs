//! Why a phase failed, gathered before anything is cleaned up.

use crate::context::Context;
use crate::context::ReportedCauses;
use crate::diagnose::wait_ready;
use crate::diagnose::wait_ready::Unready;
use crate::error::PhaseError;
use crate::observe;
use pilothouse_core::{Cause, CauseClass, Certainty, ObjectRef, Phase, Readiness, code};
use pilothouse_health::{HelmEvidence, LockSeen, helm_causes};
use pilothouse_kube::Subject;
use std::time::Duration;
use tokio::time::Instant;

/// How long gathering may take: it must never be what a run hangs on.
const DEADLINE: Duration = Duration::from_secs(20);
/// How much of that may be for reading one by one.
const READS: Duration = Duration::from_secs(15);

/// What helm says when its time is up.
const STOPPED: [&str; 3] = ["context canceled", "context deadline exceeded", "timed out waiting"];

/// The causes of an error, the decisive one first. Whatever cannot be gathered is left out and said.
pub(crate) async fn collect_evidence(ctx: &Context, reported: &ReportedCauses, error: &PhaseError) -> Vec<Cause> {
    let deadline = Instant::now() + READS;
    let gather = async {
        let objects = match (error.not_ready(), ctx.phase()) {
            (None, Phase::Exec) => of_newest(ctx).await,
            _ => Vec::new(),
        };
        let unready = match error.not_ready() {
            Some(not_ready) => not_ready.objects.clone(),
            None => unready(ctx, &objects).await,
        };
        let subjects = Subject::of_release(&unready);
        let found = if error.helm_text().is_some_and(|text| STOPPED.iter().any(|words| text.contains(words))) {
            wait_ready::causes_after_helm(ctx, subjects, reported.since, deadline).await
        } else {
            wait_ready::causes_of(ctx, subjects, reported.since, deadline).await
        };
        let (told, causes): (Vec<ObjectRef>, Vec<_>) = found.into_iter().unzip();
        let is_understood = |causes: &[Cause]| causes.iter().any(|cause| cause.code != code::UNKNOWN);
        let causes =
            told.iter().zip(causes).flat_map(|(object, causes)| match reported.lately(object, Instant::now()) {
                Some(before) if !is_understood(&causes) => before.to_vec(),
                _ => causes,
            });
        let mut causes: Vec<Cause> = causes.collect();
        if let Some(text) = error.helm_text() {
            let said = of_helm(ctx, text, objects, deadline).await;
            // Where helm stopped at one object, the others are merely not ready yet.
            if said.iter().any(|cause| cause.code != code::UNKNOWN) {
                causes.retain(|cause| cause.code != code::UNKNOWN);
            }
            causes.extend(said);
        }
        only_known(&mut causes);
        // What helm has deleted meanwhile, as it was when it was last seen.
        causes.extend(reported.of_others(&told));
        causes
    };
    let Ok(mut causes) = tokio::time::timeout(DEADLINE, gather).await else {
        ctx.warn(format!("gathering evidence took more than {} s and was given up", DEADLINE.as_secs()));
        return reported.of_others(&[]);
    };
    for cause in &mut causes {
        reported.keep_word(cause);
    }
    causes.sort_by_key(weight);
    causes
}

/// What helm's own words tell, of these objects that it was to create or change.
pub(crate) async fn of_helm(ctx: &Context, text: String, objects: Vec<ObjectRef>, deadline: Instant) -> Vec<Cause> {
    let mut evidence = HelmEvidence::new(ctx.release(), ctx.redactor().redact(&text));
    evidence.objects = objects;
    evidence.releases = ctx.session().at_work.beside(&ctx.release());
    // Who is at work on the release is told by the newest record.
    evidence.lock = lock(ctx).await;
    let evidence = ctx.session().gathering.helm(ctx.cluster(), evidence, deadline).await;
    helm_causes(&evidence, jiff::Timestamp::now())
}

/// The newest record, if it is pending.
async fn lock(ctx: &Context) -> Option<LockSeen> {
    let history = observe::release_history(ctx).await.ok()?;
    let newest = history.newest()?;
    newest.status.is_pending().then(|| LockSeen {
        revision: newest.revision,
        status: newest.status.to_string(),
        since: newest.written_at,
        holder: newest.run.map(|run| format!("run {}", run.short())),
    })
}

/// Beside what is known to be wrong, an object that is merely on its way is none of the causes, and that helm was stopped follows
/// from them.
fn only_known(causes: &mut Vec<Cause>) {
    if causes.iter().all(|cause| cause.code == code::UNKNOWN) {
        return;
    }
    causes.retain(|cause| {
        let on_its_way = cause.status.as_ref().is_some_and(|status| status.readiness == Readiness::InProgress);
        let stopped = cause.object.is_none() && STOPPED.iter().any(|words| cause.why.contains(words));
        cause.code != code::UNKNOWN || !(on_its_way || stopped)
    });
}

/// Decisive causes first: what is certain, what is known, what only follows, what is not understood.
pub(crate) fn weight(cause: &Cause) -> (bool, bool, Certainty) {
    (cause.code == code::UNKNOWN, cause.class == CauseClass::Derived, cause.certainty)
}

/// The objects and hooks of the newest revision.
async fn of_newest(ctx: &Context) -> Vec<ObjectRef> {
    let objects = async {
        let history = observe::release_history(ctx).await?;
        observe::objects_and_hooks_of(ctx, history.newest()).await
    };
    match objects.await {
        Ok(objects) => objects,
        Err(error) => {
            ctx.warn(format!("the objects of the release cannot be told: {}", error.chain().join(": ")));
            Vec::new()
        }
    }
}

/// Those of the objects that are not ready.
async fn unready(ctx: &Context, objects: &[ObjectRef]) -> Unready {
    let mut unready = pilothouse_kube::statuses(ctx.cluster(), ctx.tracker().rules(), objects).await;
    // What is not there tells nothing: helm may not have come that far.
    unready.retain(|(_, status)| !status.is_ready() && status.readiness != Readiness::NotFound);
    unready
}
