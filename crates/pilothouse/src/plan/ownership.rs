//! The owners of a planned release's objects.

use crate::context::Context;
use crate::context::Steps;
use crate::error::PhaseError;
use crate::preflight;
use crate::preflight::Adopting;
use pilothouse_core::{ObjectChange, ObjectRef, OwnershipCounts, PlannedAction, ReleasePlan};
use serde_json::Value;

/// Notes the owner of each object that the release wants, and whether it is adopted. `deployed` is how many more the release
/// already owns.
///
/// # Errors
/// When that cannot be told.
pub(super) async fn tell(
    steps: &Steps,
    ctx: &Context,
    plan: &mut ReleasePlan,
    wanted: &[(ObjectRef, Option<Value>)],
    deployed: usize,
) -> Result<(), PhaseError> {
    let adopting = Adopting::of(steps, ctx).await?;
    let mut counts = OwnershipCounts { own: deployed, ..OwnershipCounts::default() };
    for ((object, _), whose) in wanted.iter().zip(preflight::whose(ctx, wanted).await?) {
        counts.add(&whose);
        let is_wanted = |change: &ObjectChange| !matches!(change, ObjectChange::Delete | ObjectChange::Keep);
        let mut planned = plan.objects.iter_mut();
        if let Some(planned) = planned.find(|one| is_wanted(&one.change) && one.object.same_object(object)) {
            planned.not_adopted = adopting.refusal(object, &whose);
            planned.ownership = Some(whose);
        }
    }
    let is_new = matches!(plan.does, PlannedAction::Install | PlannedAction::Reinstall);
    plan.ownership = (is_new || adopting.has_steps()).then_some(counts);
    Ok(())
}
