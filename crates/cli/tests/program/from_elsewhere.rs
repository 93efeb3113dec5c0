//! The same stack from another folder: what an earlier run has done counts, and a saved plan holds.

use crate::support::World;
use serde_json::Value;
use std::process::{Command, Output};

/// A program that must not be run twice, and one that fails until the file `ready` is there.
const STACK: &str = "\
version: 1
name: elsewhere
releases:
  - name: elsewhere
    namespace: elsewhere
    chart: { path: CHARTS/config }
    values: [{ key: password, value: letmein42, sensitive: true }]
    post_exec:
      - apply: { files: [manifests/extra.yaml] }
      - command: { run: [sh, -c, echo done >> migrations] }
      - command: { run: [test, -f, ready] }
";

const EXTRA: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: extra }\ndata: { colour: blue }\n";

fn succeeded(command: &mut Command, code: i32) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr).into_owned());
    assert_eq!(status.code(), Some(code), "{stdout}\n{stderr}");
    stdout
}

/// The program, started in this folder of the world.
fn within(world: &World, folder: &str, args: &[&str]) -> Command {
    let mut command = world.on_plane(args);
    command.current_dir(world.path(folder));
    command
}

#[test]
fn a_stack_is_the_same_from_everywhere() {
    let world = World::new();
    world.write("shop/pilothouse.yaml", STACK);
    world.write("shop/manifests/extra.yaml", EXTRA);
    // A plan that is saved from outside, and carried out at once.
    succeeded(&mut within(&world, "", &["plan", "shop", "--out", "shop.plan"]), 0);
    succeeded(&mut within(&world, "", &["apply", "shop.plan"]), 1);
    let migrations = || std::fs::read_to_string(world.path("shop/migrations")).unwrap();
    assert_eq!(migrations(), "done\n");
    // What has ended well is not run again, wherever the stack file is named from.
    world.write("shop/ready", "");
    let told = within(&world, "", &["resume", "--stack", "shop", "--yes", "--output", "jsonl"]).output().unwrap();
    assert_eq!((told.status.code(), migrations().as_str()), (Some(0), "done\n"), "{told:?}");
    let absolute = world.path("shop").display().to_string();
    for (folder, stack) in [("shop", "."), ("", "shop"), ("", "./shop/pilothouse.yaml"), ("shop/manifests", &absolute)]
    {
        succeeded(&mut within(&world, folder, &["plan", stack, "--detailed-exitcode"]), 0);
    }
    // No digest is told by which the password could be guessed.
    let told = String::from_utf8(told.stdout).unwrap();
    let begun: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    let run = begun["run"].as_str().unwrap();
    let history = succeeded(&mut within(&world, "shop", &["history", run, "--output", "json"]), 0);
    for told in [told, history.replace(": ", ":")] {
        let digests: Vec<&str> =
            told.split("\"digest\":\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default()).collect();
        assert!(
            !digests.is_empty() && digests.iter().all(|digest| digest.starts_with("2:") && digest.len() == 75),
            "{told}"
        );
    }
}
