//! A closer look at objects that may not be as they were deployed.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe::dry_run::compare::{Comparison, WriteMethod};
use crate::observe::dry_run::drifted_objects::{Drifted, drifted_objects};
use crate::observe::fingerprint;
use crate::observe::objects::resolve;
use crate::observe::release_storage;
use crate::observe::release_storage::NotServed;
use crate::text;
use pilothouse_core::{
    AppliedObject, CrdPolicy, Drift, LiveSeen, ObjectRef, Observation, Phase, RecordSeen, RevisionMeta, object_ref,
};
use pilothouse_helm::ReleaseRecord;
use pilothouse_kube::{ClusterError, Detail, read_all};
use serde_json::Value;

/// What is told of an object that is not there.
const GONE: &str = "it is gone";

/// How the live objects of a deployed release are. With a record of ours about it, only what looks different by its metadata
/// is compared; without one everything is. Drift that the survey has found just now is not looked for again.
pub(crate) async fn look(ctx: &Context, seen: &Observation) -> LiveSeen {
    let Some(newest) = seen.known_history().newest() else { return LiveSeen::NotLooked };
    if let Some(drifted) = ctx.session().reads.take_drifted(newest) {
        return drifted;
    }
    let known = match &seen.record {
        RecordSeen::Some(record) if record.is_of(newest) => record.objects.as_deref(),
        RecordSeen::Some(_) | RecordSeen::None | RecordSeen::NotLooked | RecordSeen::Unreadable(_) => None,
    };
    let was_ready = was_ready(ctx, &seen.record);
    let Some(known) = known else {
        return seen_or_not(ctx, drifts_of_revision(ctx, newest, |_| true, was_ready).await).0;
    };
    let objects: Vec<ObjectRef> = known.iter().map(|known| known.object.clone()).collect();
    let (mut suspects, taken) = (Vec::new(), ctx.taken().await);
    for (known, now) in known.iter().zip(read_all(ctx.cluster(), &objects, Detail::Metadata).await) {
        match now {
            Ok(now) if fingerprint::suspicion(known, now.as_ref()).is_none() && taken.by(&known.object).is_none() => {}
            Ok(_) => suspects.push(known),
            Err(error) if matches!(*error, ClusterError::NotServed { .. }) => suspects.push(known),
            Err(error) => return LiveSeen::Unreadable(ctx.error_text(&error)),
        }
    }
    if suspects.is_empty() { LiveSeen::Same } else { look_closer(ctx, newest, &suspects, was_ready).await.0 }
}

/// Whether the record is of a revision that was seen ready.
pub(crate) fn was_ready(ctx: &Context, record: &RecordSeen) -> bool {
    matches!(record, RecordSeen::Some(record) if record.reached == Phase::Validate) && ctx.info().wait
}

/// Compares just these objects with what the revision's manifest wants of them; `was_ready` says that all were ready once. Also tells
/// whether they are otherwise in what is no drift: that is not the state to be kept.
pub(crate) async fn look_closer(
    ctx: &Context,
    revision: &RevisionMeta,
    suspects: &[&AppliedObject],
    was_ready: bool,
) -> (LiveSeen, bool) {
    let is_suspect = |object: &ObjectRef| suspects.iter().any(|suspect| suspect.object.same_object(object));
    let drifts = drifts_of_revision(ctx, revision, is_suspect, was_ready).await;
    // Definitions are in no manifest; of these it is enough that they are there.
    let (seen, is_left_out) = seen_or_not(ctx, drifts);
    let seen = match (seen, missing_definitions(ctx, suspects).await) {
        (LiveSeen::Same, Ok(missing)) if !missing.is_empty() => LiveSeen::Drifted(missing),
        (LiveSeen::Drifted(drifts), Ok(missing)) => LiveSeen::Drifted(drifts.into_iter().chain(missing).collect()),
        (_, Err(error)) => LiveSeen::Unreadable(ctx.error_text(&error)),
        (seen, Ok(_)) => seen,
    };
    (seen, is_left_out)
}

fn seen_or_not(ctx: &Context, drifts: Result<Drifts, PhaseError>) -> (LiveSeen, bool) {
    match drifts {
        Ok(Drifts { found, is_left_out }) if found.is_empty() => (LiveSeen::Same, is_left_out),
        Ok(Drifts { found, is_left_out }) => (LiveSeen::Drifted(found), is_left_out),
        Err(error) => (LiveSeen::Unreadable(ctx.redactor().redact(&error.chain().join(": "))), false),
    }
}

/// What is otherwise in objects than a manifest has it.
pub(super) struct Drifts {
    pub(super) found: Vec<Drift>,
    /// Whether something else is otherwise too, which is no drift.
    is_left_out: bool,
}

/// What others have changed in these objects of a revision's manifest.
async fn drifts_of_revision(
    ctx: &Context,
    revision: &RevisionMeta,
    wanted: impl Fn(&ObjectRef) -> bool,
    was_ready: bool,
) -> Result<Drifts, PhaseError> {
    let record = release_storage::read_record(ctx, revision).await?;
    let record = record.ok_or_else(|| PhaseError::State("helm's record vanished while it was read".to_owned()))?;
    drifts_from_manifest(ctx, &record, wanted, was_ready, &[]).await
}

/// A Job that was complete is not missed when it is gone.
fn is_missed(object: &ObjectRef, was_ready: bool) -> bool {
    !(was_ready && object.is_job())
}

