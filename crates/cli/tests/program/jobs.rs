//! Jobs of a release that are done and gone.

use crate::support::{World, helm, in_runtime, kubectl_get, plane};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, DeleteParams};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use std::time::{Duration, Instant};

const TEMPLATE: &str = "apiVersion: batch/v1
kind: Job
metadata: { name: migrate }
spec:
  ttlSecondsAfterFinished: 0
  template: { spec: { restartPolicy: Never, containers: [{ name: run, image: registry.example.com/migrate:1 }] } }
---
apiVersion: batch/v1
kind: Job
metadata: { name: cleared-away }
spec:
  template: { spec: { restartPolicy: Never, containers: [{ name: run, image: registry.example.com/migrate:1 }] } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: slow }
spec:
  minReadySeconds: 4
  selector: { matchLabels: { app: slow } }
  template: { metadata: { labels: { app: slow } }, spec: { containers: [{ name: run, image: registry.example.com/web:1 }] } }
";

/// One goes by its TTL while something else is waited for, the other is cleared away by somebody: neither is missed, and neither
/// runs again.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
fn a_job_that_is_done_is_not_missed(#[case] tool: Tool) {
    let namespace = format!("done-{}", tool.name());
    let world = World::with_stack(&format!(
        "version: 1\nname: {namespace}\nreleases:\n  - name: web\n    namespace: {namespace}\n    chart: {{ path: chart }}\n    \
         timeout_in_seconds: 30\n    drift: correct\n"
    ));
    world.write("chart/Chart.yaml", "apiVersion: v2\nname: done\nversion: 0.1.0\n");
    world.write("chart/templates/all.yaml", TEMPLATE);
    let run = |args: &[&str]| world.transcript(world.on_plane(args).env("PILOTHOUSE_HELM", helm(tool)));
    let job = |name: &str| kubectl_get(plane(), "batch/v1", "Job", Some(&namespace), name);

    let told = run(&["apply", "--yes"]);
    assert!(told.starts_with("exit code: 0\n"), "{told}");
    let deadline = Instant::now() + Duration::from_secs(20);
    while job("migrate").is_some() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
    }
    in_runtime(async {
        let jobs: Api<Job> = Api::namespaced(kube::Client::try_from(plane().client_config()).unwrap(), &namespace);
        jobs.delete("cleared-away", &DeleteParams::background()).await.unwrap();
    });
    for _ in 0..2 {
        let told = run(&["apply", "--yes"]);
        assert!(told.starts_with("exit code: 0\n") && told.contains("unchanged"), "{told}");
    }
    assert_eq!(["migrate", "cleared-away"].map(job), [None, None]);
    assert!(run(&["plan"]).starts_with("exit code: 0\n"));
}

/// What has a TTL is not missed later either; who looks without having seen it complete misses the other.
#[test]
fn a_job_with_a_ttl_is_not_missed_by_anybody() {
    let world = World::with_stack(
        "version: 1\nname: ttl\nreleases: [{ name: web, namespace: ttl, chart: { path: chart }, timeout_in_seconds: 30 }]\n",
    );
    world.write("chart/Chart.yaml", "apiVersion: v2\nname: ttl\nversion: 0.1.0\n");
    world.write("chart/templates/all.yaml", TEMPLATE.split("---").next().unwrap());
    for args in [&["apply", "--yes"][..], &["apply", "--yes"], &["validate"], &["diagnose"], &["status"]] {
        let told = world.transcript(&mut world.on_plane(args));
        assert!(told.starts_with("exit code: 0\n"), "{args:?}: {told}");
    }
}
