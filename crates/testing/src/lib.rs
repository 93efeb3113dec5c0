//! A cluster and a helm in memory, of which every call can be made to fail: for tests of charts and steps without a control plane.

mod cluster;
mod fail;
mod helm;
mod store;

pub use cluster::{Disturbance, FakeCluster};
pub use fail::Failures;
pub use helm::{FakeHelm, record_secret, release_secret};
