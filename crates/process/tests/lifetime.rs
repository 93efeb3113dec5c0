//! What a child may and may not outlive, with real processes.
#![expect(clippy::unwrap_used, reason = "a failed set-up should end the test")]

use pilothouse_process::{Ended, Limits, Sink, Spawn, run};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

fn sh(script: &str) -> Spawn {
    Spawn::new("/bin/sh").args(["-c", script]).env("PATH", "/usr/bin:/bin")
}

fn limits(timeout_ms: u64, grace_ms: u64) -> Limits {
    Limits { timeout: Duration::from_millis(timeout_ms), grace: Duration::from_millis(grace_ms) }
}

/// Whether a process exists and is not a zombie (an orphan's zombie may wait a while for the machine's init).
fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok() && state != Some("Z")
}

fn gone_within(pid: i32, time: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < time {
        if !alive(pid) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn read_pid(file: &Path) -> i32 {
    for _ in 0..500 {
        if let Some(pid) = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()) {
            return pid;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no pid appeared in {}", file.display());
}

#[tokio::test]
async fn captures_both_streams_and_the_exit_code() {
    let done = run(sh("echo out; echo err >&2; exit 3"), limits(5_000, 100), &CancellationToken::new()).await.unwrap();
    assert_eq!((done.ended, done.status.code()), (Ended::Exited, Some(3)));
    assert_eq!((done.stdout.text(), done.stderr.text()), ("out\n".to_owned(), "err\n".to_owned()));
}

#[tokio::test]
async fn what_was_written_is_kept_when_something_left_behind_holds_a_stream_open() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    // `setsid` leaves the group, so that the sleep outlives the shell, and holds standard output open.
    let script = format!(
        "setsid sh -c 'echo $$ >{0}; exec sleep 30' 2>/dev/null & until [ -s {0} ]; do sleep 0.01; done; echo value",
        file.display()
    );
    let done = run(sh(&script), limits(10_000, 100), &CancellationToken::new()).await.unwrap();
    let sleep = read_pid(&file);
    let outlived = alive(sleep);
    kill_process(Pid::from_raw(sleep).unwrap(), Signal::KILL).unwrap();
    assert!(outlived && done.status.success());
    assert_eq!((done.stdout.text(), done.stdout.complete), ("value\n".to_owned(), false));
    assert!(done.stderr.complete);
    assert_eq!((done.stdout.dropped, done.stderr.dropped), (0, 0));
}

/// What is left out of both is counted, and what a program reads of them is bounded.
#[tokio::test]
async fn of_what_is_printed_the_end_is_kept() {
    let script = "yes | head -c 100000000; yes e | head -c 1000001 >&2";
    let done = run(sh(script), limits(60_000, 100), &CancellationToken::new()).await.unwrap();
    let last = 64 * 1024;
    assert_eq!((done.stdout.bytes.len() as u64, done.stdout.dropped), (last, 100_000_000 - last));
    assert_eq!((done.stderr.bytes.len() as u64, done.stderr.dropped), (last, 1_000_001 - last));
    assert!(done.stdout.complete && done.stdout.text().ends_with("y\ny\n") && done.stderr.text().ends_with("e\ne"));
}

#[tokio::test]
async fn the_whole_of_it_is_kept_from_its_beginning_up_to_a_bound() {
    let whole = sh("echo first; yes | head -c 1000000").whole_stdout(200_000);
    let done = run(whole, limits(60_000, 100), &CancellationToken::new()).await.unwrap();
    assert_eq!((done.stdout.bytes.len(), done.stdout.dropped), (200_000, 800_006));
    assert!(done.stdout.text().starts_with("first\ny\n"));
}

#[tokio::test]
async fn the_environment_is_only_what_was_given() {
    let done =
        run(Spawn::new("/usr/bin/env").env("A", "1"), limits(5_000, 100), &CancellationToken::new()).await.unwrap();
    assert_eq!(done.stdout.text(), "A=1\n");
}

#[tokio::test]
async fn a_program_that_ignores_sigterm_is_killed_after_the_grace() {
    let done = run(sh("trap '' TERM; while :; do sleep 0.05; done"), limits(200, 200), &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(done.ended, Ended::TimedOut);
    assert!(!done.status.success());
    assert!(done.elapsed >= Duration::from_millis(400), "{:?}", done.elapsed);
}

#[tokio::test]
async fn a_cancelled_program_gets_its_grace() {
    let cancel = CancellationToken::new();
    let stopper = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stopper.cancel();
    });
    let script = "trap 'echo tidied; exit 7' TERM; while :; do sleep 0.05; done";
    let done = run(sh(script), limits(10_000, 5_000), &cancel).await.unwrap();
    assert_eq!((done.ended, done.status.code()), (Ended::Cancelled, Some(7)));
    assert_eq!(done.stdout.text(), "tidied\n");
}

#[tokio::test]
async fn what_the_child_left_running_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let script = format!("sleep 300 & echo $! > {}; exit 0", file.display());
    run(sh(&script), limits(5_000, 100), &CancellationToken::new()).await.unwrap();
    assert!(gone_within(read_pid(&file), Duration::from_secs(5)));
}

