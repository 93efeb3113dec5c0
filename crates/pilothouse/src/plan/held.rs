//! What releases of a plan have or are going to have.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Outcome;
use crate::context::ReleaseRun;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::NotServed;
use crate::plan::draft::Draft;
use crate::plan::draft::deleted;
use crate::render;
use pilothouse_core::{HelmAction, ObjectChange, ObjectRef, Payload, ReleasePlan, Sensitive, object_ref};
use serde_json::Value;

/// What a release has or is going to have.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) action: HelmAction,
    /// With its hooks and definitions; `None` where nobody knows.
    pub(super) objects: Option<Vec<ObjectRef>>,
}

impl Held {
    /// What it wants, and of one that stays as it is what is deployed.
    pub(super) async fn of(ctx: &Context, run: &ReleaseRun) -> Self {
        let action = ctx.info().action;
        Self { action, objects: objects(ctx, run).await.unwrap_or_default() }
    }
}

async fn objects(ctx: &Context, run: &ReleaseRun) -> Result<Option<Vec<ObjectRef>>, PhaseError> {
    if ctx.info().action == HelmAction::Destroy {
        return Ok(Some(Vec::new()));
    }
    if run.settled.is_some() || ctx.info().action == HelmAction::Skip {
        let history = observe::release_history(ctx).await?;
        return observe::objects_of(ctx, history.upgrade_base()).await.map(Some);
    }
    let wanted = render::wanted(ctx).await;
    if render::values_are_missing(ctx.info(), &Payload::default()) || !wanted.findings.is_empty() {
        return Ok(None);
    }
    let objects = wanted.rendering.docs().iter().filter_map(|doc| object_ref(&doc.object)).collect();
    observe::complete_objects(ctx, objects, NotServed::Keep).await.map(Some)
}

/// Whether nobody has an object by the turn of a release: one that this waits for deletes it and is known not to make it again, no other
/// one may want it, and it is gone as soon as it is deleted.
pub(super) fn is_free(object: &ObjectRef, node: usize, earlier: &[usize], drafts: &[Draft], held: &[Held]) -> bool {
    let deletes = |&&on: &&usize| {
        let Draft { plan, compared } = &drafts[on];
        let is_it = |one: &&Compared| one.object.same_object(object);
        deleted(plan).any(|one| one.object.same_object(object))
            && !compared.iter().any(|one| matches!(one.outcome, Outcome::Unreadable { .. }))
            && compared
                .iter()
                .filter(is_it)
                .find_map(|one| one.live.as_ref())
                .map(Sensitive::expose)
                .is_some_and(goes_at_once)
    };
    let mut others = drafts.iter().zip(held).enumerate().filter(|(other, _)| *other != node);
    earlier.iter().any(|on| deletes(&on)) && !others.any(|(_, (draft, held))| may_have(&draft.plan, held, object))
}

fn may_have(plan: &ReleasePlan, held: &Held, object: &ObjectRef) -> bool {
    let has = |one: &ObjectRef| one.same_object(object);
    // A hook names its namespace or not.
    let is_hook = |one: &ObjectRef| one.kind.eq_ignore_ascii_case(&object.kind) && one.name == object.name;
    held.objects.as_ref().is_none_or(|objects| objects.iter().any(has))
        || plan.objects.iter().any(|one| one.change != ObjectChange::Delete && has(&one.object))
        || plan.same.iter().any(|one| has(&one.object))
        || plan.hooks.iter().any(|one| is_hook(&one.object))
}

/// Whether nothing holds it up once it is deleted: helm does not wait for that in an upgrade.
fn goes_at_once(live: &Value) -> bool {
    let is_empty = |list: &Value| list.as_array().is_some_and(Vec::is_empty);
    live.pointer("/metadata/finalizers").is_none_or(is_empty)
        && live.pointer("/metadata/deletionTimestamp").is_none()
        && live["kind"] != "Pod"
        && !(live["kind"] == "Service" && live.pointer("/spec/type").is_some_and(|of| of == "LoadBalancer"))
}