/// What is otherwise in these objects of a record's manifest. `seen` were read a moment ago and are not read again.
pub(super) async fn drifts_from_manifest(
    ctx: &Context,
    record: &ReleaseRecord,
    wanted: impl Fn(&ObjectRef) -> bool,
    was_ready: bool,
    seen: &[(ObjectRef, Option<Value>)],
) -> Result<Drifts, PhaseError> {
    let objects = release_storage::manifest_objects(record)?;
    let references =
        release_storage::complete_objects(ctx, objects.iter().filter_map(object_ref).collect(), NotServed::Keep)
            .await?;
    let named = objects.iter().filter(|object| object_ref(object).is_some());
    let objects: Vec<Value> =
        named.zip(references).filter(|(_, at)| wanted(at)).map(|(object, _)| object.clone()).collect();
    // As it was deployed: what only an update would take away is no drift.
    let write = match record.apply_method.as_deref() {
        Some("ssa") => WriteMethod::Apply { force: true },
        Some(_) | None => WriteMethod::Patch,
    };
    let (release, taken) = (ctx.release(), ctx.taken().await);
    let comparison =
        Comparison { seen, taken: &taken.objects, ..Comparison::over_nothing(ctx, &release, &objects, write) };
    let leaving = release_storage::leaving_among(ctx, &objects).await?;
    let (mut found, mut is_left_out) = (Vec::new(), false);
    for drift in drifted_objects(ctx.cluster(), &comparison).await {
        is_left_out |= !drift.left_out.is_empty();
        drift.left_out.iter().for_each(|line| ctx.say(format!("no drift: {line}")));
        let what = match drift.what {
            Drifted::Missing if leaving.iter().any(|object| object.same_object(&drift.object)) => continue,
            Drifted::Missing if !is_missed(&drift.object, was_ready) => continue,
            Drifted::Missing => {
                found.push(missing_one(ctx, drift.object).await);
                continue;
            }
            Drifted::Terminating => "it is being deleted".to_owned(),
            Drifted::Fields(mut fields) => {
                let (ignored, all) = (&ctx.info().drift_ignore, fields.len());
                fields.retain(|field| !ignored.iter().any(|one| one.covers(&drift.object, &field.path)));
                is_left_out |= fields.len() != all;
                if fields.is_empty() {
                    continue;
                }
                text::fields(&fields)
            }
            Drifted::Unknown { why } => return Err(PhaseError::State(format!("{}: {why}", drift.object))),
        };
        found.push(Drift { object: drift.object, what, comes_again: false });
    }
    Ok(Drifts { found, is_left_out })
}

/// What would be empty where there was data.
const HOLDS_DATA: [&str; 4] = ["PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"];

/// An object that is gone, and whether an upgrade makes it again.
async fn missing_one(ctx: &Context, object: ObjectRef) -> Drift {
    let gone = match ctx.taken().await.by(&object) {
        Some(by) => format!("it goes with {by}"),
        None => GONE.to_owned(),
    };
    let (what, comes_again) = match object.kind.as_str() {
        "Job" | "Pod" => (format!("{gone}; it may have done its work, and is not made again by itself"), false),
        kind if HOLDS_DATA.contains(&kind) && !has_consent(ctx, &object).await => {
            (format!("{gone}, and would be empty if it were made again: that takes consent"), false)
        }
        _ => (gone, true),
    };
    Drift { object, what, comes_again }
}

/// Whether consent names the object. What cannot be told names nothing.
async fn has_consent(ctx: &Context, object: &ObjectRef) -> bool {
    for one in &ctx.info().consent {
        if resolve(ctx, std::slice::from_ref(one))
            .await
            .is_ok_and(|named| named.iter().any(|one| one.same_object(object)))
        {
            return true;
        }
    }
    false
}

/// The definitions among these objects that are gone, or that should be the chart's and were changed.
async fn missing_definitions(ctx: &Context, suspects: &[&AppliedObject]) -> Result<Vec<Drift>, ClusterError> {
    let mut missing = Vec::new();
    for known in suspects.iter().filter(|suspect| suspect.object.kind == "CustomResourceDefinition") {
        let what = match ctx.cluster().get(&known.object).await? {
            None => {
                missing.push(missing_one(ctx, known.object.clone()).await);
                continue;
            }
            Some(now) => match fingerprint::suspicion(known, Some(&now)) {
                Some(what) if ctx.info().crds == CrdPolicy::Upgrade => what,
                Some(_) | None => continue,
            },
        };
        missing.push(Drift { object: known.object.clone(), what: what.to_owned(), comes_again: false });
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Only Kubernetes' own Jobs are known to be cleared away once they are done.
    #[rstest]
    #[case::complete("batch/v1", "Job", true, false)]
    #[case::never_seen_complete("batch/v1", "Job", false, true)]
    #[case::of_another_api("batch.volcano.sh/v1alpha1", "Job", true, true)]
    #[case::another_kind("batch/v1", "CronJob", true, true)]
    fn what_is_missed(#[case] api_version: &str, #[case] kind: &str, #[case] was_ready: bool, #[case] expected: bool) {
        let object = ObjectRef {
            api_version: Some(api_version.to_owned()),
            kind: kind.to_owned(),
            namespace: Some("default".to_owned()),
            name: "a".to_owned(),
        };
        assert_eq!(is_missed(&object, was_ready), expected);
    }
}
