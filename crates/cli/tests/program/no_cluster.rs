//! Commands that need no cluster.

use crate::support::World;
use pilothouse_testkit::repository;

const STACK: &str = "\
version: 1
name: demo
releases:
  - name: data
    namespace: demo
    chart: { path: CHARTS/data }
  - name: node-agent
    namespace: demo
    chart: { path: CHARTS/node-agent }
    values: [{ key: clusterRole, value: another }]
";

#[test]
fn lint_of_the_quickstart_is_clean() {
    let world = World::new();
    let stack = repository().join("examples/quickstart");
    insta::assert_snapshot!(world.transcript(&mut world.program(&["lint", stack.to_str().unwrap()])));
}

#[test]
fn lint_tells_every_release() {
    let world = World::with_stack(&STACK.replace("CHARTS/data", "none"));
    insta::assert_snapshot!(world.transcript(&mut world.program(&["lint"])));
}

#[test]
fn lint_as_json() {
    let world = World::with_stack(&STACK.replace("CHARTS/data", "none"));
    insta::assert_snapshot!(world.transcript(&mut world.program(&["lint", "--output", "json"])));
}

#[test]
fn render_one_release() {
    let world = World::with_stack(STACK);
    insta::assert_snapshot!(world.transcript(&mut world.program(&["render", "--only", "node-agent"])));
}

#[test]
fn render_of_an_unknown_release() {
    let world = World::with_stack(STACK);
    insta::assert_snapshot!(world.transcript(&mut world.program(&["render", "--only", "agent"])));
}

#[test]
fn no_stack_file() {
    let world = World::new();
    insta::assert_snapshot!(world.transcript(&mut world.program(&["lint"])));
}

#[test]
fn help() {
    let world = World::new();
    insta::assert_snapshot!(world.transcript(&mut world.program(&["--help"])));
}

#[test]
fn completions_and_schema_are_printed() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = world.transcript(&mut world.program(&["completions", shell]));
        assert!(script.starts_with("exit code: 0\n") && script.contains("rehearse"), "{script}");
    }
    let schema = world.program(&["schema"]).output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert_eq!(schema, pilothouse_config::schema());
}
