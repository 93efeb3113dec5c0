//! What the releases of a stack are about, found out without changing anything.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::Found;
use crate::observe::NotServed;
use crate::phases::HelmChart;
use crate::phases::steps_of;
use crate::render;
use pilothouse_core::{
    DeployRecord, HelmAction, ObjectRef, Payload, ReleaseHistory, ReleaseKey, RevisionMeta, Untold, object_ref,
};
use pilothouse_kube::record_ref;
use serde_json::Value;

/// How many of Helm's revisions of a release are copied at most, from the newest.
const REVISIONS: usize = 10;

/// What one release is about.
#[derive(Debug, Default)]
pub(super) struct AboutRelease {
    /// Objects of the target, of what is deployed, and of its steps; complete.
    pub(super) objects: Vec<ObjectRef>,
    /// The objects it renders, for what their pods name; a namespace is filled in.
    pub(super) rendered: Vec<Value>,
    /// Helm's records.
    pub(super) records: Vec<ObjectRef>,
    /// Who wrote Helm's newest record.
    pub(super) manager: Option<String>,
    /// What we remember of it.
    pub(super) remembered: Option<DeployRecord>,
    pub(super) not_copied: Vec<Untold>,
    pub(super) not_exercised: Vec<String>,
}

/// Finds out what a release is about.
///
/// # Errors
/// When Helm's records cannot be read: nobody knows then what a run would do.
pub(super) async fn about<C: HelmChart + ?Sized>(chart: &C, ctx: &Context) -> Result<AboutRelease, PhaseError> {
    let mut about = AboutRelease::default();
    let release = ctx.release();
    if ctx.info().action == HelmAction::Skip {
        return Ok(about);
    }
    let mut named = Vec::new();
    let history = observe::release_history(ctx).await?;
    let newest = history.newest();
    ctx.expect_revision(newest.map(|newest| newest.revision + 1)).await;
    if ctx.info().action == HelmAction::Deploy {
        named.extend(rendered(ctx, &mut about).await);
    }
    // What is deployed, what helm compares with, and what a rollback would bring back.
    let mut looked_at: Vec<&RevisionMeta> = newest.into_iter().chain(needed(&history)).collect();
    looked_at.dedup_by_key(|meta| meta.revision);
    for meta in looked_at {
        if let Some(record) = observe::read_record(ctx, meta).await? {
            named.extend(observe::manifest_objects(&record)?.iter().filter_map(object_ref));
            let hooks = record.hooks.iter().map(|hook| pilothouse_helm::parse_documents(&hook.manifest));
            named.extend(hooks.flat_map(Result::unwrap_or_default).filter_map(|hook| object_ref(&hook)));
        }
    }
    for step in steps_of(chart).all() {
        named.extend(step.concerns().await);
    }
    about.objects = observe::complete_objects(ctx, named, NotServed::Keep).await?;
    about.records = records(ctx, &history);
    if let Some(newest) = newest {
        about.manager.clone_from(&newest.manager);
        if newest.status.is_under_way() {
            about.not_exercised.push(format!(
                "{release}: revision {} is {}; whether that is left over is told by its age, and in the copy it is new",
                newest.revision, newest.status
            ));
        }
    }
    remember(ctx, &release, &mut about).await;
    Ok(about)
}

/// The objects a release renders. What cannot be rendered is told by the run itself.
async fn rendered(ctx: &Context, about: &mut AboutRelease) -> Vec<ObjectRef> {
    let release = ctx.release();
    let wanted = render::make_wanted(ctx, &Payload::default()).await;
    if render::values_are_missing(ctx.info(), &Payload::default()) {
        let why = "values that come from a step are known only in the run";
        about.not_copied.push(Untold::new(format!("what {release} is going to have"), why));
    }
    if wanted.uses.lookup {
        about.not_exercised.push(format!(
            "{release} looks objects of the cluster up when it is rendered: what was not copied is not found"
        ));
    }
    let docs = wanted.rendering.docs();
    about.rendered = docs.iter().map(|doc| doc.object.clone()).collect();
    for object in &mut about.rendered {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.entry("namespace").or_insert_with(|| Value::from(release.namespace.as_str()));
        }
    }
    let named = docs.iter().filter_map(|doc| object_ref(&doc.object)).collect();
    ctx.forget_reads();
    ctx.compress_renderings().await;
    named
}

/// What helm compares with, and what a rollback would bring back, each once.
fn needed(history: &ReleaseHistory) -> impl Iterator<Item = &RevisionMeta> {
    let base = history.upgrade_base();
    base.into_iter().chain(history.last_deployed().filter(|good| base != Some(good)))
}

/// The newest of Helm's records, and those that a run needs besides.
fn records(ctx: &Context, history: &ReleaseHistory) -> Vec<ObjectRef> {
    let mut kept: Vec<&RevisionMeta> = history.revisions().iter().rev().take(REVISIONS).collect();
    for needed in needed(history) {
        if !kept.contains(&needed) {
            kept.push(needed);
        }
    }
    let driver = ctx.session().driver;
    kept.into_iter().map(|meta| record_ref(driver, &meta.namespace, &meta.name, meta.revision)).collect()
}

async fn remember(ctx: &Context, release: &ReleaseKey, about: &mut AboutRelease) {
    let what = || format!("what pilothouse remembers of {release}");
    match observe::read_deploy_record(ctx.cluster(), release, ctx.session().state_key()).await {
        Ok(None) => {}
        Ok(Some(Found::Record(record))) => about.remembered = Some(*record),
        // Then the next run compares, there as here.
        Ok(Some(Found::Damaged(why))) => about.not_copied.push(Untold::new(what(), why)),
        Err(error) => about.not_copied.push(Untold::new(what(), ctx.error_text(&error))),
    }
}
