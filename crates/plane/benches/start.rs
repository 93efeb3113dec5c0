//! How long a plane takes: from nothing to a ready API, to a plane that can be used, to a first pod that runs, and
//! to the end of all its processes. Five planes one after the other; `cargo bench -p pilothouse-plane`.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use pilothouse_plane::{Plane, PlaneConfig};
use serde_json::json;
use std::time::{Duration, Instant};

const RUNS: usize = 5;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut ready, mut started, mut running, mut stopped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let begun = Instant::now();
        let plane = Plane::start(PlaneConfig::default()).await?;
        ready.push(plane.api_ready_after());
        started.push(begun.elapsed());
        first_pod(&plane).await?;
        running.push(begun.elapsed());
        plane.check()?;
        let stopping = Instant::now();
        plane.stop().await;
        stopped.push(stopping.elapsed());
    }
    let rows = [("API ready", ready), ("plane usable", started), ("first pod Running", running), ("stopped", stopped)];
    for (what, mut times) in rows {
        times.sort();
        let [min, median, max] = [times[0], times[RUNS / 2], times[RUNS - 1]].map(|time| time.as_secs_f64());
        println!("{what:18} median {median:.2} s, min {min:.2} s, max {max:.2} s");
    }
    Ok(())
}

async fn first_pod(plane: &Plane) -> Result<(), Box<dyn std::error::Error>> {
    let pods: Api<Pod> = Api::namespaced(plane.client(), "default");
    let pod: Pod = serde_json::from_value(json!({
        "metadata": { "name": "first" },
        "spec": { "containers": [{ "name": "main", "image": "example.org/first:1" }] },
    }))?;
    pods.create(&PostParams::default(), &pod).await?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        let phase = pods.get("first").await?.status.and_then(|status| status.phase);
        if phase.as_deref() == Some("Running") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err("the first pod does not run".into())
}
