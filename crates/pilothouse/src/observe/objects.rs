//! Objects as people and Helm's records name them.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe::release_storage;
use crate::observe::release_storage::NotServed;
use crate::observe::unserved::as_served;
use crate::render;
use crate::render::chart_definitions;
use pilothouse_core::{ObjectRef, ReleaseHistory, RevisionStatus, lenient_version, object_ref};
use pilothouse_helm::ReleaseRecord;
use semver::Version;

/// Whether the release is deployed right now: its newest revision has the status `deployed`.
///
/// # Errors
/// When Helm's records cannot be read, which is not the same as "no".
pub async fn is_chart_deployed(ctx: &Context) -> Result<bool, PhaseError> {
    let history = release_storage::release_history(ctx).await?;
    Ok(history.newest().is_some_and(|meta| meta.status == RevisionStatus::Deployed))
}

/// The chart version that an upgrade would follow: of the revision that helm compares it with; `None` when there is none.
///
/// # Errors
/// When Helm's records cannot be read or understood, or the version is not one.
pub async fn deployed_chart_version(ctx: &Context) -> Result<Option<Version>, PhaseError> {
    let history = release_storage::release_history(ctx).await?;
    let Some(record) = release_storage::read_record_of(ctx, history.upgrade_base()).await? else { return Ok(None) };
    let text = record.chart_version();
    match lenient_version(text) {
        Some(version) => Ok(Some(version)),
        None => Err(PhaseError::State(format!("the deployed chart has the version `{text}`, which is not one"))),
    }
}

/// The live objects helm deletes when it uninstalls the release: those of the newest of these revisions that have no resource policy.
pub(crate) async fn deleted_by_uninstall(
    ctx: &Context,
    history: &ReleaseHistory,
) -> Result<Vec<ObjectRef>, PhaseError> {
    deleted_with(ctx, release_storage::read_record_of(ctx, history.newest()).await?.as_ref()).await
}

/// The same, where the newest record was read.
pub(crate) async fn deleted_with(ctx: &Context, newest: Option<&ReleaseRecord>) -> Result<Vec<ObjectRef>, PhaseError> {
    let Some(record) = newest else { return Ok(Vec::new()) };
    let deleted = release_storage::by_uninstall(&as_served(ctx, record.clone()).await?)?.deleted;
    release_storage::complete_objects(ctx, deleted.iter().filter_map(object_ref).collect(), NotServed::Skip).await
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
    let wanted = render::wanted(ctx).await;
    PhaseError::refuse_for(wanted.findings.clone())?;
    Ok(chart_definitions(&wanted).iter().filter_map(object_ref).collect())
}
