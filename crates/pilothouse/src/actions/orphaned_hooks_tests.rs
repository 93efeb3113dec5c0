use super::*;
use crate::helm::HelmDriver;
use crate::preflight::NEVER;
use crate::preflight::left_alone;
use crate::test_world;
use crate::test_world::{OTHER, RUN, World, begun, release, stamped};
use RevisionStatus as S;
use pilothouse_core::{Ended, HelmCommand, HelmProgress, RunId};
use pilothouse_helm::HookRun;
use pilothouse_testkit::{FakeCluster, record_secret};
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;

const CREATED: &str = "2026-11-21T08:00:00Z";
const MANIFEST: &str = "
apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations:
    helm.sh/hook: pre-upgrade
    helm.sh/hook-delete-policy: hook-succeeded
";

fn revision(number: u32, status: RevisionStatus, run: Option<RunId>) -> RevisionMeta {
    RevisionMeta { created_at: Some(CREATED.parse().unwrap()), run, ..RevisionMeta::new(&release(), number, status) }
}

const UPGRADE: [&str; 4] = ["pre-install", "post-install", "pre-upgrade", "post-upgrade"];
const UNINSTALL: [&str; 2] = ["pre-delete", "post-delete"];

#[rstest]
#[case(HelmCommand::Upgrade, revision(2, S::Failed, Some(RUN)), &UPGRADE)]
#[case(HelmCommand::Upgrade, revision(2, S::PendingUpgrade, Some(RUN)), &UPGRADE)]
#[case(HelmCommand::Upgrade, revision(2, S::PendingInstall, Some(RUN)), &UPGRADE)]
// It came to its end.
#[case(HelmCommand::Upgrade, revision(2, S::Deployed, Some(RUN)), &[])]
#[case(HelmCommand::Upgrade, revision(2, S::Superseded, Some(RUN)), &[])]
#[case(HelmCommand::Upgrade, revision(2, S::Uninstalling, Some(RUN)), &[])]
#[case(HelmCommand::Upgrade, revision(2, S::Uninstalled, Some(RUN)), &[])]
#[case(HelmCommand::Upgrade, revision(2, S::Unknown, Some(RUN)), &[])]
#[case(HelmCommand::Upgrade, revision(2, S::PendingRollback, Some(RUN)), &[])]
// It is somebody else's.
#[case(HelmCommand::Upgrade, revision(2, S::Failed, Some(OTHER)), &[])]
#[case(HelmCommand::Upgrade, revision(2, S::Failed, None), &[])]
#[case(HelmCommand::Upgrade, revision(1, S::Failed, Some(RUN)), &[])]
#[case(HelmCommand::Upgrade, revision(3, S::Failed, Some(RUN)), &[])]
#[case(HelmCommand::Rollback, revision(2, S::Failed, Some(RUN)), &[])]
#[case(HelmCommand::Uninstall, revision(2, S::Failed, Some(RUN)), &[])]
// An uninstall works on the newest revision, whoever wrote it.
#[case(HelmCommand::Uninstall, revision(1, S::Uninstalling, Some(OTHER)), &UNINSTALL)]
#[case(HelmCommand::Uninstall, revision(1, S::Deployed, Some(RUN)), &[])]
#[case(HelmCommand::Uninstall, revision(2, S::Uninstalling, Some(RUN)), &[])]
fn what_was_interrupted(#[case] command: HelmCommand, #[case] revision: RevisionMeta, #[case] expected: &[&str]) {
    let helm = begun(command, 1);
    assert_eq!(interrupted_events(&EarlierHelm { run: RUN, helm: &helm }, &revision), expected);
}

/// It may have ended because the object was there already, and was not its own.
#[test]
fn an_uninstall_that_came_back_was_not_interrupted() {
    let helm = HelmProgress { ended: Some(Ended { ok: false, elapsed_ms: 1 }), ..begun(HelmCommand::Uninstall, 1) };
    let earlier = EarlierHelm { run: RUN, helm: &helm };
    assert_eq!(interrupted_events(&earlier, &revision(1, S::Uninstalling, None)), [""; 0]);
}

