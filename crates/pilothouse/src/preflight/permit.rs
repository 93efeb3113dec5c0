//! Permission for what may lose something. Whatever deletes, replaces, rolls back or overwrites in `actions` takes a permit, and
//! only this room makes them: from the very list of objects that are about to go, looked at just before. What consent names is
//! saved first where the release's policy says so.

#[cfg(test)]
#[path = "permit_tests.rs"]
mod tests;

use crate::context::Compared;
use crate::context::Context;
use crate::context::Outcome;
use crate::context::ReleaseRun;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::Scope;
use crate::preflight::applied;
use crate::preflight::as_seen::{self, Going};
use crate::preflight::backup::save;
use crate::preflight::changes::deleted;
use crate::preflight::changes::deletions;
use crate::preflight::changes::refusals;
use crate::preflight::changes::regenerated;
use crate::preflight::crds::chart_crds;
use crate::preflight::losses::consent::Consent;
use crate::preflight::losses::data_loss;
use crate::preflight::losses::seen::AsSeen;
use crate::preflight::unserved::{self, Rewriting};
use crate::render;
use pilothouse_core::{
    Class, CrdPolicy, Finding, ObjectChange, ObjectRef, RecordSeen, ReleaseHistory, Sensitive, Staying, Stays, code,
};
use pilothouse_kube::{Leaving, PlannedAdoption, Precondition};
use serde_json::Value;
use std::sync::Arc;

/// Permission for one deed.
#[derive(Debug)]
#[must_use]
pub(crate) struct Permit<Deed>(Deed);

impl<Deed> Permit<Deed> {
    pub(crate) fn new(deed: Deed) -> Self {
        Self(deed)
    }

    /// What may be done.
    pub(crate) fn deed(&self) -> &Deed {
        &self.0
    }

    /// What may be done, once.
    pub(crate) fn into_deed(self) -> Deed {
        self.0
    }
}

/// One very object is deleted.
#[derive(Debug)]
pub(crate) struct Deletion {
    seen: AsSeen,
    /// It must not have been written since: then it is looked at again.
    pub(crate) unchanged: Precondition,
}

impl Deletion {
    /// Of an object as it was read.
    pub(crate) fn new(object: &ObjectRef, live: &Value) -> Self {
        Self { seen: AsSeen::new(object, Some(live)), unchanged: Precondition::unchanged(live) }
    }

    pub(crate) fn object(&self) -> &ObjectRef {
        &self.seen.object
    }

    /// That very object, to be waited for.
    pub(crate) fn leaving(&self) -> Option<Leaving> {
        self.seen.leaving()
    }
}

/// Helm uninstalls the release.
#[derive(Debug)]
pub(crate) struct Uninstall {
    /// What goes with it.
    pub(crate) goes: Going,
    /// What it leaves.
    pub(crate) stays: Vec<Staying>,
    /// What helm could not build.
    pub(crate) rewriting: Option<Rewriting>,
}

/// Helm goes back to a revision.
#[derive(Debug)]
pub(crate) struct Rollback {
    pub(crate) to_revision: u32,
    /// What helm deletes or replaces.
    pub(crate) goes: Going,
}

/// Helm installs or upgrades, after the chart's definitions were brought.
#[derive(Debug)]
pub(crate) struct Deploy {
    /// What is deployed.
    pub(crate) wanted: Arc<Wanted>,
    /// What helm deletes or replaces.
    pub(crate) goes: Going,
    /// The chart's definitions that take the place of others.
    pub(crate) definitions: Vec<AsSeen>,
    /// What is not part of the release any more and is left.
    pub(crate) stays: Vec<Staying>,
    /// What helm could not build.
    pub(crate) rewriting: Option<Rewriting>,
    /// The revisions that are upgraded, as they were read just now.
    pub(crate) upgraded: Option<ReleaseHistory>,
}

/// Objects are written over as a manifest says.
#[derive(Debug)]
pub(crate) struct Overwriting {
    pub(crate) objects: Vec<Value>,
    /// Those of which a change can lose something, as they were seen.
    pub(crate) seen: Vec<AsSeen>,
}

/// To delete these objects; those that are not there are left out.
///
/// # Errors
/// [`PhaseError::Refused`] when one must not be lost; or what cannot be read or saved.
pub(crate) async fn permit_deletions(
    ctx: &Context,
    objects: &[ObjectRef],
) -> Result<Vec<Permit<Deletion>>, PhaseError> {
    let consent = Consent::needed(ctx).await?;
    PhaseError::refuse_for(deletions::deletion_findings_of(ctx, objects, &[], &consent).await)?;
    save::before_deleting(ctx, objects, &consent).await?;
    let (mut permits, mut findings) = (Vec::with_capacity(objects.len()), Vec::new());
    for object in objects {
        match data_loss::looked_at(ctx, object, &[], &consent).await {
            Ok(None) => {}
            Ok(Some(live)) => permits.push(Permit::new(Deletion::new(object, &live))),
            Err(finding) => findings.push(finding),
        }
    }
    PhaseError::refuse_for(findings)?;
    as_seen::note_taken(ctx, permits.iter().map(|permit| &permit.deed().seen));
    Ok(permits)
}

