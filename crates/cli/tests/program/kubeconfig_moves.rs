//! A run works on the one cluster it was connected to, whatever becomes of the kubeconfig meanwhile.

use crate::support::{World, helm, kubectl_get, plane};
use kube::config::Kubeconfig;
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Plane, PlaneConfig};
use pilothouse_testkit::SharedPlane;
use rstest::rstest;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
/// A hook that never ends.
const HOOK: &str = "apiVersion: batch/v1
kind: Job
metadata: { name: {{ .Release.Name }}, annotations: { helm.sh/hook: pre-install } }
spec: { template: { spec: { restartPolicy: Never, nodeSelector: { no: node }, containers: [{ name: a, image: 'a:1' }] } } }
";
const TEMPLATE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: {{ .Release.Name }} }\n";

/// A second cluster, as alive as the first one.
static SECOND: SharedPlane = SharedPlane::new();

fn second() -> &'static Plane {
    SECOND.get(PlaneConfig::default)
}

/// Two contexts, current `a`: `a` is the plane of this binary, and `b` is `other`, or a server where nobody answers.
fn two_contexts(other: Option<&Plane>) -> String {
    let a = Kubeconfig::read_from(plane().kubeconfig()).unwrap();
    let mut b = other.map_or_else(|| a.clone(), |other| Kubeconfig::read_from(other.kubeconfig()).unwrap());
    if other.is_none() {
        b.clusters[0].cluster.as_mut().unwrap().server = Some("https://127.0.0.1:1".to_owned());
    }
    let mut both = Kubeconfig { current_context: Some("a".to_owned()), ..Kubeconfig::default() };
    for (name, mut of) in [("a", a), ("b", b)] {
        let (mut cluster, mut user, mut context) =
            (of.clusters.remove(0), of.auth_infos.remove(0), of.contexts.remove(0));
        (cluster.name, user.name, context.name) = (name.to_owned(), name.to_owned(), name.to_owned());
        let inner = context.context.as_mut().unwrap();
        (inner.cluster, inner.user) = (name.to_owned(), Some(name.to_owned()));
        both.clusters.push(cluster);
        both.auth_infos.push(user);
        both.contexts.push(context);
    }
    serde_saphyr::to_string(&both).unwrap()
}

fn world(name: &str, pre_exec: &str, current: &str) -> World {
    let world = World::with_stack(&format!(
        "version: 1\nname: {name}\nreleases:\n  - name: {name}\n    chart: {{ path: web }}\n    pre_exec: [{pre_exec}]\n"
    ));
    world.write("web/Chart.yaml", CHART);
    world.write("web/templates/map.yaml", TEMPLATE);
    world.write("K", &two_contexts(None).replace("current-context: a", &format!("current-context: {current}")));
    world
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code(), text)
}

fn installed(name: &str) -> bool {
    is_on(plane(), name)
}

fn is_on(plane: &Plane, name: &str) -> bool {
    kubectl_get(plane, "v1", "ConfigMap", Some("default"), name).is_some()
}

/// Nothing with credentials stays of the run.
fn nothing_stays(cache: &Path) {
    for folder in ["scratch", "helm"] {
        let left = kept(&cache.join(folder));
        assert!(left.is_empty(), "{folder}: {left:?}");
    }
}

/// The folders of runs there.
fn kept(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("run-")).collect()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
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
    until("the step never began", || world.path("begun").exists());
    std::fs::remove_file(world.path("K")).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(installed("m-other"));
}

