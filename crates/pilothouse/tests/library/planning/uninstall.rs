//! What an uninstall takes along.

use super::support::{World, changes};
use pilothouse::{ChartInfo, HelmAction, ReleaseOutcome};
use pilothouse_core::{ObjectChange, PlannedAction};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::json;

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
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
async fn what_is_kept_is_told_apart(#[case] tool: Tool) {
    let world = World::new("uninstall", tool).await;
    let chart = world.chart("kept", &[("templates/all.yaml", OBJECTS)]);
    let info = |action| ChartInfo { action, ..world.info("kept", &chart, &[]) };
    assert_eq!(world.done(info(HelmAction::Deploy)).await, "installed kept 1.0.0");

    let written = world.writes();
    let plan = world.plan_one(info(HelmAction::Destroy)).await;
    assert_eq!(world.writes(), written);
    assert_eq!(plan.why, "it is to be destroyed");
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

const HOOKED: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: goes }
---
apiVersion: v1
kind: Service
metadata: { name: goes }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: stays, annotations: { helm.sh/resource-policy: keep } }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: before, annotations: { helm.sh/hook: pre-delete } }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: after, annotations: { helm.sh/hook: post-delete } }
";

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn its_effects_and_hooks_are_told(#[case] tool: Tool) {
    let world = World::new("uninstall-effects", tool).await;
    let chart = world.chart("hooked", &[("templates/all.yaml", HOOKED)]);
    let info = |action| ChartInfo { action, ..world.info("hooked", &chart, &[]) };
    assert_eq!(world.done(info(HelmAction::Deploy)).await, "installed hooked 1.0.0");

    let plan = world.plan(vec![info(HelmAction::Destroy)]).await;
    let release = &plan.releases[0];
    let hooks: Vec<_> = release.hooks.iter().map(|hook| (hook.event.as_str(), hook.object.name.as_str())).collect();
    assert_eq!(hooks, [("pre-delete", "before"), ("post-delete", "after")]);
    let effects: Vec<_> =
        release.effects.iter().map(|effect| (effect.object.to_string(), effect.what.as_str())).collect();
    let service = world.object("v1", "Service", "goes").to_string();
    assert_eq!(effects, [(service, "nothing is reached through it any more")]);

    // What it leaves behind counts too: somebody else may want it back.
    let stays = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stays"}, "data": {"more": "of somebody"}});
    world.apply_as("somebody", &stays).await;
    let outcome = world.run(vec![info(HelmAction::Destroy)], Some(&plan)).await;
    let ReleaseOutcome::Refused { findings } = &outcome[0] else { panic!("{outcome:?}") };
    let subjects: Vec<_> = findings.iter().map(|finding| finding.subject.clone()).collect();
    assert_eq!(subjects, [world.object("v1", "ConfigMap", "stays").to_string()]);
    assert_eq!(world.done(info(HelmAction::Destroy)).await, "uninstalled");
}
