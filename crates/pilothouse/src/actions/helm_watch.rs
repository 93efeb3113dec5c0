//! What is looked at while helm runs: its hooks, whose objects may be gone when helm has ended, and behind them the objects
//! of the release.

use crate::actions::unlock;
use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::ReportedCauses;
use crate::context::Wanted;
use crate::diagnose;
use crate::diagnose::Unready;
use crate::diagnose::Verdict;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::NotServed;
use jiff::Timestamp;
use pilothouse_core::{Certainty, ObjectRef, Readiness, object_ref};
use pilothouse_helm::{HelmError, Origin, RenderedDoc};
use pilothouse_kube::Following;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// Most of helm's runs are over by then, so nothing is read before.
const PATIENCE: Duration = Duration::from_millis(700);
/// Between two looks, when nothing changes.
const INTERVAL: Duration = Duration::from_millis(400);
/// Between two looks, however much changes. A hook's pod that fails takes its Job a second to fail, and helm deletes the Job at once.
const SOONEST: Duration = Duration::from_millis(100);

/// Runs helm and tells meanwhile why it makes no progress. When that will certainly not pass by itself and the release's
/// `fail_fast` allows it, helm is told to end by `stop`, as for a cancel; should it leave its revision pending, it is marked
/// failed.
///
/// # Errors
/// What helm says; [`PhaseError::Hopeless`] when it was stopped here.
pub(crate) async fn while_helm_runs<T>(
    ctx: &Context,
    run: &mut ReleaseRun,
    wanted: &Wanted,
    stop: &CancellationToken,
    helm: impl Future<Output = Result<T, HelmError>>,
) -> Result<T, PhaseError> {
    tokio::pin!(helm);
    let why = tokio::select! {
        biased;
        ended = &mut helm => return Ok(ended?),
        why = until_hopeless(ctx, &mut run.causes, wanted) => why,
    };
    stop.cancel();
    match helm.await {
        Err(error) if error.is_interrupted() && !ctx.terminate().is_cancelled() => {
            let before = observe::observed(ctx).await.known_history().newest_revision();
            if let Err(error) = unlock::mark_stopped(ctx, run.id, before).await {
                ctx.warn(format!(
                    "whether helm has left its revision pending is not known: {}",
                    ctx.error_text(&error)
                ));
            }
            Err(PhaseError::Hopeless { what: "helm upgrade".to_owned(), why })
        }
        ended => Ok(ended?),
    }
}

/// Looks again and again. Ends with the cause that will not pass by itself.
async fn until_hopeless(ctx: &Context, known: &mut ReportedCauses, wanted: &Wanted) -> String {
    let docs = wanted.rendering.docs();
    let makes = docs.iter().filter_map(|doc| object_ref(&doc.object)).collect();
    ctx.session().at_work.note_makes(&ctx.release(), makes);
    let before: Vec<Value> = hooks(&docs, &["pre-install", "pre-upgrade"]);
    let after: Vec<Value> = hooks(&docs, &["post-install", "post-upgrade"]);
    if before.is_empty() && after.is_empty() {
        // helm waits for nothing then.
        return std::future::pending().await;
    }
    let all_hooks: Vec<ObjectRef> = before.iter().chain(&after).filter_map(object_ref).collect();
    let own = docs.iter().filter(|doc| doc.origin == Origin::Template).map(|doc| &doc.object);
    let own: Vec<ObjectRef> = own.filter_map(object_ref).collect();
    drop(docs);
    let revision_before = observe::observed(ctx).await.known_history().newest_revision();
    let mut begun = None;
    let mut following = None;
    let mut verdict = Verdict::default();
    let since = Instant::now();
    let mut done = 0;
    sleep(PATIENCE).await;
    loop {
        // What cannot be read now is looked at again: helm itself tells if the cluster is gone.
        if begun.is_none() {
            begun = begun_at(ctx, revision_before).await.unwrap_or_default();
        }
        if let Some(begun) = begun {
            if following.is_none() {
                following = follow(ctx, &all_hooks).await;
            }
            let before = waited_for(ctx, &before, begun).await.unwrap_or_default();
            let after = waited_for(ctx, &after, begun).await.unwrap_or_default();
            let mut unready = [before.unready, after.unready].concat();
            // Only a hook that comes after them lets helm wait when the release's own objects are there. Before that they
            // are those of the revision before, and may be what this one mends.
            if after.any {
                unready.extend(unready_of(ctx, &own).await.unwrap_or_default());
            }
            let ready = [before.ready, after.ready].concat();
            known.keep_only(|object| !ready.iter().any(|ready| ready.same_object(object)));
            // A hook that has ended may be what containers have waited for.
            if ready.len() > std::mem::replace(&mut done, ready.len()) {
                known.something_came();
            }
            known.hooks = to_end(&all_hooks, &ready, &unready);
            let lasts = since.elapsed() >= diagnose::LASTS;
            let causes = diagnose::look_at_readiness(ctx, known, &unready, following.as_ref(), lasts).await;
            // A hook that has failed is what helm sees itself, and clears up by the hook's policy.
            let failed: Vec<&ObjectRef> = unready
                .iter()
                .filter(|(_, status)| status.readiness == Readiness::Failed)
                .map(|(object, _)| object)
                .collect();
            let open: Vec<_> = causes
                .into_iter()
                .filter(|cause| {
                    !cause.object.as_ref().is_some_and(|object| failed.iter().any(|failed| failed.same_object(object)))
                })
                .collect();
            if verdict.is_hopeless(ctx, &open) {
                let certain = open.iter().find(|cause| cause.certainty == Certainty::Certain);
                return certain.map(|cause| format!("{}: {}", cause.code, cause.why)).unwrap_or_default();
            }
        }
        let looked = Instant::now();
        sleep(SOONEST).await;
        tokio::select! {
            () = sleep_until(looked + INTERVAL) => {}
            () = diagnose::changed(&mut following) => {}
        }
    }
}

