//! What is there and hooks are going to delete: helm does that by name, and looks neither at whose it is nor at what it is.

use crate::context::Context;
use crate::context::{ByHook, Compared, Outcome};
use crate::error::PhaseError;
use crate::observe::dry_run::compare::seen_object;
use crate::observe::release_storage::{self, NotServed};
use pilothouse_core::{
    Change, ObjectChange, ObjectRef, ReleaseHistory, Sensitive, helm_owner, names_other_release, object_ref,
};
use pilothouse_helm::{Origin, ReleaseRecord, RenderedDoc, split_manifests};
use pilothouse_kube::ClusterError;
use serde_json::Value;

/// What must be known before it goes, whoever has made it.
const ALWAYS: [&str; 6] =
    ["PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition", "StatefulSet", "Secret"];

/// The events of the hooks that helm runs with an install or an upgrade.
pub(crate) fn events_of_deploy(is_upgrade: bool) -> [&'static str; 2] {
    if is_upgrade { ["pre-upgrade", "post-upgrade"] } else { ["pre-install", "post-install"] }
}

/// The hooks of a record: helm does not look at the chart when it uninstalls or rolls back.
pub(crate) fn stored_hooks(record: &ReleaseRecord) -> Vec<RenderedDoc> {
    let docs = |hook: &pilothouse_helm::HookRecord| {
        let origin = Origin::Hook {
            kind: hook.kind.clone(),
            events: hook.events.clone(),
            weight: hook.weight,
            delete_policies: hook.delete_policies.clone(),
        };
        // What cannot be read of a hook is no reason to say nothing of the others.
        let docs = split_manifests(&hook.manifest).unwrap_or_default();
        docs.into_iter().map(move |doc| RenderedDoc { source: None, origin: origin.clone(), ..doc })
    };
    record.hooks.iter().flat_map(docs).collect()
}

/// What the hooks of an uninstall delete, of the newest of these revisions.
///
/// # Errors
/// When Helm's record cannot be read.
pub(crate) async fn deleted_by_uninstall_hooks(
    ctx: &Context,
    history: &ReleaseHistory,
) -> Result<Vec<Compared>, PhaseError> {
    deleted_by_stored_hooks(ctx, history, &["pre-delete", "post-delete"]).await
}

/// What the hooks of the newest of these revisions delete at these events.
///
/// # Errors
/// When Helm's record or the cluster's kinds cannot be read.
pub(crate) async fn deleted_by_stored_hooks(
    ctx: &Context,
    history: &ReleaseHistory,
    events: &[&str],
) -> Result<Vec<Compared>, PhaseError> {
    match release_storage::read_record_of(ctx, history.newest()).await? {
        Some(record) => deleted_by_hooks(ctx, &stored_hooks(&record), events, Some(history)).await,
        None => Ok(Vec::new()),
    }
}

/// What hooks delete before a release that is uninstalled is installed again, but for what has gone by then.
///
/// # Errors
/// When Helm's record cannot be read.
pub(crate) async fn deleted_by_reinstall_hooks(
    ctx: &Context,
    history: &ReleaseHistory,
    docs: &[RenderedDoc],
    gone: &[ObjectRef],
) -> Result<Vec<Compared>, PhaseError> {
    let mut all = deleted_by_uninstall_hooks(ctx, history).await?;
    for one in deleted_by_hooks(ctx, docs, &events_of_deploy(false), Some(history)).await? {
        let is_known = |object: &ObjectRef| object.same_object(&one.object);
        if !gone.iter().any(is_known) && !all.iter().any(|other| is_known(&other.object)) {
            all.push(one);
        }
    }
    Ok(all)
}

/// What hooks of a change delete that begins with an uninstall.
///
/// # Errors
/// When Helm's record cannot be read.
pub(crate) async fn deleted_by_hooks_of(
    ctx: &Context,
    history: &ReleaseHistory,
    change: &Change,
    docs: &[RenderedDoc],
    gone: &[ObjectRef],
) -> Result<Vec<Compared>, PhaseError> {
    match change {
        Change::Reinstall(_) => deleted_by_reinstall_hooks(ctx, history, docs, gone).await,
        Change::Uninstall => deleted_by_uninstall_hooks(ctx, history).await,
        Change::Install | Change::Upgrade { .. } => Ok(Vec::new()),
    }
}

