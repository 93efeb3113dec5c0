//! Carries one release through its phases.

use crate::actions;
use crate::actions::Writing;
use crate::context::Context;
use crate::context::Prefetched;
use crate::context::ReleaseRun;
use crate::context::ReportedCauses;
use crate::context::Settled;
use crate::context::UnderLock;
use crate::context::millis;
use crate::diagnose;
use crate::error::PhaseError;
use crate::lifecycle::remediation;
use crate::lifecycle::remediation::Following;
use crate::lifecycle::transition::{Ended, Transition, next};
use crate::observe;
use crate::phases::HelmChart;
use crate::phases::steps_of;
use crate::preflight;
use crate::render;
use crate::span;
use crate::text;
use futures::future::{Either, ready, select};
use pilothouse_core::{
    Change, CheckVerdict, Class, Decision, Drift, EventKind, Failure, Finding, HelmAction, NextStep, Payload, Phase,
    ReinstallReason, ReleaseHistory, ReleaseOutcome, ReleaseState, Remaining, code,
};
use std::pin::pin;
use std::time::{Duration, Instant};
use tracing::Instrument;

/// Carries a release through its lifecycle and reports every phase as events.
pub(crate) async fn run_release<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &mut Context,
    run: &mut ReleaseRun,
    payload: &mut Payload,
) -> ReleaseOutcome {
    let info = chart.chart_info();
    let begun = Instant::now();
    if ctx.session().may_have_taken_from(&info.key()) {
        // What it was proven to be it may not be any more.
        run.settled = None;
    }
    if run.settled.is_none() {
        ctx.emitter().emit(EventKind::ReleaseStarted { release: info.key(), action: info.action });
    }
    let mut outcome = match info.action {
        HelmAction::Skip => ReleaseOutcome::Skipped { reason: "action is skip".to_owned() },
        HelmAction::Deploy | HelmAction::Destroy => {
            if let Some(settled) = run.settled.clone() {
                unchanged(ctx, &settled)
            } else {
                let _working = ctx.session().at_work.begin(info.key());
                let release = span::release(ctx.release());
                in_turn(chart, ctx, run, payload).instrument(release).await
            }
        }
    };
    ctx.emitter().redact_outcome(&mut outcome);
    finished(ctx, &outcome, begun);
    outcome
}

/// Carries a release through its phases, once what an interrupted run has left of it is in order.
async fn in_turn<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &mut Context,
    run: &mut ReleaseRun,
    payload: &mut Payload,
) -> ReleaseOutcome {
    // Where it was not looked at before, that was read with the lock in the hand, or is meanwhile.
    let still_to_look = run.foreseen.is_none() && run.under_lock.is_some();
    let read = if still_to_look { ctx.session().take_just_read(&ctx.release()) } else { None };
    let (history, around) = match read {
        Some(read) => (read.history.clone(), Some(Prefetched { history: None, ..read })),
        None => (None, None),
    };
    let around = async {
        match around {
            Some(read) => read,
            None if still_to_look => observe::read_around(ctx).await,
            None => Prefetched::default(),
        }
    };
    match tokio::join!(put_in_order(ctx, run.under_lock.as_ref(), history), around) {
        (Ok(history), around) => {
            begin_turn(ctx, run, Prefetched { history, ..around }).await;
            // What was wrong until now may have been put right.
            run.causes.since = run.under_lock.as_ref().and_then(|known| known.lock.server_now());
            phases(chart, ctx, run, payload).await
        }
        (Err(outcome), _) => outcome,
    }
}

/// The end of a release of which it was proven before the run that nothing is to be done.
fn unchanged(ctx: &Context, settled: &Settled) -> ReleaseOutcome {
    tell_drift(ctx, &settled.drifts);
    ReleaseOutcome::Unchanged { why: settled.why.clone() }
}

fn tell_drift(ctx: &Context, drifts: &[Drift]) {
    if !drifts.is_empty() {
        ctx.emitter().emit(EventKind::DriftFound { release: ctx.release(), drifts: drifts.to_vec() });
    }
}

