//! A field that somebody else has taken.

use super::support::{World, changes, fields};
use pilothouse::ReleaseOutcome;
use pilothouse_core::{ObjectChange, PlannedAction};
use pilothouse_plane::provision::Tool;
use serde_json::json;

/// A Deployment of a number of pods.
pub(crate) const WEB: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: {{ .Values.replicas }}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: registry.example.com/web:1 }] }
";

async fn scaled_by_somebody(tool: Tool) -> (World, std::path::PathBuf) {
    let world = World::new("conflict", tool).await;
    let chart = world.chart("web", &[("templates/web.yaml", WEB)]);
    assert_eq!(world.done(world.info("web", &chart, &[("replicas", "1")])).await, "installed web 1.0.0");
    let scaled =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 3}});
    world.apply_as("kubectl", &scaled).await;
    (world, chart)
}

#[tokio::test]
async fn what_helm_4_is_going_to_be_refused_is_told_before() {
    let (world, chart) = scaled_by_somebody(Tool::Helm4).await;
    let wanted = || world.info("web", &chart, &[("replicas", "2")]);
    let plan = world.plan_one(wanted()).await;
    let why = "Apply failed with 1 conflict: conflict with \"kubectl\": .spec.replicas".to_owned();
    let web = world.object("apps/v1", "Deployment", "web").to_string();
    assert_eq!(changes(&plan), [(web, ObjectChange::Refused { why })]);
    assert_eq!(fields(&plan.objects[0]), [("spec.replicas", Some(&json!(3)), Some(&json!(2)))]);
    let by = plan.objects[0].fields[0].written_by.as_deref().unwrap();
    assert_eq!(by.split_once(", ").unwrap().0, "kubectl");

    // A run is refused for the same reason, before helm has made a failed revision of it.
    assert_eq!(plan.does, PlannedAction::Refuse);
    let outcome = world.run(vec![wanted()], None).await;
    assert_eq!(outcome, [ReleaseOutcome::Refused { findings: plan.findings }]);
    assert_eq!(world.get("apps/v1", "Deployment", "web").await.unwrap()["spec"]["replicas"], 3);
}

#[tokio::test]
async fn helm_3_takes_the_field_back() {
    let (world, chart) = scaled_by_somebody(Tool::Helm3).await;
    let wanted = || world.info("web", &chart, &[("replicas", "2")]);
    let plan = world.plan_one(wanted()).await;
    let web = world.object("apps/v1", "Deployment", "web").to_string();
    assert_eq!((plan.does, changes(&plan)), (PlannedAction::Upgrade, vec![(web, ObjectChange::Update)]));
    assert_eq!(fields(&plan.objects[0]), [("spec.replicas", Some(&json!(3)), Some(&json!(2)))]);
    assert_eq!(world.done(wanted()).await, "upgraded web 1.0.0");
    assert_eq!(world.get("apps/v1", "Deployment", "web").await.unwrap()["spec"]["replicas"], 2);
}
