//! Whether what a chart renders now is what is deployed.

use crate::context::release_context::Context;
use crate::context::wanted::Wanted;
use crate::error::PhaseError;
use crate::observe::crd_changes;
use crate::render;
use pilothouse_core::Rendered;
use pilothouse_helm::{Origin, ReleaseRecord, RenderedDoc, TemplateUse, Volatile, same_result_except, volatile_fields};
use std::sync::Arc;

/// What the chart renders as an upgrade of what is deployed. Only a chart that asks for that, or reads the cluster, is rendered
/// once more, and once for all who look at the release as it stands.
///
/// # Errors
/// When it cannot be rendered.
pub(crate) async fn as_upgrade(
    ctx: &Context,
    prepared: &Arc<Wanted>,
    uses: &TemplateUse,
) -> Result<Arc<Vec<RenderedDoc>>, PhaseError> {
    if is_plain(uses) {
        Ok(prepared.rendering.docs())
    } else {
        render::rendered_as_upgrade(ctx, 0, prepared, uses).await
    }
}

/// As [`as_upgrade`], a second time.
async fn again(ctx: &Context, prepared: &Arc<Wanted>, uses: &TemplateUse) -> Result<Arc<Vec<RenderedDoc>>, PhaseError> {
    render::rendered_as_upgrade(ctx, usize::from(!is_plain(uses)), prepared, uses).await
}

/// Whether a chart renders to the same as an install and as an upgrade.
fn is_plain(uses: &TemplateUse) -> bool {
    !(uses.lookup || uses.install_or_upgrade || uses.unreadable)
}

/// What differs between two renderings of the chart as an upgrade.
///
/// # Errors
/// When it cannot be rendered.
pub(crate) async fn volatile(
    ctx: &Context,
    prepared: &Arc<Wanted>,
    uses: &TemplateUse,
) -> Result<Volatile, PhaseError> {
    let first = as_upgrade(ctx, prepared, uses).await?;
    let second = again(ctx, prepared, uses).await?;
    Ok(volatile_fields(&first, &second))
}

/// Compares what the chart renders with the objects and hooks of a deployed revision. A chart that asks whether it is
/// installed or upgraded, or reads the cluster, is rendered once more as the upgrade it would be.
///
/// Definitions in `crds/` folders are in no revision: they count by what bringing them would change.
///
/// A chart that makes up values is rendered twice when it is known to be given the same as before (`same_input`): what
/// differs between the two says nothing then. When it is given something else, that could hide in just these values, and they
/// count as changed. Tests are no part of a deploy: what they make up says nothing in any case.
///
/// # Errors
/// When it cannot be rendered, or what is deployed cannot be read.
pub(crate) async fn rendered(
    ctx: &Context,
    prepared: &Arc<Wanted>,
    uses: &TemplateUse,
    deployed: &ReleaseRecord,
    same_input: bool,
) -> Result<Rendered, PhaseError> {
    if crd_changes::would_change(ctx, prepared).await? {
        return Ok(Rendered::Differs);
    }
    let first = as_upgrade(ctx, prepared, uses).await?;
    let [own, tests] = split(&first);
    let [own_before, tests_before] = split_record(deployed);
    let makes_up = uses.random || uses.clock || uses.unreadable;
    let own_differs = !same(&own, &own_before, &Volatile::default())?;
    if own_differs && !(same_input && makes_up) {
        return Ok(Rendered::Differs);
    }
    let tests_differ = !same(&tests, &tests_before, &Volatile::default())?;
    if !own_differs && !tests_differ {
        return Ok(Rendered::Same);
    }
    if !makes_up && !uses.random_tests {
        return Ok(Rendered::Differs);
    }
    let second = again(ctx, prepared, uses).await?;
    let [own_again, tests_again] = split(&second);
    let is_same = same(&own, &own_before, &volatile_fields(&own, &own_again))?
        && same(&tests, &tests_before, &volatile_fields(&tests, &tests_again))?;
    Ok(if is_same { Rendered::Same } else { Rendered::Differs })
}

fn same(rendered: &[RenderedDoc], deployed: &ReleaseRecord, volatile: &Volatile) -> Result<bool, PhaseError> {
    let name = || format!("the stored manifest of {} revision {}", deployed.name, deployed.version);
    let result = same_result_except(rendered, deployed, volatile);
    let result = result.map_err(|error| PhaseError::Yaml { name: name(), message: error.to_string() })?;
    Ok(result.is_same())
}

fn is_test(events: &[String]) -> bool {
    !events.is_empty() && events.iter().all(|event| event.starts_with("test"))
}

/// What a deploy makes, and what only `helm test` does.
fn split(docs: &[RenderedDoc]) -> [Vec<RenderedDoc>; 2] {
    let is_test = |doc: &&RenderedDoc| match &doc.origin {
        Origin::Hook { events, .. } => is_test(events),
        Origin::Template | Origin::Crd => false,
    };
    let (tests, own) = docs.iter().partition::<Vec<_>, _>(is_test);
    [own, tests].map(|docs| docs.into_iter().cloned().collect())
}

fn split_record(record: &ReleaseRecord) -> [ReleaseRecord; 2] {
    let (tests, own) = record.hooks.iter().cloned().partition(|hook| is_test(&hook.events));
    let tests = ReleaseRecord { manifest: String::new(), hooks: tests, ..record.clone() };
    [ReleaseRecord { hooks: own, ..record.clone() }, tests]
}
