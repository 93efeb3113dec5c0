//! Whether a hook's object that a killed operation has left may be deleted.

use crate::context::Context;
use crate::error::PhaseError;
use crate::preflight::permit::{Deletion, Permit};
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, ReleaseKey, RevisionMeta, RevisionStatus, names_other_release};
use pilothouse_helm::HookRecord;
use serde_json::Value;

/// Kinds with which data goes.
pub(crate) const NEVER: [&str; 4] =
    ["CustomResourceDefinition", "Namespace", "PersistentVolume", "PersistentVolumeClaim"];

/// To delete the live object of a hook of the interrupted revision, exactly as it is; `None` when there is none, or it is to be
/// left alone, which is said.
///
/// # Errors
/// When it cannot be read, or told from another of its name.
pub(crate) async fn permit_hook_deletion(
    ctx: &Context,
    revision: &RevisionMeta,
    hook: &HookRecord,
    stored: &Value,
    object: &ObjectRef,
) -> Result<Option<Permit<Deletion>>, PhaseError> {
    let Some(live) = ctx.cluster().get(object).await? else { return Ok(None) };
    if let Some(why) = left_alone(&ctx.release(), revision, hook, stored, &live) {
        ctx.say(format!("{object}, which helm may find in its way, is left alone: {why}"));
        return Ok(None);
    }
    let deletion = Deletion::new(object, &live);
    if deletion.unchanged.uid.is_none() || deletion.unchanged.resource_version.is_none() {
        return Err(PhaseError::State(format!("{object} cannot be told from another of its name")));
    }
    Ok(Some(Permit::new(deletion)))
}

/// Why a live object is left alone, although a hook of the interrupted revision has its name; `None` when it is for
/// certain the object that this revision's hook made.
pub(crate) fn left_alone(
    release: &ReleaseKey,
    revision: &RevisionMeta,
    hook: &HookRecord,
    stored: &Value,
    live: &Value,
) -> Option<&'static str> {
    let text = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let created: Option<Timestamp> = text(live, "/metadata/creationTimestamp").and_then(|at| at.parse().ok());
    let marked = |object| text(object, "/metadata/annotations/helm.sh~1hook");
    if NEVER.contains(&hook.kind.as_str()) || text(live, "/kind").is_some_and(|kind| NEVER.contains(&kind.as_str())) {
        return Some("data may go with it");
    }
    // Of an uninstall, hooks that have run before are those of earlier revisions' upgrades as well.
    let uninstalling = revision.status == RevisionStatus::Uninstalling;
    if hook.last_run.started_at.is_none() || (uninstalling && hook.last_run.phase != "Running") {
        return Some("the interrupted run had not come to that hook");
    }
    if created.zip(revision.created_at).is_none_or(|(created, begun)| created < begun) {
        return Some("it is older than the interrupted revision");
    }
    if marked(live).is_none() || marked(live) != marked(stored) {
        return Some("it does not say that it is that hook");
    }
    let owners = live.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    if owners.is_some_and(|owners| !owners.is_empty()) {
        return Some("another object owns it");
    }
    names_other_release(live, release).then_some("another release owns it")
}
