//! What an uninstall or an upgrade leaves in the cluster of what a release has brought.

use crate::context::Context;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe::deploy_records;
use crate::observe::deploy_records::Found;
use crate::observe::fingerprint::is_leaving;
use crate::observe::release_storage;
use crate::observe::release_storage::{ByUninstall, NotServed};
use crate::render;
use pilothouse_core::{ObjectRef, RevisionMeta, Staying, Stays, helm_owner, object_ref};
use pilothouse_kube::{ClusterError, Detail, read_all};
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
    let history = release_storage::release_history(ctx).await?;
    let earlier: Vec<&RevisionMeta> =
        history.revisions().iter().filter(|revision| revision.revision < record.version).collect();
    for object in only_in(ctx, &earlier, &own).await? {
        let is_told = left.iter().any(|told: &Staying| told.object.same_object(&object));
        if !is_told && is_left(ctx, &object).await? {
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

/// What an upgrade leaves: what revisions since the last one that was deployed well have made, and neither the one that helm compares it with
/// nor the new one has. Helm deletes nothing of it.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn left_by_upgrade(ctx: &Context, wanted: &Wanted) -> Result<Vec<Staying>, PhaseError> {
    let history = release_storage::release_history(ctx).await?;
    let base = history.upgrade_base();
    let good = history.last_deployed().map(|good| good.revision).unwrap_or_default();
    let is_failed = |one: &&RevisionMeta| one.revision > good && Some(one.revision) != base.map(|base| base.revision);
    let failed: Vec<&RevisionMeta> = history.revisions().iter().filter(is_failed).collect();
    if failed.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = render::rendered_objects(&wanted.rendering.docs());
    if let Some(record) = release_storage::read_record_of(ctx, base).await? {
        known.extend(release_storage::manifest_objects(&record)?.iter().filter_map(object_ref));
    }
    let mut left = Vec::new();
    for object in only_in(ctx, &failed, &known).await? {
        left.extend(is_left(ctx, &object).await?.then_some(Staying { object, because: Stays::EarlierRevision }));
    }
    Ok(left)
}

/// What an uninstall leaves that is followed by an install, and is no part of the release then. Nobody can tell it afterwards: the records go.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn left_by_reinstall(ctx: &Context, wanted: &Wanted) -> Result<Vec<Staying>, PhaseError> {
    let mut left = left_by_uninstall(ctx).await?;
    let wanted = render::rendered_objects(&wanted.rendering.docs());
    let wanted = release_storage::complete_objects(ctx, wanted, NotServed::Skip).await?;
    left.retain(|staying| staying.because == Stays::EarlierRevision && !is_among(&wanted, &staying.object));
    Ok(left)
}

/// Whether an object is there and the release's.
async fn is_left(ctx: &Context, object: &ObjectRef) -> Result<bool, PhaseError> {
    Ok(ctx.cluster().get(object).await?.is_some_and(|live| helm_owner(&live).is(&ctx.release())))
}

/// Something that an earlier uninstall has deleted and something still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StillGoing {
    pub(crate) object: ObjectRef,
    pub(crate) uid: String,
    /// What it waits for.
    pub(crate) finalizers: Vec<String>,
}

