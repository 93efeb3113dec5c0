//! What is wanted, once more after steps: they may have written charts and values files, and what templates look up.

use crate::context::Context;
use crate::context::{RenderedAs, Rendering, Target, Wanted};
use crate::digest;
use crate::error::PhaseError;
use crate::render::again::render_again;
use crate::render::input_digests::capabilities;
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

/// What helm is about to render of a chart that makes something up, where that was not known: its own definitions are served by now,
/// and helm 4, when it looks something up, takes what is served from the cluster alone. Nothing where it cannot be rendered: helm will
/// tell.
pub(crate) async fn with_own_kinds(ctx: &Context, wanted: &Wanted, served: &Arc<Target>) -> Option<Rendering> {
    let uses = &wanted.uses;
    let is_known = !wanted.looks_up_later && is_told_the_same(wanted, served);
    if is_known || !(uses.differs_each_time() || uses.random_tests) {
        return None;
    }
    let then = Wanted { serves: served.clone(), ..wanted.clone() };
    render_again(ctx, &then, RenderedAs { looks_up: true, ..wanted.rendered_as })
        .await
        .ok()
        .map(|rendering| rendering.packed())
}

/// Whether the templates were told of what is served what they are told now, as far as they ask.
pub(crate) fn is_told_the_same(wanted: &Wanted, served: &Target) -> bool {
    let told = |target: &Target| capabilities(&wanted.uses, target);
    !wanted.uses.capabilities || told(served) == told(&wanted.serves)
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
