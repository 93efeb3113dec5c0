use super::*;
use crate::actions;
use crate::helm::HelmDriver;
use crate::test_world::{World, fake, over, release, say_yes};
use pilothouse_core::{ChartRef, RevisionStatus};
use pilothouse_testkit::{FakeCluster, FakeHelm, release_secret};
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn config_map(of: &str) -> Value {
    let metadata = json!({"name": "web", "namespace": "default"});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"of": of}})
}

/// Another object of the same name takes the place of the one that was looked at: it stays.
#[tokio::test]
async fn only_what_was_looked_at_is_deleted() {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(config_map("somebody"));
    cluster.before("delete ConfigMap", |cluster: &FakeCluster| {
        cluster.remove("ConfigMap", Some("default"), "web").unwrap();
        cluster.put(config_map("somebody else"));
    });
    let World { ctx, .. } = fake(&cluster, HelmDriver::Secret);
    let object = ObjectRef::parse("configmap/web").unwrap();
    let error = actions::delete(&ctx, std::slice::from_ref(&object), Duration::from_secs(1)).await.unwrap_err();
    let why = "ConfigMap default/web: another object of that name has taken its place since it was looked at";
    assert!(error.to_string().ends_with(why), "{error}");
    let left = cluster.object("ConfigMap", Some("default"), "web").unwrap();
    assert_eq!(left["data"]["of"], "somebody else");
}

/// Between the permit and helm lie the intent and the definitions that are brought.
#[tokio::test]
async fn what_helm_is_going_to_delete_is_read_once_more() {
    let cluster = with_object();
    let World { ctx, .. } = fake(&cluster, HelmDriver::Secret);
    let live = cluster.object("ConfigMap", Some("default"), "web").unwrap();
    let going = |seen: Option<&Value>| Going { objects: vec![AsSeen::new(&web(), seen)], ..Going::default() };
    let refused = async |going: Going| match as_seen::refuse_unless_as_seen(&ctx, &going).await {
        Ok(()) => String::new(),
        Err(error) => error.to_string().rsplit(": ").next().unwrap().to_owned(),
    };
    assert_eq!(refused(going(Some(&live))).await, "");
    // Nobody has looked at what has come since.
    assert_eq!(refused(going(None)).await, "it has come since it was looked at");
    made_anew(&cluster);
    let another = "another object of that name has taken its place since it was looked at";
    assert_eq!(refused(going(Some(&live))).await, another);
    cluster.remove("ConfigMap", Some("default"), "web").unwrap();
    assert_eq!(refused(going(Some(&live))).await, "");
}

/// Helm deletes what only its annotation has kept, once that is gone.
#[tokio::test]
async fn what_nothing_keeps_any_more_is_not_what_was_looked_at() {
    let cluster = with_object();
    let mut kept = own();
    kept["metadata"]["annotations"]["helm.sh/resource-policy"] = json!("keep");
    cluster.put(kept);
    let World { ctx, .. } = fake(&cluster, HelmDriver::Secret);
    let live = cluster.object("ConfigMap", Some("default"), "web").unwrap();
    let going = Going { kept: vec![AsSeen::new(&web(), Some(&live))], ..Going::default() };
    as_seen::refuse_unless_as_seen(&ctx, &going).await.unwrap();
    written(&cluster);
    let error = as_seen::refuse_unless_as_seen(&ctx, &going).await.unwrap_err().to_string();
    assert!(error.contains("its annotation helm.sh/resource-policy was taken away"), "{error}");
}

