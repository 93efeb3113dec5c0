//! How releases stand, read of many at once.

use crate::context::Context;
use crate::context::side_by_side;
use crate::error::PhaseError;
use crate::observe::release_storage;
use crate::observe::release_storage::ManifestObjects;
use crate::observe::survey::{OF_HELM, names_in, within};
use futures::FutureExt;
use pilothouse_core::{ObjectRef, ObjectStatus, Readiness, ReleaseKey, RevisionMeta, RevisionStatus};
use pilothouse_helm::ReleaseRecord;
use pilothouse_kube::{ClusterError, StoredRevision};
use std::collections::{BTreeSet, HashMap};

/// How many releases are read together: their records are in memory at once.
const AT_ONCE: usize = 50;
/// Requests side by side for what is not found by a list.
const SIDE_BY_SIDE: usize = 8;
/// How many of these lists are under way at once.
const LISTS_AT_ONCE: usize = 4;

/// How a release stands.
pub(crate) struct Standing {
    /// Its newest revision, with the status that counts.
    pub(crate) newest: RevisionMeta,
    /// Name and version of its chart; `None` when it vanished while it was read.
    pub(crate) chart: Option<String>,
    /// What that revision holds, of one that is not deployed: helm's words and the hooks may say why.
    pub(crate) record: Option<ReleaseRecord>,
    /// The objects of its manifest, with how each stands.
    pub(crate) objects: Vec<(ObjectRef, ObjectStatus)>,
}

type Newest = Result<Option<(RevisionMeta, Option<ReleaseRecord>)>, PhaseError>;

/// How the releases of these contexts stand, in their order; `None` for one that is not installed. What cannot be read is told of each
/// release it is about. Asks by pages of releases and of objects: of thousands of releases, no more than that is in memory at once.
pub(crate) async fn standings(contexts: &[Context]) -> Vec<Result<Option<Standing>, PhaseError>> {
    let Some(first) = contexts.first() else { return Vec::new() };
    let chunks = contexts.chunks(AT_ONCE).map(|chunk| read(chunk).boxed());
    let all: Vec<_> = side_by_side(chunks, LISTS_AT_ONCE).await.into_iter().flatten().collect();
    let objects = all.iter().filter_map(|one: &Result<Option<Read>, _>| one.as_ref().ok()?.as_ref());
    let objects: BTreeSet<ObjectRef> = objects.flat_map(|(_, of)| of.objects.iter().cloned()).collect();
    let rules = first.tracker().rules();
    let statuses =
        pilothouse_kube::statuses_labelled(first.cluster(), rules, objects.into_iter().collect(), OF_HELM).await;
    let with_status = |object: ObjectRef| statuses.get(&object).cloned().map(|status| (object, status));
    let with_objects = |(standing, ManifestObjects { objects, leaving }): Read| {
        let is_done = |(object, status): &(ObjectRef, ObjectStatus)| {
            status.readiness == Readiness::NotFound && leaving.contains(object)
        };
        let objects = objects.into_iter().filter_map(with_status).filter(|one| !is_done(one)).collect();
        Standing { objects, ..standing }
    };
    all.into_iter().map(|one| Ok(one?.map(with_objects))).collect()
}

/// A standing, but for how its objects are.
type Read = (Standing, ManifestObjects);

async fn read(contexts: &[Context]) -> Vec<Result<Option<Read>, PhaseError>> {
    let mut all = Vec::with_capacity(contexts.len());
    for (ctx, newest) in contexts.iter().zip(newest(contexts).await) {
        all.push(with_objects(ctx, newest).await);
    }
    all
}

async fn with_objects(ctx: &Context, newest: Newest) -> Result<Option<Read>, PhaseError> {
    let Some((newest, record)) = newest? else { return Ok(None) };
    let objects = match &record {
        Some(record) => release_storage::objects_of_record(ctx, record).await?,
        None => ManifestObjects::default(),
    };
    let chart = record.as_ref().map(|record| format!("{} {}", record.chart.name, record.chart.version));
    let record = record.filter(|_| newest.status != RevisionStatus::Deployed);
    Ok(Some((Standing { newest, chart, record, objects: Vec::new() }, objects)))
}

/// The newest revision of each release with its record: by one list where that is allowed and has it, else each by itself.
async fn newest(contexts: &[Context]) -> Vec<Newest> {
    let mut listed = listed(contexts).await.unwrap_or_default();
    let each = contexts.iter().map(|ctx| {
        let known = listed.remove(&ctx.release());
        let each = async move {
            match known {
                Some((meta, payload)) => {
                    let record = release_storage::decoded(ctx, Some(&meta), &payload)?;
                    let status = meta.status.and_in_payload(record.info.status);
                    Ok(Some((RevisionMeta { status, ..meta }, Some(record))))
                }
                None => release_storage::newest(ctx).await,
            }
        };
        each.boxed()
    });
    side_by_side(each, SIDE_BY_SIDE).await
}

