//! What helm has left different from the manifest.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::drift::drifts_from_manifest;
use crate::observe::release_storage::{self, NotServed};
use pilothouse_core::{AppliedObject, DeployRecord, Drift, LiveSeen, ObjectRef, RevisionMeta, object_ref};
use pilothouse_health::is_built_in;
use pilothouse_helm::ReleaseRecord;

/// What an upgrade has not made as it should be, where helm 3, or helm 4 as helm 3 does, has patched: over a custom resource only
/// what differs between its two manifests (`pkg/kube/client.go`), and in lists of other objects without what has the same merge
/// key, as two protocols of one port have. Only those are compared whose manifest is another one, and custom
/// resources that were written since the last deploy, as far as that is remembered.
///
/// # Errors
/// When they cannot be compared.
pub(super) async fn left(
    ctx: &Context,
    revision: &RevisionMeta,
    deployed: &ReleaseRecord,
    before: Option<&DeployRecord>,
    now: &[AppliedObject],
) -> Result<Vec<Drift>, PhaseError> {
    if deployed.apply_method.as_deref() == Some("ssa") {
        return Ok(Vec::new());
    }
    if revision.revision == 1 {
        // Helm has created or adopted all of it just now.
        return Ok(Vec::new());
    }
    let before = before.and_then(|record| record.objects.as_deref());
    let mut changed = changed(ctx, revision, deployed).await?;
    // What the upgrade was to take back.
    if let LiveSeen::Drifted(drifts) = &observe::observed(ctx).await.live {
        changed.extend(drifts.iter().map(|drift| drift.object.clone()));
    }
    let is_changed = |now: &AppliedObject| changed.iter().any(|changed| changed.same_object(&now.object));
    let suspects = now.iter().filter(|now| is_changed(now) || is_suspect(before, now));
    let suspects: Vec<&ObjectRef> = suspects.map(|now| &now.object).collect();
    if suspects.is_empty() {
        return Ok(Vec::new());
    }
    drifts_from_manifest(ctx, revision, |object| suspects.iter().any(|suspect| suspect.same_object(object))).await
}

/// The objects whose manifest differs from that of the revision before: what helm has left out may have been all there was to patch.
async fn changed(
    ctx: &Context,
    revision: &RevisionMeta,
    deployed: &ReleaseRecord,
) -> Result<Vec<ObjectRef>, PhaseError> {
    let history = release_storage::release_history(ctx).await?.as_of(revision.revision.saturating_sub(1));
    let earlier = release_storage::read_record_of(ctx, history.last_deployed()).await?;
    let earlier = earlier.as_ref().map(release_storage::manifest_objects).transpose()?.unwrap_or_default();
    let now = release_storage::manifest_objects(deployed)?;
    let changed = now.iter().filter(|object| !earlier.contains(object)).filter_map(object_ref).collect();
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