/// The same once more, for an object that was written since it was looked at; `None` when it is not there any more.
///
/// # Errors
/// As for [`permit_deletions`]; also when it is another object by now, or another's.
pub(crate) async fn permit_deletion_again(
    ctx: &Context,
    permit: Permit<Deletion>,
) -> Result<Option<Permit<Deletion>>, PhaseError> {
    let seen = permit.into_deed().seen;
    let refused = |finding| PhaseError::Refused(vec![finding]);
    let consent = Consent::needed(ctx).await?;
    let Some(live) = data_loss::looked_at(ctx, &seen.object, &[], &consent).await.map_err(refused)? else {
        return Ok(None);
    };
    if let Some(why) = seen.changed(&live, &ctx.release()) {
        return Err(refused(Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, &seen.object, why)));
    }
    Ok(Some(Permit::new(Deletion { unchanged: Precondition::unchanged(&live), seen })))
}

/// To uninstall the release.
///
/// # Errors
/// As for [`permit_deletions`].
pub(crate) async fn permit_uninstall(ctx: &Context, run: &ReleaseRun) -> Result<Permit<Uninstall>, PhaseError> {
    let consent = Consent::needed(ctx).await?;
    let look = async || {
        let history = observe::release_history(ctx).await?;
        let record = observe::read_record_of(ctx, history.newest()).await?;
        let objects = observe::deleted_with(ctx, record.as_ref()).await?;
        let by_hooks = observe::deleted_by_uninstall_hooks(ctx, &history).await?;
        let (mut findings, seen) = deletions::uninstall_findings_of(ctx, (&objects, &by_hooks), &[], &consent).await;
        findings.extend(deleted::were_there(&objects, run.attempts.adopted(), &consent));
        PhaseError::refuse_for(findings)?;
        let newest = record.as_ref().map(|record| record.version);
        let goes = Going { newest, objects: seen, kept: Vec::new() };
        Ok::<_, PhaseError>((objects, by_hooks, goes, (history, record)))
    };
    let (objects, by_hooks, mut goes, mut records) = look().await?;
    if save::before_uninstalling(ctx, &objects, &by_hooks, &consent).await? {
        // That may have taken long.
        (_, _, goes, records) = look().await?;
    }
    let (history, record) = records;
    let stays = observe::left_by_uninstall(ctx, &history, record.as_ref(), &RecordSeen::NotLooked).await?.telling(ctx);
    let rewriting = unserved::permit_over_uninstalled(ctx, &history, record.as_ref(), &consent).await?;
    Ok(Permit::new(Uninstall { goes, stays, rewriting }))
}

/// To go back from the newest revision to another, in the history as it was read just now.
///
/// # Errors
/// As for [`permit_deletions`]; also when objects would go that were there before the release and were adopted on this way.
pub(crate) async fn permit_rollback(
    ctx: &Context,
    run: &ReleaseRun,
    history: &ReleaseHistory,
    to_revision: u32,
) -> Result<Permit<Rollback>, PhaseError> {
    let consent = Consent::needed(ctx).await?;
    let gone = |revision: u32| PhaseError::State(format!("the record of revision {revision} is gone"));
    let of_history = |revision: u32| history.get(revision).ok_or_else(|| gone(revision));
    of_history(to_revision)?;
    // What is known of it does not tell that helm has not pruned it since.
    let (_, target) = observe::read_revision(ctx, to_revision).await?.ok_or_else(|| gone(to_revision))?;
    let newest = history.newest_revision();
    let newest = observe::read_record(ctx, of_history(newest)?).await?.ok_or_else(|| gone(newest))?;
    let look = async || {
        let looked = observe::preview_rollback(ctx, history, &newest, &target).await?;
        let adopted = run.attempts.adopted();
        PhaseError::refuse_for(refusals::by_rollback(ctx, &looked.compared, adopted, &consent).await)?;
        Ok::<_, PhaseError>(looked)
    };
    let mut looked = look().await?;
    if save::before_changing(ctx, &looked.compared, &consent).await? {
        looked = look().await?;
    }
    Ok(Permit::new(Rollback {
        to_revision,
        goes: going(Some(history.newest_revision()), &looked.compared, &looked.absent),
    }))
}

