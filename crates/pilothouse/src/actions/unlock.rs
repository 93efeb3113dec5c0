//! Healing what an operation that was killed has left in Helm's records: a revision that stays pending locks the release
//! for good. It is marked failed, once nobody can be at work on it any more. One that is being uninstalled is only told to be
//! left over then: helm goes on with that by itself.

use crate::context::Context;
use crate::context::EarlierRun;
use crate::context::Emitter;
use crate::context::UnderLock;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::{Known, Watched};
use async_trait::async_trait;
use pilothouse_core::{
    Decision, EventKind, HelmAction, Missing, Observation, ReleaseHistory, ReleaseState, RevisionMeta, RevisionStatus,
    RunId, Wish, decide, determine,
};
use pilothouse_helm::{decode_release, mark_failed};
use pilothouse_kube::{ClusterError, Precondition, record_patch, record_payload, record_ref};
use std::time::Duration;
use tokio::time::Instant;

#[cfg(test)]
#[path = "unlock_tests.rs"]
mod tests;

/// Between the first look at a record and the second.
/// A helm whose parent has died is told so at once and marks its revision failed.
const SECOND_LOOK: Duration = Duration::from_secs(2);
/// What a look at Helm's records takes at most when there is nothing to wait for.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How often it is looked whether a helm has ended.
const HELM_POLL: Duration = Duration::from_millis(200);
/// Between later looks.
const POLL: Duration = Duration::from_secs(2);
/// How often it is said what is waited for.
const SAY: Duration = Duration::from_secs(10);

/// Puts in order what the earlier run has left in Helm's records of the release. Gives them as they were read last, where nothing had
/// to be done; `read` is how they were read just now, if they were.
///
/// # Errors
/// See [`unlock_release`]; [`PhaseError::Locked`] when the earlier run's helm still works on the release.
pub(crate) async fn unlock_before(
    ctx: &Context,
    known: &UnderLock,
    read: Option<ReleaseHistory>,
) -> Result<Option<ReleaseHistory>, PhaseError> {
    if let Some(read) = read
        && let Some(history) = nothing_under_way(ctx, &known.earlier, read).await?
    {
        return Ok(Some(history));
    }
    until_helm_has_ended(ctx, known).await?;
    let known = Known {
        server_now: known.lock.server_now(),
        gone: known.earlier.gone.clone(),
        earlier: known.earlier.earlier(),
        lock_timeout: known.lock_timeout,
        holds_lock: true,
        takes_for_dead: ctx.info().breaks_lock,
    };
    unlock_release(ctx, &known, ctx.emitter().clone()).await.map(|looked| looked.history)
}

/// Helm's records, as they were `read` just now, where nothing has to be put in order by them.
async fn nothing_under_way(
    ctx: &Context,
    run: &EarlierRun,
    read: ReleaseHistory,
) -> Result<Option<ReleaseHistory>, PhaseError> {
    // A helm that had not ended may have written since, at work or not.
    let has_ended = run.helm.as_ref().is_none_or(|helm| helm.ended.is_some());
    if !has_ended || observe::at_work(ctx, run).is_some() {
        return Ok(None);
    }
    let history = observe::by_payload_too(ctx, read).await?;
    let is_under_way = history.newest().is_some_and(|newest| newest.status.is_under_way());
    Ok(Some(history).filter(|_| !is_under_way))
}

/// What came of looking for a revision that stays pending.
#[derive(Debug, Default)]
pub(crate) struct Unlocked {
    /// What was done.
    pub(crate) healed: Vec<Healed>,
    /// Helm's records of the release, as they were read last and if no revision is pending.
    pub(crate) history: Option<ReleaseHistory>,
}