/// What helm deletes is what the newest manifest has: another one was not looked at.
#[rstest]
#[tokio::test]
async fn another_revision_was_not_looked_at(
    #[values(RevisionStatus::Deployed, RevisionStatus::PendingUpgrade)] status: RevisionStatus,
) {
    let cluster = with_object();
    let World { ctx, .. } = fake(&cluster, HelmDriver::Secret);
    let going = Going { newest: Some(2), ..Going::default() };
    as_seen::refuse_unless_as_seen(&ctx, &going).await.unwrap();
    cluster.put(release_secret(&release(), 3, status, "1.0.0", MANIFEST));
    let error = as_seen::refuse_unless_as_seen(&ctx, &going).await.unwrap_err();
    assert!(matches!(error, PhaseError::Locked(_)) && error.to_string().contains("revision 3"), "{error}");
}

/// Another attempt may come to an uninstall of what is half installed: what was there before it was adopted is not the release's
/// to delete.
#[tokio::test]
async fn what_was_adopted_on_the_way_is_not_uninstalled() {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(config_map("somebody"));
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: default}\n";
    cluster.put(release_secret(&release(), 1, RevisionStatus::Failed, "1.0.0", manifest));
    let World { ctx, .. } = fake(&cluster, HelmDriver::Secret);
    let mut run = ReleaseRun::default();
    assert_eq!(permit_uninstall(&ctx, &run).await.unwrap().into_deed().goes.objects.len(), 1);
    let live = cluster.object("ConfigMap", Some("default"), "web").unwrap();
    run.attempts.note_adopted(&[pilothouse_core::object_ref(&live).unwrap()]);
    let PhaseError::Refused(findings) = permit_uninstall(&ctx, &run).await.err().unwrap() else {
        panic!("not refused")
    };
    let found: Vec<(&str, &str)> = findings.iter().map(|one| (one.code.as_str(), one.subject.as_str())).collect();
    assert_eq!(found, [("OWNERSHIP_CONFLICT", "ConfigMap default/web")]);
}

const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: default}\n";

fn web() -> ObjectRef {
    ObjectRef { api_version: Some("v1".to_owned()), ..ObjectRef::parse("ConfigMap/default/web").unwrap() }
}