/// The objects that are there and that hooks delete at these events (`deleteHookByPolicy` in `pkg/action/hooks.go`): each one of
/// the release's own hooks is left out that holds nothing, since it is made anew each time. `history` is read where it is not known
/// and tells whose an object is.
///
/// # Errors
/// When the cluster's kinds or Helm's record cannot be read.
pub(crate) async fn deleted_by_hooks(
    ctx: &Context,
    docs: &[RenderedDoc],
    events: &[&str],
    history: Option<&ReleaseHistory>,
) -> Result<Vec<Compared>, PhaseError> {
    let (mut found, mut own): (Vec<Compared>, Option<Vec<ObjectRef>>) = (Vec::new(), None);
    for (doc, event) in docs.iter().filter_map(|doc| Some((doc, event_that_deletes(doc, events)?))) {
        let named = object_ref(&doc.object).into_iter().collect();
        for object in release_storage::complete_objects(ctx, named, NotServed::Skip).await? {
            if found.iter().any(|known| known.object.same_object(&object)) {
                continue;
            }
            let by_hook = |is_own| Some(ByHook { event: event.to_owned(), is_own });
            let live = match ctx.cluster().get(&object).await {
                Ok(Some(live)) => live,
                Ok(None) | Err(ClusterError::NotServed { .. }) => continue,
                Err(error) => {
                    let outcome = Outcome::Unreadable { why: ctx.error_text(&error) };
                    found.push(Compared { by_hook: by_hook(false), ..Compared::unknown(&object, outcome) });
                    continue;
                }
            };
            let (owner, is_left) = (helm_owner(&live), is_left_by_hook(ctx, &live, &doc.object));
            if is_left && !ALWAYS.contains(&object.kind.as_str()) {
                continue;
            }
            let mut is_own = is_left || owner.is(&ctx.release());
            if !is_own && !names_other_release(&live, &ctx.release()) {
                if own.is_none() {
                    let newest = match history {
                        Some(history) => history.newest().cloned(),
                        None => release_storage::release_history(ctx).await?.newest().cloned(),
                    };
                    own = Some(release_storage::objects_and_hooks_of(ctx, newest.as_ref()).await?);
                }
                is_own = own.iter().flatten().any(|known| known.same_object(&object));
            }
            found.push(Compared {
                seen: seen_object(&object.kind, &live),
                owner: Some(owner),
                live: Some(Sensitive::new(live)),
                by_hook: by_hook(is_own),
                ..Compared::unknown(&object, Outcome::Change(ObjectChange::Delete))
            });
        }
    }
    Ok(found)
}

/// Puts what hooks delete among what becomes of the other objects: one that would stay does not.
pub(crate) fn with_hooks(mut compared: Vec<Compared>, deleted: Vec<Compared>) -> Vec<Compared> {
    for one in deleted {
        let goes = |other: &Compared| {
            matches!(other.outcome, Outcome::Change(ObjectChange::Delete)) && other.object.same_object(&one.object)
        };
        if !compared.iter().any(goes) {
            let stays = |other: &Compared| {
                matches!(other.outcome, Outcome::Change(ObjectChange::Keep)) && other.object.same_object(&one.object)
            };
            compared.retain(|other| !stays(other));
            compared.push(one);
        }
    }
    compared
}

/// The first of these events at which helm runs the hook, if it ever deletes its object: without a policy it does so before it
/// creates it. Helm 4 applies one that is there and has only the other policies, and deletes it afterwards.
fn event_that_deletes<'a>(doc: &RenderedDoc, events: &[&'a str]) -> Option<&'a str> {
    const DELETE: [&str; 3] = ["before-hook-creation", "hook-succeeded", "hook-failed"];
    let Origin::Hook { kind, events: of, delete_policies, .. } = &doc.origin else { return None };
    let deletes = delete_policies.is_empty() || delete_policies.iter().any(|policy| DELETE.contains(&policy.as_str()));
    // Helm never deletes a definition that is a hook, but it does those in a list that is one.
    if !deletes || kind == "CustomResourceDefinition" {
        return None;
    }
    events.iter().copied().find(|event| of.iter().any(|one| one == event))
}

/// Whether a hook of such a release has made it: helm writes nothing on it that tells whose it is.
fn is_left_by_hook(ctx: &Context, live: &Value, hook: &Value) -> bool {
    let text = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let instance = |object: &Value| text(object, "/metadata/labels/app.kubernetes.io~1instance");
    text(live, "/metadata/annotations/helm.sh~1hook").is_some()
        && instance(live) == instance(hook)
        && !names_other_release(live, &ctx.release())
}
