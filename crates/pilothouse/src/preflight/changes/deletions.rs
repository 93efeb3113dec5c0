//! Reasons against deleting objects, by a step or by an uninstall: what would be lost with them, and what cannot be saved before.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe;
use crate::preflight::backup::save;
use crate::preflight::changes::hooks;
use crate::preflight::losses::consent::Consent;
use crate::preflight::losses::data_loss;
use crate::preflight::losses::seen::AsSeen;
use pilothouse_core::{Change, Class, Finding, HelmOwner, ObjectRef, ReleaseHistory, code, helm_owner};
use pilothouse_kube::{ClusterError, Detail, crd_ref, read_all};

/// Reasons not to delete these objects: data hangs on them and no consent names them, or they are to be saved before and cannot be.
/// What cannot be read is a reason too, since nobody knows then what would be lost.
pub(crate) async fn deletion_findings(ctx: &Context, objects: &[ObjectRef]) -> Vec<Finding> {
    match Consent::of(ctx).await {
        Ok(consent) => deletion_findings_of(ctx, objects, &[], &consent).await,
        Err(finding) => vec![finding],
    }
}

/// The same, with what the user has consented to; `compared` is what else the same change makes of objects.
pub(crate) async fn deletion_findings_of(
    ctx: &Context,
    objects: &[ObjectRef],
    compared: &[Compared],
    consent: &Consent,
) -> Vec<Finding> {
    let mut findings = data_loss::losses(ctx, objects, compared, consent).await;
    findings.extend(save::findings(ctx, &save::of_deleted(objects, consent)).await);
    findings
}

/// Reasons against a change that begins with an uninstall: as for any deletion, and that an object belongs to another release by
/// now. What hooks delete is looked at too, those of the install that follows included. `compared` is what that makes of objects.
pub(crate) async fn uninstall_findings(
    ctx: &Context,
    history: &ReleaseHistory,
    wanted: &Wanted,
    compared: &[Compared],
    change: &Change,
    consent: &Consent,
) -> Vec<Finding> {
    let looked = async {
        let objects = observe::deleted_by_uninstall(ctx, history).await?;
        let docs = wanted.rendering.docs();
        let by_hooks = observe::deleted_by_hooks_of(ctx, history, change, &docs, &objects).await?;
        Ok::<_, PhaseError>((objects, by_hooks))
    };
    match looked.await {
        Ok((objects, by_hooks)) => uninstall_findings_of(ctx, (&objects, &by_hooks), compared, consent).await.0,
        Err(error) => vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), ctx.error_text(&error))],
    }
}

/// As [`uninstall_findings`], where what would be deleted was read; with how the objects were seen.
pub(crate) async fn uninstall_findings_of(
    ctx: &Context,
    (objects, by_hooks): (&[ObjectRef], &[Compared]),
    compared: &[Compared],
    consent: &Consent,
) -> (Vec<Finding>, Vec<AsSeen>) {
    let mut seen = Vec::with_capacity(objects.len());
    let mut findings = deletion_findings_of(ctx, objects, compared, consent).await;
    findings.extend(hooks::findings(ctx, by_hooks, consent).await);
    findings.extend(save::findings(ctx, &save::of_compared(ctx, by_hooks, consent).await).await);
    for (object, live) in objects.iter().zip(read_all(ctx.cluster(), objects, Detail::Metadata).await) {
        match live {
            Ok(live) => {
                seen.push(AsSeen::new(object, live.as_ref()));
                let owner = live.as_ref().filter(|_| !consent.names(object)).map(helm_owner);
                findings.extend(owner.and_then(|owner| of_another(ctx, object, &owner)));
            }
            Err(error) if matches!(*error, ClusterError::NotServed { .. }) => seen.push(AsSeen::new(object, None)),
            Err(error) => {
                findings.push(Finding::new(Class::Blocked, code::UNREADABLE, object, ctx.error_text(error.as_ref())));
            }
        }
    }
    (findings, seen)
}

fn of_another(ctx: &Context, object: &ObjectRef, owner: &HelmOwner) -> Option<Finding> {
    let other = data_loss::another_release(owner, &ctx.release())?;
    let message = format!(
        "helm's uninstall would delete it, and it belongs to release {other} by now: deploy this release once without it, with the live object annotated helm.sh/resource-policy: keep"
    );
    Some(Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, object, message))
}

/// Why `delete_crds` would refuse, to be asked in `check_prerequisites`.
pub async fn crds_in_use(ctx: &Context, names: &[&str]) -> Vec<Finding> {
    let objects: Vec<ObjectRef> = names.iter().map(|&name| crd_ref(name)).collect();
    deletion_findings(ctx, &objects).await
}
