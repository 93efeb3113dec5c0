//! What must not be lost by accident: deletions that take data with them need consent for each object.

use crate::context::release_context::Context;
use crate::error::PhaseError;
use crate::observe::objects;
use crate::preflight::backup::save;
use crate::preflight::consent::Consent;
use pilothouse_core::{
    Class, Finding, HelmAction, HelmOwner, ObjectRef, ReleaseKey, code, crd_facts, deletes_its_claims, helm_owner,
};
use pilothouse_kube::{ClusterError, Detail, Precondition, crd_ref, live_custom_resources, read_all};
use serde_json::Value;

/// What must be known of an object before it goes: data may hang on these.
pub(crate) const DATA_KINDS: [&str; 5] =
    ["PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition", "StatefulSet"];

/// Reasons not to delete these objects: data hangs on them and no consent names them, or they are to be saved before and cannot be.
/// What cannot be read is a reason too, since nobody knows then what would be lost.
pub(crate) async fn deletion_findings(ctx: &Context, objects: &[ObjectRef]) -> Vec<Finding> {
    match Consent::of(ctx).await {
        Ok(consent) => {
            let mut findings = losses(ctx, objects, &consent).await;
            findings.extend(save::findings(ctx, &save::of_deleted(objects, &consent)).await);
            findings
        }
        Err(finding) => vec![finding],
    }
}

/// Reasons against an uninstall: as for any deletion, and that an object belongs to another release by now.
pub(crate) async fn uninstall_findings(ctx: &Context) -> Vec<Finding> {
    match objects::deleted_by_uninstall(ctx).await {
        Ok(objects) => uninstall_findings_of(ctx, &objects).await,
        Err(error) => vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), ctx.error_text(&error))],
    }
}

/// As [`uninstall_findings`], where what would be deleted was read.
pub(super) async fn uninstall_findings_of(ctx: &Context, objects: &[ObjectRef]) -> Vec<Finding> {
    let consent = match Consent::of(ctx).await {
        Ok(consent) => consent,
        Err(finding) => return vec![finding],
    };
    let mut findings = deletion_findings(ctx, objects).await;
    let open: Vec<ObjectRef> = objects.iter().filter(|object| !consent.names(object)).cloned().collect();
    for (object, live) in open.iter().zip(read_all(ctx.cluster(), &open, Detail::Metadata).await) {
        match live {
            Ok(Some(live)) => findings.extend(another_release(&helm_owner(&live), &ctx.release()).map(|other| {
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

/// The other release that an object belongs to.
pub(crate) fn another_release<'a>(owner: &'a HelmOwner, release: &ReleaseKey) -> Option<&'a ReleaseKey> {
    match owner {
        HelmOwner::Release(other) | HelmOwner::Partial { names: Some(other), .. } if other != release => Some(other),
        HelmOwner::Release(_) | HelmOwner::Partial { .. } | HelmOwner::Nobody { .. } => None,
    }
}

/// Of objects that are about to go, what would be lost without consent.
pub(crate) async fn losses(ctx: &Context, objects: &[ObjectRef], consent: &Consent) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in objects {
        if DATA_KINDS.contains(&object.kind.as_str()) && !consent.names(object) {
            findings.extend(looked_at(ctx, object, consent).await.err());
        }
    }
    findings
}

/// Which very object it is that may be deleted; `None` when it is not there.
///
/// # Errors
/// Why it must not be deleted.
pub(super) async fn looked_at(
    ctx: &Context,
    object: &ObjectRef,
    consent: &Consent,
) -> Result<Option<Precondition>, Finding> {
    let unreadable = |error: &PhaseError| Finding::new(Class::Blocked, code::UNREADABLE, object, ctx.error_text(error));
    let live = match ctx.cluster().get(object).await {
        Ok(Some(live)) => live,
        Ok(None) | Err(ClusterError::NotServed { .. }) => return Ok(None),
        Err(error) => return Err(unreadable(&error.into())),
    };
    if !consent.names(object)
        && let Some((code, lost)) = what_is_lost(ctx, object, &live).await.map_err(|error| unreadable(&error))?
    {
        return Err(Finding::new(Class::Unsafe, code, object, lost));
    }
    // It may well have changed; it must be the same one.
    Ok(Some(Precondition { resource_version: None, ..Precondition::unchanged(&live) }))
}

/// What would be lost with this object, if anything.
async fn what_is_lost(
    ctx: &Context,
    object: &ObjectRef,
    live: &Value,
) -> Result<Option<(&'static str, String)>, PhaseError> {
    let lost = match object.kind.as_str() {
        "Namespace" => Some("deleting it deletes everything in it".to_owned()),
        "StatefulSet" => deletes_its_claims(live).then(|| {
            "deleting it deletes its claims: persistentVolumeClaimRetentionPolicy.whenDeleted is Delete".to_owned()
        }),
        "PersistentVolume" => Some(with_volume(Some(live))),
        "PersistentVolumeClaim" => Some(with_volume(volume_of(ctx, live).await.as_ref())),
        "CustomResourceDefinition" => {
            let others = foreign_resources(ctx, live).await?;
            return Ok((!others.is_empty()).then(|| (code::CRD_IN_USE, in_use(&others))));
        }
        _ => None,
    };
    Ok(lost.map(|lost| (code::DATA_ATTACHED, lost)))
}

/// The volume a claim is bound to, as far as it can be read: it only says how bad it is.
async fn volume_of(ctx: &Context, claim: &Value) -> Option<Value> {
    let name = claim.pointer("/spec/volumeName").and_then(Value::as_str)?;
    let volume = ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: "PersistentVolume".to_owned(),
        namespace: None,
        name: name.to_owned(),
    };
    ctx.cluster().get(&volume).await.ok().flatten()
}

/// What becomes of the data on a volume whose claim, or which itself, is deleted.
fn with_volume(volume: Option<&Value>) -> String {
    let name = volume.and_then(|volume| volume.pointer("/metadata/name")).and_then(Value::as_str).unwrap_or_default();
    let policy = volume.and_then(|volume| volume.pointer("/spec/persistentVolumeReclaimPolicy"));
    match policy.and_then(Value::as_str) {
        Some("Delete") => format!("deleting it deletes the data on it: volume {name} has the reclaim policy Delete"),
        Some("Retain") => format!(
            "deleting it cuts its data off: volume {name} has the reclaim policy Retain, so the data stays, but nothing is bound to it any more"
        ),
        _ => "deleting it may delete the data on it".to_owned(),
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
        HelmAction::Destroy => objects::deleted_by_uninstall(ctx).await?,
        HelmAction::Deploy | HelmAction::Skip => Vec::new(),
    };
    let objects = resources.into_iter().map(|(object, _)| object);
    Ok(objects.filter(|object| !doomed.iter().any(|doomed| doomed.same_object(object))).collect())
}

/// Whether the names of a definition are taken by another one, so that it was never served.
pub(crate) fn names_refused(crd: &Value) -> bool {
    let conditions = crd.pointer("/status/conditions").and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "NamesAccepted" && condition["status"] == "False")
}

/// How many custom resources go with their definition.
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

/// Why `delete_crds` would refuse, to be asked in `check_prerequisites`.
pub async fn crds_in_use(ctx: &Context, names: &[&str]) -> Vec<Finding> {
    let objects: Vec<ObjectRef> = names.iter().map(|&name| crd_ref(name)).collect();
    deletion_findings(ctx, &objects).await
}
