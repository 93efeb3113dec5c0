use pilothouse::{ChartInfo, ChartRef, Context, HelmChart, Payload, PhaseError, ReleaseRun, Session, async_trait};

struct Web(ChartInfo);

#[async_trait]
impl HelmChart for Web {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }
    async fn post_exec(&self, ctx: &Context, _: &mut ReleaseRun, _: &mut Payload) -> Result<(), PhaseError> {
        ctx.say("deployed");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let info = ChartInfo { name: "web".into(), chart: ChartRef::path("chart"), ..Default::default() };
    let session = Session::from_environment().await?;
    Ok(session.stack("outside").chart(Web(info)).apply().await?.into_result().map(|_| ())?)
}
