//! What a chart's author needs inside a phase.

use crate::actions::helm_run;
use crate::actions::orphaned_hooks;
use crate::context::release_context::Context;
use crate::diagnose::wait_ready;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::crd_changes;
use crate::observe::release_storage;
use crate::observe::release_storage::NotServed;
use crate::preflight::backup::save;
use crate::preflight::data_loss;
use crate::preflight::data_loss::Consent;
use crate::render;
use crate::render::objects as rendered_objects;
use crate::text;
use jiff::Timestamp;
use pilothouse_core::{
    AdoptionConsent, AdoptionVerdict, Class, EventKind, Finding, HelmCommand, ObjectRef, Payload, ReleaseState,
    RevisionStatus, WaitFor, code, keeps_on_uninstall, lenient_version, object_ref,
};
use pilothouse_helm::UninstallRequest;
use pilothouse_kube::{
    Adoption, ApplyOptions, ClusterError, Conflict, PlannedAdoption, Precondition, Progress, Propagation, crd_ref,
    ownership_conflicts,
};
use semver::Version;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Whether the release is deployed right now: its newest revision has the status `deployed`.
///
/// # Errors
/// When Helm's records cannot be read, which is not the same as "no".
pub async fn is_chart_deployed(ctx: &Context) -> Result<bool, PhaseError> {
    let release = ctx.release();
    let revisions =
        ctx.cluster().release_revisions(ctx.session().driver, Some(&release.namespace), Some(&release.name)).await?;
    let newest = revisions.iter().max_by_key(|meta| meta.revision);
    Ok(newest.is_some_and(|meta| meta.status == RevisionStatus::Deployed))
}

/// The chart version of the newest revision that was deployed; `None` when there is none.
///
/// # Errors
/// When Helm's records cannot be read or understood, or the version is not one.
pub async fn deployed_chart_version(ctx: &Context) -> Result<Option<Version>, PhaseError> {
    let Some(record) = release_storage::newest_good_record(ctx).await? else { return Ok(None) };
    let text = record.chart_version();
    match lenient_version(text) {
        Some(version) => Ok(Some(version)),
        None => Err(PhaseError::State(format!("the deployed chart has the version `{text}`, which is not one"))),
    }
}

/// Uninstalls the release when a breaking version lies between what is deployed and what is wanted, and waits until its
/// objects are gone. Returns whether it did. The default `exec` does this by itself.
///
/// # Errors
/// [`PhaseError::Refused`] when data hangs on the release and no consent was given; otherwise what failed.
pub async fn uninstall_if_breaking_change(ctx: &Context) -> Result<bool, PhaseError> {
    match observe::observed(ctx).await.state(ctx.info()) {
        ReleaseState::Breaking { .. } => {
            uninstall(ctx).await?;
            Ok(true)
        }
        ReleaseState::Absent
        | ReleaseState::HalfRemoved
        | ReleaseState::FailedClean { .. }
        | ReleaseState::FailedDirty { .. }
        | ReleaseState::Unmanaged { .. }
        | ReleaseState::InputUnknown { .. }
        | ReleaseState::OutOfSync { .. }
        | ReleaseState::LifecycleChanged { .. }
        | ReleaseState::Unfinished { .. }
        | ReleaseState::LiveUnknown { .. }
        | ReleaseState::LiveUnreadable { .. }
        | ReleaseState::Drifted { .. }
        | ReleaseState::Unvalidated { .. }
        | ReleaseState::InSync { .. } => Ok(false),
        ReleaseState::Unknown { why } => Err(PhaseError::State(why)),
        ReleaseState::Foreign { foreign, .. } => {
            Err(PhaseError::State(format!("{} manages the release: {}", foreign.tool, foreign.why)))
        }
        ReleaseState::Locked { revision, status, why, .. } | ReleaseState::Stale { revision, status, why } => {
            Err(PhaseError::State(format!("revision {revision} is {status}: {why}")))
        }
    }
}

/// Uninstalls the release and waits until what helm deleted is gone. What holds data needs consent.
///
/// # Errors
/// [`PhaseError::Refused`] when data hangs on the release and no consent was given; otherwise what failed.
pub async fn uninstall(ctx: &Context) -> Result<(), PhaseError> {
    let deadline = Instant::now() + ctx.remaining();
    let objects = deleted_by_uninstall(ctx).await?;
    refuse(data_loss::deletion_findings(ctx, &objects).await)?;
    save::before_deleting(ctx, &objects).await?;
    // Without the record, nothing tells any more whose a hook's object is.
    orphaned_hooks::clear_earlier(ctx).await?;
    ctx.doing("helm uninstall");
    let request = UninstallRequest::new(ctx.release(), ctx.remaining());
    let run = ctx.helm().uninstall(&request, ctx.terminate());
    helm_run::run_helm(ctx, HelmCommand::Uninstall, String::new(), request.timeout, run).await?;
    ctx.forget_observation().await;
    ctx.doing("waiting until its objects are gone");
    pilothouse_kube::wait_deleted(ctx.cluster(), &objects, deadline, ctx.cancel(), |progress| {
        ctx.doing(text::progress(progress));
    })
    .await?;
    Ok(())
}

