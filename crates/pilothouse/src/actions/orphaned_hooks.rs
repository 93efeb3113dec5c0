//! Hook objects that a killed operation has left. Helm deletes a hook's object before it makes it anew only where the
//! chart's policy says so, which it does by default; otherwise the next upgrade fails, since the object `already exists`.

use crate::actions::objects::{ATTEMPTS, delete_as_seen, wait_until_gone};
use crate::actions::unlock::{Healed, Intents};
use crate::context::Context;
use crate::context::EarlierHelm;
use crate::context::ReleaseRun;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::NotServed;
use crate::preflight;
use crate::preflight::Deletion;
use crate::preflight::Permit;
use pilothouse_core::{EventKind, HelmCommand, ObjectRef, ReleaseHistory, RevisionMeta, RevisionStatus, object_ref};
use pilothouse_helm::{HookRecord, parse_documents};
use pilothouse_kube::{ClusterError, Propagation};
use serde_json::Value;
use tokio::time::Instant;

#[cfg(test)]
#[path = "orphaned_hooks_tests.rs"]
mod tests;

/// When a hook's object is deleted before it is made anew (`helm.sh/hook-delete-policy`); also when nothing is said.
const BEFORE_CREATION: &str = "before-hook-creation";

/// The events of the hooks that the interrupted operation may have run, if it is this revision it was interrupted in.
///
/// An upgrade makes a revision and labels it. An uninstall works on the one there is, which is nobody's by its label: whose
/// it is, only the journal tells, and only of a helm that never came back can a hook that was begun have made the object.
fn interrupted_events(earlier: &EarlierHelm<'_>, revision: &RevisionMeta) -> &'static [&'static str] {
    match (earlier.helm.command, revision.status) {
        (
            HelmCommand::Upgrade,
            RevisionStatus::Failed | RevisionStatus::PendingInstall | RevisionStatus::PendingUpgrade,
        ) if earlier.wrote(revision) => &["pre-install", "post-install", "pre-upgrade", "post-upgrade"],
        (HelmCommand::Uninstall, RevisionStatus::Uninstalling)
            if revision.revision == earlier.helm.revision_before && earlier.helm.ended.is_none() =>
        {
            &["pre-delete", "post-delete"]
        }
        (HelmCommand::Upgrade | HelmCommand::Uninstall | HelmCommand::Rollback, _) => &[],
    }
}

/// Whether helm would find this hook's object in its way: it was made for one of the events, and is not deleted before it is
/// made anew.
fn is_in_the_way(hook: &HookRecord, events: &[&str]) -> bool {
    hook.events.iter().any(|event| events.contains(&event.as_str()))
        && !hook.delete_policies.is_empty()
        && !hook.delete_policies.iter().any(|policy| policy == BEFORE_CREATION)
}

/// Before helm runs: clears what an earlier run has left, if there is one that this run knows of. `history` are the release's records.
///
/// # Errors
/// See [`clear_orphaned_hooks`].
pub(crate) async fn clear_earlier(ctx: &Context, run: &ReleaseRun, history: &ReleaseHistory) -> Result<(), PhaseError> {
    match run.under_lock.as_ref().and_then(|known| known.earlier.earlier()) {
        Some(earlier) => clear_orphaned_hooks(ctx, run, history, &earlier, ctx.emitter().clone()).await.map(drop),
        None => Ok(()),
    }
}

/// Deletes the hook objects that the interrupted operation of an earlier run has left and that helm would find in its way,
/// and waits until they are gone. Returns what was done.
///
/// Writes: deletes objects, each only as it was looked at, and only after its intent was taken. Can be repeated. Cancelled
/// between objects and while it waits. To be called while the interrupted revision's record still exists: before an
/// upgrade, and before an uninstall.
///
/// # Errors
/// When something cannot be read or deleted, does not go away in time, or the intent is refused.
pub(crate) async fn clear_orphaned_hooks(
    ctx: &Context,
    run: &ReleaseRun,
    history: &ReleaseHistory,
    earlier: &EarlierHelm<'_>,
    mut intents: impl Intents,
) -> Result<Vec<Healed>, PhaseError> {
    let interrupted = |revision| (revision, interrupted_events(earlier, revision));
    let found = history.revisions().iter().map(interrupted).find(|(_, events)| !events.is_empty());
    let Some((revision, events)) = found else { return Ok(Vec::new()) };
    let Some(record) = observe::read_record(ctx, revision).await? else { return Ok(Vec::new()) };
    let mut healed = Vec::new();
    for hook in record.hooks.iter().filter(|hook| is_in_the_way(hook, events)) {
        let name = || format!("hook {} of revision {}", hook.name, revision.revision);
        let documents = parse_documents(&hook.manifest)
            .map_err(|error| PhaseError::Yaml { name: name(), message: error.to_string() })?;
        for stored in &documents {
            if ctx.cancel().is_cancelled() {
                return Err(PhaseError::Interrupted);
            }
            let Some(object) = object_ref(stored) else { continue };
            let leftover = Leftover { revision, earlier, hook, stored };
            for object in observe::complete_objects(ctx, vec![object], NotServed::Skip).await? {
                healed.extend(leftover.remove(ctx, run, &object, &mut intents).await?);
            }
        }
    }
    Ok(healed)
}

/// An object that may have been left.
struct Leftover<'a> {
    revision: &'a RevisionMeta,
    earlier: &'a EarlierHelm<'a>,
    hook: &'a HookRecord,
    stored: &'a Value,
}

impl Leftover<'_> {
    /// Deletes the object if it was left for certain.
    async fn remove(
        &self,
        ctx: &Context,
        run: &ReleaseRun,
        object: &ObjectRef,
        intents: &mut impl Intents,
    ) -> Result<Option<Healed>, PhaseError> {
        let Some(permit) = self.permit(ctx, object).await? else { return Ok(None) };
        let what = format!("delete {object}");
        let why = format!(
            "it is a hook's that run {} was interrupted in (revision {}), and helm would find it in its way",
            self.earlier.run.short(),
            self.revision.revision,
        );
        let release = ctx.release();
        intents.take(EventKind::HealStarted { release: release.clone(), what: what.clone(), why: why.clone() }).await?;
        ctx.doing(format!("deleting {object}, a leftover of an interrupted run"));
        let done = self.delete(ctx, run, object, permit).await;
        let error = done.as_ref().err().map(|error| error.chain().join(": "));
        ctx.emitter().emit(EventKind::HealFinished { release, error });
        Ok(done?.then_some(Healed { what, why }))
    }

    async fn permit(&self, ctx: &Context, object: &ObjectRef) -> Result<Option<Permit<Deletion>>, PhaseError> {
        preflight::permit_hook_deletion(ctx, self.revision, self.hook, self.stored, object).await
    }

    /// Deletes it, with what hangs on it first, and waits. Gives `false` when it turned out to be no leftover.
    async fn delete(
        &self,
        ctx: &Context,
        run: &ReleaseRun,
        object: &ObjectRef,
        permit: Permit<Deletion>,
    ) -> Result<bool, PhaseError> {
        let mut permit = permit;
        let mut attempts = 1;
        loop {
            match delete_as_seen(ctx, &permit, Propagation::Foreground).await {
                Ok(_) => break,
                // A Job's status, for one, changes all the time.
                Err(ClusterError::Conflict { .. }) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(error.into()),
            }
            match self.permit(ctx, object).await? {
                Some(anew) => permit = anew,
                None => return Ok(false),
            }
        }
        let deadline = Instant::now() + run.remaining(ctx);
        wait_until_gone(ctx, permit.deed().leaving().as_slice(), deadline).await?;
        Ok(true)
    }
}
