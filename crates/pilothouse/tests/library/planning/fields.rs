//! The fields of a change, before and after.

use super::support::{World, changes, fields};
use pilothouse_core::{ObjectChange, PlannedAction};
use pilothouse_plane::provision::Tool;
use pilothouse_testkit::community_chart;
use rstest::rstest;
use serde_json::json;

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn changed_values_change_just_these_fields(#[case] tool: Tool) {
    let Some(package) = community_chart("podinfo-6.14.1", "changed_values_change_just_these_fields") else { return };
    let world = World::new("fields", tool).await;
    let podinfo = |message: &str, replicas: &str| {
        let values = [("ui.message", message), ("replicaCount", replicas), ("service.externalPort", "9898")];
        world.info("podinfo", &package, &values)
    };
    assert_eq!(world.done(podinfo("hello", "1")).await, "installed podinfo 6.14.1");

    let written = world.writes();
    let plan = world.plan_one(podinfo("welcome", "2")).await;
    assert_eq!(world.writes(), written);
    let web = world.object("apps/v1", "Deployment", "podinfo").to_string();
    assert_eq!((plan.does, plan.why.as_str(), plan.revision), (PlannedAction::Upgrade, "values changed", 1));
    assert_eq!((changes(&plan), plan.unchanged), (vec![(web, ObjectChange::Update)], 1));
    let message = "spec.template.spec.containers[name=podinfo].env[name=PODINFO_UI_MESSAGE].value";
    assert_eq!(
        fields(&plan.objects[0]),
        [
            ("spec.replicas", Some(&json!(1)), Some(&json!(2))),
            (message, Some(&json!("hello")), Some(&json!("welcome"))),
        ]
    );

    assert_eq!(world.done(podinfo("welcome", "2")).await, "upgraded podinfo 6.14.1");
    assert_ne!(world.writes(), written);
    let live = world.get("apps/v1", "Deployment", "podinfo").await.unwrap();
    let env = &live["spec"]["template"]["spec"]["containers"][0]["env"][0];
    assert_eq!(
        (&live["spec"]["replicas"], env),
        (&json!(2), &json!({"name": "PODINFO_UI_MESSAGE", "value": "welcome"}))
    );

    let written = world.writes();
    let again = world.plan(vec![podinfo("welcome", "2")]).await;
    assert_eq!((again.releases[0].does, again.has_changes()), (PlannedAction::Nothing, false));
    assert_eq!(again.releases[0].why, "chart, values and steps are those that were deployed, and so are the objects");
    assert_eq!(world.writes(), written);
}
