//! What helm has left other than the manifest has it.

use crate::context::release_context::Context;
use crate::error::PhaseError;
use crate::observe::drift::drifts;
use pilothouse_core::{AppliedObject, DeployRecord, Drift, ObjectRef, RevisionMeta};
use pilothouse_health::is_built_in;
use pilothouse_helm::ReleaseRecord;

/// What an upgrade has not made as it should be, where helm 3, or helm 4 as helm 3 does, has patched: over a custom resource only
/// what differs between its two manifests (`pkg/kube/client.go`), and in lists of other objects without what has the same merge
/// key, as two protocols of one port have. Only those are compared that were written since the last deploy, as far as that is
/// remembered.
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

/// Whether it was there before and was patched since, by whomever; of a custom resource, what others have written counts too. When
/// nobody knows how the objects were, it may be any.
fn is_suspect(before: Option<&[AppliedObject]>, now: &AppliedObject) -> bool {
    let Some(before) = before else { return true };
    let known = before.iter().find(|known| known.object.same_object(&now.object) && known.uid == now.uid);
    let custom = !is_built_in(now.object.group().unwrap_or_default());
    // A status that is written counts no generation up; where a kind has none, every write may be of what is wanted.
    let is_patched = |known: &AppliedObject| now.generation.is_none() || known.generation != now.generation;
    known.is_some_and(|known| known != now && (custom || is_patched(known)))
}
