//! A closer look at objects that may not be as they were deployed, and remembering how they are.

use crate::context::Context;
use crate::context::Observed;
use crate::context::PlainInputs;
use crate::context::ReleaseRun;
use crate::error::PhaseError;
use crate::kept_digest;
use crate::observe;
use crate::observe::deploy_records;
use crate::observe::deploy_records::Found;
use crate::observe::drift_left;
use crate::observe::dry_run::compare::Comparison;
use crate::observe::dry_run::field_drift;
use crate::observe::dry_run::field_drift::Drifted;
use crate::observe::fingerprint;
use crate::observe::release_storage;
use crate::observe::release_storage::NotServed;
use crate::observe::rendered_diff;
use crate::render;
use crate::text;
use jiff::Timestamp;
use pilothouse_core::{
    AppliedObject, CrdPolicy, DEPLOY_RECORD_FORMAT, DeployRecord, Drift, InputPart, LiveSeen, ObjectRef, Payload,
    Phase, RecordSeen, ReleaseState, Rendered, RevisionMeta, RevisionStatus, object_ref,
};
use pilothouse_helm::{ResolvedChart, TemplateUse};
use pilothouse_kube::{ClusterError, Detail, ObjectError, read_all};
use serde_json::Value;

/// How the live objects of a deployed release are. With a record of ours about it, only what looks different by its metadata
/// is compared; without one everything is.
pub(crate) async fn look(ctx: &Context, seen: &Observed) -> LiveSeen {
    let Some(newest) = seen.known_history().newest() else { return LiveSeen::NotLooked };
    let known = match &seen.record {
        RecordSeen::Some(record)
            if record.revision == newest.revision && Some(&record.revision_uid) == newest.uid.as_ref() =>
        {
            record.objects.as_deref()
        }
        RecordSeen::Some(_) | RecordSeen::None | RecordSeen::NotLooked | RecordSeen::Unreadable(_) => None,
    };
    let Some(known) = known else { return seen_or_not(ctx, drifts(ctx, newest, |_| true).await) };
    let objects: Vec<ObjectRef> = known.iter().map(|known| known.object.clone()).collect();
    let mut suspects = Vec::new();
    for (known, now) in known.iter().zip(read_all(ctx.cluster(), &objects, Detail::Metadata).await) {
        match now {
            Ok(now) if fingerprint::suspicion(known, now.as_ref()).is_none() => {}
            Ok(_) => suspects.push(known),
            Err(error) if matches!(*error, ClusterError::NotServed { .. }) => suspects.push(known),
            Err(error) => return LiveSeen::Unreadable(ctx.error_text(&error)),
        }
    }
    if suspects.is_empty() { LiveSeen::Same } else { look_closer(ctx, newest, &suspects).await }
}

/// Compares just these objects with what the revision's manifest wants of them.
pub(crate) async fn look_closer(ctx: &Context, revision: &RevisionMeta, suspects: &[&AppliedObject]) -> LiveSeen {
    let is_suspect = |object: &ObjectRef| suspects.iter().any(|suspect| suspect.object.same_object(object));
    let drifts = drifts(ctx, revision, is_suspect).await;
    // Definitions are in no manifest; of these it is enough that they are there.
    match (seen_or_not(ctx, drifts), missing_definitions(ctx, suspects).await) {
        (LiveSeen::Same, Ok(missing)) if !missing.is_empty() => LiveSeen::Drifted(missing),
        (LiveSeen::Drifted(drifts), Ok(missing)) => LiveSeen::Drifted(drifts.into_iter().chain(missing).collect()),
        (_, Err(error)) => LiveSeen::Unreadable(ctx.error_text(&error)),
        (seen, Ok(_)) => seen,
    }
}

fn seen_or_not(ctx: &Context, drifts: Result<Vec<pilothouse_core::Drift>, PhaseError>) -> LiveSeen {
    match drifts {
        Ok(drifts) if drifts.is_empty() => LiveSeen::Same,
        Ok(drifts) => LiveSeen::Drifted(drifts),
        Err(error) => LiveSeen::Unreadable(ctx.redactor().redact(&error.chain().join(": "))),
    }
}

