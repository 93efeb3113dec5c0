//! `adopt`: give existing objects to the release.

use crate::actions;
use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::Step;
use crate::context::StepDescription;
use crate::error::PhaseError;
use crate::preflight;
use crate::text::listed;
use async_trait::async_trait;
use pilothouse_core::{AdoptStep, Class, Finding, Payload, code};
use pilothouse_kube::{Conflict, adoption_conflicts};

/// Writes: Helm's label and annotations on exactly the named objects, and on those of the chart that are nobody's where that
/// is asked for. What undoes it is in the journal before the first is changed. Repeatable: what is already the release's is left.
pub(super) struct Adopt(pub(super) AdoptStep);

#[async_trait]
impl Step for Adopt {
    fn describe(&self) -> StepDescription {
        let text = match (self.0.unowned, self.0.objects.as_slice()) {
            (true, []) => "adopt every object of the chart that is nobody's".to_owned(),
            (true, objects) => format!("adopt {} and every object of the chart that is nobody's", listed(objects)),
            (false, objects) => format!("adopt {}", listed(objects)),
        };
        StepDescription { adopts: self.0.objects.clone(), adopts_unowned: self.0.unowned, ..StepDescription::new(text) }
    }

    /// The digest of a built-in step is of all it is given.
    fn version(&self) -> String {
        String::new()
    }

    async fn check(&self, ctx: &Context) -> Vec<Finding> {
        match adoption_conflicts(ctx.cluster(), &self.0.objects, &ctx.release()).await {
            Ok(conflicts) => {
                let finding = |conflict: &Conflict| {
                    Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, &conflict.object, &conflict.ownership)
                };
                conflicts.iter().map(finding).collect()
            }
            Err(error) => {
                let message = ctx.error_text(&error);
                vec![Finding::new(Class::Blocked, code::UNREADABLE, self.describe().text, message)]
            }
        }
    }

    async fn run(&self, ctx: &Context, run: &mut ReleaseRun, payload: &mut Payload) -> Result<(), PhaseError> {
        let mut objects = self.0.objects.clone();
        if self.0.unowned {
            objects.extend(preflight::unowned(ctx, payload).await?);
        }
        actions::adopt(ctx, run, &objects).await?;
        Ok(())
    }
}
