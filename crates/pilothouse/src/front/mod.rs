//! The front door: a session over a cluster, and a stack of charts on it, with everything that need not be said.
//!
//! In: a kubeconfig or a client, an environment, charts. Out: how each release ended. Imported by nobody in the library.

mod chart_stack;
#[cfg(test)]
mod chart_stack_tests;
mod deploy;
mod running;
mod session_builder;

pub use chart_stack::ChartStack;
pub use deploy::{DeployError, deploy};
pub use running::Running;
pub use session_builder::{SessionBuilder, SessionError};
