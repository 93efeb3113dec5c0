//! What a chart's author needs inside a phase.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::diagnose;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::resolve;
use crate::preflight;
use crate::preflight::Deletion;
use crate::preflight::Overwriting;
use crate::preflight::Permit;
use crate::render;
use crate::text;
use jiff::Timestamp;
use pilothouse_core::{EventKind, ObjectRef, Staying, WaitFor, adoption_patch, crd_facts, object_ref, stays_in_words};
use pilothouse_kube::{
    Adoption, ApplyOptions, Beforehand, ClusterError, Leaving, MadeAgain, Progress, Propagation, crd_ref,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// How often an object that is written while it is looked at is looked at anew: a status is, for one.
pub(crate) const ATTEMPTS: u32 = 5;
/// How long definitions may take to be served.
const ESTABLISHED: Duration = Duration::from_secs(20);

/// Gives existing objects to the release: exactly Helm's three ownership keys on exactly these objects. One that does
/// not exist is left for helm to create. What takes it back is in the journal before the first is changed. Can be repeated.
///
/// # Errors
/// When an object belongs to another release or to a controller, or cannot be read or changed.
pub async fn adopt(ctx: &Context, run: &mut ReleaseRun, objects: &[ObjectRef]) -> Result<Adoption, PhaseError> {
    let planned = preflight::permit_adoption(ctx, objects).await?.into_deed();
    let undo = planned.undo();
    if !undo.is_empty() {
        let intent = EventKind::AdoptionStarted { release: ctx.release(), phase: ctx.phase(), undo };
        ctx.emitter().ask(intent).await?;
    }
    let report = planned.carry_out(ctx.cluster()).await?;
    if !report.adopted.is_empty() || !report.already.is_empty() {
        run.attempts.note_adopted(&[&report.adopted[..], &report.already].concat());
    }
    for object in &report.adopted {
        ctx.say(format!("adopted {object}"));
    }
    for object in &report.absent {
        ctx.say(format!("{object} does not exist, helm will create it"));
    }
    Ok(report)
}

/// Reports what helm has left behind and no step has deleted since, if anything.
pub(crate) async fn tell_what_stays(ctx: &Context, stays: &[Staying]) {
    let mut left = Vec::new();
    for staying in stays {
        // One that cannot be read any more was there a moment ago.
        if !matches!(ctx.cluster().get(&staying.object).await, Ok(None) | Err(ClusterError::NotServed { .. })) {
            left.push(staying.clone());
        }
    }
    if !left.is_empty() {
        ctx.say(format!("stays: {}", stays_in_words(&left)));
    }
}

/// Server-side apply as field manager `pilothouse`, forced, in order. Objects without a namespace go to the release's.
///
/// # Errors
/// [`PhaseError::Refused`] before anything is applied, when custom resources would lose fields, or a StatefulSet its claims, and no
/// consent names it; otherwise the first object that is not accepted.
pub async fn apply(ctx: &Context, objects: &[Value]) -> Result<(), PhaseError> {
    let Overwriting { objects, seen } = preflight::permit_overwriting(ctx, objects).await?.into_deed();
    preflight::refuse_unless_same(ctx, &seen).await?;
    for object in &objects {
        ctx.go_on()?;
        let named = object_ref(object).map(|object| object.to_string()).unwrap_or_default();
        ctx.doing(format!("applying {named}"));
        let options = ApplyOptions {
            field_manager: observe::FIELD_MANAGER.to_owned(),
            force: true,
            dry_run: false,
            default_namespace: Some(ctx.release().namespace),
        };
        ensure_namespace(ctx, object).await?;
        ctx.cluster().apply(object, &options).await?;
    }
    let definitions = objects.iter().filter(|object| crd_facts(object).is_some());
    let definitions: Vec<ObjectRef> = definitions.filter_map(object_ref).collect();
    if !definitions.is_empty() {
        // Charts are rendered for what the cluster serves then. One that is not served in time is told by whoever needs it.
        let deadline = Instant::now() + ESTABLISHED;
        let _ = pilothouse_kube::wait_ready(ctx.tracker(), &definitions, deadline, ctx.cancel(), |_| {}).await;
        ctx.cluster().discovery(true).await?;
    }
    Ok(())
}

/// What is applied before helm runs may need the release's namespace before helm creates it.
async fn ensure_namespace(ctx: &Context, object: &Value) -> Result<(), PhaseError> {
    let namespace = ctx.release().namespace;
    let goes_there = object.pointer("/metadata/namespace").and_then(Value::as_str).is_none_or(|ns| ns == namespace);
    if goes_there && ctx.info().create_namespace && object.get("kind").and_then(Value::as_str) != Some("Namespace") {
        match make_namespace(ctx).await {
            // Whoever may not create namespaces may well apply into one that is there.
            Ok(()) | Err(ClusterError::Forbidden { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Makes the release's namespace, unless it is there. Where the chart has it among its templates, it gets Helm's marks: helm would
/// otherwise meet one that is nobody's.
///
/// # Errors
/// As for any request.
pub(crate) async fn make_namespace(ctx: &Context) -> Result<(), ClusterError> {
    let release = ctx.release();
    let is_own = ctx.last_wanted().await.is_some_and(|wanted| render::has_own_namespace(ctx, &wanted));
    if !is_own {
        return ctx.cluster().create_namespace(&release.namespace).await.map(drop);
    }
    let mut namespace = adoption_patch(&release);
    namespace["apiVersion"] = json!("v1");
    namespace["kind"] = json!("Namespace");
    namespace["metadata"]["name"] = json!(release.namespace);
    match ctx.cluster().create(&namespace).await {
        Ok(_) => Ok(()),
        // One on its way out is there, too, but nothing can be put into it.
        Err(ClusterError::Conflict { message, .. }) if !message.contains("being deleted") => Ok(()),
        Err(error) => Err(error),
    }
}

/// Deletes objects and waits until they are gone. One that does not exist is no error; what holds data needs consent.
///
/// # Errors
/// [`PhaseError::Refused`] before anything is deleted; otherwise what failed.
pub async fn delete(ctx: &Context, objects: &[ObjectRef], timeout: Duration) -> Result<(), PhaseError> {
    let objects = resolve(ctx, objects).await?;
    let permits = preflight::permit_deletions(ctx, &objects).await?;
    let leaving: Vec<Leaving> = permits.iter().filter_map(|permit| permit.deed().leaving()).collect();
    for permit in permits {
        ctx.go_on()?;
        let object = permit.deed().object().clone();
        ctx.doing(format!("deleting {object}"));
        if delete_looking_again(ctx, permit).await? {
            ctx.say(format!("deleted {object}"));
        }
    }
    wait_until_gone(ctx, &leaving, Instant::now() + timeout).await
}

/// Waits until these very objects are gone, and reports those that were recreated under the same name.
///
/// # Errors
/// What is still there, and what holds it.
pub(crate) async fn wait_until_gone(ctx: &Context, leaving: &[Leaving], deadline: Instant) -> Result<(), PhaseError> {
    let doing = |progress: &Progress| ctx.doing(text::progress(progress));
    let again = pilothouse_kube::wait_deleted(ctx.cluster(), leaving, deadline, ctx.cancel(), doing).await?;
    for MadeAgain { object, by } in again {
        let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
        ctx.say(format!("{object} was deleted and recreated{by}; the new one is left alone"));
    }
    Ok(())
}

/// Deletes an object that is still the one that was looked at, in the same hands; `false` when it was not there any more.
async fn delete_looking_again(ctx: &Context, permit: Permit<Deletion>) -> Result<bool, PhaseError> {
    let mut permit = permit;
    let mut attempts = 1;
    loop {
        match delete_as_seen(ctx, &permit, Propagation::Background).await {
            Err(ClusterError::Conflict { .. }) if attempts < ATTEMPTS => attempts += 1,
            done => return Ok(done?),
        }
        match preflight::permit_deletion_again(ctx, permit).await? {
            Some(anew) => permit = anew,
            None => return Ok(false),
        }
    }
}

/// Deletes the very object that was looked at; `false` when it was not there any more.
///
/// # Errors
/// [`ClusterError::Conflict`] when it was written since.
pub(crate) async fn delete_as_seen(
    ctx: &Context,
    permit: &Permit<Deletion>,
    propagation: Propagation,
) -> Result<bool, ClusterError> {
    let deletion = permit.deed();
    ctx.cluster().delete(deletion.object(), &deletion.unchanged, propagation).await
}

/// Deletes CustomResourceDefinitions by name (`prometheuses.monitoring.coreos.com`) and waits until they are gone.
///
/// # Errors
/// [`PhaseError::Refused`], with their number, when custom resources of them exist and no consent names the definition.
pub async fn delete_crds(ctx: &Context, names: &[&str], timeout: Duration) -> Result<(), PhaseError> {
    let objects: Vec<ObjectRef> = names.iter().map(|&name| crd_ref(name)).collect();
    delete(ctx, &objects, timeout).await
}

/// Waits until every one of these objects is ready.
///
/// # Errors
/// Those that are not, with their reasons, when the time is over or one of them cannot become ready any more.
pub async fn wait_ready(
    ctx: &Context,
    run: &mut ReleaseRun,
    objects: &[ObjectRef],
    timeout: Duration,
) -> Result<(), PhaseError> {
    wait(ctx, run, objects, WaitFor::Ready, timeout).await
}

/// Waits until every one of these objects is in the state.
///
/// # Errors
/// Those that are not, with their reasons, when the time is over.
pub async fn wait(
    ctx: &Context,
    run: &mut ReleaseRun,
    objects: &[ObjectRef],
    wait_for: WaitFor,
    timeout: Duration,
) -> Result<(), PhaseError> {
    let objects = resolve(ctx, objects).await?;
    let deadline = Instant::now() + timeout;
    let doing = |progress: &Progress| ctx.doing(text::progress(progress));
    match wait_for {
        WaitFor::Ready => diagnose::wait_ready(ctx, &mut run.causes, &objects, Beforehand::default(), deadline).await?,
        WaitFor::Exists => pilothouse_kube::wait_exists(ctx.cluster(), &objects, deadline, ctx.cancel(), doing).await?,
        WaitFor::Deleted => {
            // Here the name is what is asked about: nothing is to have it.
            let named: Vec<Leaving> = objects.into_iter().map(Leaving::named).collect();
            pilothouse_kube::wait_deleted(ctx.cluster(), &named, deadline, ctx.cancel(), doing).await?;
        }
    }
    Ok(())
}

/// Restarts workloads as `kubectl rollout restart` does. It does not wait: `validate` does.
///
/// # Errors
/// When one does not exist or cannot be changed.
pub async fn restart(ctx: &Context, objects: &[ObjectRef]) -> Result<(), PhaseError> {
    let objects = pilothouse_kube::restart(ctx.cluster(), objects, &ctx.release().namespace, Timestamp::now()).await?;
    for object in &objects {
        ctx.say(format!("restarted {object}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::test_world::fake;
    use pilothouse_testkit::FakeCluster;
    use std::sync::Arc;

    /// A new object of the same name is reported and left alone; an object that is gone is not reported.
    #[tokio::test]
    async fn what_was_recreated_is_told_and_left_alone() {
        let cluster = Arc::new(FakeCluster::default());
        cluster.put(json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": "default", "uid": "second",
                "managedFields": [{"manager": "kube-controller-manager", "operation": "Update"}]}}));
        let mut world = fake(&cluster, HelmDriver::Secret);
        let leaving = ["default", "gone"].map(|name| Leaving {
            object: ObjectRef {
                api_version: Some("v1".to_owned()),
                ..ObjectRef::parse(&format!("ServiceAccount/default/{name}")).unwrap()
            },
            uid: Some("first".to_owned()),
        });
        wait_until_gone(&world.ctx, &leaving, Instant::now() + Duration::from_secs(5)).await.unwrap();
        let told = world.told();
        let texts: Vec<&str> =
            told.iter().filter_map(|event| event["text"].as_str()).filter(|text| *text != "2 of 2").collect();
        let again = "ServiceAccount default/default was deleted and recreated by kube-controller-manager; the new one is left alone";
        assert_eq!(texts, [again]);
        assert!(cluster.object("ServiceAccount", Some("default"), "default").is_some());
    }
}
