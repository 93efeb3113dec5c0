//! `wait`: wait until objects are in a state.

use crate::actions;
use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::Step;
use crate::context::StepDescription;
use crate::error::PhaseError;
use crate::text::listed;
use async_trait::async_trait;
use pilothouse_core::{ObjectRef, Payload, WaitStep};

/// Writes nothing. Repeatable; ends at its own deadline or when the run is cancelled.
pub(super) struct Wait(pub(super) WaitStep);

#[async_trait]
impl Step for Wait {
    fn describe(&self) -> StepDescription {
        StepDescription::new(format!("wait until {} {}", listed(&self.0.objects), self.0.wait_for))
    }

    /// The digest of a built-in step is of all it is given.
    fn version(&self) -> String {
        String::new()
    }

    async fn concerns(&self) -> Vec<ObjectRef> {
        self.0.objects.clone()
    }

    async fn run(&self, ctx: &Context, run: &mut ReleaseRun, _payload: &mut Payload) -> Result<(), PhaseError> {
        actions::wait(
            ctx,
            run,
            &self.0.objects,
            self.0.wait_for,
            std::time::Duration::from_secs(self.0.timeout_in_seconds),
        )
        .await
    }
}
