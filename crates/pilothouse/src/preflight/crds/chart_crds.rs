//! The definitions in a chart's `crds/` folders. Helm never upgrades them, so it is told to leave them alone.

use crate::actions::objects;
use crate::context::release_context::Context;
use crate::digest;
use crate::error::PhaseError;
use crate::preflight::backup::save;
use crate::preflight::crds::breaks;
use crate::preflight::data_loss::Consent;
use crate::render::wanted::Prepared;
use pilothouse_core::{Class, CrdPolicy, Finding, HelmOwner, ObjectRef, code, helm_owner, object_ref};
use pilothouse_helm::Origin;
use pilothouse_kube::{ApplyOptions, wait_ready};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Who owns the fields of the definitions in the cluster.
pub(crate) const FIELD_MANAGER: &str = "pilothouse";

/// How a definition is applied, or with `dry_run` only asked about: we own what the chart says, whoever had it before.
pub(crate) fn apply_options(dry_run: bool) -> ApplyOptions {
    ApplyOptions { field_manager: FIELD_MANAGER.to_owned(), force: true, dry_run, default_namespace: None }
}

/// How long a definition may take to be established.
const ESTABLISHED: Duration = Duration::from_secs(60);

/// The definitions in the chart's `crds/` folders, those of enabled subcharts included.
pub(crate) fn of_chart(prepared: &Prepared) -> Vec<Value> {
    let docs = prepared.rendering.docs();
    docs.iter().filter(|doc| matches!(doc.origin, Origin::Crd)).map(|doc| doc.object.clone()).collect()
}

/// The definitions of the chart that a deploy brings, or has brought.
pub(crate) fn brought(ctx: &Context, prepared: &Prepared) -> Vec<ObjectRef> {
    match ctx.info().crds {
        CrdPolicy::Skip => Vec::new(),
        CrdPolicy::Create | CrdPolicy::Upgrade => of_chart(prepared).iter().filter_map(object_ref).collect(),
    }
}

/// Why the chart's definitions must not be brought to the cluster.
pub(crate) async fn findings(ctx: &Context, prepared: &Prepared) -> Vec<Finding> {
    let definitions = of_chart(prepared);
    if definitions.is_empty() || ctx.info().crds == CrdPolicy::Skip {
        return Vec::new();
    }
    let mut findings = clashes(ctx, &definitions).await;
    if ctx.info().crds != CrdPolicy::Upgrade {
        return findings;
    }
    let consent = match Consent::of(ctx).await {
        Ok(consent) => consent,
        Err(finding) => return vec![finding],
    };
    findings.extend(save::findings(ctx, &save::of_definitions(ctx, prepared, &consent)).await);
    for crd in &definitions {
        let Some(object) = object_ref(crd) else { continue };
        match ctx.cluster().get(&object).await {
            Ok(None) => {}
            Ok(Some(live)) => {
                if let HelmOwner::Release(other) = helm_owner(&live)
                    && other != ctx.release()
                {
                    let message = format!("it belongs to release {other}, which brings it along itself");
                    findings.push(Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, &object, message));
                }
                findings.extend(lost(&object, &live, crd, &consent));
                findings.extend(converter(ctx, prepared, &object, breaks::new_converter(&live, crd)).await);
            }
            Err(error) => {
                findings.push(Finding::new(Class::Blocked, code::UNREADABLE, object, ctx.error_text(&error)));
            }
        }
    }
    findings
}

/// What would be lost if `then` took the place of the definition in the cluster, and nobody has consented to.
pub(crate) fn lost(object: &ObjectRef, live: &Value, then: &Value, consent: &Consent) -> Vec<Finding> {
    let broken = breaks::breaks(object, live, then).into_iter();
    broken.filter(|one| !(one.can_be_consented && consent.names(object))).map(|one| one.finding).collect()
}

/// The definitions whose names another kind has.
async fn clashes(ctx: &Context, definitions: &[Value]) -> Vec<Finding> {
    match ctx.cluster().discovery(false).await {
        Ok(served) => {
            let clash = |crd: &Value| Some((object_ref(crd)?, breaks::clash(crd, &served)?));
            let found = definitions.iter().filter_map(clash);
            found.map(|(object, why)| Finding::new(Class::Blocked, code::CRD_NAMES_CONFLICT, object, why)).collect()
        }
        Err(error) => {
            vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), ctx.error_text(&error))]
        }
    }
}

/// Why custom resources could not be converted any more: the new Service for it is not there, and the chart does not bring it.
async fn converter(ctx: &Context, prepared: &Prepared, crd: &ObjectRef, service: Option<ObjectRef>) -> Option<Finding> {
    let service = service?;
    let namespace = ctx.release().namespace;
    let is_it = |mut object: ObjectRef| {
        object.namespace.get_or_insert_with(|| namespace.clone());
        object.same_object(&service)
    };
    if prepared.rendering.docs().iter().filter_map(|doc| object_ref(&doc.object)).any(is_it) {
        return None;
    }
    match ctx.cluster().get(&service).await {
        Ok(Some(_)) => None,
        Ok(None) => {
            let message = format!("{service}, which is to convert its custom resources, does not exist");
            Some(Finding::new(Class::Blocked, code::WEBHOOK_UNREACHABLE, crd, message))
        }
        Err(error) => Some(Finding::new(Class::Blocked, code::UNREADABLE, service, ctx.error_text(&error))),
    }
}

/// Whether bringing the chart's definitions would change the cluster: one is missing or, where they are brought to the chart's
/// version, would be another then.
///
/// # Errors
/// When that cannot be told.
pub(crate) async fn would_change(ctx: &Context, prepared: &Prepared) -> Result<bool, PhaseError> {
    if ctx.info().crds == CrdPolicy::Skip {
        return Ok(false);
    }
    for crd in &of_chart(prepared) {
        let Some(object) = object_ref(crd) else { continue };
        let Some(live) = ctx.cluster().get(&object).await? else { return Ok(true) };
        if ctx.info().crds == CrdPolicy::Upgrade {
            let then = ctx.cluster().apply(crd, &apply_options(true)).await?;
            if digest::content_digest(&live) != digest::content_digest(&then) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Writes: definitions that are missing and, by policy, those that are there; as their own field manager. Returns when
/// all of them are established. Repeatable.
pub(crate) async fn bring(ctx: &Context, prepared: &Prepared) -> Result<usize, PhaseError> {
    if ctx.info().crds == CrdPolicy::Skip {
        return Ok(0);
    }
    let mut brought = Vec::new();
    for crd in &of_chart(prepared) {
        let Some(object) = object_ref(crd) else { continue };
        if ctx.info().crds == CrdPolicy::Create && ctx.cluster().get(&object).await?.is_some() {
            continue;
        }
        objects::stop_when_told(ctx)?;
        ctx.doing(format!("applying {object}"));
        ctx.cluster().apply(crd, &apply_options(false)).await?;
        brought.push(object);
    }
    if !brought.is_empty() {
        ctx.doing(format!("waiting until {} CRDs are established", brought.len()));
        wait_ready(ctx.tracker(), &brought, Instant::now() + ESTABLISHED, ctx.cancel(), |_| {}).await?;
        ctx.cluster().discovery(true).await?;
    }
    Ok(brought.len())
}
