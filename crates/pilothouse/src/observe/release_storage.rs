//! What Helm stored of a release, as objects.

use crate::context::Context;
use crate::error::PhaseError;
use jiff::{SignedDuration, Timestamp};
use pilothouse_core::{
    ObjectRef, ObjectStatus, Redactor, ReleaseHistory, ReleaseKey, RevisionMeta, RevisionStatus, SetValue, ValueSource,
    kept_by_uninstall, object_ref,
};
use pilothouse_health::leaves_when_done;
use pilothouse_helm::{
    Document, ReleaseRecord, YamlError, decode_release, parse_by_document, parse_documents, value_at,
};
use pilothouse_kube::{ClusterError, StoredRevision};
use serde_json::Value;
use std::collections::BTreeSet;

/// The record of another release that helm compares its upgrade with, see [`ReleaseHistory::upgrade_base`].
pub(crate) async fn base_record_of(ctx: &Context, release: &ReleaseKey) -> Result<Option<ReleaseRecord>, PhaseError> {
    let driver = ctx.session().driver;
    let history = ctx.cluster().release_history(driver, release).await?;
    let Some(base) = history.upgrade_base() else { return Ok(None) };
    let stored = ctx.cluster().stored_revision(driver, &release.namespace, &release.name, base.revision).await?;
    Ok(stored.map(|stored| decode_release(&stored.payload)).transpose()?)
}

/// All records of the release, by their metadata, read now; the newest one with the status that counts, see
/// [`RevisionStatus::and_in_payload`].
pub(crate) async fn release_history(ctx: &Context) -> Result<ReleaseHistory, PhaseError> {
    by_payload_too(ctx, labelled(ctx).await?).await
}

/// How often records that are written while they are read are listed anew.
const LOOKS: u32 = 5;

/// A history as the labels of its records have it, the newest one with the status that counts. Label and payload are compared of one
/// write of the record: where helm has gone on since the list, there is another list.
pub(crate) async fn by_payload_too(ctx: &Context, history: ReleaseHistory) -> Result<ReleaseHistory, PhaseError> {
    let mut history = history;
    for _ in 0..LOOKS {
        let Some(newest) = history.newest().filter(|meta| may_be_torn(meta.status)) else { return Ok(history) };
        if let Some(stored) = status_in_payload(ctx, newest).await? {
            return Ok(history.with_newest_payload(stored));
        }
        let again = labelled(ctx).await?;
        if again == history {
            // Nobody has written it: it is none that can be read by its name.
            return Ok(again);
        }
        history = again;
    }
    let why = "another operation is at work on the release: its records change while they are read";
    Err(PhaseError::Locked(why.to_owned()))
}

/// Whether the payload may say something else that counts: of what is under way, whoever acts on it reads it.
fn may_be_torn(label: RevisionStatus) -> bool {
    matches!(label, RevisionStatus::Deployed | RevisionStatus::Failed | RevisionStatus::Superseded)
}

/// What the payload of a record says; `None` when it was written or removed since it was listed.
async fn status_in_payload(ctx: &Context, listed: &RevisionMeta) -> Result<Option<RevisionStatus>, PhaseError> {
    if let Some(status) = ctx.session().stored_status(listed) {
        return Ok(Some(status));
    }
    match read_revision(ctx, listed.revision).await {
        Ok(Some((Some(read), record))) if read.is_same_write(listed) => Ok(Some(record.info.status)),
        Ok(_) => Ok(None),
        // What is damaged is for whoever needs what is in it.
        Err(PhaseError::Record(_)) => Ok(Some(listed.status)),
        Err(error) => Err(error),
    }
}

/// Reads and decodes the record of a revision, if there is one.
pub(crate) async fn read_record_of(
    ctx: &Context,
    meta: Option<&RevisionMeta>,
) -> Result<Option<ReleaseRecord>, PhaseError> {
    match meta {
        Some(meta) => read_record(ctx, meta).await,
        None => Ok(None),
    }
}

