//! What a chart with a lifecycle implements, and what its phases do by default.

pub(crate) mod chart;
pub(crate) mod declared;
pub mod defaults;
