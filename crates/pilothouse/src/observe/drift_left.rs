//! What others had changed and helm has left so.

use crate::context::release_context::Context;
use crate::error::PhaseError;
use crate::observe::drift::drifts;
use pilothouse_core::{AppliedObject, DeployRecord, Drift, ObjectRef, RevisionMeta};
use pilothouse_health::is_built_in;
use pilothouse_helm::ReleaseRecord;

/// The drift that an upgrade has not taken back: over a custom resource helm 3, and helm 4 where it applies as helm 3 does,
/// patches only what differs between its two manifests (`pkg/kube/client.go`). Only those are compared that were written since
/// the last deploy, as far as that is remembered.
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
    let suspects: Vec<&ObjectRef> = now.iter().filter(|now| is_suspect(before, now)).map(|now| &now.object).collect();
    if suspects.is_empty() {
        return Ok(Vec::new());
    }
    drifts(ctx, revision, |object| suspects.iter().any(|suspect| suspect.same_object(object))).await
}

/// Whether it is a custom resource that was there before and was written since, by whomever. When nobody knows how the objects
/// were, it may be any.
fn is_suspect(before: Option<&[AppliedObject]>, now: &AppliedObject) -> bool {
    let custom = !is_built_in(now.object.group().unwrap_or_default());
    let Some(before) = before else { return custom };
    let known = before.iter().find(|known| known.object.same_object(&now.object) && known.uid == now.uid);
    custom && known.is_some_and(|known| known != now)
}
