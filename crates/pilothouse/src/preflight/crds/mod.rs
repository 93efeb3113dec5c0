//! The chart's custom resource definitions, and what changing them breaks.

pub(crate) mod breaks;
pub(crate) mod chart_crds;
pub(crate) mod fields;
