//! What a deploy or a rollback is going to do to each object.

use crate::context::Compared;
use crate::context::Context;
use crate::context::DeployPreview;
use crate::context::Outcome;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe::crd_changes;
use crate::observe::dry_run::compare::{Comparison, Looked, Scope, Uninstalled, WriteMethod, compare_within};
use crate::observe::hook_changes::{self, Around};
use crate::observe::hook_deletions;
use crate::observe::observation::scope;
use crate::observe::release_storage;
use crate::observe::release_storage::{ByUninstall, NotServed};
use crate::observe::unserved::as_served;
use crate::render;
use crate::render::chart_definitions;
use pilothouse_core::{
    Change, CrdFacts, CrdPolicy, DriftPolicy, ObjectChange, ObjectRef, ReleaseHistory, Sensitive, crd_facts, object_ref,
};
use pilothouse_helm::{Origin, ReleaseRecord, RenderedDoc};
use serde_json::Value;
use std::sync::Arc;

/// What a deploy makes of objects, as it was looked at right before.
pub(crate) struct LossPreview {
    pub(crate) compared: Vec<Compared>,
    /// What is not wanted any more, and is not there.
    pub(crate) absent: Vec<ObjectRef>,
    /// The newest revision, where there is one that is upgraded.
    pub(crate) newest: Option<u32>,
}

/// Asks the server what a deploy makes of each object, before anything of it is begun and without changing anything: hooks that delete
/// something included, and the chart's definitions, where they take the place of others. Neither Helm's records, `history`, nor objects
/// that were read a moment ago, `seen`, are read again.
///
/// # Errors
/// When the chart cannot be rendered, or a definition or what is deployed cannot be read.
pub(crate) async fn preview_deploy(
    ctx: &Context,
    wanted: &Wanted,
    change: &Change,
    history: &ReleaseHistory,
    seen: &[(ObjectRef, Option<Value>)],
    changed_by_steps: &[CrdFacts],
) -> Result<DeployPreview, PhaseError> {
    let is_upgrade = matches!(change, Change::Upgrade { .. });
    let mut definitions = crd_changes::preview_definitions(ctx, wanted, seen).await?;
    let scope = scope(ctx, is_upgrade).await;
    let upgraded = is_upgrade.then_some(history);
    let over = match (change, upgraded) {
        (Change::Reinstall(_), _) => {
            let record = served(ctx, release_storage::read_record_of(ctx, history.newest()).await?).await?;
            let by_uninstall = record.as_ref().map(release_storage::by_uninstall).transpose()?;
            Over::Uninstalled(by_uninstall.unwrap_or_default())
        }
        (Change::Install | Change::Upgrade { .. } | Change::Uninstall, Some(upgraded)) => Over::Revision(upgraded),
        (Change::Install | Change::Upgrade { .. } | Change::Uninstall, None) => Over::Nothing,
    };
    let mut changing = changed_by_steps.to_vec();
    if let Over::Uninstalled(ByUninstall { deleted, .. }) = &over {
        let anew = definitions_anew(ctx, wanted, deleted).await;
        definitions.retain(|one| !anew.iter().any(|anew| anew.object.same_object(&one.object)));
        definitions.extend(anew);
        changing = kinds_going(ctx, wanted, deleted);
    }
    changing.extend(kinds_changing(&definitions));
    let (docs, manifests) = manifests(ctx, wanted, upgraded).await?;
    let looks = compared(ctx, (&docs, &manifests), &over, &changing, (scope, seen), Some(history));
    let LossPreview { compared, .. } = looks.await?;
    changing.extend(hook_changes::defined_beside(&docs, &compared));
    let deleted = if let Over::Uninstalled(ByUninstall { deleted, .. }) = &over { deleted.as_slice() } else { &[] };
    let around = Around { deleted, changing: &changing, write: write(ctx, true, true), scope };
    let hooks = hook_changes::preview_hooks(ctx, &docs, &hook_deletions::events_of_deploy(is_upgrade), around).await;
    let by_steps = changed_by_steps.to_vec();
    Ok(DeployPreview { docs, definitions, by_steps, manifests: Sensitive::new(manifests), compared, hooks })
}

/// The same right before helm, of the objects of `scope`: what they are by then. `upgraded` are the records of a release that is upgraded,
/// read just now.
///
/// # Errors
/// As for [`preview_deploy`].
pub(crate) async fn preview_losses(
    ctx: &Context,
    wanted: &Wanted,
    upgraded: Option<&ReleaseHistory>,
    scope: Scope,
) -> Result<LossPreview, PhaseError> {
    let (docs, manifests) = manifests(ctx, wanted, upgraded).await?;
    let over = upgraded.map_or(Over::Nothing, Over::Revision);
    compared(ctx, (&docs, &manifests), &over, &kinds_brought(ctx, wanted), (scope, &[]), upgraded).await
}

