//! The provided `run`: carries one release through its phases.

use crate::chart::HelmChart;
use crate::context::Context;
use crate::error::PhaseError;
use crate::evidence;
use crate::remediation;
use crate::steps::steps_of;
use crate::transition::{Ended, Transition, next};
use crate::words;
use pilothouse_core::{
    CheckVerdict, Class, Decision, EventKind, Failure, Finding, HelmAction, NextStep, Payload, Phase, ReleaseOutcome,
    code,
};
use std::time::{Duration, Instant};

/// Carries a release through its lifecycle and reports every phase as events.
pub(crate) async fn run<C: HelmChart + ?Sized>(chart: &C, ctx: &Context, payload: &mut Payload) -> ReleaseOutcome {
    let info = chart.chart_info();
    let begun = Instant::now();
    ctx.emitter().emit(EventKind::ReleaseStarted { release: info.key(), action: info.action });
    let mut outcome = match info.action {
        HelmAction::Skip => ReleaseOutcome::Skipped { reason: "action is skip".to_owned() },
        HelmAction::Deploy | HelmAction::Destroy => match put_in_order(ctx).await {
            Ok(()) => phases(chart, ctx, payload).await,
            Err(outcome) => outcome,
        },
    };
    ctx.emitter().redact_outcome(&mut outcome);
    finished(ctx, &outcome, begun);
    outcome
}

/// Puts in order what an interrupted run has left, before anything is looked at.
async fn put_in_order(ctx: &Context) -> Result<(), ReleaseOutcome> {
    let Some(before) = ctx.before() else { return Ok(()) };
    match before.heal(ctx).await {
        Ok(()) => Ok(()),
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
    findings: Vec<Finding>,
    failure: Option<Failure>,
}

async fn phases<C: HelmChart + ?Sized>(chart: &C, ctx: &Context, payload: &mut Payload) -> ReleaseOutcome {
    let mut so_far = SoFar::default();
    let mut phase = Phase::CheckPrerequisites;
    loop {
        let ended = reported_phase(chart, ctx, payload, phase, &mut so_far).await;
        match next(phase, ended) {
            Transition::To(following) => phase = following,
            Transition::Done => return ReleaseOutcome::Done { summary: so_far.summary },
            Transition::Refused => return ReleaseOutcome::Refused { findings: so_far.findings },
            Transition::Interrupted => return ReleaseOutcome::Interrupted { phase },
            Transition::Failed => {
                return so_far.failure.map_or(ReleaseOutcome::Interrupted { phase }, ReleaseOutcome::Failed);
            }
        }
    }
}

/// Runs one phase with its events.
async fn reported_phase<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
    payload: &mut Payload,
    phase: Phase,
    so_far: &mut SoFar,
) -> Ended {
    let begun = Instant::now();
    ctx.emitter().emit(EventKind::PhaseStarted { release: ctx.release(), phase });
    let (ended, summary) = one_phase(chart, ctx, payload, phase, so_far).await;
    ctx.emitter().emit(EventKind::PhaseFinished {
        release: ctx.release(),
        phase,
        ok: matches!(ended, Ended::Well | Ended::Complete),
        summary,
        elapsed_ms: millis(begun.elapsed()),
    });
    ended
}

/// Runs one phase. Returns how it ended and a line about it.
async fn one_phase<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
    payload: &mut Payload,
    phase: Phase,
    so_far: &mut SoFar,
) -> (Ended, String) {
    ctx.enter(phase);
    if ctx.cancel().is_cancelled() && phase != Phase::OnDeployFailure {
        return (Ended::Interrupted, "interrupted".to_owned());
    }
    let result = match phase {
        Phase::CheckPrerequisites => {
            let findings = chart.check_prerequisites(ctx, payload).await;
            let ended = check_ended(chart, ctx, findings, so_far).await;
            return match (&ended.0, baselines(chart, ctx, &ended.0).await) {
                (Ended::Well, Err(_)) => (Ended::Interrupted, "interrupted".to_owned()),
                _ => ended,
            };
        }
        Phase::PreExec => chart.pre_exec(ctx, payload).await,
        Phase::Exec => chart.exec(ctx, payload).await.map(|summary| so_far.summary = summary),
        Phase::PostExec => chart.post_exec(ctx, payload).await,
        Phase::Validate => chart.validate(ctx, payload).await,
        Phase::OnDeployFailure => {
            let line = clean_up(chart, ctx, payload, so_far).await;
            return (Ended::Badly, line);
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
            let failure = describe(ctx, phase, &error).await;
            let line = failure.error.first().cloned().unwrap_or_default();
            so_far.failure = Some(failure);
            (Ended::Badly, line)
        }
    }
}

