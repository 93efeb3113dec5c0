//! Killed in the middle of helm's run: the next one heals what helm has left, and finishes.

use super::left::{lock_holder, releases, revisions, waits_for_hook};
use super::running::{Ran, Running, eventually, has_ended, helm_of, is_stopped, run, send, start_with};
use crate::support::{World, helm};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A stack of one release, which is also its namespace.
fn world(name: &str, slow: bool) -> World {
    let world = World::new();
    write(&world, name, slow);
    world
}

/// Whether helm is to come to an end.
fn write(world: &World, name: &str, slow: bool) {
    write_stack(world, name, name, slow);
}

fn write_stack(world: &World, stack: &str, name: &str, slow: bool) {
    let values =
        format!("[{{ key: text, value: slow-{slow} }}, {{ key: hook, value: true }}, {{ key: slow, value: {slow} }}]");
    world.write(
        "pilothouse.yaml",
        &format!(
            "version: 1\nname: {stack}\nreleases:\n  - name: {name}\n    namespace: {name}\n    \
             chart: {{ path: CHARTS/config }}\n    values: {values}\n"
        ),
    );
}

/// Begins to apply, and gives the program and its helm once helm is in the middle of its work.
fn in_the_middle(world: &World, name: &str, helm: &Path) -> (Running, u32) {
    let program = start_with(world, helm, "state", &["apply", "--yes"]);
    eventually("helm waits for the hook", || waits_for_hook(name).then_some(()));
    let helm = eventually("helm is found", || helm_of(program.pid()));
    (program, helm)
}

fn apply(world: &World, tool: Tool, more: &[&str]) -> Ran {
    run(world, tool, "state", &[&["apply", "--yes", "--output", "json"], more].concat())
}

fn assert_done(name: &str) {
    let releases = releases(name);
    assert_eq!(releases.len(), 1, "{releases:?}");
    assert_eq!((releases[name].status.as_str(), releases[name].data["text"].as_str()), ("deployed", "slow-false"));
    let pending: Vec<_> = revisions(name).into_iter().filter(|(_, _, status)| status.starts_with("pending")).collect();
    assert_eq!((pending, lock_holder(name)), (Vec::new(), None));
}

/// Helm is told of its parent's end, and mostly marks its revision failed (it may die first, of the output that nobody
/// reads any more); or it is killed before it can. The next run does what helm has not. A hook's object that is left is no
/// obstacle either way.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
fn helm_is_asked_to_end_or_killed_too(
    #[case] tool: Tool,
    #[values(false, true)] helm_too: bool,
    #[values(false, true)] upgrade: bool,
) {
    let name = format!("mid-{}-{}-{}", tool.name(), u8::from(helm_too), u8::from(upgrade));
    let revision = if upgrade { 2 } else { 1 };
    let world = world(&name, false);
    if upgrade {
        apply(&world, tool, &[]).expect(0);
    }
    write(&world, &name, true);
    let (program, helm) = in_the_middle(&world, &name, &helm(tool));
    if helm_too {
        // So that the program does not see that its helm has ended.
        program.signal(Signal::STOP);
        eventually("the program is stopped", || is_stopped(program.pid()).then_some(()));
        send(helm, Signal::KILL);
    }
    program.signal(Signal::KILL);
    assert!(program.wait().was_killed());
    eventually("helm has ended", || has_ended(helm).then_some(()));
    let (_, newest, status) = revisions(&name).pop().unwrap();
    let pending = status.starts_with("pending");
    assert!(newest == revision && (pending || status == "failed" && !helm_too), "revision {newest} is {status}");

    write(&world, &name, false);
    // A plan takes it for what the next run will make of it: nobody has to consent to that.
    let planned = run(&world, tool, "state", &["plan", "--output", "json"]).expect(0);
    assert_eq!(planned.stdout.contains("which is marked failed first"), pending, "{}", planned.told());
    let ran = apply(&world, tool, &[]).expect(0);
    let healed: Vec<_> = ran.events("heal_started").iter().map(|event| event["what"].clone()).collect();
    let mut expected = vec![format!("delete ConfigMap {name}/{name}-hook")];
    if pending {
        expected.insert(0, format!("mark revision {revision} failed"));
    }
    assert_eq!(healed, expected, "{}", ran.told());
    assert_done(&name);
}

