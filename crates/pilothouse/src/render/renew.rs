//! What is wanted, once more after steps: they may have written charts and values files, and what templates look up.

use crate::context::Context;
use crate::context::Wanted;
use crate::digest;
use crate::error::PhaseError;
use crate::render::again::render_again;
use crate::render::wanted::{chart_without_helm, make_wanted};
use pilothouse_core::{ChartSource, Payload};
use std::sync::Arc;
use std::time::Instant;

/// As [`make_wanted`], also anew where the chart's folder or a values file holds something else by now, since a step, or somebody,
/// has written there: helm would deploy what lies there. Gives whether so.
pub(crate) async fn renew_wanted(ctx: &Context, payload: &Payload) -> (Arc<Wanted>, bool) {
    let has_changed = match ctx.last_wanted().await {
        Some(kept) => has_changed(ctx, &kept).await,
        None => false,
    };
    if has_changed {
        ctx.forget_wanted().await;
    }
    (make_wanted(ctx, payload).await, has_changed)
}

/// Whether the chart's folder or a values file holds something else by now than it was made of.
pub(crate) async fn has_changed(ctx: &Context, wanted: &Wanted) -> bool {
    wanted.values_files != digest::of_files(&ctx.info().values_files).await || !is_chart_the_same(ctx, wanted).await
}

/// What was fetched lies in a folder of our own under its digest; only the user's own charts change.
async fn is_chart_the_same(ctx: &Context, kept: &Wanted) -> bool {
    let ChartSource::Path(path) = &ctx.info().chart.source else { return true };
    ctx.session().shelf.forget_folder(path).await;
    let now = chart_without_helm(ctx).await;
    now.map(|chart| chart.digest.clone()) == kept.chart.as_ref().map(|chart| chart.digest.clone())
}

/// The same with what the cluster holds by now, where templates look for that: steps may have changed it.
///
/// # Errors
/// When helm cannot render it any more.
pub(crate) async fn look_up_again(ctx: &Context, wanted: &Arc<Wanted>) -> Result<Arc<Wanted>, PhaseError> {
    ctx.forget_renderings().await;
    if !wanted.rendered_as.looks_up {
        return Ok(wanted.clone());
    }
    let rendering = render_again(ctx, wanted, wanted.rendered_as).await?;
    let wanted = Arc::new(Wanted { rendering, made_at: Some(Instant::now()), ..Wanted::clone(wanted) });
    ctx.cache().await.wanted = wanted.clone();
    Ok(wanted)
}