/// All records of the release, as their labels have them.
pub(super) async fn labelled(ctx: &Context) -> Result<ReleaseHistory, PhaseError> {
    Ok(ctx.cluster().release_history(ctx.session().driver, &ctx.release()).await?)
}

/// The newest revision with its record; its status is the one that counts.
pub(crate) async fn newest(ctx: &Context) -> Result<Option<(RevisionMeta, Option<ReleaseRecord>)>, PhaseError> {
    let history = release_history(ctx).await?;
    let Some(newest) = history.newest() else { return Ok(None) };
    Ok(Some((newest.clone(), read_record(ctx, newest).await?)))
}

/// The decoded record of a revision, read unless it was the last one that was read and nobody has written it since. One that
/// vanished meanwhile is `None`.
pub(crate) async fn read_record(ctx: &Context, meta: &RevisionMeta) -> Result<Option<ReleaseRecord>, PhaseError> {
    match ctx.session().reads.record(meta) {
        Some(known) => Ok(Some(known)),
        None => Ok(read_revision(ctx, meta.revision).await?.map(|(_, record)| record)),
    }
}

/// Reads and decodes one record, with what its metadata says: `None` for one that only looks like a record.
pub(crate) async fn read_revision(
    ctx: &Context,
    revision: u32,
) -> Result<Option<(Option<RevisionMeta>, ReleaseRecord)>, PhaseError> {
    let (session, release) = (ctx.session(), ctx.release());
    let stored = ctx.cluster().stored_revision(session.driver, &release.namespace, &release.name, revision).await?;
    let Some(StoredRevision { meta, payload }) = stored else { return Ok(None) };
    let record = decoded(ctx, meta.as_ref(), &payload)?;
    if let Some(meta) = &meta {
        session.reads.keep_record(meta.clone(), record.clone());
    }
    Ok(Some((meta, record)))
}

/// Decodes what was read of a revision. From then on it is known what in it is secret, and what it says of its status.
pub(crate) fn decoded(ctx: &Context, meta: Option<&RevisionMeta>, payload: &[u8]) -> Result<ReleaseRecord, PhaseError> {
    let record = decode_release(payload)?;
    know_secrets(ctx, &record);
    if let Some(meta) = meta {
        ctx.session().note_stored(meta, record.info.status);
    }
    Ok(record)
}

/// What a sensitive value was in a revision is a secret as much as what it is to be: it is in force until the release is upgraded,
/// and stands in every comparison with it.
fn know_secrets(ctx: &Context, record: &ReleaseRecord) {
    let is_sensitive = |value: &&SetValue| matches!(value.value, ValueSource::Sensitive(_));
    for value in ctx.info().values.iter().filter(is_sensitive) {
        if let Some(old) = value_at(&record.config, &value.key) {
            know(ctx.redactor(), old);
        }
    }
}

fn know(redactor: &Redactor, value: &Value) {
    match value {
        Value::String(text) => redactor.add(text),
        // Shorter ones are counts and ports, which stand everywhere.
        Value::Number(number) if number.to_string().len() >= 4 => redactor.add(&number.to_string()),
        Value::Number(_) | Value::Null | Value::Bool(_) => {}
        Value::Array(items) => items.iter().for_each(|item| know(redactor, item)),
        Value::Object(map) => map.values().for_each(|value| know(redactor, value)),
    }
}

/// The objects of a manifest, completed by the cluster's discovery.
#[derive(Debug, Clone, Default)]
pub(crate) struct ManifestObjects {
    pub(crate) objects: Vec<ObjectRef>,
    /// Those of them that Kubernetes deletes once they are done.
    pub(crate) leaving: Vec<ObjectRef>,
}

