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
use pilothouse_core::{Change, Class, Decision, Finding, ObjectRef, Ownership, code, named_release, ownership};
use pilothouse_kube::{
    ClusterError, Conflict, Detail, ListQuery, ObjectError, conflicts_among, read_for_ownership, records_of,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    let taken = ctx.taken().await;
    let stays = |object: &ObjectRef| elsewhere(object) && !taken.is_free(object);
    let objects: Vec<ObjectRef> = objects.into_iter().filter(stays).collect();
    let conflicts = async {
        *seen = read_for_ownership(ctx.cluster(), &objects, Detail::Whole).await?;
        let all = seen.iter().zip(whose(ctx, seen).await?);
        let all = all.map(|((object, _), ownership)| Conflict { object: object.clone(), ownership });
        Ok::<_, PhaseError>(all.filter(|conflict| conflict.ownership.is_someone_elses()).collect::<Vec<_>>())
    };
    let conflicts = match conflicts.await {
        Ok(conflicts) => conflicts,
        Err(error) => return unreadable(&error),
    };
    if conflicts.is_empty() {
        return Vec::new();
    }
    let observed = observe::observed(ctx).await;
    let history = observed.known_history();
    let own = match decision {
        Decision::Change(Change::Reinstall(_)) => history.newest(),
        Decision::Change(Change::Install | Change::Upgrade { .. } | Change::Uninstall)
        | Decision::Keep { .. }
        | Decision::Refuse { .. }
        | Decision::Finish { .. } => history.upgrade_base(),
    };
    let own = match observe::objects_of(ctx, own).await {
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

/// Whose objects are, in their order: each with how it was read. Helm's records of a release that they name are asked for once in a while.
///
/// # Errors
/// When these cannot be read, and not since they may not be read.
pub(crate) async fn whose(ctx: &Context, seen: &[(ObjectRef, Option<Value>)]) -> Result<Vec<Ownership>, PhaseError> {
    let (release, owners) = (ctx.release(), &ctx.session().reads.owners);
    let mut records = BTreeMap::new();
    for (object, live) in seen {
        let Some(other) = live.as_ref().and_then(named_release).filter(|other| *other != release) else { continue };
        let known = owners.get(other.clone(), async || records_of(ctx.cluster(), &other).await).await;
        let unread =
            |error: ClusterError| ObjectError { object: object.clone(), doing: "read", source: Arc::new(error) };
        let known = known.map_err(unread)?;
        records.insert(other, *known);
    }
    Ok(seen.iter().map(|(_, live)| ownership(live.as_ref(), &release, &records)).collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::test_world::fake;
    use pilothouse_core::{Records, ReleaseKey};
    use pilothouse_testkit::FakeCluster;
    use serde_json::json;

    /// Who plans asks whether an object may be taken, and tells whose it is.
    #[tokio::test]
    async fn the_records_of_another_release_are_asked_for_once_until_something_changes() {
        let cluster = std::sync::Arc::new(FakeCluster::default());
        let world = fake(&cluster, HelmDriver::Secret);
        let live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default",
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "other", "meta.helm.sh/release-namespace": "default"}}});
        let seen = [(ObjectRef::parse("configmap/a").unwrap(), Some(live))];
        let asked = async || {
            let before = cluster.failures.calls().len();
            let release = ReleaseKey::new("default", "other");
            let gone = Ownership::OtherRelease { release, records: Records::Gone };
            assert_eq!(whose(&world.ctx, &seen).await.unwrap(), [gone]);
            cluster.failures.calls().len() - before
        };
        assert_eq!((asked().await, asked().await), (2, 0));
        world.ctx.session().note_changed();
        assert_eq!(asked().await, 2);
    }
}
