//! What releases of a plan take from others that come after them.

#[cfg(test)]
#[path = "taken_tests.rs"]
mod tests;

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::Taken;
use crate::context::is_or_holds;
use crate::error::PhaseError;
use crate::observe;
use crate::plan::brings::Brings;
use crate::plan::draft::Draft;
use crate::plan::draft::deleted;
use crate::plan::held::Held;
use pilothouse_core::{
    Class, CrdFacts, Finding, HelmAction, ObjectChange, ObjectRef, Plan, PlannedAction, PlannedObject, ReleaseKey,
    ReleasePlan, Sensitive, code, crd_facts,
};

/// What these releases take away: what they delete and do not make again, and what goes with that.
pub(super) fn taken_by<'p>(earlier: impl IntoIterator<Item = &'p ReleasePlan>) -> Taken {
    let mut taken = Taken::default();
    for plan in earlier {
        for one in deleted(plan) {
            // Everything in a namespace goes, whether that comes again or not.
            if one.object.is_namespace() || !makes(plan, &one.object) {
                taken.add(&one.object, &plan.release);
            }
            let gone = one.takes.iter().flatten().filter(|with| !makes(plan, with));
            gone.for_each(|with| taken.add(with, &plan.release));
        }
    }
    taken
}

/// Whether a release makes an object, be it again.
fn makes(plan: &ReleasePlan, object: &ObjectRef) -> bool {
    plan.objects.iter().any(|one| one.change == ObjectChange::Create && one.object.same_object(object))
}

/// Whether an object is of this definition, which a release deletes; where that was not read, its group alone tells.
fn is_of(draft: &Draft, definition: &ObjectRef, object: &ObjectRef) -> bool {
    let mut read = draft.compared.iter().filter(|one| one.object.same_object(definition));
    let facts: Option<CrdFacts> = read.find_map(|one| crd_facts(one.live.as_ref().map(Sensitive::expose)?));
    let group = definition.name.split_once('.').map(|(_, group)| group);
    facts.map_or_else(|| group.is_some() && object.group() == group, |facts| facts.is_of(object))
}

fn is_definition(object: &ObjectRef) -> bool {
    object.kind == "CustomResourceDefinition"
}

/// Why a release would come to nothing once earlier ones have taken away what its objects need, or Helm's records of it: that must come
/// again with the same release. `objects` are those that it has or wants.
pub(super) fn lost<'a>(
    release: &ReleaseKey,
    (objects, has_records): (&[ObjectRef], bool),
    earlier: impl IntoIterator<Item = (&'a Draft, &'a Brings)>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (draft, brings) in earlier {
        let by = &draft.plan.release;
        for gone in deleted(&draft.plan) {
            let comes_again = makes(&draft.plan, &gone.object);
            if gone.object.is_namespace() {
                let name = &gone.object.name;
                let mut add = |subject: String, why: String| {
                    findings.push(Finding::new(Class::Unsafe, code::NAMESPACE_MISSING, subject, why));
                };
                if release.namespace == *name && has_records {
                    let why =
                        format!("{by} deletes namespace {name} first, and Helm's records of this release with it");
                    add(release.to_string(), why);
                } else if !comes_again {
                    let within = objects.iter().filter(|object| object.namespace.as_ref() == Some(name));
                    for object in within {
                        let why = format!("{by} deletes namespace {name} first, and does not make it again");
                        add(object.to_string(), why);
                    }
                }
            } else if is_definition(&gone.object) {
                let is_served =
                    |object: &ObjectRef| comes_again && brings.kinds.iter().any(|facts| facts.serves(object));
                let of_it = objects.iter().filter(|object| is_of(draft, &gone.object, object));
                for object in of_it.filter(|object| !is_served(object)) {
                    let again = if comes_again { "makes none again that serves it" } else { "does not make it again" };
                    let why = format!("{by} deletes its definition {} first, and {again}", gone.object.name);
                    findings.push(Finding::new(Class::Unsafe, code::API_NOT_SERVED, object, why));
                }
            }
        }
    }
    findings
}

/// As [`lost`]; of what is not rendered here, what is deployed counts. Reads nothing where no earlier release deletes a definition or a
/// namespace.
pub(super) async fn lost_to<'a>(
    ctx: &Context,
    draft: &Draft,
    held: &Held,
    earlier: impl Iterator<Item = (&'a Draft, &'a Brings)>,
) -> Vec<Finding> {
    let is_ground = |one: &PlannedObject| one.object.is_namespace() || is_definition(&one.object);
    let earlier: Vec<_> = earlier.filter(|(draft, _)| deleted(&draft.plan).any(is_ground)).collect();
    if earlier.is_empty() {
        return Vec::new();
    }
    let known = async {
        let history = observe::release_history(ctx).await?;
        let objects = match &held.objects {
            Some(objects) => objects.clone(),
            None => observe::objects_of(ctx, history.upgrade_base()).await?,
        };
        Ok::<_, PhaseError>((objects, history.newest().is_some()))
    };
    match known.await {
        Ok((objects, has_records)) => lost(&draft.plan.release, (&objects, has_records), earlier),
        Err(error) => {
            let message = ctx.redactor().redact(&error.chain().join(": "));
            vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), message)]
        }
    }
}