/// The objects of a record's manifest.
pub(crate) async fn objects_of_record(ctx: &Context, record: &ReleaseRecord) -> Result<ManifestObjects, PhaseError> {
    let manifest = manifest_objects(record)?;
    let objects = complete_objects(ctx, manifest.iter().filter_map(object_ref).collect(), NotServed::Keep).await?;
    Ok(ManifestObjects { objects, leaving: leaving_among(ctx, &manifest).await? })
}

/// Those of the objects of a manifest that Kubernetes deletes once they are done, completed by the cluster's discovery.
pub(crate) async fn leaving_among(ctx: &Context, manifest: &[Value]) -> Result<Vec<ObjectRef>, PhaseError> {
    let leaving = manifest.iter().filter(|object| leaves_when_done(object));
    let leaving: Vec<ObjectRef> = leaving.filter_map(object_ref).collect();
    if leaving.is_empty() { Ok(leaving) } else { complete_objects(ctx, leaving, NotServed::Keep).await }
}

/// The objects of a record's manifest.
pub(crate) fn manifest_objects(record: &ReleaseRecord) -> Result<Vec<Value>, PhaseError> {
    parse_documents(&record.manifest).map_err(|error| unreadable(record, &error))
}

pub(super) fn unreadable(record: &ReleaseRecord, error: &YamlError) -> PhaseError {
    let name = format!("the stored manifest of {} revision {}", record.name, record.version);
    PhaseError::Yaml { name, message: error.to_string() }
}

/// The objects of a record's manifest, by what an uninstall does with them: helm does not look at the live ones for that.
#[derive(Default)]
pub(crate) struct ByUninstall {
    pub(crate) deleted: Vec<Value>,
    pub(crate) kept: Vec<Value>,
}

/// What an uninstall deletes and keeps: of a list, all of it or nothing.
///
/// # Errors
/// When it is not YAML.
pub(crate) fn by_uninstall(record: &ReleaseRecord) -> Result<ByUninstall, PhaseError> {
    let documents = parse_by_document(&record.manifest).map_err(|error| unreadable(record, &error))?;
    let (kept, deleted): (Vec<Document>, Vec<Document>) =
        documents.into_iter().partition(|document| kept_by_uninstall(&document.metadata));
    let objects = |documents: Vec<Document>| documents.into_iter().flat_map(|document| document.objects).collect();
    Ok(ByUninstall { deleted: objects(deleted), kept: objects(kept) })
}

/// The objects of a revision, completed by the cluster's discovery.
pub(crate) async fn objects_of(ctx: &Context, revision: Option<&RevisionMeta>) -> Result<Vec<ObjectRef>, PhaseError> {
    let Some(record) = read_record_of(ctx, revision).await? else { return Ok(Vec::new()) };
    Ok(objects_of_record(ctx, &record).await?.objects)
}

/// As [`objects_of`], with the objects of the hooks: these may be what a deploy failed on.
pub(crate) async fn objects_and_hooks_of(
    ctx: &Context,
    revision: Option<&RevisionMeta>,
) -> Result<Vec<ObjectRef>, PhaseError> {
    let Some(record) = read_record_of(ctx, revision).await? else { return Ok(Vec::new()) };
    let mut objects = manifest_objects(&record)?;
    for hook in &record.hooks {
        // What cannot be read of a hook is no reason to say nothing of the others.
        objects.extend(parse_documents(&hook.manifest).unwrap_or_default());
    }
    complete_objects(ctx, objects.iter().filter_map(object_ref).collect(), NotServed::Keep).await
}