/// The object of the release, as helm has made it.
fn own() -> Value {
    let mut object = config_map("us");
    object["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
    object["metadata"]["annotations"] =
        json!({"meta.helm.sh/release-name": "demo", "meta.helm.sh/release-namespace": "default"});
    object
}

/// What somebody does to the object between the look and the deed.
type Meanwhile = fn(&FakeCluster);

fn given_to_another_release(cluster: &FakeCluster) {
    let mut object = own();
    object["metadata"]["annotations"]["meta.helm.sh/release-name"] = json!("other");
    cluster.put(object);
}

fn controlled(cluster: &FakeCluster) {
    let mut object = own();
    object["metadata"]["ownerReferences"] = json!([{"kind": "App", "name": "shop", "controller": true}]);
    cluster.put(object);
}

fn made_anew(cluster: &FakeCluster) {
    cluster.remove("ConfigMap", Some("default"), "web").unwrap();
    cluster.put(own());
}

fn written(cluster: &FakeCluster) {
    let mut object = own();
    object["data"]["of"] = json!("a controller");
    cluster.put(object);
}

/// A release whose newest revision has failed, after one that is to be gone back to and that lacks the object.
fn with_object() -> Arc<FakeCluster> {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(own());
    cluster.put(release_secret(&release(), 1, RevisionStatus::Superseded, "1.0.0", ""));
    cluster.put(release_secret(&release(), 2, RevisionStatus::Failed, "1.0.0", MANIFEST));
    cluster
}

/// What was done of a deed that was permitted, when this has happened since: whether helm or we have deleted, and the error.
async fn after(deed: &str, meanwhile: Meanwhile) -> (bool, String) {
    let cluster = with_object();
    let helm = Arc::new(FakeHelm::new(cluster.clone(), MANIFEST, "1.0.0"));
    let World { ctx, mut run, mut events, .. } = over(cluster.clone(), helm.clone(), HelmDriver::Secret, |_| {});
    let deed = async {
        match deed {
            "delete" => {
                cluster.before("delete ConfigMap", meanwhile);
                actions::delete(&ctx, &[web()], Duration::from_secs(1)).await.map(drop)
            }
            "uninstall" => {
                let permit = permit_uninstall(&ctx, &run).await.unwrap();
                meanwhile(&cluster);
                let (timeout, stop) = (Duration::from_secs(1), CancellationToken::new());
                actions::uninstall_as_permitted(&ctx, &mut run, permit, 2, timeout, &stop).await.map(drop)
            }
            "rollback" => {
                let history = observe::release_history(&ctx).await.unwrap();
                let permit = permit_rollback(&ctx, &run, &history, 1).await.unwrap();
                meanwhile(&cluster);
                actions::roll_back(&ctx, &mut run, permit, 2).await
            }
            _ => unreachable!("{deed}"),
        }
    };
    let done = tokio::select! {
        done = deed => done,
        () = say_yes(&mut events) => unreachable!(),
    };
    let deleted = cluster.object("ConfigMap", Some("default"), "web").is_none();
    (deleted || !helm.failures.calls().is_empty(), done.err().map(|error| error.to_string()).unwrap_or_default())
}

/// Helm's records are listed once for the permit: what is left is told by the same ones.
#[tokio::test]
async fn an_uninstall_is_permitted_by_one_look_at_the_records() {
    let cluster = with_object();
    let World { ctx, run, .. } = fake(&cluster, HelmDriver::Secret);
    let _ = permit_uninstall(&ctx, &run).await.unwrap();
    let calls = cluster.failures.calls();
    assert_eq!(calls.iter().filter(|call| *call == "list Secret").count(), 1, "{calls:?}");
}

/// Whoever deletes by name deletes what has the name by then.
#[rstest]
#[tokio::test]
async fn what_has_come_into_other_hands_since_it_was_looked_at_is_left(
    #[values("delete", "uninstall", "rollback")] deed: &str,
    #[values(
        ("given to another release", "release default/other"),
        ("given to a controller", "App shop"),
        ("made anew", "another object of that name has taken its place")
    )]
    (meanwhile, why): (&str, &str),
) {
    let meanwhile: Meanwhile = match meanwhile {
        "given to another release" => given_to_another_release,
        "given to a controller" => controlled,
        _ => made_anew,
    };
    let (is_done, error) = after(deed, meanwhile).await;
    assert!(!is_done && error.contains("ConfigMap default/web") && error.contains(why), "{error}");
}

/// What only changes is still the same object.
#[rstest]
#[tokio::test]
async fn what_was_only_written_since_goes(#[values("delete", "uninstall", "rollback")] deed: &str) {
    assert_eq!(after(deed, written).await, (true, String::new()));
}

/// Helm keeps `max_history` revisions, and a helm of somebody else's has written meanwhile.
#[tokio::test]
async fn a_revision_that_helm_has_pruned_is_not_gone_back_to() {
    let cluster = with_object();
    let World { ctx, run, .. } = fake(&cluster, HelmDriver::Secret);
    let history = observe::release_history(&ctx).await.unwrap();
    let _ = permit_rollback(&ctx, &run, &history, 1).await.unwrap();
    cluster.remove("Secret", Some("default"), "sh.helm.release.v1.demo.v1").unwrap();
    let without_it = observe::release_history(&ctx).await.unwrap();
    for history in [history, without_it] {
        let error = permit_rollback(&ctx, &run, &history, 1).await.err().unwrap();
        assert_eq!(error.to_string(), "the record of revision 1 is gone");
    }
}

const CRD: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
";

fn crd() -> Value {
    pilothouse_helm::parse_documents(CRD).unwrap().remove(0)
}

