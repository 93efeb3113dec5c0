//! Control planes in the background.

use crate::support::{World, in_runtime};
use pilothouse_testkit::{community_chart, not_run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
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

/// Mounts, network interfaces and control groups of the machine.
fn traces() -> BTreeSet<String> {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    let entries =
        ["/sys/class/net", "/sys/fs/cgroup"].into_iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let entries = entries.map(|entry| entry.unwrap().path().display().to_string());
    mounts.lines().map(str::to_owned).chain(entries).collect()
}

/// podinfo's chart with the workload image: ready, and checked by HTTP and by a program inside.
const PODINFO: &str = "\
version: 1
name: podinfo
releases:
  - name: web
    namespace: podinfo
    chart: { path: CHART }
    values:
      - { key: image.repository, value: pilothouse.dev/workload }
      - { key: image.tag, value: '1', type: string }
    validate:
      - http: { service: web-podinfo, port: 9898, path: /healthz }
      - exec: { in: deployment/web-podinfo, command: [/workload, print, from inside], expect: { stdout_contains: from inside } }
";

#[test]
fn podinfo_on_a_real_node() {
    let world = World::new();
    let missing = pilothouse_plane::real_node_missing();
    if !missing.is_empty() {
        not_run("podinfo_on_a_real_node", &format!("it needs {}", missing.join(", ")));
        return;
    }
    let before = traces();
    let (exit, up) = json(&mut world.program(&["plane", "up", "real", "--node", "real", "--output", "json"]));
    assert_eq!(exit, Some(0), "{up:#}");
    let components: Vec<&str> =
        up["components"].as_array().unwrap().iter().map(|c| c["component"].as_str().unwrap()).collect();
    assert!(components.contains(&"containerd") && components.contains(&"kubelet"), "{components:?}");
    let (exit, status) = json(&mut world.program(&["plane", "status", "real", "--output", "json"]));
    assert_eq!((exit, &status["plane"]["components"]), (Some(0), &up["components"]));

    if let Some(chart) = community_chart("podinfo-6.14.1", "podinfo_on_a_real_node") {
        let kubeconfig = Path::new(up["kubeconfig"].as_str().unwrap());
        world.write("pilothouse.yaml", &PODINFO.replace("CHART", &chart.display().to_string()));
        let run = |args: &[&str]| json(world.program(args).env("KUBECONFIG", kubeconfig));
        let (exit, applied) = run(&["apply", "--yes", "--output", "json"]);
        assert_eq!(exit, Some(0), "{applied:#}");
        let events = applied["events"].as_array().unwrap();
        let checks: Vec<[&str; 2]> = events
            .iter()
            .filter(|event| event["event"] == "checked")
            .map(|event| ["kind", "verdict"].map(|key| event["report"][key].as_str().unwrap()))
            .collect();
        assert_eq!(checks, [["http", "held"], ["exec", "held"]]);
        assert!(log_of_a_pod(kubeconfig, "podinfo").contains("listening on port 9898"));
    }

    let (exit, _) = json(&mut world.program(&["plane", "down", "real", "--output", "json"]));
    assert_eq!(exit, Some(0));
    let pids = up["components"].as_array().unwrap().iter().map(|c| c["pid"].as_u64().unwrap());
    assert_eq!(pids.filter(|pid| alive(*pid)).count(), 0);
    let folder = Path::new(up["kubeconfig"].as_str().unwrap()).parent().unwrap();
    assert!(!folder.exists(), "{}", folder.display());
    // Other tests may have planes of their own meanwhile, but none with a real node.
    assert_eq!(traces().difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// What the first pod of a namespace has printed.
fn log_of_a_pod(kubeconfig: &Path, namespace: &str) -> String {
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    in_runtime(async move {
        let kubeconfig = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
            .await
            .unwrap();
        let pods: kube::Api<k8s_openapi::api::core::v1::Pod> =
            kube::Api::namespaced(kube::Client::try_from(config).unwrap(), namespace);
        let listed = pods.list(&kube::api::ListParams::default()).await.unwrap();
        let name = listed.items[0].metadata.name.clone().unwrap();
        pods.logs(&name, &kube::api::LogParams::default()).await.unwrap()
    })
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
