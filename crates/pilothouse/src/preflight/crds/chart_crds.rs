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
use futures::StreamExt;
use pilothouse_core::{
    Change, Class, CrdFacts, CrdPolicy, Decision, Finding, HelmOwner, ObjectRef, ReleaseKey, code, crd_facts,
    helm_owner, object_ref,
};
use pilothouse_helm::ReleaseRecord;
use pilothouse_kube::{ClusterError, ListQuery, live_custom_resources};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Why the chart's definitions must not be brought to the cluster.
pub(crate) async fn chart_crd_findings(ctx: &Context, wanted: &Wanted) -> Vec<Finding> {
    look_at_definitions(ctx, wanted).await.findings
}

/// What a look at the chart's definitions has found.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    /// Why they must not be brought.
    pub(crate) findings: Vec<Finding>,
    /// What could not be looked at.
    pub(crate) not_checked: Vec<String>,
    /// Those that would take the place of others, as these were read.
    pub(crate) seen: Vec<(ObjectRef, Option<Value>)>,
}

/// The same, with what was read for it.
pub(crate) async fn look_at_definitions(ctx: &Context, wanted: &Wanted) -> Definitions {
    let (definitions, mut looked) = (chart_definitions(wanted), Definitions::default());
    if definitions.is_empty() || ctx.info().crds == CrdPolicy::Skip {
        return looked;
    }
    looked.findings = clashes(ctx, &definitions).await;
    if ctx.info().crds != CrdPolicy::Upgrade {
        return looked;
    }
    let Definitions { findings, not_checked, seen } = &mut looked;
    let consent = match Consent::of(ctx).await {
        Ok(consent) => consent,
        Err(finding) => return Definitions { findings: vec![finding], ..Definitions::default() },
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
                let needs_deployed = !is_uninstalled_first(ctx).await;
                findings.extend(unserved(ctx, &object, (&live, crd), needs_deployed, not_checked).await);
                findings.extend(converter(ctx, wanted, &object, breaks::new_converter(&live, crd)).await);
                seen.push((object, Some(live)));
            }
            Err(error) => {
                findings.push(Finding::new(Class::Blocked, code::UNREADABLE, object, ctx.error_text(&error)));
            }
        }
    }
    looked
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

/// How many releases at once, and at most, are asked for the versions their objects are in.
const SIDE_BY_SIDE: usize = 8;
const ASKED: usize = 64;

/// Why helm could not read a deployed revision any more, of this release or of another that has custom resources of the definition: it
/// has objects in a version that would not be served. Helm builds each object of it before an upgrade, a rollback or an uninstall
/// (`KubeClient.Build`). Of a release that is uninstalled before that, no revision is left, and nobody `needs_deployed`.
pub(crate) async fn unserved(
    ctx: &Context,
    object: &ObjectRef,
    (live, then): (&Value, &Value),
    needs_deployed: bool,
    not_checked: &mut Vec<String>,
) -> Option<Finding> {
    let (facts, gone) = (crd_facts(live)?, breaks::no_longer_served(live, then));
    if gone.is_empty() {
        return None;
    }
    let unreadable =
        |error: &PhaseError| Some(Finding::new(Class::Blocked, code::UNREADABLE, object, ctx.error_text(error)));
    let in_way = |(revision, version, first): (u32, &str, ObjectRef), of: &str, chart: &str| {
        let message = format!(
            "the new definition does not serve version {version} any more, in which revision {revision}{of} has {first}: helm could not read that revision again. First deploy {chart} with which it serves it still and the objects are in the new one"
        );
        Some(Finding::new(Class::Blocked, code::API_NOT_SERVED, object, message))
    };
    if needs_deployed {
        let deployed = async {
            let history = observe::release_history(ctx).await?;
            observe::read_record_of(ctx, history.upgrade_base()).await
        };
        match in_versions(deployed.await, &facts, &gone) {
            Ok(Some(found)) => return in_way(found, "", "a version of the chart"),
            Ok(None) => {}
            Err(error) => return unreadable(&error),
        }
    }
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
    if let Some(beyond) = others.len().checked_sub(ASKED).filter(|beyond| *beyond > 0) {
        not_checked.push(format!(
            "{object}: whether objects of {beyond} more releases are in a version that is not served any more ({ASKED} are looked at)"
        ));
    }
    let looks = others.into_iter().take(ASKED).map(|other| async {
        let found = in_versions(observe::base_record_of(ctx, &other).await, &facts, &gone);
        (other, found)
    });
    let looks: Vec<_> = futures::stream::iter(looks.collect::<Vec<_>>()).buffered(SIDE_BY_SIDE).collect().await;
    let mut finding = None;
    for (other, found) in looks {
        match found {
            Ok(Some(found)) => {
                let of = format!(" of release {other}");
                finding = finding.or_else(|| in_way(found, &of, "versions of both charts"));
            }
            Ok(None) => {}
            // Nothing that this release's user could do would make it readable.
            Err(
                error @ (PhaseError::Record(_)
                | PhaseError::Yaml { .. }
                | PhaseError::Cluster(ClusterError::Forbidden { .. })),
            ) => {
                let why = ctx.error_text(&error);
                not_checked.push(format!(
                    "{object}: whether release {other} has objects in a version that is not served any more: {why}"
                ));
            }
            Err(error) => finding = finding.or_else(|| unreadable(&error)),
        }
    }
    finding
}

