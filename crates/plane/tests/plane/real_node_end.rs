//! Nothing of a real node is left on the machine, whatever its end was: no process, mount, interface or control group.

use super::common::{self, PATIENCE, alive, create_pod, eventually, has_real_node, picture};
use kube::Client;
use pilothouse_plane::{
    Binaries, Component, Failure, Plane, PlaneConfig, PlaneError, PlaneStatus, RealNode, Tools, WORKLOAD_IMAGE, down,
    for_current_user, provision, status, supervise,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tokio_util::sync::CancellationToken;

fn config(name: &str) -> PlaneConfig {
    let nodes = vec![RealNode::new("real-1").into()];
    PlaneConfig { name: name.to_owned(), nodes, deadline: 3 * PATIENCE, ..PlaneConfig::default() }
}

/// What a node has made on the machine, as seen from outside of it.
#[derive(Debug, PartialEq)]
struct Traces {
    processes: Vec<String>,
    mounts: Vec<String>,
    interfaces: Vec<String>,
    groups: Vec<PathBuf>,
}

/// A node's marks: the name of its bridge and control group, and its plane's folder.
#[derive(Debug, Clone)]
struct Marks {
    name: String,
    folder: PathBuf,
}

impl Marks {
    fn of(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join("node/kubelet.json")).unwrap();
        let settings: Value = serde_json::from_str(&text).unwrap();
        let name = settings["cgroupRoot"].as_str().unwrap().trim_start_matches('/').to_owned();
        Self { name, folder: folder.to_owned() }
    }

    fn traces(&self) -> Traces {
        let folder = self.folder.display().to_string();
        let mine = |path: &Path| {
            let read = |file: &str| std::fs::read_to_string(path.join(file)).unwrap_or_default();
            let inside = read("mountinfo").lines().any(|line| line.contains(&folder));
            inside || read("cgroup").contains(&self.name) || read("cmdline").contains(&self.name)
        };
        let processes = entries(Path::new("/proc"))
            .into_iter()
            // One that only waits to be reaped has ended.
            .filter(|path| path.file_name().unwrap().to_string_lossy().parse().is_ok_and(alive) && mine(path))
            .map(|path| {
                let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
                format!("{} {}", path.display(), name.trim())
            });
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        let interfaces = entries(Path::new("/sys/class/net")).into_iter().filter_map(|path| {
            let master = std::fs::read_link(path.join("master")).unwrap_or_default();
            let name = path.file_name()?.to_string_lossy().into_owned();
            (name == self.name || master.ends_with(&self.name)).then_some(name)
        });
        let groups = [PathBuf::from("/sys/fs/cgroup")].into_iter().chain(entries(Path::new("/sys/fs/cgroup")));
        Traces {
            processes: processes.collect(),
            mounts: mounts.lines().filter(|line| line.contains(&folder)).map(str::to_owned).collect(),
            interfaces: interfaces.collect(),
            groups: groups.map(|path| path.join(&self.name)).filter(|path| path.exists()).collect(),
        }
    }

    /// While a node with one pod runs: containerd, the kubelet and their keepers, a shim, the pause and the workload.
    fn assert_there(&self) {
        let traces = self.traces();
        for name in ["containerd", "kubelet", "containerd-shim", "workload"] {
            assert!(traces.processes.iter().any(|process| process.ends_with(name)), "{name}: {traces:?}");
        }
        assert!(traces.interfaces.len() >= 2 && !traces.groups.is_empty(), "{traces:?}");
        assert_eq!(traces.mounts, Vec::<String>::new(), "the mounts are seen outside");
    }

    /// Nothing is left, but that a process that has been killed may take a moment to end on a busy machine.
    async fn assert_gone(&self) {
        let none = Traces { processes: Vec::new(), mounts: Vec::new(), interfaces: Vec::new(), groups: Vec::new() };
        assert_eq!(Traces { processes: Vec::new(), ..self.traces() }, none);
        self.gone_soon().await;
    }

    async fn gone_soon(&self) {
        eventually(async || {
            let traces = self.traces();
            let left = traces.processes.len() + traces.mounts.len() + traces.interfaces.len() + traces.groups.len();
            if left == 0 { Ok(()) } else { Err(format!("{traces:?}")) }
        })
        .await;
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect()
}

async fn run_a_pod(client: &Client) {
    let path = "/api/v1/namespaces/default/serviceaccounts/default";
    eventually(async || common::get(client, path).await.map(|_| ()).ok_or("no service account".to_owned())).await;
    create_pod(client, "default", "web", &common::pod_spec(WORKLOAD_IMAGE)).await;
    picture(client, "default", "web", &["condition Ready True"], 0).await;
}

async fn binaries() -> Binaries {
    let provisioner = provision::Provisioner::new(for_current_user());
    let tools = provision::Tool::of_plane(true);
    (&provisioner.obtain(tools, |_| (), &CancellationToken::new()).await.unwrap()).try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_planes_at_once_one_stopped_and_one_dropped() {
    if !has_real_node("two_planes_at_once_one_stopped_and_one_dropped") {
        return;
    }
    let (first, second) = tokio::try_join!(Plane::start(config("a")), Plane::start(config("b"))).unwrap();
    println!("both nodes ready after {:?} and {:?}", first.usable_after(), second.usable_after());
    run_a_pod(&first.client()).await;
    run_a_pod(&second.client()).await;
    let (gone, stays) = (Marks::of(first.folder()), Marks::of(second.folder()));
    gone.assert_there();
    let begun = std::time::Instant::now();
    first.stop().await;
    println!("stopped after {:?}", begun.elapsed());
    gone.assert_gone().await;
    assert!(!gone.folder.exists());
    second.check().unwrap();
    stays.assert_there();
    drop(second);
    stays.assert_gone().await;
    assert!(!stays.folder.exists());
}

#[tokio::test]
async fn a_start_that_fails() {
    if !has_real_node("a_start_that_fails") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kubelet = folder.path().join("kubelet");
    std::fs::write(&kubelet, "#!/bin/sh\necho 'unknown flag: --config' >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(&kubelet, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let good = binaries().await;
    let state = folder.path().join("state");
    let config = |kubelet: PathBuf, images: Vec<PathBuf>| PlaneConfig {
        folder: Some(state.clone()),
        tools: Tools::Binaries(Binaries { kubelet: Some(kubelet), ..good.clone() }),
        nodes: vec![RealNode { images, ..RealNode::new("real-1") }.into()],
        deadline: 3 * PATIENCE,
        ..PlaneConfig::default()
    };
    let error = Plane::start(config(kubelet, Vec::new())).await.unwrap_err();
    assert_eq!(error.to_string(), "kubelet ended (exit status: 1); the end of its log:\nunknown flag: --config");
    Marks::of(&state.canonicalize().unwrap()).assert_gone().await;

    let error = Plane::start(config("/no/such/kubelet".into(), Vec::new())).await.unwrap_err();
    assert!(matches!(error, PlaneError::Failure(Failure::Died { component: Component::Kubelet, .. })), "{error}");
    Marks::of(&state.canonicalize().unwrap()).assert_gone().await;

    let image = folder.path().join("image.tar");
    std::fs::write(&image, "no archive").unwrap();
    let error = Plane::start(config(good.kubelet.clone().unwrap(), vec![image.clone()])).await.unwrap_err();
    assert!(matches!(&error, PlaneError::Image { path, .. } if *path == image), "{error}");
    Marks::of(&state.canonicalize().unwrap()).assert_gone().await;
}

#[tokio::test]
async fn containerd_that_ends() {
    if !has_real_node("containerd_that_ends") {
        return;
    }
    let plane = Plane::start(config("ends")).await.unwrap();
    run_a_pod(&plane.client()).await;
    let marks = Marks::of(plane.folder());
    let containerd = marks.traces().processes.into_iter().find(|process| process.ends_with(" containerd")).unwrap();
    let pid: u32 = containerd.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
    kill(pid, Signal::KILL);
    let failure = tokio::time::timeout(PATIENCE, plane.died()).await.unwrap();
    let ended = [Component::Containerd, Component::Kubelet];
    assert!(matches!(failure, Failure::Died { component, .. } if ended.contains(&component)), "{failure}");
    plane.stop().await;
    marks.assert_gone().await;
}

#[tokio::test]
async fn only_one_real_node() {
    let nodes = vec![RealNode::new("a").into(), RealNode::new("b").into()];
    let error = Plane::start(PlaneConfig { nodes, ..PlaneConfig::default() }).await.unwrap_err();
    assert_eq!(error.to_string(), "a plane can have one real node, and 2 were asked for");
}

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// A process that does not outlive its test, also when the test fails.
struct Supervisor(Child);

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A supervisor is this test program started again, running only the (otherwise empty) test at the end. Its plane has a pod
/// when this returns.
async fn up(base: &Path, name: &str) -> (Supervisor, Marks) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "real_node_end::supervisor_in_another_process", "--nocapture"])
        .env("PILOTHOUSE_TEST_BASE", base)
        .env("PILOTHOUSE_TEST_NAME", name)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let supervisor = Supervisor(child);
    let begun = std::time::Instant::now();
    let record = loop {
        match status(base, name) {
            Ok(PlaneStatus::Up(record)) => break record,
            other => assert!(begun.elapsed() < 3 * PATIENCE, "not up: {other:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let last: Vec<Component> = record.components.iter().map(|process| process.component).collect();
    assert!(last.contains(&Component::Containerd) && last.contains(&Component::Kubelet), "{last:?}");
    let kubeconfig = kube::config::Kubeconfig::read_from(&record.kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await;
    run_a_pod(&Client::try_from(config.unwrap()).unwrap()).await;
    let marks = Marks::of(record.kubeconfig.parent().unwrap());
    marks.assert_there();
    (supervisor, marks)
}

#[tokio::test]
async fn down_and_sigkill_of_the_process_that_holds_the_plane() {
    if !has_real_node("down_and_sigkill_of_the_process_that_holds_the_plane") {
        return;
    }
    let base = tempfile::tempdir().unwrap();
    let base = base.path().canonicalize().unwrap();
    let (mut supervisor, marks) = up(&base, "red").await;
    kill(supervisor.0.id(), Signal::KILL);
    supervisor.0.wait().unwrap();
    let begun = std::time::Instant::now();
    marks.gone_soon().await;
    println!("nothing left {:?} after SIGKILL", begun.elapsed());

    // Another of the same name, and this time what clears away is killed first.
    let (mut supervisor, marks) = up(&base, "red").await;
    let aftercare = entries(Path::new("/proc")).into_iter().find(|path| {
        let arguments = std::fs::read_to_string(path.join("cmdline")).unwrap_or_default();
        arguments.contains("pilothouse-aftercare") && arguments.contains(&marks.name)
    });
    let aftercare = aftercare.unwrap().file_name().unwrap().to_string_lossy().parse().unwrap();
    kill(aftercare, Signal::KILL);
    kill(supervisor.0.id(), Signal::KILL);
    supervisor.0.wait().unwrap();
    eventually(async || {
        let left = marks.traces().processes;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    assert!(!marks.traces().groups.is_empty(), "nobody was there to remove them");
    down(&base, "red", PATIENCE).await.unwrap();
    marks.assert_gone().await;
    assert!(!base.join("red").exists());

    let (mut supervisor, marks) = up(&base, "red").await;
    down(&base, "red", PATIENCE).await.unwrap();
    marks.assert_gone().await;
    assert!(supervisor.0.wait().unwrap().success());
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "both come from the test that started this process")]
async fn supervisor_in_another_process() {
    let (Some(base), Ok(name)) = (std::env::var_os("PILOTHOUSE_TEST_BASE"), std::env::var("PILOTHOUSE_TEST_NAME"))
    else {
        return;
    };
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    tokio::spawn(async move {
        terminate.recv().await;
        stop.cancel();
    });
    supervise(config(&name), Path::new(&base), |_| (), &cancel).await.unwrap();
}
