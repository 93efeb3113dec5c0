//! What an uninstall or an upgrade leaves in the cluster of what a release has brought.

use crate::context::Context;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe::deploy_records;
use crate::observe::deploy_records::Found;
use crate::observe::fingerprint::is_leaving;
use crate::observe::release_storage;
use crate::observe::release_storage::{ByUninstall, NotServed};
use crate::observe::unserved::as_served;
use crate::render;
use pilothouse_core::{ObjectRef, RecordSeen, ReleaseHistory, RevisionMeta, Staying, Stays, helm_owner, object_ref};
use pilothouse_helm::ReleaseRecord;
use pilothouse_kube::{ClusterError, Detail, read_all};
use serde_json::Value;
use std::error::Error;
use std::fmt;

/// How many revisions are looked through for what they have left, the newest ones: each is a record to be read and decoded.
const LOOKED_THROUGH: usize = 10;

/// What is left in the cluster. It is news, and nothing that is deleted or written depends on it: what cannot be read is told and ends
/// nothing.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) stays: Vec<Staying>,
    /// What may be left and could not be looked at, and why.
    pub(crate) not_known: Vec<String>,
}

impl Left {
    /// What is left, where what is not known is a warning of the run.
    pub(crate) fn telling(self, ctx: &Context) -> Vec<Staying> {
        self.not_known.into_iter().for_each(|line| ctx.warn(line));
        self.stays
    }

    fn cannot_tell(&mut self, ctx: &Context, what: impl fmt::Display, error: &(dyn Error + 'static)) {
        self.not_known.push(format!("whether {what} is left is not known: {}", ctx.error_text(error)));
    }
}

/// What an uninstall of the newest revision leaves, over these records of the release: what a resource policy keeps, the definitions of `crds/` that we have brought,
/// what only earlier revisions have, and the namespace, if it was made for the release. What is `remembered` of the last deploy is read where
/// nobody has looked.
///
/// # Errors
/// When the record of the newest revision is not understood, or that of the last deploy cannot be read.
pub(crate) async fn left_by_uninstall(
    ctx: &Context,
    history: &ReleaseHistory,
    newest: Option<&ReleaseRecord>,
    remembered: &RecordSeen,
) -> Result<Left, PhaseError> {
    let Some(record) = newest else { return Ok(Left::default()) };
    let record = as_served(ctx, record.clone()).await?;
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
    if let Some(Found::Record(remembered)) = found(ctx, remembered).await? {
        let objects = remembered.objects.into_iter().flatten().map(|applied| applied.object);
        for object in objects.filter(|object| object.kind == "CustomResourceDefinition") {
            if !is_among(&brought, &object) {
                brought.push(object);
            }
        }
    }
    brought.retain(|object| !is_among(&own, object));
    staying.extend(brought.into_iter().map(|object| (object, Stays::Crds)));
    let mut left = Left::default();
    add_those_there(ctx, &mut left, staying, |_| true).await;
    let earlier: Vec<&RevisionMeta> =
        history.revisions().iter().filter(|revision| revision.revision < record.version).collect();
    add_what_is_only_in(ctx, &mut left, &earlier, &own).await;
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
        left.stays.push(Staying { object: namespace, because: Stays::Namespace });
    }
    Ok(left)
}

/// What an upgrade leaves over these records of the release: what revisions since the last one that was deployed well have made, and neither
/// the one that helm compares it with nor the new one has. Helm deletes nothing of it.
pub(crate) async fn left_by_upgrade(ctx: &Context, history: &ReleaseHistory, wanted: &Wanted) -> Left {
    let mut left = Left::default();
    let base = history.upgrade_base();
    let good = history.last_deployed().map(|good| good.revision).unwrap_or_default();
    let is_failed = |one: &&RevisionMeta| one.revision > good && Some(one.revision) != base.map(|base| base.revision);
    let failed: Vec<&RevisionMeta> = history.revisions().iter().filter(is_failed).collect();
    if failed.is_empty() {
        return left;
    }
    let of_base = async {
        let record = release_storage::read_record_of(ctx, base).await?;
        Ok::<_, PhaseError>(record.as_ref().map(release_storage::manifest_objects).transpose()?.unwrap_or_default())
    };
    match of_base.await {
        Ok(of_base) => {
            let mut known = render::rendered_objects(&wanted.rendering.docs());
            known.extend(of_base.iter().filter_map(object_ref));
            add_what_is_only_in(ctx, &mut left, &failed, &known).await;
        }
        Err(error) => left.cannot_tell(ctx, "something of revisions that failed", &error),
    }
    left
}