/// Follows the hooks and what belongs to them: the log of a pod is there until the pod is deleted, soon after it has failed.
async fn follow(ctx: &Context, hooks: &[ObjectRef]) -> Option<Following> {
    let hooks = observe::complete_objects(ctx, hooks.to_vec(), NotServed::Skip).await.ok()?;
    Some(ctx.tracker().follow_at_once(hooks))
}

/// The hooks that run or are to run: none once one has failed, since helm then ends.
fn to_end(hooks: &[ObjectRef], ready: &[ObjectRef], unready: &Unready) -> Vec<ObjectRef> {
    let is = |hook: &ObjectRef, other: &ObjectRef| {
        (&hook.kind, &hook.name) == (&other.kind, &other.name) && (hook.namespace.is_none() || hook.same_object(other))
    };
    let failed = unready
        .iter()
        .any(|(object, status)| status.readiness == Readiness::Failed && hooks.iter().any(|hook| is(hook, object)));
    let open = hooks.iter().filter(|hook| !failed && !ready.iter().any(|ready| is(hook, ready)));
    open.map(|hook| unready.iter().map(|(object, _)| object).find(|object| is(hook, object)).unwrap_or(hook).clone())
        .collect()
}

/// The objects of the hooks of these events that helm waits for.
fn hooks(docs: &[RenderedDoc], wanted: &[&str]) -> Vec<Value> {
    let is_waited_for = |object: &Value| matches!(object.get("kind").and_then(Value::as_str), Some("Job" | "Pod"));
    let hooks = docs.iter().filter(|doc| match &doc.origin {
        Origin::Hook { events, .. } => events.iter().any(|event| wanted.contains(&event.as_str())),
        Origin::Template | Origin::Crd => false,
    });
    hooks.map(|doc| doc.object.clone()).filter(is_waited_for).collect()
}

/// When helm made the revision it works on, by the server's clock; `None` when it has not yet.
async fn begun_at(ctx: &Context, revision_before: u32) -> Result<Option<Timestamp>, PhaseError> {
    let history = observe::release_history(ctx).await?;
    Ok(history.after(revision_before).last().and_then(|meta| meta.created_at))
}

/// How hooks stand that helm has begun.
#[derive(Debug, Default)]
struct Hooks {
    /// Whether there is any.
    any: bool,
    unready: Unready,
    ready: Vec<ObjectRef>,
}

/// How those of the hooks' objects stand that were made since helm began. Older ones are an earlier revision's.
async fn waited_for(ctx: &Context, hooks: &[Value], begun: Timestamp) -> Result<Hooks, PhaseError> {
    let objects =
        observe::complete_objects(ctx, hooks.iter().filter_map(object_ref).collect(), NotServed::Skip).await?;
    let mut found = Hooks::default();
    for object in objects {
        let Some(live) = ctx.cluster().get(&object).await? else { continue };
        let created = live.pointer("/metadata/creationTimestamp").and_then(Value::as_str);
        let created: Option<Timestamp> = created.and_then(|at| at.parse().ok());
        if created.is_none_or(|created| created < begun) {
            continue;
        }
        found.any = true;
        let status = ctx.tracker().rules().judge(&live, Timestamp::now()).status;
        if status.is_ready() {
            found.ready.push(object);
        } else {
            found.unready.push((object, status));
        }
    }
    Ok(found)
}

/// Those of the release's objects that exist and are not ready.
async fn unready_of(ctx: &Context, objects: &[ObjectRef]) -> Result<Unready, PhaseError> {
    let objects = observe::complete_objects(ctx, objects.to_vec(), NotServed::Skip).await?;
    let mut unready = pilothouse_kube::statuses(ctx.cluster(), ctx.tracker().rules(), &objects).await;
    unready.retain(|(_, status)| {
        !status.is_ready() && !matches!(status.readiness, Readiness::NotFound | Readiness::Unknown)
    });
    Ok(unready)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::ObjectStatus;
    use rstest::rstest;

    /// The hooks of a chart name no namespace; those on the cluster have one.
    #[rstest]
    #[case::none_begun(&[], &[], &["Job/a", "Job/b"])]
    #[case::one_runs(&[], &[("Job/web/a", Readiness::InProgress)], &["Job/web/a", "Job/b"])]
    #[case::one_is_done(&["Job/web/a"], &[("Job/web/b", Readiness::InProgress)], &["Job/web/b"])]
    #[case::one_has_failed(&[], &[("Job/web/a", Readiness::Failed)], &[])]
    #[case::an_object_has_failed(&[], &[("Deployment/web/a", Readiness::Failed)], &["Job/a", "Job/b"])]
    fn hooks_that_have_not_ended(
        #[case] ready: &[&str],
        #[case] unready: &[(&str, Readiness)],
        #[case] expected: &[&str],
    ) {
        let all = |names: &[&str]| names.iter().map(|name| ObjectRef::parse(name).unwrap()).collect::<Vec<_>>();
        let unready = unready
            .iter()
            .map(|(name, readiness)| (ObjectRef::parse(name).unwrap(), ObjectStatus::new(*readiness, "it is so")));
        let open = to_end(&all(&["Job/a", "Job/b"]), &all(ready), &unready.collect());
        assert_eq!(open, all(expected));
    }
}
