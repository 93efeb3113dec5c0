//! The API server is killed in the midst of a run and comes back.

use super::stack::{Ran, assert_all_done_at_last, finish, records, world};
use pilothouse_plane::{Component, Plane, PlaneConfig};
use pilothouse_process::{Child, Sink, Spawn};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

const AWAY: Duration = Duration::from_secs(3);

/// What a process was started with.
fn same_again(pid: u32) -> Spawn {
    let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap();
    let words = |bytes: Vec<u8>| -> Vec<String> {
        let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        words.map(|word| String::from_utf8(word.to_vec()).unwrap()).collect()
    };
    let args = words(read("cmdline"));
    let env = words(read("environ")).into_iter().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    Spawn::new(fs::read_link(format!("/proc/{pid}/exe")).unwrap())
        .args(&args[1..])
        .envs(env)
        .cwd(fs::read_link(format!("/proc/{pid}/cwd")).unwrap())
        .stdout(Sink::Null)
        .stderr(Sink::Null)
}

/// Kills the API server, waits, and starts it again. What is returned ends it when it is dropped.
async fn restart_api_server(plane: &Plane) -> Child {
    let (_, pid) = plane.pids().into_iter().find(|(component, _)| *component == Component::KubeApiserver).unwrap();
    let again = same_again(pid);
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    tokio::time::sleep(AWAY).await;
    again.start().await.unwrap()
}

/// A plane of its own: it takes the death of a component for what it is.
#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_is_killed_and_comes_back() {
    pilothouse_testkit::obtain(&pilothouse_plane::provision::Tool::PLANE).await;
    let plane = Plane::start(PlaneConfig::default()).await.unwrap();
    let world = world("restart");
    let on_plane = |args: &[&str]| {
        let mut command = world.program(args);
        command.env("KUBECONFIG", plane.kubeconfig());
        command
    };
    let begun = Instant::now();
    let first = on_plane(&["apply", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // In mid-run: helm is at work on some, and others are not begun.
    while records(plane.client_config(), "restart").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "helm never wrote a record");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let server = restart_api_server(&plane).await;
    let first = tokio::task::spawn_blocking(|| first.wait_with_output().unwrap()).await.unwrap();
    finish(&Ran::from(first), || on_plane(&["resume", "--yes"]));
    assert_all_done_at_last(&world, plane.client_config(), "restart");
    drop(server);
    plane.stop().await;
}
