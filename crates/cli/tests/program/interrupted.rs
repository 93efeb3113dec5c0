//! Ctrl-C: helm gets its grace, and the release is not left pending.

use crate::support::{World, kubectl_get, plane, settings};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A chart whose hook never ends, so that helm runs until it is stopped.
const HOOK: &str = "\
apiVersion: batch/v1
kind: Job
metadata:
  name: slow
  annotations: { helm.sh/hook: pre-install,pre-upgrade }
spec:
  template:
    spec:
      restartPolicy: Never
      nodeSelector: { no-such: node }
      containers: [{ name: slow, image: registry.example.com/slow:1 }]
";

fn record() -> Option<serde_json::Value> {
    kubectl_get(plane(), "v1", "Secret", Some("interrupted"), "sh.helm.release.v1.slow.v1")
}

#[test]
fn helm_is_stopped_in_an_orderly_way() {
    let world = World::with_stack(
        "version: 1\nname: slow\nreleases:\n  - name: slow\n    namespace: interrupted\n    chart: { path: slow }\n",
    );
    world.write("slow/Chart.yaml", "apiVersion: v2\nname: slow\nversion: 1.0.0\n");
    world.write("slow/templates/hook.yaml", HOOK);
    let mut program = world.on_plane(&["apply", "--yes"]);
    let child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    // Helm is in the middle of its work as soon as it has written its record.
    while record().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "helm never wrote its record");
        std::thread::sleep(Duration::from_millis(50));
    }
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let stdout = String::from_utf8(output.stdout).unwrap();
    settings().bind(|| insta::assert_snapshot!(stdout));
    assert_eq!(record().unwrap()["metadata"]["labels"]["status"], "failed");
}
