//! How a release stands in the cluster.

use crate::context::Context;
use crate::context::Session;
use crate::observe::release_storage;
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

/// Reads how a release stands. What cannot be read is part of the answer, never taken for "not installed".
pub async fn status(session: &Arc<Session>, info: &ChartInfo) -> ReleaseStatus {
    let (events, _nobody) = unbounded_channel();
    let ctx = Context::new(session.clone(), info, events);
    let mut status = ReleaseStatus {
        release: info.key(),
        revision: None,
        chart: None,
        objects: 0,
        ready: 0,
        not_ready: Vec::new(),
        error: None,
    };
    if let Err(error) = fill(&ctx, &mut status).await {
        status.error = Some(ctx.redactor().redact(&error.chain().join(": ")));
    }
    status
}

async fn fill(ctx: &Context, status: &mut ReleaseStatus) -> Result<(), crate::PhaseError> {
    let Some((newest, record)) = release_storage::newest(ctx).await? else { return Ok(()) };
    status.revision = Some(newest);
    let Some(record) = record else { return Ok(()) };
    status.chart = Some(format!("{} {}", record.chart.name, record.chart.version));
    let objects = release_storage::objects_of_record(ctx, &record).await?;
    status.objects = objects.len();
    let statuses = pilothouse_kube::statuses(ctx.cluster(), ctx.tracker().rules(), &objects).await;
    status.not_ready = statuses.into_iter().filter(|(_, status)| !status.is_ready()).collect();
    status.ready = status.objects - status.not_ready.len();
    Ok(())
}
