//! In a service: a run goes on while events are passed on, and ends in an orderly way when the service does.

use futures::StreamExt;
use pilothouse::{ChartInfo, ChartRef, EventKind, HelmChart, RunVerdict, Session};
use std::error::Error;
use std::sync::Arc;

struct Web(ChartInfo);

impl HelmChart for Web {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }
}

fn web(namespace: &str) -> Web {
    Web(ChartInfo {
        name: "web".into(),
        namespace: namespace.into(),
        chart: ChartRef::path(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/chart")),
        ..ChartInfo::default()
    })
}

pub(crate) async fn run(session: Arc<Session>) -> Result<(), Box<dyn Error>> {
    // A run on a task of its own. Dropped, it is killed, and the next one continues.
    let mut running = session.stack("service").chart(web("service")).start();
    let mut phases = 0;
    while let Some(event) = running.next().await {
        if let EventKind::PhaseFinished { ok: true, .. } = event.kind {
            phases += 1;
        }
    }
    let verdict = running.outcome().await?.verdict();
    if verdict != RunVerdict::Done || phases == 0 {
        return Err(format!("{verdict:?} after {phases} phases").into());
    }
    // Stopped at a safe point, and awaited. All runs of a session end so.
    let stopped = session.stack("service-two").chart(web("service-two")).start().cancel().await?;
    match stopped.verdict() {
        RunVerdict::Interrupted => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(Session::from_environment().await?).await
}
