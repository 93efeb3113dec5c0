//! What must not be lost by accident: deletions that take data with them need consent for each object.

use crate::context::Compared;
use crate::context::Context;
use crate::error::PhaseError;
use crate::observe;
use crate::preflight::losses::consent::Consent;
use pilothouse_core::{
    Class, CrdFacts, Finding, HelmAction, HelmOwner, ObjectRef, ReleaseKey, Sensitive, code, crd_facts,
    deletes_its_claims, is_claim_of, object_ref,
};
use pilothouse_kube::{ClusterError, ListQuery, live_custom_resources};
use serde_json::Value;

/// What must be known of an object before it goes: data may hang on these.
pub(crate) const DATA_KINDS: [&str; 5] =
    ["PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition", "StatefulSet"];

/// The other release that an object belongs to.
pub(crate) fn another_release<'a>(owner: &'a HelmOwner, release: &ReleaseKey) -> Option<&'a ReleaseKey> {
    match owner {
        HelmOwner::Release(other) | HelmOwner::Partial { names: Some(other), .. } if other != release => Some(other),
        HelmOwner::Release(_) | HelmOwner::Partial { .. } | HelmOwner::Nobody { .. } => None,
    }
}

/// Of objects that are about to go, what would be lost without consent. `compared` is what else the same change makes of objects, read
/// a moment ago: what it has is not read again.
pub(crate) async fn losses(
    ctx: &Context,
    objects: &[ObjectRef],
    compared: &[Compared],
    consent: &Consent,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in objects {
        if DATA_KINDS.contains(&object.kind.as_str()) && !consent.names(object) {
            findings.extend(looked_at(ctx, object, compared, consent).await.err());
        }
    }
    findings
}

/// The object as it is, where it may be deleted; `None` when it is not there.
///
/// # Errors
/// Why it must not be deleted.
pub(crate) async fn looked_at(
    ctx: &Context,
    object: &ObjectRef,
    compared: &[Compared],
    consent: &Consent,
) -> Result<Option<Value>, Finding> {
    let unreadable = |error: &PhaseError| Finding::new(Class::Blocked, code::UNREADABLE, object, ctx.error_text(error));
    let known = compared.iter().find(|one| one.object.same_object(object)).and_then(|one| one.live.as_ref());
    let live = match known {
        Some(live) => live.expose().clone(),
        None => match ctx.cluster().get(object).await {
            Ok(Some(live)) => live,
            Ok(None) | Err(ClusterError::NotServed { .. }) => return Ok(None),
            Err(error) => return Err(unreadable(&error.into())),
        },
    };
    if !consent.names(object)
        && let Some((code, lost)) =
            what_is_lost(ctx, object, &live, compared).await.map_err(|error| unreadable(&error))?
    {
        return Err(Finding::new(Class::Unsafe, code, object, lost));
    }
    Ok(Some(live))
}

/// What would be lost with this object, if anything.
async fn what_is_lost(
    ctx: &Context,
    object: &ObjectRef,
    live: &Value,
    compared: &[Compared],
) -> Result<Option<(&'static str, String)>, PhaseError> {
    let lost = match object.kind.as_str() {
        "Namespace" => Some("deleting it deletes everything in it".to_owned()),
        "StatefulSet" => deletes_its_claims(live).then(|| {
            "deleting it deletes its claims: persistentVolumeClaimRetentionPolicy.whenDeleted is Delete".to_owned()
        }),
        "PersistentVolume" => Some(with_volume(Some(live), compared)),
        // It only says how bad it is: what is not known may be lost.
        "PersistentVolumeClaim" => Some(with_volume(volume_of(ctx, live).await.ok().flatten().as_ref(), compared)),
        "CustomResourceDefinition" => {
            let others = foreign_resources(ctx, live).await?;
            return Ok((!others.is_empty()).then(|| (code::CRD_IN_USE, in_use(&others))));
        }
        _ => None,
    };
    Ok(lost.map(|lost| (code::DATA_ATTACHED, lost)))
}

