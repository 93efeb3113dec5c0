//! Changes by helm, each with its intent written down before and its outcome after.

use crate::context::Context;
use crate::error::PhaseError;
use crate::lifecycle::millis;
use pilothouse_core::{EventKind, HelmCommand};
use pilothouse_helm::HelmError;
use std::time::{Duration, Instant};

/// Runs helm once its intent is in the journal, and writes down how it ended. `run` does nothing before it is awaited.
///
/// # Errors
/// Helm's own, or [`PhaseError::Stopped`] when helm must not be started any more.
pub(crate) async fn run_helm<T>(
    ctx: &Context,
    command: HelmCommand,
    digest: String,
    timeout: Duration,
    run: impl Future<Output = Result<T, HelmError>>,
) -> Result<T, PhaseError> {
    let (release, phase) = (ctx.release(), ctx.phase());
    ctx.done_again(phase);
    let intent = EventKind::HelmStarted {
        release: release.clone(),
        phase,
        command,
        revision_before: ctx.observed().await.newest_revision(),
        digest,
        timeout_ms: millis(timeout),
    };
    ctx.emitter().ask(intent).await?;
    let begun = Instant::now();
    let result = run.await;
    let error = result.as_ref().err().map(|error| ctx.error_text(error));
    ctx.emitter().emit(EventKind::HelmFinished { release, phase, command, error, elapsed_ms: millis(begun.elapsed()) });
    result.map_err(PhaseError::from)
}
