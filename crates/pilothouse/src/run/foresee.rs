//! A look ahead at all releases, with the lock held and before the first one is begun.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::side_by_side;
use crate::observe;
use crate::phases::HelmChart;
use crate::phases::defaults;
use crate::span;
use futures::FutureExt;
use pilothouse_core::{Class, Finding, HelmAction, Payload, Wait, code};
use tracing::Instrument;

/// What speaks against each release, found before anything is changed: nothing is begun then. `waits` are those of the run; at
/// most `at_once` are looked at at once.
///
/// A release that comes after a change is looked at again when its turn has come, and only what no earlier release can
/// put right counts here. What an interrupted run has left is put in order first, in the release's own turn. Where fewer than two
/// releases change, none is looked at here: the only one is looked at in its own turn, before its first change.
pub(crate) async fn foreseen(
    charts: &[Box<dyn HelmChart>],
    contexts: &[Context],
    runs: &mut [ReleaseRun],
    waits: &[Vec<Wait>],
    at_once: usize,
) -> Vec<Vec<Finding>> {
    let changes = |(ctx, run): (&Context, &ReleaseRun)| run.settled.is_none() && ctx.info().action != HelmAction::Skip;
    let changes: Vec<bool> = contexts.iter().zip(&*runs).map(changes).collect();
    if changes.iter().filter(|changes| **changes).count() < 2 {
        return vec![Vec::new(); charts.len()];
    }
    let after = after_changes(&changes, waits);
    let is_looked_at = |&node: &usize| {
        let (info, run) = (contexts[node].info(), &runs[node]);
        let is_destroyed_later = after[node] && info.action == HelmAction::Destroy;
        changes[node] && !info.dry_run && !run.is_continued() && !is_destroyed_later
    };
    let looked_at: Vec<usize> = (0..charts.len()).filter(is_looked_at).collect();
    // Mostly that was read while the journal was opened.
    let unread = looked_at.iter().map(|&node| &contexts[node]);
    let unread: Vec<&Context> = unread.filter(|ctx| !ctx.session().reads.has_prefetched(&ctx.release())).collect();
    observe::prefetch(&unread).await;
    let looked_at: Vec<bool> = (0..charts.len()).map(|node| looked_at.binary_search(&node).is_ok()).collect();
    let all = charts.iter().zip(contexts).zip(runs).zip(looked_at).zip(after);
    let looks = all.map(|((((chart, ctx), run), looked_at), after)| {
        let look = async move {
            if !looked_at || is_under_way(ctx).await {
                return Vec::new();
            }
            let mut foresight =
                chart.look_ahead(ctx, run, &Payload::default()).instrument(span::release(ctx.release())).await;
            ctx.forget_reads();
            ctx.compress_renderings().await;
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
        };
        look.boxed()
    });
    side_by_side(looks, at_once).await
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
    // A stored revision stays as it is, and with it what takes consent before helm can go over it, and what its uninstall deletes.
    let is_about_kinds = [code::API_NOT_SERVED, code::NAMESPACE_MISSING].contains(&finding.code.as_str());
    stay.contains(&finding.code.as_str()) || is_about_kinds && finding.class == Class::Unsafe
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::Until;
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