/// Waits until the helm of the earlier run has ended, up to the lock timeout. When its run is killed, helm is asked
/// to end, and writes its record once more, or twice: `deployed`, and `failed` after that.
async fn until_helm_has_ended(ctx: &Context, known: &UnderLock) -> Result<(), PhaseError> {
    let begun = Instant::now();
    loop {
        let Some(at_work) = observe::at_work(ctx, &known.earlier) else { return Ok(()) };
        if begun.elapsed() >= known.lock_timeout {
            return Err(PhaseError::Locked(at_work));
        }
        ctx.doing(format!("waiting, since {at_work}"));
        tokio::select! {
            () = tokio::time::sleep(HELM_POLL) => {}
            () = ctx.cancel().cancelled() => return Err(PhaseError::Interrupted),
        }
    }
}

/// Takes what is intended before it is done.
#[async_trait]
pub(crate) trait Intents: Send {
    /// Takes an intent: it is written down when this returns.
    ///
    /// # Errors
    /// When what is intended must not be done.
    async fn take(&mut self, intent: EventKind) -> Result<(), PhaseError>;
}

#[async_trait]
impl Intents for Emitter {
    async fn take(&mut self, intent: EventKind) -> Result<(), PhaseError> {
        self.ask(intent).await
    }
}

/// Something that was put in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Healed {
    /// What was done: "mark revision 3 failed".
    pub(crate) what: String,
    /// Why that was right.
    pub(crate) why: String,
}

/// Marks a pending newest revision failed once nobody can be at work on it, waiting for that up to the lock timeout; of one that is
/// being uninstalled that is noted. What stays locked is left as it is: the check of prerequisites refuses the release then.
///
/// Writes Helm's record of the revision (status, description, label), only if nobody has written it since it was looked
/// at, and only after its intent was taken. Can be repeated. Cancelled in any wait.
///
/// # Errors
/// When the records cannot be read or written, or the intent is refused. Nothing is marked then.
pub(crate) async fn unlock_release(
    ctx: &Context,
    known: &Known<'_>,
    intents: impl Intents,
) -> Result<Unlocked, PhaseError> {
    if ctx.info().action == HelmAction::Skip || ctx.info().dry_run {
        return Ok(Unlocked::default());
    }
    let begun = Instant::now();
    let looked = watch(ctx, known, intents).await;
    // Nothing that was seen before a record was waited for, or written, holds any more.
    if begun.elapsed() > AT_ONCE || !looked.as_ref().is_ok_and(|looked| looked.healed.is_empty()) {
        ctx.forget_observation().await;
    }
    looked
}

/// Looks at the newest revision until nothing is under way, it was marked failed or is proven to be left over, or the lock timeout is
/// over.
async fn watch(ctx: &Context, known: &Known<'_>, mut intents: impl Intents) -> Result<Unlocked, PhaseError> {
    let begun = Instant::now();
    let mut first_seen: Option<(RevisionMeta, Instant)> = None;
    let mut said: Option<Instant> = None;
    for look in 1_u64.. {
        if ctx.cancel().is_cancelled() {
            return Err(PhaseError::Interrupted);
        }
        let history = observe::release_history(ctx).await?;
        let Some(newest) = history.newest().filter(|meta| meta.status.is_under_way()) else {
            return Ok(Unlocked { healed: Vec::new(), history: Some(history) });
        };
        let now = Instant::now();
        let unchanged_for = match &first_seen {
            Some((seen, since)) if seen == newest => Some(now.duration_since(*since)),
            Some(_) | None => {
                first_seen = Some((newest.clone(), now));
                None
            }
        };
        let watched = Watched { since_begin: now.duration_since(begun), unchanged_for };
        let seen = observe::pending(known, ctx.timeout(), newest, watched);
        let state = determine(&Observation { pending: Some(seen.clone()), ..Observation::of(Ok(history.clone())) });
        if state == ReleaseState::HalfRemoved {
            ctx.session().note_removal_over(ctx.release(), seen);
            break;
        }
        let why = match decide(&state, &Wish { action: ctx.info().action, ..Wish::default() }) {
            Err(Missing::Unlock { why, .. }) => {
                if let Some(healed) = unlock(ctx, newest, &why, &mut intents).await? {
                    // Once per release and run: whatever is pending after this is another operation's.
                    return Ok(Unlocked { healed: vec![healed], history: None });
                }
                first_seen = None;
                "somebody has just written its record".to_owned()
            }
            Ok(Decision::Refuse { state: ReleaseState::Locked { why, .. } }) => why,
            // Of what is under way none of these is decided.
            Ok(Decision::Refuse { .. } | Decision::Keep { .. } | Decision::Finish { .. } | Decision::Change(_))
            | Err(Missing::Comparison | Missing::LiveObjects) => break,
        };
        let locked = format!("revision {} is {}: {why}", newest.revision, newest.status);
        let spent = begun.elapsed();
        if look > 1 && spent >= known.lock_timeout {
            ctx.warn(format!("{locked} (waited {} s)", spent.as_secs()));
            break;
        }
        if look > 1 && said.is_none_or(|said| said.elapsed() >= SAY) {
            let left = known.lock_timeout.saturating_sub(spent).as_secs();
            ctx.doing(format!("waiting up to {left} s, since {locked}"));
            said = Some(Instant::now());
        }
        let pause = if unchanged_for.is_none() { SECOND_LOOK } else { POLL };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = ctx.cancel().cancelled() => {}
        }
    }
    Ok(Unlocked::default())
}

