//! A release of a plan while it is being made.

use crate::context::Compared;
use pilothouse_core::{ObjectChange, PlannedAction, PlannedObject, ReleasePlan};

/// A release of a plan, and what is needed to tell its effects.
pub(crate) struct Draft {
    pub(crate) plan: ReleasePlan,
    pub(crate) compared: Vec<Compared>,
}

/// What a release deletes, if it does anything at all.
pub(super) fn deleted(plan: &ReleasePlan) -> impl Iterator<Item = &PlannedObject> {
    let is_done = plan.does != PlannedAction::Refuse;
    plan.objects.iter().filter(move |one| is_done && one.change == ObjectChange::Delete)
}