/// The validate phase alone, reported like a whole lifecycle.
pub(crate) async fn validate_only<C: HelmChart + ?Sized>(chart: &C, ctx: &Context) -> ReleaseOutcome {
    let info = chart.chart_info();
    let begun = Instant::now();
    ctx.emitter().emit(EventKind::ReleaseStarted { release: info.key(), action: info.action });
    let mut outcome = match info.action {
        HelmAction::Skip => ReleaseOutcome::Skipped { reason: "action is skip".to_owned() },
        HelmAction::Deploy | HelmAction::Destroy => {
            let phase = Phase::Validate;
            let mut so_far = SoFar::default();
            let ended = reported_phase(chart, ctx, &mut Payload::default(), phase, &mut so_far).await;
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
async fn baselines<C: HelmChart + ?Sized>(chart: &C, ctx: &Context, ended: &Ended) -> Result<(), PhaseError> {
    if *ended != Ended::Well || chart.chart_info().action != HelmAction::Deploy || ctx.is_continued() {
        return Ok(());
    }
    if matches!(ctx.decision().await, Decision::Install | Decision::FinishUninstallThenInstall) {
        return Ok(());
    }
    for step in steps_of(chart, Phase::Validate) {
        let digest = step.digest().await;
        if ctx.baseline_of(&digest).is_some() {
            continue;
        }
        if let Some(report) = step.baseline(ctx).await? {
            ctx.keep_baseline(digest.clone(), report.verdict);
            if report.verdict != CheckVerdict::Held {
                ctx.warn(format!("{}: it does not hold before the change: {}", report.check, report.why));
            }
            let (release, phase) = (ctx.release(), ctx.phase());
            ctx.emitter().emit(EventKind::Checked { release, phase, report, baseline_of: Some(digest) });
        }
    }
    Ok(())
}

/// Turns what `check_prerequisites` found into an ending.
async fn check_ended<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
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
    if chart.chart_info().dry_run {
        so_far.summary = format!("dry run: would {}", words::decision(&ctx.decision().await));
        return (Ended::Complete, so_far.summary.clone());
    }
    if chart.chart_info().action == HelmAction::Deploy
        && !ctx.is_continued()
        && let Decision::Nothing { why } = ctx.decision().await
    {
        // An earlier run that has begun goes on behind what it has done.
        so_far.summary = why;
        return (Ended::Complete, so_far.summary.clone());
    }
    (Ended::Well, String::new())
}

/// Gathers the evidence of a failure, before anything is cleaned up or rolled back.
async fn describe(ctx: &Context, phase: Phase, error: &PhaseError) -> Failure {
    Failure {
        phase,
        step: error.step().map(str::to_owned),
        error: error.chain().iter().map(|line| ctx.redactor().redact(line)).collect(),
        causes: evidence::collect(ctx, error).await,
        on_deploy_failure_error: None,
        next: NextStep::Left { why: "nothing was asked for".to_owned() },
    }
}

/// The user's clean-up, then the failure policy. Neither takes the place of the failure that caused it.
async fn clean_up<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
    payload: &mut Payload,
    so_far: &mut SoFar,
) -> String {
    let Some(failure) = so_far.failure.as_mut() else { return String::new() };
    if let Err(error) = chart.on_deploy_failure(ctx, payload, failure).await {
        failure.on_deploy_failure_error = Some(ctx.redactor().redact(&error.chain().join(": ")));
    }
    failure.next = remediation::carry_out(chart.chart_info(), ctx, failure.phase).await;
    words::next_step(&failure.next)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