/// The objects of a revision's hooks that exist, are its own by their age, and are not ready.
pub(crate) async fn unready_hooks(
    ctx: &Context,
    record: &ReleaseRecord,
) -> Result<Vec<(ObjectRef, ObjectStatus)>, PhaseError> {
    let begun = record.info.last_deployed;
    let own = record.hooks.iter().filter(|hook| hook.events.iter().any(|event| event != "test"));
    // What cannot be read of a hook is no reason to say nothing of the others.
    let objects: Vec<Value> = own.flat_map(|hook| parse_documents(&hook.manifest).unwrap_or_default()).collect();
    let objects = complete_objects(ctx, objects.iter().filter_map(object_ref).collect(), NotServed::Skip).await?;
    let mut unready = Vec::new();
    for object in objects {
        let Some(live) = ctx.cluster().get(&object).await? else { continue };
        let created = live.pointer("/metadata/creationTimestamp").and_then(Value::as_str);
        let created: Option<Timestamp> = created.and_then(|at| at.parse().ok());
        // helm's clock is not the server's: a minute makes no difference to an earlier revision.
        if created.zip(begun).is_some_and(|(created, begun)| created + SignedDuration::from_mins(1) < begun) {
            continue;
        }
        let status = ctx.tracker().rules().judge(&live, Timestamp::now()).status;
        if !status.is_ready() {
            unready.push((object, status));
        }
    }
    Ok(unready)
}

/// What becomes of a reference whose kind the cluster does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotServed {
    /// It stays as it is: whoever waits for it must be told that it is not there.
    Keep,
    /// It is left out: there is nothing that could be deleted or belong to someone.
    Skip,
}

