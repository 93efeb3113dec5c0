//! `adopt`: give existing objects to the release.

use super::{Step, StepDescription, listed};
use crate::context::Context;
use crate::error::PhaseError;
use crate::helpers;
use async_trait::async_trait;
use pilothouse_core::{AdoptStep, Class, Finding, Payload, code};
use pilothouse_kube::{Conflict, adoption_conflicts};

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

    async fn check(&self, ctx: &Context) -> Vec<Finding> {
        match adoption_conflicts(ctx.cluster(), &self.0.objects, &ctx.release()).await {
            Ok(conflicts) => {
                let finding = |conflict: &Conflict| {
                    Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, &conflict.object, &conflict.holder)
                };
                conflicts.iter().map(finding).collect()
            }
            Err(error) => {
                let message = ctx.error_text(&error);
                vec![Finding::new(Class::Blocked, code::UNREADABLE, self.describe().text, message)]
            }
        }
    }

    async fn run(&self, ctx: &Context, _payload: &mut Payload) -> Result<(), PhaseError> {
        helpers::adopt(ctx, &self.0.objects).await
    }
}
