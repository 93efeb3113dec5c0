use super::*;
use crate::PhaseError;
use crate::actions;
use crate::context::Message;
use crate::helm::HelmDriver;
use crate::test_world::{World, saving_in};
use pilothouse_core::StopReason;
use pilothouse_kube::ClusterError;
use pilothouse_testkit::{FakeCluster, FakeHelm};
use rstest::rstest;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn cluster() -> Arc<FakeCluster> {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(json!({"apiVersion": "v1", "kind": "Secret", "data": {"password": "aHVudGVyMjI="},
        "metadata": {"name": "login", "namespace": "default", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"},
            "managedFields": [], "creationTimestamp": "2026-11-21T08:00:00Z", "ownerReferences": [{"kind": "App"}]}}));
    cluster
        .put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other", "namespace": "default"}}));
    cluster
}

/// A claim with a volume of this policy.
fn with_claim(cluster: &FakeCluster, policy: &str) {
    cluster.put(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"volumeName": "pv-1"},
        "metadata": {"name": "data-db-0", "namespace": "default"}}));
    cluster.put(json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-1"},
        "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": {"name": "data-db-0", "uid": "u"}}}));
}

fn objects(names: &[&str]) -> Vec<ObjectRef> {
    names.iter().map(|name| ObjectRef::parse(name).unwrap()).collect()
}

/// What is not saved is not asked for.
#[tokio::test]
async fn nothing_is_asked_where_nothing_is_saved() {
    let cluster = cluster();
    with_claim(&cluster, "Delete");
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "default"},
        "spec": {"replicas": 1, "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
            "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}});
    let mut then = set.clone();
    then["spec"]["replicas"] = json!(0);
    let compared = [Compared {
        live: Some(Sensitive::new(set)),
        then: Some(Sensitive::new(then)),
        ..Compared::unknown(&objects(&["StatefulSet/default/db"])[0], Outcome::Change(ObjectChange::Update))
    }];
    let asked = async |policy: BeforeDestructive| {
        let helm = Arc::new(FakeHelm::new(cluster.clone(), "", "1.0.0"));
        let world = saving_in(None, cluster.clone(), helm, HelmDriver::Secret, |info| {
            info.before_destructive = policy;
            info.consent = objects(&["StatefulSet/default/db"]);
        });
        let consent = Consent::of(&world.ctx).await.unwrap();
        let before = cluster.failures.calls().len();
        let doomed = of_compared(&world.ctx, &compared, &consent).await.len();
        (doomed, cluster.failures.calls().len() - before)
    };
    assert_eq!(asked(BeforeDestructive::Proceed).await, (0, 0));
    let (doomed, asked) = asked(BeforeDestructive::Backup).await;
    assert!(doomed > 0 && asked > 0, "{doomed} {asked}");
}

fn deleted(cluster: &FakeCluster) -> Vec<String> {
    cluster.failures.calls().into_iter().filter(|call| call.starts_with("delete ")).collect()
}

fn world(cluster: &Arc<FakeCluster>, backups: Option<PathBuf>, consent: &[&str]) -> World {
    let helm = Arc::new(FakeHelm::new(cluster.clone(), "", "1.0.0"));
    saving_in(backups, cluster.clone(), helm, HelmDriver::Secret, |info| {
        info.consent = objects(consent);
        info.before_destructive = BeforeDestructive::Backup;
    })
}

/// Deletes these, all with consent but the ConfigMap, and gives what became of it with the files that were announced;
/// `answer` is what the journal says to that.
async fn delete(
    cluster: &Arc<FakeCluster>,
    backups: Option<PathBuf>,
    names: &[&str],
    answer: Result<(), StopReason>,
) -> (Result<(), PhaseError>, Vec<(PathBuf, Vec<String>)>) {
    let consent: Vec<&str> = names.iter().copied().filter(|name| !name.starts_with("cm/")).collect();
    let World { ctx, mut events, .. } = world(cluster, backups, &consent);
    let (mut written, objects) = (Vec::new(), objects(names));
    let journal = async {
        while let Some(message) = events.recv().await {
            let text = format!("{message:?}");
            assert!(!text.contains("aHVudGVyMjI"), "{text}");
            let Message::Ask { intent: EventKind::BackupStarted { path, objects, .. }, answer: to } = message else {
                continue;
            };
            let path = PathBuf::from(path);
            assert!(deleted(cluster).is_empty() && !path.exists(), "it is written down first");
            written.push((path, objects.iter().map(ToString::to_string).collect()));
            to.send(answer.clone()).unwrap();
        }
        std::future::pending::<()>().await;
    };
    let done = tokio::select! {
        done = actions::delete(&ctx, &objects, Duration::from_secs(5)) => done,
        () = journal => unreachable!(),
    };
    (done, written)
}

