//! Uninstalls the release.

use crate::actions::helm_run;
use crate::actions::objects::wait_until_gone;
use crate::actions::orphaned_hooks;
use crate::actions::rewrite_record::rewrite_record;
use crate::context::Context;
use crate::context::ReleaseRun;
use crate::error::PhaseError;
use crate::observe;
use crate::preflight;
use crate::preflight::Permit;
use crate::preflight::Uninstall;
use pilothouse_core::{HelmAction, HelmCommand, PendingOf, PendingSeen, RecordSeen, ReleaseState, Staying, Stays};
use pilothouse_helm::UninstallRequest;
use pilothouse_kube::Leaving;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Uninstalls the release when a breaking version lies between what is deployed and what is wanted, and waits until its
/// objects are gone. Returns whether it did. The default `exec` does this by itself.
///
/// # Errors
/// [`PhaseError::Refused`] when data hangs on the release and no consent was given; otherwise what failed.
pub async fn uninstall_if_breaking_change(ctx: &Context, run: &mut ReleaseRun) -> Result<bool, PhaseError> {
    match observe::observed(ctx).await.state.clone() {
        ReleaseState::Breaking { .. } => {
            uninstall(ctx, run).await?;
            Ok(true)
        }
        ReleaseState::Absent
        | ReleaseState::HalfRemoved
        | ReleaseState::HalfInstalled { .. }
        | ReleaseState::FailedClean { .. }
        | ReleaseState::FailedDirty { .. }
        | ReleaseState::Unmanaged { .. }
        | ReleaseState::InputUnknown { .. }
        | ReleaseState::OutOfSync { .. }
        | ReleaseState::LifecycleChanged { .. }
        | ReleaseState::Unfinished { .. }
        | ReleaseState::LiveUnknown { .. }
        | ReleaseState::LiveUnreadable { .. }
        | ReleaseState::Drifted { .. }
        | ReleaseState::Unvalidated { .. }
        | ReleaseState::InSync { .. } => Ok(false),
        ReleaseState::Unknown { why } => Err(PhaseError::State(why)),
        ReleaseState::Foreign { foreign, .. } => {
            Err(PhaseError::State(format!("{} manages the release: {}", foreign.tool, foreign.why)))
        }
        ReleaseState::Locked { revision, status, why, .. } | ReleaseState::Stale { revision, status, why } => {
            Err(PhaseError::State(format!("revision {revision} is {status}: {why}")))
        }
    }
}

/// Uninstalls the release and waits until what helm deleted is gone. What holds data needs consent.
///
/// # Errors
/// [`PhaseError::Refused`] when data hangs on the release, or another release has a part of it, and no consent was given;
/// otherwise what failed.
pub async fn uninstall(ctx: &Context, run: &mut ReleaseRun) -> Result<(), PhaseError> {
    let deadline = Instant::now() + run.remaining(ctx);
    // Without the record, nothing tells any more whose a hook's object is.
    let observed = observe::observed(ctx).await;
    orphaned_hooks::clear_earlier(ctx, run, observed.known_history()).await?;
    let before = observed.known_history().newest_revision();
    let permit = preflight::permit_uninstall(ctx, run).await?;
    ctx.doing("helm uninstall");
    let timeout = run.remaining(ctx);
    let Uninstall { goes, stays, rewriting: _ } =
        uninstall_as_permitted(ctx, run, permit, before, timeout, ctx.terminate()).await?;
    // What is installed again right away is no news; what only earlier revisions have made, nobody can tell afterwards.
    let is_told =
        |staying: &Staying| ctx.info().action == HelmAction::Destroy || staying.because == Stays::EarlierRevision;
    run.stays = stays.into_iter().filter(is_told).collect();
    ctx.forget_observation().await;
    ctx.doing("waiting until its objects are gone");
    wait_until_gone(ctx, &goes.leaving(), deadline).await
}

/// Waits for what an earlier uninstall of the release has deleted and something still holds.
///
/// # Errors
/// What is still there; or that the record or an object cannot be read.
pub(crate) async fn wait_for_what_is_left(ctx: &Context, run: &ReleaseRun) -> Result<(), PhaseError> {
    let deadline = Instant::now() + run.remaining(ctx);
    let going = observe::still_going(ctx, &RecordSeen::NotLooked).await?;
    let leaving: Vec<Leaving> =
        going.into_iter().map(|one| Leaving { object: one.object, uid: Some(one.uid) }).collect();
    if !leaving.is_empty() {
        ctx.doing("waiting until what an earlier uninstall has left is gone");
    }
    wait_until_gone(ctx, &leaving, deadline).await
}

/// Lets helm uninstall it; `newest` is the newest revision there is. Gives what has gone.
///
/// # Errors
/// What failed, or [`PhaseError::Stopped`] when helm must not be started any more.
pub(crate) async fn uninstall_as_permitted(
    ctx: &Context,
    run: &mut ReleaseRun,
    permit: Permit<Uninstall>,
    newest: u32,
    timeout: Duration,
    stop: &CancellationToken,
) -> Result<Uninstall, PhaseError> {
    let request = UninstallRequest::new(ctx.release(), timeout);
    let helm = helm_run::begin(ctx, run, HelmCommand::Uninstall, "", request.timeout, newest).await?;
    let done = async {
        preflight::refuse_unless_as_seen(ctx, &permit.deed().goes).await?;
        rewrite_record(ctx, permit.deed().rewriting.as_ref()).await?;
        let done = ctx.helm().uninstall(&request, stop).await;
        // What it leaves half done is nobody else's.
        let over = PendingSeen {
            revision: newest,
            writer_gone: Some("the helm of this run has ended".to_owned()),
            of: PendingOf::ThisStack,
            lock_held: true,
            age_ms: None,
            deadline_ms: 0,
            unchanged: true,
        };
        ctx.session().note_removal_over(ctx.release(), over);
        done.map_err(PhaseError::from)
    };
    let done = done.await;
    helm.ended(ctx, done)?;
    Ok(permit.into_deed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::test_world::{World, fake, release};
    use pilothouse_testkit::FakeCluster;
    use serde_json::json;
    use std::sync::Arc;

    /// Whether anything is left is not known then, and with the record would go what tells it.
    #[tokio::test]
    async fn a_record_that_cannot_be_understood_is_not_absent() {
        let cluster = Arc::new(FakeCluster::default());
        let World { ctx, run, .. } = fake(&cluster, HelmDriver::Secret);
        wait_for_what_is_left(&ctx, &run).await.unwrap();
        let name = format!("pilothouse.release.{}", release().name);
        cluster.put(json!({"apiVersion": "v1", "kind": "Secret", "data": {"record": "AAAAAAAAAAAAAAAA"},
            "metadata": {"name": name, "namespace": release().namespace}}));
        let error = wait_for_what_is_left(&ctx, &run).await.unwrap_err();
        assert!(matches!(error, PhaseError::State(_)), "{error:?}");
        assert!(error.to_string().contains("invalid gzip header"), "{error}");
    }
}
