//! What a deploy or a rollback is going to do to each object.

use crate::context::Context;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe::dry_run::compare::{Comparison, Looked, Scope, compare_within};
use crate::observe::dry_run::compared::Compared;
use crate::observe::hook_deletions;
use crate::observe::release_storage;
use crate::render;
use crate::render::chart_definitions;
use jiff::Timestamp;
use pilothouse_core::{CrdPolicy, DriftPolicy, ObjectRef, ReleaseHistory, crd_facts};
use pilothouse_helm::{Origin, ReleaseRecord, RenderedDoc};
use serde_json::Value;
use std::sync::Arc;

/// What is going to be applied, and what becomes of each object.
pub(crate) struct Look {
    /// Everything that is rendered.
    pub(crate) docs: Arc<Vec<RenderedDoc>>,
    /// The objects of the release in it.
    pub(crate) wanted: Vec<Value>,
    pub(crate) compared: Vec<Compared>,
    /// What is not wanted any more, and is not there.
    pub(crate) absent: Vec<ObjectRef>,
    /// The newest revision, where there is one that is upgraded.
    pub(crate) newest: Option<u32>,
}

/// Asks the server what becomes of each object of a release, hooks that delete something included, without changing anything. `changing` are the kinds whose
/// definitions are brought first, by group and kind. Of the objects of `scope`, those that were read a moment ago are not read again.
///
/// # Errors
/// When the chart cannot be rendered, or what is deployed cannot be read.
pub(crate) async fn preview_deploy(
    ctx: &Context,
    prepared: &Wanted,
    is_upgrade: bool,
    changing: &[(String, String)],
    (scope, seen): (Scope, &[(ObjectRef, Option<Value>)]),
) -> Result<Look, PhaseError> {
    let docs = docs(ctx, prepared, is_upgrade).await?;
    let own = docs.iter().filter(|doc| matches!(doc.origin, Origin::Template));
    let wanted: Vec<Value> = own.map(|doc| doc.object.clone()).collect();
    let history = if is_upgrade { Some(release_storage::release_history(ctx).await?) } else { None };
    let base = history.as_ref().and_then(ReleaseHistory::upgrade_base);
    let deployed = release_storage::read_record_of(ctx, base).await?;
    let stored = deployed.as_ref().map(release_storage::manifest_objects).transpose()?.unwrap_or_default();
    let applied = deployed.as_ref().map(|record| record.apply_method.as_deref() == Some("ssa"));
    let comparison = Comparison {
        release: &ctx.release(),
        wanted: &wanted,
        stored: &stored,
        server_side: ctx.helm().version().major >= 4 && applied.unwrap_or(true),
        force: ctx.info().drift == DriftPolicy::Correct || applied.is_none(),
        changing,
        seen,
        redactor: ctx.redactor(),
        rules: ctx.tracker().rules(),
        now: Timestamp::now(),
    };
    let Looked { compared, absent } = compare_within(ctx.cluster(), &comparison, scope).await;
    let events = hook_deletions::events_of_deploy(is_upgrade);
    let deleted = hook_deletions::deleted_by_hooks(ctx, &docs, &events).await?;
    let compared = hook_deletions::with_hooks(compared, deleted);
    Ok(Look { docs, wanted, compared, absent, newest: history.as_ref().map(ReleaseHistory::newest_revision) })
}

/// Asks the server what a rollback makes of the objects that may lose something, without changing anything: helm compares the
/// manifest of the newest revision with that of the one to go back to.
///
/// # Errors
/// When a manifest cannot be read.
pub(crate) async fn preview_rollback(
    ctx: &Context,
    newest: &ReleaseRecord,
    target: &ReleaseRecord,
) -> Result<Looked, PhaseError> {
    let (wanted, stored) = (release_storage::manifest_objects(target)?, release_storage::manifest_objects(newest)?);
    let comparison = Comparison {
        release: &ctx.release(),
        wanted: &wanted,
        stored: &stored,
        server_side: ctx.helm().version().major >= 4 && target.apply_method.as_deref() == Some("ssa"),
        // What a conflict would make helm fail on is no loss.
        force: true,
        changing: &[],
        seen: &[],
        redactor: ctx.redactor(),
        rules: ctx.tracker().rules(),
        now: Timestamp::now(),
    };
    let Looked { compared, absent } =
        compare_within(ctx.cluster(), &comparison, Scope::MayLose { secrets: false }).await;
    let (hooks, events) = (hook_deletions::stored_hooks(target), ["pre-rollback", "post-rollback"]);
    let deleted = hook_deletions::deleted_by_hooks(ctx, &hooks, &events).await?;
    Ok(Looked { compared: hook_deletions::with_hooks(compared, deleted), absent })
}

/// Asks the server what manifests make of the objects that may lose something when they are written over them, without changing
/// anything.
pub(crate) async fn preview_overwriting(ctx: &Context, wanted: &[Value]) -> Vec<Compared> {
    let comparison = Comparison {
        release: &ctx.release(),
        wanted,
        stored: &[],
        server_side: true,
        force: true,
        changing: &[],
        seen: &[],
        redactor: ctx.redactor(),
        rules: ctx.tracker().rules(),
        now: Timestamp::now(),
    };
    compare_within(ctx.cluster(), &comparison, Scope::MayLose { secrets: false }).await.compared
}

/// The kinds of the definitions that a deploy brings to the chart's version before helm runs.
pub(crate) fn kinds_changing(ctx: &Context, wanted: &Wanted) -> Vec<(String, String)> {
    if ctx.info().crds != CrdPolicy::Upgrade {
        return Vec::new();
    }
    chart_definitions(wanted).iter().filter_map(crd_facts).map(|facts| (facts.group, facts.kind)).collect()
}

/// What is going to be applied. Where values from earlier phases are not known yet, that is what renders without them.
async fn docs(ctx: &Context, prepared: &Wanted, is_upgrade: bool) -> Result<Arc<Vec<RenderedDoc>>, PhaseError> {
    let is_open = render::values_are_missing(ctx.info(), &prepared.payload);
    match &prepared.chart {
        Some(_) if is_upgrade && !is_open => render::rendered(ctx, prepared, true, 0).await,
        Some(_) | None => Ok(prepared.rendering.docs()),
    }
}
