//! One more rendering of what is wanted: as the other of install and upgrade, with a look at the cluster, or to see what differs
//! in each.

use crate::context::Context;
use crate::context::RenderedAgain;
use crate::context::RenderedAs;
use crate::context::Rendering;
use crate::context::Wanted;
use crate::error::PhaseError;
use pilothouse_helm::{RenderedDoc, TemplateRequest, Values};
use std::sync::Arc;

/// What a chart renders with what the cluster holds where it looks for that, as an install or as an upgrade to a revision, for the
/// `nth` time from 0; kept as long as what was observed. It may be what was rendered already.
///
/// # Errors
/// When helm cannot render it.
pub(crate) async fn rendered(
    ctx: &Context,
    wanted: &Wanted,
    upgrade: Option<u32>,
    nth: usize,
) -> Result<Arc<Vec<RenderedDoc>>, PhaseError> {
    let rendered_as = RenderedAs { upgrade, looks_up: wanted.uses.lookup }.as_asked(&wanted.uses);
    let upgrade = rendered_as.upgrade;
    let is_first = wanted.is_rendered_as(upgrade);
    if nth == 0 && is_first {
        PhaseError::refuse_for(wanted.findings.clone())?;
        return Ok(wanted.rendering.docs());
    }
    let nth = nth - usize::from(is_first);
    let kept = &mut ctx.cache().await.rendered;
    loop {
        if let Some(kept) = kept.iter().filter(|kept| kept.upgrade == upgrade).nth(nth) {
            return Ok(kept.rendering.docs());
        }
        kept.push(RenderedAgain { upgrade, rendering: render_again(ctx, wanted, rendered_as).await? });
    }
}

/// Renders it once more, and keeps nothing.
///
/// # Errors
/// When helm cannot render it.
pub(crate) async fn render_again(ctx: &Context, wanted: &Wanted, as_what: RenderedAs) -> Result<Rendering, PhaseError> {
    let (info, chart, target) = (ctx.info(), wanted.chart()?, &wanted.serves);
    let request = TemplateRequest {
        skip_schema_validation: info.skip_schema_validation,
        kube_version: Some(target.kube_version.clone()),
        api_versions: target.api_versions.clone(),
        is_upgrade: as_what.upgrade.is_some(),
        revision: as_what.as_asked(&wanted.uses).revision(),
        lookup: as_what.looks_up,
        ..TemplateRequest::new(info.key(), chart.path.clone(), Values::of(info, &wanted.payload)?, ctx.timeout())
    };
    let text = ctx.helm().template(&request, ctx.cancel()).await?;
    let name = || format!("what {} renders", chart.metadata.name);
    Rendering::new(&text).map_err(|error| PhaseError::Yaml { name: name(), message: error.to_string() })
}
