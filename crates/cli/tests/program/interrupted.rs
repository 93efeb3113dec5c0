//! Ctrl-C, once, twice and three times.

use crate::support::{World, kubectl_get, plane, settings};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A step that does not end when it is asked to.
const STUBBORN: &str = "\
version: 1
name: stubborn
releases:
  - name: stubborn
    namespace: stubborn
    chart: { path: CHARTS/data }
    pre_exec:
      - command: { run: [sh, -c, 'trap \"\" TERM; echo $$ > pid; while :; do sleep 1; done'] }
";

/// Each signal is told with what it does and what the next one will do; the third ends everything at once.
#[test]
fn the_third_signal_ends_everything_at_once() {
    let world = World::with_stack(STUBBORN);
    let mut program = world.on_plane(&["apply", "--yes"]);
    let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    let begun = Instant::now();
    let step = loop {
        assert!(begun.elapsed() < Duration::from_secs(60), "the step never began");
        match std::fs::read_to_string(world.path("pid")).unwrap_or_default().trim().parse::<i32>() {
            Ok(pid) => break pid,
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    let mut told = Vec::new();
    let signalled = Instant::now();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        assert!(child.try_wait().unwrap().is_none(), "it has ended before {signal:?}");
        kill_process(pid, signal).unwrap();
        told.push(stderr.next().unwrap().unwrap());
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(signalled.elapsed() < Duration::from_secs(10), "it took {:?}", signalled.elapsed());
    told.extend(stderr.map(Result::unwrap));
    insta::assert_snapshot!(told.join("\n"));
    assert!(has_ended(step), "the step outlives the program");
}

/// Whether a process ends within a few seconds. One that only waits to be reaped, by whoever is left to do that, has ended.
fn has_ended(pid: i32) -> bool {
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(10) {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
        if matches!(state, None | Some('Z' | 'X')) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

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

fn interrupt(child: &Child) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
}

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
    interrupt(&child);
    // At the first one what runs goes on; at the second helm is asked to end.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(record().unwrap()["metadata"]["labels"]["status"], "pending-install");
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let mut settings = settings();
    // Why the hook does not start may be known by then.
    settings.add_filter(r"(?m)^  exec +cause +UNSCHEDULABLE_SELECTOR .*\n", "");
    settings.bind(|| insta::assert_snapshot!(stdout));
    assert_eq!(record().unwrap()["metadata"]["labels"]["status"], "failed");
}

/// A step that does not listen to SIGTERM, and says when it has begun and when it has ended.
const DEAF: &str = "\
version: 1
name: deaf
releases:
  - name: deaf
    namespace: deaf
    chart: { path: CHARTS/data }
    pre_exec:
      - command:
          run: [sh, -c, \"trap '' TERM; echo $$ > begun; sleep 60; touch ended\"]
          cwd: .
";

#[test]
fn the_third_one_kills_and_the_next_run_knows_what_it_does_not_know() {
    let world = World::with_stack(DEAF);
    let mut program = world.on_plane(&["apply", "--yes"]);
    let child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    let pid = loop {
        let text = std::fs::read_to_string(world.path("begun")).unwrap_or_default();
        if let Ok(pid) = text.trim().parse::<i32>() {
            break pid;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the step never began");
        std::thread::sleep(Duration::from_millis(50));
    };
    for _ in 0..3 {
        interrupt(&child);
        std::thread::sleep(Duration::from_millis(500));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(40), "it waited for the step");
    assert!(has_ended(pid), "the step outlives the program");
    assert!(!world.path("ended").exists());
    let again = world.on_plane(&["apply", "--yes"]).output().unwrap();
    assert_eq!(again.status.code(), Some(3));
    let stdout = String::from_utf8(again.stdout).unwrap();
    let told = stdout.lines().find(|line| line.contains("STEP_UNCERTAIN")).unwrap_or_else(|| panic!("{stdout}"));
    assert!(told.starts_with("  STEP_UNCERTAIN deaf/deaf:pre_exec:1: run "), "{told}");
    let done = world.on_plane(&["apply", "--yes", "--step-done", "deaf/deaf:pre_exec:1", "--output", "json"]);
    let mut done = done;
    let output = done.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}