fn refusals(done: Result<(), PhaseError>) -> Vec<(String, String, Class)> {
    let Err(PhaseError::Refused(findings)) = done else { panic!("{done:?}") };
    findings.into_iter().map(|finding| (finding.code, finding.subject, finding.class)).collect()
}

fn saved(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn what_consent_names_is_saved_before_it_is_deleted() {
    let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
    let at = folder.path().join("state/backups");
    // The file must be there when the first object goes.
    let seen = at.clone();
    cluster.before("delete ConfigMap default/other", move |_| {
        assert_eq!(std::fs::read_dir(seen).unwrap().count(), 1);
    });
    let (done, written) = delete(&cluster, Some(at), &["cm/other", "secret/login"], Ok(())).await;
    done.unwrap();
    let [(path, names)] = written.as_slice() else { panic!("{written:?}") };
    assert_eq!(*names, ["Secret default/login"]);
    let items = json!([{"apiVersion": "v1", "kind": "Secret", "data": {"password": "aHVudGVyMjI="},
        "metadata": {"name": "login", "namespace": "default", "labels": {"a": "b"}}}]);
    assert_eq!(saved(path), json!({"apiVersion": "v1", "kind": "List", "items": items}));
    assert_eq!(deleted(&cluster).len(), 2);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_neither_saved_nor_deleted() {
    let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
    let at = folder.path().join("backups");
    let (done, written) = delete(&cluster, Some(at.clone()), &["secret/login"], Err(StopReason::User)).await;
    assert!(matches!(done, Err(PhaseError::Stopped(StopReason::User))), "{done:?}");
    assert_eq!((written.len(), at.exists(), deleted(&cluster)), (1, false, Vec::new()));
}

#[tokio::test]
async fn what_cannot_be_saved_is_not_deleted() {
    let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let (done, written) = delete(&cluster, Some(file), &["secret/login"], Ok(())).await;
    let error = done.unwrap_err().to_string();
    assert_eq!(error, format!("cannot write the backup {}", written[0].0.display()));
    assert_eq!(deleted(&cluster), [""; 0]);
}

#[tokio::test]
async fn without_a_folder_it_is_refused() {
    let cluster = cluster();
    let (done, written) = delete(&cluster, None, &["secret/login"], Ok(())).await;
    let expected = vec![("BACKUP_IMPOSSIBLE".to_owned(), "default/demo".to_owned(), Class::Unsafe)];
    assert_eq!((refusals(done), written, deleted(&cluster)), (expected, Vec::new(), Vec::new()));
}

#[tokio::test]
async fn what_cannot_be_read_is_not_deleted() {
    let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
    cluster.refuse("get Secret default/login", || ClusterError::Timeout {
        what: "it".to_owned(),
        after: Duration::from_secs(1),
    });
    let (done, written) = delete(&cluster, Some(folder.path().to_owned()), &["secret/login"], Ok(())).await;
    let expected = vec![("UNREADABLE".to_owned(), "Secret default/login".to_owned(), Class::Blocked)];
    assert_eq!((refusals(done), written, deleted(&cluster)), (expected, Vec::new(), Vec::new()));
}

/// What is gone before cannot be saved and need not be.
#[tokio::test]
async fn what_is_not_there_needs_no_file() {
    let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
    let (done, written) = delete(&cluster, Some(folder.path().to_owned()), &["secret/gone"], Ok(())).await;
    done.unwrap();
    assert_eq!(written, []);
}

/// Data is on a volume and not in the API: the claim itself, the volume, the set whose claims go, the whole namespace.
#[rstest]
#[case("pvc/data-db-0", "PersistentVolumeClaim default/data-db-0", &["PersistentVolumeClaim", "PersistentVolume"])]
#[case("pv/pv-1", "PersistentVolume pv-1", &["PersistentVolume"])]
#[case(
    "sts/db",
    "PersistentVolumeClaim default/data-db-0",
    &["StatefulSet", "PersistentVolumeClaim", "PersistentVolume"]
)]
#[tokio::test]
async fn data_on_a_volume(#[case] name: &str, #[case] subject: &str, #[case] kinds: &[&str]) {
    for policy in ["Delete", "Retain"] {
        let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
        with_claim(&cluster, policy);
        cluster.put(json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": "default"},
            "spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}));
        // Of a set of another name.
        cluster.put(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data-db-big-0", "namespace": "default"}, "spec": {"volumeName": "pv-1"}}));
        let (done, written) = delete(&cluster, Some(folder.path().to_owned()), &[name], Ok(())).await;
        if policy == "Delete" {
            let expected = vec![("BACKUP_IMPOSSIBLE".to_owned(), subject.to_owned(), Class::Unsafe)];
            assert_eq!((refusals(done), written, deleted(&cluster)), (expected, Vec::new(), Vec::new()));
        } else {
            done.unwrap();
            let items = saved(&written[0].0)["items"].as_array().unwrap().clone();
            let found: Vec<&str> = items.iter().map(|item| item["kind"].as_str().unwrap()).collect();
            assert_eq!(found, kinds);
            assert_eq!(items.last().unwrap()["spec"]["claimRef"], json!({"name": "data-db-0"}));
        }
    }
}

/// All that is in it, but not what a controller makes again; and no data on volumes.
#[tokio::test]
async fn a_namespace() {
    let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
    cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
    cluster.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "made", "namespace": "default",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "a", "controller": true}]}}));
    let World { ctx, .. } = world(&cluster, Some(folder.path().to_owned()), &["ns/default"]);
    let doomed = [Doomed { object: objects(&["Namespace/default"])[0].clone(), fate: Fate::Deleted }];
    let content = gather(&ctx, &doomed).await.ok().unwrap();
    let mut kinds: Vec<&str> =
        content.documents.iter().map(|document| document.expose()["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.remove(0), "Namespace", "what is in it comes after it");
    kinds.sort_unstable();
    assert_eq!(kinds, ["ConfigMap", "Secret"]);
    with_claim(&cluster, "Delete");
    let found = findings(&ctx, &doomed).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].code.as_str(), found[0].class), ("BACKUP_IMPOSSIBLE", Class::Unsafe));
}

