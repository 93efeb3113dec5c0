//! What a release of a run takes from another one that comes after it: an object that changes hands, and custom resources that go with
//! their definition.

use super::support::{World, changes, done};
use pilothouse::{ChartInfo, Need, ObjectRef, ReleaseOutcome};
use pilothouse_core::{ObjectChange, PlannedAction};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::json;

fn config(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: {name} }}\ndata: {{ a: b }}\n")
}

fn definition(group: &str) -> String {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("monitors.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Monitor", "plural": "monitors"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]},
    })
    .to_string()
}

impl World {
    /// A release of a chart of this version with these objects.
    fn release(&self, name: &str, version: &str, objects: &[String]) -> ChartInfo {
        let chart = self.chart(name, &[("templates/all.yaml", &objects.join("---\n"))]);
        let text = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
        std::fs::write(chart.join("Chart.yaml"), text).unwrap();
        ChartInfo { wait: false, ..self.info(name, &chart, &[]) }
    }
}

fn needing(release: ChartInfo, on: &str) -> ChartInfo {
    ChartInfo { needs: vec![Need::new(on)], ..release }
}

/// Carried out as it is, and as it was saved.
#[rstest]
#[case::helm_4(Tool::Helm4, false)]
#[ignore = "the other way"]
#[case::helm_4_the_other_way(Tool::Helm4, true)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3, false)]
#[ignore = "the other helm"]
#[case::helm_3_the_other_way(Tool::Helm3, true)]
#[tokio::test]
async fn custom_resources_that_go_with_their_definition_are_made_again(#[case] tool: Tool, #[case] is_saved: bool) {
    let world = World::new(&format!("taken-{is_saved}"), tool).await;
    let group = format!("{}.example.com", world.namespace);
    let definition = format!("{}\n", definition(&group));
    let monitor = format!("apiVersion: {group}/v1\nkind: Monitor\nmetadata: {{ name: m }}\nspec: {{ a: 1 }}\n");
    let user = || needing(world.release("user", "1.0.0", &[config("user"), monitor.clone()]), "owner");
    let owner = |version: &str| ChartInfo {
        last_breaking_version_requiring_restart: Some("2.0.0".parse().unwrap()),
        consent: vec![ObjectRef::parse(&format!("CustomResourceDefinition/monitors.{group}")).unwrap()],
        ..world.release("owner", version, &[config("owner"), definition.clone()])
    };
    for outcome in world.run(vec![owner("1.0.0"), user()], None).await {
        done(&outcome);
    }
    let charts = || vec![owner("2.0.0"), user()];
    let plan = world.plan(charts()).await;
    let (of_owner, of_user) = (&plan.releases[0], &plan.releases[1]);
    assert_eq!(of_owner.does, PlannedAction::Reinstall, "{:?}", of_owner.findings);
    assert_eq!(of_user.does, PlannedAction::Upgrade, "{of_user:?}");
    let object = format!("Monitor {}/m", world.namespace);
    assert_eq!(of_user.why, format!("{object} goes with {} and is made again", of_owner.release));
    assert_eq!(changes(of_user), [(object, ObjectChange::Create)]);
    let outcomes = world.run(charts(), Some(&plan).filter(|_| is_saved)).await;
    for outcome in &outcomes {
        done(outcome);
    }
    assert!(world.get(&format!("{group}/v1"), "Monitor", "m").await.is_some());
    let unchanged = world.run(charts(), None).await;
    assert!(unchanged.iter().all(|one| matches!(one, ReleaseOutcome::Unchanged { .. })), "{unchanged:?}");
    // Without the definition, nothing could make them again.
    let without =
        || ChartInfo { consent: owner("2.0.0").consent, ..world.release("owner", "2.0.0", &[config("owner")]) };
    let plan = world.plan(vec![without(), user()]).await;
    let (of_owner, of_user) = (&plan.releases[0], &plan.releases[1]);
    assert_eq!((of_owner.does, of_user.does), (PlannedAction::Upgrade, PlannedAction::Refuse), "{of_owner:?}");
    let object = format!("Monitor {}/m", world.namespace);
    let said: Vec<(&str, &str)> = of_user.findings.iter().map(|one| (&*one.subject, &*one.code)).collect();
    assert_eq!(said, [(&*object, "API_NOT_SERVED")]);
    // In no order, it is warned of.
    let alone = ChartInfo { needs: Vec::new(), ..user() };
    let plan = world.plan(vec![without(), alone]).await;
    let of_user = plan.releases.iter().find(|one| one.release.name == "user").unwrap();
    let owner = &of_owner.release;
    assert_eq!(of_user.warnings, [format!("{object} goes with {owner}: let this release need {owner}")]);
    assert_eq!(of_user.does, PlannedAction::Nothing);
}

#[rstest]
#[case::helm_4(Tool::Helm4, true)]
#[ignore = "the other way"]
#[case::helm_4_the_other_way(Tool::Helm4, false)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3, true)]
#[ignore = "the other helm"]
#[case::helm_3_the_other_way(Tool::Helm3, false)]
#[tokio::test]
async fn an_object_moves_from_one_release_to_a_later_one(#[case] tool: Tool, #[case] is_saved: bool) {
    let world = World::new(&format!("moves-{is_saved}"), tool).await;
    let from =
        |objects: &[&str]| world.release("from", "1.0.0", &objects.iter().copied().map(config).collect::<Vec<_>>());
    let to = |objects: &[&str]| world.release("to", "1.0.0", &objects.iter().copied().map(config).collect::<Vec<_>>());
    for outcome in world.run(vec![from(&["one", "moved"]), needing(to(&["two"]), "from")], None).await {
        done(&outcome);
    }
    let object = format!("ConfigMap {}/moved", world.namespace);
    // Side by side, nobody knows which comes first.
    let plan = world.plan(vec![from(&["one"]), to(&["two", "moved"])]).await;
    let refused = plan.releases.iter().find(|one| one.release.name == "to").unwrap();
    let said: Vec<(&str, &str)> = refused.findings.iter().map(|one| (&*one.subject, &*one.code)).collect();
    assert_eq!(said, [(&*object, "OWNERSHIP_CONFLICT")]);
    let hint = format!("let this release need {}/from, which deletes it", world.namespace);
    assert!(refused.findings[0].message.ends_with(&hint), "{}", refused.findings[0].message);
    let charts = || vec![from(&["one"]), needing(to(&["two", "moved"]), "from")];
    let plan = world.plan(charts()).await;
    let (before, after) = (&plan.releases[0], &plan.releases[1]);
    assert_eq!(changes(before), [(object.clone(), ObjectChange::Delete)]);
    assert_eq!((&*after.findings, changes(after)), (&[][..], vec![(object, ObjectChange::Create)]));
    let outcomes = world.run(charts(), Some(&plan).filter(|_| is_saved)).await;
    for outcome in &outcomes {
        done(outcome);
    }
    let moved = world.get("v1", "ConfigMap", "moved").await.unwrap();
    assert_eq!(moved["metadata"]["annotations"]["meta.helm.sh/release-name"], "to");
}
