//! What helm has left different from the manifest.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::drift::drifts_from_manifest;
use crate::observe::release_storage::{self, NotServed};
use pilothouse_core::{
    AppliedObject, DeployRecord, Drift, LiveSeen, ObjectRef, ReleaseHistory, RevisionMeta, object_ref,
};
use pilothouse_health::is_built_in;
use pilothouse_helm::ReleaseRecord;
use serde_json::Value;

/// What an upgrade has not made as it should be, where helm 3, or helm 4 as helm 3 does, has patched: over a custom resource only
/// what differs between its two manifests (`pkg/kube/client.go`), and in lists of other objects without what has the same merge
/// key, as two protocols of one port have. Only those are compared whose manifest is another one, and custom
/// resources that were written since the last deploy, as far as that is remembered. `seen` are objects as they were just read.
///
/// # Errors
/// When they cannot be compared.
pub(super) async fn left(
    ctx: &Context,
    revision: &RevisionMeta,
    deployed: &ReleaseRecord,
    before: Option<&DeployRecord>,
    now: &[AppliedObject],
    seen: &[(ObjectRef, Option<Value>)],
) -> Result<Vec<Drift>, PhaseError> {
    if deployed.apply_method.as_deref() == Some("ssa") {
        return Ok(Vec::new());
    }
    if revision.revision == 1 {
        // Helm has created or adopted all of it just now.
        return Ok(Vec::new());
    }
    let before = before.and_then(|record| record.objects.as_deref());
    let observed = observe::observed(ctx).await;
    let mut changed = changed(ctx, observed.known_history(), revision, deployed).await?;
    // What the upgrade was to take back.
    if let LiveSeen::Drifted(drifts) = &observed.seen.live {
        changed.extend(drifts.iter().map(|drift| drift.object.clone()));
    }
    let is_changed = |now: &AppliedObject| changed.iter().any(|changed| changed.same_object(&now.object));
    let suspects = now.iter().filter(|now| is_changed(now) || is_suspect(before, now));
    let suspects: Vec<&ObjectRef> = suspects.map(|now| &now.object).collect();
    if suspects.is_empty() {
        return Ok(Vec::new());
    }
    let is_suspect = |object: &ObjectRef| suspects.iter().any(|suspect| suspect.same_object(object));
    Ok(drifts_from_manifest(ctx, deployed, is_suspect, false, seen).await?.found)
}

/// The objects whose manifest differs from that of the revision before, by what was seen before helm ran: what helm has left out may have
/// been all there was to patch.
async fn changed(
    ctx: &Context,
    seen: &ReleaseHistory,
    revision: &RevisionMeta,
    deployed: &ReleaseRecord,
) -> Result<Vec<ObjectRef>, PhaseError> {
    let history = seen.as_of(revision.revision.saturating_sub(1));
    // Of a run that goes on it was seen afterwards: then the records do not tell any more which of the two helm has compared with.
    let (good, base) = (history.last_deployed(), history.upgrade_base());
    let one = Some(good).filter(|good| *good == base);
    let mut changed = Vec::new();
    for earlier in one.map_or_else(|| vec![good, base], |one| vec![one]) {
        let earlier = release_storage::read_record_of(ctx, earlier).await?;
        let earlier = earlier.as_ref().map(release_storage::manifest_objects).transpose()?.unwrap_or_default();
        let now = release_storage::manifest_objects(deployed)?;
        changed.extend(now.iter().filter(|object| !earlier.contains(object)).filter_map(object_ref));
    }
    release_storage::complete_objects(ctx, changed, NotServed::Keep).await
}

/// Whether it is a custom resource that was there before and was written since, by whomever. When nobody knows how the objects
/// were, it may be any.
fn is_suspect(before: Option<&[AppliedObject]>, now: &AppliedObject) -> bool {
    let custom = !is_built_in(now.object.group().unwrap_or_default());
    let Some(before) = before else { return custom };
    let known = before.iter().find(|known| known.object.same_object(&now.object) && known.uid == now.uid);
    custom && known.is_some_and(|known| known != now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::observe::fingerprint;
    use crate::test_world::{over, release};
    use pilothouse_core::RevisionStatus;
    use pilothouse_testkit::{FakeCluster, FakeHelm, release_secret};
    use rstest::rstest;
    use serde_json::json;
    use std::sync::Arc;

    const MANIFEST: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: b}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: one}
spec: {size: 1}
";

    fn live(settings: &Value, widget: &Value) -> [Value; 2] {
        let metadata = |name: &str| {
            let mut owned = pilothouse_core::adoption_patch(&release());
            owned["metadata"]["name"] = json!(name);
            owned["metadata"]["namespace"] = json!("default");
            owned["metadata"].clone()
        };
        [
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("settings"), "data": settings}),
            json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata("one"), "spec": widget}),
        ]
    }

    /// With `max_history: 1` the revision before is gone when helm has ended, so that nobody knows which manifests it has changed:
    /// all objects are compared, and only what is not as the manifest has it is told.
    #[rstest]
    #[case::as_wanted(json!({"a": "b"}), json!({"size": 1}), &[])]
    #[case::with_what_others_add(json!({"a": "b", "c": "d"}), json!({"size": 1, "color": "red"}), &[])]
    #[case::lost(json!({"c": "d"}), json!({"size": 1}), &["ConfigMap default/settings"])]
    #[case::left_as_others_have_it(json!({"a": "b"}), json!({"size": 2}), &["Widget default/one"])]
    #[tokio::test]
    async fn what_is_left_where_helm_has_pruned_the_revision_before(
        #[case] settings: Value,
        #[case] widget: Value,
        #[case] expected: &[&str],
        #[values(false, true)] is_pruned: bool,
    ) {
        let cluster = Arc::new(FakeCluster::default());
        if !is_pruned {
            cluster.put(release_secret(&release(), 1, RevisionStatus::Superseded, "1.0.0", "{}"));
        }
        cluster.put(release_secret(&release(), 2, RevisionStatus::Deployed, "1.0.0", MANIFEST));
        for object in live(&settings, &widget) {
            cluster.put(object);
        }
        let helm = Arc::new(FakeHelm::new(cluster.clone(), "", "1.0.0").of_version("v3.19.0"));
        let world = over(cluster.clone(), helm, HelmDriver::Secret, |_| {});
        let history = release_storage::release_history(&world.ctx).await.unwrap();
        let newest = history.newest().unwrap();
        let record = release_storage::read_record(&world.ctx, newest).await.unwrap().unwrap();
        let objects = release_storage::objects_of_record(&world.ctx, &record).await.unwrap().objects;
        let mut now = Vec::new();
        for object in &objects {
            let live = cluster.object(&object.kind, object.namespace.as_deref(), &object.name).unwrap();
            now.push(fingerprint::applied(object, &live).unwrap());
        }
        let left = left(&world.ctx, newest, &record, None, &now, &[]).await.unwrap();
        assert_eq!(left.iter().map(|drift| drift.object.to_string()).collect::<Vec<_>>(), expected);
    }
}