fn hook(kind: &str, events: &[&str], policies: &[&str]) -> HookRecord {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    HookRecord {
        name: "migrate".to_owned(),
        kind: kind.to_owned(),
        path: String::new(),
        manifest: MANIFEST.to_owned(),
        events: owned(events),
        weight: 0,
        delete_policies: owned(policies),
        last_run: HookRun { started_at: Some(CREATED.parse().unwrap()), ..HookRun::default() },
    }
}

#[rstest]
#[case(&["pre-upgrade"], &["hook-succeeded"], true)]
#[case(&["pre-install"], &["hook-failed"], true)]
#[case(&["test", "post-upgrade"], &["hook-succeeded", "hook-failed"], true)]
#[case(&["post-install"], &["hook-succeeded"], true)]
// Helm deletes it by itself.
#[case(&["pre-upgrade"], &[], false)]
#[case(&["pre-upgrade"], &["before-hook-creation"], false)]
#[case(&["pre-upgrade"], &["hook-succeeded", "before-hook-creation"], false)]
// An upgrade does not make it.
#[case(&["test"], &["hook-succeeded"], false)]
#[case(&["pre-delete", "post-delete", "pre-rollback", "post-rollback"], &["hook-succeeded"], false)]
#[case(&[], &["hook-succeeded"], false)]
fn what_is_in_the_way(#[case] events: &[&str], #[case] policies: &[&str], #[case] expected: bool) {
    assert_eq!(is_in_the_way(&hook("Job", events, policies), &UPGRADE), expected);
}

/// The object as the hook makes it, with what the case changes.
fn live(change: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": "migrate", "namespace": "default", "creationTimestamp": "2026-11-21T08:00:00Z",
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"helm.sh/hook": "pre-upgrade", "helm.sh/hook-delete-policy": "hook-succeeded"},
        },
    });
    merge(&mut object, change);
    object
}

fn merge(target: &mut Value, change: &Value) {
    match (target, change) {
        (Value::Object(target), Value::Object(change)) => {
            change.iter().for_each(|(key, value)| merge(target.entry(key.clone()).or_insert(Value::Null), value));
        }
        (target, change) => *target = change.clone(),
    }
}

const OLDER: &str = "it is older than the interrupted revision";
const UNMARKED: &str = "it does not say that it is that hook";
const FOREIGN: &str = "another release owns it";

#[rstest]
#[case(json!({}), None)]
#[case(json!({"metadata": {"creationTimestamp": "2026-11-21T09:00:00Z", "ownerReferences": []}}), None)]
#[case(json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "demo", "meta.helm.sh/release-namespace": "default"}}}), None)]
#[case(json!({"metadata": {"creationTimestamp": "2026-11-21T07:59:59Z"}}), Some(OLDER))]
#[case(json!({"metadata": {"creationTimestamp": null}}), Some(OLDER))]
#[case(json!({"metadata": {"creationTimestamp": "yesterday"}}), Some(OLDER))]
#[case(json!({"metadata": {"annotations": null}}), Some(UNMARKED))]
#[case(json!({"metadata": {"annotations": {"helm.sh/hook": "post-upgrade"}}}), Some(UNMARKED))]
#[case(json!({"metadata": {"ownerReferences": [{"kind": "CronJob", "name": "x"}]}}), Some("another object owns it"))]
#[case(json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "other"}}}), Some(FOREIGN))]
#[case(json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "demo", "meta.helm.sh/release-namespace": "elsewhere"}}}), Some(FOREIGN))]
#[case(json!({"kind": "PersistentVolumeClaim"}), Some("data may go with it"))]
#[case(json!({"kind": "Namespace"}), Some("data may go with it"))]
#[case(json!({"kind": "CustomResourceDefinition"}), Some("data may go with it"))]
fn what_is_left_alone(#[case] change: Value, #[case] expected: Option<&str>) {
    let (revision, hook) = (revision(2, S::Failed, Some(RUN)), hook("Job", &["pre-upgrade"], &["hook-succeeded"]));
    let stored = parse_documents(MANIFEST).unwrap().remove(0);
    assert_eq!(left_alone(&release(), &revision, &hook, &stored, &live(&change)), expected);
}

