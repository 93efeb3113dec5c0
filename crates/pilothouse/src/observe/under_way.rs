//! What is known of a revision that is under way: whose it is, and whether whoever wrote it is gone.

use crate::context::Context;
use crate::context::EarlierHelm;
use crate::context::EarlierRun;
use crate::context::Gone;
use crate::context::millis;
use crate::context::side_by_side;
use crate::error::PhaseError;
use crate::observe::release_storage;
use crate::observe::survey::{by_release, within};
use futures::FutureExt;
use jiff::Timestamp;
use pilothouse_core::{
    HelmProgress, Observation, PendingOf, PendingSeen, RUN_LABEL, ReleaseKey, ReleaseState, RevisionMeta,
    RevisionStatus, determine,
};
use pilothouse_helm::running_upgrades;
use std::collections::BTreeSet;
use std::time::Duration;

/// How many releases are looked at at once.
const SIDE_BY_SIDE: usize = 8;
/// What an operation may take beyond its time: helm is given some to mark its revision failed.
const MARGIN: Duration = Duration::from_secs(60);

/// What the run knows when a release's turn comes.
#[derive(Debug, Clone)]
pub(crate) struct Known<'a> {
    /// The time by the server's clock, right now.
    pub(crate) server_now: Option<Timestamp>,
    /// The run whose process is proven to be gone.
    pub(crate) gone: Option<Gone>,
    /// What an earlier run did with the release last.
    pub(crate) earlier: Option<EarlierHelm<'a>>,
    /// How long an operation that may be alive is waited for.
    pub(crate) lock_timeout: Duration,
    /// Whether this run holds the stack's lock.
    pub(crate) holds_lock: bool,
    /// Whether the user consents to take somebody else's operation for dead.
    pub(crate) takes_for_dead: bool,
}

/// How a record has been watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watched {
    /// Since this run began to look at all.
    pub(crate) since_begin: Duration,
    /// Since the record was first seen as it is now; `None` when it is seen so for the first time.
    pub(crate) unchanged_for: Option<Duration>,
}

/// What is known of a revision that is pending or being uninstalled, for
/// [`determine`].
pub(crate) fn pending(
    known: &Known<'_>,
    own_timeout: Duration,
    newest: &RevisionMeta,
    watched: Watched,
) -> PendingSeen {
    // Who has written a revision need not be who uninstalls it.
    let is_told = |earlier: &EarlierHelm<'_>| match newest.status {
        RevisionStatus::Uninstalling => earlier.began_to_remove(newest),
        _ => earlier.wrote(newest) || earlier.rolled_back_to(newest),
    };
    let told = known.earlier.filter(is_told);
    let writer_gone = told.and_then(|earlier| {
        if earlier.helm.ended.is_some() {
            return Some(format!("the helm of run {} that wrote it has ended", earlier.run.short()));
        }
        known.gone.as_ref().filter(|gone| gone.run == earlier.run).map(|gone| gone.why.clone())
    });
    // Of somebody else's operation it is not known when it began; its last write may be a hook's. An uninstall makes no record.
    let makes_record = told.is_some() && newest.status.is_pending();
    let begun = if makes_record { newest.created_at } else { newest.written_at };
    let by_clock = known.server_now.zip(begun).and_then(|(now, begun)| {
        Duration::try_from(now.duration_since(begun)).ok().map(|age| age.saturating_add(watched.since_begin))
    });
    let timeout = told.map_or(own_timeout, |earlier| Duration::from_millis(earlier.helm.timeout_ms));
    PendingSeen {
        revision: newest.revision,
        writer_gone,
        of: match (told, known.takes_for_dead) {
            (Some(_), _) => PendingOf::ThisStack,
            (None, true) => PendingOf::SomebodyDead,
            (None, false) => PendingOf::Somebody,
        },
        lock_held: known.holds_lock,
        age_ms: by_clock.max(watched.unchanged_for).map(millis),
        deadline_ms: millis(timeout.saturating_add(MARGIN)),
        unchanged: watched.unchanged_for.is_some(),
    }
}

/// What tells that the helm of an earlier run is still there.
pub(crate) fn at_work(ctx: &Context, run: &EarlierRun) -> Option<String> {
    let helm = run.helm.as_ref().filter(|helm| run.here && helm.ended.is_none())?;
    let running = running_upgrades(&ctx.release(), (RUN_LABEL, &helm.run.to_string())).unwrap_or_else(|error| {
        tracing::debug!(%error, "processes cannot be listed");
        Vec::new()
    });
    let pid = running.first()?;
    Some(format!("helm (process {pid}) of run {} is still at work on it", helm.run.short()))
}

