//! `adopt`: give existing objects to the release.

use super::{Step, StepDescription, listed};
use crate::context::Context;
use crate::error::PhaseError;
use crate::helpers;
use async_trait::async_trait;
use pilothouse_core::{AdoptStep, Payload};

/// Writes: Helm's label and annotations on exactly the named objects. Repeatable: what is already the release's is left.
pub(super) struct Adopt(pub(super) AdoptStep);

#[async_trait]
impl Step for Adopt {
    fn describe(&self) -> StepDescription {
        StepDescription {
            adopts: self.0.objects.clone(),
            ..StepDescription::new(format!("adopt {}", listed(&self.0.objects)))
        }
    }

    async fn run(&self, ctx: &Context, _payload: &mut Payload) -> Result<(), PhaseError> {
        helpers::adopt(ctx, &self.0.objects).await
    }
}
