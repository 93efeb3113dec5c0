//! The disk for the journal is full, or cannot be written at all.

use super::stack::{assert_all_done, finish, ran, records, world};
use crate::support::{World, kubectl_get, plane, writes};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The program, started by these words of a shell.
fn by_shell(world: &World, words: &str, args: &[&str]) -> Command {
    let program = world.on_plane(args);
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{words} \"$0\" \"$@\"")).arg(program.get_program()).args(args);
    command.current_dir(world.path(""));
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// No file may grow beyond some blocks of 512 bytes, which to the program is a disk that is full.
#[test]
fn the_disk_is_full() {
    let world = world("full-disk");
    let first = ran(&mut by_shell(&world, "trap '' XFSZ; ulimit -f 16; exec", &["apply", "--yes"]));
    assert_eq!(first.code, Some(1), "{first:?}");
    let stopped = first.stdout.lines().find(|line| line.starts_with("stopped:")).unwrap();
    let journal = format!(
        "stopped: the journal cannot be written: cannot write the journal {}",
        world.path("state/pilothouse/runs").display()
    );
    assert!(stopped.starts_with(&journal), "{stopped}");
    // Whatever was begun is written down: what needs others was not.
    let done = std::fs::read_to_string(world.path("done")).unwrap();
    assert!(!done.contains("r4") && !done.contains("r5"), "{done}");
    finish(&first, || world.on_plane(&["apply", "--yes"]));
    assert_all_done(&world, plane().client_config(), "full-disk");
}

#[test]
fn the_state_folder_is_read_only() {
    // Root may write everywhere, unless it gives that up.
    let unprivileged = "exec setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all";
    if !Command::new("sh").args(["-c", &format!("{unprivileged} true")]).output().unwrap().status.success() {
        return pilothouse_testkit::not_run("the_state_folder_is_read_only", "setpriv does not work here");
    }
    let world = world("read-only");
    let state = world.path("state");
    std::fs::create_dir(&state).unwrap();
    let mode = |mode: u32| std::fs::set_permissions(&state, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o500);
    let transcript = world.transcript(&mut by_shell(&world, unprivileged, &["apply", "--yes"]));
    mode(0o700);
    insta::with_settings!({ filters => vec![(r"runs/[0-9a-f-]+/", "runs/CLUSTER/"), (r"context plane .*", "CLUSTER AND VERSIONS")] }, {
        insta::assert_snapshot!(transcript, @"
        exit code: 1
        ----- stdout -----
        read-only  6 releases, CLUSTER AND VERSIONS
        ----- stderr -----
        error: cannot create the folder for journals FOLDER/state/pilothouse/runs/CLUSTER/read-only
          caused by: Permission denied (os error 13)
        ");
    });
    assert_eq!(writes("read-only"), [""; 0]);
    assert_eq!(records(plane().client_config(), "read-only"), []);
    assert_eq!(kubectl_get(plane(), "v1", "Secret", Some("pilothouse"), "pilothouse.stack.read-only"), None);
    assert!(!world.path("done").exists());
    finish(&ran(&mut world.on_plane(&["apply", "--yes"])), || world.on_plane(&["resume", "--yes"]));
    assert_all_done(&world, plane().client_config(), "read-only");
}
