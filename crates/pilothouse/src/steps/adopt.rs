//! `adopt`: give existing objects to the release.

use super::{Step, StepDescription, listed};
use crate::context::Context;
use crate::error::PhaseError;
use crate::helpers;
use async_trait::async_trait;
use pilothouse_core::{AdoptStep, Class, Finding, Payload, code};
use pilothouse_kube::{Adoption, Conflict, adoption_conflicts};
use serde_json::{Value, json};

/// Writes: Helm's label and annotations on exactly the named objects, and on those of the chart that are nobody's where that
/// is asked for. What undoes it goes into the journal as the step's output. Repeatable: what is already the release's is
/// left.
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

    async fn run(&self, ctx: &Context, payload: &mut Payload) -> Result<(), PhaseError> {
        let mut objects = self.0.objects.clone();
        if self.0.unowned {
            objects.extend(helpers::unowned(ctx, payload).await?);
        }
        let adoption = helpers::adopt(ctx, &objects).await?;
        if !adoption.adopted.is_empty() {
            payload.put_value("adopted", adopted(&adoption));
        }
        Ok(())
    }
}

/// What was adopted: objects that had none of the keys by their names, the others with the patch that undoes it.
fn adopted(adoption: &Adoption) -> Value {
    let is_null = |undo: &Value, map: &str| {
        let keys = undo["metadata"][map].as_object();
        keys.is_none_or(|keys| keys.values().all(Value::is_null))
    };
    let (mut bare, mut others) = (Vec::new(), Vec::new());
    for (object, undo) in adoption.adopted.iter().zip(&adoption.undo) {
        if is_null(undo, "labels") && is_null(undo, "annotations") {
            bare.push(object.to_string());
        } else {
            others.push(json!({"object": object.to_string(), "undo": undo}));
        }
    }
    json!({"had_none_of_the_keys": bare, "had_some": others})
}