/// What an earlier uninstall of the release has deleted and something still holds: our record of what was deployed is there as long as
/// not everything is gone.
///
/// # Errors
/// That the record or an object cannot be read.
pub(crate) async fn still_going(ctx: &Context) -> Result<Vec<StillGoing>, PhaseError> {
    let found = deploy_records::read_deploy_record(ctx.cluster(), &ctx.release(), ctx.session().state_key()).await?;
    let record = match found {
        None => return Ok(Vec::new()),
        Some(Found::Record(record)) => record,
        Some(Found::Damaged(why)) => {
            return Err(PhaseError::State(format!(
                "whether something of it is left cannot be told: what is remembered of it in {} cannot be understood: {why}; where nothing is left, delete it",
                deploy_records::record_ref(&ctx.release())
            )));
        }
    };
    let known = record.objects.unwrap_or_default();
    let objects: Vec<ObjectRef> = known.iter().map(|known| known.object.clone()).collect();
    let mut going = Vec::new();
    for (known, now) in known.into_iter().zip(read_all(ctx.cluster(), &objects, Detail::Metadata).await) {
        match now {
            // What is not on its way was kept, or is another object by now.
            Ok(Some(now)) if is_leaving(&known, &now) => {
                let finalizers = now.pointer("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten();
                let finalizers = finalizers.filter_map(Value::as_str).map(str::to_owned).collect();
                going.push(StillGoing { object: known.object, uid: known.uid, finalizers });
            }
            Ok(_) => {}
            Err(error) if matches!(*error, ClusterError::NotServed { .. }) => {}
            Err(error) => {
                return Err(PhaseError::State(format!("{}: {}", known.object, ctx.error_text(error.as_ref()))));
            }
        }
    }
    Ok(going)
}

/// What the manifests of these revisions have that is not among the `known` objects. An upgrade that fails does not delete it, and neither does what
/// follows it.
async fn only_in(
    ctx: &Context,
    revisions: &[&RevisionMeta],
    known: &[ObjectRef],
) -> Result<Vec<ObjectRef>, PhaseError> {
    let known = release_storage::complete_objects(ctx, known.to_vec(), NotServed::Skip).await?;
    let mut only: Vec<ObjectRef> = Vec::new();
    for revision in revisions {
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
            if !is_among(&known, &object) && !is_among(&only, &object) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HelmDriver;
    use crate::context::Rendering;
    use crate::test_world::{fake, release};
    use pilothouse_core::RevisionStatus::{self, Deployed, Failed, Superseded};
    use pilothouse_testkit::{FakeCluster, release_secret};
    use rstest::rstest;
    use serde_json::json;
    use std::sync::Arc;

    const CONFIG: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    const BOTH: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n";

    /// A claim of the release, in what was tried and in what comes now.
    #[rstest]
    #[case::of_one_that_failed(&[(Deployed, CONFIG), (Failed, BOTH)], CONFIG, true, &["data"])]
    #[case::of_a_first_one_that_failed(&[(Failed, BOTH), (Failed, CONFIG)], CONFIG, true, &["data"])]
    #[case::of_none_that_failed(&[(Deployed, CONFIG), (Failed, CONFIG)], CONFIG, true, &[])]
    #[case::helm_deletes_it(&[(Superseded, CONFIG), (Deployed, BOTH)], CONFIG, true, &[])]
    #[case::the_base_has_it(&[(Deployed, BOTH), (Failed, BOTH)], CONFIG, true, &[])]
    #[case::wanted_again(&[(Deployed, CONFIG), (Failed, BOTH)], BOTH, true, &[])]
    #[case::told_when_it_was_new(&[(Failed, BOTH), (Deployed, CONFIG)], CONFIG, true, &[])]
    #[case::somebody_elses(&[(Deployed, CONFIG), (Failed, BOTH)], CONFIG, false, &[])]
    #[tokio::test]
    async fn what_an_upgrade_leaves(
        #[case] revisions: &[(RevisionStatus, &str)],
        #[case] chart: &str,
        #[case] is_own: bool,
        #[case] expected: &[&str],
    ) {
        let cluster = Arc::new(FakeCluster::default());
        for ((status, manifest), number) in revisions.iter().zip(1..) {
            cluster.put(release_secret(&release(), number, *status, "1.0.0", manifest));
        }
        let owner = if is_own { "demo" } else { "other" };
        cluster.put(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {
            "name": "data", "namespace": "default", "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": owner, "meta.helm.sh/release-namespace": "default"}}}));
        let wanted = Wanted { rendering: Rendering::new(chart).unwrap(), ..Wanted::default() };
        let left = left_by_upgrade(&fake(&cluster, HelmDriver::Secret).ctx, &wanted).await.unwrap();
        let told: Vec<&str> = left.iter().map(|one| one.object.name.as_str()).collect();
        assert_eq!(told, expected);
        assert!(left.iter().all(|one| one.because == Stays::EarlierRevision));
    }
}