/// Marks the revision failed that the helm of this run, which was stopped and has ended, has left pending.
///
/// Writes as [`unlock_release`] does, and nothing when helm has marked its revision itself. Can be repeated.
///
/// # Errors
/// When the records cannot be read or written, or the intent is refused. Nothing is marked then.
pub(crate) async fn mark_stopped(ctx: &Context, run: Option<RunId>, revision_before: u32) -> Result<(), PhaseError> {
    let history = observe::release_history(ctx).await?;
    let own = history.newest().filter(|meta| {
        meta.status.is_pending() && Some(meta.revision) == revision_before.checked_add(1) && meta.run == run
    });
    match own {
        Some(own) => unlock(ctx, own, "the helm that wrote it was stopped", &mut ctx.emitter().clone()).await.map(drop),
        None => Ok(()),
    }
}

/// Marks a revision failed; `None` when somebody has written or deleted its record since it was looked at.
async fn unlock(
    ctx: &Context,
    newest: &RevisionMeta,
    why: &str,
    intents: &mut impl Intents,
) -> Result<Option<Healed>, PhaseError> {
    let driver = ctx.session().driver;
    let record = record_ref(driver, &newest.namespace, &newest.name, newest.revision);
    let Some(object) = ctx.cluster().get(&record).await? else { return Ok(None) };
    let unchanged = Precondition::unchanged(&object);
    if unchanged.resource_version.is_none() || unchanged.resource_version != newest.resource_version {
        return Ok(None);
    }
    let payload = record_payload(driver, &object)
        .map_err(|source| ClusterError::Malformed { what: format!("get {record}"), source })?;
    let inside = decode_release(&payload)?.info.status;
    if inside != newest.status {
        let (revision, label) = (newest.revision, newest.status);
        return Err(PhaseError::State(format!(
            "the record of revision {revision} is labelled {label} and says {inside}"
        )));
    }
    let what = format!("mark revision {} failed", newest.revision);
    let description = ctx.redactor().redact(&format!("Pilothouse: this was {}, and {why}", newest.status));
    let patch = record_patch(driver, &mark_failed(&payload, &description)?, RevisionStatus::Failed);
    let release = ctx.release();
    intents.take(EventKind::HealStarted { release: release.clone(), what: what.clone(), why: why.to_owned() }).await?;
    let done = ctx.cluster().merge_patch(&record, &patch, &unchanged).await;
    let error = done.as_ref().err().map(|error| ctx.error_text(error));
    ctx.emitter().emit(EventKind::HealFinished { release, error });
    match done {
        Ok(_) => Ok(Some(Healed { what, why: why.to_owned() })),
        Err(ClusterError::Conflict { .. } | ClusterError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
