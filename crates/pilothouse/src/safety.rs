//! What must not be lost by accident: deletions that take data with them need consent for each object.

use crate::context::Context;
use crate::helpers;
use pilothouse_core::{Class, Finding, HelmAction, ObjectRef, code, crd_facts};
use pilothouse_kube::{ClusterError, live_custom_resources};
use serde_json::Value;

/// Why these objects must not be deleted: data hangs on them and no consent was given. What cannot be read is refused
/// too, since nobody knows then what would be lost.
pub(crate) async fn deletion_findings(ctx: &Context, objects: &[ObjectRef]) -> Vec<Finding> {
    let consent = match helpers::resolve(ctx, &ctx.info().consent).await {
        Ok(consent) => consent,
        Err(error) => {
            let message = error.chain().join(": ");
            return vec![Finding::new(Class::Blocked, code::UNREADABLE, "consent", message)];
        }
    };
    let mut findings = Vec::new();
    for object in objects {
        if consent.iter().any(|allowed| allowed.same_object(object)) {
            continue;
        }
        match what_is_lost(ctx, object).await {
            Ok(None) => {}
            Ok(Some((code, lost))) => findings.push(Finding::new(Class::Unsafe, code, object, lost)),
            Err(error) => {
                findings.push(Finding::new(Class::Blocked, code::UNREADABLE, object, ctx.error_text(&error)));
            }
        }
    }
    findings
}

/// What would be lost with this object, if anything.
async fn what_is_lost(ctx: &Context, object: &ObjectRef) -> Result<Option<(&'static str, String)>, ClusterError> {
    match object.kind.as_str() {
        "PersistentVolumeClaim" | "PersistentVolume" | "Namespace" => {
            let live = match ctx.cluster().get(object).await {
                Err(ClusterError::NotServed { .. }) => None,
                live => live?,
            };
            let lost = match object.kind.as_str() {
                "Namespace" => "deleting it deletes everything in it",
                _ => "deleting it may delete the data on it",
            };
            Ok(live.map(|_| (code::DATA_ATTACHED, lost.to_owned())))
        }
        "CustomResourceDefinition" => {
            let Some(crd) = ctx.cluster().get(object).await? else { return Ok(None) };
            let others = foreign_resources(ctx, &crd).await?;
            Ok((others > 0).then(|| (code::CRD_IN_USE, format!("deleting it deletes its {others} custom resources"))))
        }
        _ => Ok(None),
    }
}

/// How many custom resources of a definition exist that do not go with the release anyway when it is destroyed.
async fn foreign_resources(ctx: &Context, crd: &Value) -> Result<usize, ClusterError> {
    let Some(facts) = crd_facts(crd) else { return Ok(0) };
    let resources = match live_custom_resources(ctx.cluster(), &facts).await {
        // A definition that was never established has no resources.
        Err(ClusterError::NotServed { .. }) => return Ok(0),
        resources => resources?,
    };
    let destroyed = ctx.info().action == HelmAction::Destroy;
    let release = ctx.release();
    Ok(resources.iter().filter(|(_, owner)| !(destroyed && owner.is(&release))).count())
}
