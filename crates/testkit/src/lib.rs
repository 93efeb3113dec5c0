//! What tests of several crates share: a cluster and a helm in memory that can fail the Nth call, fixture charts, and
//! programs and planes for scenarios.

mod charts;
mod cluster;
mod fail;
mod helm;
mod runtime;
mod store;
mod tools;

pub use charts::{community_chart, fixture_chart, not_run, repository};
pub use cluster::{Disturbance, FakeCluster};
pub use fail::Failures;
pub use helm::{FakeHelm, record_secret, release_secret};
pub use runtime::in_runtime;
pub use tools::{SharedPlane, helm, obtain};
