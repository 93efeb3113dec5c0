//! Whether a release is still what a saved plan says, when its turn has come: releases before it, and its own steps, have been at
//! work since the plan was compared with the cluster.

use crate::context::Context;
use crate::context::Planned;
use crate::context::ReleaseRun;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::kept_digest::Given;
use crate::observe;
use crate::observe::NotServed;
use crate::render;
use pilothouse_core::{
    Class, Decision, DigestKey, Finding, ObjectRef, Payload, PlannedAction, PlannedRendering, code, object_ref,
};
use pilothouse_helm::{Origin, RenderedDoc};

/// How many objects are named that are in no line of a plan.
const NAMED: usize = 3;

/// What a release is going to be rendered from and to in its turn, as digests under the plan's key; and whether that is known only
/// once kinds have come.
///
/// # Errors
/// When there is no chart.
pub(crate) async fn planned_rendering(
    ctx: &Context,
    wanted: &Wanted,
    is_upgrade: bool,
    key: &DigestKey,
) -> Result<(PlannedRendering, bool), PhaseError> {
    let (mut rendering, is_comparable) = inputs(ctx, wanted, key).await?;
    if is_comparable && !wanted.looks_up_later {
        // Where helm refuses to look something up, it will not be compared.
        let rendered = observe::stable_rendering(ctx, wanted, is_upgrade).await;
        rendering.result = rendered.ok().map(|(_, result)| kept(key, &result));
    }
    Ok((rendering, wanted.looks_up_later && is_comparable))
}

fn kept(key: &DigestKey, digest: &str) -> String {
    Given::new(key, digest, &[]).digest().to_owned()
}

/// What it is rendered from, and whether what it renders to may differ although that is the same.
async fn inputs(ctx: &Context, wanted: &Wanted, key: &DigestKey) -> Result<(PlannedRendering, bool), PhaseError> {
    // What comes from steps is not known when a plan is made.
    let given = kept(key, &render::digest_of_deploy(ctx, wanted.chart()?, &Payload::default()).await);
    let is_known = !render::values_are_missing(ctx.info(), &wanted.payload);
    let looks_up = wanted.uses.lookup || wanted.looks_up_later;
    let served = (is_known && wanted.uses.capabilities && !looks_up)
        .then(|| kept(key, &render::capabilities(&wanted.uses, &wanted.serves)));
    let is_comparable = is_known && (wanted.uses.capabilities || looks_up);
    Ok((PlannedRendering { given, served, result: None }, is_comparable))
}

/// Why the release is not what the plan says any more. Another attempt, and what an earlier run has begun, finds what it has left
/// itself: then only chart and values are those of the plan.
pub(crate) async fn planned_findings(
    ctx: &Context,
    run: &ReleaseRun,
    wanted: &Wanted,
    decision: &Decision,
) -> Vec<Finding> {
    let Some(planned) = &run.planned else { return Vec::new() };
    let finding = |message: String| vec![Finding::new(Class::Unsafe, code::PLAN_OUTDATED, ctx.release(), message)];
    if planned.release.does == PlannedAction::Refuse {
        return finding("the plan refuses it: put that right and make the plan anew".to_owned());
    }
    let is_first = run.attempts.current() == 1 && !ctx.is_under_way();
    let now = PlannedAction::from(decision);
    if is_first && !is_within(now, planned.release.does) {
        let (then, now) = (in_words(planned.release.does), in_words(now));
        return finding(format!("the plan says that {then}, and now {now}"));
    }
    if is_first
        && wanted.uses.revision
        && let Some(message) =
            other_revision(planned.release.revision, observe::observed(ctx).await.known_history().newest_revision())
    {
        return finding(message);
    }
    let Some(then) = planned.release.rendering.as_ref().filter(|_| deploys(now)) else { return Vec::new() };
    match differs(ctx, wanted, planned, then, is_first).await {
        Ok(None) => Vec::new(),
        Ok(Some(how)) => finding(how),
        Err(PhaseError::Refused(findings)) => findings,
        Err(error) => {
            vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), error.chain().join(": "))]
        }
    }
}

/// How what is rendered now is not what was planned.
async fn differs(
    ctx: &Context,
    wanted: &Wanted,
    planned: &Planned,
    then: &PlannedRendering,
    is_first: bool,
) -> Result<Option<String>, PhaseError> {
    let (mut now, _) = inputs(ctx, wanted, &planned.key).await?;
    if then.given != now.given {
        return Ok(Some("chart or values are not those of the plan: they were written since".to_owned()));
    }
    // Where chart and values are the same, and so is what the cluster answers, so is the result: what differs is made up. What a
    // chart looks up has no digest of its own.
    let has_same_answers = then.served.is_some() && then.served == now.served;
    if !is_first || then.result.is_none() || has_same_answers {
        return Ok(None);
    }
    let is_upgrade = planned.release.does == PlannedAction::Upgrade;
    let (docs, result) = observe::stable_rendering(ctx, wanted, is_upgrade).await?;
    now.result = Some(kept(&planned.key, &result));
    if then.result == now.result {
        return Ok(None);
    }
    let new = in_no_line(ctx, planned, &docs).await;
    Ok(Some(format!("what it renders to is not what the plan has: {new}")))
}

