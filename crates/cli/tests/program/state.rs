//! Where the state of a stack is: in a new place, in the one of former days, and on its way.

use crate::support::{World, kubectl_get, plane};
use std::path::Path;
use std::process::{Command, Output};

/// A stack of this name, with a value that can be changed and, if any, a line of its own.
fn stack(name: &str, value: u32, line: &str) -> String {
    format!(
        "version: 1\nname: {name}\n{line}\nreleases:\n  - name: {name}\n    namespace: {name}\n    chart: {{ path: CHARTS/config }}\n    \
         values: [{{ key: text, value: v{value} }}]\n"
    )
}

fn ended(command: &mut Command, code: i32) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(code), "{text}");
    text
}

/// The namespaces that have a record of the stack.
fn records(stack: &str) -> Vec<&'static str> {
    let name = format!("pilothouse.stack.{stack}");
    let has = |namespace: &&str| kubectl_get(plane(), "v1", "Secret", Some(namespace), &name).is_some();
    ["default", "pilothouse", "state-ops"].into_iter().filter(has).collect()
}

fn lock(stack: &str, namespace: &str) -> Option<serde_json::Value> {
    kubectl_get(plane(), "coordination.k8s.io/v1", "Lease", Some(namespace), &format!("pilothouse.stack.{stack}"))
}

/// The command in the hint of an error, with its arguments.
fn hinted(told: &str) -> Vec<String> {
    let command = told.split('`').find(|text| text.starts_with("pilothouse ")).unwrap_or_else(|| panic!("{told}"));
    command.split(' ').skip(1).map(str::to_owned).collect()
}

fn follow(world: &World, told: &str) -> String {
    let command = hinted(told);
    ended(&mut world.on_plane(&command.iter().map(String::as_str).collect::<Vec<_>>()), 0)
}

fn runs(world: &World) -> usize {
    let told: serde_json::Value =
        serde_json::from_slice(&world.on_plane(&["history", "--output", "json"]).output().unwrap().stdout).unwrap();
    assert_eq!(told["problems"], serde_json::json!([]), "{told}");
    told["runs"].as_array().unwrap().len()
}

#[test]
fn a_new_stack_and_one_of_former_days() {
    let world = World::with_stack(&stack("state-new", 1, ""));
    ended(&mut world.on_plane(&["apply", "--yes"]), 0);
    assert_eq!(records("state-new"), ["pilothouse"]);
    assert_eq!(lock("state-new", "default"), None);

    // As it was kept formerly; then by a file that says nothing of it.
    let world = World::with_stack(&stack("state-old", 1, "state_namespace: default"));
    ended(&mut world.on_plane(&["apply", "--yes"]), 0);
    world.write("pilothouse.yaml", &stack("state-old", 2, ""));
    ended(&mut world.on_plane(&["apply", "--yes"]), 0);
    assert_eq!((records("state-old"), runs(&world)), (vec!["default"], 2));
    assert_eq!(lock("state-old", "pilothouse"), None);

    let told = ended(&mut world.on_plane(&["state", "move"]), 0);
    assert_eq!(told, "The state of stack state-old was moved from namespace default to pilothouse.\n");
    assert_eq!((records("state-old"), runs(&world)), (vec!["pilothouse"], 2));
    let told = ended(&mut world.on_plane(&["state", "move"]), 0);
    assert_eq!(told, "The state of stack state-old is in namespace pilothouse.\n");
    world.write("pilothouse.yaml", &stack("state-old", 3, ""));
    ended(&mut world.on_plane(&["apply", "--yes"]), 0);
    assert_eq!((records("state-old"), runs(&world)), (vec!["pilothouse"], 3));
    // Another machine knows of all that too.
    std::fs::remove_dir_all(world.path("state")).unwrap();
    assert_eq!(runs(&world), 3);
}

/// Whoever writes another place into the file is told what to do, and does it.
#[test]
fn a_file_that_says_another_place() {
    let world = World::with_stack(&stack("state-moves", 1, ""));
    ended(&mut world.on_plane(&["apply", "--yes"]), 0);
    world.write("pilothouse.yaml", &stack("state-moves", 2, "state_namespace: state-ops"));
    let told = ended(&mut world.on_plane(&["apply", "--yes"]), 3);
    let file = world.path("pilothouse.yaml").canonicalize().unwrap();
    assert!(
        told.contains("the stack file says that the state is in namespace `state-ops`, but it is in `pilothouse`"),
        "{told}"
    );
    assert!(hinted(&told).iter().any(|word| Path::new(word) == file), "{told}");
    follow(&world, &told);
    ended(&mut world.on_plane(&["apply", "--yes"]), 0);
    assert_eq!((records("state-moves"), runs(&world)), (vec!["state-ops"], 2));

    // Whoever still has the file of before is not let in by the back door.
    world.write("pilothouse.yaml", &stack("state-moves", 3, ""));
    let told = ended(&mut world.on_plane(&["apply", "--yes"]), 3);
    assert!(told.contains("the state of the stack was moved from namespace `pilothouse` to `state-ops`"), "{told}");
    let told = ended(&mut world.on_plane(&["resume", "--yes"]), 3);
    assert!(told.contains("`state_namespace: state-ops`"), "{told}");
    let told = ended(&mut world.on_plane(&["history"]), 1);
    // The same hint has the way back.
    follow(&world, &told);
    ended(&mut world.on_plane(&["apply", "--yes"]), 0);
    assert_eq!((records("state-moves"), runs(&world)), (vec!["pilothouse"], 3));
}
