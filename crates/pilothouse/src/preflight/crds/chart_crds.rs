//! Why the definitions in a chart's `crds/` folders must not be brought to the cluster.

use crate::context::Context;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe;
use crate::preflight::backup::save;
use crate::preflight::crds::breaks;
use crate::preflight::crds::breaks::Loss;
use crate::preflight::crds::fields::Field;
use crate::preflight::losses::consent::Consent;
use crate::render::chart_definitions;
use pilothouse_core::{
    Class, CrdFacts, CrdPolicy, Finding, HelmOwner, ObjectRef, ReleaseKey, code, crd_facts, helm_owner, object_ref,
};
use pilothouse_kube::{ClusterError, ListQuery, live_custom_resources};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Why the chart's definitions must not be brought to the cluster.
pub(crate) async fn chart_crd_findings(ctx: &Context, wanted: &Wanted) -> Vec<Finding> {
    look_at_definitions(ctx, wanted).await.0
}

/// The same, with those that would take the place of others as they were read.
pub(crate) async fn look_at_definitions(
    ctx: &Context,
    wanted: &Wanted,
) -> (Vec<Finding>, Vec<(ObjectRef, Option<Value>)>) {
    let (definitions, mut seen) = (chart_definitions(wanted), Vec::new());
    if definitions.is_empty() || ctx.info().crds == CrdPolicy::Skip {
        return (Vec::new(), seen);
    }
    let mut findings = clashes(ctx, &definitions).await;
    if ctx.info().crds != CrdPolicy::Upgrade {
        return (findings, seen);
    }
    let consent = match Consent::of(ctx).await {
        Ok(consent) => consent,
        Err(finding) => return (vec![finding], seen),
    };
    findings.extend(save::findings(ctx, &save::of_definitions(ctx, wanted, &consent)).await);
    for crd in &definitions {
        let Some(object) = object_ref(crd) else { continue };
        match ctx.cluster().get(&object).await {
            Ok(None) => seen.push((object, None)),
            Ok(Some(live)) => {
                if let HelmOwner::Release(other) = helm_owner(&live)
                    && other != ctx.release()
                {
                    let message = format!("it belongs to release {other}, which brings it along itself");
                    findings.push(Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, &object, message));
                }
                findings.extend(lost(ctx, &object, &live, crd, &consent).await);
                findings.extend(unserved(ctx, &object, &live, crd).await);
                findings.extend(converter(ctx, wanted, &object, breaks::new_converter(&live, crd)).await);
                seen.push((object, Some(live)));
            }
            Err(error) => {
                findings.push(Finding::new(Class::Blocked, code::UNREADABLE, object, ctx.error_text(&error)));
            }
        }
    }
    (findings, seen)
}

/// What would be lost if `then` took the place of the definition in the cluster, and nobody has consented to. Where no custom
/// resource is there to lose something, nothing is.
pub(crate) async fn lost(
    ctx: &Context,
    object: &ObjectRef,
    live: &Value,
    then: &Value,
    consent: &Consent,
) -> Option<Finding> {
    let loss = breaks::loss(live, then)?;
    let finding = |class, code, message| Some(Finding::new(class, code, object, message));
    let there = match &loss {
        // The server refuses these: consent would change nothing.
        Loss::Immutable(message) => return finding(Class::Blocked, code::IMMUTABLE_FIELD, message.clone()),
        Loss::Stored(message) => return finding(Class::Blocked, code::CRD_IN_USE, message.clone()),
        Loss::Versions(_) | Loss::Fields(_) if consent.names(object) => return None,
        Loss::Versions(_) => {
            let facts = crd_facts(live)?;
            live_custom_resources(ctx.cluster(), &facts).await.map(|there| (!there.is_empty()).then_some(loss))
        }
        Loss::Fields(fields) => {
            held(ctx, live, fields).await.map(|held| (!held.is_empty()).then_some(Loss::Fields(held)))
        }
    };
    match there {
        Ok(there) => finding(Class::Unsafe, code::CRD_FIELDS_REMOVED, there?.message()),
        Err(error) => Some(Finding::new(Class::Blocked, code::UNREADABLE, object, ctx.error_text(&error))),
    }
}

