//! The disk for the journal is full, or cannot be written at all.

use crate::stack::{assert_all_done, finish, ran, records, world};
use crate::support::{World, kubectl_get, plane, writes};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The program, started by a shell that does something first.
fn behind(world: &World, before: &str, args: &[&str]) -> Command {
    let program = world.on_plane(args);
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{before} exec \"$0\" \"$@\"")).arg(program.get_program()).args(args);
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
    let first = ran(&mut behind(&world, "trap '' XFSZ; ulimit -f 12;", &["apply", "--yes"]));
    println!("{first:?}");
    assert_eq!(first.code, Some(1));
    finish(first, || world.on_plane(&["apply", "--yes"]));
    assert_all_done(&world, plane().client_config(), "full-disk");
}

#[test]
fn the_state_folder_is_read_only() {
    let test = "the_state_folder_is_read_only";
    // Root may write everywhere, unless it gives that up.
    let without_privilege = "setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all";
    if !Command::new("sh").args(["-c", &format!("{without_privilege} true")]).output().unwrap().status.success() {
        return pilothouse_testkit::not_run(test, "setpriv does not work here");
    }
    let world = world("read-only");
    let state = world.path("state");
    std::fs::create_dir(&state).unwrap();
    let mode = |mode: u32| std::fs::set_permissions(&state, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o500);
    let transcript = world.transcript(&mut behind(
        &world,
        "exec setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all",
        &["apply", "--yes"],
    ));
    mode(0o700);
    println!("{transcript}");
    assert_eq!(writes("read-only"), [""; 0]);
    assert_eq!(records(plane().client_config(), "read-only"), []);
    assert_eq!(kubectl_get(plane(), "v1", "Secret", Some("default"), "pilothouse.stack.read-only"), None);
    assert!(!Path::new(&world.path("done")).exists());
    finish(ran(&mut world.on_plane(&["apply", "--yes"])), || world.on_plane(&["resume", "--yes"]));
    assert_all_done(&world, plane().client_config(), "read-only");
}
