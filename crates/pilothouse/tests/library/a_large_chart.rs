//! A large chart from one version to a much newer one, with its definitions. Tests begin by their names, and this takes longest.

use crate::planning::snapshot::{Changes, fields_between, fields_told, snapshot};
use crate::planning::support::{World, done, plane_config};
use crate::prometheus_operator::PrometheusOperator;
use pilothouse::{ChartRef, HelmAction, HelmChart, ReleaseOutcome};
use pilothouse_core::PlannedAction;
use pilothouse_plane::provision::Tool;
use pilothouse_testkit::{SharedPlane, community_chart};
use rstest::rstest;
use std::path::Path;
use tokio::sync::Mutex;

/// With nobody else on it: everything that there is is compared.
static PLANE: SharedPlane = SharedPlane::new();
static ALONE: Mutex<()> = Mutex::const_new(());

#[rstest]
#[ignore = "the largest chart"]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
async fn exactly_what_is_planned_happens(#[case] tool: Tool) {
    let test = "exactly_what_is_planned_happens";
    let Some(old) = community_chart("kube-prometheus-stack-75.17.0", test) else { return };
    let Some(new) = community_chart("kube-prometheus-stack-88.5.3", test) else { return };
    let _alone = ALONE.lock().await;
    let helm = pilothouse_testkit::helm(tool).await;
    let plane = PLANE.get(plane_config);
    let world = World::with(helm, plane.kubeconfig(), "monitoring".to_owned()).await;
    let chart = |path: &Path, action| -> [Box<dyn HelmChart>; 1] {
        [Box::new(PrometheusOperator::new(ChartRef::path(path), action))]
    };
    let run = async |path: &Path, action| done(&world.run_of(&chart(path, action), None).await[0]);
    run(&old, HelmAction::Deploy).await;

    let written = world.writes_to(plane).len();
    let plan = world.plan_of(&chart(&new, HelmAction::Deploy)).await;
    assert_eq!(world.writes_to(plane).len(), written);
    let release = &plan.releases[0];
    assert_eq!((release.does, &release.findings[..]), (PlannedAction::Upgrade, &[][..]));
    let before = snapshot(&world).await;
    let outcome = world.run_of(&chart(&new, HelmAction::Deploy), Some(&plan)).await;
    let after = snapshot(&world).await;
    let happened = Changes::between(&before, &after);
    if let ReleaseOutcome::Done { .. } = &outcome[0] {
        run(&new, HelmAction::Destroy).await;
    }
    assert_eq!(Changes::told(release), happened);
    let (told, happened) = (fields_told(release), fields_between(&before, &after));
    // One after the other: a difference of all of them at once could not be read.
    for (name, fields) in &happened {
        assert_eq!(told.get(name), Some(fields), "{name}");
    }
    assert_eq!(done(&outcome[0]), "upgraded kube-prometheus-stack 88.5.3, 10 CRDs applied");
}