/// Puts in order what an interrupted run has left, before anything is looked at. Gives Helm's records of the release where they were
/// read for that, and nothing had to be done; `read` is how they were read just now, if they were.
async fn put_in_order(
    ctx: &Context,
    known: Option<&UnderLock>,
    read: Option<ReleaseHistory>,
) -> Result<Option<ReleaseHistory>, ReleaseOutcome> {
    let Some(known) = known else { return Ok(None) };
    match actions::unlock_before(ctx, known, read).await {
        Ok(read) => Ok(read),
        Err(error) if error.is_interrupted() || ctx.cancel().is_cancelled() => {
            Err(ReleaseOutcome::Interrupted { phase: Phase::CheckPrerequisites })
        }
        Err(error) => {
            let code = if matches!(error, PhaseError::Locked(_)) { code::RELEASE_LOCKED } else { code::UNREADABLE };
            let finding = Finding::new(Class::Blocked, code, ctx.release(), ctx.error_text(&error));
            Err(ReleaseOutcome::Refused { findings: vec![finding] })
        }
    }
}

/// The release's turn has come: what was seen of it before counts if that was just now and no release of the run has changed
/// anything since; or else if it was not long ago, Helm's records are the same, as they were `read` or are read now, and its objects
/// are still nobody else's. What is seen before is only of releases that come after no other one that changes something, and what may
/// be lost is looked at again in any case, right before it is done.
async fn begin_turn(ctx: &Context, run: &mut ReleaseRun, read: Prefetched) {
    let holds = match &run.foreseen {
        Some(seen) if seen.is_fresh() && !ctx.session().has_begun() => true,
        Some(seen) if seen.is_recent() => {
            observe::is_as_observed(ctx, read.history.as_ref()).await && preflight::is_still_free(ctx).await
        }
        Some(_) | None => false,
    };
    if !holds {
        run.foreseen = None;
        ctx.forget_observation().await;
        // Where Helm's records were waited for, or written, what was read meanwhile does not count.
        if read.history.is_some() {
            ctx.session().reads.keep_prefetched(ctx.release(), read);
        }
    }
}

fn finished(ctx: &Context, outcome: &ReleaseOutcome, begun: Instant) {
    ctx.emitter().emit(EventKind::ReleaseFinished {
        release: ctx.release(),
        outcome: outcome.clone(),
        elapsed_ms: millis(begun.elapsed()),
    });
}

/// What the phases before have left to say.
#[derive(Default)]
struct SoFar {
    summary: String,
    /// Whether `summary` says why there was nothing to do.
    nothing_to_do: bool,
    findings: Vec<Finding>,
    failure: Option<Failure>,
    /// The attempt of the deploy that follows, if one does.
    retry: Option<Retry>,
    /// What became of the attempts so far, a line each.
    attempts: Vec<String>,
}

/// Another attempt of the deploy.
#[derive(Clone, Copy)]
struct Retry {
    attempt: u32,
    of: u32,
    wait: Duration,
}

async fn phases<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &mut Context,
    run: &mut ReleaseRun,
    payload: &mut Payload,
) -> ReleaseOutcome {
    let mut writing = None;
    let outcome = Box::pin(phases_while(chart, ctx, run, payload, &mut writing)).await;
    actions::finish_writing(ctx, writing).await;
    outcome
}