/// Notes of the releases whose revisions a run of this stack has left under way what a run that takes the lock now would prove of them, so
/// that a plan takes them for what that run will find. To be called where nobody holds the stack's lock. Writes nothing.
///
/// What only time proves is not foreseen: a plan has no lock to tell the server's time by.
///
/// # Errors
/// When the records cannot be listed: then nothing is foreseen.
pub(crate) async fn foresee_unlocks(
    contexts: &[Context],
    earlier: impl Fn(&ReleaseKey) -> EarlierRun,
) -> Result<(), PhaseError> {
    let left = contexts.iter().filter_map(|ctx| {
        let run = earlier(&ctx.release());
        let ended_well = |helm: &HelmProgress| helm.ended.is_some_and(|ended| ended.ok);
        (run.helm.as_ref().is_some_and(|helm| !ended_well(helm)) && at_work(ctx, &run).is_none()).then_some((ctx, run))
    });
    let left: Vec<(&Context, EarlierRun)> = left.collect();
    let Some((first, _)) = left.first() else { return Ok(()) };
    let session = first.session();
    let namespaces: BTreeSet<String> = left.iter().map(|(ctx, _)| ctx.release().namespace).collect();
    let listed = within(&namespaces, |namespace| session.cluster.current_revisions(session.driver, namespace));
    let histories = by_release(listed.await?);
    let under_way = left.iter().filter_map(|(ctx, run)| {
        let newest = histories.get(&ctx.release())?.newest().filter(|meta| meta.status.is_under_way())?;
        Some(foresee_unlock(ctx, run, newest).boxed())
    });
    side_by_side(under_way, SIDE_BY_SIDE).await;
    Ok(())
}

/// The same for one release. What cannot be read is left to the observation, which tells it.
async fn foresee_unlock(ctx: &Context, run: &EarlierRun, seen_first: &RevisionMeta) {
    let Ok(history) = release_storage::release_history(ctx).await else { return };
    let Some(newest) = history.newest().filter(|newest| *newest == seen_first) else { return };
    let known = Known {
        server_now: None,
        gone: run.gone.clone(),
        earlier: run.earlier(),
        lock_timeout: Duration::ZERO,
        holds_lock: true,
        takes_for_dead: ctx.info().breaks_lock,
    };
    // The list was the first look.
    let watched = Watched { since_begin: Duration::ZERO, unchanged_for: Some(Duration::ZERO) };
    let seen = pending(&known, ctx.timeout(), newest, watched);
    match determine(&Observation { pending: Some(seen.clone()), ..Observation::of(Ok(history.clone())) }) {
        ReleaseState::HalfRemoved => ctx.session().note_removal_over(ctx.release(), seen),
        ReleaseState::Stale { revision, why, .. } => ctx.session().note_foreseen_failed(ctx.release(), revision, why),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::test_world::{RUN, begun, fake, release, stamped};
    use pilothouse_core::{Ended, HelmCommand};
    use pilothouse_testkit::{FakeCluster, release_secret};
    use rstest::rstest;
    use std::sync::Arc;

    /// The run that made revision 2 in 2026: whether it is proven to be gone, what became of its helm, and whether a plan takes the revision
    /// for what a run marks failed; the requests this took at most.
    #[rstest]
    #[case::its_process_is_gone(true, None, RevisionStatus::PendingUpgrade, true, 3)]
    #[case::its_helm_has_ended(false, Some(false), RevisionStatus::PendingUpgrade, true, 3)]
    // Whatever the clock here says.
    #[case::only_time_would_prove_it(false, None, RevisionStatus::PendingUpgrade, false, 3)]
    #[case::nothing_is_under_way(true, None, RevisionStatus::Failed, false, 1)]
    #[case::all_went_well(true, Some(true), RevisionStatus::Deployed, false, 0)]
    #[tokio::test]
    async fn what_is_foreseen(
        #[case] is_gone: bool,
        #[case] ended: Option<bool>,
        #[case] status: RevisionStatus,
        #[case] expected: bool,
        #[case] requests: usize,
    ) {
        let cluster = Arc::new(FakeCluster::default());
        let record = |number, status| release_secret(&release(), number, status, "1.0.0", "");
        cluster.put(stamped(record(1, RevisionStatus::Deployed), "2026-01-01T08:00:00Z", None));
        cluster.put(stamped(record(2, status), "2026-01-01T08:00:00Z", Some(RUN)));
        let world = fake(&cluster, HelmDriver::Secret);
        let earlier = |_: &ReleaseKey| EarlierRun {
            gone: is_gone.then(|| Gone { run: RUN, why: "its process is gone".to_owned() }),
            helm: Some(HelmProgress {
                ended: ended.map(|ok| Ended { ok, elapsed_ms: 1 }),
                ..begun(HelmCommand::Upgrade, 1)
            }),
            here: false,
        };
        let contexts = [world.ctx];
        foresee_unlocks(&contexts, earlier).await.unwrap();
        let foreseen = contexts[0].session().foreseen_failed(&release()).map(|(revision, _)| revision);
        assert_eq!(foreseen, expected.then_some(2));
        let calls = cluster.failures.calls();
        assert!(calls.len() <= requests, "{calls:?}");
    }
}