/// The run that heals is killed as well, at each boundary of the healing.
#[test]
fn the_one_that_heals_is_killed_too() {
    std::thread::scope(|scope| {
        for at in 1..=4 {
            scope.spawn(move || {
                let name = format!("mid-heal-{at}");
                let world = world(&name, true);
                let (program, helm) = in_the_middle(&world, &name, &helm(Tool::Helm4));
                program.signal(Signal::STOP);
                eventually("the program is stopped", || is_stopped(program.pid()).then_some(()));
                send(helm, Signal::KILL);
                program.signal(Signal::KILL);
                assert!(program.wait().was_killed());
                write(&world, &name, false);
                let ran = apply(&world, Tool::Helm4, &["--kill-at", &at.to_string()]);
                assert!(ran.was_killed(), "{}", ran.told());
                apply(&world, Tool::Helm4, &[]).expect(0);
                assert_done(&name);
            });
        }
    });
}

/// A helm that outlives its run is waited for, not raced.
#[test]
fn a_helm_that_is_still_there_is_waited_for() {
    let name = "mid-stays";
    let world = world(name, true);
    // The program asks this one to end, which does not listen, and does not tell helm.
    let real = helm(Tool::Helm4);
    let deaf = world.write("deaf-helm", &format!("#!/bin/sh\ntrap '' TERM\n{} \"$@\"\n", real.display()));
    std::fs::set_permissions(&deaf, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (program, deaf) = in_the_middle(&world, name, &deaf);
    program.signal(Signal::KILL);
    assert!(program.wait().was_killed());
    write(&world, name, false);

    let ran = apply(&world, Tool::Helm4, &["--lock-timeout", "1s"]).expect(1);
    assert_eq!(ran.findings("RELEASE_LOCKED"), [format!("{name}/{name}")], "{}", ran.told());
    assert!(ran.stdout.contains(" is still at work on it"), "{}", ran.told());
    assert_eq!(revisions(name), [(name.to_owned(), 1, "pending-install".to_owned())]);

    send(helm_of(deaf).unwrap(), Signal::TERM);
    apply(&world, Tool::Helm4, &[]).expect(0);
    assert_done(name);
}

/// What another stack, or a person, has begun may well be alive, on whatever machine: no time proves that it is not.
#[test]
fn a_helm_of_another_stack_is_not_taken_for_dead() {
    let name = "mid-foreign";
    let world = World::new();
    write_stack(&world, "mid-foreign-other", name, true);
    let (program, helm) = in_the_middle(&world, name, &helm(Tool::Helm4));
    program.signal(Signal::STOP);
    eventually("the program is stopped", || is_stopped(program.pid()).then_some(()));
    send(helm, Signal::KILL);
    program.signal(Signal::KILL);
    assert!(program.wait().was_killed());

    write(&world, name, false);
    let pending = [(name.to_owned(), 1, "pending-install".to_owned())];
    let ran = apply(&world, Tool::Helm4, &["--lock-timeout", "3s"]).expect(1);
    assert_eq!(ran.findings("RELEASE_LOCKED"), [format!("{name}/{name}")], "{}", ran.told());
    assert!(ran.stdout.contains("which no run of this stack has begun"), "{}", ran.told());
    assert_eq!(revisions(name), pending);

    let ran = apply(&world, Tool::Helm4, &["--consent", "lock"]);
    let healed: Vec<_> = ran.events("heal_started").iter().map(|event| event["what"].clone()).collect();
    assert_eq!(healed, ["mark revision 1 failed"], "{}", ran.told());
    assert!(!revisions(name).contains(&pending[0]));
}
