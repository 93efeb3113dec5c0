//! Reasons against deleting objects, by a step or by an uninstall: what would be lost with them, and what cannot be saved before.

use crate::context::Context;
use crate::observe;
use crate::preflight::backup::save;
use crate::preflight::losses::consent::Consent;
use crate::preflight::losses::data_loss;
use pilothouse_core::{Class, Finding, ObjectRef, code, helm_owner};
use pilothouse_kube::{ClusterError, Detail, crd_ref, read_all};

/// Reasons not to delete these objects: data hangs on them and no consent names them, or they are to be saved before and cannot be.
/// What cannot be read is a reason too, since nobody knows then what would be lost.
pub(crate) async fn deletion_findings(ctx: &Context, objects: &[ObjectRef]) -> Vec<Finding> {
    match Consent::of(ctx).await {
        Ok(consent) => {
            let mut findings = data_loss::losses(ctx, objects, &consent).await;
            findings.extend(save::findings(ctx, &save::of_deleted(objects, &consent)).await);
            findings
        }
        Err(finding) => vec![finding],
    }
}

/// Reasons against an uninstall: as for any deletion, and that an object belongs to another release by now.
pub(crate) async fn uninstall_findings(ctx: &Context) -> Vec<Finding> {
    match observe::deleted_by_uninstall(ctx).await {
        Ok(objects) => uninstall_findings_of(ctx, &objects).await,
        Err(error) => vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), ctx.error_text(&error))],
    }
}

/// As [`uninstall_findings`], where what would be deleted was read.
pub(crate) async fn uninstall_findings_of(ctx: &Context, objects: &[ObjectRef]) -> Vec<Finding> {
    let consent = match Consent::of(ctx).await {
        Ok(consent) => consent,
        Err(finding) => return vec![finding],
    };
    let mut findings = deletion_findings(ctx, objects).await;
    let open: Vec<ObjectRef> = objects.iter().filter(|object| !consent.names(object)).cloned().collect();
    for (object, live) in open.iter().zip(read_all(ctx.cluster(), &open, Detail::Metadata).await) {
        match live {
            Ok(Some(live)) => findings.extend(data_loss::another_release(&helm_owner(&live), &ctx.release()).map(|other| {
                let message = format!(
                    "helm's uninstall would delete it, and it belongs to release {other} by now: deploy this release once without it, with the live object annotated helm.sh/resource-policy: keep"
                );
                Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, object, message)
            })),
            Ok(None) => {}
            Err(error) if matches!(*error, ClusterError::NotServed { .. }) => {}
            Err(error) => {
                findings.push(Finding::new(Class::Blocked, code::UNREADABLE, object, ctx.error_text(error.as_ref())));
            }
        }
    }
    findings
}

/// Why `delete_crds` would refuse, to be asked in `check_prerequisites`.
pub async fn crds_in_use(ctx: &Context, names: &[&str]) -> Vec<Finding> {
    let objects: Vec<ObjectRef> = names.iter().map(|&name| crd_ref(name)).collect();
    deletion_findings(ctx, &objects).await
}
