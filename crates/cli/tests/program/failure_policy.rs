//! What the failure policy does, with real helm on a real control plane.

use crate::from_cluster::create;
use crate::support::{World, helm, kubectl_get, plane, settings};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::json;

/// A stack of one release in a namespace of its own, with this policy and this validate step.
fn stack(name: &str, on_failure: &str, validate: &str) -> String {
    format!(
        "version: 1\nname: {name}\nreleases:\n  - name: web\n    namespace: {name}\n    chart: {{ path: CHARTS/config }}\n    \
         on_failure: {on_failure}\n    validate: [{{ name: smoke test, command: {{ run: {validate} }} }}]\n"
    )
}

const FAILS: &str = "[\"false\"]";
const WORKS: &str = "[\"true\"]";
const FAILS_ONCE: &str = "[sh, -c, 'test -e tried || { touch tried; exit 1; }']";

/// Applies it; the transcript is the same with both helms.
fn apply(world: &World, tool: Tool) -> String {
    let transcript = world.transcript(world.on_plane(&["apply", "--yes"]).env("PILOTHOUSE_HELM", helm(tool)));
    transcript.replace(tool.name(), "TOOL")
}

#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
fn an_upgrade_that_is_not_valid_is_rolled_back(#[case] tool: Tool) {
    let name = format!("rolled-back-{}", tool.name());
    let world = World::with_stack(&stack(&name, "rollback", WORKS));
    assert!(apply(&world, tool).starts_with("exit code: 0\n"));
    let changed = format!("{}    values: [{{ key: text, value: changed }}]\n", stack(&name, "rollback", FAILS));
    world.write("pilothouse.yaml", &changed);
    settings().bind(|| insta::assert_snapshot!("rolled_back", apply(&world, tool)));
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
fn a_first_install_that_is_not_valid_is_uninstalled(#[case] tool: Tool) {
    let policy = "{ install: { retry: 1, backoff_in_seconds: 1, then: uninstall }, upgrade: rollback }";
    let world = World::with_stack(&stack(&format!("uninstalled-{}", tool.name()), policy, FAILS));
    settings().bind(|| insta::assert_snapshot!("uninstalled", apply(&world, tool)));
    // Nothing is left: the next one is a first install again.
    let name = format!("uninstalled-{}", tool.name());
    world.write("pilothouse.yaml", &stack(&name, policy, WORKS));
    let again = apply(&world, tool);
    assert!(again.starts_with("exit code: 0\n") && again.contains("installed config"), "{again}");
}

#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
fn what_works_at_the_second_attempt_is_done(#[case] tool: Tool) {
    let policy = "{ retry: 2, backoff_in_seconds: 1, then: uninstall }";
    let world = World::with_stack(&stack(&format!("second-{}", tool.name()), policy, FAILS_ONCE));
    settings().bind(|| insta::assert_snapshot!("second_attempt", apply(&world, tool)));
}

const ADOPTED: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web }\ndata: { text: chart }\n";

/// A run is killed when it has adopted what was there before, and the next one goes on and fails: what was adopted stays. Fields
/// that others have made are no reason to fail.
#[rstest]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[case::helm_4(Tool::Helm4)]
fn a_continued_run_knows_what_was_adopted(#[case] tool: Tool) {
    let name = format!("adopted-{}", tool.name());
    let stack = format!(
        "version: 1\nname: {name}\nreleases:\n  - name: web\n    namespace: {name}\n    chart: {{ path: web }}\n    \
         on_failure: {{ install: uninstall }}\n    pre_exec: [{{ adopt: {{ unowned: true }} }}]\n    \
         validate: [{{ command: {{ run: [\"false\"] }} }}]\n"
    );
    let world = World::with_stack(&stack);
    world.write("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n");
    world.write("web/templates/all.yaml", ADOPTED);
    let metadata = json!({"name": "web", "namespace": name});
    create(&[
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": "before", "more": "data"}}),
    ]);
    let killed =
        world.on_plane(&["apply", "--yes", "--kill-at", "7"]).env("PILOTHOUSE_HELM", helm(tool)).output().unwrap();
    assert_eq!(killed.status.code(), None);
    let told = apply(&world, tool);
    assert!(told.contains("objects that were adopted would be deleted"), "{told}");
    let live = kubectl_get(plane(), "v1", "ConfigMap", Some(&name), "web").unwrap();
    assert_eq!((&live["data"]["text"], &live["data"]["more"]), (&json!("chart"), &json!("data")));
}
