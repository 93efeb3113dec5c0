//! What a plan costs where little has changed. Tests begin by their names, and this takes long.

use crate::planning::support::{World, changes, done, plane};
use pilothouse::ChartInfo;
use pilothouse_core::{ObjectChange, PlannedAction};
use pilothouse_plane::provision::Tool;
use pilothouse_testkit::fixture_chart;
use rstest::rstest;
use std::os::unix::fs::PermissionsExt;

const RELEASES: usize = 50;

#[rstest]
#[ignore = "fifty releases"]
#[case::helm_3(Tool::Helm3)]
#[ignore = "fifty releases"]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
async fn only_the_changed_release_is_rendered(#[case] tool: Tool) {
    let folder = tempfile::tempdir().unwrap();
    let (program, starts) = (folder.path().join("helm"), folder.path().join("starts"));
    let helm = pilothouse_testkit::helm(tool).await;
    let script = format!("#!/bin/sh\necho \"$1\" >> '{}'\nexec '{}' \"$@\"\n", starts.display(), helm.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let world = World::with(program, plane().kubeconfig(), format!("fifty-{}", tool.name())).await;
    let releases = |changed: Option<usize>| -> Vec<ChartInfo> {
        let release = |n| {
            let text = if changed == Some(n) { "new" } else { "old" };
            world.info(&format!("r{n:02}"), &fixture_chart("config"), &[("text", text)])
        };
        (0..RELEASES).map(release).collect()
    };
    let installed = world.run(releases(None), None).await;
    assert!(installed.iter().all(|outcome| done(outcome) == "installed config 1.0.0"));

    std::fs::write(&starts, "").unwrap();
    let plan = world.plan(releases(Some(17))).await;
    assert_eq!(std::fs::read_to_string(&starts).unwrap(), "template\n");
    let changing: Vec<_> =
        plan.releases.iter().filter(|release| release.does != PlannedAction::Nothing).map(changes).collect();
    let object = world.object("v1", "ConfigMap", "r17").to_string();
    assert_eq!(changing, [[(object, ObjectChange::Update)]]);
}
