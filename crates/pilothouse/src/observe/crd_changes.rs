//! Whether the chart's definitions are in the cluster as the chart has them.

use crate::context::Context;
use crate::context::Wanted;
use crate::digest;
use crate::error::PhaseError;
use crate::render;
use pilothouse_core::{CrdPolicy, object_ref};
use pilothouse_kube::ApplyOptions;

/// Who owns the fields of what we apply ourselves: definitions, and our own records.
pub(crate) const FIELD_MANAGER: &str = "pilothouse";

/// How we apply an object ourselves, or with `dry_run` only ask about it: we own what it says, whoever had it before.
pub(crate) fn apply_options(dry_run: bool) -> ApplyOptions {
    ApplyOptions { field_manager: FIELD_MANAGER.to_owned(), force: true, dry_run, default_namespace: None }
}

/// Whether bringing the chart's definitions would change the cluster: one is missing or, where they are brought to the chart's
/// version, would be another then.
///
/// # Errors
/// When that cannot be told.
pub(crate) async fn would_change(ctx: &Context, wanted: &Wanted) -> Result<bool, PhaseError> {
    if ctx.info().crds == CrdPolicy::Skip {
        return Ok(false);
    }
    for crd in &render::chart_definitions(wanted) {
        let Some(object) = object_ref(crd) else { continue };
        let Some(live) = ctx.cluster().get(&object).await? else { return Ok(true) };
        if ctx.info().crds == CrdPolicy::Upgrade {
            let then = ctx.cluster().apply(crd, &apply_options(true)).await?;
            if digest::content_digest(&live) != digest::content_digest(&then) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
