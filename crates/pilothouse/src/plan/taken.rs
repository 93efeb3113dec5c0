//! What releases of a plan take from others that come after them.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::Taken;
use crate::observe;
use crate::plan::draft::Draft;
use pilothouse_core::{HelmAction, ObjectChange, ObjectRef, Plan, PlannedAction, PlannedObject, ReleasePlan, code};

/// What these releases take away: what they delete and do not make again, and what goes with that.
pub(super) fn taken_by<'p>(earlier: impl IntoIterator<Item = &'p ReleasePlan>) -> Taken {
    let mut taken = Taken::default();
    for plan in earlier {
        for one in deleted(plan) {
            let is_made =
                |other: &PlannedObject| other.change == ObjectChange::Create && other.object.same_object(&one.object);
            // Everything in a namespace goes, whether that comes again or not.
            if one.object.kind == "Namespace" || !plan.objects.iter().any(is_made) {
                taken.add(&one.object, &plan.release);
            }
            one.takes.iter().flatten().for_each(|with| taken.add(with, &plan.release));
        }
    }
    taken
}

/// What a release deletes, if it does anything at all.
fn deleted(plan: &ReleasePlan) -> impl Iterator<Item = &PlannedObject> {
    let is_done = plan.does != PlannedAction::Refuse;
    plan.objects.iter().filter(move |one| is_done && one.change == ObjectChange::Delete)
}

/// Whether any of this is the release's, or is going to be.
pub(super) async fn concerns(ctx: &Context, draft: &Draft, taken: &Taken) -> bool {
    if taken.objects.is_empty() || ctx.info().action != HelmAction::Deploy {
        return false;
    }
    let is_taken = |object: &ObjectRef| taken.by(object).is_some();
    let is_refused_for = |object: &ObjectRef| draft.plan.findings.iter().any(|one| one.subject == object.to_string());
    if draft.compared.iter().any(|one| is_taken(&one.object)) || taken.objects.iter().any(is_refused_for) {
        return true;
    }
    // Of one whose objects were not compared, the manifest tells; where it cannot be read, a closer look says so.
    let objects = async { observe::objects_of(ctx, observe::release_history(ctx).await?.upgrade_base()).await };
    objects.await.map_or(true, |objects| objects.iter().any(is_taken))
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
                other != node && !stands_on[node].contains(&other) && !stands_on[other].contains(&node)
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