/// What an uninstall leaves that is followed by an install, and is no part of the release then. Nobody can tell it afterwards: the records go.
///
/// # Errors
/// As for [`left_by_uninstall`], and when Helm's records cannot be read or what is wanted cannot be told from it.
pub(crate) async fn left_by_reinstall(
    ctx: &Context,
    history: &ReleaseHistory,
    remembered: &RecordSeen,
    wanted: &Wanted,
) -> Result<Left, PhaseError> {
    let newest = release_storage::read_record_of(ctx, history.newest()).await?;
    let mut left = left_by_uninstall(ctx, history, newest.as_ref(), remembered).await?;
    let wanted = render::rendered_objects(&wanted.rendering.docs());
    let wanted = release_storage::complete_objects(ctx, wanted, NotServed::Skip).await?;
    left.stays.retain(|staying| staying.because == Stays::EarlierRevision && !is_among(&wanted, &staying.object));
    Ok(left)
}

/// What is remembered of the release's last deploy, read where nobody has looked or could.
async fn found(ctx: &Context, seen: &RecordSeen) -> Result<Option<Found>, ClusterError> {
    match seen {
        RecordSeen::Some(record) => Ok(Some(Found::Record(record.clone()))),
        RecordSeen::None => Ok(None),
        RecordSeen::NotLooked | RecordSeen::Unreadable(_) => {
            deploy_records::read_deploy_record(ctx.cluster(), &ctx.release(), ctx.session().state_key()).await
        }
    }
}