fn crd_of_another(cluster: &FakeCluster) {
    let mut live = crd();
    live["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
    live["metadata"]["annotations"] =
        json!({"meta.helm.sh/release-name": "other", "meta.helm.sh/release-namespace": "default"});
    cluster.put(live);
}

/// The server is asked what a manifest makes of an object, and that is the moment in which another release gets it.
#[rstest]
#[tokio::test]
async fn what_is_written_over_is_what_was_looked_at(#[values(true, false)] is_taken: bool) {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(crd());
    if is_taken {
        cluster.before("apply CustomResourceDefinition", crd_of_another);
    }
    let World { ctx, .. } = fake(&cluster, HelmDriver::Secret);
    ctx.cancel().cancel();
    let done = actions::apply(&ctx, &[crd()]).await;
    // The first one only asks.
    let calls = cluster.failures.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("apply CustomResourceDefinition")).count(), 1);
    match done.unwrap_err() {
        PhaseError::Refused(findings) => {
            assert!(is_taken && findings[0].message.contains("release default/other"), "{findings:?}");
        }
        // It went on as far as it may in a run that is stopped.
        error => assert!(!is_taken && error.is_interrupted(), "{error}"),
    }
}

/// A chart, a values file, and what is deployed of them; whatever is given to `helm` is what the chart renders to.
struct Given {
    folder: tempfile::TempDir,
    cluster: Arc<FakeCluster>,
    world: World,
    wanted: Arc<Wanted>,
}

async fn given(rendered: &str) -> Given {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
        ("templates/web.yaml", MANIFEST),
        ("values.yaml", "a: 1\n"),
        ("mine.yaml", "a: 2\n"),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let cluster = Arc::new(FakeCluster::default());
    let helm = Arc::new(FakeHelm::new(cluster.clone(), rendered, "1.0.0"));
    let world = over(cluster.clone(), helm, HelmDriver::Secret, |info| {
        info.chart = ChartRef::path(folder.path());
        info.values_files = vec![folder.path().join("mine.yaml")];
        info.crds = CrdPolicy::Upgrade;
    });
    let wanted = render::wanted(&world.ctx).await;
    assert_eq!(wanted.findings, []);
    Given { folder, cluster, world, wanted }
}

/// What was looked at is the chart and the values as they were then.
#[rstest]
#[case::nothing(None, true)]
#[case::a_values_file(Some(("mine.yaml", "a: 3\n")), false)]
#[case::the_values_of_the_chart(Some(("values.yaml", "a: 3\n")), false)]
#[case::a_template(Some(("templates/web.yaml", "kind: ConfigMap\n")), false)]
#[case::another_template(Some(("templates/more.yaml", MANIFEST)), false)]
#[case::the_version(Some(("Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.1\n")), false)]
#[tokio::test]
async fn what_was_changed_since_it_was_looked_at_is_not_deployed(
    #[case] change: Option<(&str, &str)>,
    #[case] is_permitted: bool,
) {
    let Given { folder, world, wanted, .. } = given(MANIFEST).await;
    if let Some((name, text)) = change {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    match permit_deploy(&world.ctx, &wanted, false).await {
        Ok(_) => assert!(is_permitted),
        Err(error) => {
            let why = "the chart or a values file was changed while it was looked at whether it can be deployed";
            assert!(!is_permitted && error.to_string() == why, "{error}");
        }
    }
}

/// Between the permit and the definitions lies the intent. Another release of the run may well bring the same one; it is another
/// thing when it has it among its own objects.
#[rstest]
#[case::nobody(|_: &FakeCluster| (), true)]
#[case::brought_meanwhile(|cluster: &FakeCluster| cluster.put(crd()), true)]
#[case::taken_over(crd_of_another, false)]
#[tokio::test]
async fn definitions_are_looked_at_again_where_they_are_not_as_seen(
    #[case] meanwhile: Meanwhile,
    #[case] is_permitted: bool,
    #[values(false, true)] is_there: bool,
) {
    let given = given(&format!("---\n# Source: shop/crds/gadgets.yaml\n{CRD}")).await;
    if is_there {
        given.cluster.put(crd());
    }
    let ctx = &given.world.ctx;
    let permit = permit_deploy(ctx, &given.wanted, false).await.unwrap();
    meanwhile(&given.cluster);
    match permit_definitions_again(ctx, &permit).await {
        Ok(()) => assert!(is_permitted),
        Err(error) => assert!(!is_permitted && error.to_string().contains("release default/other"), "{error}"),
    }
}

fn volume(policy: &str, claim: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec":
        {"persistentVolumeReclaimPolicy": policy, "claimRef": {"namespace": "default", "name": "data", "uid": claim["metadata"]["uid"]}}})
}