/// What others have changed in these objects of a revision's manifest.
pub(super) async fn drifts(
    ctx: &Context,
    revision: &RevisionMeta,
    wanted: impl Fn(&ObjectRef) -> bool,
) -> Result<Vec<Drift>, PhaseError> {
    let record = release_storage::read_record(ctx, revision).await?;
    let record = record.ok_or_else(|| PhaseError::State("helm's record vanished while it was read".to_owned()))?;
    let objects = release_storage::manifest_objects(&record)?;
    let references =
        release_storage::complete_objects(ctx, objects.iter().filter_map(object_ref).collect(), NotServed::Keep)
            .await?;
    let named = objects.iter().filter(|object| object_ref(object).is_some());
    let objects: Vec<Value> =
        named.zip(references).filter(|(_, at)| wanted(at)).map(|(object, _)| object.clone()).collect();
    let comparison = Comparison {
        release: &ctx.release(),
        wanted: &objects,
        stored: &[],
        server_side: record.apply_method.as_deref() == Some("ssa"),
        force: true,
        changing: &[],
        redactor: ctx.redactor(),
        rules: ctx.tracker().rules(),
        now: Timestamp::now(),
    };
    let mut found = Vec::new();
    for drift in field_drift::drifts(ctx.cluster(), &comparison).await {
        let what = match &drift.what {
            Drifted::Missing => "it is gone".to_owned(),
            Drifted::Terminating => "it is being deleted".to_owned(),
            Drifted::Fields(fields) => text::fields(fields),
            Drifted::Unknown { why } => return Err(PhaseError::State(format!("{}: {why}", drift.object))),
        };
        found.push(Drift { object: drift.object, what });
    }
    Ok(found)
}

/// The definitions among these objects that are gone, or that should be the chart's and were changed.
async fn missing_definitions(ctx: &Context, suspects: &[&AppliedObject]) -> Result<Vec<Drift>, ClusterError> {
    let mut missing = Vec::new();
    for known in suspects.iter().filter(|suspect| suspect.object.kind == "CustomResourceDefinition") {
        let what = match ctx.cluster().get(&known.object).await? {
            None => "it is gone",
            Some(now) => match fingerprint::suspicion(known, Some(&now)) {
                Some(what) if ctx.info().crds == CrdPolicy::Upgrade => what,
                Some(_) | None => continue,
            },
        };
        missing.push(Drift { object: known.object.clone(), what: what.to_owned() });
    }
    Ok(missing)
}

/// Remembers what was deployed, and how far its lifecycle has come. Writes: our record of the release. Repeatable. That it
/// cannot be written is no failure: the next run compares in full then.
pub(crate) async fn remember_deploy(ctx: &Context, run: &ReleaseRun, payload: &Payload, reached: Phase) {
    let Some(stack) = &run.stack else { return };
    if let Err(error) = try_to_remember(ctx, run, stack, payload, reached).await {
        let why = ctx.redactor().redact(&error.chain().join(": "));
        ctx.warn(format!("what was deployed cannot be remembered, so the next run compares in full: {why}"));
    }
}

