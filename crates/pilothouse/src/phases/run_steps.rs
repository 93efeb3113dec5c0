//! Running the steps of a phase.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::Step;
use crate::context::StepDescription;
use crate::context::StepVerdict;
use crate::context::millis;
use crate::error::PhaseError;
use crate::preflight;
use pilothouse_core::{EventKind, Payload, Phase};

/// Runs the steps of a phase in order, up to the first that fails.
///
/// # Errors
/// [`PhaseError::Step`], or [`PhaseError::Interrupted`] when the run was stopped before a step.
pub async fn run_steps(
    phase: Phase,
    ctx: &Context,
    run: &mut ReleaseRun,
    payload: &mut Payload,
) -> Result<(), PhaseError> {
    let (mut failed, steps) = (Vec::new(), run.steps.of(phase).to_vec());
    for (index, step) in steps.iter().enumerate() {
        if ctx.cancel().is_cancelled() && phase != Phase::OnDeployFailure {
            return Err(PhaseError::Interrupted);
        }
        match run_step(ctx, run, phase, index, step.as_ref(), payload).await {
            Ok(()) => {}
            // They only look, and one more that fails is worth knowing.
            Err(error @ PhaseError::Step { .. }) if run.thorough && !error.is_interrupted() => failed.push(error),
            Err(error) => return Err(error),
        }
    }
    match failed.pop() {
        None => Ok(()),
        Some(only) if failed.is_empty() => Err(only),
        Some(last) => {
            failed.push(last);
            Err(PhaseError::Steps(failed))
        }
    }
}

/// Runs one step with its events, unless an earlier run has done it.
async fn run_step(
    ctx: &Context,
    run: &mut ReleaseRun,
    phase: Phase,
    index: usize,
    step: &dyn Step,
    payload: &mut Payload,
) -> Result<(), PhaseError> {
    let StepDescription {
        text: description, repeatable, adopts, adopts_unowned, point_of_no_return, every_run, ..
    } = step.describe();
    let description = ctx.redactor().clean(&description).into_string();
    let (release, given) = (ctx.release(), run.given(step).await);
    if run.only_every_run && !every_run {
        return Ok(());
    }
    if run.attempts.has_done(phase, index, given.digest()) {
        ctx.emitter().emit(EventKind::StepSkipped { release, phase, index, description });
        return Ok(());
    }
    match run.step_verdict(phase, index, &given, repeatable) {
        StepVerdict::Run => run.done_again(phase),
        StepVerdict::Done { output } => {
            for (key, value) in output {
                payload.put_value(key, value);
            }
            if adopts_unowned || !adopts.is_empty() {
                run.attempts.note_adopted(&adopts);
            }
            ctx.emitter().emit(EventKind::StepSkipped { release, phase, index, description });
            return Ok(());
        }
        StepVerdict::Untrusted { run: earlier } => {
            return Err(PhaseError::Uncertain(preflight::untrusted(ctx, phase, index, &description, earlier)));
        }
        StepVerdict::Uncertain { run: earlier, since, ended } => {
            return Err(PhaseError::Uncertain(preflight::uncertain_step(
                ctx,
                phase,
                index,
                &description,
                (earlier, since, ended),
            )));
        }
    }
    if point_of_no_return {
        run.point_of_no_return(ctx, &description).await?;
    }
    let started = EventKind::StepStarted {
        release: release.clone(),
        phase,
        index,
        description: description.clone(),
        repeatable,
        digest: given.digest().to_owned(),
    };
    ctx.emitter().ask(started).await?;
    let begun = std::time::Instant::now();
    let before = payload.clone();
    let result = step.run(ctx, run, payload).await;
    // A step that was told to end while it worked may have done its work or not: that it ended says nothing.
    let known = repeatable || !result.as_ref().is_err_and(PhaseError::is_interrupted);
    let finished = EventKind::StepFinished {
        release,
        phase,
        index,
        error: result.as_ref().err().map(|error| ctx.redactor().redact(&error.chain().join(": "))),
        output: preflight::step_output(phase, &before, payload, ctx.redactor()),
        elapsed_ms: millis(begun.elapsed()),
    };
    if known {
        ctx.emitter().emit(finished);
    }
    if result.is_ok() {
        run.attempts.note_step(phase, index, given.digest(), repeatable);
    }
    result.map_err(|source| match source {
        // That is the run's end, not the step's.
        PhaseError::Stopped(reason) => PhaseError::Stopped(reason),
        PhaseError::Uncertain(finding) => PhaseError::Uncertain(finding),
        source => PhaseError::Step { step: description, source: Box::new(source) },
    })
}
