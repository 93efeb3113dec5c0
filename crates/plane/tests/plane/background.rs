//! Planes in the background: a supervisor process, and others that look at it and end it.

use super::common::{self, PATIENCE, alive, eventually};
use pilothouse_plane::{
    Component, PlaneConfig, PlaneRecord, PlaneStatus, RegistryError, SuperviseError, down, list, status, supervise,
};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A supervisor is this test program started again, running only the (otherwise empty) test at the end.
fn start(base: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "background::supervisor_in_another_process", "--nocapture"])
        .env("PILOTHOUSE_TEST_BASE", base)
        .env("PILOTHOUSE_TEST_NAME", name)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

async fn up(base: &Path, name: &str) -> (Child, PlaneRecord) {
    let child = start(base, name);
    let record = eventually(async || match status(base, name) {
        Ok(PlaneStatus::Up(record)) => Ok(record),
        other => Err(format!("{other:?}")),
    })
    .await;
    (child, record)
}

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

async fn all_gone(record: &PlaneRecord) {
    eventually(async || {
        let left: Vec<_> = record.components.iter().filter(|process| alive(process.pid)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}

#[tokio::test]
async fn up_status_list_down() {
    let base = tempfile::tempdir().unwrap();
    let base = base.path().join("planes");
    assert_eq!(list(&base).unwrap(), []);
    let (mut supervisor, record) = up(&base, "blue").await;
    assert_eq!((record.name.as_str(), record.supervisor.pid), ("blue", supervisor.id()));
    assert_eq!(record.components.iter().map(|process| process.component).collect::<Vec<_>>(), Component::CONTROL_PLANE);
    assert_eq!(list(&base).unwrap(), [("blue".to_owned(), PlaneStatus::Up(record.clone()))]);

    let kubeconfig = kube::config::Kubeconfig::read_from(&record.kubeconfig).unwrap();
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await.unwrap();
    assert_eq!(config.cluster_url.to_string().trim_end_matches('/'), record.url);
    let client = kube::Client::try_from(config).unwrap();
    assert!(common::get(&client, "/api/v1/namespaces/default").await.is_some());

    let twice = supervise(config_named("blue"), &base, |_| (), &CancellationToken::new()).await.unwrap_err();
    assert_eq!(twice.to_string(), "a plane named blue is up already");

    down(&base, "blue", PATIENCE).await.unwrap();
    assert!(!base.join("blue").exists());
    assert!(supervisor.wait().unwrap().success());
    assert!(record.components.iter().all(|process| !alive(process.pid)), "down returned too early");
    let again = down(&base, "blue", PATIENCE).await.unwrap_err();
    assert!(matches!(again, RegistryError::Unknown { name } if name == "blue"));
}

#[tokio::test]
async fn a_killed_supervisor_leaves_a_dead_plane_that_can_be_removed_or_replaced() {
    let base = tempfile::tempdir().unwrap();
    let (mut supervisor, record) = up(base.path(), "red").await;
    kill(record.supervisor.pid, Signal::KILL);
    supervisor.wait().unwrap();
    all_gone(&record).await;
    assert_eq!(status(base.path(), "red").unwrap(), PlaneStatus::Dead(Some(record)));
    let (mut supervisor, record) = up(base.path(), "red").await;
    kill(record.supervisor.pid, Signal::KILL);
    supervisor.wait().unwrap();
    down(base.path(), "red", PATIENCE).await.unwrap();
    assert_eq!(list(base.path()).unwrap(), []);
}

#[tokio::test]
async fn a_plane_that_breaks_says_why_until_it_is_removed() {
    let base = tempfile::tempdir().unwrap();
    let (mut supervisor, record) = up(base.path(), "green").await;
    let store = record.components.iter().find(|process| process.component == Component::Kine).unwrap();
    kill(store.pid, Signal::KILL);
    assert!(!supervisor.wait().unwrap().success());
    all_gone(&record).await;
    let PlaneStatus::Failed(why) = status(base.path(), "green").unwrap() else { panic!("not failed") };
    assert_eq!(why.lines().next(), Some("the plane broke: kine ended (signal: 9 (SIGKILL)); the end of its log:"));
    // The next one of this name starts afresh.
    let (mut supervisor, record) = up(base.path(), "green").await;
    kill(supervisor.id(), Signal::KILL);
    supervisor.wait().unwrap();
    assert_eq!(status(base.path(), "green").unwrap(), PlaneStatus::Dead(Some(record)));
    down(base.path(), "green", PATIENCE).await.unwrap();
    assert!(!base.path().join("green").exists());
}

#[tokio::test]
async fn a_record_of_a_reused_pid_is_not_believed() {
    let base = tempfile::tempdir().unwrap();
    let (mut supervisor, mut record) = up(base.path(), "grey").await;
    let file = base.path().join("grey").join("plane.json");
    let told = std::fs::read(&file).unwrap();
    record.supervisor.start_ticks += 1;
    std::fs::write(&file, serde_json::to_vec(&record).unwrap()).unwrap();
    assert_eq!(status(base.path(), "grey").unwrap(), PlaneStatus::Changing);
    let error = down(base.path(), "grey", Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(error.to_string(), "plane grey is not down after 0 s");
    assert!(alive(supervisor.id()), "a process that is not the supervisor got a signal");
    std::fs::write(&file, told).unwrap();
    down(base.path(), "grey", PATIENCE).await.unwrap();
    assert!(supervisor.wait().unwrap().success());
}

fn config_named(name: &str) -> PlaneConfig {
    PlaneConfig { name: name.to_owned(), ..PlaneConfig::default() }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "both come from the test that started this process")]
async fn supervisor_in_another_process() -> Result<(), SuperviseError> {
    let (Some(base), Ok(name)) = (std::env::var_os("PILOTHOUSE_TEST_BASE"), std::env::var("PILOTHOUSE_TEST_NAME"))
    else {
        return Ok(());
    };
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    tokio::spawn(async move {
        terminate.recv().await;
        stop.cancel();
    });
    // A plane that breaks is what a test wants: an error here, no panic that would look like a failure.
    supervise(config_named(&name), Path::new(&base), |_| (), &cancel).await
}