async fn try_to_remember(
    ctx: &Context,
    run: &ReleaseRun,
    stack: &str,
    payload: &Payload,
    reached: Phase,
) -> Result<(), PhaseError> {
    let history = release_storage::release_history(ctx).await?;
    let Some(newest) = history.newest().filter(|meta| meta.status == RevisionStatus::Deployed) else { return Ok(()) };
    let observed = observe::observed(ctx).await;
    // Somebody else may have deployed meanwhile, and what they have given helm is not known.
    let is_ours = run.attempts.has_written(newest);
    let seen = observed.known_history().newest();
    let is_as_seen = seen.is_some_and(|seen| (seen.revision, &seen.uid) == (newest.revision, &newest.uid));
    let Some(prepared) = ctx.last_wanted().await.filter(|_| is_ours || is_as_seen) else { return Ok(()) };
    let (Some(uid), Some(chart)) = (&newest.uid, &prepared.chart) else { return Ok(()) };
    let target = ctx.session().target().await?;
    let uses = render::templates_of(ctx, chart, payload).await;
    let Some(now) = render::wanted_inputs(ctx, &prepared.steps, chart, &uses, payload, &target).await else {
        return Ok(());
    };
    // Files may have changed since helm has read them; what the cluster serves counts as of before.
    let input = observed.inputs.clone().unwrap_or_else(|| now.clone());
    if input.differs(&now).iter().any(|part| *part != InputPart::Capabilities) {
        return Ok(());
    }
    let before =
        match deploy_records::read_deploy_record(ctx.cluster(), &ctx.release(), ctx.session().state_key()).await? {
            Some(Found::Record(before)) if before.revision == newest.revision && before.revision_uid == *uid => {
                Some(before)
            }
            Some(Found::Record(_) | Found::Damaged(_)) | None => None,
        };
    let mut input = input;
    input.0.capabilities = match &before {
        // As it was found right after helm.
        Some(before) if before.input.capabilities.is_some() == uses.capabilities => before.input.capabilities.clone(),
        Some(_) | None => {
            capabilities_after(ctx, newest, (chart, payload), &uses, &input, prepared.brings_kinds()).await?
        }
    };
    let objects = if let Some(objects) = before.and_then(|before| before.objects) {
        // As they were right after helm: what was written since is looked at by the next run.
        Some(objects)
    } else {
        let before = match &observed.record {
            RecordSeen::Some(record) => Some(record.as_ref()),
            RecordSeen::None | RecordSeen::NotLooked | RecordSeen::Unreadable(_) => None,
        };
        snapshot(ctx, newest, &render::definitions_brought(ctx, &prepared), before).await?
    };
    let key = kept_digest::fresh_key();
    let record = DeployRecord {
        format: DEPLOY_RECORD_FORMAT,
        stack: stack.to_owned(),
        release: ctx.release(),
        chart: format!("{} {}", chart.metadata.name, chart.metadata.version),
        revision: newest.revision,
        revision_uid: uid.clone(),
        revision_version: newest.resource_version.clone().filter(|_| is_deployed_by_both(ctx, newest)),
        run: run.id,
        written_at: Timestamp::now(),
        input: input.under(&key),
        key: Some(key),
        reached,
        objects,
    };
    Ok(deploy_records::store_deploy_record(ctx.cluster(), &record, ctx.session().state_key()).await?)
}

/// What the chart's templates are told of the cluster, as it counts for the revision that was just deployed. A chart that brings
/// kinds changes that itself: where it renders to the same with them, they count as served, and where it does not, the next run
/// has something to upgrade.
async fn capabilities_after(
    ctx: &Context,
    newest: &RevisionMeta,
    chart: (&ResolvedChart, &Payload),
    uses: &TemplateUse,
    before: &PlainInputs,
    brings_kinds: bool,
) -> Result<Option<String>, PhaseError> {
    let before = before.0.capabilities.clone();
    if !uses.capabilities {
        return Ok(before);
    }
    if brings_kinds {
        ctx.cluster().discovery(true).await?;
    }
    let target = ctx.session().target().await?;
    let now = Some(render::capabilities(uses, &target));
    if now == before {
        return Ok(before);
    }
    let Some(record) = release_storage::read_record(ctx, newest).await? else { return Ok(before) };
    // What was rendered for the run's plan was for what was served then.
    ctx.forget_renderings().await;
    let rendered = rendered_diff::rendered_with_same_input(ctx, chart, uses, &record).await?;
    Ok(if rendered == Rendered::Same { now } else { before })
}

/// Puts what is remembered into the form of now, where the release was found to be as it was deployed.
pub(crate) async fn renew_deploy_record(ctx: &Context) {
    let observed = observe::observed(ctx).await;
    // One that is left alone whatever is wanted was not compared.
    let state = observed.state(ctx.info());
    let is_compared = matches!(state, ReleaseState::InSync { .. } | ReleaseState::Drifted { .. });
    if let (RecordSeen::Some(record), Some(newest), true) =
        (&observed.record, observed.known_history().newest(), is_compared && observed.has_same_input())
    {
        refresh(ctx, record, Some(newest), observed.inputs.as_ref(), None).await;
    }
}