/// Warns of what goes with a release that is not known to come first: this one looks at it as if it stayed.
pub(super) fn goes_with_others(drafts: &mut [Draft], held: &[Held], stands_on: &[Vec<usize>]) {
    let mut warnings = Vec::new();
    for (node, (draft, held)) in drafts.iter().zip(held).enumerate() {
        if held.action != HelmAction::Deploy {
            continue;
        }
        let objects = held.objects.as_deref().unwrap_or_default();
        for (other, by) in drafts.iter().enumerate() {
            if other == node || stands_on[node].contains(&other) {
                continue;
            }
            let goes = |object: &&ObjectRef| deleted(&by.plan).any(|gone| goes_with(by, gone, object));
            let is_told = |object: &ObjectRef| {
                draft.plan.findings.iter().any(|one| one.subject == object.to_string())
                    || deleted(&draft.plan).any(|one| one.object.same_object(object))
            };
            let gone: Vec<&ObjectRef> = objects.iter().filter(goes).filter(|object| !is_told(object)).collect();
            let Some(first) = gone.first() else { continue };
            let by = &by.plan;
            let what = match gone.len() {
                1 => format!("{first} goes with {}", by.release),
                count => format!("{first} and {} more go with {}", count - 1, by.release),
            };
            let need = if stands_on[other].contains(&node) {
                ", which comes after this release".to_owned()
            } else if by.does == PlannedAction::Uninstall {
                // It cannot be needed.
                String::new()
            } else {
                format!(": let this release need {}", by.release)
            };
            warnings.push((node, format!("{what}{need}")));
        }
    }
    for (node, warning) in warnings {
        drafts[node].plan.warnings.push(warning);
    }
}

/// Whether an object goes with one that a release deletes, and that release does not make it again itself.
fn goes_with(by: &Draft, gone: &PlannedObject, object: &ObjectRef) -> bool {
    let with = || gone.takes.iter().flatten().any(|one| one.same_object(object));
    let of_it = || is_definition(&gone.object) && is_of(by, &gone.object, object);
    (is_or_holds(&gone.object, object) || with() || of_it()) && !makes(&by.plan, object)
}

/// Whether any of this is the release's, or is going to be.
pub(super) fn concerns(draft: &Draft, held: &Held, taken: &Taken) -> bool {
    if taken.objects.is_empty() || held.action != HelmAction::Deploy {
        return false;
    }
    let is_taken = |object: &ObjectRef| taken.by(object).is_some();
    let is_refused_for = |object: &ObjectRef| draft.plan.findings.iter().any(|one| one.subject == object.to_string());
    if draft.compared.iter().any(|one| is_taken(&one.object)) || taken.objects.iter().any(is_refused_for) {
        return true;
    }
    // Of one whose objects were not compared; where nobody knows them, a closer look says so.
    held.objects.as_ref().is_none_or(|objects| objects.iter().any(is_taken))
}

/// Lets releases take away before the turn of others what a saved plan says, so that these are looked at as the plan has them.
pub(crate) async fn foresee_taken(
    plan: &Plan,
    stands_on: &[Vec<usize>],
    contexts: &[Context],
    runs: &mut [ReleaseRun],
) {
    let planned: Vec<Option<&ReleasePlan>> =
        contexts.iter().map(|ctx| plan.releases.iter().find(|planned| planned.release == ctx.release())).collect();
    for (node, (ctx, run)) in contexts.iter().zip(runs).enumerate() {
        let taken = taken_by(stands_on[node].iter().filter_map(|&on| planned[on]));
        let does = planned[node].map_or(PlannedAction::Nothing, |planned| planned.does);
        if !taken.objects.is_empty() && does != PlannedAction::Nothing {
            ctx.expect_taken(taken).await;
            run.settled = None;
        }
    }
}

/// Says of what another release deletes in the same run how it can come into this one's hands: nobody knows yet which of them comes first.
pub(super) fn hint_at_needs(drafts: &mut [Draft], stands_on: &[Vec<usize>]) {
    let mut hints = Vec::new();
    for (node, draft) in drafts.iter().enumerate() {
        for (place, finding) in draft.plan.findings.iter().enumerate() {
            let may_need = |&(other, _): &(usize, &Draft)| {
                // What is destroyed cannot be needed.
                other != node
                    && drafts[other].plan.does != PlannedAction::Uninstall
                    && !stands_on[node].contains(&other)
                    && !stands_on[other].contains(&node)
            };
            let deletes = |other: &Draft| deleted(&other.plan).any(|one| one.object.to_string() == finding.subject);
            let mut others = drafts.iter().enumerate().filter(may_need).filter(|(_, other)| deletes(other));
            if finding.code == code::OWNERSHIP_CONFLICT
                && let Some((_, other)) = others.next()
            {
                let hint = format!(": let this release need {}, which deletes it", other.plan.release);
                hints.push((node, place, hint));
            }
        }
    }
    for (node, place, hint) in hints {
        drafts[node].plan.findings[place].message.push_str(&hint);
    }
}
