//! A release that fails: why, what was done about it, and what the caller gets.

use pilothouse::{
    ChartInfo, ChartRef, Context, Failure, HelmChart, NextStep, OnFailure, Payload, PhaseError, ReleaseRun, Remedy,
    Session, SetValue, async_trait, code,
};
use std::error::Error;
use std::sync::Arc;

struct Web(ChartInfo);

#[async_trait]
impl HelmChart for Web {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }

    /// Tells somebody, before the failure policy is carried out. Nothing in `failure` is secret.
    async fn on_deploy_failure(
        &self,
        ctx: &Context,
        _: &mut ReleaseRun,
        _: &mut Payload,
        failure: &Failure,
    ) -> Result<(), PhaseError> {
        ctx.say(format!("{} failed in {}: {}", ctx.release(), failure.phase, failure.error.join(": ")));
        Ok(())
    }
}

pub(crate) async fn run(session: Arc<Session>) -> Result<(), Box<dyn Error>> {
    let web = Web(ChartInfo {
        name: "web".into(),
        namespace: "failing-well".into(),
        chart: ChartRef::path(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/chart")),
        // No node has as much.
        values: vec![SetValue::string("cpu", "10000")],
        // What a failed first install has made goes, and a failed upgrade is rolled back.
        on_failure: OnFailure { install: Remedy::Uninstall.into(), upgrade: Remedy::Rollback.into() },
        timeout_in_seconds: 60,
        ..ChartInfo::default()
    });
    let Err(failed) = session.stack("failing-well").chart(web).apply().await?.into_result() else {
        return Err("it was deployed".into());
    };
    let (_, failure) = failed.failures().next().ok_or("nothing has failed")?;
    let is_known = failure.causes.iter().any(|cause| cause.code == code::UNSCHEDULABLE_RESOURCES);
    match &failure.next {
        NextStep::Uninstalled if is_known => Ok(()),
        _ => Err(failed.into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(Session::from_environment().await?).await
}
