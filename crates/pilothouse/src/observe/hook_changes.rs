//! What the server says to the hooks that helm is going to run.

use crate::context::Compared;
use crate::context::Context;
use crate::context::HookPreview;
use crate::context::Outcome;
use crate::error::PhaseError;
use crate::observe::dry_run::compare::{Comparison, Scope, Uninstalled, WriteMethod};
use crate::observe::dry_run::hooks;
use crate::observe::hook_deletions::stored_hooks;
use crate::observe::release_storage;
use pilothouse_core::{CrdFacts, ObjectChange, ReleaseHistory, crd_facts, object_ref};
use pilothouse_helm::{Origin, RenderedDoc};
use serde_json::Value;

/// Before and after what they run.
pub(crate) const UNINSTALL: [&str; 2] = ["pre-delete", "post-delete"];

/// Under which circumstances hooks are run.
pub(super) struct Around<'a> {
    /// What an uninstall deletes before.
    pub(super) deleted: &'a [Value],
    /// What is defined anew before.
    pub(super) changing: &'a [CrdFacts],
    pub(super) write: WriteMethod,
    pub(super) scope: Scope,
}

/// What becomes of the hooks of these events. Changes nothing.
pub(super) async fn preview_hooks(
    ctx: &Context,
    docs: &[RenderedDoc],
    events: &[&str],
    around: Around<'_>,
) -> Vec<HookPreview> {
    let run: Vec<(&RenderedDoc, &str, i32)> = docs.iter().filter_map(|doc| run_at(doc, events)).collect();
    if run.is_empty() {
        return Vec::new();
    }
    let wanted: Vec<Value> = run.iter().map(|(doc, ..)| doc.object.clone()).collect();
    let (release, taken) = (ctx.release(), ctx.taken().await);
    let comparison = Comparison {
        uninstalled: Uninstalled { deleted: around.deleted, kept: &[] },
        changing: around.changing,
        taken: &taken.objects,
        ..Comparison::over_nothing(ctx, &release, &wanted, around.write)
    };
    let looked = hooks::hooks(ctx.cluster(), &comparison, around.scope).await;
    let preview = |(place, compared): (usize, Compared)| {
        let (_, event, weight) = run.get(place)?;
        Some(HookPreview { event: (*event).to_owned(), weight: *weight, compared })
    };
    looked.into_iter().filter_map(preview).collect()
}

/// What becomes of the hooks that helm runs with an uninstall, those of the newest of these revisions; with all that this has. Changes nothing.
///
/// # Errors
/// When Helm's record cannot be read.
pub(crate) async fn preview_uninstall_hooks(
    ctx: &Context,
    history: &ReleaseHistory,
) -> Result<(Vec<RenderedDoc>, Vec<HookPreview>), PhaseError> {
    let record = release_storage::read_record_of(ctx, history.newest()).await?;
    let Some(record) = record else { return Ok((Vec::new(), Vec::new())) };
    let docs = stored_hooks(&record);
    let deleted = release_storage::by_uninstall(&record)?.deleted;
    let is_apply = ctx.helm().version().major >= 4 && record.apply_method.as_deref() == Some("ssa");
    let write = if is_apply { WriteMethod::Apply { force: true } } else { WriteMethod::Patch };
    let changing = defined_by_hooks(&docs);
    let around = Around { deleted: &deleted, changing: &changing, write, scope: Scope::All };
    let hooks = preview_hooks(ctx, &docs, &UNINSTALL, around).await;
    Ok((docs, hooks))
}

/// The kinds that hooks may come to in another form than they are in now: those that other hooks define, and those among the templates
/// whose definition does not stay as it is.
pub(super) fn defined_beside(docs: &[RenderedDoc], compared: &[Compared]) -> Vec<CrdFacts> {
    let stays = |doc: &RenderedDoc| {
        let object = object_ref(&doc.object);
        let is_it = |one: &&Compared| object.as_ref().is_some_and(|object| one.object.same_object(object));
        compared.iter().find(is_it).is_some_and(|one| one.outcome == Outcome::Change(ObjectChange::Same))
    };
    let templates = docs.iter().filter(|doc| matches!(doc.origin, Origin::Template) && !stays(doc));
    let mut kinds = defined_by_hooks(docs);
    kinds.extend(templates.filter_map(|doc| crd_facts(&doc.object)));
    kinds
}

fn defined_by_hooks(docs: &[RenderedDoc]) -> Vec<CrdFacts> {
    let hooks = docs.iter().filter(|doc| matches!(doc.origin, Origin::Hook { .. }));
    hooks.filter_map(|doc| crd_facts(&doc.object)).collect()
}

/// The first of these events at which helm runs it, and its weight.
fn run_at<'a, 'd>(doc: &'d RenderedDoc, events: &[&'a str]) -> Option<(&'d RenderedDoc, &'a str, i32)> {
    let Origin::Hook { events: of, weight, .. } = &doc.origin else { return None };
    let event = events.iter().copied().find(|event| of.iter().any(|one| one == event))?;
    Some((doc, event, *weight))
}
