//! Taking back releases that ended well, since a release that needs them has failed.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::millis;
use crate::lifecycle::remediation;
use crate::lifecycle::remediation::Undo;
use crate::observe;
use crate::observe::Action;
use crate::text;
use pilothouse_core::{ChartInfo, Decision, EventKind, Fate, HelmAction, NextStep, Phase, ReleaseKey, ReleaseOutcome};
use std::time::Instant;

/// What has become of a release, as far as it matters for taking others back.
pub(crate) async fn fate_of_release(
    info: &ChartInfo,
    ctx: &Context,
    run: &ReleaseRun,
    outcome: &ReleaseOutcome,
) -> Fate {
    match outcome {
        ReleaseOutcome::Undone { next, .. } => fate_after(next),
        ReleaseOutcome::Failed(failure) => fate_after(&failure.next),
        ReleaseOutcome::NotStarted { .. }
        | ReleaseOutcome::Unchanged { .. }
        | ReleaseOutcome::Skipped { .. }
        | ReleaseOutcome::Refused { .. } => Fate::Untouched,
        ReleaseOutcome::Interrupted { .. } => Fate::Stays,
        ReleaseOutcome::Done { .. } => match how(info, ctx, run).await {
            Some(_) => Fate::Undoable,
            None if matches!(observe::decision(ctx).await, Decision::Keep { .. }) && !run.is_continued() => {
                Fate::Untouched
            }
            None => Fate::Stays,
        },
    }
}

fn fate_after(next: &NextStep) -> Fate {
    match next {
        NextStep::RolledBack { .. } | NextStep::Uninstalled => Fate::Undone,
        NextStep::Left { .. } | NextStep::RemediationFailed { .. } => Fate::Stays,
    }
}

/// How a release that ended well is taken back: only when helm has deployed it in this very run, it is not past a point of
/// no return, and its own policy would do the same if it had failed.
async fn how(info: &ChartInfo, ctx: &Context, run: &ReleaseRun) -> Option<Undo> {
    let changed = run.attempts.is_deployed() && run.attempts.no_return().is_none();
    if info.action != HelmAction::Deploy || !changed {
        return None;
    }
    match observe::taken_back(&info.on_failure, &observe::baseline(ctx, run).await.1) {
        Action::Rollback(revision) => Some(Undo::Rollback(revision)),
        Action::Uninstall => Some(Undo::Uninstall),
        Action::Leave(_) | Action::Retry { .. } => None,
    }
}

/// Takes a release back, with the events of that. `None` when it stays after all; that is said.
pub(crate) async fn take_release_back(
    info: &ChartInfo,
    ctx: &mut Context,
    run: &mut ReleaseRun,
    because_of: ReleaseKey,
) -> Option<ReleaseOutcome> {
    let undo = how(info, ctx, run).await?;
    let (begun, release, phase) = (Instant::now(), ctx.release(), Phase::OnDeployFailure);
    ctx.enter(phase);
    run.enter_phase();
    ctx.emitter().emit(EventKind::PhaseStarted { release: release.clone(), phase });
    let before = observe::baseline(ctx, run).await.0;
    let next = remediation::carry_out(ctx, run, undo, (before, Phase::Validate)).await;
    ctx.session().note_changed();
    let summary = format!("since {because_of} failed: {}", text::next_step(&next));
    let elapsed_ms = millis(begun.elapsed());
    ctx.emitter().emit(EventKind::PhaseFinished { release: release.clone(), phase, ok: false, summary, elapsed_ms });
    if let NextStep::Left { why } = &next {
        ctx.warn(format!("not taken back although {because_of} failed: {why}"));
        return None;
    }
    let mut outcome = ReleaseOutcome::Undone { because_of, next };
    ctx.emitter().redact_outcome(&mut outcome);
    ctx.emitter().emit(EventKind::ReleaseFinished { release, outcome: outcome.clone(), elapsed_ms });
    Some(outcome)
}