/// A volume whose claim is gone goes with its data the moment its policy says so, whoever writes that.
#[rstest]
#[case::lost("Released", "Delete", &[], true)]
#[case::with_consent("Released", "Delete", &["PersistentVolume/pv"], false)]
#[case::kept("Released", "Retain", &[], false)]
#[case::bound("Bound", "Delete", &[], false)]
#[tokio::test]
async fn a_volume_is_not_given_away_by_its_policy(
    #[case] phase: &str,
    #[case] policy: &str,
    #[case] consent: &[&str],
    #[case] is_refused: bool,
    #[values(true, false)] by_rollback: bool,
) {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"volumeName": "pv"},
        "metadata": {"name": "data", "namespace": "default"}}));
    let claim = cluster.object("PersistentVolumeClaim", Some("default"), "data").unwrap();
    let mut live = volume("Retain", &claim);
    live["status"] = json!({"phase": phase});
    cluster.put(live);
    let manifest = volume(policy, &claim).to_string();
    cluster.put(release_secret(&release(), 1, RevisionStatus::Superseded, "1.0.0", &manifest));
    cluster.put(release_secret(&release(), 2, RevisionStatus::Failed, "1.0.0", &volume("Retain", &claim).to_string()));
    let helm = Arc::new(FakeHelm::new(cluster.clone(), "", "1.0.0"));
    let World { ctx, run, .. } = over(cluster.clone(), helm, HelmDriver::Secret, |info| {
        info.consent = consent.iter().map(|object| ObjectRef::parse(object).unwrap()).collect();
    });
    let error = if by_rollback {
        let history = observe::release_history(&ctx).await.unwrap();
        permit_rollback(&ctx, &run, &history, 1).await.err()
    } else {
        permit_overwriting(&ctx, &[volume(policy, &claim)]).await.err()
    };
    let told = error.map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(
        told.contains("DATA_ATTACHED") && told.contains("deletes it and its data immediately"),
        is_refused,
        "{told}"
    );
}

/// With `force` a rollback replaces too: replicas that the manifest does not set are the default.
#[rstest]
#[case::patched(false, false)]
#[case::replaced(true, true)]
#[tokio::test]
async fn a_rollback_that_replaces_scales_down(#[case] force: bool, #[case] is_refused: bool) {
    let cluster = Arc::new(FakeCluster::default());
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {
        "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}});
    let mut live = set.clone();
    live["metadata"]["namespace"] = json!("default");
    live["spec"]["replicas"] = json!(3);
    cluster.put(live);
    for ordinal in 0..3 {
        let metadata = json!({"name": format!("data-db-{ordinal}"), "namespace": "default"});
        cluster.put(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}));
    }
    for (revision, status) in [(1, RevisionStatus::Superseded), (2, RevisionStatus::Failed)] {
        cluster.put(release_secret(&release(), revision, status, "1.0.0", &set.to_string()));
    }
    let helm = Arc::new(FakeHelm::new(cluster.clone(), "", "1.0.0"));
    let World { ctx, run, .. } = over(cluster.clone(), helm, HelmDriver::Secret, |info| info.force_upgrade = force);
    let history = observe::release_history(&ctx).await.unwrap();
    let error = permit_rollback(&ctx, &run, &history, 1).await.err();
    let told = error.map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(told.contains("data-db-1") && told.contains("data-db-2"), is_refused, "{told}");
}
