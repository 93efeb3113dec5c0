//! Changes by helm, each with its intent written down before and its outcome after.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::millis;
use crate::error::PhaseError;
use pilothouse_core::{EventKind, HelmCommand, Phase};
use std::time::{Duration, Instant};

/// A run of helm that was begun, with its intent in the journal.
#[must_use]
pub(crate) struct HelmRun {
    phase: Phase,
    command: HelmCommand,
    begun: Instant,
}

/// Writes down that helm is about to run, and what belongs to its run; `revision_before` is the newest revision there is.
///
/// # Errors
/// [`PhaseError::Stopped`] when helm must not be started any more.
pub(crate) async fn begin(
    ctx: &Context,
    run: &mut ReleaseRun,
    command: HelmCommand,
    digest: &str,
    timeout: Duration,
    revision_before: u32,
) -> Result<HelmRun, PhaseError> {
    let phase = ctx.phase();
    run.done_again(phase);
    let intent = EventKind::HelmStarted {
        release: ctx.release(),
        phase,
        command,
        revision_before,
        digest: digest.to_owned(),
        timeout_ms: millis(timeout),
    };
    ctx.emitter().ask(intent).await?;
    Ok(HelmRun { phase, command, begun: Instant::now() })
}

impl HelmRun {
    /// Writes down how it has ended.
    ///
    /// # Errors
    /// What failed.
    pub(crate) fn ended<T, E: Into<PhaseError>>(self, ctx: &Context, result: Result<T, E>) -> Result<T, PhaseError> {
        let Self { phase, command, begun } = self;
        let result = result.map_err(Into::into);
        let error = result.as_ref().err().map(|error| ctx.error_text(error));
        let (release, elapsed_ms) = (ctx.release(), millis(begun.elapsed()));
        ctx.emitter().emit(EventKind::HelmFinished { release, phase, command, error, elapsed_ms });
        result
    }
}
