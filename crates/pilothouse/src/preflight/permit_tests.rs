use super::*;
use crate::HelmDriver;
use crate::actions;
use crate::test_world::{World, fake, release};
use pilothouse_core::RevisionStatus;
use pilothouse_testkit::{FakeCluster, release_secret};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

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
    let why = "another object of that name has taken its place since it was looked at";
    assert_eq!(error.to_string(), format!("ConfigMap default/web was not deleted: {why}"));
    let left = cluster.object("ConfigMap", Some("default"), "web").unwrap();
    assert_eq!(left["data"]["of"], "somebody else");
}

/// Between the permit and helm lie the intent and the definitions that are brought.
#[tokio::test]
async fn what_helm_is_going_to_delete_is_read_once_more() {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(config_map("somebody"));
    let World { ctx, .. } = fake(&cluster, HelmDriver::Secret);
    let live = cluster.object("ConfigMap", Some("default"), "web").unwrap();
    let as_seen = Precondition { resource_version: None, ..Precondition::unchanged(&live) };
    let object = pilothouse_core::object_ref(&live).unwrap();
    let permit =
        Permit::new(Deploy { wanted: Arc::default(), goes: vec![Deletion { object, as_seen }], stays: Vec::new() });
    refuse_unless_as_seen(&ctx, &permit).await.unwrap();
    cluster.remove("ConfigMap", Some("default"), "web").unwrap();
    refuse_unless_as_seen(&ctx, &permit).await.unwrap();
    cluster.put(config_map("somebody else"));
    let error = refuse_unless_as_seen(&ctx, &permit).await.unwrap_err().to_string();
    assert!(error.ends_with("web: another object of that name has taken its place since it was looked at"), "{error}");
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
    assert_eq!(permit_uninstall(&ctx, &run).await.unwrap().into_deed().objects.len(), 1);
    let live = cluster.object("ConfigMap", Some("default"), "web").unwrap();
    run.attempts.note_adopted(&[pilothouse_core::object_ref(&live).unwrap()]);
    let PhaseError::Refused(findings) = permit_uninstall(&ctx, &run).await.err().unwrap() else {
        panic!("not refused")
    };
    let found: Vec<(&str, &str)> = findings.iter().map(|one| (one.code.as_str(), one.subject.as_str())).collect();
    assert_eq!(found, [("OWNERSHIP_CONFLICT", "ConfigMap default/web")]);
}