/// To install or upgrade the release. What was looked at before the first phase is looked at again, as far as something can be
/// lost (objects that helm deletes or replaces, made-up Secrets, definitions): steps may have taken long. What is deployed is the
/// permit's `wanted`, rendered anew where templates look something up.
///
/// # Errors
/// As for [`permit_deletions`]; also when `wanted` is not what lies there any more, since that was not looked at.
pub(crate) async fn permit_deploy(
    ctx: &Context,
    wanted: &Arc<Wanted>,
    is_upgrade: bool,
) -> Result<Permit<Deploy>, PhaseError> {
    let consent = Consent::needed(ctx).await?;
    PhaseError::refuse_for(wanted.findings.clone())?;
    if render::has_changed(ctx, wanted).await {
        let why = "the chart or a values file was changed while it was looked at whether it can be deployed";
        return Err(PhaseError::State(why.to_owned()));
    }
    // What was rendered before saw the cluster as it was before the steps.
    let wanted = &render::look_up_again(ctx, wanted).await?;
    let secrets = wanted.uses.makes_up_secrets();
    let scope = if save::is_wanted(ctx) { Scope::All } else { Scope::MayLose { secrets } };
    let look = async || {
        let history = if is_upgrade { Some(observe::release_history(ctx).await?) } else { None };
        let looked = observe::preview_losses(ctx, wanted, history.as_ref(), scope).await?;
        let mut findings = refusals::losses(ctx, wanted, &looked.compared, &consent).await;
        findings.extend(regenerated::findings(ctx, wanted, &looked.compared, &consent, is_upgrade).await);
        let mut definitions = Vec::new();
        if ctx.info().crds == CrdPolicy::Upgrade {
            // What could not be looked at was told when it was looked at first.
            let looked = chart_crds::look_at_definitions(ctx, wanted).await;
            findings.extend(looked.findings);
            definitions = looked.seen.iter().map(|(object, live)| AsSeen::new(object, live.as_ref())).collect();
        }
        PhaseError::refuse_for(findings)?;
        Ok::<_, PhaseError>((looked, definitions, history))
    };
    let (mut looked, mut definitions, mut history) = look().await?;
    if save::before_helm(ctx, wanted, &looked.compared, &consent).await? {
        (looked, definitions, history) = look().await?;
    }
    let kept = looked.compared.iter().filter(|one| is_kept(one)).map(|one| one.object.clone());
    let mut stays: Vec<Staying> = kept.map(|object| Staying { object, because: Stays::ResourcePolicy }).collect();
    let mut rewriting = None;
    if let Some(history) = &history {
        stays.extend(observe::left_by_upgrade(ctx, history, wanted).await.telling(ctx));
        rewriting = unserved::permit_over_upgraded(ctx, history, wanted, &consent).await?;
    }
    let goes = going(looked.newest, &looked.compared, &looked.absent);
    Ok(Permit::new(Deploy { wanted: wanted.clone(), goes, definitions, stays, rewriting, upgraded: history }))
}

/// What goes, and what would if it were there or nothing kept it, as it was seen.
fn going(newest: Option<u32>, compared: &[Compared], absent: &[ObjectRef]) -> Going {
    let goes = |one: &&Compared| match &one.outcome {
        Outcome::Change(ObjectChange::Delete | ObjectChange::Replace { .. }) => true,
        Outcome::Change(_) | Outcome::NoNamespace { .. } | Outcome::NotServed { .. } | Outcome::Unreadable { .. } => {
            false
        }
    };
    let absent = absent.iter().map(|object| AsSeen::new(object, None));
    let objects = compared.iter().filter(goes).map(as_compared).chain(absent).collect();
    Going { newest, objects, kept: compared.iter().filter(|one| is_kept(one)).map(as_compared).collect() }
}

fn is_kept(one: &Compared) -> bool {
    one.outcome == Outcome::Change(ObjectChange::Keep)
}

fn as_compared(one: &Compared) -> AsSeen {
    AsSeen::new(&one.object, one.live.as_ref().map(Sensitive::expose))
}

/// Looks at the chart's definitions once more, right before they are brought: where one is not as it was seen, another release of
/// the run may well have brought it, and it is judged anew.
///
/// # Errors
/// As for [`permit_deploy`].
pub(crate) async fn permit_definitions_again(ctx: &Context, permit: &Permit<Deploy>) -> Result<(), PhaseError> {
    match as_seen::refuse_unless_same(ctx, &permit.0.definitions).await {
        Err(PhaseError::Refused(_)) => {
            PhaseError::refuse_for(chart_crds::chart_crd_findings(ctx, &permit.0.wanted).await)
        }
        looked => looked,
    }
}

/// To give these objects to the release.
///
/// # Errors
/// When one belongs to another release or to a controller, or cannot be read.
pub(crate) async fn permit_adoption(
    ctx: &Context,
    objects: &[ObjectRef],
) -> Result<Permit<PlannedAdoption>, PhaseError> {
    Ok(Permit::new(PlannedAdoption::of(ctx.cluster(), objects, &ctx.release()).await?))
}

/// To write these manifests over what is there. The server is asked only of the kinds of which a change can lose something.
///
/// # Errors
/// As for [`permit_deletions`].
pub(crate) async fn permit_overwriting(ctx: &Context, objects: &[Value]) -> Result<Permit<Overwriting>, PhaseError> {
    let consent = Consent::needed(ctx).await?;
    let (compared, looked) = applied::overwriting(ctx, objects, ctx.phase(), &consent).await;
    PhaseError::refuse_for(looked.findings)?;
    save::before_changing(ctx, &compared, &consent).await?;
    Ok(Permit::new(Overwriting { objects: objects.to_vec(), seen: compared.iter().map(as_compared).collect() }))
}
