//! Whether what a chart renders now is what is deployed.

use crate::context::Context;
use crate::error::PhaseError;
use crate::prepare::{self, Prepared};
use pilothouse_core::Rendered;
use pilothouse_helm::{ReleaseRecord, TemplateUse, same_result, same_result_except, volatile_fields};

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
    let chart = prepared.chart()?;
    let plain = !(uses.lookup || uses.install_or_upgrade || uses.unreadable);
    let first = if plain { prepared.rendering.docs() } else { prepare::render_upgrade(ctx, chart, uses).await?.docs() };
    let result = if uses.random || uses.clock || uses.unreadable {
        let second = prepare::render_upgrade(ctx, chart, uses).await?.docs();
        same_result_except(&first, deployed, &volatile_fields(&first, &second))
    } else {
        same_result(&first, deployed)
    };
    let name = || format!("the stored manifest of {} revision {}", deployed.name, deployed.version);
    let result = result.map_err(|error| PhaseError::Yaml { name: name(), message: error.to_string() })?;
    Ok(if result.is_same() { Rendered::Same } else { Rendered::Differs })
}