/// Why helm could not read a deployed revision any more, of this release or of another that has custom resources of the definition: it
/// has objects in a version that would not be served. Helm builds each object of it before an upgrade, a rollback or an uninstall
/// (`KubeClient.Build`).
async fn unserved(ctx: &Context, object: &ObjectRef, live: &Value, then: &Value) -> Option<Finding> {
    let (facts, gone) = (crd_facts(live)?, breaks::no_longer_served(live, then));
    if gone.is_empty() {
        return None;
    }
    let unreadable =
        |error: &PhaseError| Some(Finding::new(Class::Blocked, code::UNREADABLE, object, ctx.error_text(error)));
    let owned = match live_custom_resources(ctx.cluster(), &facts).await {
        Ok(owned) => owned,
        Err(ClusterError::NotServed { .. }) => Vec::new(),
        Err(error) => return unreadable(&error.into()),
    };
    let others: BTreeSet<ReleaseKey> = owned
        .into_iter()
        .filter_map(|(_, owner)| match owner {
            HelmOwner::Release(other) if other != ctx.release() => Some(other),
            HelmOwner::Release(_) | HelmOwner::Partial { .. } | HelmOwner::Nobody { .. } => None,
        })
        .collect();
    for other in std::iter::once(None).chain(others.iter().map(Some)) {
        let record = match other {
            None => observe::base_record(ctx).await,
            Some(other) => observe::base_record_of(ctx, other).await,
        };
        let found = match record {
            Ok(Some(record)) => observe::manifest_objects(&record).map(|objects| {
                let (version, first) = first_in(&objects, &facts, &gone)?;
                Some((record.version, version, first))
            }),
            Ok(None) => Ok(None),
            // For whose records may not be read nobody can answer here.
            Err(PhaseError::Cluster(ClusterError::Forbidden { .. })) if other.is_some() => Ok(None),
            Err(error) => Err(error),
        };
        let (revision, version, first) = match found {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(error) => return unreadable(&error),
        };
        let (of, chart) = match other {
            None => (String::new(), "a version of the chart"),
            Some(other) => (format!(" of release {other}"), "versions of both charts"),
        };
        let message = format!(
            "the chart's definition does not serve version {version} any more, in which revision {revision}{of} has {first}: helm could not read that revision again. First deploy {chart} with which the definition serves it still and the objects are in the new one"
        );
        return Some(Finding::new(Class::Blocked, code::API_NOT_SERVED, object, message));
    }
    None
}

/// The first of these objects that is in one of these versions of a definition's kind.
fn first_in<'a>(objects: &[Value], facts: &CrdFacts, versions: &[&'a str]) -> Option<(&'a str, ObjectRef)> {
    versions.iter().find_map(|version| {
        let api_version = format!("{}/{version}", facts.group);
        let mut of_it = objects.iter().filter_map(object_ref);
        of_it
            .find(|one| one.kind == facts.kind && one.api_version.as_deref() == Some(&api_version))
            .map(|first| (*version, first))
    })
}

/// Those of the fields in which a custom resource holds something. What no version shows may be held by each there is.
async fn held(ctx: &Context, live: &Value, fields: &[Field]) -> Result<Vec<Field>, ClusterError> {
    let Some(facts) = crd_facts(live) else { return Ok(Vec::new()) };
    let mut shown: BTreeMap<Option<&str>, Vec<&Field>> = BTreeMap::new();
    for field in fields {
        shown.entry(field.shown_in(live)).or_default().push(field);
    }
    let mut held = Vec::new();
    for (version, fields) in shown {
        if let Some(version) = version {
            let query = ListQuery::new(format!("{}/{version}", facts.group), &facts.kind);
            let there = ctx.cluster().list(&query).await?;
            held.extend(fields.into_iter().filter(|field| there.iter().any(|object| field.is_in(object))).cloned());
        } else if !live_custom_resources(ctx.cluster(), &facts).await?.is_empty() {
            held.extend(fields.into_iter().cloned());
        }
    }
    Ok(held)
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
async fn converter(ctx: &Context, wanted: &Wanted, crd: &ObjectRef, service: Option<ObjectRef>) -> Option<Finding> {
    let service = service?;
    let namespace = ctx.release().namespace;
    let is_it = |mut object: ObjectRef| {
        object.namespace.get_or_insert_with(|| namespace.clone());
        object.same_object(&service)
    };
    if wanted.rendering.docs().iter().filter_map(|doc| object_ref(&doc.object)).any(is_it) {
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