/// What is there of the release before it is deployed.
enum Over<'a> {
    /// Nothing: it is installed.
    Nothing,
    /// The newest of these revisions: it is upgraded.
    Revision(&'a ReleaseHistory),
    /// What is uninstalled first: then it is installed.
    Uninstalled(ByUninstall),
}

/// What becomes of the objects of `scope`. `changing` are the definitions that are brought first.
async fn compared(
    ctx: &Context,
    (docs, manifests): (&[RenderedDoc], &[Value]),
    over: &Over<'_>,
    changing: &[CrdFacts],
    (scope, seen): (Scope, &[(ObjectRef, Option<Value>)]),
    history: Option<&ReleaseHistory>,
) -> Result<LossPreview, PhaseError> {
    let (upgraded, uninstalled) = match over {
        Over::Nothing => (None, None),
        Over::Revision(history) => (Some(*history), None),
        Over::Uninstalled(by_uninstall) => (None, Some(by_uninstall)),
    };
    let base = upgraded.and_then(ReleaseHistory::upgrade_base);
    let deployed = served(ctx, release_storage::read_record_of(ctx, base).await?).await?;
    let stored = deployed.as_ref().map(release_storage::manifest_objects).transpose()?.unwrap_or_default();
    let applied = deployed.as_ref().map(|record| record.apply_method.as_deref() == Some("ssa"));
    // Over what an uninstall has left, helm takes no fields from others.
    let takes_over = uninstalled.is_none() && (ctx.info().drift == DriftPolicy::Correct || applied.is_none());
    let (release, taken) = (ctx.release(), ctx.taken().await);
    let comparison = Comparison {
        stored: &stored,
        uninstalled: uninstalled.map(|ByUninstall { deleted, kept }| Uninstalled { deleted, kept }).unwrap_or_default(),
        changing,
        seen,
        taken: &taken.objects,
        ..Comparison::over_nothing(ctx, &release, manifests, write(ctx, applied.unwrap_or(true), takes_over))
    };
    let Looked { compared, absent } = compare_within(ctx.cluster(), &comparison, scope).await;
    let deleted = if let Some((uninstalled, history)) = uninstalled.zip(history) {
        let gone = uninstalled.deleted.iter().filter_map(object_ref).collect();
        let gone = release_storage::complete_objects(ctx, gone, NotServed::Skip).await?;
        hook_deletions::deleted_by_reinstall_hooks(ctx, history, docs, &gone).await?
    } else {
        let events = hook_deletions::events_of_deploy(upgraded.is_some());
        hook_deletions::deleted_by_hooks(ctx, docs, &events, history).await?
    };
    let compared = hook_deletions::with_hooks(compared, deleted);
    Ok(LossPreview { compared, absent, newest: upgraded.map(ReleaseHistory::newest_revision) })
}

/// A record as helm is given it, if there is one.
async fn served(ctx: &Context, record: Option<ReleaseRecord>) -> Result<Option<ReleaseRecord>, PhaseError> {
    match record {
        Some(record) => as_served(ctx, record).await.map(Some),
        None => Ok(None),
    }
}

/// Asks the server what a rollback makes of the objects that may lose something, without changing anything: helm compares the
/// manifest of the newest revision with that of the one to go back to.
///
/// # Errors
/// When a manifest cannot be read.
pub(crate) async fn preview_rollback(
    ctx: &Context,
    history: &ReleaseHistory,
    newest: &ReleaseRecord,
    target: &ReleaseRecord,
) -> Result<Looked, PhaseError> {
    let (wanted, stored) = (release_storage::manifest_objects(target)?, release_storage::manifest_objects(newest)?);
    // What a conflict would make helm fail on is no loss.
    let write = write(ctx, target.apply_method.as_deref() == Some("ssa"), true);
    let release = ctx.release();
    let comparison = Comparison { stored: &stored, ..Comparison::over_nothing(ctx, &release, &wanted, write) };
    let Looked { compared, absent } =
        compare_within(ctx.cluster(), &comparison, Scope::MayLose { secrets: false }).await;
    let (hooks, events) = (hook_deletions::stored_hooks(target), ["pre-rollback", "post-rollback"]);
    let deleted = hook_deletions::deleted_by_hooks(ctx, &hooks, &events, Some(history)).await?;
    Ok(Looked { compared: hook_deletions::with_hooks(compared, deleted), absent })
}

