//! Commands that need no values need no variables either.

use crate::support::{World, plane, writes};

const STACK: &str = "version: 1\nname: unset\ndefaults: { namespace: unset, create_namespace: true }\nreleases:\n  \
    - name: web\n    chart: { path: CHARTS/config }\n    \
    values: [{ key: pw, from_env: UNSET_PASSWORD, sensitive: true }]\n    \
    validate: [{ name: look, http: { url: \"http://127.0.0.1:1/\", headers: [{ name: A, from_env: UNSET_TOKEN }] } }]\n";

/// How a command ends, without the variables.
fn exit(world: &World, args: &[&str]) -> (Option<i32>, String) {
    let output = world.program(args).env("KUBECONFIG", plane().kubeconfig()).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code(), text)
}

#[test]
fn what_renders_nothing_needs_no_values() {
    let without: Vec<&str> = STACK.lines().filter(|line| !line.contains("validate:")).collect();
    let world = World::with_stack(&without.join("\n"));
    let first = world.on_plane(&["apply", "--yes"]).env("UNSET_PASSWORD", "hunter22").output().unwrap();
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    world.write("pilothouse.yaml", STACK);
    for args in [&["status"][..], &["graph"], &["history"], &["diagnose"]] {
        let (code, text) = exit(&world, args);
        assert!(code != Some(2) && !text.contains("ENV_NOT_SET"), "{args:?}: {text}");
    }
    let (code, text) = exit(&world, &["lint"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("unset/web: not checked: not set in the environment: UNSET_PASSWORD, UNSET_TOKEN"), "{text}");
    for args in [&["plan"][..], &["apply", "--yes"], &["validate"], &["render"]] {
        let (code, text) = exit(&world, args);
        assert_eq!(code, Some(2), "{args:?}: {text}");
        assert!(text.contains("`UNSET_PASSWORD` is not set") && text.contains("`UNSET_TOKEN` is not set"), "{text}");
    }
    // A check may be made in a destroy: its header is needed, the value is not.
    let (code, text) = exit(&world, &["destroy", "--yes"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(!text.contains("`UNSET_PASSWORD` is not set") && text.contains("`UNSET_TOKEN` is not set"), "{text}");
    world.write("pilothouse.yaml", &without.join("\n"));
    let (code, text) = exit(&world, &["destroy", "--yes"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(!writes("unset").is_empty());
}
