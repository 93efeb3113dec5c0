//! What goes because the chart does not render it any more.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Outcome;
use crate::context::Wanted;
use crate::preflight::losses::consent::Consent;
use crate::preflight::losses::data_loss;
use crate::render;
use pilothouse_core::{Class, Finding, ObjectChange, ObjectRef, ReleaseKey, code, object_ref};

/// What the upgrade deletes and nobody has consented to.
pub(super) async fn findings(ctx: &Context, wanted: &Wanted, compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    let gone: Vec<&Compared> = goes(compared).collect();
    let objects: Vec<ObjectRef> = gone.iter().map(|one| one.object.clone()).collect();
    let lost = data_loss::losses(ctx, &objects, compared, consent).await;
    let mut moved = Vec::new();
    if objects.iter().any(|object| object.kind == "CustomResourceDefinition") {
        moved.extend(render::chart_definitions(wanted).iter().filter_map(object_ref));
    }
    let mut findings = Vec::new();
    for one in gone.into_iter().filter(|one| !consent.names(&one.object)) {
        let subject = one.object.to_string();
        let mut found = lost.iter().find(|finding| finding.subject == subject).cloned();
        if let Some(finding) = &mut found
            && let Some(instead) = claim_instead(one, compared)
        {
            finding.message = format!("{}; {instead} is created in its place, empty", finding.message);
        }
        if moved.iter().any(|crd| crd.same_object(&one.object)) {
            found = Some(moved_to_crds(one, found));
        }
        let found = found.or_else(|| renamed_set(one, compared)).or_else(|| handed_over(one, &ctx.release()));
        findings.extend(found);
    }
    findings
}

/// What a rollback deletes and nobody has consented to: what only the newer revision has.
pub(super) async fn by_rollback(
    ctx: &Context,
    compared: &[Compared],
    adopted: &[ObjectRef],
    consent: &Consent,
) -> Vec<Finding> {
    let objects: Vec<ObjectRef> = goes(compared).map(|one| one.object.clone()).collect();
    let mut findings = data_loss::losses(ctx, &objects, compared, consent).await;
    for one in goes(compared).filter(|one| !consent.names(&one.object)) {
        let found = was_there(&one.object, adopted);
        findings.extend(found.or_else(|| handed_over(one, &ctx.release())));
    }
    findings
}

/// The objects that would go, were there before they were adopted on this way, and that consent does not name.
pub(crate) fn were_there(objects: &[ObjectRef], adopted: &[ObjectRef], consent: &Consent) -> Vec<Finding> {
    objects.iter().filter(|object| !consent.names(object)).filter_map(|object| was_there(object, adopted)).collect()
}

fn was_there(object: &ObjectRef, adopted: &[ObjectRef]) -> Option<Finding> {
    adopted.iter().any(|other| other.same_object(object)).then(|| {
        let message = "helm would delete it, and it was there before it was adopted";
        Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, object, message)
    })
}

/// StatefulSets that a step deletes and that take their claims' place under another name: the step does not say so.
pub(super) fn renamed_sets(deleted: &[&Compared], compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    let open = deleted.iter().filter(|one| !consent.names(&one.object));
    let goes = open.filter(|one| one.outcome == Outcome::Change(ObjectChange::Delete));
    goes.filter_map(|one| renamed_set(one, compared)).collect()
}

fn goes(compared: &[Compared]) -> impl Iterator<Item = &Compared> {
    compared.iter().filter(|one| one.by_hook.is_none() && one.outcome == Outcome::Change(ObjectChange::Delete))
}

/// The claim that takes the place of one whose name has changed.
fn claim_instead<'a>(gone: &'a Compared, compared: &'a [Compared]) -> Option<&'a ObjectRef> {
    let is_claim = gone.object.kind == "PersistentVolumeClaim";
    created(compared, &gone.object).map(|one| &one.object).next().filter(|_| is_claim)
}

/// The new objects of the same kind and namespace.
fn created<'a>(compared: &'a [Compared], like: &'a ObjectRef) -> impl Iterator<Item = &'a Compared> {
    compared.iter().filter(move |one| {
        one.outcome == Outcome::Change(ObjectChange::Create)
            && one.object.kind == like.kind
            && one.object.namespace == like.namespace
    })
}

/// Helm takes a definition that is not in the templates any more for one that nobody wants.
fn moved_to_crds(gone: &Compared, found: Option<Finding>) -> Finding {
    const WHY: &str =
        "the chart's new version has it in crds/, so helm would delete it: annotate it helm.sh/resource-policy: keep";
    match found {
        Some(finding) => Finding { message: format!("{}; {WHY}", finding.message), ..finding },
        None => Finding::new(Class::Unsafe, code::CRD_IN_USE, &gone.object, WHY),
    }
}

/// A StatefulSet under another name begins with claims of its own.
fn renamed_set(gone: &Compared, compared: &[Compared]) -> Option<Finding> {
    let has_claims = |one: &Compared| {
        let object = one.live.as_ref().or(one.then.as_ref())?.expose();
        object.pointer("/spec/volumeClaimTemplates")?.as_array().filter(|list| !list.is_empty()).map(|_| ())
    };
    if gone.object.kind != "StatefulSet" || has_claims(gone).is_none() {
        return None;
    }
    let instead = created(compared, &gone.object).find(|one| has_claims(one).is_some())?;
    let message =
        format!("{} takes its place with claims of its own, empty: the data stays in the old ones", instead.object);
    Some(Finding::new(Class::Unsafe, code::DATA_ATTACHED, &gone.object, message))
}

/// Helm deletes what its last manifest had, whoever has it now.
fn handed_over(gone: &Compared, release: &ReleaseKey) -> Option<Finding> {
    let other = data_loss::another_release(gone.owner.as_ref()?, release)?;
    let message = format!(
        "helm would delete it, and it belongs to release {other} by now: annotate it helm.sh/resource-policy: keep"
    );
    Some(Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, &gone.object, message))
}
