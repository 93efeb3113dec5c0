//! What a chart with a lifecycle implements, and what its phases do by default.
//!
//! In: a release and what is known of it. Out: findings, and what a phase has done. Imported by `lifecycle` and what follows it.

mod chart;
mod declared;
pub mod defaults;
mod run_steps;

pub use chart::HelmChart;
pub(crate) use chart::steps_of;
pub use declared::DeclaredChart;
