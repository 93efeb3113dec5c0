//! Objects of a release that somebody has deleted: they are made again by an upgrade to what is deployed, but for what may have done its
//! work, and what would hide a loss.

use super::losses::{CLAIM, CONFIG};
use super::{World, world};
use pilothouse::kubernetes::ClusterClient as _;
use pilothouse::{HelmChart, ObjectRef};
use pilothouse_core::PlannedAction;
use pilothouse_kube::{Precondition, Propagation};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::json;
use std::time::Duration;

/// Its hook runs with every upgrade.
const HOOK: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: hook, annotations: {helm.sh/hook: pre-upgrade}}
";
const JOB: &str = "apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: example.com/none}]}}}
";

impl World {
    async fn delete(&self, object: &str) {
        let named = self.cluster.resolve(&ObjectRef::parse(object).unwrap(), &self.namespace).await.unwrap();
        // Nobody takes away what protects a claim here.
        let unprotected = json!({"metadata": {"finalizers": null}});
        self.cluster.merge_patch(&named, &unprotected, &Precondition::default()).await.unwrap();
        self.cluster.delete(&named, &Precondition::default(), Propagation::Background).await.unwrap();
        for _ in 0..300 {
            if self.cluster.get(&named).await.unwrap().is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{object} is still there");
    }
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_was_deleted_is_made_again(#[case] tool: Tool) {
    let world = world("gone", tool).await;
    let files = [
        ("templates/cm.yaml", CONFIG),
        ("templates/pvc.yaml", CLAIM),
        ("templates/hook.yaml", HOOK),
        ("templates/job.yaml", JOB),
    ];
    let chart = || world.chart("1.0.0", &files);
    world.done(chart()).await;
    world.unchanged(chart()).await;
    world.delete("cm/settings").await;
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(chart())];
    let plan = pilothouse::plan("test", &charts, &world.session, 1, None).await.unwrap();
    let planned = &plan.releases[0];
    assert_eq!(planned.does, PlannedAction::Upgrade);
    assert_eq!(planned.why, format!("ConfigMap {}/settings is gone and is made again", world.namespace));
    assert!(planned.hooks.iter().any(|hook| hook.object.name == "hook"), "{:?}", planned.hooks);
    let made: Vec<&str> = planned.objects.iter().map(|one| one.object.name.as_str()).collect();
    assert_eq!(made, ["settings"]);
    world.done(chart()).await;
    assert!(world.get("cm/settings").await.is_some() && world.get("cm/hook").await.is_some());
    world.unchanged(chart()).await;
    // What held data is reported.
    world.delete("pvc/data").await;
    world.unchanged(chart()).await;
    // Beside it nothing is made again either: the upgrade would bring an empty claim.
    world.delete("cm/settings").await;
    world.unchanged(chart()).await;
    world.done(chart().consenting("pvc/data")).await;
    assert!(world.get("pvc/data").await.is_some() && world.get("cm/settings").await.is_some());
    // So is what may have done its work.
    world.delete("job/once").await;
    world.unchanged(chart()).await;
}
