//! Permission for what may lose something. Whatever deletes, replaces, rolls back or overwrites in `actions` takes a permit, and
//! only this room makes them: from the very list of objects that are about to go, looked at just before. What consent names is
//! saved first where the release's policy says so.

#[cfg(test)]
#[path = "permit_tests.rs"]
mod tests;

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::Compared;
use crate::observe::Outcome;
use crate::observe::Scope;
use crate::preflight::backup::save;
use crate::preflight::changes::deleted;
use crate::preflight::changes::deletions;
use crate::preflight::changes::refusals;
use crate::preflight::changes::regenerated;
use crate::preflight::crds::chart_crds;
use crate::preflight::losses::consent::Consent;
use crate::preflight::losses::data_loss;
use crate::render;
use pilothouse_core::{CrdPolicy, ObjectChange, ObjectRef, ReleaseHistory, Staying, Stays};
use pilothouse_kube::{PlannedAdoption, Precondition};
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
    pub(crate) object: ObjectRef,
    /// It must still be the one that was looked at.
    pub(crate) as_seen: Precondition,
}

/// Helm uninstalls the release.
#[derive(Debug)]
pub(crate) struct Uninstall {
    /// What goes with it.
    pub(crate) objects: Vec<ObjectRef>,
    /// What it leaves.
    pub(crate) stays: Vec<Staying>,
}

/// Helm goes back to a revision.
#[derive(Debug)]
pub(crate) struct Rollback {
    pub(crate) to_revision: u32,
}

/// Helm installs or upgrades, after the chart's definitions were brought.
#[derive(Debug)]
pub(crate) struct Deploy {
    /// What is deployed.
    pub(crate) wanted: Arc<Wanted>,
    /// What helm deletes or replaces.
    pub(crate) goes: Vec<Deletion>,
    /// What is not part of the release any more and is left.
    pub(crate) stays: Vec<Staying>,
}

/// Objects are written over as a manifest says.
#[derive(Debug)]
pub(crate) struct Overwriting {
    pub(crate) objects: Vec<Value>,
}

/// To delete these objects; those that are not there are left out.
///
/// # Errors
/// [`PhaseError::Refused`] when one must not be lost; or what cannot be read or saved.
pub(crate) async fn permit_deletions(
    ctx: &Context,
    objects: &[ObjectRef],
) -> Result<Vec<Permit<Deletion>>, PhaseError> {
    PhaseError::refuse_for(deletions::deletion_findings(ctx, objects).await)?;
    let consent = Consent::needed(ctx).await?;
    save::before_deleting(ctx, objects, &consent).await?;
    let (mut permits, mut findings) = (Vec::with_capacity(objects.len()), Vec::new());
    for object in objects {
        match data_loss::looked_at(ctx, object, &consent).await {
            Ok(None) => {}
            Ok(Some(as_seen)) => permits.push(Permit::new(Deletion { object: object.clone(), as_seen })),
            Err(finding) => findings.push(finding),
        }
    }
    PhaseError::refuse_for(findings)?;
    Ok(permits)
}

/// To uninstall the release.
///
/// # Errors
/// As for [`permit_deletions`].
pub(crate) async fn permit_uninstall(ctx: &Context, run: &ReleaseRun) -> Result<Permit<Uninstall>, PhaseError> {
    let consent = Consent::needed(ctx).await?;
    let look = async || {
        let objects = observe::deleted_by_uninstall(ctx).await?;
        let mut findings = deletions::uninstall_findings_of(ctx, &objects).await;
        findings.extend(deleted::were_there(&objects, run.attempts.adopted(), &consent));
        PhaseError::refuse_for(findings)?;
        Ok::<_, PhaseError>(objects)
    };
    let mut objects = look().await?;
    if save::before_deleting(ctx, &objects, &consent).await? {
        // That may have taken long.
        objects = look().await?;
    }
    Ok(Permit::new(Uninstall { objects, stays: observe::left_by_uninstall(ctx).await? }))
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
    let record = async |revision: u32| {
        let gone = || PhaseError::State(format!("the record of revision {revision} is gone"));
        let meta = history.get(revision).ok_or_else(gone)?;
        observe::read_record(ctx, meta).await?.ok_or_else(gone)
    };
    let (target, newest) = (record(to_revision).await?, record(history.newest_revision()).await?);
    let mut compared = observe::preview_rollback(ctx, &newest, &target).await?;
    let adopted = run.attempts.adopted();
    PhaseError::refuse_for(refusals::by_rollback(ctx, &compared, adopted, &consent).await)?;
    if save::before_changing(ctx, &compared, &consent).await? {
        compared = observe::preview_rollback(ctx, &newest, &target).await?;
        PhaseError::refuse_for(refusals::by_rollback(ctx, &compared, adopted, &consent).await)?;
    }
    Ok(Permit::new(Rollback { to_revision }))
}