#[rstest]
#[case(Outcome::Change(ObjectChange::Delete), Some(Fate::Deleted))]
#[case(Outcome::Change(ObjectChange::Replace { because: String::new() }), Some(Fate::Deleted))]
#[case(Outcome::Change(ObjectChange::Update), Some(Fate::Changed))]
#[case(Outcome::Change(ObjectChange::Adopt), Some(Fate::Changed))]
#[case(Outcome::Unreadable { why: String::new() }, Some(Fate::Changed))]
#[case(Outcome::Change(ObjectChange::Create), None)]
#[case(Outcome::Change(ObjectChange::Keep), None)]
#[case(Outcome::Change(ObjectChange::Same), None)]
#[tokio::test]
async fn what_an_upgrade_loses(#[case] outcome: Outcome, #[case] fate: Option<Fate>) {
    let World { ctx, .. } = world(&cluster(), None, &["secret/login"]);
    let consent = Consent::of(&ctx).await.unwrap();
    let one = |name: &str| compared(name, outcome.clone());
    let doomed = of_compared(&ctx, &[one("Secret/default/login"), one("Secret/default/other")], &consent).await;
    let found: Vec<(String, Fate)> = doomed.iter().map(|one| (one.object.to_string(), one.fate)).collect();
    let expected: Vec<(String, Fate)> =
        fate.map(|fate| ("Secret default/login".to_owned(), fate)).into_iter().collect();
    assert_eq!(found, expected);
}

