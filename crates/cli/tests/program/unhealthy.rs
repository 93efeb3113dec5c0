//! Releases whose pods cannot start, as people read of them: the object and the reason are told, not only that the time is up.
//! The corpus has all the other causes.

use crate::support::{World, display, helm, settings};
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Fault, FaultKind};
use pilothouse_testkit::community_chart;
use rstest::rstest;

/// What is broken on the plane of these tests, by namespace.
pub(crate) fn faults() -> Vec<Fault> {
    let kinds = [
        ("no-image", FaultKind::ImagePullError { message: "registry.example.com/operator:1: not found".to_owned() }),
        ("early-end", FaultKind::ImagePullError { message: "registry.example.com/operator:1: not found".to_owned() }),
        (
            "crash",
            FaultKind::CrashLoop {
                exit_code: 3,
                log: vec!["starting".to_owned(), "no database at db:5432".to_owned()],
            },
        ),
        ("failing-hook", FaultKind::FailingJob { exit_code: 4, log: vec!["relation users does not exist".to_owned()] }),
    ];
    kinds.into_iter().map(|(namespace, kind)| Fault::by_namespace(namespace, kind)).collect()
}

#[rstest]
#[case::image_that_cannot_be_pulled("no-image")]
#[case::program_that_exits("crash")]
fn is_told_with_object_and_reason(#[case] namespace: &str) {
    let world = World::with_stack(&format!(
        "version: 1\nname: {namespace}\nreleases:\n  - name: web\n    namespace: {namespace}\n    chart: {{ path: CHARTS/node-agent }}\n    \
         timeout_in_seconds: 12\n    values: [{{ key: clusterRole, value: {namespace} }}]\n"
    ));
    let transcript = world.transcript(&mut world.on_plane(&["apply", "--yes"]));
    settings().bind(|| insta::assert_snapshot!(namespace, transcript));
    assert!(transcript.starts_with("exit code: 1\n"));
}

/// helm 3 with `--wait` calls this deployed after two seconds: zero ready pods of one are enough for it.
#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
fn podinfo_without_its_image_fails(#[case] tool: Tool) {
    let Some(chart) = community_chart("podinfo-6.14.1", "podinfo_without_its_image_fails") else { return };
    let world = World::with_stack(&format!(
        "version: 1\nname: {0}\nreleases:\n  - name: {0}\n    namespace: no-image\n    chart: {{ path: {1} }}\n    \
         timeout_in_seconds: 12\n",
        tool.name(),
        display(&chart)
    ));
    let transcript = world.transcript(world.on_plane(&["apply", "--yes"]).env("PILOTHOUSE_HELM", helm(tool)));
    assert!(transcript.starts_with("exit code: 1\n"), "{transcript}");
    assert!(transcript.contains("ImagePullBackOff"), "{transcript}");
}
