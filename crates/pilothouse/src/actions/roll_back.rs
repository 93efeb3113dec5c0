//! Goes back to an earlier revision.

use crate::actions::helm_run;
use crate::context::Context;
use crate::context::ReleaseRun;
use crate::error::PhaseError;
use crate::preflight;
use crate::preflight::Permit;
use crate::preflight::Rollback;
use pilothouse_core::HelmCommand;
use pilothouse_helm::RollbackRequest;

/// Lets helm roll the release back; `newest` is the newest revision there is.
///
/// # Errors
/// What failed, or [`PhaseError::Stopped`] when helm must not be started any more.
pub(crate) async fn roll_back(
    ctx: &Context,
    run: &mut ReleaseRun,
    permit: Permit<Rollback>,
    newest: u32,
) -> Result<(), PhaseError> {
    let info = ctx.info();
    let request = RollbackRequest {
        force: info.force_upgrade,
        max_history: info.max_history,
        ..RollbackRequest::new(info.key(), permit.deed().to_revision, ctx.timeout())
    };
    let helm = helm_run::begin(ctx, run, HelmCommand::Rollback, "", request.timeout, newest).await?;
    let done = async {
        preflight::refuse_unless_as_seen(ctx, &permit.deed().goes).await?;
        // helm does not handle signals in a rollback, which would stay pending: only without the lock it must not go on.
        ctx.helm().rollback(&request, ctx.lost()).await.map_err(PhaseError::from)
    };
    let done = done.await;
    helm.ended(ctx, done).map(drop)
}
