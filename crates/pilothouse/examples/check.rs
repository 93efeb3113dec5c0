//! Checks after the deploy: the release is not done before they are content.

use pilothouse::checks::{AssertCheck, AssertOf, CheckKind, CheckStep};
use pilothouse::steps::{StepKind, StepSpec, built_in};
use pilothouse::{ChartInfo, ChartRef, HelmChart, ObjectRef, Phase, Session, SetValue, Step};
use std::error::Error;
use std::sync::Arc;

struct Web {
    info: ChartInfo,
    deployment: ObjectRef,
}

impl HelmChart for Web {
    fn chart_info(&self) -> &ChartInfo {
        &self.info
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let two = AssertCheck {
            of: AssertOf::Object(self.deployment.clone()),
            that: "object.status.availableReplicas >= 2".into(),
        };
        let check = StepSpec::new(StepKind::Check(Box::new(CheckStep::new(CheckKind::Assert(two)))));
        if phase == Phase::Validate { vec![built_in(&check)] } else { Vec::new() }
    }
}

pub(crate) async fn run(session: Arc<Session>) -> Result<(), Box<dyn Error>> {
    let info = ChartInfo {
        name: "web".into(),
        namespace: "check".into(),
        chart: ChartRef::path(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/chart")),
        values: vec![SetValue::json("replicas", 2)],
        ..ChartInfo::default()
    };
    let web = Web { info, deployment: ObjectRef::parse("deployment/web")? };
    session.stack("check").chart(web).apply().await?.into_result()?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(Session::from_environment().await?).await
}