/// Why an uninstall would lose data without consent.
pub(crate) async fn uninstall_findings(ctx: &Context) -> Vec<Finding> {
    match deleted_by_uninstall(ctx).await {
        Ok(objects) => data_loss::deletion_findings(ctx, &objects).await,
        Err(error) => vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), ctx.error_text(&error))],
    }
}

/// The live objects helm deletes when it uninstalls the release: those of the newest revision without the policy `keep`.
pub(crate) async fn deleted_by_uninstall(ctx: &Context) -> Result<Vec<ObjectRef>, PhaseError> {
    let Some(record) = release_storage::newest_record(ctx).await? else { return Ok(Vec::new()) };
    let objects = release_storage::manifest_objects(&record)?;
    let deleted = objects.iter().filter(|object| !keeps_on_uninstall(object)).filter_map(object_ref);
    release_storage::complete(ctx, deleted.collect(), NotServed::Skip).await
}

/// Whoever writes several objects looks before each whether everything is to end: the lock may be somebody else's by now.
pub(crate) fn stop_when_told(ctx: &Context) -> Result<(), PhaseError> {
    if ctx.terminate().is_cancelled() { Err(PhaseError::Interrupted) } else { Ok(()) }
}

/// The objects the chart renders that exist and are nobody's: no release, no controller and no other tool has them. What
/// another tool has, or a release has left that is gone, is one of them only where the release's consent names it.
///
/// # Errors
/// When one cannot be read.
pub async fn unowned(ctx: &Context, payload: &Payload) -> Result<Vec<ObjectRef>, PhaseError> {
    let prepared = render::wanted(ctx, payload).await;
    let objects = rendered_objects::rendered_objects(&prepared.rendering.docs());
    let objects = release_storage::complete(ctx, objects, NotServed::Skip).await?;
    let conflicts = ownership_conflicts(ctx.cluster(), &objects, &ctx.release()).await?;
    let consent = Consent::of(ctx).await.map_err(|finding| PhaseError::Refused(vec![finding]))?;
    let is_adopted = |conflict: &Conflict| {
        let named = consent.names(&conflict.object);
        let consent = if named { AdoptionConsent::Named } else { AdoptionConsent::Unowned };
        conflict.ownership.adoption(consent) == AdoptionVerdict::Adopt
    };
    Ok(conflicts.into_iter().filter(is_adopted).map(|conflict| conflict.object).collect())
}

/// Gives existing objects to the release: exactly Helm's three ownership keys on exactly these objects. One that does
/// not exist is left for helm to create. What takes it back is in the journal before the first is changed. Can be repeated.
///
/// # Errors
/// When an object belongs to another release or to a controller, or cannot be read or changed.
pub async fn adopt(ctx: &Context, objects: &[ObjectRef]) -> Result<Adoption, PhaseError> {
    let planned = PlannedAdoption::of(ctx.cluster(), objects, &ctx.release()).await?;
    let undo = planned.undo();
    if !undo.is_empty() {
        let intent = EventKind::AdoptionStarted { release: ctx.release(), phase: ctx.phase(), undo };
        ctx.emitter().ask(intent).await?;
    }
    let report = planned.carry_out(ctx.cluster()).await?;
    if !report.adopted.is_empty() || !report.already.is_empty() {
        ctx.note_adoption();
    }
    for object in &report.adopted {
        ctx.say(format!("adopted {object}"));
    }
    for object in &report.absent {
        ctx.say(format!("{object} does not exist, helm will create it"));
    }
    Ok(report)
}

/// Server-side apply as field manager `pilothouse`, forced, in order. Objects without a namespace go to the release's.
///
/// # Errors
/// The first object that is not accepted.
pub async fn apply(ctx: &Context, objects: &[Value]) -> Result<(), PhaseError> {
    for object in objects {
        stop_when_told(ctx)?;
        let named = object_ref(object).map(|object| object.to_string()).unwrap_or_default();
        ctx.doing(format!("applying {named}"));
        let options = ApplyOptions {
            field_manager: crd_changes::FIELD_MANAGER.to_owned(),
            force: true,
            dry_run: false,
            default_namespace: Some(ctx.release().namespace),
        };
        ensure_namespace(ctx, object).await?;
        ctx.cluster().apply(object, &options).await?;
    }
    Ok(())
}