/// The same, with a record that may still be written in the end.
async fn phases_while<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &mut Context,
    run: &mut ReleaseRun,
    payload: &mut Payload,
    writing: &mut Option<Writing>,
) -> ReleaseOutcome {
    let mut so_far = SoFar::default();
    let mut phase = Phase::CheckPrerequisites;
    loop {
        // Looking goes on beside the write; before anything is done, what came before it is remembered.
        let only_looks = phase == Phase::Validate || run.steps.of(phase).is_empty() && phase == Phase::PostExec;
        if !only_looks {
            actions::finish_writing(ctx, writing.take()).await;
        }
        let ended = beside(reported_phase(chart, ctx, run, payload, phase, &mut so_far), writing).await;
        if ended == Ended::Well && is_remembered(run, phase) {
            actions::finish_writing(ctx, writing.take()).await;
            *writing = remember(ctx, run, phase).await;
        }
        match next(phase, ended) {
            Transition::To(following) => {
                if let Some(retry) = so_far.retry.take()
                    && let Some(outcome) = next_attempt(ctx, run, retry, &mut so_far).await
                {
                    return outcome;
                }
                phase = following;
            }
            Transition::Done if so_far.nothing_to_do => return ReleaseOutcome::Unchanged { why: so_far.summary },
            Transition::Done => return ReleaseOutcome::Done { summary: done_summary(run, so_far) },
            Transition::Refused => return ReleaseOutcome::Refused { findings: so_far.findings },
            Transition::Interrupted => return ReleaseOutcome::Interrupted { phase },
            Transition::Failed => {
                return so_far.failure.map_or(ReleaseOutcome::Interrupted { phase }, ReleaseOutcome::Failed);
            }
        }
    }
}

/// Carries out `work` and writes meanwhile; what is not written when that has ended is left.
async fn beside<T>(work: impl Future<Output = T>, writing: &mut Option<Writing>) -> T {
    let Some(write) = writing else { return work.await };
    match select(pin!(work), &mut *write).await {
        Either::Left((ended, _)) => ended,
        Either::Right((written, work)) => {
            *writing = Some(Box::pin(ready(written)));
            work.await
        }
    }
}

/// Whether it is written down for runs to come that a release has come so far.
fn is_remembered(run: &ReleaseRun, phase: Phase) -> bool {
    !run.only_every_run
        && match phase {
            Phase::Exec | Phase::Validate => true,
            Phase::PostExec => !run.steps.of(phase).is_empty(),
            Phase::CheckPrerequisites | Phase::PreExec | Phase::OnDeployFailure => false,
        }
}

/// Writes down how far the release has come, for runs to come.
async fn remember(ctx: &Context, run: &mut ReleaseRun, phase: Phase) -> Option<Writing> {
    match (ctx.info().action, phase) {
        (HelmAction::Deploy, _) => return actions::remember_deploy(ctx, run, phase).await,
        (HelmAction::Destroy, Phase::Exec) => actions::forget_deploy(ctx).await,
        (HelmAction::Destroy | HelmAction::Skip, _) => {}
    }
    None
}

/// What was done, and at which attempt.
fn done_summary(run: &ReleaseRun, so_far: SoFar) -> String {
    match run.attempts.current() {
        1 => so_far.summary,
        attempt => format!("{}, at attempt {attempt}", so_far.summary),
    }
}

/// Waits for the next attempt of the deploy. Returns how the release ends when there is none after all.
///
/// Changes nothing. Cancelled at once, without losing the failure that asked for another attempt.
async fn next_attempt(
    ctx: &mut Context,
    run: &mut ReleaseRun,
    retry: Retry,
    so_far: &mut SoFar,
) -> Option<ReleaseOutcome> {
    let mut failure = so_far.failure.take()?;
    let Retry { attempt, of, wait } = retry;
    let error = failure.error.first().map(String::as_str).unwrap_or_default();
    let mut line = format!("attempt {} of {of} failed in {}: {error}", attempt - 1, failure.phase);
    if let Some(error) = &failure.on_deploy_failure_error {
        line = format!("{line}; on_deploy_failure failed too: {error}");
    }
    let phase = Phase::Exec;
    ctx.emitter().emit(EventKind::Retrying { release: ctx.release(), attempt, of, wait_ms: millis(wait), phase });
    let why = tokio::select! {
        biased;
        () = ctx.lost().cancelled() => Some("the lock of the stack is lost, another run may be at work".to_owned()),
        () = ctx.cancel().cancelled() => Some(format!("the run was interrupted before attempt {attempt} of {of}")),
        () = tokio::time::sleep(wait) => remediation::taken_meanwhile(ctx, run, failure.phase).await,
    };
    if let Some(why) = why {
        failure.attempts = std::mem::take(&mut so_far.attempts);
        failure.next = NextStep::Left { why };
        return Some(ReleaseOutcome::Failed(failure));
    }
    so_far.attempts.push(line);
    // It looks at the cluster anew.
    let baseline = observe::baseline(ctx, run).await;
    run.attempts.begin(attempt, baseline);
    ctx.go_on_with_deploy();
    ctx.forget_observation().await;
    None
}

