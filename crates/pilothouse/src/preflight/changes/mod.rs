//! Reasons against what a deploy does to objects.

pub(crate) mod definitions;
pub(crate) mod deleted;
pub(crate) mod deletions;
pub(crate) mod hooks;
pub(crate) mod immutable;
mod made_again;
pub(crate) mod reclaimed;
pub(crate) mod refusals;
pub(crate) mod refused;
pub(crate) mod regenerated;
pub(crate) mod scaled_down;