#[test]
fn what_the_record_does_not_prove_is_left_alone() {
    let good = (revision(2, S::Failed, Some(RUN)), hook("Job", &["pre-upgrade"], &["hook-succeeded"]));
    let stored = parse_documents(MANIFEST).unwrap().remove(0);
    let live = live(&json!({}));
    let why = |revision: &RevisionMeta, hook: &HookRecord| left_alone(&release(), revision, hook, &stored, &live);
    assert_eq!(why(&good.0, &good.1), None);
    let not_begun = HookRecord { last_run: HookRun::default(), ..good.1.clone() };
    assert_eq!(why(&good.0, &not_begun), Some("the interrupted run had not come to that hook"));
    // Of an uninstall, only the hook it was killed in.
    let uninstalling = RevisionMeta { status: S::Uninstalling, ..good.0.clone() };
    assert_eq!(why(&uninstalling, &good.1), Some("the interrupted run had not come to that hook"));
    let running = HookRun { phase: "Running".to_owned(), ..good.1.last_run.clone() };
    assert_eq!(why(&uninstalling, &HookRecord { last_run: running, ..good.1.clone() }), None);
    let ageless = RevisionMeta { created_at: None, ..good.0.clone() };
    assert_eq!(why(&ageless, &good.1), Some(OLDER));
    for kind in NEVER {
        assert_eq!(why(&good.0, &hook(kind, &["pre-upgrade"], &["hook-succeeded"])), Some("data may go with it"));
    }
}

/// A failed revision 2 of the run with one hook, and its object.
fn cluster() -> Arc<FakeCluster> {
    let cluster = Arc::new(FakeCluster::default());
    let record = json!({
        "name": "demo", "namespace": "default", "version": 2, "info": {"status": "failed"},
        "hooks": [{
            "name": "migrate", "kind": "Job", "manifest": MANIFEST, "events": ["pre-upgrade"],
            "delete_policies": ["hook-succeeded"],
            "last_run": {"started_at": "2026-11-21T08:00:00.5Z", "phase": "Running"},
        }],
    });
    cluster.put(stamped(record_secret(&record), CREATED, Some(RUN)));
    cluster.put(live(&json!({})));
    cluster
}

fn job(cluster: &FakeCluster) -> Option<Value> {
    cluster.object("Job", Some("default"), "migrate")
}

async fn clear_noting(world: &World, helm: &HelmProgress) -> (Result<Vec<Healed>, PhaseError>, Vec<EventKind>) {
    let mut intents = Vec::new();
    let earlier = EarlierHelm { run: RUN, helm };
    let history = match observe::release_history(&world.ctx).await {
        Ok(history) => history,
        Err(error) => return (Err(error), intents),
    };
    let done = clear_orphaned_hooks(&world.ctx, &world.run, &history, &earlier, |intent| {
        intents.push(intent);
        Ok(())
    })
    .await;
    (done, intents)
}

fn deleted() -> Healed {
    let why = "it is a hook's that run 00000007 was interrupted in (revision 2), and helm would find it in its way";
    Healed { what: "delete Job default/migrate".to_owned(), why: why.to_owned() }
}

#[tokio::test]
async fn a_leftover_is_deleted() {
    let cluster = cluster();
    let mut world = test_world::fake(&cluster, HelmDriver::Secret);
    let (done, intents) = clear_noting(&world, &begun(HelmCommand::Upgrade, 1)).await;
    assert_eq!(done.unwrap(), [deleted()]);
    let Healed { what, why } = deleted();
    assert_eq!(intents, [EventKind::HealStarted { release: release(), what, why }]);
    assert_eq!(job(&cluster), None);
    assert_eq!(world.told().last().unwrap(), &json!({"event": "heal_finished", "error": null}));
    let (done, intents) = clear_noting(&world, &begun(HelmCommand::Upgrade, 1)).await;
    assert_eq!((done.unwrap(), intents), (vec![], vec![]));
}

#[tokio::test]
async fn what_is_not_the_interrupted_runs_is_left_and_said() {
    let cluster = cluster();
    let object = live(&json!({"metadata": {"creationTimestamp": "2026-11-21T07:00:00Z"}}));
    cluster.put(object);
    let mut world = test_world::fake(&cluster, HelmDriver::Secret);
    let (done, intents) = clear_noting(&world, &begun(HelmCommand::Upgrade, 1)).await;
    assert_eq!((done.unwrap(), intents), (vec![], vec![]));
    assert!(job(&cluster).is_some());
    let text = format!("Job default/migrate, which helm may find in its way, is left alone: {OLDER}");
    assert_eq!(world.told(), [json!({"event": "said", "note": "info", "text": text})]);
}

