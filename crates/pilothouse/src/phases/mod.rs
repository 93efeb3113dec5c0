//! What a chart with a lifecycle implements, and what its phases do by default.

mod chart;
mod declared;
pub mod defaults;

pub use chart::HelmChart;
pub(crate) use chart::steps_of;
pub use declared::DeclaredChart;
