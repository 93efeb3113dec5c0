//! How releases stand, read of many at once.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe::release_storage;
use crate::observe::survey::{names_in, within};
use futures::StreamExt;
use pilothouse_core::{ObjectRef, ObjectStatus, ReleaseKey, RevisionMeta};
use pilothouse_helm::ReleaseRecord;
use pilothouse_kube::{ClusterError, StoredRevision};
use std::collections::{BTreeSet, HashMap};

/// How many releases are read together: their records and objects are in memory at once.
const AT_ONCE: usize = 50;
/// Requests side by side for what is not found by a list.
const SIDE_BY_SIDE: usize = 8;

/// How a release stands.
pub(crate) struct Standing {
    /// Its newest revision, with the status that counts.
    pub(crate) newest: RevisionMeta,
    /// What that revision holds; `None` when it vanished while it was read.
    pub(crate) record: Option<ReleaseRecord>,
    /// The objects of its manifest, with how each stands.
    pub(crate) objects: Vec<(ObjectRef, ObjectStatus)>,
}

type Newest = Result<Option<(RevisionMeta, Option<ReleaseRecord>)>, PhaseError>;

/// How the releases of these contexts stand, in their order; `None` for one that is not installed. What cannot be read is told of each
/// release it is about.
pub(crate) async fn standings(contexts: &[Context]) -> Vec<Result<Option<Standing>, PhaseError>> {
    let mut all = Vec::with_capacity(contexts.len());
    for together in contexts.chunks(AT_ONCE) {
        all.extend(read(together).await);
    }
    all
}

async fn read(contexts: &[Context]) -> Vec<Result<Option<Standing>, PhaseError>> {
    let mut all = Vec::with_capacity(contexts.len());
    for (ctx, newest) in contexts.iter().zip(newest(contexts).await) {
        all.push(with_objects(ctx, newest).await);
    }
    let Some(first) = contexts.first() else { return Vec::new() };
    let objects = all.iter().filter_map(|one| one.as_ref().ok()?.as_ref());
    let objects: Vec<ObjectRef> =
        objects.flat_map(|(_, _, objects)| objects.iter().cloned()).collect::<BTreeSet<_>>().into_iter().collect();
    let statuses = pilothouse_kube::statuses(first.cluster(), first.tracker().rules(), &objects).await;
    let statuses: HashMap<ObjectRef, ObjectStatus> = statuses.into_iter().collect();
    let with_status = |object: ObjectRef| statuses.get(&object).cloned().map(|status| (object, status));
    let standing = |(newest, record, objects): Read| Standing {
        newest,
        record,
        objects: Vec::into_iter(objects).filter_map(with_status).collect(),
    };
    all.into_iter().map(|one| Ok(one?.map(standing))).collect()
}

type Read = (RevisionMeta, Option<ReleaseRecord>, Vec<ObjectRef>);

async fn with_objects(ctx: &Context, newest: Newest) -> Result<Option<Read>, PhaseError> {
    let Some((newest, record)) = newest? else { return Ok(None) };
    let objects = match &record {
        Some(record) => release_storage::objects_of_record(ctx, record).await?,
        None => Vec::new(),
    };
    Ok(Some((newest, record, objects)))
}

/// The newest revision of each release with its record: by one list where that is allowed and has it, else each by itself.
async fn newest(contexts: &[Context]) -> Vec<Newest> {
    let mut listed = listed(contexts).await.unwrap_or_default();
    let each = contexts.iter().map(|ctx| {
        let known = listed.remove(&ctx.release());
        async move {
            match known {
                Some((meta, payload)) => {
                    let record = release_storage::decoded(ctx, Some(&meta), &payload)?;
                    let status = meta.status.and_in_payload(record.info.status);
                    Ok(Some((RevisionMeta { status, ..meta }, Some(record))))
                }
                None => release_storage::newest(ctx).await,
            }
        }
    });
    let each: Vec<_> = each.collect();
    futures::stream::iter(each).buffered(SIDE_BY_SIDE).collect().await
}

/// The newest of the current revisions of each release.
async fn listed(contexts: &[Context]) -> Result<HashMap<ReleaseKey, (RevisionMeta, Vec<u8>)>, ClusterError> {
    let Some(first) = contexts.first() else { return Ok(HashMap::new()) };
    let (session, releases) = (first.session(), contexts.iter().map(Context::release).collect::<BTreeSet<_>>());
    let namespaces: BTreeSet<String> = releases.iter().map(|release| release.namespace.clone()).collect();
    let revisions = within(&namespaces, async |namespace: Option<&str>| {
        session.cluster.current_revisions_named(session.driver, namespace, &names_in(namespace, &releases)).await
    });
    let mut newest: HashMap<ReleaseKey, (RevisionMeta, Vec<u8>)> = HashMap::new();
    for StoredRevision { meta, payload } in revisions.await? {
        let Some(meta) = meta else { continue };
        let release = ReleaseKey::new(&meta.namespace, &meta.name);
        let is_newer = newest.get(&release).is_none_or(|(known, _)| known.revision < meta.revision);
        if is_newer && releases.contains(&release) {
            newest.insert(release, (meta, payload));
        }
    }
    Ok(newest)
}