/// Runs one phase with its events.
async fn reported_phase<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &mut Context,
    run: &mut ReleaseRun,
    payload: &mut Payload,
    phase: Phase,
    so_far: &mut SoFar,
) -> Ended {
    let begun = Instant::now();
    ctx.emitter().emit(EventKind::PhaseStarted { release: ctx.release(), phase });
    let (ended, summary) = one_phase(chart, ctx, run, payload, phase, so_far).instrument(span::phase(phase)).await;
    if !matches!(phase, Phase::CheckPrerequisites | Phase::Validate) {
        ctx.session().note_changed();
    }
    ctx.emitter().emit(EventKind::PhaseFinished {
        release: ctx.release(),
        phase,
        ok: matches!(ended, Ended::Well | Ended::On(_) | Ended::Complete),
        summary,
        elapsed_ms: millis(begun.elapsed()),
    });
    ended
}

/// Runs one phase. Returns how it ended and a line about it.
async fn one_phase<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &mut Context,
    run: &mut ReleaseRun,
    payload: &mut Payload,
    phase: Phase,
    so_far: &mut SoFar,
) -> (Ended, String) {
    ctx.enter(phase);
    run.enter_phase();
    let ctx = &*ctx;
    if phase != Phase::CheckPrerequisites {
        // It was for the look at the beginning.
        ctx.session().reads.take_prefetched(&ctx.release());
    }
    if matches!(phase, Phase::PreExec | Phase::Exec | Phase::OnDeployFailure) {
        ctx.session().note_begun();
    }
    if ctx.cancel().is_cancelled() && phase != Phase::OnDeployFailure {
        return (Ended::Interrupted, "interrupted".to_owned());
    }
    let result = match phase {
        Phase::CheckPrerequisites => {
            let findings = chart.check_prerequisites(ctx, run, payload).await;
            return check_ended(ctx, run, findings, so_far).await;
        }
        Phase::PreExec => chart.pre_exec(ctx, run, payload).await,
        Phase::Exec => {
            if let Some(ended) = decided_with_values(ctx, run, payload, so_far).await {
                return ended;
            }
            chart.exec(ctx, run, payload).await.map(|summary| {
                run.attempts.note_exec(&summary);
                so_far.summary = summary;
            })
        }
        Phase::PostExec => chart.post_exec(ctx, run, payload).await,
        Phase::Validate => {
            let result = chart.validate(ctx, run, payload).await;
            if result.is_ok() {
                actions::tell_what_stays(ctx, &run.stays).await;
            }
            result
        }
        Phase::OnDeployFailure => {
            return clean_up(chart, ctx, run, payload, so_far).await;
        }
    };
    match result {
        Ok(()) => {
            let line = if phase == Phase::Exec { so_far.summary.clone() } else { String::new() };
            (Ended::Well, line)
        }
        Err(PhaseError::Uncertain(finding)) => {
            so_far.findings = vec![finding];
            (Ended::Uncertain, "1 finding".to_owned())
        }
        Err(error) if error.is_interrupted() || ctx.terminate().is_cancelled() => {
            (Ended::Interrupted, "interrupted".to_owned())
        }
        Err(error) => {
            let failure = describe(ctx, &run.causes, phase, &error).await;
            let line = failure.error.first().cloned().unwrap_or_default();
            so_far.failure = Some(failure);
            (Ended::Badly, line)
        }
    }
}

