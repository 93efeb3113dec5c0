//! What a chart that looks things up renders once an uninstall has taken some of them away.

use crate::context::Context;
use crate::context::Foresight;
use crate::context::RenderedAs;
use crate::context::Rendering;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::render;
use pilothouse_core::{Class, Finding, code, object_ref};
use pilothouse_helm::{Origin, RenderedDoc};
use serde_json::Value;
use std::collections::BTreeMap;

/// So many objects are named.
const NAMED: usize = 3;

/// Reasons against an uninstall after which the chart may not render any more. Helm then finds what the uninstall leaves, which nobody
/// can show it beforehand: the chart must render with what is there now and with nothing, and what differs between the two is told.
pub(crate) async fn findings(ctx: &Context, wanted: &Wanted) -> Foresight {
    if !wanted.uses.lookup || wanted.chart.is_none() {
        return Foresight::default();
    }
    let without = RenderedAs::default();
    // As an upgrade where that is the same: of an install helm 4 asks whose the objects are, unless it is told to take them.
    let with = RenderedAs { upgrade: (!wanted.uses.asks_for_action()).then_some(1), looks_up: true };
    let (without, with) = match (rendered(ctx, wanted, without).await, rendered(ctx, wanted, with).await) {
        (Ok(without), Ok(with)) => (without, with),
        (Err(error), _) => return refused(ctx, "finds nothing", &error),
        (_, Err(error)) => return refused(ctx, "finds what is there now", &error),
    };
    let (without, with) = (objects(wanted, &without), objects(wanted, &with));
    let all = without.keys().chain(with.keys().filter(|name| !without.contains_key(*name)));
    let differs: Vec<&str> = all.filter(|name| without.get(*name) != with.get(*name)).map(String::as_str).collect();
    if differs.is_empty() {
        return Foresight::default();
    }
    let more = differs.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named = differs.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    Foresight::not_checked(
        format!("{named}{more}"),
        "rendered otherwise with what the chart looks up and is there now; what of it is left once the release is uninstalled is known only then",
    )
}

async fn rendered(ctx: &Context, wanted: &Wanted, as_what: RenderedAs) -> Result<Rendering, PhaseError> {
    let is_it = wanted.rendered_as == as_what || wanted.rendered_as.looks_up && as_what.looks_up;
    if is_it && wanted.findings.is_empty() {
        return Ok(wanted.rendering.clone());
    }
    render::render_again(ctx, wanted, as_what).await
}

fn refused(ctx: &Context, finds: &str, error: &PhaseError) -> Foresight {
    let message = format!(
        "the chart looks up what is in the cluster, and does not render where it {finds}: whether it does once the release is uninstalled would be known only then: {}",
        ctx.error_text(error)
    );
    vec![Finding::new(Class::Blocked, code::CHART_TEMPLATE_FAILED, ctx.release(), message)].into()
}

/// What helm would apply, by its names; of a chart that makes something up in each rendering no more than which objects there are.
fn objects(wanted: &Wanted, rendering: &Rendering) -> BTreeMap<String, Value> {
    let own = |doc: &RenderedDoc| {
        if matches!(doc.origin, Origin::Crd) {
            return None;
        }
        let content = if wanted.uses.differs_each_time() { Value::Null } else { doc.object.clone() };
        Some((object_ref(&doc.object)?.to_string(), content))
    };
    rendering.docs().iter().filter_map(own).collect()
}