/// What holds data and goes with an object that is deleted: a consent to that is to just this, where a plan has shown it. `None` where
/// nothing can.
///
/// # Errors
/// When it cannot be listed.
pub(crate) async fn goes_with(
    ctx: &Context,
    object: &ObjectRef,
    live: &Value,
) -> Result<Option<Vec<ObjectRef>>, ClusterError> {
    let goes = match object.kind.as_str() {
        "CustomResourceDefinition" => {
            let Some(facts) = crd_facts(live).filter(CrdFacts::was_served) else { return Ok(None) };
            let there = live_custom_resources(ctx.cluster(), &facts).await?;
            there.into_iter().map(|(object, _)| object).collect()
        }
        "Namespace" => claims_in(ctx, Some(&object.name)).await?,
        "StatefulSet" if deletes_its_claims(live) => {
            let mut claims = claims_in(ctx, object.namespace.as_deref()).await?;
            claims.retain(|claim| is_claim_of(live, &object.name, &claim.name));
            claims
        }
        _ => return Ok(None),
    };
    Ok(Some(goes))
}

async fn claims_in(ctx: &Context, namespace: Option<&str>) -> Result<Vec<ObjectRef>, ClusterError> {
    let mut query = ListQuery::new("v1", "PersistentVolumeClaim");
    query.namespace = namespace.map(str::to_owned);
    Ok(ctx.cluster().list_metadata(&query).await?.iter().filter_map(object_ref).collect())
}

/// The volume a claim is bound to.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn volume_of(ctx: &Context, claim: &Value) -> Result<Option<Value>, ClusterError> {
    let Some(name) = claim.pointer("/spec/volumeName").and_then(Value::as_str) else { return Ok(None) };
    let volume = ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: "PersistentVolume".to_owned(),
        namespace: None,
        name: name.to_owned(),
    };
    ctx.cluster().get(&volume).await
}

/// What becomes of the data on a volume whose claim, or which itself, is deleted: whether it is changed before or after that is not
/// known, so that it is kept for certain only where both policies say so.
fn with_volume(volume: Option<&Value>, compared: &[Compared]) -> String {
    let name = volume.and_then(|volume| volume.pointer("/metadata/name")).and_then(Value::as_str).unwrap_or_default();
    let mut volumes = compared.iter().filter(|one| one.object.kind == "PersistentVolume" && one.object.name == name);
    let then = volumes.find_map(|one| one.then.as_ref()).map(Sensitive::expose);
    let [is, then] = [volume, then.or(volume)]
        .map(|volume| volume?.pointer("/spec/persistentVolumeReclaimPolicy").and_then(Value::as_str));
    match (is, then) {
        (Some("Delete"), Some("Delete")) => {
            format!("deleting it deletes the data on it: volume {name} has the reclaim policy Delete")
        }
        (_, Some("Delete")) => {
            format!("deleting it deletes the data on it: volume {name} gets the reclaim policy Delete")
        }
        (Some("Retain"), Some("Retain")) => format!(
            "deleting it cuts its data off: volume {name} has the reclaim policy Retain, so the data stays, but nothing is bound to it any more"
        ),
        _ => "deleting it may delete the data on it".to_owned(),
    }
}

/// The custom resources of a definition that do not go with the release anyway when it is destroyed.
async fn foreign_resources(ctx: &Context, crd: &Value) -> Result<Vec<ObjectRef>, PhaseError> {
    let Some(facts) = crd_facts(crd) else { return Ok(Vec::new()) };
    if !facts.was_served() {
        return Ok(Vec::new());
    }
    let resources = live_custom_resources(ctx.cluster(), &facts).await?;
    // What the uninstall of this release deletes anyway; after it, nothing.
    let doomed = match ctx.info().action {
        HelmAction::Destroy => observe::deleted_by_uninstall(ctx, &observe::release_history(ctx).await?).await?,
        HelmAction::Deploy | HelmAction::Skip => Vec::new(),
    };
    let objects = resources.into_iter().map(|(object, _)| object);
    Ok(objects.filter(|object| !doomed.iter().any(|doomed| doomed.same_object(object))).collect())
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