/// Whether label and payload of a record both say that it is deployed, as far as that was read.
fn is_deployed_by_both(ctx: &Context, meta: &RevisionMeta) -> bool {
    meta.status == RevisionStatus::Deployed && ctx.session().stored_status(meta) == Some(RevisionStatus::Deployed)
}

/// Remembers anew what is as it was deployed: Helm's `revision` as it was seen now, `inputs`, where the record is of an earlier form
/// or the cluster serves something else by now, and `objects`, where they were written since the deploy and are the same all the
/// same. Not over a record that somebody else has written meanwhile.
pub(crate) async fn refresh(
    ctx: &Context,
    record: &DeployRecord,
    revision: Option<&RevisionMeta>,
    inputs: Option<&PlainInputs>,
    objects: Option<Vec<AppliedObject>>,
) {
    let inputs = inputs.filter(|now| record.key.is_none() || record.input.capabilities != now.0.capabilities);
    let revision = revision.filter(|seen| !record.knows(seen) && is_deployed_by_both(ctx, seen));
    if revision.is_none() && inputs.is_none() && objects.is_none() {
        return;
    }
    let mut fresh = DeployRecord { written_at: Timestamp::now(), ..record.clone() };
    if let Some(revision) = revision {
        fresh.revision_version.clone_from(&revision.resource_version);
    }
    if let Some(inputs) = inputs {
        let key = record.key.clone().unwrap_or_else(kept_digest::fresh_key);
        fresh = DeployRecord { format: DEPLOY_RECORD_FORMAT, input: inputs.under(&key), key: Some(key), ..fresh };
    }
    if let Some(objects) = objects {
        fresh.objects = Some(objects);
    }
    if let Err(error) = deploy_records::replace(ctx.cluster(), record, &fresh, ctx.session().state_key()).await {
        // Then it is looked at closer the next time too.
        tracing::debug!(error = %ctx.error_text(&error), "the record was not refreshed");
    }
}

/// The objects of a revision and these definitions as they are now; `None` when one of them is not there, or is not as it is
/// wanted: then the next run compares in full.
async fn snapshot(
    ctx: &Context,
    revision: &RevisionMeta,
    definitions: &[ObjectRef],
    before: Option<&DeployRecord>,
) -> Result<Option<Vec<AppliedObject>>, PhaseError> {
    let Some(record) = release_storage::read_record(ctx, revision).await? else { return Ok(None) };
    let mut objects = release_storage::objects_of_record(ctx, &record).await?;
    objects.extend(definitions.iter().cloned());
    let Some(now) = applied(ctx, &objects).await? else { return Ok(None) };
    let left = match drift_left::left(ctx, revision, &record, before, &now).await {
        Ok(left) => left,
        Err(error) => {
            let why = ctx.redactor().redact(&error.chain().join(": "));
            ctx.warn(format!("whether helm has made everything as it should be is not known: {why}"));
            return Ok(None);
        }
    };
    // Once is enough.
    for drift in left.iter().filter(|_| ctx.phase() == Phase::Exec) {
        let (major, Drift { object, what }) = (ctx.helm().version().major, drift);
        ctx.warn(format!("helm {major} has left {object} other than it should be: {what}"));
    }
    Ok(left.is_empty().then_some(now))
}

async fn applied(ctx: &Context, objects: &[ObjectRef]) -> Result<Option<Vec<AppliedObject>>, ObjectError> {
    let mut all = Vec::with_capacity(objects.len());
    for (object, seen) in objects.iter().zip(read_all(ctx.cluster(), objects, Detail::Metadata).await) {
        match seen {
            Ok(seen) => match seen.and_then(|live| fingerprint::applied(object, &live)) {
                Some(applied) => all.push(applied),
                None => return Ok(None),
            },
            Err(source) => return Err(ObjectError { object: object.clone(), doing: "read", source }),
        }
    }
    Ok(Some(all))
}

/// Forgets what was deployed: it is gone. Repeatable.
pub(crate) async fn forget_deploy(ctx: &Context) {
    if let Err(error) = deploy_records::forget(ctx.cluster(), &ctx.release()).await {
        // A record about a revision that is gone counts for nothing.
        ctx.warn(format!("what was remembered of the release stays: {}", ctx.error_text(&error)));
    }
}
