//! Whether what a chart renders now is what is deployed.

use crate::context::Context;
use crate::error::PhaseError;
use crate::prepare::{self, Prepared};
use pilothouse_core::Rendered;
use pilothouse_helm::{
    ReleaseRecord, RenderedDoc, TemplateUse, Volatile, same_result, same_result_except, volatile_fields,
};
use std::sync::Arc;

/// What the chart renders as an upgrade of what is deployed. Only a chart that asks for that, or reads the cluster, is rendered
/// once more.
///
/// # Errors
/// When it cannot be rendered.
pub(crate) async fn as_upgrade(
    ctx: &Context,
    prepared: &Prepared,
    uses: &TemplateUse,
) -> Result<Arc<Vec<RenderedDoc>>, PhaseError> {
    let plain = !(uses.lookup || uses.install_or_upgrade || uses.unreadable);
    Ok(if plain {
        prepared.rendering.docs()
    } else {
        prepare::render_upgrade(ctx, prepared.chart()?, uses).await?.docs()
    })
}

/// What differs between two renderings of the chart as an upgrade.
///
/// # Errors
/// When it cannot be rendered.
pub(crate) async fn volatile(ctx: &Context, prepared: &Prepared, uses: &TemplateUse) -> Result<Volatile, PhaseError> {
    let first = as_upgrade(ctx, prepared, uses).await?;
    let second = prepare::render_upgrade(ctx, prepared.chart()?, uses).await?.docs();
    Ok(volatile_fields(&first, &second))
}

/// Compares what the chart renders with the objects and hooks of a deployed revision. A chart that asks whether it is
/// installed or upgraded, or reads the cluster, is rendered once more as the upgrade it would be; one that makes up values is
/// rendered twice, and what differs between the two says nothing.
///
/// # Errors
/// When it cannot be rendered, or what is deployed cannot be read.
pub(crate) async fn rendered(
    ctx: &Context,
    prepared: &Prepared,
    uses: &TemplateUse,
    deployed: &ReleaseRecord,
) -> Result<Rendered, PhaseError> {
    let first = as_upgrade(ctx, prepared, uses).await?;
    let result = if uses.random || uses.clock || uses.unreadable {
        let second = prepare::render_upgrade(ctx, prepared.chart()?, uses).await?.docs();
        same_result_except(&first, deployed, &volatile_fields(&first, &second))
    } else {
        same_result(&first, deployed)
    };
    let name = || format!("the stored manifest of {} revision {}", deployed.name, deployed.version);
    let result = result.map_err(|error| PhaseError::Yaml { name: name(), message: error.to_string() })?;
    Ok(if result.is_same() { Rendered::Same } else { Rendered::Differs })
}
