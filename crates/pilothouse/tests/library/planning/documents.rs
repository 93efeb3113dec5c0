//! Documents as helm reads them: lists with annotations of their own, and what helm cannot use.

use super::support::World;
use pilothouse::{HelmAction, ReleaseOutcome};
use pilothouse_core::PlannedAction;
use pilothouse_plane::provision::Tool;
use rstest::rstest;

const LIST: &str = "apiVersion: v1\nkind: List\nitems:\n  - { apiVersion: v1, kind: ConfigMap, metadata: { name: a } }\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: z }\n";

/// What an uninstall keeps is written in the list alone: adding it there is a change that is deployed.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_list_that_is_to_be_kept_from_now_on(#[case] tool: Tool) {
    let world = World::new("kept-list", tool).await;
    let chart = world.chart("lists", &[("templates/list.yaml", LIST)]);
    let info = world.info("lists", &chart, &[]);
    world.done(info.clone()).await;

    let kept = LIST.replacen("items:", "metadata: { annotations: { helm.sh/resource-policy: keep } }\nitems:", 1);
    let chart = world.chart("lists", &[("templates/list.yaml", &kept)]);
    let info = world.info("lists", &chart, &[]);
    assert_eq!(world.plan_one(info.clone()).await.does, PlannedAction::Upgrade);
    assert_eq!(world.done(info.clone()).await, "upgraded lists 1.0.0");

    let destroy = pilothouse::ChartInfo { action: HelmAction::Destroy, ..info };
    world.done(destroy).await;
    assert!(world.get("v1", "ConfigMap", "a").await.is_some());
    assert_eq!(world.get("v1", "ConfigMap", "z").await, None);
}

/// Told by plan and run alike, before anything is written.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_helm_cannot_use(#[case] tool: Tool) {
    let world = World::new("unusable", tool).await;
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: y }\n---\napiVersion: v1\nkind: List\nitems:\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: z }\n";
    let chart = world.chart("bad", &[("templates/all.yaml", text)]);
    let info = world.info("bad", &chart, &[]);
    let expected = [
        "bad/templates/all.yaml: ConfigMap: metadata.name is the boolean true to helm, not text: write it in quotes",
        "bad/templates/all.yaml: List: `items` is empty, not a list",
    ];
    let plan = world.plan_one(info.clone()).await;
    assert_eq!(plan.does, PlannedAction::Refuse);
    assert_eq!(plan.findings.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    let outcome = world.run(vec![info], None).await.remove(0);
    let ReleaseOutcome::Refused { findings } = outcome else { panic!("{outcome:?}") };
    assert_eq!(findings.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    assert_eq!(world.writes(), [""; 0]);
}
