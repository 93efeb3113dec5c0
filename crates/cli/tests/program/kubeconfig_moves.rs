//! A run works on the one cluster it was connected to, whatever becomes of the kubeconfig meanwhile.

use crate::support::{World, kubectl_get, plane};
use kube::config::Kubeconfig;
use rstest::rstest;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const TEMPLATE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: {{ .Release.Name }} }\n";

/// Two contexts, current `a`: `a` is the plane of this binary, at `b` nobody answers.
fn two_contexts() -> String {
    let mut config = Kubeconfig::read_from(plane().kubeconfig()).unwrap();
    let (cluster, user, context) =
        (config.clusters[0].clone(), config.auth_infos[0].clone(), config.contexts[0].clone());
    for name in ["a", "b"] {
        let (mut cluster, mut user, mut context) = (cluster.clone(), user.clone(), context.clone());
        (cluster.name, user.name, context.name) = (name.to_owned(), name.to_owned(), name.to_owned());
        let inner = context.context.as_mut().unwrap();
        (inner.cluster, inner.user) = (name.to_owned(), Some(name.to_owned()));
        if name == "b" {
            cluster.cluster.as_mut().unwrap().server = Some("https://127.0.0.1:1".to_owned());
        }
        config.clusters.push(cluster);
        config.auth_infos.push(user);
        config.contexts.push(context);
    }
    config.clusters.remove(0);
    config.auth_infos.remove(0);
    config.contexts.remove(0);
    config.current_context = Some("a".to_owned());
    serde_saphyr::to_string(&config).unwrap()
}

fn world(name: &str, pre_exec: &str, current: &str) -> World {
    let world = World::with_stack(&format!(
        "version: 1\nname: {name}\nreleases:\n  - name: {name}\n    chart: {{ path: web }}\n    pre_exec: [{pre_exec}]\n"
    ));
    world.write("web/Chart.yaml", CHART);
    world.write("web/templates/map.yaml", TEMPLATE);
    world.write("K", &two_contexts().replace("current-context: a", &format!("current-context: {current}")));
    world
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code(), text)
}

fn installed(name: &str) -> bool {
    kubectl_get(plane(), "v1", "ConfigMap", Some("default"), name).is_some()
}

/// Nothing with credentials stays of the run.
fn nothing_stays(cache: &Path) {
    for folder in ["scratch", "helm"] {
        let left = std::fs::read_dir(cache.join(folder)).into_iter().flatten().flatten();
        let left: Vec<_> =
            left.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().starts_with("run-")).collect();
        assert!(left.is_empty(), "{folder}: {left:?}");
    }
}

const SED: &str = "sed -i s/^current-context:.*/current-context:\\ b/";

/// The file of the user, the command's own copy, and that of an earlier command.
#[rstest]
#[case("m-user", "{ command: { run: [sh, -c, 'SED \"$PWD/K\"'], cwd: . } }")]
#[case("m-own", "{ command: { run: [sh, -c, 'SED \"$KUBECONFIG\"'] } }")]
#[case(
    "m-next",
    "{ command: { run: [sh, -c, 'SED \"$KUBECONFIG\"'] } }, { command: { run: [sh, -c, 'grep -qx \"current-context: a\" \"$KUBECONFIG\"'] } }"
)]
fn a_step_does_not_move_the_run(#[case] name: &str, #[case] steps: &str) {
    let world = world(name, &steps.replace("SED", SED), "a");
    let cache = world.path("cache");
    let program = |args: &[&str]| {
        let mut program = world.program(args);
        program.args(["--kubeconfig", "K"]).env("PILOTHOUSE_CACHE", &cache);
        program
    };
    let (exit, text) = run(&mut program(&["apply", "--yes"]));
    assert_eq!(exit, Some(0), "{text}");
    assert!(text.lines().next().unwrap().contains("context a (https://127.0.0.1:"), "{text}");
    assert!(installed(name));
    nothing_stays(&cache);
    let (exit, text) = run(&mut program(&["destroy", "--yes", "--context", "a"]));
    assert_eq!(exit, Some(0), "{text}");
    assert!(!installed(name));
}

