//! Changes by helm, each with its intent written down before and its outcome after.

use crate::context::events::millis;
use crate::context::release_context::Context;
use crate::error::PhaseError;
use crate::observe;
use pilothouse_core::{EventKind, HelmCommand};
use std::time::{Duration, Instant};

/// Runs helm, and what belongs to its run, once the intent is in the journal, and writes down how it ended. `run` does
/// nothing before it is awaited.
///
/// # Errors
/// What failed, or [`PhaseError::Stopped`] when helm must not be started any more.
pub(crate) async fn run_helm<T, E: Into<PhaseError>>(
    ctx: &Context,
    command: HelmCommand,
    digest: String,
    timeout: Duration,
    run: impl Future<Output = Result<T, E>>,
) -> Result<T, PhaseError> {
    let revision_before = observe::observed(ctx).await.known_history().newest_revision();
    run_helm_after(ctx, command, digest, timeout, revision_before, run).await
}

/// As [`run_helm`], where the newest revision there is was read just now.
///
/// # Errors
/// As for [`run_helm`].
pub(crate) async fn run_helm_after<T, E: Into<PhaseError>>(
    ctx: &Context,
    command: HelmCommand,
    digest: String,
    timeout: Duration,
    revision_before: u32,
    run: impl Future<Output = Result<T, E>>,
) -> Result<T, PhaseError> {
    let (release, phase) = (ctx.release(), ctx.phase());
    ctx.done_again(phase);
    let intent = EventKind::HelmStarted {
        release: release.clone(),
        phase,
        command,
        revision_before,
        digest,
        timeout_ms: millis(timeout),
    };
    ctx.emitter().ask(intent).await?;
    let begun = Instant::now();
    let result = run.await.map_err(Into::into);
    let error = result.as_ref().err().map(|error| ctx.error_text(error));
    ctx.emitter().emit(EventKind::HelmFinished { release, phase, command, error, elapsed_ms: millis(begun.elapsed()) });
    result
}
