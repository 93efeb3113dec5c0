//! What is checked of all releases before the first one is begun.

use crate::chart::HelmChart;
use crate::context::Context;
use crate::prepare;
use futures::StreamExt;
use pilothouse_core::{Finding, HelmAction, Payload, code};

/// What is wrong with charts, files and values of each release, in the order of the stack. `stands_on` gives the releases
/// that one waits for, directly or not; `side_by_side` is how many are looked at at once.
pub(crate) async fn wrong_input(
    charts: &[Box<dyn HelmChart>],
    contexts: &[Context],
    stands_on: &[Vec<usize>],
    side_by_side: usize,
) -> Vec<Vec<Finding>> {
    let checks = charts.iter().zip(contexts).map(|(chart, ctx)| async move {
        match chart.chart_info().action {
            HelmAction::Skip => Checked::default(),
            HelmAction::Deploy if ctx.settled().is_some() => Checked::default(),
            HelmAction::Deploy | HelmAction::Destroy => check(chart.as_ref(), ctx).await,
        }
    });
    let mut checked: Vec<Checked> = futures::stream::iter(checks).buffered(side_by_side.max(1)).collect().await;
    let brings_kinds: Vec<bool> = checked.iter().map(|checked| checked.brings_kinds).collect();
    for (checked, stands_on) in checked.iter_mut().zip(stands_on) {
        if stands_on.iter().any(|&on| brings_kinds[on]) {
            // The template may ask for just these kinds; it is rendered again when its turn has come.
            checked.findings.retain(|finding| finding.code != code::CHART_TEMPLATE_FAILED);
        }
    }
    checked.into_iter().map(|checked| checked.findings).collect()
}

#[derive(Default)]
struct Checked {
    findings: Vec<Finding>,
    /// Whether it is deployed and defines new kinds.
    brings_kinds: bool,
}

async fn check(chart: &dyn HelmChart, ctx: &Context) -> Checked {
    let findings = prepare::input_findings(chart, ctx).await;
    let deploys = chart.chart_info().action == HelmAction::Deploy;
    let brings_kinds = deploys && ctx.prepared(&Payload::default()).await.brings_kinds();
    ctx.pack().await;
    Checked { findings, brings_kinds }
}
