//! The memory of our own process over a large stack: the peak of `pilothouse apply`, without helm and the control plane,
//! for 500 releases in a graph.
//!
//! `cargo bench -p pilothouse-cli --bench memory`, or with another number of releases behind `--`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench is a program that may end at the first surprise"
)]

mod common;

use common::{chart, program, programs, roomy, watched};
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Plane, PlaneConfig};
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const RELEASES: usize = 500;
/// Each chain of the graph has this many releases.
const CHAIN: usize = 5;
const SAMPLE: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() {
    let releases = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(RELEASES);
    let obtained = programs(&[Tool::Helm4]).await;
    let (chart, name) = chart();
    let plane = Plane::start(PlaneConfig { nodes: roomy(), ..PlaneConfig::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stack = folder.path().join("stack.yaml");
    std::fs::write(&stack, stack_of(releases, &chart)).unwrap();
    println!("chart: {name}; {releases} releases in chains of {CHAIN} with a diamond; helm 4");
    for what in ["install", "upgrade"] {
        let log = folder.path().join(format!("{what}.log"));
        let begun = Instant::now();
        let program = Command::new(program())
            .arg("apply")
            .arg(&stack)
            .args(["--yes", "--kubeconfig"])
            .arg(plane.kubeconfig())
            .arg("--helm")
            .arg(obtained.path(Tool::Helm4).unwrap())
            .env("XDG_STATE_HOME", folder.path().join("state"))
            .stdout(File::create(&log).unwrap())
            .stderr(File::create(folder.path().join("errors")).unwrap())
            .spawn()
            .unwrap();
        let (status, peak) = watched(program, SAMPLE, |_| {});
        assert!(status.success(), "{}", std::fs::read_to_string(log).unwrap());
        println!(
            "  {what}: peak of {:.1} MB resident, in {:.0} s",
            f64::from(peak) / 1000.0,
            begun.elapsed().as_secs_f64()
        );
    }
    plane.stop().await;
}

/// Chains, and one diamond: four releases of which the last needs two that need the first.
fn stack_of(releases: usize, chart: &Path) -> String {
    let mut text = "version: 1\nname: large\nreleases:\n".to_owned();
    for release in 0..releases {
        let needs = match release {
            1 | 2 => "[r0]".to_owned(),
            3 => "[r1, r2]".to_owned(),
            _ if release < CHAIN || release % CHAIN == 0 => "[]".to_owned(),
            _ => format!("[r{}]", release - 1),
        };
        let (chart, namespace) = (chart.display(), release % 20);
        writeln!(
            text,
            "  - {{ name: r{release}, namespace: large-{namespace}, needs: {needs}, chart: {{ path: {chart} }} }}"
        )
        .unwrap();
    }
    text
}