#[tokio::test]
async fn hooks_of_another_revision_are_not_even_read() {
    let cluster = cluster();
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    assert_eq!(clear_noting(&world, &begun(HelmCommand::Upgrade, 2)).await.0.unwrap(), []);
    let calls = cluster.failures.calls();
    assert!(calls.iter().all(|call| call.contains("Secret")), "{calls:?}");
}

/// A Job's status changes all the time; somebody else's object of that name is another thing.
#[rstest]
#[case(json!({"status": {"active": 1}}), vec![deleted()])]
#[case(json!({"metadata": {"annotations": {"helm.sh/hook": "test"}}}), vec![])]
#[tokio::test]
async fn an_object_that_changes_meanwhile_is_looked_at_anew(#[case] change: Value, #[case] expected: Vec<Healed>) {
    let cluster = cluster();
    cluster.before("delete Job", move |cluster: &FakeCluster| cluster.put(live(&change)));
    let mut world = test_world::fake(&cluster, HelmDriver::Secret);
    let (done, intents) = clear_noting(&world, &begun(HelmCommand::Upgrade, 1)).await;
    let done = done.unwrap();
    assert_eq!((job(&cluster).is_none(), intents.len()), (!expected.is_empty(), 1));
    assert_eq!(done, expected);
    assert_eq!(world.told().last().unwrap(), &json!({"event": "heal_finished", "error": null}));
}

#[tokio::test]
async fn an_object_that_never_keeps_still_is_left() {
    let cluster = cluster();
    for _ in 0..10 {
        cluster.before("delete Job", |cluster: &FakeCluster| cluster.put(live(&json!({}))));
    }
    let mut world = test_world::fake(&cluster, HelmDriver::Secret);
    let (done, _) = clear_noting(&world, &begun(HelmCommand::Upgrade, 1)).await;
    let error = "Job default/migrate: its resourceVersion is not 6";
    assert_eq!(done.unwrap_err().to_string(), error);
    assert_eq!(world.told().last().unwrap(), &json!({"event": "heal_finished", "error": error}));
    assert!(job(&cluster).is_some());
}

#[tokio::test]
async fn whichever_call_fails_nothing_is_deleted() {
    let helm = begun(HelmCommand::Upgrade, 1);
    let calls = {
        let cluster = cluster();
        clear_noting(&test_world::fake(&cluster, HelmDriver::Secret), &helm).await.0.unwrap();
        cluster.failures.calls()
    };
    let expected = [
        "list Secret",
        "get Secret default/sh.helm.release.v1.demo.v2",
        "discovery",
        "get Job default/migrate",
        "delete Job default/migrate",
        "get Job default/migrate",
    ];
    assert_eq!(calls, expected);
    // The last one looks whether it is gone, and is borne.
    for nth in 1..calls.len() {
        let cluster = cluster();
        cluster.failures.fail_at(nth);
        let (done, _) = clear_noting(&test_world::fake(&cluster, HelmDriver::Secret), &helm).await;
        let error = done.unwrap_err().to_string();
        assert_eq!(error, format!("the Kubernetes API answered 500 to {}: made to fail", calls[nth - 1]));
        assert!(job(&cluster).is_some(), "call {nth}");
    }
}

#[tokio::test]
async fn an_intent_that_is_refused_forbids_the_effect() {
    let cluster = cluster();
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    let helm = begun(HelmCommand::Upgrade, 1);
    let earlier = EarlierHelm { run: RUN, helm: &helm };
    let history = observe::release_history(&world.ctx).await.unwrap();
    let refused = clear_orphaned_hooks(&world.ctx, &world.run, &history, &earlier, |_| {
        Err(PhaseError::State("the disk is full".to_owned()))
    })
    .await;
    assert_eq!(refused.unwrap_err().to_string(), "the disk is full");
    assert!(job(&cluster).is_some());
}

#[tokio::test]
async fn a_run_that_is_stopped_deletes_nothing() {
    let cluster = cluster();
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    world.cancel.cancel();
    let (done, intents) = clear_noting(&world, &begun(HelmCommand::Upgrade, 1)).await;
    assert!(done.unwrap_err().is_interrupted());
    assert_eq!((intents, job(&cluster).is_some()), (vec![], true));
}
