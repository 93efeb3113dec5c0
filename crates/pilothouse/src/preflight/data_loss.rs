//! What must not be lost by accident: deletions that take data with them need consent for each object.

use crate::actions::objects;
use crate::context::release_context::Context;
use crate::error::PhaseError;
use crate::preflight::backup::save;
use pilothouse_core::{Class, Finding, HelmAction, ObjectRef, code, crd_facts};
use pilothouse_kube::{ClusterError, live_custom_resources};
use serde_json::Value;

/// The objects that may be lost, replaced or changed for good, since the user has said so.
pub(crate) struct Consent(Vec<ObjectRef>);

impl Consent {
    /// Completes what the release consents to.
    ///
    /// # Errors
    /// The finding, when a kind cannot be told.
    pub(crate) async fn of(ctx: &Context) -> Result<Self, Finding> {
        match objects::resolve(ctx, &ctx.info().consent).await {
            Ok(objects) => Ok(Self(objects)),
            Err(error) => {
                let message = error.chain().join(": ");
                Err(Finding::new(Class::Blocked, code::UNREADABLE, "consent", message))
            }
        }
    }

    /// Whether it names the object.
    pub(crate) fn names(&self, object: &ObjectRef) -> bool {
        self.0.iter().any(|allowed| allowed.same_object(object))
    }
}

/// Why these objects must not be deleted: data hangs on them and no consent was given, or they are to be saved before and cannot be. What cannot be read is refused
/// too, since nobody knows then what would be lost.
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

/// As [`deletion_findings`], with a consent that was completed before.
pub(crate) async fn losses(ctx: &Context, objects: &[ObjectRef], consent: &Consent) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in objects.iter().filter(|object| !consent.names(object)) {
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
        "PersistentVolumeClaim" | "PersistentVolume" | "Namespace" | "StatefulSet" => {
            let live = match ctx.cluster().get(object).await {
                Err(ClusterError::NotServed { .. }) => None,
                live => live?,
            };
            let Some(live) = live else { return Ok(None) };
            let lost = match object.kind.as_str() {
                "Namespace" => Some("deleting it deletes everything in it".to_owned()),
                "StatefulSet" => deletes_its_claims(&live).then(|| {
                    "deleting it deletes its claims: persistentVolumeClaimRetentionPolicy.whenDeleted is Delete"
                        .to_owned()
                }),
                "PersistentVolume" => Some(with_volume(Some(&live))),
                _ => Some(with_volume(volume_of(ctx, &live).await.as_ref())),
            };
            Ok(lost.map(|lost| (code::DATA_ATTACHED, lost)))
        }
        "CustomResourceDefinition" => {
            let Some(crd) = ctx.cluster().get(object).await? else { return Ok(None) };
            let others = foreign_resources(ctx, &crd).await?;
            Ok((!others.is_empty()).then(|| (code::CRD_IN_USE, in_use(&others))))
        }
        _ => Ok(None),
    }
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

/// Whether the claims of a StatefulSet go with it.
pub(crate) fn deletes_its_claims(stateful_set: &Value) -> bool {
    let policy = stateful_set.pointer("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted");
    let templates = stateful_set.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    policy.and_then(Value::as_str) == Some("Delete") && templates.is_some_and(|templates| !templates.is_empty())
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
