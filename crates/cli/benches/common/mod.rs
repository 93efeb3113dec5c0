//! What the benches share.

#![allow(dead_code, reason = "no bench uses all of it")]

pub(crate) mod contest;
pub(crate) mod delay;
pub(crate) mod flame;

use pilothouse_plane::provision::{Obtained, Provisioner, Tool};
use pilothouse_plane::{AuditLog, Node, Plane, SimulatedNode, for_current_user};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Half of a round trip as most people have it.
pub(crate) const ONE_WAY: Duration = Duration::from_millis(25);

/// The programs of a control plane, and these helms.
pub(crate) async fn programs(helms: &[Tool]) -> Obtained {
    let tools = [&Tool::PLANE[..], helms].concat();
    Provisioner::new(for_current_user()).obtain(&tools, |_| {}, &CancellationToken::new()).await.unwrap()
}

/// One node with room for all that the benches deploy.
pub(crate) fn roomy() -> Vec<Node> {
    vec![SimulatedNode { pods: 5000, cpu: "1000".to_owned(), ..SimulatedNode::new("node") }.into()]
}

/// The program that was built with this, or another build of it to be compared with.
#[expect(clippy::disallowed_methods, reason = "a bench is no part of the program")]
pub(crate) fn program() -> PathBuf {
    std::env::var_os("PILOTHOUSE_BENCH_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_pilothouse").into(), PathBuf::from)
}

/// Runs a program to its end.
pub(crate) fn done(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}\n{}", String::from_utf8_lossy(&output.stdout));
}

/// Requests so far of everything that is not part of the control plane.
pub(crate) fn count(audit: &Path) -> usize {
    let control_plane = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "Go-http-client"];
    let log = AuditLog::read(audit).unwrap();
    log.events().iter().filter(|event| !control_plane.iter().any(|agent| event.user_agent.starts_with(agent))).count()
}

/// The most memory a process has had so far, in units of 1000 bytes; `None` when it has just ended.
pub(crate) fn peak_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u32 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 128 / 125)
}

/// Waits for a program, looking at it every so often: how it ended, and the most memory it had, in units of 1000 bytes.
pub(crate) fn watched(mut program: Child, every: Duration, mut look: impl FnMut(u32)) -> (ExitStatus, u32) {
    let mut peak = 0;
    loop {
        if let Some(status) = program.try_wait().unwrap() {
            return (status, peak);
        }
        peak = peak_of(program.id()).unwrap_or(peak);
        look(program.id());
        std::thread::sleep(every);
    }
}

/// podinfo where it is at hand, else the web chart of the quickstart.
pub(crate) fn chart() -> (PathBuf, &'static str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let podinfo = root.join("../shared/charts/podinfo-6.14.1.tgz");
    if podinfo.is_file() {
        return (podinfo.canonicalize().unwrap(), "podinfo 6.14.1");
    }
    println!("not run with podinfo: its package is not at hand");
    (root.join("examples/quickstart/charts/web").canonicalize().unwrap(), "web of the quickstart")
}

/// The kubeconfig of the plane, through a proxy that delays.
pub(crate) async fn far_away(plane: &Plane, folder: &Path) -> PathBuf {
    let text = std::fs::read_to_string(plane.kubeconfig()).unwrap();
    let server = text.split("https://").nth(1).unwrap();
    let server: String = server.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
    let port = delay::delayed(server.parse().unwrap(), ONE_WAY).await;
    let path = folder.join("far.kubeconfig");
    std::fs::write(&path, text.replace(&server, &format!("127.0.0.1:{port}"))).unwrap();
    path
}
