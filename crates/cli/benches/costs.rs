//! What looking ahead costs: releases from nothing and again, close to the API server and with 50 ms of round trip to it, beside
//! `helm upgrade --install` four at a time without waiting, in turns on one control plane; with requests and memory.
//!
//! `cargo bench -p pilothouse-cli --bench costs`, or with the name of one part behind `--`: `close`, `far`, or `large`, which is
//! kube-prometheus-stack from nothing and its upgrade, beside `helm --wait`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench is a program that may end at the first surprise"
)]

mod common;

use common::contest::{Contest, HELMS, Took, median};
use common::{ONE_WAY, chart, far_away, programs, roomy};
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Node, Plane, PlaneConfig, SimulatedNode};
use std::path::Path;

const ROUNDS: usize = 3;

#[tokio::main]
async fn main() {
    let parts: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let obtained = programs(&[Tool::Helm4]).await;
    let (chart, name) = chart();
    println!("chart: {name}; helm {}; no other load intended", obtained.get(Tool::Helm4).unwrap().version);
    let plane = Plane::start(PlaneConfig { audit: true, nodes: roomy(), ..PlaneConfig::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let close = Contest {
        chart,
        helm: obtained.path(Tool::Helm4).unwrap().to_owned(),
        kubeconfig: plane.kubeconfig().to_owned(),
        audit: plane.audit_log().unwrap(),
        folder: folder.path().to_owned(),
    };
    // The first ones read their programs and the chart from disk.
    close.helms("warm-helm", HELMS);
    close.ours(&["apply", "--yes"], &close.stack("warm-ours", HELMS));
    if is_wanted("close") {
        println!("\nclose to the server");
        from_nothing(&close, "close", 50);
    }
    if is_wanted("far") {
        println!("\nwith {} ms of round trip", 2 * ONE_WAY.as_millis());
        let far =
            Contest { kubeconfig: far_away(&plane, folder.path()).await, folder: folder.path().to_owned(), ..close };
        from_nothing(&far, "one", 1);
        from_nothing(&far, "far", 20);
    }
    plane.stop().await;
    if is_wanted("large") {
        large(obtained.path(Tool::Helm4).unwrap()).await;
    }
}

/// kube-prometheus-stack 75 from nothing, and the upgrade to 88, each time on a plane of its own: two of them would want the same
/// port of the node. The definitions of 88 are there before, since helm leaves those of 75 as they are and fails on them.
async fn large(helm: &Path) {
    let package = |name: &str| pilothouse_testkit::community_chart(name, "the part about a large chart");
    let (Some(old), Some(new), Some(definitions)) = (
        package("kube-prometheus-stack-75.17.0"),
        package("kube-prometheus-stack-88.5.3"),
        package("prometheus-operator-crds-31.0.1"),
    ) else {
        return;
    };
    println!("\nkube-prometheus-stack");
    let mut all = [const { Vec::new() }; 4];
    for round in 0..ROUNDS {
        for who in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let node = SimulatedNode { pods: 500, cpu: "100".to_owned(), ..SimulatedNode::new("node") };
            let config = PlaneConfig { audit: true, nodes: vec![Node::Simulated(node)], ..PlaneConfig::default() };
            let plane = Plane::start(config).await.unwrap();
            let folder = tempfile::tempdir().unwrap();
            let mut contest = Contest {
                chart: definitions.clone(),
                helm: helm.to_owned(),
                kubeconfig: plane.kubeconfig().to_owned(),
                audit: plane.audit_log().unwrap(),
                folder: folder.path().to_owned(),
            };
            contest.helms("definitions", 1);
            for (what, chart) in [(0, &old), (1, &new)] {
                contest.chart.clone_from(chart);
                let took = if who == 0 {
                    contest.measured(|| {
                        let mut helm = contest.plain_helm();
                        helm.args(["upgrade", "--install", "kps", "--create-namespace", "--skip-crds", "--wait"]);
                        common::done(helm.args(["--timeout", "5m", "--namespace", "kps"]).arg(chart));
                        0
                    })
                } else {
                    let stack = folder.path().join("kps.yaml");
                    let text = format!(
                        "version: 1\nname: kps\nreleases: [{{ name: kps, namespace: kps, crds: skip, chart: {{ path: {} }} }}]\n",
                        chart.display()
                    );
                    std::fs::write(&stack, text).unwrap();
                    contest.ours(&["apply", "--yes"], &stack)
                };
                println!("  round {}, {}: {took}", round + 1, WAYS[2 * what + who]);
                all[2 * what + who].push(took);
            }
            plane.stop().await;
        }
    }
    for (way, took) in WAYS.iter().zip(all) {
        println!("  {way}, median: {}", median(took));
    }
}

const WAYS: [&str; 4] =
    ["helm --wait, 75 from nothing", "pilothouse, 75 from nothing", "helm --wait, to 88", "pilothouse, to 88"];

/// Installs, and then looks at what is there: nothing is to be done.
fn from_nothing(contest: &Contest, name: &str, releases: usize) {
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let by_helm = || contest.helms(&format!("{name}-helm-{round}"), releases);
        let by_us = || contest.ours(&["apply", "--yes"], &contest.stack(&format!("{name}-ours-{round}"), releases));
        // Neither always comes first: the plane fills from round to round.
        let (their, our) = if round % 2 == 0 {
            let their = by_helm();
            (their, by_us())
        } else {
            let our = by_us();
            (by_helm(), our)
        };
        println!("  {releases} from nothing, round {}: helm {their}; pilothouse {our}", round + 1);
        theirs.push(their);
        ours.push(our);
    }
    let (theirs, ours) = (median(theirs), median(ours));
    let ratio = ours.wall.as_secs_f64() / theirs.wall.as_secs_f64();
    println!("  {releases} from nothing, median: helm {theirs}; pilothouse {ours}; ratio {ratio:.2}");
    println!("  what this program itself asks for of {releases} from nothing:");
    for line in contest.asked_in(&format!("{name}-ours-{}", ROUNDS - 1)) {
        println!("    {line}");
    }
    let stack = contest.stack(&format!("{name}-ours-0"), releases);
    for command in [&["apply", "--yes"][..], &["plan"], &["status"], &["diagnose", "--stack"]] {
        let all: Vec<Took> = (0..ROUNDS).map(|_| contest.ours(command, &stack)).collect();
        println!("  {releases} there, {}: {}", command[0], median(all));
    }
    println!("  {releases} there, helm again: {}", contest.helms(&format!("{name}-helm-0"), releases));
}
