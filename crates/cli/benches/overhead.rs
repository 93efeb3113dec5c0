//! What a lifecycle costs on top of helm: `pilothouse apply` of one release beside the same `helm upgrade --install`, in
//! turns on one control plane, and the API requests of both.
//!
//! `cargo bench -p pilothouse-cli --bench overhead`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench is a program that may end at the first surprise"
)]

mod common;

use common::{chart, count, program, programs};
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Plane, PlaneConfig};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: usize = 9;
const STARTS: usize = 5;

#[tokio::main]
async fn main() {
    let obtained = programs(&Tool::HELM).await;
    let starts = plane_starts().await;
    println!("plane: start to a usable API {}", figures(&starts));
    let (chart, name) = chart();
    println!("chart: {name}; {ROUNDS} rounds, helm and pilothouse in turns, no other load intended");
    for helm in Tool::HELM {
        let plane = Plane::start(PlaneConfig { audit: true, ..PlaneConfig::default() }).await.unwrap();
        let bench = Bench {
            chart: chart.clone(),
            helm: obtained.path(helm).unwrap().to_owned(),
            kubeconfig: plane.kubeconfig().to_owned(),
            folder: tempfile::tempdir().unwrap(),
        };
        let audit = plane.audit_log().unwrap();
        println!("\n{} {}", helm.name(), obtained.get(helm).unwrap().version);
        for what in ["install", "upgrade"] {
            let (mut theirs, mut ours, mut requests) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..ROUNDS {
                let (a, b) = (format!("{}-helm-{round}", helm.name()), format!("{}-ours-{round}", helm.name()));
                let before = count(&audit);
                theirs.push(bench.helm(&a));
                let between = count(&audit);
                ours.push(bench.pilothouse(&b));
                requests.push((between - before, count(&audit) - between));
            }
            let over = ours.iter().zip(&theirs).map(|(ours, theirs)| ours.saturating_sub(*theirs)).collect::<Vec<_>>();
            println!(
                "  {what}: helm {}   pilothouse {}   difference {}",
                figures(&theirs),
                figures(&ours),
                figures(&over)
            );
            requests.sort_unstable();
            let (helm_requests, all) = requests[requests.len() / 2];
            println!(
                "           API requests of all clients but the control plane, median: helm {helm_requests}, pilothouse {all} (helm's included)"
            );
        }
        plane.stop().await;
    }
}

struct Bench {
    chart: PathBuf,
    helm: PathBuf,
    kubeconfig: PathBuf,
    folder: tempfile::TempDir,
}

impl Bench {
    fn helm(&self, namespace: &str) -> Duration {
        timed(
            Command::new(&self.helm)
                .args(["upgrade", "--install", "web", "--create-namespace", "--skip-crds", "--namespace", namespace])
                .arg(&self.chart)
                .env("KUBECONFIG", &self.kubeconfig)
                .env("HELM_CACHE_HOME", self.folder.path().join("helm")),
        )
    }

    fn pilothouse(&self, namespace: &str) -> Duration {
        let stack = self.folder.path().join(format!("{namespace}.yaml"));
        let chart = self.chart.display();
        let text = format!(
            "version: 1\nname: bench\nreleases:\n  - name: web\n    namespace: {namespace}\n    chart: {{ path: {chart} }}\n"
        );
        std::fs::write(&stack, text).unwrap();
        timed(
            Command::new(program())
                .arg("apply")
                .arg(&stack)
                .args(["--yes", "--kubeconfig"])
                .arg(&self.kubeconfig)
                .arg("--helm")
                .arg(&self.helm),
        )
    }
}

fn timed(command: &mut Command) -> Duration {
    let begun = Instant::now();
    let output = command.output().unwrap();
    let elapsed = begun.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}\n{}", String::from_utf8_lossy(&output.stdout));
    elapsed
}

async fn plane_starts() -> Vec<Duration> {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        let plane = Plane::start(PlaneConfig::default()).await.unwrap();
        starts.push(begun.elapsed());
        plane.stop().await;
    }
    starts
}

/// Minimum, median and maximum in seconds.
fn figures(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |i: usize| sorted[i].as_secs_f64();
    format!(
        "{:.2}/{:.2}/{:.2} s (min/median/max of {})",
        at(0),
        at(sorted.len() / 2),
        at(sorted.len() - 1),
        sorted.len()
    )
}
