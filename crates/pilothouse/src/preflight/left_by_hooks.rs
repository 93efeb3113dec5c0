//! What hooks of an uninstall leave in the way of the install that follows.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::{ByUninstall, NotServed};
use crate::render;
use pilothouse_core::{Class, Finding, ObjectRef, ReleaseHistory, code, helm_owner, object_ref};
use pilothouse_helm::{Origin, RenderedDoc};

/// The objects of a release that is uninstalled first which hooks of that uninstall make and leave: helm writes nothing on them that
/// tells whose they are, and installs nothing over them. No `adopt` step has its turn between the two.
///
/// # Errors
/// When Helm's record or the cluster's kinds cannot be read.
pub(crate) async fn findings(
    ctx: &Context,
    history: &ReleaseHistory,
    docs: &[RenderedDoc],
) -> Result<Vec<Finding>, PhaseError> {
    let Some(record) = observe::read_record_of(ctx, history.newest()).await? else { return Ok(Vec::new()) };
    let hooks = observe::stored_hooks(&record);
    if hooks.is_empty() {
        return Ok(Vec::new());
    }
    let mut left = made_at(ctx, &hooks, "pre-delete", Vec::new()).await?;
    let ByUninstall { deleted, .. } = observe::by_uninstall(&record)?;
    let deleted = complete(ctx, deleted.iter().filter_map(object_ref).collect()).await?;
    left.retain(|(one, _)| !deleted.iter().any(|gone| gone.same_object(one)));
    let left = made_at(ctx, &hooks, "post-delete", left).await?;
    let wanted = complete(ctx, render::rendered_objects(docs)).await?;
    let in_way = left.into_iter().filter(|(one, _)| wanted.iter().any(|wanted| wanted.same_object(one)));
    let finding = |(object, event): (ObjectRef, &str)| {
        let message = format!(
            "a {event} hook of the deployed revision makes it in the uninstall that comes first, and leaves it as nobody's: helm would not install over it. Give it another name in the chart, or destroy the release, delete it, and deploy anew"
        );
        Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, object, message)
    };
    Ok(in_way.map(finding).collect())
}

/// What is left once the hooks of an event have run as well, with the event.
async fn made_at<'e>(
    ctx: &Context,
    hooks: &[RenderedDoc],
    event: &'e str,
    mut left: Vec<(ObjectRef, &'e str)>,
) -> Result<Vec<(ObjectRef, &'e str)>, PhaseError> {
    let mut run: Vec<(i32, &RenderedDoc, bool)> = hooks.iter().filter_map(|doc| run_at(doc, event)).collect();
    run.sort_by_key(|(weight, ..)| *weight);
    for (_, doc, is_deleted) in run {
        for object in complete(ctx, object_ref(&doc.object).into_iter().collect()).await? {
            left.retain(|(one, _)| !one.same_object(&object));
            if !is_deleted && !helm_owner(&doc.object).is(&ctx.release()) {
                left.push((object, event));
            }
        }
    }
    Ok(left)
}

/// Its weight, if it runs at this event, and whether helm deletes its object once it has ended well. It never deletes a definition that is
/// a hook.
fn run_at<'d>(doc: &'d RenderedDoc, event: &str) -> Option<(i32, &'d RenderedDoc, bool)> {
    let Origin::Hook { kind, events, weight, delete_policies } = &doc.origin else { return None };
    let is_deleted =
        kind != "CustomResourceDefinition" && delete_policies.iter().any(|policy| policy == "hook-succeeded");
    events.iter().any(|one| one == event).then_some((*weight, doc, is_deleted))
}

async fn complete(ctx: &Context, objects: Vec<ObjectRef>) -> Result<Vec<ObjectRef>, PhaseError> {
    observe::complete_objects(ctx, objects, NotServed::Skip).await
}
