//! What an uninstall takes along.

use crate::support::{World, changes};
use pilothouse::{ChartInfo, HelmAction};
use pilothouse_core::{ObjectChange, PlannedAction};
use pilothouse_plane::provision::Tool;
use rstest::rstest;

const OBJECTS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: goes }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: stays, annotations: { helm.sh/resource-policy: keep } }
---
apiVersion: v1
kind: Secret
metadata: { name: goes }
";

#[rstest]
#[tokio::test]
async fn what_is_kept_is_told_apart(#[values(Tool::Helm3, Tool::Helm4)] tool: Tool) {
    let world = World::new("uninstall", tool).await;
    let chart = world.chart("kept", &[("templates/all.yaml", OBJECTS)]);
    let info = |action| ChartInfo { action, ..world.info("kept", &chart, &[]) };
    assert_eq!(world.done(info(HelmAction::Deploy)).await, "installed kept 1.0.0");

    let written = world.writes();
    let plan = world.plan_one(info(HelmAction::Destroy)).await;
    assert_eq!(world.writes(), written);
    let is = |kind: &str, name: &str, change| (world.object("v1", kind, name).to_string(), change);
    assert_eq!(
        (plan.does, changes(&plan)),
        (
            PlannedAction::Uninstall,
            vec![
                is("Secret", "goes", ObjectChange::Delete),
                is("ConfigMap", "goes", ObjectChange::Delete),
                is("ConfigMap", "stays", ObjectChange::Keep),
            ]
        )
    );

    assert_eq!(world.done(info(HelmAction::Destroy)).await, "uninstalled");
    let is_left = async |kind: &str, name: &str| world.get("v1", kind, name).await.is_some();
    let left =
        [is_left("Secret", "goes").await, is_left("ConfigMap", "goes").await, is_left("ConfigMap", "stays").await];
    assert_eq!(left, [false, false, true]);
    assert!(!world.plan(vec![info(HelmAction::Destroy)]).await.has_changes());
}
