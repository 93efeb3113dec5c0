//! Control planes in the background.

use crate::support::World;
use serde_json::Value;
use std::process::Command;

fn json(command: &mut Command) -> (Option<i32>, Value) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}")))
}

fn alive(pid: u64) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn up_list_status_down() {
    let world = World::new();
    let (exit, up) = json(&mut world.program(&["plane", "up", "one", "--output", "json"]));
    assert_eq!((exit, up["name"].as_str()), (Some(0), Some("one")));
    let pids: Vec<u64> = up["components"].as_array().unwrap().iter().map(|c| c["pid"].as_u64().unwrap()).collect();
    assert_eq!(pids.len(), 5);
    assert!(pids.iter().all(|pid| alive(*pid)));

    let (exit, list) = json(&mut world.program(&["plane", "list", "--output", "json"]));
    assert_eq!((exit, list[0]["name"].as_str(), list[0]["status"].as_str()), (Some(0), Some("one"), Some("up")));
    let (exit, status) = json(&mut world.program(&["plane", "status", "one", "--output", "json"]));
    assert_eq!((exit, status["status"].as_str()), (Some(0), Some("up")));

    let again = world.transcript(&mut world.program(&["plane", "up", "one"]));
    insta::assert_snapshot!(again);

    let (exit, _) = json(&mut world.program(&["plane", "down", "one", "--output", "json"]));
    assert_eq!(exit, Some(0));
    assert!(pids.iter().all(|pid| !alive(*pid)));
    let (_, list) = json(&mut world.program(&["plane", "list", "--output", "json"]));
    assert_eq!(list, Value::Array(vec![]));
}

#[test]
fn a_real_node_up_and_down() {
    let world = World::new();
    let missing = pilothouse_plane::real_node_missing();
    if !missing.is_empty() {
        pilothouse_testkit::not_run("a_real_node_up_and_down", &format!("it needs {}", missing.join(", ")));
        return;
    }
    let (exit, up) = json(&mut world.program(&["plane", "up", "real", "--node", "real", "--output", "json"]));
    assert_eq!(exit, Some(0));
    let components: Vec<&str> =
        up["components"].as_array().unwrap().iter().map(|c| c["component"].as_str().unwrap()).collect();
    assert!(components.contains(&"containerd") && components.contains(&"kubelet"), "{components:?}");
    let (exit, status) = json(&mut world.program(&["plane", "status", "real", "--output", "json"]));
    assert_eq!((exit, &status["plane"]["components"]), (Some(0), &up["components"]));
    let (exit, _) = json(&mut world.program(&["plane", "down", "real", "--output", "json"]));
    assert_eq!(exit, Some(0));
    let pids = up["components"].as_array().unwrap().iter().map(|c| c["pid"].as_u64().unwrap());
    assert_eq!(pids.filter(|pid| alive(*pid)).count(), 0);
}

#[test]
fn images_are_for_a_real_node() {
    let world = World::new();
    insta::assert_snapshot!(world.transcript(&mut world.program(&["plane", "up", "--image", "web.tar"])), @r"
    exit code: 2
    ----- stderr -----
    error: --image gives images to a real node; add --node real
    ");
}

#[test]
fn a_plane_that_is_not_there() {
    let world = World::new();
    insta::assert_snapshot!(world.transcript(&mut world.program(&["plane", "status", "none"])));
    insta::assert_snapshot!(world.transcript(&mut world.program(&["plane", "down", "none"])));
    insta::assert_snapshot!(world.transcript(&mut world.program(&["plane", "list"])));
}

#[test]
fn install_says_what_there_is() {
    let world = World::new();
    let (exit, table) = json(&mut world.program(&["plane", "install", "--output", "json"]));
    assert_eq!(exit, Some(0));
    let rows: Vec<(&str, bool)> = table
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["program"].as_str().unwrap(), row["size_bytes"].as_u64().unwrap() > 1_000_000))
        .collect();
    let programs = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kine", "kwok", "helm3", "helm4"];
    assert_eq!(rows, programs.map(|program| (program, true)));
}
