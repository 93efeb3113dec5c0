//! What a killed program leaves: files of a rehearsal, and records of Helm's that disagree with themselves.

use crate::support::{World, helm, kubectl_get, plane};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pilothouse_core::ObjectRef;
use pilothouse_kube::{Cluster, ClusterClient, HelmDriver, Precondition};
use pilothouse_plane::for_current_user;
use pilothouse_plane::provision::Tool;
use pilothouse_testkit::in_runtime;
use rstest::rstest;
use serde_json::json;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The names in a folder that is there or not.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_a_killed_rehearsal_has_left_goes_with_the_next_run() {
    let world = World::with_stack(
        "version: 1\nname: killed\nreleases:\n  - name: a\n    namespace: killed\n    chart: { path: CHARTS/data }\n    pre_exec: [{ command: { run: [sleep, '77'] } }]\n",
    );
    helm(Tool::Helm4);
    plane();
    for folder in ["cache", "tmp"] {
        std::fs::create_dir(world.path(folder)).unwrap();
    }
    std::os::unix::fs::symlink(for_current_user().cache, world.path("cache/bin")).unwrap();
    let program = |args: &[&str]| {
        let mut command = world.program(args);
        command.env("PILOTHOUSE_CACHE", world.path("cache")).env("TMPDIR", world.path("tmp"));
        command
    };
    let journals = || {
        let folder = world.path("cache/scratch");
        names(&folder).into_iter().any(|name| folder.join(name).join("runs").is_dir())
    };
    let mut child = program(&["rehearse"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !journals() {
        assert!(begun.elapsed() < Duration::from_secs(120) && child.try_wait().unwrap().is_none(), "it did not begin");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = names(&world.path("tmp"));
    assert!(journals() && left.iter().all(|name| name.starts_with("pilothouse-plane-")), "{left:?}");
    // Older than one that is just starting.
    for name in left {
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
        std::fs::File::open(world.path("tmp").join(name)).unwrap().set_modified(long_ago).unwrap();
    }
    world.write(
        "pilothouse.yaml",
        "version: 1\nname: killed\nreleases: [{ name: a, namespace: killed, chart: { path: CHARTS/data } }]\n",
    );
    assert_eq!(program(&["rehearse"]).output().unwrap().status.code(), Some(0));
    assert_eq!(names(&world.path("cache/scratch")), [""; 0]);
    assert_eq!(names(&world.path("tmp")), [""; 0]);
}

/// What a helm that is stopped at its very end leaves: the label says `deployed`, the payload `failed`.
#[test]
fn a_record_that_disagrees_with_itself_is_upgraded_over_once() {
    let world = World::with_stack(
        "version: 1\nname: torn\nreleases: [{ name: torn, namespace: torn, chart: { path: CHARTS/data } }]\n",
    );
    let told = |args: &[&str]| world.transcript(&mut world.on_plane(args));
    assert!(told(&["apply", "--yes"]).contains("1 done"));
    let client = plane().client_config();
    in_runtime(async move {
        let cluster = Cluster::from_client(kube::Client::try_from(client).unwrap());
        let payload = cluster.release_payload(HelmDriver::Secret, "torn", "torn", 1).await.unwrap().unwrap();
        let failed = pilothouse_helm::mark_failed(&payload, "stopped at its very end").unwrap();
        let mut record = ObjectRef::parse("Secret/sh.helm.release.v1.torn.v1").unwrap();
        record.namespace = Some("torn".to_owned());
        let patch = json!({"data": {"release": STANDARD.encode(failed)}});
        cluster.merge_patch(&record, &patch, &Precondition::default()).await.unwrap();
    });
    let status = told(&["status"]);
    assert!(status.contains("failed"), "{status}");
    let mended = told(&["apply", "--yes"]);
    assert!(mended.contains("exit code: 0") && mended.contains("upgraded"), "{mended}");
    let again = told(&["apply", "--yes"]);
    assert!(again.contains("unchanged"), "{again}");
}

/// helm runs a hook of an install at an install alone: the upgrade that follows a failed one would leave it out.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
fn a_hook_that_never_completed_is_not_done(#[case] tool: Tool, #[values("pre-install", "post-install")] event: &str) {
    let world = World::new();
    let namespace = format!("hook-{event}-{}", tool.name());
    world.write("chart/Chart.yaml", "apiVersion: v2\nname: a\nversion: 0.1.0\n");
    world.write("chart/templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n");
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: { name: make-schema, annotations: { helm.sh/hook: EVENT } }\nspec: { template: { spec: { restartPolicy: Never, {{ if .Values.blocked }}nodeSelector: { no: such-node },{{ end }} containers: [{ name: c, image: 'x:1' }] } } }\n";
    world.write("chart/templates/hook.yaml", &job.replace("EVENT", event));
    let apply = |blocked: bool| {
        world.write(
            "pilothouse.yaml",
            &format!("version: 1\nname: {namespace}\nreleases: [{{ name: a, namespace: {namespace}, chart: {{ path: chart }}, timeout_in_seconds: {}, values: [{{ key: blocked, value: {blocked} }}] }}]\n", if blocked { 8 } else { 120 }),
        );
        let mut command = world.on_plane(&["apply", "--yes"]);
        command.env("PILOTHOUSE_HELM", helm(tool));
        world.transcript(&mut command)
    };
    let failed = apply(true);
    assert!(failed.contains("exit code: 1"), "{failed}");
    let mended = apply(false);
    assert!(mended.contains("exit code: 0") && mended.contains("uninstalled what was left and installed"), "{mended}");
    let hook = kubectl_get(plane(), "batch/v1", "Job", Some(&namespace), "make-schema").unwrap();
    assert_eq!(hook["status"]["succeeded"], 1, "{hook:#}");
    let again = apply(false);
    assert!(again.contains("unchanged"), "{again}");
}
