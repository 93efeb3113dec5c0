//! A run works on the cluster that it has connected to, whatever becomes of kubeconfigs meanwhile.

use crate::support::{World, kubectl_get, plane};
use rstest::rstest;

/// A kubeconfig with the plane as context `a`, and as `b` a cluster that nobody answers for. The current one is `current`.
fn kubeconfig(world: &World, current: &str) -> std::path::PathBuf {
    let text = std::fs::read_to_string(plane().kubeconfig()).unwrap();
    let mut config: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let mut context = config["contexts"][0].clone();
    context["name"] = "a".into();
    let mut other = context.clone();
    other["name"] = "b".into();
    other["context"]["cluster"] = "nowhere".into();
    config["contexts"] = serde_json::json!([context, other]);
    let nowhere = serde_json::json!({"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}});
    config["clusters"].as_array_mut().unwrap().push(nowhere);
    config["current-context"] = current.into();
    // The file is JSON, one field a line: the steps below change its current context as `kubectl config use-context` does.
    world.write("kubeconfig", &serde_json::to_string_pretty(&config).unwrap())
}

fn stack(namespace: &str, cluster: &str, script: &str) -> String {
    format!(
        "version: 1\nname: {namespace}\n{cluster}releases:\n  - name: web\n    namespace: {namespace}\n    create_namespace: true\n    \
         chart: {{ path: CHARTS/config }}\n    pre_exec:\n      - command: {{ run: [sh, -c, {script:?}] }}\n"
    )
}

fn run(world: &World, args: &[&str]) -> String {
    let mut program = world.program(args);
    program.env("KUBECONFIG", world.path("kubeconfig"));
    world.transcript(&mut program)
}

fn is_deployed(namespace: &str) -> bool {
    kubectl_get(plane(), "v1", "Secret", Some(namespace), "sh.helm.release.v1.web.v1").is_some()
}

#[rstest]
#[case::of_the_user("one-cluster-file", "FILE")]
#[case::of_the_step("one-cluster-step", "$KUBECONFIG")]
fn a_context_that_moves_in_the_midst_of_a_run_moves_nothing(#[case] namespace: &str, #[case] file: &str) {
    let world = World::new();
    let file = file.replace("FILE", &world.path("kubeconfig").display().to_string());
    let script =
        format!("sed -i -E 's/(current-context\"?: *\"?)[^\",]*/\\1b/' \"{file}\" && grep current-context \"{file}\"");
    world.write("pilothouse.yaml", &stack(namespace, "", &script));
    kubeconfig(&world, "a");
    let transcript = run(&world, &["apply", "--yes"]);
    assert!(transcript.starts_with("exit code: 0\n"), "{transcript}");
    assert!(is_deployed(namespace), "{transcript}");
    assert!(transcript.contains("context a (https://127.0.0.1:"), "the run names its context: {transcript}");
}

#[test]
fn a_command_works_in_the_context_of_the_run() {
    let world = World::with_stack(&stack("one-cluster-flag", "", "grep current-context \"$KUBECONFIG\""));
    kubeconfig(&world, "b");
    let transcript = run(&world, &["apply", "--yes", "--context", "a"]);
    assert!(transcript.starts_with("exit code: 0\n"), "{transcript}");
    assert!(is_deployed("one-cluster-flag"), "{transcript}");
    let told = transcript
        .lines()
        .any(|line| line.trim_start().starts_with("current-context: ") && line.trim_end().ends_with('a'));
    assert!(told, "{transcript}");
}

#[rstest]
#[case::context("context: b", &[], "CLUSTER_MISMATCH")]
#[case::flag("context: b", &["--context", "a"], "CLUSTER_MISMATCH")]
#[case::server("server: https://elsewhere.example.com", &["--context", "a"], "CLUSTER_MISMATCH")]
#[case::uid("uid: 00000000-0000-0000-0000-000000000000", &["--context", "a"], "CLUSTER_MISMATCH")]
fn a_stack_that_is_for_another_cluster_is_refused(#[case] pin: &str, #[case] flags: &[&str], #[case] expected: &str) {
    let namespace = "one-cluster-pinned";
    let world = World::with_stack(&stack(namespace, &format!("cluster: {{ {pin} }}\n"), "true"));
    kubeconfig(&world, "a");
    let args: Vec<&str> = ["apply", "--yes"].iter().chain(flags).copied().collect();
    let transcript = run(&world, &args);
    assert!(!transcript.starts_with("exit code: 0\n"), "{transcript}");
    // The context of the pin is the one that is connected to where no other is asked for.
    assert!(transcript.contains(expected) || transcript.contains("https://127.0.0.1:1"), "{transcript}");
    assert!(!is_deployed(namespace));
}

#[test]
fn the_context_of_the_stack_file_is_used_where_no_other_is_asked_for() {
    let namespace = "one-cluster-pin";
    let world = World::with_stack(&stack(namespace, "cluster: { context: a }\n", "true"));
    kubeconfig(&world, "b");
    let transcript = run(&world, &["apply", "--yes"]);
    assert!(transcript.starts_with("exit code: 0\n"), "{transcript}");
    assert!(is_deployed(namespace));
}
