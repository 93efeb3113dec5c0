//! What remains after a destroy: an object that a controller recreates, and one whose deletion is held up.

use super::support::{World, done};
use pilothouse::kubernetes::ClusterClient;
use pilothouse::{ChartInfo, HelmAction, HelmChart, ReleaseOutcome, RunConfig, RunId};
use pilothouse_core::{PlannedAction, adoption_patch};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::json;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const DEFAULT: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: default }\n";
const HELD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: held, finalizers: [example.com/hold] }\n";

struct Plain(ChartInfo);

impl HelmChart for Plain {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }
}

/// How a destroy ends, and all that was told.
async fn destroyed(world: &World, info: &ChartInfo) -> (ReleaseOutcome, String) {
    let charts: [Box<dyn HelmChart>; 1] = [Box::new(Plain(ChartInfo { action: HelmAction::Destroy, ..info.clone() }))];
    let told = Mutex::new(String::new());
    let config = RunConfig::new("test", RunId(uuid::Uuid::now_v7()));
    let tell = |event: &_| told.lock().unwrap().push_str(&serde_json::to_string(event).unwrap());
    let mut outcome = pilothouse::run(&config, &charts, &world.session, tell).await.unwrap();
    (outcome.releases.remove(0).1, told.into_inner().unwrap())
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_a_controller_makes_again_is_not_waited_for(#[case] tool: Tool) {
    let world = World::new("made-again", tool).await;
    let chart = world.chart("account", &[("templates/account.yaml", DEFAULT)]);
    let info = world.info("account", &chart, &[]);
    assert!(world.cluster.create_namespace(&world.namespace).await.unwrap());
    let account = async || world.get("v1", "ServiceAccount", "default").await;
    let begun = Instant::now();
    while account().await.is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the controller has not made it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.patch("v1", "ServiceAccount", "default", &adoption_patch(&info.key())).await;
    world.done(info.clone()).await;
    let uid = account().await.unwrap()["metadata"]["uid"].clone();

    let begun = Instant::now();
    let (outcome, told) = destroyed(&world, &info).await;
    assert_eq!(done(&outcome), "uninstalled");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    // The controller may be slower than a look: what is told where it is not, a test over a cluster in memory says.
    let begun = Instant::now();
    while account().await.is_none_or(|now| now["metadata"]["uid"] == uid) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the controller has not made it again: {told}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
async fn a_second_destroy_waits_for_what_the_first_has_left(#[case] tool: Tool) {
    let world = World::new("held", tool).await;
    let chart = world.chart("held", &[("templates/held.yaml", HELD)]);
    let info = ChartInfo { timeout_in_seconds: 5, ..world.info("held", &chart, &[]) };
    world.done(info.clone()).await;
    for _ in 0..2 {
        let (outcome, _) = destroyed(&world, &info).await;
        let ReleaseOutcome::Failed(failure) = &outcome else { panic!("{outcome:?}") };
        assert!(format!("{failure:?}").contains("held"), "{failure:?}");
        let plan = world.plan_one(ChartInfo { action: HelmAction::Destroy, ..info.clone() }).await;
        let held = format!(
            "ConfigMap {}/held is being deleted and waits for its finalizers: example.com/hold; the destroy waits until it is gone, 5 s at most",
            world.namespace
        );
        assert_eq!((plan.does, plan.warnings), (PlannedAction::Nothing, vec![held]));
    }
    world.patch("v1", "ConfigMap", "held", &json!({"metadata": {"finalizers": null}})).await;
    assert!(matches!(destroyed(&world, &info).await.0, ReleaseOutcome::Done { .. } | ReleaseOutcome::Unchanged { .. }));
    assert_eq!(world.get("v1", "ConfigMap", "held").await, None);
}
