//! Why the definitions in a chart's `crds/` folders must not be brought to the cluster.

use crate::context::release_context::Context;
use crate::context::wanted::Wanted;
use crate::preflight::backup::save;
use crate::preflight::crds::breaks;
use crate::preflight::losses::consent::Consent;
use crate::render::objects::of_chart;
use pilothouse_core::{Class, CrdPolicy, Finding, HelmOwner, ObjectRef, code, helm_owner, object_ref};
use serde_json::Value;

/// Why the chart's definitions must not be brought to the cluster.
pub(crate) async fn findings(ctx: &Context, prepared: &Wanted) -> Vec<Finding> {
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
async fn converter(ctx: &Context, prepared: &Wanted, crd: &ObjectRef, service: Option<ObjectRef>) -> Option<Finding> {
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