/// Before anything is begun it is refused, or told.
#[rstest]
#[case("Delete", &["BACKUP_IMPOSSIBLE"])]
#[case("Retain", &[])]
#[tokio::test]
async fn a_look_ahead_at_a_claim(#[case] policy: &str, #[case] expected: &[&str]) {
    let cluster = cluster();
    with_claim(&cluster, policy);
    let World { ctx, .. } = world(&cluster, Some("/state/backups".into()), &["pvc/data-db-0"]);
    let compared = [compared("PersistentVolumeClaim/default/data-db-0", Outcome::Change(ObjectChange::Delete))];
    let change = Change::Upgrade { last_good: Some(1) };
    let consent = Consent::of(&ctx).await.unwrap();
    let gate = crate::preflight::changes::refusals::gate;
    let history = observe::release_history(&ctx).await.unwrap();
    let found = gate(&ctx, &history, &Wanted::default(), &compared, &[], &change, &consent).await;
    assert_eq!(found.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), expected);
    let told = "saved in a file in /state/backups before it is lost: PersistentVolumeClaim default/data-db-0";
    assert_eq!(
        announced(&ctx, &history, &Wanted::default(), &compared, &change, &consent).await.as_deref(),
        Some(told)
    );
    // Nothing was written.
    assert!(!cluster.failures.calls().iter().any(|call| call.starts_with("delete ") || call.starts_with("apply ")));
}

fn compared(name: &str, outcome: Outcome) -> Compared {
    Compared::unknown(&ObjectRef::parse(name).unwrap(), outcome)
}

/// Its own policy says that the data stays, and the new one does not.
#[tokio::test]
async fn a_volume_that_a_change_gives_away() {
    let cluster = cluster();
    with_claim(&cluster, "Retain");
    let World { ctx, .. } = world(&cluster, Some("/state/backups".into()), &["pv/pv-1"]);
    let mut live = cluster.object("PersistentVolume", None, "pv-1").unwrap();
    live["status"] = json!({"phase": "Released"});
    let mut then = live.clone();
    then["spec"]["persistentVolumeReclaimPolicy"] = json!("Delete");
    let update = Outcome::Change(ObjectChange::Update);
    let one = Compared {
        live: Some(Sensitive::new(live)),
        then: Some(Sensitive::new(then)),
        ..compared("PersistentVolume/pv-1", update)
    };
    let consent = Consent::of(&ctx).await.unwrap();
    let found = findings(&ctx, &of_compared(&ctx, &[one], &consent).await).await;
    assert_eq!(found.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(), ["BACKUP_IMPOSSIBLE"]);
}

/// Consent to the claim alone: its data goes with it since the same change gives its volume away.
#[tokio::test]
async fn a_claim_whose_volume_a_change_gives_away() {
    let cluster = cluster();
    with_claim(&cluster, "Retain");
    let World { ctx, .. } = world(&cluster, Some("/state/backups".into()), &["pvc/data-db-0"]);
    let mut live = cluster.object("PersistentVolume", None, "pv-1").unwrap();
    live["status"] = json!({"phase": "Bound"});
    live["spec"]["claimRef"]["namespace"] = json!("default");
    let mut then = live.clone();
    then["spec"]["persistentVolumeReclaimPolicy"] = json!("Delete");
    let volume = Compared {
        live: Some(Sensitive::new(live)),
        then: Some(Sensitive::new(then)),
        ..compared("PersistentVolume/pv-1", Outcome::Change(ObjectChange::Update))
    };
    let claim = compared("PersistentVolumeClaim/default/data-db-0", Outcome::Change(ObjectChange::Delete));
    let consent = Consent::of(&ctx).await.unwrap();
    let found = findings(&ctx, &of_compared(&ctx, &[volume, claim], &consent).await).await;
    let told: Vec<(&str, &str)> = found.iter().map(|one| (one.code.as_str(), one.subject.as_str())).collect();
    assert_eq!(told, [("BACKUP_IMPOSSIBLE", "PersistentVolume pv-1")]);
}