/// Adds those of the objects that are there.
async fn add_those_there(
    ctx: &Context,
    left: &mut Left,
    staying: Vec<(ObjectRef, Stays)>,
    counts: impl Fn(&Value) -> bool,
) {
    let objects: Vec<ObjectRef> = staying.iter().map(|(object, _)| object.clone()).collect();
    for ((object, because), live) in staying.into_iter().zip(read_all(ctx.cluster(), &objects, Detail::Metadata).await)
    {
        match live {
            Ok(Some(live)) if counts(&live) => left.stays.push(Staying { object, because }),
            Ok(_) => {}
            Err(error) if matches!(*error, ClusterError::NotServed { .. }) => {}
            Err(error) => left.cannot_tell(ctx, object, error.as_ref()),
        }
    }
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
pub(crate) async fn still_going(ctx: &Context, remembered: &RecordSeen) -> Result<Vec<StillGoing>, PhaseError> {
    let record = match found(ctx, remembered).await? {
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

/// Adds what the manifests of these revisions have that is not among the `known` objects, where it is there and the release's. An upgrade
/// that fails does not delete it, and neither does what follows it.
async fn add_what_is_only_in(ctx: &Context, left: &mut Left, revisions: &[&RevisionMeta], known: &[ObjectRef]) {
    let mut named = Vec::new();
    // Oldest first, as they stand in the history.
    let (older, looked_through) = revisions.split_at(revisions.len().saturating_sub(LOOKED_THROUGH));
    for revision in looked_through {
        match named_in(ctx, revision).await {
            Ok(objects) => named.extend(objects),
            Err(error) => left.cannot_tell(ctx, format!("something of revision {}", revision.revision), &error),
        }
    }
    if let Some(newest) = older.last() {
        left.not_known.push(format!(
            "whether something of the revisions up to {} is left is not known: only the newest {LOOKED_THROUGH} are looked through",
            newest.revision
        ));
    }
    let complete = async |objects| release_storage::complete_objects(ctx, objects, NotServed::Skip).await;
    let (known, named) = match (complete(known.to_vec()).await, complete(named).await) {
        (Ok(known), Ok(named)) => (known, named),
        (Err(error), _) | (_, Err(error)) => {
            return left.cannot_tell(ctx, "something of earlier revisions", &error);
        }
    };
    let mut only: Vec<ObjectRef> = Vec::new();
    for object in named {
        let is_told = left.stays.iter().any(|told| told.object.same_object(&object));
        if !is_told && !is_among(&known, &object) && !is_among(&only, &object) {
            only.push(object);
        }
    }
    let only = only.into_iter().map(|object| (object, Stays::EarlierRevision)).collect();
    let release = ctx.release();
    add_those_there(ctx, left, only, |live| helm_owner(live).is(&release)).await;
}

/// What the manifest of a revision names.
async fn named_in(ctx: &Context, revision: &RevisionMeta) -> Result<Vec<ObjectRef>, PhaseError> {
    let Some(record) = release_storage::read_record(ctx, revision).await? else { return Ok(Vec::new()) };
    Ok(release_storage::manifest_objects(&record)?.iter().filter_map(object_ref).collect())
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
    use crate::context::Rendering;
    use crate::helm::HelmDriver;
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
        let (left, _) = left(&cluster, &wanted).await;
        let told: Vec<&str> = left.stays.iter().map(|one| one.object.name.as_str()).collect();
        assert_eq!((told.as_slice(), left.not_known.len()), (expected, 0));
        assert!(left.stays.iter().all(|one| one.because == Stays::EarlierRevision));
    }

    /// What an upgrade leaves, and the requests that this took.
    async fn left(cluster: &Arc<FakeCluster>, wanted: &Wanted) -> (Left, Vec<String>) {
        let world = fake(cluster, HelmDriver::Secret);
        let history = release_storage::release_history(&world.ctx).await.unwrap();
        let before = cluster.failures.calls().len();
        let left = left_by_upgrade(&world.ctx, &history, wanted).await;
        (left, cluster.failures.calls().split_off(before))
    }

    fn claim() -> Value {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {
            "name": "data", "namespace": "default", "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "demo", "meta.helm.sh/release-namespace": "default"}}})
    }

    /// The revision failed since the user may not touch such an object: the chart without it is the mend.
    #[rstest]
    #[case::an_object("get PersistentVolumeClaim", "PersistentVolumeClaim default/data")]
    #[case::a_record("get Secret default/sh.helm.release.v1.demo.v2", "something of revision 2")]
    #[case::the_base("get Secret default/sh.helm.release.v1.demo.v1", "something of revisions that failed")]
    #[case::the_kinds("discovery", "something of earlier revisions")]
    #[tokio::test]
    async fn what_may_not_be_read_is_told_and_ends_nothing(#[case] call: &str, #[case] what: &str) {
        let cluster = Arc::new(FakeCluster::default());
        cluster.put(release_secret(&release(), 1, Deployed, "1.0.0", CONFIG));
        cluster.put(release_secret(&release(), 2, Failed, "1.0.0", BOTH));
        cluster.put(release_secret(&release(), 3, Failed, "1.0.0", CONFIG));
        cluster.put(claim());
        cluster.refuse(call, || ClusterError::Forbidden {
            verb: "get".to_owned(),
            what: "it".to_owned(),
            message: "no".to_owned(),
        });
        let wanted = Wanted { rendering: Rendering::new(CONFIG).unwrap(), ..Wanted::default() };
        let (left, calls) = left(&cluster, &wanted).await;
        assert!(left.stays.is_empty(), "{left:?}");
        assert!(left.not_known.iter().any(|line| line.contains(what)), "{left:?} {calls:?}");
    }

    /// Of a release that keeps all its records.
    #[tokio::test]
    async fn only_the_newest_revisions_are_looked_through() {
        let cluster = Arc::new(FakeCluster::default());
        cluster.put(release_secret(&release(), 1, Deployed, "1.0.0", CONFIG));
        for number in 2..=40 {
            cluster.put(release_secret(&release(), number, Failed, "1.0.0", if number == 40 { BOTH } else { CONFIG }));
        }
        cluster.put(claim());
        let wanted = Wanted { rendering: Rendering::new(CONFIG).unwrap(), ..Wanted::default() };
        let (left, calls) = left(&cluster, &wanted).await;
        assert_eq!(left.stays.len(), 1);
        assert_eq!(left.not_known.len(), 1);
        assert!(left.not_known[0].contains("up to 30"), "{left:?}");
        let lists = calls.iter().filter(|call| call.starts_with("list Secret")).count();
        assert!(lists == 0 && calls.len() < 20, "{calls:?}");
    }
}
