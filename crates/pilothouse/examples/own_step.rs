//! A step of one's own: a Job migrates the database before each upgrade.

use pilothouse::{
    ChartInfo, ChartRef, Context, HelmChart, ObjectRef, Payload, Phase, PhaseError, ReleaseRun, Session, Step,
    StepDescription, async_trait, helpers,
};
use serde_json::json;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

struct Migrate;

#[async_trait]
impl Step for Migrate {
    fn describe(&self) -> StepDescription {
        StepDescription::new("migrate the database")
    }

    /// Change it with what the step does: a run that continues an earlier one repeats a step that is another one now.
    fn version(&self) -> String {
        "1".into()
    }

    async fn run(&self, ctx: &Context, run: &mut ReleaseRun, _: &mut Payload) -> Result<(), PhaseError> {
        let container = json!({ "name": "migrate", "image": "pilothouse.dev/workload:1", "args": ["--exit", "0"] });
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": { "name": "migrate", "namespace": ctx.release().namespace },
            "spec": { "backoffLimit": 0, "template": { "spec": { "restartPolicy": "Never", "containers": [container] } } },
        });
        let job_ref = [ObjectRef::parse("job/migrate")?];
        helpers::delete(ctx, &job_ref, Duration::from_secs(60)).await?;
        helpers::apply(ctx, &[job]).await?;
        helpers::wait_ready(ctx, run, &job_ref, Duration::from_secs(300)).await
    }
}

struct Web(ChartInfo);

impl HelmChart for Web {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        if phase == Phase::PreExec { vec![Arc::new(Migrate)] } else { Vec::new() }
    }
}

pub(crate) async fn run(session: Arc<Session>) -> Result<(), Box<dyn Error>> {
    let web = Web(ChartInfo {
        name: "web".into(),
        namespace: "own-step".into(),
        chart: ChartRef::path(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/chart")),
        ..ChartInfo::default()
    });
    session.stack("own-step").chart(web).apply().await?.into_result()?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(Session::from_environment().await?).await
}
