//! How a release stands in the cluster.

use crate::context::Context;
use crate::context::Session;
use crate::error::PhaseError;
use crate::observe::standing::{Standing, standings};
use pilothouse_core::{ChartInfo, ObjectRef, ObjectStatus, ReleaseKey, RevisionMeta};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::mpsc::unbounded_channel;

/// How a release stands in the cluster.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseStatus {
    /// The release.
    pub release: ReleaseKey,
    /// Its newest revision; `None` when it is not installed.
    pub revision: Option<RevisionMeta>,
    /// Name and version of the chart of that revision.
    pub chart: Option<String>,
    /// How many objects its manifest has.
    pub objects: usize,
    /// How many of them are ready.
    pub ready: usize,
    /// Those that are not, with their reasons.
    pub not_ready: Vec<(ObjectRef, ObjectStatus)>,
    /// Why all this cannot be told, if so.
    pub error: Option<String>,
}

impl ReleaseStatus {
    /// Whether it is deployed and every object is ready.
    pub fn healthy(&self) -> bool {
        let deployed = |meta: &RevisionMeta| meta.status == pilothouse_core::RevisionStatus::Deployed;
        self.revision.as_ref().is_some_and(deployed) && self.not_ready.is_empty() && self.error.is_none()
    }
}

/// Reads how releases stand, in their order. What cannot be read is part of the answer, never taken for "not installed".
pub async fn statuses(session: &Arc<Session>, releases: &[ChartInfo]) -> Vec<ReleaseStatus> {
    let (events, _nobody) = unbounded_channel();
    let contexts: Vec<Context> =
        releases.iter().map(|info| Context::new(session.clone(), info, events.clone())).collect();
    let standings = standings(&contexts).await;
    contexts.iter().zip(standings).map(|(ctx, standing)| status(ctx, standing)).collect()
}

fn status(ctx: &Context, standing: Result<Option<Standing>, PhaseError>) -> ReleaseStatus {
    let mut status = ReleaseStatus {
        release: ctx.release(),
        revision: None,
        chart: None,
        objects: 0,
        ready: 0,
        not_ready: Vec::new(),
        error: None,
    };
    match standing {
        Ok(None) => {}
        Ok(Some(Standing { newest, chart, objects, .. })) => {
            status.revision = Some(newest);
            status.chart = chart;
            status.objects = objects.len();
            status.not_ready = objects.into_iter().filter(|(_, status)| !status.is_ready()).collect();
            status.ready = status.objects - status.not_ready.len();
        }
        Err(error) => status.error = Some(ctx.redactor().redact(&error.chain().join(": "))),
    }
    status
}