/// The validate phase alone, reported like a whole lifecycle.
pub(crate) async fn validate_release<C: HelmChart + ?Sized>(chart: &C, ctx: &mut Context) -> ReleaseOutcome {
    let info = chart.chart_info();
    let begun = Instant::now();
    ctx.emitter().emit(EventKind::ReleaseStarted { release: info.key(), action: info.action });
    let mut outcome = match info.action {
        HelmAction::Skip => ReleaseOutcome::Skipped { reason: "action is skip".to_owned() },
        HelmAction::Deploy | HelmAction::Destroy => {
            let phase = Phase::Validate;
            let mut so_far = SoFar::default();
            // One check that fails is no reason not to make the others.
            let mut run = ReleaseRun { thorough: true, steps: steps_of(chart), ..ReleaseRun::default() };
            let ended = reported_phase(chart, ctx, &mut run, &mut Payload::default(), phase, &mut so_far).await;
            match (ended, so_far.failure) {
                (Ended::Interrupted, _) => ReleaseOutcome::Interrupted { phase },
                (_, Some(mut failure)) => {
                    failure.next = NextStep::Left { why: "validate changes nothing".to_owned() };
                    ReleaseOutcome::Failed(failure)
                }
                (_, None) => ReleaseOutcome::Done { summary: "valid".to_owned() },
            }
        }
    };
    ctx.emitter().redact_outcome(&mut outcome);
    finished(ctx, &outcome, begun);
    outcome
}

/// Makes the checks that are judged by comparison, before anything is changed. Where nothing is installed yet, there is
/// nothing to compare with; what was known before an earlier run began its change is not looked at again.
async fn baselines(ctx: &Context, run: &mut ReleaseRun, decision: &Decision) -> Result<(), PhaseError> {
    if let Decision::Change(Change::Install | Change::Reinstall(ReinstallReason::HalfDone)) = decision {
        return Ok(());
    }
    for step in run.steps.of(Phase::Validate).to_vec() {
        let given = run.given(step.as_ref()).await;
        if run.baseline_of(&given).is_some() {
            continue;
        }
        if let Some(report) = step.baseline(ctx).await? {
            run.keep_baseline(given.digest().to_owned(), report.verdict);
            if report.verdict != CheckVerdict::Held {
                ctx.warn(format!("{}: it does not hold before the change: {}", report.check, report.why));
            }
            let (release, phase) = (ctx.release(), ctx.phase());
            ctx.emitter().emit(EventKind::Checked {
                release,
                phase,
                report,
                baseline_of: Some(given.digest().to_owned()),
            });
        }
    }
    Ok(())
}

/// Turns what `check_prerequisites` found into an ending.
async fn check_ended(
    ctx: &Context,
    run: &mut ReleaseRun,
    findings: Vec<Finding>,
    so_far: &mut SoFar,
) -> (Ended, String) {
    if ctx.cancel().is_cancelled() {
        return (Ended::Interrupted, "interrupted".to_owned());
    }
    if !findings.is_empty() {
        let line = match findings.len() {
            1 => "1 finding".to_owned(),
            n => format!("{n} findings"),
        };
        so_far.findings = findings;
        return (Ended::Badly, line);
    }
    let info = ctx.info();
    // A continued run goes on after what the earlier one has done.
    if !info.dry_run && (info.action != HelmAction::Deploy || run.is_continued()) {
        return (Ended::Well, String::new());
    }
    let decision = observe::decision(ctx).await;
    if info.dry_run {
        so_far.summary = format!("dry run: would {}", text::decision(&decision));
        return (Ended::Complete, so_far.summary.clone());
    }
    let ended = by_decision(ctx, run, &decision, so_far).await.unwrap_or((Ended::Well, String::new()));
    if ended.0 == Ended::Well && baselines(ctx, run, &decision).await.is_err() {
        return (Ended::Interrupted, "interrupted".to_owned());
    }
    ended
}