async fn is_uninstalled_first(ctx: &Context) -> bool {
    matches!(observe::decision(ctx).await, Decision::Change(Change::Reinstall(_)))
}

/// The first object of a revision in one of these versions, with the revision and the version.
fn in_versions<'a>(
    record: Result<Option<ReleaseRecord>, PhaseError>,
    facts: &CrdFacts,
    gone: &[&'a str],
) -> Result<Option<(u32, &'a str, ObjectRef)>, PhaseError> {
    let Some(record) = record? else { return Ok(None) };
    let found = first_in(&observe::manifest_objects(&record)?, facts, gone);
    Ok(found.map(|(version, first)| (record.version, version, first)))
}

/// The first of these objects that is in one of these versions of a definition's kind.
fn first_in<'a>(objects: &[Value], facts: &CrdFacts, versions: &[&'a str]) -> Option<(&'a str, ObjectRef)> {
    versions.iter().find_map(|version| {
        let mut of_it = objects.iter().filter_map(object_ref);
        of_it.find(|one| facts.is_in(one, version)).map(|first| (*version, first))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::test_world::{World, fake, release};
    use pilothouse_core::{PendingOf, PendingSeen, RevisionStatus};
    use pilothouse_testkit::{FakeCluster, release_secret};
    use serde_json::json;
    use std::sync::Arc;

    const OLD: &str = "---\napiVersion: example.com/v1alpha1\nkind: Widget\nmetadata: {name: mine}\n";

    fn definition(serves_old: bool) -> Value {
        let version =
            |name: &str, served: bool, storage: bool| json!({"name": name, "served": served, "storage": storage});
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "versions": [version("v1alpha1", serves_old, false), version("v1", true, true)]}})
    }

    fn widget_of(release: &str) -> Value {
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": release, "namespace": "default",
            "labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {
                "meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "default"}}})
    }

    async fn looked(world: &World) -> (Option<Finding>, Vec<String>) {
        let object = object_ref(&definition(true)).unwrap();
        let mut not_checked = Vec::new();
        let (live, then) = (definition(true), definition(false));
        let needs_deployed = !is_uninstalled_first(&world.ctx).await;
        let found = unserved(&world.ctx, &object, (&live, &then), needs_deployed, &mut not_checked).await;
        (found, not_checked)
    }

    #[tokio::test]
    async fn the_own_revision_counts_unless_it_is_uninstalled_first() {
        let cluster = Arc::new(FakeCluster::default());
        cluster.serve("example.com", "Widget");
        cluster.put(release_secret(&release(), 1, RevisionStatus::Deployed, "1.0.0", OLD));
        assert_eq!(looked(&fake(&cluster, HelmDriver::Secret)).await.0.unwrap().code, code::API_NOT_SERVED);

        cluster.put(release_secret(&release(), 1, RevisionStatus::Uninstalling, "1.0.0", OLD));
        let world = fake(&cluster, HelmDriver::Secret);
        let seen = PendingSeen {
            revision: 1,
            writer_gone: Some("its process is gone".to_owned()),
            of: PendingOf::ThisStack,
            lock_held: true,
            age_ms: None,
            deadline_ms: 0,
            unchanged: true,
        };
        world.ctx.session().note_removal_over(release(), seen);
        assert!(is_uninstalled_first(&world.ctx).await);
        assert_eq!(looked(&world).await.0, None);
    }

    /// Nobody who deploys this release can mend another's record.
    #[tokio::test]
    async fn a_record_of_another_release_that_cannot_be_understood_is_told() {
        let cluster = Arc::new(FakeCluster::default());
        cluster.serve("example.com", "Widget");
        cluster.put(widget_of("other"));
        let mut record =
            release_secret(&ReleaseKey::new("default", "other"), 1, RevisionStatus::Deployed, "1.0.0", OLD);
        cluster.put(record.clone());
        assert_eq!(looked(&fake(&cluster, HelmDriver::Secret)).await.0.unwrap().code, code::API_NOT_SERVED);
        record["data"]["release"] = json!("bm90IG9uZQ==");
        cluster.put(record);
        let (found, not_checked) = looked(&fake(&cluster, HelmDriver::Secret)).await;
        assert_eq!(found, None);
        assert!(not_checked.len() == 1 && not_checked[0].contains("default/other"), "{not_checked:?}");
    }

    #[tokio::test]
    async fn no_more_than_some_releases_are_asked() {
        let cluster = Arc::new(FakeCluster::default());
        cluster.serve("example.com", "Widget");
        for number in 0..ASKED + 236 {
            cluster.put(widget_of(&format!("other-{number}")));
        }
        let (found, not_checked) = looked(&fake(&cluster, HelmDriver::Secret)).await;
        assert_eq!(found, None);
        assert!(not_checked.len() == 1 && not_checked[0].contains("236 more releases"), "{not_checked:?}");
        assert!(cluster.failures.calls().len() <= 2 * ASKED + 4, "{}", cluster.failures.calls().len());
    }
}