/// Asks the server what manifests make of the objects that may lose something when they are written over them, without changing
/// anything.
pub(crate) async fn preview_overwriting(ctx: &Context, wanted: &[Value]) -> Vec<Compared> {
    let release = ctx.release();
    let comparison = Comparison::over_nothing(ctx, &release, wanted, WriteMethod::Apply { force: true });
    compare_within(ctx.cluster(), &comparison, Scope::MayLose { secrets: false }).await.compared
}

/// The definitions that change before helm runs as they are then, and those of which nobody knows whether they do.
fn kinds_changing(definitions: &[Compared]) -> Vec<CrdFacts> {
    let changes =
        |one: &&Compared| matches!(one.outcome, Outcome::Change(ObjectChange::Update) | Outcome::Unreadable { .. });
    let facts = definitions.iter().filter(changes).filter_map(|one| one.then.as_ref().or(one.live.as_ref()));
    facts.filter_map(|definition| crd_facts(definition.expose())).collect()
}

/// The definitions that an uninstall deletes, as they were and as the chart brings them again: what is there of them judges nothing
/// that comes after.
fn kinds_going(ctx: &Context, wanted: &Wanted, deleted: &[Value]) -> Vec<CrdFacts> {
    let mut going: Vec<CrdFacts> = deleted.iter().filter_map(crd_facts).collect();
    if ctx.info().crds != CrdPolicy::Skip {
        let comes_again =
            |facts: &CrdFacts| going.iter().any(|gone| gone.group == facts.group && gone.kind == facts.kind);
        let again: Vec<CrdFacts> = chart_definitions(wanted).iter().filter_map(crd_facts).filter(comes_again).collect();
        going.extend(again);
    }
    going
}

/// The definitions of the chart's `crds/` that take the place of those that an uninstall deletes first.
async fn definitions_anew(ctx: &Context, wanted: &Wanted, deleted: &[Value]) -> Vec<Compared> {
    if ctx.info().crds == CrdPolicy::Skip {
        return Vec::new();
    }
    let is_of = |one: &Value, all: &[Value]| {
        let object = object_ref(one);
        object.is_some_and(|object| all.iter().filter_map(object_ref).any(|other| other.same_object(&object)))
    };
    let anew: Vec<Value> = chart_definitions(wanted).into_iter().filter(|crd| is_of(crd, deleted)).collect();
    let release = ctx.release();
    let comparison = Comparison {
        uninstalled: Uninstalled { deleted: &anew, kept: &[] },
        ..Comparison::over_nothing(ctx, &release, &anew, WriteMethod::Apply { force: true })
    };
    let mut compared = compare_within(ctx.cluster(), &comparison, Scope::All).await.compared;
    // What follows is that they go, which is told by what the uninstall deletes.
    compared.truncate(anew.len());
    compared
}

/// How helm writes what is there: with `force_upgrade` by updates, whoever made the object; otherwise helm 4 as `applied` says that
/// the release was deployed, on the server's side or not, and helm 3 by patches.
fn write(ctx: &Context, applied: bool, takes_over: bool) -> WriteMethod {
    let is_helm_4 = ctx.helm().version().major >= 4;
    match (ctx.info().force_upgrade, is_helm_4 && applied) {
        (true, _) => WriteMethod::Replace { strict: is_helm_4 },
        (false, true) => WriteMethod::Apply { force: takes_over },
        (false, false) => WriteMethod::Patch,
    }
}

/// The definitions that a deploy brings to the chart's version before helm runs.
fn kinds_brought(ctx: &Context, wanted: &Wanted) -> Vec<CrdFacts> {
    if ctx.info().crds != CrdPolicy::Upgrade {
        return Vec::new();
    }
    chart_definitions(wanted).iter().filter_map(crd_facts).collect()
}

/// What is going to be applied: everything that is rendered, and the objects of the release in it. Where values from earlier phases
/// are not known yet, that is what renders without them.
async fn manifests(
    ctx: &Context,
    wanted: &Wanted,
    upgraded: Option<&ReleaseHistory>,
) -> Result<(Arc<Vec<RenderedDoc>>, Vec<Value>), PhaseError> {
    let is_open = render::values_are_missing(ctx.info(), &wanted.payload);
    let docs = match upgraded.filter(|_| wanted.chart.is_some() && !is_open) {
        Some(history) => render::rendered(ctx, wanted, Some(history.newest_revision() + 1), 0).await?,
        None => wanted.rendering.docs(),
    };
    let own = docs.iter().filter(|doc| matches!(doc.origin, Origin::Template));
    let manifests = own.map(|doc| doc.object.clone()).collect();
    Ok((docs, manifests))
}
