//! A look ahead: what a deploy is going to do to each object, and what speaks against it.

use crate::context::preflight_report::Foresight;
use crate::context::release_context::Context;
use crate::context::step::Steps;
use crate::context::wanted::Wanted;
use crate::error::PhaseError;
use crate::observe::dry_run::compare::{Comparison, compare};
use crate::observe::dry_run::compared::Compared;
use crate::observe::release_storage;
use crate::observe::rendered_diff;
use crate::preflight::adoption::Adopting;
use crate::preflight::backup::save;
use crate::preflight::changes::refusals::gate;
use crate::preflight::cluster::checks::preflight;
use crate::render;
use crate::render::objects as rendered_objects;
use crate::render::wanted;
use jiff::Timestamp;
use pilothouse_core::{Class, CrdPolicy, Decision, DriftPolicy, Finding, Payload, code, crd_facts};
use pilothouse_helm::{Origin, RenderedDoc};
use serde_json::Value;
use std::sync::Arc;

/// What speaks against deploying the release as it is going to be. Asks the server what becomes of each object, without changing
/// anything.
pub(crate) async fn findings(steps: &Steps, ctx: &Context, payload: &Payload, decision: &Decision) -> Foresight {
    let is_upgrade = match decision {
        Decision::Install => false,
        Decision::Upgrade { .. } => true,
        Decision::Reinstall { .. } | Decision::Uninstall | Decision::FinishUninstallThenInstall => {
            let findings = gate(ctx, &[], decision).await;
            let warnings = save::announced(ctx, &[], decision).await.into_iter().collect();
            return Foresight { findings, warnings, not_checked: Vec::new() };
        }
        Decision::Nothing { .. }
        | Decision::Stop { .. }
        | Decision::Unlock { .. }
        | Decision::Compare { .. }
        | Decision::Look
        | Decision::Validate { .. }
        | Decision::Steps { .. } => return Foresight::default(),
    };
    if wanted::payload_values(ctx.info(), payload).iter().any(Value::is_null) {
        return Foresight::not_checked(
            "what becomes of its objects",
            "that is looked at in the run, once the values that come from a step are known",
        );
    }
    let looked = async {
        let changing = changing(ctx, payload).await;
        Ok::<_, PhaseError>((
            look(ctx, payload, is_upgrade, &changing).await?,
            Adopting::of(steps, ctx).await?.settled(),
        ))
    };
    match looked.await {
        Ok((Look { compared, wanted, .. }, settled)) => {
            let around = preflight(ctx, &compared, &wanted).await;
            let is_settled = |one: &Compared| settled.iter().any(|object| object.same_object(&one.object));
            let open: Vec<Compared> = compared.into_iter().filter(|one| !is_settled(one)).collect();
            let findings = gate(ctx, &open, decision).await;
            let warnings = save::announced(ctx, &open, decision).await.into_iter().collect();
            Foresight { findings, warnings, not_checked: Vec::new() }.and(around)
        }
        Err(error) => {
            vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), ctx.error_text(&error))].into()
        }
    }
}

/// What is going to be applied, and what becomes of each object.
pub(crate) struct Look {
    /// Everything that is rendered.
    pub(crate) docs: Arc<Vec<RenderedDoc>>,
    /// The objects of the release in it.
    pub(crate) wanted: Vec<Value>,
    pub(crate) compared: Vec<Compared>,
}

/// Asks the server what becomes of each object of a release, without changing anything. `changing` are the kinds whose
/// definitions are brought first, by group and kind.
///
/// # Errors
/// When the chart cannot be rendered, or what is deployed cannot be read.
pub(crate) async fn look(
    ctx: &Context,
    payload: &Payload,
    is_upgrade: bool,
    changing: &[(String, String)],
) -> Result<Look, PhaseError> {
    let prepared = render::wanted(ctx, payload).await;
    let docs = docs(ctx, &prepared, is_upgrade).await?;
    let own = docs.iter().filter(|doc| matches!(doc.origin, Origin::Template));
    let wanted: Vec<Value> = own.map(|doc| doc.object.clone()).collect();
    let deployed = if is_upgrade { release_storage::newest_good_record(ctx).await? } else { None };
    let stored = deployed.as_ref().map(release_storage::manifest_objects).transpose()?.unwrap_or_default();
    let applied = deployed.as_ref().map(|record| record.apply_method.as_deref() == Some("ssa"));
    let comparison = Comparison {
        release: &ctx.release(),
        wanted: &wanted,
        stored: &stored,
        server_side: ctx.helm().version().major >= 4 && applied.unwrap_or(true),
        force: ctx.info().drift == DriftPolicy::Correct || applied.is_none(),
        changing,
        redactor: ctx.redactor(),
        rules: ctx.tracker().rules(),
        now: Timestamp::now(),
    };
    let compared = compare(ctx.cluster(), &comparison).await;
    Ok(Look { docs, wanted, compared })
}

/// The kinds of the definitions that a deploy brings to the chart's version before helm runs.
pub(crate) async fn changing(ctx: &Context, payload: &Payload) -> Vec<(String, String)> {
    if ctx.info().crds != CrdPolicy::Upgrade {
        return Vec::new();
    }
    let prepared = render::wanted(ctx, payload).await;
    rendered_objects::of_chart(&prepared).iter().filter_map(crd_facts).map(|facts| (facts.group, facts.kind)).collect()
}

/// What is going to be applied. Values from earlier phases are only in what was prepared with them.
async fn docs(ctx: &Context, prepared: &Arc<Wanted>, is_upgrade: bool) -> Result<Arc<Vec<RenderedDoc>>, PhaseError> {
    let has_payload = !wanted::payload_values(ctx.info(), &Payload::default()).is_empty();
    match &prepared.chart {
        Some(chart) if is_upgrade && !has_payload => {
            let uses = render::templates_of(ctx, chart, &prepared.payload).await;
            rendered_diff::as_upgrade(ctx, prepared, &uses).await
        }
        Some(_) | None => Ok(prepared.rendering.docs()),
    }
}
