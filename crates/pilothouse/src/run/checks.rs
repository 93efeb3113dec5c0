//! What is checked of all releases before the first one is begun.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::observe;
use crate::phases::HelmChart;
use crate::phases::defaults;
use crate::phases::steps_of;
use crate::render;
use futures::StreamExt;
use pilothouse_core::{Finding, HelmAction, Payload, Wait, code};
use std::sync::Arc;

/// What is wrong with charts, files and values of each release, in the order of the stack. `stands_on` gives the releases
/// that one waits for, directly or not; `side_by_side` is how many are looked at at once.
pub(crate) async fn wrong_input(
    charts: &[Box<dyn HelmChart>],
    contexts: &[Context],
    runs: &[ReleaseRun],
    stands_on: &[Vec<usize>],
    side_by_side: usize,
) -> Vec<Vec<Finding>> {
    let checks = charts.iter().zip(contexts).zip(runs).map(|((chart, ctx), run)| async move {
        match chart.chart_info().action {
            HelmAction::Skip => Checked::default(),
            HelmAction::Deploy if run.settled.is_some() => Checked::default(),
            HelmAction::Deploy | HelmAction::Destroy => check(chart.as_ref(), ctx).await,
        }
    });
    let mut checked: Vec<Checked> = futures::stream::iter(checks).buffered(side_by_side.max(1)).collect().await;
    let brings: Vec<(bool, bool)> = checked.iter().map(|checked| (checked.is_deployed, checked.brings_kinds)).collect();
    for (checked, stands_on) in checked.iter_mut().zip(stands_on) {
        let looks_up = checked.looks_up;
        if stands_on.iter().any(|&on| brings[on].1 || (looks_up && brings[on].0)) {
            // The template may ask for just these kinds, or look for such an object; it is rendered again when its turn has come.
            checked.findings.retain(|finding| finding.code != code::CHART_TEMPLATE_FAILED);
        }
    }
    checked.into_iter().map(|checked| checked.findings).collect()
}

/// What speaks against each release, found before anything is changed: nothing is begun then. `waits` are those of the run; at
/// most `side_by_side` are looked at at once.
///
/// A release that comes after a change is looked at again when its turn has come, and only what no earlier release can
/// put right counts here. What an interrupted run has left is put in order first, in the release's own turn.
pub(crate) async fn foreseen(
    charts: &[Box<dyn HelmChart>],
    contexts: &[Context],
    runs: &mut [ReleaseRun],
    waits: &[Vec<Wait>],
    side_by_side: usize,
) -> Vec<Vec<Finding>> {
    let changes = |(ctx, run): (&Context, &ReleaseRun)| run.settled.is_none() && ctx.info().action != HelmAction::Skip;
    let changes: Vec<bool> = contexts.iter().zip(&*runs).map(changes).collect();
    if changes.iter().filter(|changes| **changes).count() < 2 {
        // Its own check comes before the first change.
        return vec![Vec::new(); charts.len()];
    }
    let after = after_changes(&changes, waits);
    let is_looked_at = |&node: &usize| {
        let (info, run) = (contexts[node].info(), &runs[node]);
        let is_destroyed_later = after[node] && info.action == HelmAction::Destroy;
        changes[node] && !info.dry_run && !run.is_continued() && !is_destroyed_later
    };
    let looked_at: Vec<usize> = (0..charts.len()).filter(is_looked_at).collect();
    if let Some(first) = looked_at.first() {
        let all: Vec<&Context> = looked_at.iter().map(|&node| &contexts[node]).collect();
        observe::read_ahead(contexts[*first].session(), &all).await;
    }
    let looked_at: Vec<bool> = (0..charts.len()).map(|node| looked_at.binary_search(&node).is_ok()).collect();
    let all = charts.iter().zip(contexts).zip(runs).zip(looked_at).zip(after);
    let looks = all.map(|((((chart, ctx), run), looked_at), after)| async move {
        if !looked_at || is_under_way(ctx).await {
            return Vec::new();
        }
        let mut foresight = chart.look_ahead(ctx, run, &Payload::default()).await;
        ctx.pack().await;
        if after {
            ctx.forget_observation().await;
            foresight.findings.retain(stays);
            return foresight.findings;
        }
        if foresight.findings.is_empty() {
            run.keep_foresight(foresight);
            return Vec::new();
        }
        defaults::tell(ctx, foresight)
    });
    futures::stream::iter(looks).buffered(side_by_side.max(1)).collect().await
}

