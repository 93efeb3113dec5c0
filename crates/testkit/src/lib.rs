//! What tests of several crates share: the fakes of `pilothouse-testing`, fixture charts, and programs and planes for scenarios.

mod charts;
mod runtime;
mod tools;

pub use charts::{community_chart, fixture_chart, not_run, repository};
pub use pilothouse_testing::{Disturbance, Failures, FakeCluster, FakeHelm, record_secret, release_secret};
pub use runtime::in_runtime;
pub use tools::{SharedPlane, helm, obtain};
