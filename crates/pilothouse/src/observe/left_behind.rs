//! What an uninstall leaves in the cluster of what a release has brought.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe::deploy_records;
use crate::observe::deploy_records::Found;
use crate::observe::release_storage;
use crate::observe::release_storage::{ByUninstall, NotServed};
use crate::render;
use pilothouse_core::{ObjectRef, Staying, Stays, helm_owner, object_ref};
use serde_json::Value;

/// What an uninstall of the newest revision leaves: what a resource policy keeps, the definitions of `crds/` that we have brought,
/// what only earlier revisions have, and the namespace, if it was made for the release.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn left_by_uninstall(ctx: &Context) -> Result<Vec<Staying>, PhaseError> {
    let Some(record) = release_storage::newest_record(ctx).await? else { return Ok(Vec::new()) };
    let ByUninstall { deleted, kept } = release_storage::by_uninstall(&record)?;
    let own: Vec<ObjectRef> = deleted.iter().chain(&kept).filter_map(object_ref).collect();
    let kept = kept.iter().filter_map(object_ref).collect();
    let mut staying = Vec::new();
    for object in release_storage::complete_objects(ctx, kept, NotServed::Skip).await? {
        staying.push((object, Stays::ResourcePolicy));
    }
    let mut brought = match ctx.last_wanted().await {
        Some(wanted) => render::definitions_brought(ctx, &wanted),
        None => Vec::new(),
    };
    let session = ctx.session();
    let remembered = deploy_records::read_deploy_record(ctx.cluster(), &ctx.release(), session.state_key()).await?;
    if let Some(Found::Record(remembered)) = remembered {
        let objects = remembered.objects.into_iter().flatten().map(|applied| applied.object);
        for object in objects.filter(|object| object.kind == "CustomResourceDefinition") {
            if !is_among(&brought, &object) {
                brought.push(object);
            }
        }
    }
    brought.retain(|object| !is_among(&own, object));
    staying.extend(brought.into_iter().map(|object| (object, Stays::Crds)));
    let mut left = Vec::new();
    for (object, because) in staying {
        if ctx.cluster().get(&object).await?.is_some() {
            left.push(Staying { object, because });
        }
    }
    for object in only_in_earlier_revisions(ctx, record.version, &own).await? {
        let is_told = left.iter().any(|told: &Staying| told.object.same_object(&object));
        let live = if is_told { None } else { ctx.cluster().get(&object).await? };
        if live.is_some_and(|live| helm_owner(&live).is(&ctx.release())) {
            left.push(Staying { object, because: Stays::EarlierRevision });
        }
    }
    let namespace = ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: "Namespace".to_owned(),
        namespace: None,
        name: ctx.release().namespace,
    };
    // One in the chart is its own business. Who may not read it is not told of it.
    if ctx.info().create_namespace
        && !is_among(&own, &namespace)
        && let Ok(Some(live)) = ctx.cluster().get(&namespace).await
        && is_made_for_a_release(&live)
    {
        left.push(Staying { object: namespace, because: Stays::Namespace });
    }
    Ok(left)
}

/// What manifests before the newest have and this one has not. An upgrade that fails does not delete it, and neither does the
/// uninstall after it.
async fn only_in_earlier_revisions(
    ctx: &Context,
    newest: u32,
    own: &[ObjectRef],
) -> Result<Vec<ObjectRef>, PhaseError> {
    let own = release_storage::complete_objects(ctx, own.to_vec(), NotServed::Skip).await?;
    let mut only: Vec<ObjectRef> = Vec::new();
    for revision in release_storage::release_history(ctx).await?.revisions() {
        if revision.revision >= newest {
            continue;
        }
        let manifest = match release_storage::read_record(ctx, revision).await {
            Ok(Some(record)) => release_storage::manifest_objects(&record),
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        let manifest = match manifest {
            Ok(manifest) => manifest,
            // Nothing that is deleted depends on it.
            Err(error @ (PhaseError::Record(_) | PhaseError::Yaml { .. })) => {
                let why = ctx.error_text(&error);
                ctx.warn(format!("whether revision {} has left something is not known: {why}", revision.revision));
                continue;
            }
            Err(error) => return Err(error),
        };
        let named = manifest.iter().filter_map(object_ref).collect();
        for object in release_storage::complete_objects(ctx, named, NotServed::Skip).await? {
            if !is_among(&own, &object) && !is_among(&only, &object) {
                only.push(object);
            }
        }
    }
    Ok(only)
}

fn is_among(objects: &[ObjectRef], object: &ObjectRef) -> bool {
    objects.iter().any(|one| one.same_object(object))
}

/// Whether helm has made a namespace, by the name of its program, or we have.
fn is_made_for_a_release(namespace: &Value) -> bool {
    let writers = namespace.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let mut managers = writers.filter_map(|entry| entry.get("manager").and_then(Value::as_str));
    let goes = namespace.pointer("/metadata/deletionTimestamp").is_some();
    !goes && managers.any(|manager| manager.to_lowercase().starts_with("helm") || manager.starts_with("pilothouse"))
}