#[tokio::test]
async fn dropping_the_child_kills_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let child =
        sh(&format!("sleep 300 & echo $! > {}; wait", file.display())).stdout(Sink::Null).start().await.unwrap();
    let (leader, grandchild) = (child.id().cast_signed(), read_pid(&file));
    drop(child);
    assert!(gone_within(leader, Duration::from_secs(5)) && gone_within(grandchild, Duration::from_secs(5)));
}

#[tokio::test]
async fn a_missing_program_is_an_error_that_names_it() {
    let error = Spawn::new("/no/such/program").start().await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "cannot start /no/such/program");
}

/// A child is started from a thread that ends; it must not get its parent-death signal from that.
#[test]
fn a_child_outlives_the_runtime_thread_that_asked_for_it() {
    let child = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(sh("sleep 300").start()).unwrap()
    })
    .join()
    .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(alive(child.id().cast_signed()));
}

/// The parent is this test binary started again, running only the (otherwise empty) test below it.
#[test]
fn sigkill_of_the_parent_takes_children_and_guarded_grandchildren() {
    let dir = tempfile::tempdir().unwrap();
    let mut parent = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "parent_in_another_process", "--nocapture"])
        .env("PILOTHOUSE_TEST_FOLDER", dir.path())
        .spawn()
        .unwrap();
    let (plain, guarded) = (read_pid(&dir.path().join("plain")), read_pid(&dir.path().join("guarded")));
    assert!(alive(plain) && alive(guarded));
    kill_process(Pid::from_raw(parent.id().cast_signed()).unwrap(), Signal::KILL).unwrap();
    parent.wait().unwrap();
    assert!(gone_within(plain, Duration::from_secs(5)), "the child is still there");
    assert!(gone_within(guarded, Duration::from_secs(5)), "the grandchild is still there");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the folder comes from the test that started this process")]
fn parent_in_another_process() {
    let Some(folder) = std::env::var_os("PILOTHOUSE_TEST_FOLDER") else { return };
    let folder = Path::new(&folder);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let plain = sh("exec sleep 300").stdout(Sink::Null).stderr(Sink::Null).start().await.unwrap();
        let grandchild = format!("sleep 300 & echo $! > {}; wait", folder.join("guarded").display());
        let _guarded = sh(&grandchild).stdout(Sink::Null).stderr(Sink::Null).guard_descendants().start().await.unwrap();
        std::fs::write(folder.join("plain"), plain.id().to_string()).unwrap();
        std::future::pending::<()>().await;
    });
}

#[tokio::test]
async fn a_program_that_is_still_being_written_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let mut file = std::fs::File::create(&program).unwrap();
    std::io::Write::write_all(&mut file, b"#!/bin/sh\necho done\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    // Open for writing still, as in a process that another thread is just starting.
    let closing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        drop(file);
    });
    let done = run(Spawn::new(&program), limits(5_000, 100), &CancellationToken::new()).await.unwrap();
    assert_eq!(done.stdout.text(), "done\n");
    closing.join().unwrap();
}
