//! One chart, deployed with the lifecycle that every chart has.

use pilothouse::{ChartInfo, ChartRef, HelmChart, Session};
use std::error::Error;
use std::sync::Arc;

struct Web(ChartInfo);

impl HelmChart for Web {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }
}

pub(crate) async fn run(session: Arc<Session>) -> Result<(), Box<dyn Error>> {
    let web = Web(ChartInfo {
        name: "web".into(),
        namespace: "first-chart".into(),
        chart: ChartRef::path(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/chart")),
        ..ChartInfo::default()
    });
    session.stack("first-chart").chart(web).apply().await?.into_result()?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(Session::from_environment().await?).await
}
