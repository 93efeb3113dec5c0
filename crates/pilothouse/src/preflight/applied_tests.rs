use super::*;
use crate::helm::HelmDriver;
use crate::preflight::permit_overwriting;
use crate::steps::{StepSpec, built_in};
use crate::test_world::{World, over, release};
use pilothouse_core::{ApplyStep, Change, DeleteStep, On, RevisionStatus, StepKind};
use pilothouse_testkit::{FakeCluster, FakeHelm, release_secret};
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;

const OLD: &str = "---\napiVersion: example.com/v1alpha1\nkind: Widget\nmetadata: {name: mine}\n";

/// A definition that serves the version of the deployed manifest, or not any more.
fn definition(serves_old: bool) -> Value {
    let version = |name: &str, served: bool, storage: bool| json!({"name": name, "served": served, "storage": storage});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
        "versions": [version("v1alpha1", serves_old, false), version("v1", true, true)]}})
}

/// A set that loses the claims of the pods that become fewer.
fn set(replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "default"}, "spec": {
        "replicas": replicas, "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}})
}

fn deployed() -> Arc<FakeCluster> {
    let cluster = Arc::new(FakeCluster::default());
    cluster.serve("example.com", "Widget");
    cluster.put(definition(true));
    cluster.put(set(2));
    cluster.put(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-db-1", "namespace": "default"}}));
    cluster.put(release_secret(&release(), 1, RevisionStatus::Deployed, "1.0.0", OLD));
    cluster
}

fn world(cluster: &Arc<FakeCluster>, consent: &[&str]) -> World {
    let helm = Arc::new(FakeHelm::new(cluster.clone(), "", "1.0.0"));
    over(cluster.clone(), helm, HelmDriver::Secret, |info| {
        info.consent = consent.iter().map(|object| ObjectRef::parse(object).unwrap()).collect();
    })
}

fn steps(phase: Phase, kinds: Vec<StepKind>) -> Steps {
    let mut steps = Steps::default();
    let spec = |kind| StepSpec { name: None, on: On::default(), point_of_no_return: false, every_run: false, kind };
    steps.insert(phase, kinds.into_iter().map(|kind| built_in(&spec(kind))).collect());
    steps
}

fn apply(object: &Value) -> StepKind {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [object]});
    StepKind::Apply(ApplyStep { files: Vec::new(), manifests: vec![list.to_string()] })
}

fn upgrade() -> Decision {
    Decision::Change(Change::Upgrade { last_good: Some(1) })
}

fn told(looked: &Applied) -> Vec<String> {
    looked.findings.iter().map(|one| format!("{} {}", one.code, one.subject)).collect()
}

/// It is told before anything runs, and refused where it runs.
#[rstest]
#[case::a_version_that_is_in_use(definition(false), &[], Some("API_NOT_SERVED CustomResourceDefinition widgets.example.com"))]
#[case::the_same(definition(true), &[], None)]
#[case::claims(set(1), &[], Some("DATA_ATTACHED StatefulSet default/db"))]
#[case::claims_with_consent(set(1), &["StatefulSet/db"], None)]
#[case::more(set(3), &[], None)]
#[tokio::test]
async fn what_an_apply_step_will_be_refused_for(
    #[case] object: Value,
    #[case] consent: &[&str],
    #[case] expected: Option<&str>,
) {
    let world = world(&deployed(), consent);
    let looked = look_at_applied(&steps(Phase::PreExec, vec![apply(&object)]), &world.ctx, &upgrade()).await;
    assert_eq!(told(&looked), Vec::from_iter(expected));
    let refused = permit_overwriting(&world.ctx, &[object]).await.err().map(|error| error.to_string());
    assert_eq!(refused.is_some(), expected.is_some(), "{refused:?}");
}

/// Helm has read the deployed revision by then, and has made another one.
#[tokio::test]
async fn after_helm_no_deployed_revision_is_needed() {
    let world = world(&deployed(), &[]);
    let after = steps(Phase::PostExec, vec![apply(&definition(false))]);
    let looked = look_at_applied(&after, &world.ctx, &upgrade()).await;
    assert_eq!((told(&looked), looked.kinds.len()), (Vec::new(), 0));
}

/// An object of the new version is not one that is not served: it is judged by the definition of the step.
#[tokio::test]
async fn the_definitions_that_steps_change() {
    let world = world(&deployed(), &[]);
    let mut more = definition(true);
    more["spec"]["versions"][1]["name"] = json!("v2");
    let before = steps(Phase::PreExec, vec![apply(&more)]);
    let looked = look_at_applied(&before, &world.ctx, &upgrade()).await;
    assert_eq!(looked.kinds.len(), 1);
    assert_eq!(looked.kinds[0].served_versions, ["v1alpha1", "v2"]);
}

/// What is deleted first is not what is there now.
#[tokio::test]
async fn what_another_step_deletes() {
    let world = world(&deployed(), &[]);
    let delete = StepKind::Delete(DeleteStep {
        objects: vec![ObjectRef::parse("StatefulSet/db").unwrap()],
        chart_crds: false,
        timeout_in_seconds: 1,
    });
    let before = steps(Phase::PreExec, vec![delete, apply(&set(1))]);
    assert_eq!(told(&look_at_applied(&before, &world.ctx, &upgrade()).await), [""; 0]);
}

#[tokio::test]
async fn nothing_is_asked_where_nothing_changes() {
    let cluster = deployed();
    let world = world(&cluster, &[]);
    let keep = Decision::Keep { why: String::new() };
    let before = steps(Phase::PreExec, vec![apply(&definition(false)), apply(&set(1))]);
    assert_eq!(told(&look_at_applied(&before, &world.ctx, &keep).await), [""; 0]);
    assert_eq!(cluster.failures.calls(), [""; 0]);
}