/// Both clusters are alive, so that nothing but the cluster itself tells where helm and commands have worked.
#[test]
fn of_two_live_clusters_all_of_a_run_works_on_the_first() {
    let world = world("m-live", "", "a");
    world.write("K", &two_contexts(Some(second())));
    let helm = helm(Tool::Helm4).display().to_string();
    let by_command =
        |name: &str| format!("{{ command: {{ run: ['{helm}', install, {name}, web, --timeout, 30s], cwd: . }} }}");
    let moves = format!("{{ command: {{ run: [sh, -c, '{SED} K && grep -qx \"current-context: b\" K'], cwd: . }} }}");
    let (before, after) = (by_command("m-live-before"), by_command("m-live-after"));
    world.write(
        "pilothouse.yaml",
        &format!(
            "version: 1\nname: m-live\nreleases:\n  - name: m-live\n    chart: {{ path: web }}\n    pre_exec: [{before}, {moves}]\n    \
             post_exec: [{after}]\n"
        ),
    );
    let (exit, text) = run(&mut world.program(&["apply", "--yes", "--kubeconfig", "K"]));
    assert_eq!(exit, Some(0), "{text}");
    for name in ["m-live-before", "m-live", "m-live-after"] {
        assert_eq!((is_on(plane(), name), is_on(second(), name)), (true, false), "{name}: {text}");
    }
    // A destroy is moved in its midst too; what has been moved before it is asked for by name.
    let text = std::fs::read_to_string(world.path("K")).unwrap();
    world.write("K", &text.replace("current-context: b", "current-context: a"));
    let on_destroy = moves.replace("{ command:", "{ on: destroy, command:");
    world.write(
        "pilothouse.yaml",
        &format!(
            "version: 1\nname: m-live\nreleases:\n  - name: m-live\n    chart: {{ path: web }}\n    pre_exec: [{on_destroy}]\n"
        ),
    );
    // The second one has a release of that name of its own, which is to stay.
    let mut other = std::process::Command::new(&helm);
    let other = other.args(["install", "m-live", "web"]).current_dir(world.path(""));
    let (exit, text) = run(other.env("KUBECONFIG", second().kubeconfig()));
    assert_eq!(exit, Some(0), "{text}");
    let (exit, text) = run(&mut world.program(&["destroy", "--yes", "--kubeconfig", "K"]));
    assert_eq!(exit, Some(0), "{text}");
    assert_eq!((is_on(plane(), "m-live"), is_on(second(), "m-live")), (false, true), "{text}");
    // So moved, the next run is for the other cluster, and says so.
    let (exit, text) = run(&mut world.program(&["plan", "--kubeconfig", "K"]));
    assert!(matches!(exit, Some(0 | 2)) && text.contains("context b ("), "{exit:?}: {text}");
}

/// A run that is killed leaves files with credentials; the next command that runs here removes them.
#[rstest]
#[case::in_a_command("m-killed", "{ command: { run: [sh, -c, 'touch begun; sleep 60'], cwd: . } }", None, "scratch")]
#[case::in_helm("m-killed-helm", "", Some(HOOK), "helm")]
fn what_a_killed_run_has_left_goes(
    #[case] name: &str,
    #[case] step: &str,
    #[case] hook: Option<&str>,
    #[case] folder: &str,
) {
    let world = world(name, step, "a");
    if let Some(hook) = hook {
        world.write("web/templates/hook.yaml", hook);
    }
    let cache = world.path("cache");
    let program = |args: &[&str]| {
        let mut program = world.program(args);
        program.args(["--kubeconfig", "K"]).env("PILOTHOUSE_CACHE", &cache);
        program
    };
    let mut child = program(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it never began", || match hook {
        Some(_) => kubectl_get(plane(), "batch/v1", "Job", Some("default"), name).is_some(),
        None => world.path("begun").exists(),
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let left = kept(&cache.join(folder));
    let token = Kubeconfig::read_from(world.path("K")).unwrap().clusters[0].cluster.clone().unwrap().server.unwrap();
    let holds = |folder: &PathBuf| {
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files
            .filter(|path| path.is_file())
            .any(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains(&token))
    };
    assert!(left.iter().any(holds), "the run has left no kubeconfig: {left:?}");
    // A helm that was under way has its file until it has ended.
    until("it stays", || {
        let (exit, text) = run(&mut program(&["status"]));
        assert!(matches!(exit, Some(0..=3)), "{exit:?}: {text}");
        kept(&cache.join("scratch")).is_empty() && kept(&cache.join("helm")).is_empty()
    });
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
    until("the step never began", || world.path("begun").exists());
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
