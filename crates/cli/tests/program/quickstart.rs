//! What a stranger tries first.

use crate::support::{World, helm, settings};
use pilothouse_plane::provision::Tool;
use pilothouse_testkit::repository;
use rstest::rstest;

#[rstest]
#[case::helm3(Tool::Helm3, "3")]
#[case::helm4(Tool::Helm4, "4")]
fn rehearse(#[case] tool: Tool, #[case] major: &str) {
    let world = World::new();
    let stack = repository().join("examples/quickstart");
    let mut program = world.program(&["rehearse", stack.to_str().unwrap(), "--helm-major", major]);
    let transcript = world.transcript(program.env("PILOTHOUSE_HELM", helm(tool)));
    settings().bind(|| insta::assert_snapshot!("rehearse", transcript));
}

#[test]
fn rehearse_as_json() {
    let world = World::new();
    let stack = repository().join("examples/quickstart");
    let output = world.program(&["rehearse", stack.to_str().unwrap(), "--output", "json"]).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), document["verdict"].as_str(), document["exit_code"].as_u64()),
        (Some(0), Some("done"), Some(0))
    );
    let events = document["events"].as_array().unwrap();
    assert_eq!(events.first().unwrap()["event"], "run_started");
    assert_eq!(events.last().unwrap()["event"], "run_finished");
}
