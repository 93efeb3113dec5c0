//! What is to be done about a release, decided from what was seen of it.

use crate::context::Context;
use crate::context::Observed;
use crate::context::ReleaseRun;
use crate::observe::observation::observed;
use pilothouse_core::{
    Change, ChartInfo, Decision, HelmAction, InputPart, Missing, Observation, RecordSeen, ReleaseHistory, ReleaseState,
    Remaining, Wish, decide, determine,
};

/// What is going to be done: from one observation, always the same. On the way of a deploy that was begun, by an earlier run
/// or an earlier attempt, it goes on to its end.
pub async fn decision(ctx: &Context) -> Decision {
    observed(ctx).await.decision.clone()
}

/// What is to be done about a release in this state.
pub(super) async fn decided(ctx: &Context, seen: &Observation, state: &ReleaseState) -> Decision {
    if ctx.is_under_way() {
        return decide_anew(ctx.info(), seen, state);
    }
    // What could not be found out is no ground to act on.
    let decision = decide(state, &wish(ctx.info())).unwrap_or_else(|_| Decision::Refuse { state: state.clone() });
    // Steps that run before helm may be made for helm to run after them: then it does.
    let finishes_steps = matches!(decision, Decision::Finish { remaining: Remaining::Steps, .. });
    let changed = matches!(state, ReleaseState::LifecycleChanged { .. });
    if changed && finishes_steps && ctx.steps().await.before_exec {
        return decide_anew(ctx.info(), seen, state);
    }
    decision
}

/// What is asked for.
pub(super) fn wish(info: &ChartInfo) -> Wish {
    Wish {
        action: info.action,
        skip_if_already_installed: info.skip_if_already_installed,
        drift: info.drift,
        take_over: info.take_over,
    }
}

/// What has to be observed besides before it can be decided.
pub(super) fn missing(info: &ChartInfo, seen: &Observation) -> Option<Missing> {
    decide(&determine(seen), &wish(info)).err()
}

/// Whether what is wanted is proven to be what was given to the newest revision, but for its steps and what the cluster
/// serves.
pub(super) fn has_same_input(seen: &Observation) -> bool {
    let (RecordSeen::Some(record), Some(newest), Some(now)) =
        (&seen.record, seen.known_history().newest(), &seen.inputs)
    else {
        return false;
    };
    let differs = record.input.differs(now);
    record.is_of(newest) && differs.iter().all(|part| matches!(part, InputPart::Lifecycle | InputPart::Capabilities))
}

/// What is to be done where what is there is known not to count: on the way of a deploy that was begun, that goes on to its
/// end whatever it finds half done.
fn decide_anew(info: &ChartInfo, seen: &Observation, state: &ReleaseState) -> Decision {
    let last_good = seen.known_history().last_deployed().map(|meta| meta.revision);
    let upgrade = || Decision::Change(Change::Upgrade { last_good });
    match decide(state, &wish(info)) {
        Err(Missing::Comparison | Missing::LiveObjects) | Ok(Decision::Finish { .. }) => upgrade(),
        Err(Missing::Unlock { .. }) => Decision::Refuse { state: state.clone() },
        Ok(Decision::Keep { .. })
            if info.action == HelmAction::Deploy && !info.skip_if_already_installed && last_good.is_some() =>
        {
            upgrade()
        }
        Ok(decision @ (Decision::Keep { .. } | Decision::Refuse { .. } | Decision::Change(_))) => decision,
    }
}

/// What would have been decided when this revision was the newest. Where helm has pruned it meanwhile, nobody knows what it
/// was, but that it was no first install.
fn decide_as_of(revision: u32, info: &ChartInfo, seen: &Observation) -> Decision {
    let history = seen.history.as_ref().map(|history| history.as_of(revision)).map_err(Clone::clone);
    if revision > 0 && history.as_ref().is_ok_and(ReleaseHistory::is_empty) {
        return Decision::Change(Change::Upgrade { last_good: None });
    }
    let then = Observation { history, ..seen.clone() };
    decide_anew(info, &then, &determine(&then))
}

/// The newest revision there was before anything was deployed on the way that this run is on, and what was decided
/// then.
pub(crate) async fn baseline(ctx: &Context, run: &ReleaseRun) -> (u32, Decision) {
    if let Some(kept) = run.attempts.baseline() {
        return kept.clone();
    }
    let observed = observed(ctx).await;
    match run.continued_from {
        Some(revision) => (revision, decide_as_of(revision, ctx.info(), &observed.seen)),
        None => (observed.known_history().newest_revision(), observed.decision.clone()),
    }
}

impl Observed {
    /// Whether what is wanted is proven to be what was given to the newest revision, but for its steps and what the cluster
    /// serves.
    pub(crate) fn has_same_input(&self) -> bool {
        has_same_input(&self.seen)
    }
}
