//! What a run costs that finds nothing to do: `pilothouse apply` again over releases that are as they should be, beside
//! `helm upgrade --install` of all of them, four at a time, and `helm list`, in turns on one control plane.
//!
//! `cargo bench -p pilothouse-cli --bench unchanged`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench is a program that may end at the first surprise"
)]

mod common;

use common::{chart, count, done, peak_of};
use pilothouse_plane::provision::{Provisioner, Tool};
use pilothouse_plane::{Node, Plane, PlaneConfig, SimulatedNode, for_current_user};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Releases and namespaces.
const SIZES: [(usize, usize); 2] = [(50, 1), (500, 20)];
const ROUNDS: usize = 5;
/// How many helm run side by side.
const HELMS: usize = 4;
/// Releases that helm upgrades by itself for the comparison: all of the smaller stack.
const UPGRADED: usize = 50;
/// Between two measurements, so that the control plane is done with what the first has left it.
const REST: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() {
    let tools = [&Tool::PLANE[..], &[Tool::Helm4]].concat();
    let obtained =
        Provisioner::new(for_current_user()).obtain(&tools, |_| {}, &CancellationToken::new()).await.unwrap();
    let (chart, name) = chart();
    println!("chart: {name}; helm {}; no other load intended", obtained.get(Tool::Helm4).unwrap().version);
    let node = SimulatedNode { pods: 5000, cpu: "1000".to_owned(), ..SimulatedNode::new("node") };
    let nodes = vec![Node::Simulated(node)];
    let plane = Plane::start(PlaneConfig { audit: true, nodes, ..PlaneConfig::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench {
        chart,
        helm: obtained.path(Tool::Helm4).unwrap().to_owned(),
        plane: &plane,
        folder: folder.path().to_owned(),
    };
    for (releases, namespaces) in SIZES {
        let stack = bench.stack(releases, namespaces);
        let first = bench.apply(&stack);
        println!("\n{releases} releases in {namespaces} namespaces; installed in {:.1} s", first.wall.as_secs_f64());
        let mut walls = Vec::new();
        for round in 1..=ROUNDS {
            let ours = bench.apply(&stack);
            walls.push(ours.wall);
            let theirs = bench.list();
            println!(
                "  round {round}: pilothouse {:.3} s, {} requests, {} helm processes, {:.1} MB; helm list {:.3} s, {} requests",
                ours.wall.as_secs_f64(),
                ours.requests,
                ours.helms,
                f64::from(ours.peak) / 1000.0,
                theirs.wall.as_secs_f64(),
                theirs.requests,
            );
        }
        walls.sort();
        let median = walls[ROUNDS / 2];
        println!("  median {:.3} s", median.as_secs_f64());
        if releases == UPGRADED {
            let theirs = bench.upgrades(&format!("n{releases}"));
            println!(
                "  helm upgrade --install of all, {HELMS} at a time: {:.2} s, {} requests; ratio {:.4}",
                theirs.wall.as_secs_f64(),
                theirs.requests,
                median.as_secs_f64() / theirs.wall.as_secs_f64(),
            );
        }
    }
    plane.stop().await;
}

struct Bench<'a> {
    chart: PathBuf,
    helm: PathBuf,
    plane: &'a Plane,
    folder: PathBuf,
}

/// What one way took.
struct Took {
    wall: Duration,
    /// Requests to the API.
    requests: usize,
    /// How often helm was started.
    helms: usize,
    /// The most memory of the process, in units of 1000 bytes.
    peak: u32,
}

/// The processes of this program that another one has started and that run. None lives shorter than the time between two looks:
/// helm takes some 40 ms to start.
fn children(parent: u32, program: &Path) -> BTreeSet<String> {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let children = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let is_helm = |pid: &&str| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    children.flat_map(|pids| pids.split_whitespace().filter(is_helm).map(str::to_owned).collect::<Vec<_>>()).collect()
}

impl Bench<'_> {
    fn stack(&self, releases: usize, namespaces: usize) -> PathBuf {
        let mut text = format!("version: 1\nname: n{releases}\nreleases:\n");
        for release in 0..releases {
            let (chart, namespace) = (self.chart.display(), release % namespaces);
            writeln!(
                text,
                "  - {{ name: r{release}, namespace: n{releases}-{namespace}, chart: {{ path: {chart} }} }}"
            )
            .unwrap();
        }
        let stack = self.folder.join(format!("n{releases}.yaml"));
        std::fs::write(&stack, text).unwrap();
        stack
    }

    fn apply(&self, stack: &Path) -> Took {
        let (mut helms, mut peak) = (BTreeSet::new(), 0);
        let mut took = self.measured(|| {
            let mut program = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
                .arg("apply")
                .arg(stack)
                .args(["--yes", "--kubeconfig"])
                .arg(self.plane.kubeconfig())
                .arg("--helm")
                .arg(&self.helm)
                .env("XDG_STATE_HOME", self.folder.join("state"))
                .env("XDG_CACHE_HOME", self.folder.join("cache"))
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let status = loop {
                if let Some(status) = program.try_wait().unwrap() {
                    break status;
                }
                peak = peak_of(program.id()).unwrap_or(peak);
                helms.extend(children(program.id(), &self.helm));
                std::thread::sleep(Duration::from_millis(2));
            };
            assert!(status.success());
        });
        (took.helms, took.peak) = (helms.len(), peak);
        took
    }

    fn list(&self) -> Took {
        self.measured(|| done(self.plain_helm().args(["list", "--all-namespaces", "--max", "0"])))
    }

    /// Upgrades all releases of the smaller stack to what they are.
    fn upgrades(&self, stack: &str) -> Took {
        self.measured(|| {
            let next = AtomicUsize::new(0);
            std::thread::scope(|threads| {
                for _ in 0..HELMS {
                    threads.spawn(|| {
                        loop {
                            let release = next.fetch_add(1, Ordering::Relaxed);
                            if release >= UPGRADED {
                                return;
                            }
                            let namespace = format!("{stack}-0");
                            done(
                                self.plain_helm()
                                    .args(["upgrade", "--install", "--skip-crds", "--namespace", &namespace])
                                    .arg(format!("r{release}"))
                                    .arg(&self.chart),
                            );
                        }
                    });
                }
            });
        })
    }

    fn plain_helm(&self) -> Command {
        let mut helm = Command::new(&self.helm);
        helm.env("KUBECONFIG", self.plane.kubeconfig()).env("HELM_CACHE_HOME", self.folder.join("helm-cache"));
        helm
    }

    fn measured(&self, work: impl FnOnce()) -> Took {
        std::thread::sleep(REST);
        let audit = self.plane.audit_log().unwrap();
        let (requests, begun) = (count(&audit), Instant::now());
        work();
        let wall = begun.elapsed();
        Took { wall, requests: count(&audit) - requests, helms: 0, peak: 0 }
    }
}