/// To install or upgrade the release. What was looked at before the first phase is looked at again, as far as something can be
/// lost: steps may have taken long.
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
    let changing = observe::kinds_changing(ctx, wanted);
    let secrets = wanted.uses.makes_up_secrets();
    let scope = if save::is_wanted(ctx) { Scope::All } else { Scope::MayLose { secrets } };
    let look = async || {
        let compared = observe::preview_deploy(ctx, wanted, is_upgrade, &changing, (scope, &[])).await?.compared;
        let mut findings = refusals::losses(ctx, wanted, &compared, &consent).await;
        findings.extend(regenerated::findings(ctx, wanted, &compared, &consent, is_upgrade).await);
        if ctx.info().crds == CrdPolicy::Upgrade {
            findings.extend(chart_crds::chart_crd_findings(ctx, wanted).await);
        }
        PhaseError::refuse_for(findings)?;
        Ok::<_, PhaseError>(compared)
    };
    let mut compared = look().await?;
    if save::before_helm(ctx, wanted, &compared, &consent).await? {
        compared = look().await?;
    }
    let goes = compared.iter().filter_map(goes).collect();
    let is_kept = |one: &&Compared| one.outcome == Outcome::Change(ObjectChange::Keep);
    let kept = compared.iter().filter(is_kept).map(|one| one.object.clone());
    let stays = kept.map(|object| Staying { object, because: Stays::ResourcePolicy }).collect();
    Ok(Permit::new(Deploy { wanted: wanted.clone(), goes, stays }))
}

/// An object that goes, as it was seen.
fn goes(one: &Compared) -> Option<Deletion> {
    match &one.outcome {
        Outcome::Change(ObjectChange::Delete | ObjectChange::Replace { .. }) => {
            let uid = one.seen.as_ref().map(|seen| seen.uid.clone());
            let as_seen = Precondition { uid, resource_version: None };
            Some(Deletion { object: one.object.clone(), as_seen })
        }
        Outcome::Change(_) | Outcome::NoNamespace { .. } | Outcome::NotServed { .. } | Outcome::Unreadable { .. } => {
            None
        }
    }
}

/// Reads the list once more, right before helm: the intent was written and the definitions were brought since, and helm deletes by
/// name.
///
/// # Errors
/// When data depends on one of the objects by now, or another one has taken its place.
pub(crate) async fn refuse_unless_as_seen(ctx: &Context, permit: &Permit<Deploy>) -> Result<(), PhaseError> {
    if permit.0.goes.is_empty() {
        return Ok(());
    }
    let consent = Consent::needed(ctx).await?;
    let mut findings = Vec::new();
    for Deletion { object, as_seen } in &permit.0.goes {
        match data_loss::looked_at(ctx, object, &consent).await {
            Ok(Some(now)) if now.uid != as_seen.uid => {
                let why = "another object of that name has taken its place since it was looked at";
                return Err(PhaseError::State(format!("helm would delete {object}: {why}")));
            }
            Ok(_) => {}
            Err(finding) => findings.push(finding),
        }
    }
    PhaseError::refuse_for(findings)
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
    let compared = observe::preview_overwriting(ctx, objects).await;
    let mut findings = refusals::by_overwriting(ctx, &compared, &consent).await;
    findings.extend(save::findings(ctx, &save::of_compared(ctx, &compared, &consent).await).await);
    PhaseError::refuse_for(findings)?;
    save::before_changing(ctx, &compared, &consent).await?;
    Ok(Permit::new(Overwriting { objects: objects.to_vec() }))
}
