//! `restart`: restart workloads.

use crate::actions;
use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::Step;
use crate::context::StepDescription;
use crate::error::PhaseError;
use crate::text::listed;
use async_trait::async_trait;
use pilothouse_core::{ObjectRef, Payload, RestartStep};

/// Writes: the annotation `kubectl rollout restart` writes. Repeatable, at the price of another restart.
pub(super) struct Restart(pub(super) RestartStep);

#[async_trait]
impl Step for Restart {
    fn describe(&self) -> StepDescription {
        StepDescription::new(format!("restart {}", listed(&self.0.objects)))
    }

    /// The digest of a built-in step is of all it is given.
    fn version(&self) -> String {
        String::new()
    }

    async fn concerns(&self) -> Vec<ObjectRef> {
        self.0.objects.clone()
    }

    async fn run(&self, ctx: &Context, _run: &mut ReleaseRun, _payload: &mut Payload) -> Result<(), PhaseError> {
        actions::restart(ctx, &self.0.objects).await
    }
}
