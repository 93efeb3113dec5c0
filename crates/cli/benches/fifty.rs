//! What a stack of fifty releases costs on top of helm: `pilothouse apply` from nothing, with checks, lifecycle, readiness
//! and journal, beside `helm upgrade --install` run four at a time without any waiting, in turns on one control plane.
//!
//! `cargo bench -p pilothouse-cli --bench fifty`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench is a program that may end at the first surprise"
)]

mod common;

use common::{chart, count, done, program, programs, roomy};
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Plane, PlaneConfig};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const RELEASES: usize = 50;
const ROUNDS: usize = 3;
/// How many helm run side by side.
const HELMS: usize = 4;
/// Between two measurements, so that the control plane is done with what the first has left it.
const REST: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() {
    let obtained = programs(&Tool::HELM).await;
    let (chart, name) = chart();
    println!(
        "chart: {name}; {RELEASES} releases, each in a namespace of its own; {ROUNDS} rounds, no other load intended"
    );
    for helm in Tool::HELM {
        let plane = Plane::start(PlaneConfig { audit: true, nodes: roomy(), ..PlaneConfig::default() }).await.unwrap();
        let bench = Bench {
            chart: chart.clone(),
            helm: obtained.path(helm).unwrap().to_owned(),
            plane: &plane,
            folder: tempfile::tempdir().unwrap(),
        };
        println!("\n{} {}", helm.name(), obtained.get(helm).unwrap().version);
        // The first helm, and the first of ours, read their programs and the chart from disk.
        bench.helms("warm-helm", HELMS);
        bench.pilothouse("warm-ours", HELMS);
        let (mut ratios, mut cpus) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let (theirs, ours) = (
                || bench.helms(&format!("helm-{round}"), RELEASES),
                || bench.pilothouse(&format!("ours-{round}"), RELEASES),
            );
            // Neither always comes first: the plane fills from round to round.
            let (theirs, ours) = if round % 2 == 0 {
                let theirs = theirs();
                (theirs, ours())
            } else {
                let ours = ours();
                (theirs(), ours)
            };
            let ratio = ours.wall.as_secs_f64() / theirs.wall.as_secs_f64();
            let cpu = float(ours.cpu) / float(theirs.cpu);
            println!(
                "  round {}: helm {:.2} s, pilothouse {:.2} s, ratio {ratio:.3}; processor time of all {cpu:.3}; \
                 API requests per release {:.1} and {:.1}",
                round + 1,
                theirs.wall.as_secs_f64(),
                ours.wall.as_secs_f64(),
                float(theirs.requests as u64) / float(RELEASES as u64),
                float(ours.requests as u64) / float(RELEASES as u64),
            );
            ratios.push(ratio);
            cpus.push(cpu);
        }
        println!("  ratio: wall clock {}, processor time {}", figures(ratios), figures(cpus));
        plane.stop().await;
    }
}

struct Bench<'a> {
    chart: PathBuf,
    helm: PathBuf,
    plane: &'a Plane,
    folder: tempfile::TempDir,
}

/// What one way took.
struct Took {
    wall: Duration,
    /// Ticks of all processes together, those of the control plane included: it shows the difference also where others keep
    /// the machine busy.
    cpu: u64,
    /// Requests to the API.
    requests: usize,
}

impl Bench<'_> {
    /// Installs releases by helm alone.
    fn helms(&self, prefix: &str, releases: usize) -> Took {
        self.measured(|| {
            let next = AtomicUsize::new(0);
            std::thread::scope(|threads| {
                for _ in 0..HELMS {
                    threads.spawn(|| {
                        loop {
                            let release = next.fetch_add(1, Ordering::Relaxed);
                            if release >= releases {
                                return;
                            }
                            self.helm(&format!("{prefix}-{release}"));
                        }
                    });
                }
            });
        })
    }

    fn helm(&self, namespace: &str) {
        done(
            Command::new(&self.helm)
                .args(["upgrade", "--install", "web", "--create-namespace", "--skip-crds", "--namespace", namespace])
                .arg(&self.chart)
                .env("KUBECONFIG", self.plane.kubeconfig())
                .env("HELM_CACHE_HOME", self.folder.path().join("helm")),
        );
    }

    /// Applies a stack of releases, with all defaults.
    fn pilothouse(&self, prefix: &str, releases: usize) -> Took {
        let mut text = format!("version: 1\nname: {prefix}\nreleases:\n");
        for release in 0..releases {
            let chart = self.chart.display();
            writeln!(text, "  - {{ name: web, namespace: {prefix}-{release}, chart: {{ path: {chart} }} }}").unwrap();
        }
        let stack = self.folder.path().join(format!("{prefix}.yaml"));
        std::fs::write(&stack, text).unwrap();
        self.measured(|| {
            done(
                Command::new(program())
                    .arg("apply")
                    .arg(&stack)
                    .args(["--yes", "--kubeconfig"])
                    .arg(self.plane.kubeconfig())
                    .arg("--helm")
                    .arg(&self.helm)
                    .env("XDG_STATE_HOME", self.folder.path().join("state")),
            );
        })
    }

    fn measured(&self, work: impl FnOnce()) -> Took {
        std::thread::sleep(REST);
        let audit = self.plane.audit_log().unwrap();
        let (requests, cpu, begun) = (count(&audit), self.ticks(), Instant::now());
        work();
        let (wall, cpu) = (begun.elapsed(), self.ticks() - cpu);
        Took { wall, cpu, requests: count(&audit) - requests }
    }

    /// Processor time so far of what this process has started, and of the control plane.
    fn ticks(&self) -> u64 {
        let components = self.plane.pids().into_iter().map(|(_, pid)| ticks(&pid.to_string(), 11));
        ticks("self", 13) + components.sum::<u64>()
    }
}

/// Two neighbouring fields of a process' `stat`, counted from 0 behind its name: 11 is its own processor time in user mode,
/// 13 that of its children that have ended.
fn ticks(process: &str, field: usize) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields.skip(field).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[expect(clippy::cast_precision_loss, reason = "these are small")]
fn float(number: u64) -> f64 {
    number as f64
}

/// Minimum, median and maximum.
fn figures(mut ratios: Vec<f64>) -> String {
    ratios.sort_by(f64::total_cmp);
    let last = ratios.len() - 1;
    format!("{:.3}/{:.3}/{:.3} (min/median/max of {})", ratios[0], ratios[last / 2], ratios[last], ratios.len())
}
