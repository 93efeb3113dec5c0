//! `delete`: delete objects, with consent where data hangs on them.

use crate::actions;
use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::Step;
use crate::context::StepDescription;
use crate::error::PhaseError;
use crate::observe::chart_crds;
use crate::observe::resolve;
use crate::preflight;
use crate::text::listed;
use async_trait::async_trait;
use pilothouse_core::{Class, DeleteStep, Finding, ObjectRef, Payload, code};
use std::time::Duration;

/// Deletes: exactly the named objects, and the chart's own definitions if asked for. Repeatable: what is not there is
/// no error. Refused, before anything of the release is changed and again right before the deletion, when data would
/// be lost without consent.
pub(super) struct Delete(pub(super) DeleteStep);

impl Delete {
    async fn objects(&self, ctx: &Context) -> Result<Vec<ObjectRef>, PhaseError> {
        let mut objects = resolve(ctx, &self.0.objects).await?;
        if self.0.chart_crds {
            objects.extend(chart_crds(ctx).await?);
        }
        Ok(objects)
    }
}

#[async_trait]
impl Step for Delete {
    fn describe(&self) -> StepDescription {
        let mut what = listed(&self.0.objects);
        if self.0.chart_crds {
            what = if what.is_empty() { "the chart's CRDs".to_owned() } else { format!("{what}, the chart's CRDs") };
        }
        StepDescription {
            deletes: self.0.objects.clone(),
            deletes_chart_crds: self.0.chart_crds,
            ..StepDescription::new(format!("delete {what}"))
        }
    }

    /// The digest of a built-in step is of all it is given.
    fn version(&self) -> String {
        String::new()
    }

    async fn check(&self, ctx: &Context) -> Vec<Finding> {
        match self.objects(ctx).await {
            Ok(objects) => preflight::deletion_findings(ctx, &objects).await,
            Err(error) => {
                let message = error.chain().join(": ");
                vec![Finding::new(Class::Blocked, code::UNREADABLE, self.describe().text, message)]
            }
        }
    }

    async fn run(&self, ctx: &Context, _run: &mut ReleaseRun, _payload: &mut Payload) -> Result<(), PhaseError> {
        let objects = self.objects(ctx).await?;
        actions::delete(ctx, &objects, Duration::from_secs(self.0.timeout_in_seconds)).await
    }
}
