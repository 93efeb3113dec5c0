//! Causes that are told while a run lasts and that end it, and what `diagnose` tells without a run.

use crate::support::World;
use serde_json::Value;
use std::time::{Duration, Instant};

fn json(world: &World, args: &[&str]) -> (Option<i32>, Value) {
    let output = world.on_plane(args).args(["--output", "json"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}")))
}

/// Code, certainty and kind of each cause.
fn told(causes: &Value) -> Vec<[&str; 3]> {
    causes
        .as_array()
        .unwrap()
        .iter()
        .map(|cause| {
            [
                cause["code"].as_str().unwrap(),
                cause["certainty"].as_str().unwrap(),
                cause["object"]["kind"].as_str().unwrap_or_default(),
            ]
        })
        .collect()
}

/// The image does not exist: told while `validate` waits, which ends long before its ten minutes; `diagnose` tells the same
/// afterwards.
#[test]
fn an_image_that_is_not_there_ends_the_run_early() {
    let world = World::with_stack(
        "version: 1\nname: early\nreleases:\n  - name: early\n    namespace: early-end\n    chart: { path: CHARTS/node-agent }\n    \
         values: [{ key: clusterRole, value: early }]\n  - { name: later, namespace: early-end, chart: { path: CHARTS/data }, needs: [early] }\n",
    );
    let begun = Instant::now();
    let (code, run) = json(&world, &["apply", "--yes"]);
    assert_eq!(code, Some(1), "{run:#}");
    assert!(begun.elapsed() < Duration::from_secs(90), "it took {:?}", begun.elapsed());
    assert_eq!(told(&run["causes"]), [["IMAGE_NOT_FOUND", "certain", "DaemonSet"]], "{run:#}");
    assert_eq!(run["causes"][0]["waiting"], serde_json::json!([{"namespace": "early-end", "name": "later"}]));
    let events = run["events"].as_array().unwrap();
    let found: Vec<&Value> = events.iter().filter(|event| event["event"] == "cause_found").collect();
    // A registry that says it once may be about to get it.
    let stages: Vec<[&str; 2]> =
        found.iter().map(|event| ["code", "certainty"].map(|key| event["cause"][key].as_str().unwrap())).collect();
    assert_eq!(stages, [["IMAGE_NOT_FOUND", "passing"], ["IMAGE_NOT_FOUND", "certain"]], "{found:#?}");

    let (code, diagnosis) = json(&world, &["diagnose", "early"]);
    assert_eq!(code, Some(1));
    assert_eq!(told(&diagnosis["causes"]), [["IMAGE_NOT_FOUND", "certain", "DaemonSet"]], "{diagnosis:#}");
    let (code, diagnosis) = json(&world, &["diagnose", "--namespace", "early-end", "early"]);
    assert_eq!((code, &diagnosis["releases"][0]["state"]), (Some(1), &Value::from("wrong")), "{diagnosis:#}");
}

/// helm deletes the Job the moment it has failed; its log was read before.
#[test]
fn the_log_of_a_hook_is_told_although_its_job_is_gone() {
    let world = World::with_stack(
        "version: 1\nname: hooked\nreleases:\n  - { name: hooked, namespace: failing-hook, chart: { path: hooked } }\n",
    );
    world.write("hooked/Chart.yaml", "apiVersion: v2\nname: hooked\nversion: 1.0.0\n");
    world.write(
        "hooked/templates/hook.yaml",
        "apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations: { helm.sh/hook: pre-install, helm.sh/hook-delete-policy: \"hook-succeeded,hook-failed\" }
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: migrate, image: registry.example.com/migrate:1 }]
",
    );
    let (code, run) = json(&world, &["apply", "--yes"]);
    assert_eq!(code, Some(1), "{run:#}");
    let gone = crate::support::kubectl_get(crate::support::plane(), "batch/v1", "Job", Some("failing-hook"), "migrate");
    assert_eq!(gone, None);
    let causes = &run["causes"];
    let lines = causes[0]["evidence"].as_array().unwrap();
    assert!(lines.iter().any(|line| line.as_str().unwrap().contains("relation users does not exist")), "{causes:#}");
    assert!(causes.as_array().unwrap().len() == 1, "{causes:#}");
}