/// The newest of the current revisions of each release.
async fn listed(contexts: &[Context]) -> Result<HashMap<ReleaseKey, (RevisionMeta, Vec<u8>)>, ClusterError> {
    let Some(first) = contexts.first() else { return Ok(HashMap::new()) };
    let (session, releases) = (first.session(), contexts.iter().map(Context::release).collect::<BTreeSet<_>>());
    let namespaces: BTreeSet<String> = releases.iter().map(|release| release.namespace.clone()).collect();
    let revisions = within(&namespaces, |namespace| {
        let (names, driver) = (names_in(namespace, &releases), session.driver);
        async move { session.cluster.current_revisions_named(driver, namespace, &names).await }.boxed()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::test_world::over;
    use pilothouse_core::Namespace;
    use pilothouse_testkit::{FakeCluster, FakeHelm, release_secret};
    use serde_json::{Value, json};
    use std::sync::Arc;

    /// So many deployed releases over so many namespaces, each with two objects; `change` gives what there is of one.
    fn many(
        cluster: &Arc<FakeCluster>,
        releases: usize,
        namespaces: usize,
        change: impl Fn(usize, Value) -> Option<Value>,
    ) -> Vec<Context> {
        let one = |number: usize| {
            let release = ReleaseKey::new(format!("n{}", number % namespaces), format!("r{number}"));
            let object = |kind: &str| {
                let labels = json!({"app.kubernetes.io/managed-by": "Helm"});
                let metadata = json!({"name": release.name, "namespace": release.namespace, "labels": labels});
                json!({"apiVersion": "v1", "kind": kind, "metadata": metadata})
            };
            let objects = ["ConfigMap", "ServiceAccount"].map(object);
            let manifest = objects.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n");
            cluster.put(release_secret(&release, 1, RevisionStatus::Deployed, "1.0.0", &manifest));
            objects.into_iter().filter_map(|object| change(number, object)).for_each(|object| cluster.put(object));
            let helm = Arc::new(FakeHelm::new(cluster.clone(), "", "1.0.0"));
            let world = over(cluster.clone(), helm, HelmDriver::Secret, |info| {
                info.name.clone_from(&release.name);
                info.namespace = Namespace::from(release.namespace.as_str());
            });
            world.ctx
        };
        (0..releases).map(one).collect()
    }

    /// How many requests it took, but for discovery, which is asked once of a real cluster; and the objects that are not ready.
    async fn look(cluster: &FakeCluster, contexts: &[Context]) -> (usize, Vec<(String, Readiness)>) {
        let standings = standings(contexts).await;
        assert_eq!(standings.len(), contexts.len());
        let mut unready = Vec::new();
        for (ctx, standing) in contexts.iter().zip(standings) {
            let standing = standing.unwrap().unwrap();
            assert_eq!(
                (standing.newest.name, standing.chart, standing.record.is_none()),
                (ctx.release().name, Some("fake 1.0.0".to_owned()), true)
            );
            assert_eq!(standing.objects.len(), 2);
            let ready = standing.objects.iter().filter(|(_, status)| !status.is_ready());
            unready.extend(ready.map(|(object, status)| (object.to_string(), status.readiness)));
        }
        let asked = cluster.failures.calls().into_iter().filter(|call| call != "discovery").count();
        (asked, unready)
    }

    /// One list for fifty releases, and one for each kind.
    #[tokio::test]
    async fn requests_do_not_grow_with_releases() {
        let cluster = Arc::new(FakeCluster::default());
        let contexts = many(&cluster, 300, 100, |_, object| Some(object));
        assert_eq!(look(&cluster, &contexts).await, (300 / AT_ONCE + 2, Vec::new()));
    }

    /// What the list by the label does not have is read by itself before it is said to be missing.
    #[tokio::test]
    async fn what_has_no_label_is_there_and_what_is_missing_is_not() {
        let cluster = Arc::new(FakeCluster::default());
        let contexts = many(&cluster, 20, 10, |number, mut object| match (number, object["kind"] == "ConfigMap") {
            (3, true) => None,
            (4, true) => {
                object["metadata"]["labels"] = json!({});
                Some(object)
            }
            _ => Some(object),
        });
        let missing = ("ConfigMap n3/r3".to_owned(), Readiness::NotFound);
        assert_eq!(look(&cluster, &contexts).await, (3 + 2, vec![missing]));
    }

    /// Who may not list all namespaces reads each object, as whoever may list none of them.
    #[tokio::test]
    async fn where_lists_are_forbidden_each_object_is_read() {
        let cluster = Arc::new(FakeCluster::default());
        let contexts = many(&cluster, 20, 10, |_, object| Some(object));
        cluster.refuse("list ConfigMap", || ClusterError::Forbidden {
            verb: "list".to_owned(),
            what: "ConfigMaps".to_owned(),
            message: "no".to_owned(),
        });
        assert_eq!(look(&cluster, &contexts).await, (1 + 1 + 1 + 20, Vec::new()));
    }

    /// Lists of one namespace tell no more than is asked for.
    #[tokio::test]
    async fn few_releases_are_listed_where_they_are() {
        let cluster = Arc::new(FakeCluster::default());
        let contexts = many(&cluster, 20, 1, |_, object| Some(object));
        assert_eq!(look(&cluster, &contexts).await, (3, Vec::new()));
    }
}
