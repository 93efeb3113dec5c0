//! Where the time of a first install goes: ten releases from nothing with `--trace`, as `docs/flame.svg`.
//!
//! `cargo bench -p pilothouse-cli --bench flame`; behind `--`, a number of releases, or `far` for 50 ms of round trip to the API server.
//! Only the ten close ones are drawn into `docs`; of all is printed what takes most.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench is a program that may end at the first surprise"
)]

mod common;

use common::contest::Contest;
use common::flame::fold;
use common::{chart, far_away, programs, roomy};
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Plane, PlaneConfig};
use serde_json::Value;
use std::path::Path;

const RELEASES: usize = 10;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let releases = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(RELEASES);
    let is_far = args.iter().any(|arg| arg == "far");
    let obtained = programs(&[Tool::Helm4]).await;
    let (chart, name) = chart();
    let plane = Plane::start(PlaneConfig { audit: true, nodes: roomy(), ..PlaneConfig::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut contest = Contest {
        chart,
        helm: obtained.path(Tool::Helm4).unwrap().to_owned(),
        kubeconfig: plane.kubeconfig().to_owned(),
        audit: plane.audit_log().unwrap(),
        folder: folder.path().to_owned(),
    };
    // The first one reads its programs and the chart from disk.
    contest.ours(&["apply", "--yes"], &contest.stack("warm", 2));
    if is_far {
        contest.kubeconfig = far_away(&plane, folder.path()).await;
    }
    let trace = folder.path().join("trace.json");
    let took = contest.ours(&["apply", "--yes", "--trace", trace.to_str().unwrap()], &contest.stack("flame", releases));
    plane.stop().await;
    let trace: Vec<Value> = serde_json::from_slice(&std::fs::read(&trace).unwrap()).unwrap();
    let frames = fold(&trace);
    let far = if is_far { ", 50 ms away" } else { "" };
    println!("{releases} releases of {name} from nothing{far}: {took}; what takes most, in seconds:");
    for (seconds, spans, stack) in frames.most().into_iter().take(25) {
        println!("  {seconds:8.3}  {spans:5} times  {stack}");
    }
    if releases == RELEASES && !is_far {
        let title = format!("{RELEASES} releases of {name} from nothing; width is time, side by side counts as often");
        let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/flame.svg");
        std::fs::write(picture, frames.drawn(&title)).unwrap();
    }
}