/// Completes references by the cluster's discovery. What a manifest has twice is one object.
pub(crate) async fn complete_objects(
    ctx: &Context,
    objects: Vec<ObjectRef>,
    not_served: NotServed,
) -> Result<Vec<ObjectRef>, PhaseError> {
    let namespace = ctx.release().namespace;
    let mut discovery = ctx.cluster().discovery(false).await?;
    let mut asked_again = false;
    let mut completed = Vec::with_capacity(objects.len());
    let mut known = BTreeSet::new();
    for object in objects {
        let mut resolved = discovery.resolve(&object, &namespace);
        if matches!(resolved, Err(ClusterError::NotServed { .. } | ClusterError::Stale { .. })) && !asked_again {
            asked_again = true;
            discovery = ctx.cluster().discovery(true).await?;
            resolved = discovery.resolve(&object, &namespace);
        }
        let object = match (resolved, not_served) {
            (Ok(object), _) => object,
            (Err(ClusterError::NotServed { .. }), NotServed::Keep) => object,
            (Err(ClusterError::NotServed { .. }), NotServed::Skip) => continue,
            (Err(error), _) => return Err(error.into()),
        };
        if known.insert(object.clone()) {
            completed.push(object);
        }
    }
    Ok(completed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::observe;
    use crate::test_world::{fake, release};
    use pilothouse_core::{Change, Decision};
    use pilothouse_testkit::{FakeCluster, release_secret};
    use rstest::rstest;
    use serde_json::json;
    use std::sync::Arc;

    /// Such a record is left by a helm that is stopped at its very end.
    fn torn(label: RevisionStatus, payload: RevisionStatus) -> Arc<FakeCluster> {
        let cluster = Arc::new(FakeCluster::default());
        let mut secret = release_secret(&release(), 1, payload, "1.0.0", "");
        secret["metadata"]["labels"]["status"] = json!(label.name());
        cluster.put(secret);
        cluster
    }

    #[rstest]
    #[case(RevisionStatus::Deployed, RevisionStatus::Deployed, RevisionStatus::Deployed)]
    #[case(RevisionStatus::Deployed, RevisionStatus::Failed, RevisionStatus::Failed)]
    #[case(RevisionStatus::Deployed, RevisionStatus::PendingUpgrade, RevisionStatus::PendingUpgrade)]
    #[case(RevisionStatus::Failed, RevisionStatus::Deployed, RevisionStatus::Failed)]
    #[tokio::test]
    async fn label_and_payload_are_both_read(
        #[case] label: RevisionStatus,
        #[case] payload: RevisionStatus,
        #[case] expected: RevisionStatus,
    ) {
        let cluster = torn(label, payload);
        let world = fake(&cluster, HelmDriver::Secret);
        let statuses = async || {
            let history = release_history(&world.ctx).await.unwrap();
            history.revisions().iter().map(|meta| meta.status).collect::<Vec<_>>()
        };
        assert_eq!(statuses().await, [expected]);
        // Once is enough as long as nobody writes it.
        let asked = cluster.failures.calls().len();
        assert_eq!(statuses().await, [expected]);
        assert!(cluster.failures.calls().len() <= asked + 1);
        assert_eq!(newest(&world.ctx).await.unwrap().unwrap().0.status, expected);
    }

    fn put(cluster: &FakeCluster, revision: u32, status: RevisionStatus) {
        cluster.put(release_secret(&release(), revision, status, "1.0.0", ""));
    }

    /// Somebody's helm goes on between the list of records and the read of one: what it has written is no record that disagrees with
    /// itself.
    #[rstest]
    #[case::upgraded(&[(1, RevisionStatus::Superseded), (2, RevisionStatus::Deployed)], RevisionStatus::Deployed)]
    #[case::upgraded_and_at_work_again(
        &[(1, RevisionStatus::Superseded), (2, RevisionStatus::Superseded), (3, RevisionStatus::PendingUpgrade)],
        RevisionStatus::PendingUpgrade
    )]
    #[case::rolled_back_half_way(
        &[(1, RevisionStatus::Superseded), (2, RevisionStatus::PendingRollback)],
        RevisionStatus::PendingRollback
    )]
    #[case::uninstalling(&[(1, RevisionStatus::Uninstalling)], RevisionStatus::Uninstalling)]
    #[case::uninstalled_with_history(&[(1, RevisionStatus::Uninstalled)], RevisionStatus::Uninstalled)]
    #[tokio::test]
    async fn what_is_written_while_it_is_read_has_not_failed(
        #[case] written: &'static [(u32, RevisionStatus)],
        #[case] expected: RevisionStatus,
        #[values(false, true)] by_status: bool,
    ) {
        let cluster = torn(RevisionStatus::Deployed, RevisionStatus::Deployed);
        cluster.before("get Secret default/sh.helm.release.v1.demo.v1", move |cluster: &FakeCluster| {
            for (revision, status) in written {
                put(cluster, *revision, *status);
            }
        });
        let world = fake(&cluster, HelmDriver::Secret);
        let seen = if by_status {
            newest(&world.ctx).await.unwrap().unwrap().0
        } else {
            release_history(&world.ctx).await.unwrap().newest().unwrap().clone()
        };
        assert_eq!((seen.revision, seen.status), (u32::try_from(written.len()).unwrap(), expected));
    }

    #[tokio::test]
    async fn what_is_gone_once_it_is_read_is_not_there() {
        let cluster = torn(RevisionStatus::Deployed, RevisionStatus::Deployed);
        cluster.before("get Secret", |cluster: &FakeCluster| {
            cluster.remove("Secret", Some("default"), "sh.helm.release.v1.demo.v1");
        });
        assert!(release_history(&fake(&cluster, HelmDriver::Secret).ctx).await.unwrap().is_empty());
    }

    /// Records that are written without end are somebody's at work.
    #[tokio::test]
    async fn what_never_holds_still_is_locked() {
        let cluster = torn(RevisionStatus::Deployed, RevisionStatus::Deployed);
        for _ in 0..20 {
            for call in ["list Secret", "get Secret"] {
                cluster.before(call, |cluster: &FakeCluster| put(cluster, 1, RevisionStatus::Deployed));
            }
        }
        let error = release_history(&fake(&cluster, HelmDriver::Secret).ctx).await.unwrap_err();
        assert!(matches!(error, PhaseError::Locked(_)), "{error}");
    }

    #[tokio::test]
    async fn what_disagrees_is_upgraded_over() {
        let world = fake(&torn(RevisionStatus::Deployed, RevisionStatus::Failed), HelmDriver::Secret);
        let upgrade = Decision::Change(Change::Upgrade { last_good: None });
        assert_eq!(observe::decision(&world.ctx).await, upgrade);
    }
}
