//! A release of a plan while it is being made.

use crate::context::Compared;
use pilothouse_core::ReleasePlan;

/// A release of a plan, and what is needed to tell its effects.
pub(crate) struct Draft {
    pub(crate) plan: ReleasePlan,
    pub(crate) compared: Vec<Compared>,
}
