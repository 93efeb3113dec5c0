//! What `apply` steps write over what is there, as far as it is known before they run.

#[cfg(test)]
#[path = "applied_tests.rs"]
mod tests;

use crate::context::Compared;
use crate::context::Context;
use crate::context::Outcome;
use crate::context::Steps;
use crate::error::PhaseError;
use crate::observe;
use crate::preflight::backup::save;
use crate::preflight::changes::refusals;
use crate::preflight::crds::chart_crds;
use crate::preflight::losses::consent::Consent;
use pilothouse_core::{
    ChartInfo, Class, CrdFacts, Decision, Finding, ObjectChange, ObjectRef, Phase, Sensitive, code, crd_facts,
    object_ref,
};
use pilothouse_helm::{Origin, RenderedDoc};
use serde_json::Value;

/// What a look at the objects of steps has found.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Why they must not be written.
    pub(crate) findings: Vec<Finding>,
    /// What could not be looked at.
    pub(crate) not_checked: Vec<String>,
    /// The definitions that steps of `pre_exec` bring or change, as they are then.
    pub(crate) kinds: Vec<CrdFacts>,
}

/// Reasons against what the steps of a change are going to apply. What another step deletes is not judged by what is there now.
pub(crate) async fn look_at_applied(steps: &Steps, ctx: &Context, decision: &Decision) -> Applied {
    let mut all = Applied::default();
    if !matches!(decision, Decision::Change(_)) {
        return all;
    }
    let unreadable = |message| vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), message)];
    for phase in Phase::ALL {
        for step in steps.of(phase) {
            let objects = step.applies().await;
            if objects.is_empty() {
                continue;
            }
            let consent = match Consent::of(ctx).await {
                Ok(consent) => consent,
                Err(finding) => return Applied { findings: vec![finding], ..all },
            };
            let (compared, mut looked) = overwriting(ctx, &objects, phase, &consent).await;
            if !looked.findings.is_empty() {
                match deleted_by(steps, ctx).await {
                    Ok(deleted) => looked.findings.retain(|one| !deleted.contains(&one.subject)),
                    Err(error) => looked.findings = unreadable(ctx.error_text(&error)),
                }
            }
            all.findings.extend(looked.findings);
            all.not_checked.extend(looked.not_checked);
            if phase < Phase::Exec {
                let new = compared.iter().filter(|one| one.outcome == Outcome::Change(ObjectChange::Create));
                let new = new.filter_map(|one| one.then.as_ref().map(Sensitive::expose));
                let then = changed(&compared).map(|(_, _, then)| then).chain(new);
                all.kinds.extend(then.filter_map(crd_facts));
            }
        }
    }
    all
}

/// The same of objects that are written in a phase: what would be lost, what cannot be saved, and what helm could not read again; with
/// what becomes of those of which a change can lose something.
pub(crate) async fn overwriting(
    ctx: &Context,
    objects: &[Value],
    phase: Phase,
    consent: &Consent,
) -> (Vec<Compared>, Applied) {
    let compared = observe::preview_overwriting(ctx, objects).await;
    let mut looked =
        Applied { findings: refusals::by_overwriting(ctx, &compared, consent).await, ..Applied::default() };
    // Helm has read the deployed revision for the last time once it has made the next one.
    let needs_deployed = phase < Phase::Exec;
    for (object, live, then) in changed(&compared) {
        let found = chart_crds::unserved(ctx, object, (live, then), needs_deployed, &mut looked.not_checked).await;
        looked.findings.extend(found);
    }
    let saved = save::of_compared(ctx, &compared, consent).await;
    looked.findings.extend(save::findings(ctx, &saved).await);
    (compared, looked)
}

/// The definitions that change, as they are and as they are then.
fn changed(compared: &[Compared]) -> impl Iterator<Item = (&ObjectRef, &Value, &Value)> {
    let changes = |one: &&Compared| {
        matches!(one.outcome, Outcome::Change(ObjectChange::Update | ObjectChange::Adopt))
            && one.object.kind == "CustomResourceDefinition"
    };
    compared.iter().filter(changes).filter_map(|one| {
        Some((&one.object, one.live.as_ref().map(Sensitive::expose)?, one.then.as_ref().map(Sensitive::expose)?))
    })
}

/// The objects that `apply` steps write before helm runs and that the chart has too, a line each.
pub(crate) async fn shared_with_chart(steps: &Steps, info: &ChartInfo, docs: &[RenderedDoc]) -> Vec<String> {
    // An object of the whole cluster gets a namespace on both sides.
    let named = |object: &Value| {
        let object = object_ref(object)?;
        let namespace = object.namespace.clone().or_else(|| Some(info.key().namespace));
        Some((ObjectRef { namespace, ..object.clone() }, object))
    };
    let own = docs.iter().filter(|doc| matches!(doc.origin, Origin::Template));
    let own: Vec<ObjectRef> = own.filter_map(|doc| Some(named(&doc.object)?.0)).collect();
    let mut lines = Vec::new();
    for phase in Phase::ALL.into_iter().filter(|phase| *phase < Phase::Exec) {
        for step in steps.of(phase) {
            for (at, object) in step.applies().await.iter().filter_map(named) {
                if own.iter().any(|own| own.same_object(&at)) {
                    lines.push(format!(
                        "{object}: an apply step of {phase} writes it, and the chart has it too: helm makes nothing that is there already, and of what it has made helm 4 refuses fields that both set otherwise (FIELD_CONFLICT), while helm 3 writes over them: leave it to one of the two"
                    ));
                }
            }
        }
    }
    lines
}

/// What steps delete.
async fn deleted_by(steps: &Steps, ctx: &Context) -> Result<Vec<String>, PhaseError> {
    let mut deleted = Vec::new();
    for step in steps.all() {
        deleted.extend(observe::resolve(ctx, &step.describe().deletes).await?.iter().map(ObjectRef::to_string));
    }
    Ok(deleted)
}
