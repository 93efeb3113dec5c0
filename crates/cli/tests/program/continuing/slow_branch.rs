//! A slow release delays nothing that does not need it.

use super::left::newest_journal;
use super::running::{eventually, start};
use crate::support::World;
use jiff::Timestamp;
use pilothouse_plane::provision::Tool;

const STACK: &str = "\
version: 1
name: branches
defaults: { namespace: branches }
releases:
  - name: slow
    chart: { path: CHARTS/config }
    pre_exec: [{ command: { run: [sh, -c, 'until [ -e go ]; do sleep 0.1; done'] } }]
  - name: one
    chart: { path: CHARTS/config }
  - name: two
    needs: [one]
    chart: { path: CHARTS/config }
  - name: three
    needs: [two]
    chart: { path: CHARTS/config }
";

#[test]
fn everything_else_is_done_before_it() {
    let world = World::with_stack(STACK);
    let program = start(&world, Tool::Helm4, "state", &["apply", "--yes", "--output", "jsonl"]);
    eventually("the last of the others is done", || {
        let printed = program.stdout();
        let done = |line: &str| line.contains(r#""event":"release_finished""#) && line.contains(r#""name":"three""#);
        printed.lines().any(done).then_some(())
    });
    world.write("go", "");
    program.wait().expect(0);
    let journal = newest_journal(&world, "state", "branches");
    let at = |kind: &str, name: &str| -> Timestamp {
        let of = |event: &&serde_json::Value| event["event"] == kind && event["release"]["name"] == name;
        journal.iter().find(of).unwrap()["at"].as_str().unwrap().parse().unwrap()
    };
    let slept = at("step_finished", "slow");
    for name in ["one", "two", "three"] {
        assert!(at("release_finished", name) < slept, "{name} has waited");
    }
    assert!(at("release_started", "two") >= at("release_finished", "one"));
    assert!(at("release_started", "three") >= at("release_finished", "two"));
    assert!(at("release_finished", "slow") > slept);
}
