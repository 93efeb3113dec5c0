//! The objects of a release right after it was deployed, by which a later look sees whether anything has changed.

use crate::context::Context;
use crate::context::ObjectsRead;
use crate::error::PhaseError;
use crate::observe::drift_left;
use crate::observe::fingerprint;
use crate::observe::release_storage;
use crate::observe::release_storage::ManifestObjects;
use pilothouse_core::{AppliedObject, DeployRecord, Drift, ObjectRef, Phase, RevisionMeta};
use pilothouse_kube::{Detail, ObjectError, Seen, read_all};

/// The objects of a revision and these definitions as they are now; `None` when one of them is not there, but for a Job that leaves
/// when it is done, or is not as it is wanted: then the next run compares in full. `looked` gets the objects of the revision as they
/// were read, where they are going to be waited for.
pub(crate) async fn snapshot(
    ctx: &Context,
    revision: &RevisionMeta,
    definitions: &[ObjectRef],
    before: Option<&DeployRecord>,
    looked: &mut Option<ObjectsRead>,
) -> Result<Option<Vec<AppliedObject>>, PhaseError> {
    let Some(record) = release_storage::read_record(ctx, revision).await? else { return Ok(None) };
    let ManifestObjects { objects, leaving } = release_storage::objects_of_record(ctx, &record).await?;
    // The wait that follows begins with how they are now, and wants all of each.
    let detail = if ctx.info().wait { Detail::Whole } else { Detail::Metadata };
    let (seen, defined) =
        tokio::join!(read_all(ctx.cluster(), &objects, detail), read_all(ctx.cluster(), definitions, Detail::Metadata));
    let now = [applied(&objects, &seen)?, applied(definitions, &defined)?].concat();
    let is_there = |object: &&ObjectRef| now.iter().any(|now| now.object == **object);
    let is_complete =
        now.len() + leaving.iter().filter(|object| !is_there(object)).count() == objects.len() + definitions.len();
    let mut whole = Vec::new();
    if ctx.info().wait {
        if record.apply_method.as_deref() != Some("ssa") {
            // What is compared is not read once more.
            let read = objects.iter().zip(&seen).filter_map(|(object, seen)| Some((object, seen.as_ref().ok()?)));
            whole = read.map(|(object, live)| (object.clone(), live.clone())).collect();
        }
        *looked = Some(ObjectsRead { revision: revision.revision, uid: revision.uid.clone(), objects, leaving, seen });
    }
    let left = match drift_left::left(ctx, revision, &record, before, &now, &whole).await {
        Ok(left) => left,
        Err(error) => {
            let why = ctx.redactor().redact(&error.chain().join(": "));
            ctx.warn(format!("whether helm has made everything as it should be is not known: {why}"));
            return Ok(None);
        }
    };
    // Once is enough.
    for drift in left.iter().filter(|_| ctx.phase() == Phase::Exec) {
        let (major, Drift { object, what, .. }) = (ctx.helm().version().major, drift);
        ctx.warn(format!("helm {major} has left {object} different from the manifest: {what}"));
    }
    Ok((left.is_empty() && is_complete).then_some(now))
}

/// What is to be remembered of those objects that are there, by how they were read.
fn applied(objects: &[ObjectRef], seen: &[Seen]) -> Result<Vec<AppliedObject>, ObjectError> {
    let mut all = Vec::with_capacity(objects.len());
    for (object, seen) in objects.iter().zip(seen) {
        match seen {
            Ok(seen) => all.extend(seen.as_ref().and_then(|live| fingerprint::applied(object, live))),
            Err(source) => {
                return Err(ObjectError { object: object.clone(), doing: "read", source: source.clone() });
            }
        }
    }
    Ok(all)
}
