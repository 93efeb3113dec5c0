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

use common::contest::{Contest, HELMS};
use common::{chart, programs, roomy};
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Plane, PlaneConfig};
use std::collections::BTreeSet;
use std::path::Path;

/// Releases and namespaces.
const SIZES: [(usize, usize); 2] = [(50, 1), (500, 20)];
const ROUNDS: usize = 5;
/// Releases that helm upgrades by itself for the comparison: all of the smaller stack.
const UPGRADED: usize = 50;

#[tokio::main]
async fn main() {
    let obtained = programs(&[Tool::Helm4]).await;
    let (chart, name) = chart();
    println!("chart: {name}; helm {}; no other load intended", obtained.get(Tool::Helm4).unwrap().version);
    let plane = Plane::start(PlaneConfig { audit: true, nodes: roomy(), ..PlaneConfig::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let contest = Contest {
        chart,
        helm: obtained.path(Tool::Helm4).unwrap().to_owned(),
        kubeconfig: plane.kubeconfig().to_owned(),
        audit: plane.audit_log().unwrap(),
        folder: folder.path().to_owned(),
    };
    let apply = |stack: &Path| {
        let mut helms = BTreeSet::new();
        let look = |pid| helms.extend(children(pid, &contest.helm));
        let took = contest.ours_watched(&["apply", "--yes"], stack, look);
        (took, helms.len())
    };
    for (releases, namespaces) in SIZES {
        let stack = format!("n{releases}");
        let all = (0..releases).map(|release| (format!("r{release}"), format!("{stack}-{}", release % namespaces)));
        let file = contest.stack_of(&stack, all);
        let (first, _) = apply(&file);
        println!("\n{releases} releases in {namespaces} namespaces; installed in {:.1} s", first.wall.as_secs_f64());
        let mut walls = Vec::new();
        for round in 1..=ROUNDS {
            let (ours, helms) = apply(&file);
            walls.push(ours.wall);
            let theirs = contest.list();
            println!(
                "  round {round}: pilothouse {:.3} s, {} requests, {} helm processes, {:.1} MB; helm list {:.3} s, {} requests",
                ours.wall.as_secs_f64(),
                ours.requests,
                helms,
                f64::from(ours.peak) / 1000.0,
                theirs.wall.as_secs_f64(),
                theirs.requests,
            );
        }
        walls.sort();
        let median = walls[ROUNDS / 2];
        println!("  median {:.3} s", median.as_secs_f64());
        if releases == UPGRADED {
            let theirs = contest.helms(&format!("{stack}-0"), UPGRADED);
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

/// The processes of this program that another one has started and that run. None lives shorter than the time between two looks:
/// helm takes some 40 ms to start.
fn children(parent: u32, program: &Path) -> BTreeSet<String> {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let children = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let is_helm = |pid: &&str| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    children.flat_map(|pids| pids.split_whitespace().filter(is_helm).map(str::to_owned).collect::<Vec<_>>()).collect()
}
