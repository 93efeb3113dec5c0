//! Two runs at once on one stack: one works, the other waits, and takes over only when the first cannot be at work.

use super::left::{journals, lock_holder, log, newest_journal, record, releases, revisions};
use super::running::{eventually, has_ended, helm_of, is_stopped, run, start};
use crate::support::{World, plane};
use pilothouse_plane::AuditLog;
use pilothouse_plane::provision::Tool;
use rustix::process::Signal;
use std::path::Path;

const HELM: Tool = Tool::Helm4;

/// Who holds the lock, as everybody else is told.
fn expect_holder(stack: &str, pid: u32, journal: &Path) -> String {
    let holder = eventually("the lock is held", || lock_holder(stack));
    let run = journal.file_stem().unwrap().to_str().unwrap();
    let rest = format!(" (process {pid}, run {})", &run[run.len() - 8..]);
    let who = holder.strip_suffix(&rest).unwrap_or_else(|| panic!("`{holder}` does not end in `{rest}`"));
    let host = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    assert!(who.strip_suffix(&host).is_some_and(|user| user.ends_with('@') && user.len() > 1), "{who}");
    holder
}

#[test]
fn the_second_waits_and_says_for_whom() {
    let world = World::with_stack(
        "version: 1\nname: two\nreleases:\n  - name: two\n    namespace: two\n    chart: { path: CHARTS/config }\n    \
         pre_exec: [{ command: { run: [sh, -c, 'echo begun >> log; until [ -e go ]; do sleep 0.1; done'] } }]\n",
    );
    let first = start(&world, HELM, "state", &["apply", "--yes"]);
    eventually("the step has begun", || (log(&world) == ["begun"]).then_some(()));
    let holder = expect_holder("two", first.pid(), &journals(&world, "state", "two")[0]);

    let mut second = start(&world, HELM, "state", &["apply", "--yes"]);
    let waits = format!("waiting for the lock held by {holder}, at most 5 m 00 s");
    eventually("the second says that it waits", || second.stdout().lines().any(|line| line == waits).then_some(()));

    let hasty = run(&world, HELM, "state", &["apply", "--yes", "--lock-timeout", "1s"]).expect(1);
    let error = hasty.stderr.lines().next().unwrap_or_default();
    assert_eq!(error, format!("error: the stack is locked by {holder}"), "{}", hasty.told());

    assert!(second.is_running());
    assert_eq!(log(&world), ["begun"], "somebody else has begun");
    world.write("go", "");
    first.wait().expect(0);
    let second = second.wait().expect(0);
    assert!(second.stdout.contains("\nthe lock is free, after "), "{}", second.told());
    // The first has done it all.
    assert!(second.stdout.contains("1 unchanged in "), "{}", second.told());
    assert_eq!((log(&world).len(), lock_holder("two")), (1, None));
}

/// Two releases: one in a step of its own, the other in helm's hands.
fn stack(slow: bool) -> String {
    format!(
        "version: 1\nname: stopped\ndefaults: {{ namespace: stopped }}\nreleases:\n  - name: step\n    \
         chart: {{ path: CHARTS/config }}\n    pre_exec:\n      - command:\n          repeatable: true\n          \
         run: [sh, -c, 'echo $$ >> log; [ $(wc -l < log) -gt 1 ] || exec sleep 1000']\n    \
         validate: [{{ command: {{ run: [sh, -c, 'echo validated >> validated'] }} }}]\n  - name: helm\n    \
         chart: {{ path: CHARTS/config }}\n    values: [{{ key: slow, value: {slow} }}]\n"
    )
}

#[test]
fn one_that_was_stopped_past_its_lease_does_nothing_more() {
    let world = World::with_stack(&stack(true));
    let first = start(&world, HELM, "state", &["apply", "--yes"]);
    let helm = eventually("helm waits for its hook", || {
        let pending = revisions("stopped").contains(&("helm".to_owned(), 1, "pending-install".to_owned()));
        helm_of(first.pid()).filter(|_| pending)
    });
    let step: u32 = eventually("the step has begun", || log(&world).first()?.parse().ok());
    let holder = expect_holder("stopped", first.pid(), &journals(&world, "state", "stopped")[0]);
    first.signal(Signal::STOP);
    eventually("the first is stopped", || is_stopped(first.pid()).then_some(()));

    // Long enough to see the lease unchanged for its 15 s and a little more. Helm of the first is still at work: its
    // release is left alone, the other one is not.
    let second = run(&world, HELM, "state", &["apply", "--yes", "--lock-timeout", "25s", "--output", "json"]).expect(1);
    let taken = second.events("lock_taken");
    let why = taken[0]["taken_over"].as_str().unwrap_or_default();
    assert!(why.starts_with(&format!("{holder} has not renewed the lock for ")), "{why}");
    assert_eq!(second.findings("RELEASE_LOCKED"), ["stopped/helm"], "{}", second.told());
    assert!(second.stdout.contains(&format!("helm (process {helm}) of run ")), "{}", second.told());
    assert_eq!(releases("stopped")["step"].status, "deployed");
    assert!(!has_ended(helm) && !has_ended(step), "somebody has stopped what the first has begun");

    let (log_before, record_before) = (log(&world), record("stopped"));
    let continued_at = jiff::Timestamp::now();
    first.signal(Signal::CONT);
    let first = first.wait().expect(1);
    assert!(
        first.stdout.contains("stopping: the lock of the stack is lost: it was not renewed for "),
        "{}",
        first.told()
    );
    eventually("its helm and its step have ended", || (has_ended(helm) && has_ended(step)).then_some(()));
    assert_eq!((log(&world), record("stopped"), lock_holder("stopped")), (log_before, record_before, None));
    assert_eq!(std::fs::read_to_string(world.path("validated")).unwrap(), "validated\n");
    // Helm has marked its own revision failed, as it does when it is asked to end.
    let writes = writes_since(continued_at);
    assert!(writes.iter().all(|write| write == "Helm update sh.helm.release.v1.helm.v1"), "{writes:?}");

    world.write("pilothouse.yaml", &stack(false));
    run(&world, HELM, "state", &["apply", "--yes"]).expect(0);
    let statuses: Vec<String> = releases("stopped").into_values().map(|standing| standing.status).collect();
    assert_eq!(statuses, ["deployed", "deployed"]);
    let journal = newest_journal(&world, "state", "stopped");
    assert_eq!(journal.last().unwrap()["verdict"], "done");
}

/// What the program and helm have written since then, of what belongs to the stack.
fn writes_since(then: jiff::Timestamp) -> Vec<String> {
    let log = AuditLog::read(&plane().audit_log().unwrap()).unwrap();
    let events = log.events().iter().filter(|event| {
        let write = ["create", "update", "patch", "delete", "deletecollection"].contains(&event.verb.as_str());
        let name = event.name.as_deref().unwrap_or_default();
        write
            && event.at >= then
            && (event.namespace.as_deref() == Some("stopped") || name == "pilothouse.stack.stopped")
    });
    let client = |agent: &str| agent.split('/').next().unwrap_or_default().to_owned();
    let ours = events.map(|event| (client(&event.user_agent), &event.verb, event.name.as_deref().unwrap_or_default()));
    let ours = ours.filter(|(client, ..)| client == "pilothouse" || client == "Helm");
    ours.map(|(client, verb, name)| format!("{client} {verb} {name}")).collect()
}
