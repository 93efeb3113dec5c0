//! Brings the definitions in a chart's `crds/` folders to the cluster. Helm never upgrades them, so it is told to leave them
//! alone.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe::apply_options;
use crate::preflight;
use crate::preflight::Deploy;
use crate::preflight::Permit;
use crate::render::chart_definitions;
use pilothouse_core::{CrdPolicy, object_ref};
use pilothouse_kube::wait_ready;
use std::time::Duration;
use tokio::time::Instant;

/// How long a definition may take to be established.
const ESTABLISHED: Duration = Duration::from_secs(60);

/// Writes: definitions that are missing and, by policy, those that are there; as their own field manager. Returns when
/// all of them are established. Repeatable.
pub(crate) async fn bring(ctx: &Context, permit: &Permit<Deploy>) -> Result<usize, PhaseError> {
    if ctx.info().crds == CrdPolicy::Skip {
        return Ok(0);
    }
    preflight::permit_definitions_again(ctx, permit).await?;
    let mut brought = Vec::new();
    for crd in &chart_definitions(&permit.deed().wanted) {
        let Some(object) = object_ref(crd) else { continue };
        if ctx.info().crds == CrdPolicy::Create && ctx.cluster().get(&object).await?.is_some() {
            continue;
        }
        ctx.go_on()?;
        ctx.doing(format!("applying {object}"));
        ctx.cluster().apply(crd, &apply_options(false)).await?;
        brought.push(object);
    }
    if !brought.is_empty() {
        ctx.doing(format!("waiting until {} CRDs are established", brought.len()));
        wait_ready(ctx.tracker(), &brought, Instant::now() + ESTABLISHED, ctx.cancel(), |_| {}).await?;
        ctx.cluster().discovery(true).await?;
    }
    Ok(brought.len())
}
