//! Objects that are there before Helm are given to the release, not deleted and made again.

use pilothouse::steps::{AdoptStep, StepKind, StepSpec, built_in};
use pilothouse::{ChartInfo, ChartRef, HelmChart, ObjectRef, Phase, Session, Step};
use std::error::Error;
use std::sync::Arc;

struct Web {
    info: ChartInfo,
    service: ObjectRef,
}

impl HelmChart for Web {
    fn chart_info(&self) -> &ChartInfo {
        &self.info
    }

    /// Without this step the release is refused: the Service is nobody's, and Helm does not take it.
    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let adopt = AdoptStep { objects: vec![self.service.clone()], unowned: false };
        if phase == Phase::PreExec { vec![built_in(&StepSpec::new(StepKind::Adopt(adopt)))] } else { Vec::new() }
    }
}

pub(crate) async fn run(session: Arc<Session>) -> Result<(), Box<dyn Error>> {
    let info = ChartInfo {
        name: "web".into(),
        namespace: "adopting".into(),
        chart: ChartRef::path(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/chart")),
        ..ChartInfo::default()
    };
    let web = Web { info, service: ObjectRef::parse("service/web")? };
    session.stack("adopting").chart(web).apply().await?.into_result()?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(Session::from_environment().await?).await
}
