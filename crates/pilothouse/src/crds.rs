//! The definitions in a chart's `crds/` folders. Helm never upgrades them, so it is told to leave them alone.

use crate::context::Context;
use crate::error::PhaseError;
use crate::helpers;
use crate::prepare::Prepared;
use pilothouse_core::{
    Class, CrdFacts, CrdPolicy, Finding, HelmOwner, ObjectRef, code, crd_facts, helm_owner, object_ref,
};
use pilothouse_helm::Origin;
use pilothouse_kube::{ApplyOptions, wait_ready};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Who owns the fields of the definitions in the cluster.
pub(crate) const FIELD_MANAGER: &str = "pilothouse";

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
    if ctx.info().crds != CrdPolicy::Upgrade {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for crd in &of_chart(prepared) {
        let (Some(object), Some(wanted)) = (object_ref(crd), crd_facts(crd)) else { continue };
        match ctx.cluster().get(&object).await {
            Ok(None) => {}
            Ok(Some(live)) => {
                if let HelmOwner::Release(other) = helm_owner(&live)
                    && other != ctx.release()
                {
                    let message = format!("it belongs to release {other}, which brings it along itself");
                    findings.push(Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, &object, message));
                }
                findings.extend(crd_facts(&live).and_then(|live| breaks(&object, &live, &wanted)));
            }
            Err(error) => {
                findings.push(Finding::new(Class::Blocked, code::UNREADABLE, object, ctx.error_text(&error)));
            }
        }
    }
    findings
}

/// What would be lost if `wanted` took the place of `live`.
fn breaks(object: &ObjectRef, live: &CrdFacts, wanted: &CrdFacts) -> Option<Finding> {
    let gone: Vec<&str> =
        live.stored_versions.iter().filter(|version| !wanted.versions.contains(version)).map(String::as_str).collect();
    let message = if !gone.is_empty() {
        format!("the chart's definition lacks version {}, in which objects may still be stored", gone.join(", "))
    } else if live.namespaced != wanted.namespaced {
        "the chart's definition has another scope than the one in the cluster".to_owned()
    } else {
        return None;
    };
    Some(Finding::new(Class::Unsafe, code::CRD_IN_USE, object, message))
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
        helpers::stop_when_told(ctx)?;
        ctx.doing(format!("applying {object}"));
        let options = ApplyOptions {
            field_manager: FIELD_MANAGER.to_owned(),
            force: true,
            dry_run: false,
            default_namespace: None,
        };
        ctx.cluster().apply(crd, &options).await?;
        brought.push(object);
    }
    if !brought.is_empty() {
        ctx.doing(format!("waiting until {} CRDs are established", brought.len()));
        wait_ready(ctx.tracker(), &brought, Instant::now() + ESTABLISHED, ctx.cancel(), |_| {}).await?;
        ctx.cluster().discovery(true).await?;
    }
    Ok(brought.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn facts(versions: &[&str], stored: &[&str], namespaced: bool) -> CrdFacts {
        let owned = |list: &[&str]| list.iter().map(|&v| v.to_owned()).collect();
        CrdFacts {
            group: "example.com".to_owned(),
            kind: "Widget".to_owned(),
            plural: "widgets".to_owned(),
            namespaced,
            versions: owned(versions),
            storage_version: None,
            stored_versions: owned(stored),
        }
    }

    #[rstest]
    #[case(facts(&["v1"], &["v1"], true), facts(&["v1", "v2"], &[], true), None)]
    #[case(facts(&["v1"], &["v1"], true), facts(&["v2"], &[], true), Some("the chart's definition lacks version v1, in which objects may still be stored"))]
    #[case(facts(&["v1"], &["v1"], true), facts(&["v1"], &[], false), Some("the chart's definition has another scope than the one in the cluster"))]
    fn what_breaks(#[case] live: CrdFacts, #[case] wanted: CrdFacts, #[case] expected: Option<&str>) {
        let object = ObjectRef::parse("CustomResourceDefinition/widgets.example.com").unwrap();
        assert_eq!(breaks(&object, &live, &wanted).map(|finding| finding.message).as_deref(), expected);
    }
}