/// What is applied before helm runs may need the release's namespace before helm creates it.
async fn ensure_namespace(ctx: &Context, object: &Value) -> Result<(), PhaseError> {
    let namespace = ctx.release().namespace;
    let goes_there = object.pointer("/metadata/namespace").and_then(Value::as_str).is_none_or(|ns| ns == namespace);
    if goes_there && ctx.info().create_namespace && object.get("kind").and_then(Value::as_str) != Some("Namespace") {
        match ctx.cluster().create_namespace(&namespace).await {
            // Whoever may not create namespaces may well apply into one that is there.
            Ok(_) | Err(ClusterError::Forbidden { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Deletes objects and waits until they are gone. One that does not exist is no error; what holds data needs consent.
///
/// # Errors
/// [`PhaseError::Refused`] before anything is deleted; otherwise what failed.
pub async fn delete(ctx: &Context, objects: &[ObjectRef], timeout: Duration) -> Result<(), PhaseError> {
    let objects = resolve(ctx, objects).await?;
    refuse(data_loss::deletion_findings(ctx, &objects).await)?;
    save::before_deleting(ctx, &objects).await?;
    for object in &objects {
        stop_when_told(ctx)?;
        ctx.doing(format!("deleting {object}"));
        if ctx.cluster().delete(object, &Precondition::default(), Propagation::Background).await? {
            ctx.say(format!("deleted {object}"));
        }
    }
    let deadline = Instant::now() + timeout;
    pilothouse_kube::wait_deleted(ctx.cluster(), &objects, deadline, ctx.cancel(), |progress| {
        ctx.doing(text::progress(progress));
    })
    .await?;
    Ok(())
}

/// Deletes CustomResourceDefinitions by name (`prometheuses.monitoring.coreos.com`) and waits until they are gone.
///
/// # Errors
/// [`PhaseError::Refused`], with their number, when custom resources of them exist and no consent names the definition.
pub async fn delete_crds(ctx: &Context, names: &[&str], timeout: Duration) -> Result<(), PhaseError> {
    let objects: Vec<ObjectRef> = names.iter().map(|&name| crd_ref(name)).collect();
    delete(ctx, &objects, timeout).await
}

/// Why [`delete_crds`] would refuse, to be asked in `check_prerequisites`.
pub async fn crds_in_use(ctx: &Context, names: &[&str]) -> Vec<Finding> {
    let objects: Vec<ObjectRef> = names.iter().map(|&name| crd_ref(name)).collect();
    data_loss::deletion_findings(ctx, &objects).await
}

/// Waits until every one of these objects is ready.
///
/// # Errors
/// Those that are not, with their reasons, when the time is over or one of them cannot become ready any more.
pub async fn wait_ready(ctx: &Context, objects: &[ObjectRef], timeout: Duration) -> Result<(), PhaseError> {
    wait(ctx, objects, WaitFor::Ready, timeout).await
}

/// Waits until every one of these objects is in the state.
///
/// # Errors
/// Those that are not, with their reasons, when the time is over.
pub async fn wait(
    ctx: &Context,
    objects: &[ObjectRef],
    wait_for: WaitFor,
    timeout: Duration,
) -> Result<(), PhaseError> {
    let objects = resolve(ctx, objects).await?;
    let deadline = Instant::now() + timeout;
    let doing = |progress: &Progress| ctx.doing(text::progress(progress));
    match wait_for {
        WaitFor::Ready => wait_ready::wait_ready(ctx, &objects, deadline).await?,
        WaitFor::Exists => pilothouse_kube::wait_exists(ctx.cluster(), &objects, deadline, ctx.cancel(), doing).await?,
        WaitFor::Deleted => {
            pilothouse_kube::wait_deleted(ctx.cluster(), &objects, deadline, ctx.cancel(), doing).await?;
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

/// Completes references as people write them; a namespaced one without namespace is in the release's.
///
/// # Errors
/// When the cluster does not know a kind, or cannot be asked.
pub async fn resolve(ctx: &Context, objects: &[ObjectRef]) -> Result<Vec<ObjectRef>, PhaseError> {
    let namespace = ctx.release().namespace;
    let mut resolved = Vec::with_capacity(objects.len());
    for object in objects {
        resolved.push(ctx.cluster().resolve(object, &namespace).await?);
    }
    Ok(resolved)
}

/// The definitions in the chart's `crds/` folders, those of enabled subcharts included.
///
/// # Errors
/// When the chart cannot be resolved or rendered.
pub async fn chart_crds(ctx: &Context) -> Result<Vec<ObjectRef>, PhaseError> {
    let prepared = render::wanted(ctx, &Payload::default()).await;
    refuse(prepared.findings.clone())?;
    Ok(rendered_objects::of_chart(&prepared).iter().filter_map(object_ref).collect())
}

fn refuse(findings: Vec<Finding>) -> Result<(), PhaseError> {
    if findings.is_empty() { Ok(()) } else { Err(PhaseError::Refused(findings)) }
}