/// How Helm's newest revision is not the one that the plan has seen: somebody was at work, even if no object tells.
pub(crate) fn other_revision(planned: u32, now: u32) -> Option<String> {
    (planned != now).then(|| format!("the plan was made at revision {planned}, and now there is revision {now}"))
}

/// Whether what is done now is what was planned, or less.
fn is_within(now: PlannedAction, planned: PlannedAction) -> bool {
    match now {
        PlannedAction::Nothing => true,
        PlannedAction::Validate | PlannedAction::Steps => now == planned || deploys(planned),
        // What is refused is refused for what it is.
        PlannedAction::Refuse => true,
        PlannedAction::Install | PlannedAction::Upgrade | PlannedAction::Reinstall | PlannedAction::Uninstall => {
            now == planned
        }
    }
}

fn deploys(does: PlannedAction) -> bool {
    match does {
        PlannedAction::Install | PlannedAction::Upgrade | PlannedAction::Reinstall => true,
        PlannedAction::Nothing
        | PlannedAction::Validate
        | PlannedAction::Steps
        | PlannedAction::Uninstall
        | PlannedAction::Refuse => false,
    }
}

/// The objects that it renders now and that are neither in the plan nor deployed, in words.
async fn in_no_line(ctx: &Context, planned: &Planned, docs: &[RenderedDoc]) -> String {
    let otherwise = "what the cluster answers to its templates has changed since".to_owned();
    let own = docs.iter().filter(|doc| matches!(doc.origin, Origin::Template));
    let rendered: Vec<ObjectRef> = own.filter_map(|doc| object_ref(&doc.object)).collect();
    let Ok(rendered) = observe::complete_objects(ctx, rendered, NotServed::Skip).await else { return otherwise };
    let Ok(history) = observe::history_for_look(ctx).await else { return otherwise };
    let Ok(deployed) = observe::objects_of(ctx, history.upgrade_base()).await else { return otherwise };
    let planned = &planned.release.objects;
    let is_known = |object: &ObjectRef| {
        // The namespace of one whose kind was to come is not told.
        let is_planned = planned.iter().map(|planned| &planned.object).any(|planned| {
            let same_name =
                planned.kind == object.kind && planned.group() == object.group() && planned.name == object.name;
            planned.same_object(object) || same_name && planned.namespace.is_none()
        });
        is_planned || deployed.iter().any(|deployed| deployed.same_object(object))
    };
    let new = rendered.iter().filter(|object| !is_known(object));
    let new: Vec<String> = new.map(ToString::to_string).collect();
    match new.len() {
        0 => otherwise,
        1 => format!("{} is in no line of it", new[0]),
        n if n <= NAMED => format!("{} are in no line of it", new.join(", ")),
        n => format!("{} and {} more are in no line of it", new[..NAMED].join(", "), n - NAMED),
    }
}

/// What is done, as the end of a sentence.
pub(crate) fn in_words(does: PlannedAction) -> &'static str {
    match does {
        PlannedAction::Nothing => "nothing is done",
        PlannedAction::Validate => "it is validated only",
        PlannedAction::Steps => "its steps are run",
        PlannedAction::Install => "it is installed",
        PlannedAction::Upgrade => "it is upgraded",
        PlannedAction::Reinstall => "it is uninstalled and installed",
        PlannedAction::Uninstall => "it is uninstalled",
        PlannedAction::Refuse => "it is refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(PlannedAction::Nothing, PlannedAction::Upgrade, true)]
    #[case(PlannedAction::Validate, PlannedAction::Upgrade, true)]
    #[case(PlannedAction::Steps, PlannedAction::Install, true)]
    #[case(PlannedAction::Upgrade, PlannedAction::Upgrade, true)]
    #[case(PlannedAction::Steps, PlannedAction::Nothing, false)]
    #[case(PlannedAction::Upgrade, PlannedAction::Nothing, false)]
    #[case(PlannedAction::Reinstall, PlannedAction::Upgrade, false)]
    #[case(PlannedAction::Upgrade, PlannedAction::Install, false)]
    #[case(PlannedAction::Uninstall, PlannedAction::Reinstall, false)]
    fn no_more_is_done_than_was_planned(
        #[case] now: PlannedAction,
        #[case] planned: PlannedAction,
        #[case] expected: bool,
    ) {
        assert_eq!(is_within(now, planned), expected);
    }
}