/// Whether Helm's newest record says that somebody is at work on it: that is waited for when its turn has come.
async fn is_under_way(ctx: &Context) -> bool {
    let under_way =
        observe::observed(ctx).await.known_history().newest().is_some_and(|newest| newest.status.is_under_way());
    if under_way {
        ctx.forget_observation().await;
    }
    under_way
}

/// Which releases come after one that changes something, directly or not.
fn after_changes(changes: &[bool], waits: &[Vec<Wait>]) -> Vec<bool> {
    let mut after = vec![false; changes.len()];
    // As often as the longest chain has links; there is no cycle.
    for _ in 0..changes.len() {
        let next: Vec<bool> =
            waits.iter().map(|waits| waits.iter().any(|wait| changes[wait.on] || after[wait.on])).collect();
        if next == after {
            break;
        }
        after = next;
    }
    after
}

/// Whether a finding holds whatever other releases bring: it is about data that is there, or about who manages the release.
fn stays(finding: &Finding) -> bool {
    let stay = [
        code::BACKUP_IMPOSSIBLE,
        code::DATA_ATTACHED,
        code::SECRET_REGENERATED,
        code::IMMUTABLE_FIELD,
        code::DOWNGRADE_BREAKING,
        code::RELEASE_FOREIGN,
    ];
    stay.contains(&finding.code.as_str())
}

#[derive(Default)]
struct Checked {
    findings: Vec<Finding>,
    is_deployed: bool,
    /// Whether it is deployed and defines new kinds.
    brings_kinds: bool,
    /// Whether its templates look for objects.
    looks_up: bool,
}

async fn check(chart: &dyn HelmChart, ctx: &Context) -> Checked {
    // Uninstalling needs no chart; steps that name the chart's definitions resolve it when they are asked.
    let wanted = match chart.chart_info().action {
        HelmAction::Deploy => render::make_wanted(ctx, &Payload::default()).await,
        HelmAction::Destroy | HelmAction::Skip => Arc::default(),
    };
    let findings = render::input_findings(&steps_of(chart), ctx, &wanted).await;
    ctx.pack().await;
    let is_deployed = chart.chart_info().action == HelmAction::Deploy;
    Checked { findings, is_deployed, brings_kinds: wanted.brings_kinds(), looks_up: wanted.uses.lookup }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::{Class, Until};
    use rstest::rstest;

    fn waits(of: &[Vec<usize>]) -> Vec<Vec<Wait>> {
        of.iter().map(|on| on.iter().map(|&on| Wait { on, until: Until::Deployed }).collect()).collect()
    }

    #[rstest]
    #[case::alone(&[true, true], &[vec![], vec![]], &[false, false])]
    #[case::directly(&[true, true], &[vec![], vec![0]], &[false, true])]
    #[case::after_nothing_new(&[false, true], &[vec![], vec![0]], &[false, false])]
    #[case::through_one_that_stays(&[true, false, true], &[vec![], vec![0], vec![1]], &[false, true, true])]
    #[case::against_the_order_of_the_stack(&[true, true, true], &[vec![1], vec![2], vec![]], &[true, true, false])]
    fn what_comes_after_a_change(#[case] changes: &[bool], #[case] on: &[Vec<usize>], #[case] expected: &[bool]) {
        assert_eq!(after_changes(changes, &waits(on)), expected);
    }

    #[rstest]
    #[case(code::BACKUP_IMPOSSIBLE, true)]
    #[case(code::DATA_ATTACHED, true)]
    #[case(code::SECRET_REGENERATED, true)]
    #[case(code::IMMUTABLE_FIELD, true)]
    #[case(code::DOWNGRADE_BREAKING, true)]
    #[case(code::RELEASE_FOREIGN, true)]
    // An earlier release may delete the custom resources, give the object away, bring the endpoints, raise the quota.
    #[case(code::CRD_IN_USE, false)]
    #[case(code::OWNERSHIP_CONFLICT, false)]
    #[case(code::WEBHOOK_UNREACHABLE, false)]
    #[case(code::QUOTA_EXCEEDED, false)]
    #[case(code::UNREADABLE, false)]
    fn what_no_other_release_puts_right(#[case] code: &str, #[case] expected: bool) {
        assert_eq!(stays(&Finding::new(Class::Unsafe, code, "it", "why")), expected);
    }
}
