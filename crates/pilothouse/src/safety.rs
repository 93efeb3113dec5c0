//! What must not be lost by accident: deletions that take data with them need consent for each object.

use crate::context::Context;
use crate::error::PhaseError;
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
async fn what_is_lost(ctx: &Context, object: &ObjectRef) -> Result<Option<(&'static str, String)>, PhaseError> {
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
            Ok((!others.is_empty()).then(|| (code::CRD_IN_USE, in_use(&others))))
        }
        _ => Ok(None),
    }
}

/// The custom resources of a definition that do not go with the release anyway when it is destroyed.
async fn foreign_resources(ctx: &Context, crd: &Value) -> Result<Vec<ObjectRef>, PhaseError> {
    let Some(facts) = crd_facts(crd) else { return Ok(Vec::new()) };
    // A definition that was never served has no resources. One that is not served now may well have some.
    if facts.stored_versions.is_empty() || names_refused(crd) {
        return Ok(Vec::new());
    }
    let resources = live_custom_resources(ctx.cluster(), &facts).await?;
    // What the uninstall of this release deletes anyway; after it, nothing.
    let doomed = match ctx.info().action {
        HelmAction::Destroy => helpers::deleted_by_uninstall(ctx).await?,
        HelmAction::Deploy | HelmAction::Skip => Vec::new(),
    };
    let objects = resources.into_iter().map(|(object, _)| object);
    Ok(objects.filter(|object| !doomed.iter().any(|doomed| doomed.same_object(object))).collect())
}

/// Whether the names of a definition are taken by another one, so that it was never served.
fn names_refused(crd: &Value) -> bool {
    let conditions = crd.pointer("/status/conditions").and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "NamesAccepted" && condition["status"] == "False")
}

fn in_use(resources: &[ObjectRef]) -> String {
    const NAMED: usize = 3;
    let names: Vec<String> = resources.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if resources.len() > NAMED { ", ..." } else { "" };
    let count = match resources.len() {
        1 => "1 custom resource".to_owned(),
        n => format!("{n} custom resources"),
    };
    format!("deleting it deletes {count} of it: {}{more}", names.join(", "))
}
