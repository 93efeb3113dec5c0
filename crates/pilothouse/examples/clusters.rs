//! Two clusters in one process: a session each, and runs side by side.

use pilothouse::{ChartInfo, ChartRef, HelmChart, Session};
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

pub(crate) async fn run(sessions: [Arc<Session>; 2]) -> Result<(), Box<dyn Error>> {
    let [staging, production] = sessions;
    let (staging, production) = tokio::join!(
        staging.stack("staging").chart(web("web-staging")).apply(),
        production.stack("production").chart(web("web")).apply(),
    );
    // Both have ended by now: one that fails does not hide the other.
    for outcome in [staging?, production?] {
        outcome.into_result()?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let session = |context: &str| Session::builder().context(context).connect();
    let (staging, production) = tokio::join!(session("staging"), session("production"));
    run([staging?, production?]).await
}
