//! What is told of past runs. The journal here is text, as any version of the program must be able to read it.

use crate::support::{World, plane, settings};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

/// A run that was killed while helm was at work, in the midst of a line.
const JOURNAL: &str = r#"{"format":1,"program":"0.1.0","run":"0193aaaa-0000-7000-8000-00000000abcd","stack":"past"}
{"seq":1,"at":"2026-11-21T12:00:03Z","event":"run_started","run":"0193aaaa-0000-7000-8000-00000000abcd","stack":"past","kind":"apply","holder":{"run":"0193aaaa-0000-7000-8000-00000000abcd","user":"anna","host":"laptop","pid":4711},"concurrency":2,"releases":[{"release":{"namespace":"web","name":"podinfo"},"action":"deploy","waits_for":[]}]}
{"seq":4,"at":"2026-11-21T12:00:04Z","event":"release_started","release":{"namespace":"web","name":"podinfo"},"action":"deploy"}
{"seq":5,"at":"2026-11-21T12:00:04Z","event":"phase_started","release":{"namespace":"web","name":"podinfo"},"phase":"pre_exec"}
{"seq":6,"at":"2026-11-21T12:00:05Z","event":"step_started","release":{"namespace":"web","name":"podinfo"},"phase":"pre_exec","index":0,"description":"command: migrate","repeatable":false,"digest":"00"}
{"seq":7,"at":"2026-11-21T12:00:06Z","event":"step_finished","release":{"namespace":"web","name":"podinfo"},"phase":"pre_exec","index":0,"error":null,"output":{"rows":7},"elapsed_ms":1000}
{"seq":8,"at":"2026-11-21T12:00:06Z","event":"phase_finished","release":{"namespace":"web","name":"podinfo"},"phase":"pre_exec","ok":true,"summary":"","elapsed_ms":2000}
{"seq":9,"at":"2026-11-21T12:00:06Z","event":"phase_started","release":{"namespace":"web","name":"podinfo"},"phase":"exec"}
{"seq":10,"at":"2026-11-21T12:00:07Z","event":"helm_started","release":{"namespace":"web","name":"podinfo"},"phase":"exec","command":"upgrade","revision_before":0,"digest":"00","timeout_ms":300000}
{"seq":11,"at":"2026-11-21T12:00:0"#;

const STACK: &str = "version: 1\nname: past\nreleases:\n  - name: podinfo\n    namespace: web\n    chart: { path: CHARTS/node-agent }\n";

/// The id of the plane's cluster, as folders for journals are named.
fn cluster_id() -> String {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let namespaces: Api<Namespace> = Api::all(plane().client());
            namespaces.get("kube-system").await.unwrap().metadata.uid.unwrap()
        })
    })
    .join()
    .unwrap()
}

#[test]
fn runs_of_a_stack_and_one_of_them() {
    let world = World::with_stack(STACK);
    let steady = |text: String| text.replace(&cluster_id(), "CLUSTER");
    assert_eq!(
        world.transcript(&mut world.on_plane(&["history"])),
        "exit code: 0\n----- stdout -----\nno run of past is known"
    );
    let folder = format!("state/pilothouse/runs/{}/past", cluster_id());
    world.write(&format!("{folder}/0193aaaa-0000-7000-8000-00000000abcd.jsonl"), JOURNAL);
    let list = steady(world.transcript(&mut world.on_plane(&["history"])));
    let one = steady(world.transcript(&mut world.on_plane(&["history", "0000abcd"])));
    let unknown = world.transcript(&mut world.on_plane(&["history", "0000abce", "--stack", "pilothouse.yaml"]));
    let json = world.transcript(&mut world.on_plane(&["history", "--output", "json"]));
    settings().bind(|| insta::assert_snapshot!([list, one, unknown, json].join("\n\n")));
}

/// A journal that cannot be read is told, and is no reason to say nothing of the others.
#[test]
fn a_journal_of_a_newer_program() {
    let world = World::with_stack(STACK);
    let folder = format!("state/pilothouse/runs/{}/past", cluster_id());
    world.write(&format!("{folder}/0193aaaa-0000-7000-8000-00000000abcd.jsonl"), JOURNAL);
    world.write(&format!("{folder}/0193bbbb-0000-7000-8000-00000000abce.jsonl"), "{\"format\":7}\n");
    let list = world.transcript(&mut world.on_plane(&["history"])).replace(&cluster_id(), "CLUSTER");
    let one = world.transcript(&mut world.on_plane(&["history", "0193bbbb"])).replace(&cluster_id(), "CLUSTER");
    settings().bind(|| insta::assert_snapshot!([list, one].join("\n\n")));
}