/// By another terminal, while the run sleeps: the file is moved, then removed.
#[test]
fn another_terminal_does_not_move_the_run() {
    let step = "{ command: { run: [sh, -c, 'touch begun; while test -e K; do sleep 0.05; done'], cwd: . } }";
    let world = world("m-other", step, "a");
    let mut program = world.program(&["apply", "--yes", "--kubeconfig", "K"]);
    let child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !world.path("begun").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the step never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::remove_file(world.path("K")).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(installed("m-other"));
}

/// `--context` and what the stack is bound to reach commands; several files of KUBECONFIG are one.
#[test]
fn the_context_that_is_asked_for_reaches_commands() {
    let step = "{ command: { run: [sh, -c, 'test $(grep -c server: \"$KUBECONFIG\") = 1 && grep -qx \"current-context: a\" \"$KUBECONFIG\"'] } }";
    let world = world("m-flag", step, "b");
    world.write("empty", "apiVersion: v1\nkind: Config\ncurrent-context: ''\n");
    let list = std::env::join_paths([world.path("missing"), world.path("empty"), world.path("K")]).unwrap();
    let (exit, text) = run(world.program(&["apply", "--yes", "--context", "a"]).env("KUBECONFIG", &list));
    assert_eq!(exit, Some(0), "{text}");
    assert!(installed("m-flag"));

    let stack = std::fs::read_to_string(world.path("pilothouse.yaml")).unwrap();
    let server = Kubeconfig::read_from(world.path("K")).unwrap().clusters[0].cluster.clone().unwrap().server.unwrap();
    let id = kubectl_get(plane(), "v1", "Namespace", None, "kube-system").unwrap();
    let id = id["metadata"]["uid"].as_str().unwrap();
    let pinned = |pin: &str, args: &[&str]| {
        world.write("pinned.yaml", &format!("{stack}cluster: {pin}\n"));
        run(world.program(&["apply", "pinned.yaml", "--yes", "--kubeconfig", "K"]).args(args))
    };
    let good = format!("{{ context: a, server: '{server}', uid: {id} }}");
    let (exit, text) = pinned(&good, &[]);
    assert_eq!(exit, Some(0), "{text}");
    for (pin, args) in [
        (good.as_str(), &["--context", "b"][..]),
        ("{ context: b }", &["--context", "a"]),
        ("{ server: 'https://127.0.0.1:2' }", &["--context", "a"]),
        ("{ uid: another }", &["--context", "a"]),
    ] {
        let (exit, text) = pinned(pin, args);
        assert!(exit == Some(3) && text.contains("the stack is for") && text.contains("CLUSTER_MISMATCH"), "{text}");
    }
}

/// Another file of the same stack name is not what was interrupted.
#[test]
fn a_run_is_resumed_with_its_own_file() {
    let world =
        world("m-file", "{ command: { run: [sh, -c, 'touch begun; sleep 2'], cwd: ., repeatable: true } }", "a");
    std::fs::copy(world.path("pilothouse.yaml"), world.path("up.yaml")).unwrap();
    world.write("pilothouse.yaml", "version: 1\nname: m-file\nreleases:\n  - name: m-file\n    chart: { path: web }\n");
    let mut program = world.program(&["apply", "up.yaml", "--yes", "--kubeconfig", "K"]);
    let child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !world.path("begun").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the step never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("`pilothouse resume --stack up.yaml --kubeconfig K` or the same command"), "{text}");
    let (exit, text) = run(&mut world.program(&["resume", "--yes", "--kubeconfig", "K"]));
    assert!(exit == Some(3) && text.contains("was of stack file") && text.contains("--stack "), "{text}");
    let (exit, text) = run(&mut world.program(&["resume", "--stack", "up.yaml", "--yes", "--kubeconfig", "K"]));
    assert_eq!(exit, Some(0), "{text}");
    assert!(installed("m-file"));
}
