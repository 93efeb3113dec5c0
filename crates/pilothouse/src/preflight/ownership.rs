//! The owners of a chart's objects.

use crate::context::Context;
use crate::context::NamespaceState;
use crate::context::Steps;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::NotServed;
use crate::preflight::adoption::Adopting;
use crate::render;
use crate::render::rendered_objects;
use pilothouse_core::{Change, Class, Decision, Finding, ObjectRef, code};
use pilothouse_kube::{Conflict, Detail, ListQuery, conflicts_among, read_for_ownership};
use serde_json::Value;

/// All objects that belong to someone else, but those a step is going to adopt or delete before helm runs. What is in
/// the manifest that helm compares with, or uninstalls first, is the release's, whatever its labels say: helm does not look at them
/// either. `seen` gets the objects as they were read.
pub(crate) async fn ownership_findings(
    steps: &Steps,
    ctx: &Context,
    objects: &[ObjectRef],
    decision: &Decision,
    seen: &mut Vec<(ObjectRef, Option<Value>)>,
) -> Vec<Finding> {
    let unreadable = |error: &PhaseError| {
        vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), error.chain().join(": "))]
    };
    let objects = match observe::complete_objects(ctx, objects.to_vec(), NotServed::Skip).await {
        Ok(objects) => objects,
        Err(error) => return unreadable(&error),
    };
    // In a namespace that is not there is nothing that could be somebody else's.
    let absent = matches!(observe::observed(ctx).await.namespace, NamespaceState::Absent);
    let namespace = ctx.release().namespace;
    let elsewhere = |object: &ObjectRef| !absent || object.namespace.as_ref() != Some(&namespace);
    let objects: Vec<ObjectRef> = objects.into_iter().filter(elsewhere).collect();
    let conflicts = async {
        *seen = read_for_ownership(ctx.cluster(), &objects, Detail::Whole).await?;
        conflicts_among(ctx.cluster(), seen, &ctx.release()).await
    };
    let conflicts = match conflicts.await {
        Ok(conflicts) => conflicts,
        Err(error) => return unreadable(&error.into()),
    };
    if conflicts.is_empty() {
        return Vec::new();
    }
    let own = match decision {
        Decision::Change(Change::Reinstall(_)) => observe::release_objects(ctx).await,
        Decision::Change(Change::Install | Change::Upgrade { .. } | Change::Uninstall)
        | Decision::Keep { .. }
        | Decision::Refuse { .. }
        | Decision::Finish { .. } => observe::base_objects(ctx).await,
    };
    let own = match own {
        Ok(own) => own,
        Err(error) => return unreadable(&error),
    };
    let adopting = match Adopting::of(steps, ctx).await {
        Ok(adopting) => adopting,
        Err(error) => return unreadable(&error),
    };
    let is_open = |conflict: &Conflict| {
        let is_own = own.iter().any(|object| object.same_object(&conflict.object));
        !is_own
            && !adopting.names(&conflict.object)
            && adopting.refusal(&conflict.object, &conflict.ownership).is_some()
    };
    let open = conflicts.into_iter().filter(is_open);
    open.map(|conflict| Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, &conflict.object, conflict.ownership))
        .collect()
}

/// Whether nothing that the release wants has come to belong to somebody else since it was looked at. Asks by lists that all releases
/// whose turn comes within some seconds share; what cannot be told so counts as no.
pub(crate) async fn is_still_free(ctx: &Context) -> bool {
    still_free(ctx).await.unwrap_or(false)
}

async fn still_free(ctx: &Context) -> Result<bool, PhaseError> {
    let (wanted, there) = (render::wanted(ctx).await, &ctx.session().reads.there);
    let objects = rendered_objects(&wanted.rendering.docs());
    let objects = observe::complete_objects(ctx, objects, NotServed::Skip).await?;
    let list = async |query: ListQuery| {
        let listed = there.get(query.clone(), async || ctx.cluster().list_metadata(&query).await).await;
        listed.map_err(PhaseError::from)
    };
    let is_named = |live: &Value, name: &str| live.pointer("/metadata/name").and_then(Value::as_str) == Some(name);
    let namespace = ctx.release().namespace;
    let is_absent = !list(ListQuery::new("v1", "Namespace")).await?.iter().any(|live| is_named(live, &namespace));
    let mut seen = Vec::with_capacity(objects.len());
    for object in objects {
        // In a namespace that is not there is nothing.
        if is_absent && object.namespace.as_ref() == Some(&namespace) {
            continue;
        }
        let mut query = ListQuery::new(object.api_version.clone().unwrap_or_default(), &object.kind);
        query.namespace.clone_from(&object.namespace);
        let live = list(query).await?.iter().find(|live| is_named(live, &object.name)).cloned();
        seen.push((object, live));
    }
    Ok(conflicts_among(ctx.cluster(), &seen, &ctx.release()).await?.is_empty())
}
