//! What is wrong with the input of releases, checked of all before anything else.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::is_of_rendering;
use crate::context::side_by_side;
use crate::phases::HelmChart;
use crate::render;
use futures::FutureExt;
use pilothouse_core::{Finding, HelmAction, Payload};
use std::sync::Arc;

/// What is wrong with charts, files and values of each release, in the order of the stack: what is wanted of each is made for that, and
/// kept. `stands_on` gives the releases that one waits for, directly or not; `at_once` is how many are looked at at once.
pub(crate) async fn wrong_input(
    charts: &[Box<dyn HelmChart>],
    contexts: &[Context],
    runs: &mut [ReleaseRun],
    stands_on: &[Vec<usize>],
    at_once: usize,
) -> Vec<Vec<Finding>> {
    let checks = charts.iter().zip(contexts).zip(runs).map(|((chart, ctx), run)| {
        let look = async move {
            match chart.chart_info().action {
                HelmAction::Skip => Checked::default(),
                HelmAction::Deploy if run.settled.is_some() => Checked::default(),
                HelmAction::Deploy | HelmAction::Destroy => check(chart.as_ref(), ctx, run).await,
            }
        };
        look.boxed()
    });
    let mut checked = side_by_side(checks, at_once).await;
    let brings: Vec<(bool, bool)> =
        checked.iter().map(|checked| (checked.is_deployed, checked.defines_kinds)).collect();
    for (checked, stands_on) in checked.iter_mut().zip(stands_on) {
        let looks_up = checked.looks_up;
        if stands_on.iter().any(|&on| brings[on].1 || (looks_up && brings[on].0)) {
            // The template may ask for just these kinds, or look for such an object; it is rendered again when its turn has come.
            checked.findings.retain(|finding| !is_of_rendering(finding));
        }
    }
    checked.into_iter().map(|checked| checked.findings).collect()
}

#[derive(Default)]
struct Checked {
    findings: Vec<Finding>,
    is_deployed: bool,
    /// Whether it is deployed and defines new kinds.
    defines_kinds: bool,
    /// Whether its templates look for objects.
    looks_up: bool,
}

async fn check(chart: &dyn HelmChart, ctx: &Context, run: &mut ReleaseRun) -> Checked {
    // Uninstalling needs no chart; steps that name the chart's definitions resolve it when they are asked.
    let wanted = match chart.chart_info().action {
        HelmAction::Deploy => render::make_wanted(ctx, &Payload::default()).await,
        HelmAction::Destroy | HelmAction::Skip => Arc::default(),
    };
    let findings = render::input_findings(&run.steps, ctx, &wanted).await;
    run.input_checked = true;
    ctx.compress_renderings().await;
    let is_deployed = chart.chart_info().action == HelmAction::Deploy;
    Checked { findings, is_deployed, defines_kinds: wanted.defines_kinds(), looks_up: wanted.uses.lookup }
}