/// Once the values that come from steps are known, what is wanted is compared with what is deployed, as of any other release.
/// Returns how `exec` ends where helm is not needed.
async fn decided_with_values(
    ctx: &Context,
    run: &mut ReleaseRun,
    payload: &Payload,
    so_far: &mut SoFar,
) -> Option<(Ended, String)> {
    let is_first = !run.is_under_way() && !run.only_every_run;
    let waited = is_first && !render::payload_values(ctx.info(), payload).is_empty();
    if !waited || !matches!(observe::decision(ctx).await, Decision::Change(Change::Upgrade { .. })) {
        return None;
    }
    let observed = observe::observe_for(ctx, &*render::make_wanted(ctx, payload).await).await;
    by_decision(ctx, run, &observed.decision, so_far).await
}

/// How a phase ends after which helm is not needed; `None` where it is.
async fn by_decision(
    ctx: &Context,
    run: &mut ReleaseRun,
    decision: &Decision,
    so_far: &mut SoFar,
) -> Option<(Ended, String)> {
    let (ended, why) = match decision {
        Decision::Keep { why } => {
            if let ReleaseState::Drifted { drifts, .. } = &observe::observed(ctx).await.state {
                tell_drift(ctx, drifts);
            }
            if run.stack.is_some() {
                actions::renew_deploy_record(ctx).await;
            }
            so_far.nothing_to_do = true;
            if ctx.steps().await.every_run {
                run.only_every_run = true;
                (Ended::Well, why)
            } else {
                (Ended::Complete, why)
            }
        }
        Decision::Finish { remaining: Remaining::Validation, why } => (Ended::On(Phase::Validate), why),
        Decision::Finish { remaining: Remaining::Steps, why } => (Ended::On(Phase::PostExec), why),
        Decision::Refuse { .. } | Decision::Change(_) => return None,
    };
    so_far.summary.clone_from(why);
    Some((ended, why.clone()))
}

/// Gathers the evidence of a failure, before anything is cleaned up or rolled back.
async fn describe(ctx: &Context, reported: &ReportedCauses, phase: Phase, error: &PhaseError) -> Failure {
    Failure {
        phase,
        step: error.step().map(str::to_owned),
        error: error.chain().iter().map(|line| ctx.redactor().redact(line)).collect(),
        causes: diagnose::collect_evidence(ctx, reported, error).await,
        attempts: Vec::new(),
        on_deploy_failure_error: None,
        next: NextStep::Left { why: "nothing was asked for".to_owned() },
    }
}

/// The user's clean-up, then the failure policy. Neither takes the place of the failure that caused it.
async fn clean_up<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
    run: &mut ReleaseRun,
    payload: &mut Payload,
    so_far: &mut SoFar,
) -> (Ended, String) {
    let Some(failure) = so_far.failure.as_mut() else { return (Ended::Badly, String::new()) };
    // What it puts into the payload is not for the phases of another attempt: a continued run would not have it either.
    if let Err(error) = chart.on_deploy_failure(ctx, run, &mut payload.clone(), failure).await {
        failure.on_deploy_failure_error = Some(ctx.redactor().redact(&error.chain().join(": ")));
    }
    failure.attempts.clone_from(&so_far.attempts);
    match remediation::after(chart.chart_info(), ctx, run, failure).await {
        Following::Over(next) => {
            failure.next = next;
            (Ended::Badly, text::next_step(&failure.next))
        }
        Following::Retry { attempt, of, wait } => {
            so_far.retry = Some(Retry { attempt, of, wait });
            (Ended::Again, String::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, sleep};

    const TENTH: Duration = Duration::from_millis(100);

    /// A phase is not held up by a write, which is done by the time that the next one is over, and goes on while that works.
    #[tokio::test(start_paused = true)]
    async fn a_write_goes_on_beside_phases() {
        let mut writing: Option<Writing> = Some(Box::pin(async {
            sleep(3 * TENTH).await;
            Ok(())
        }));
        let begun = Instant::now();
        for phases in [2, 4] {
            beside(sleep(2 * TENTH), &mut writing).await;
            assert_eq!(begun.elapsed(), phases * TENTH);
        }
        writing.unwrap().await.unwrap();
        assert_eq!(begun.elapsed(), 4 * TENTH);
    }
}
