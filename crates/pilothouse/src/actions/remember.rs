//! Remembering what was deployed, for runs to come.

use crate::actions::deploy_record::{forget, replace, store_deploy_record};
use crate::context::Context;
use crate::context::PlainInputs;
use crate::context::Recorded;
use crate::context::ReleaseRun;
use crate::context::Remembered;
use crate::context::Wanted;
use crate::context::side_by_side;
use crate::error::PhaseError;
use crate::kept_digest;
use crate::observe;
use crate::observe::{Found, Surveyed};
use crate::render;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use pilothouse_core::{
    AppliedObject, DEPLOY_RECORD_FORMAT, DeployRecord, InputPart, MadeUp, Phase, RecordSeen, ReleaseState, Rendered,
    RevisionMeta, RevisionStatus,
};
use pilothouse_kube::ClusterError;
use std::time::Instant;

/// The write of a record, which changes nothing but that.
pub(crate) type Writing = BoxFuture<'static, Result<(), ClusterError>>;

/// Remembers what was deployed, and how far its lifecycle has come; written again when it has come further. Nothing is written where
/// the newest revision is not ours, or files were changed since. Leaves the objects as they were read to the wait that follows
/// (`looked`), and the write to the caller, who does something else meanwhile and then asks [`remembered`]. Writes: our record of the
/// release. Repeatable. That it cannot be written is no failure: the next run compares in full then.
pub(crate) async fn remember_deploy(ctx: &Context, run: &mut ReleaseRun, reached: Phase) -> Option<Writing> {
    let stack = run.stack.clone()?;
    match to_remember(ctx, run, &stack, reached).await {
        Ok(record) => record.map(|record| writing(ctx, record)),
        Err(error) => {
            not_remembered(ctx, &error);
            None
        }
    }
}

fn writing(ctx: &Context, record: DeployRecord) -> Writing {
    let (cluster, key) = (ctx.session().cluster.clone(), ctx.session().state_key().cloned());
    Box::pin(async move { store_deploy_record(cluster.as_ref(), &record, key.as_ref()).await })
}

/// Waits until what was deployed is remembered.
pub(crate) async fn finish_writing(ctx: &Context, writing: Option<Writing>) {
    let Some(writing) = writing else { return };
    if let Err(error) = writing.await {
        not_remembered(ctx, &error.into());
    }
}

fn not_remembered(ctx: &Context, error: &PhaseError) {
    let why = ctx.redactor().redact(&error.chain().join(": "));
    ctx.warn(format!("what was deployed cannot be remembered, so the next run compares in full: {why}"));
}

async fn to_remember(
    ctx: &Context,
    run: &mut ReleaseRun,
    stack: &str,
    reached: Phase,
) -> Result<Option<DeployRecord>, PhaseError> {
    // What is remembered is about this very revision, so that nothing is wrong should there be a newer one by now.
    let Recorded { revision: newest, at, remembered } = if let Some(read) = run.recorded.take() {
        read
    } else {
        let newest = observe::release_history(ctx).await?.newest().cloned();
        let Some(revision) = newest else { return Ok(None) };
        Recorded { revision, at: Instant::now(), remembered: Remembered::NotRead }
    };
    let newest = &newest;
    if newest.status != RevisionStatus::Deployed {
        return Ok(None);
    }
    let record = match remembered {
        // What was found right after helm still holds.
        Remembered::This(written) if written.is_of(newest) => Some(*written),
        Remembered::This(_) | Remembered::Nothing => put_together(ctx, run, stack, newest, None).await?,
        Remembered::NotRead => {
            let (release, key) = (ctx.release(), ctx.session().state_key());
            let before = match observe::read_deploy_record(ctx.cluster(), &release, key).await? {
                Some(Found::Record(record)) => Some(*record).filter(|record| record.is_of(newest)),
                Some(Found::Damaged(_)) | None => None,
            };
            put_together(ctx, run, stack, newest, before).await?
        }
    };
    let Some(record) = record else { return Ok(None) };
    let objects = match record.objects {
        // As they were right after helm: what was written since is looked at by the next run.
        Some(objects) => Some(objects),
        None => objects_now(ctx, run, newest).await?,
    };
    let record = DeployRecord {
        revision_version: newest.resource_version.clone().filter(|_| is_deployed_by_both(ctx, newest)),
        written_at: Timestamp::now(),
        reached,
        objects,
        ..record
    };
    if reached != Phase::Validate {
        let remembered = Remembered::This(Box::new(record.clone()));
        run.recorded = Some(Recorded { revision: newest.clone(), at, remembered });
    }
    Ok(Some(record))
}

/// What is to be remembered of a revision; `before` is what already is. `None` where it is not known what helm was given: somebody
/// else may have deployed meanwhile, and files may have been changed since helm has read them.
async fn put_together(
    ctx: &Context,
    run: &ReleaseRun,
    stack: &str,
    newest: &RevisionMeta,
    before: Option<DeployRecord>,
) -> Result<Option<DeployRecord>, PhaseError> {
    let observed = observe::observed(ctx).await;
    let is_ours = run.attempts.has_written(newest);
    let seen = observed.known_history().newest();
    let is_as_seen = seen.is_some_and(|seen| (seen.revision, &seen.uid) == (newest.revision, &newest.uid));
    let Some(wanted) = ctx.last_wanted().await.filter(|_| is_ours || is_as_seen) else { return Ok(None) };
    let (Some(uid), Some(chart)) = (&newest.uid, &wanted.chart) else { return Ok(None) };
    let Wanted { uses, steps, payload, .. } = &*wanted;
    let Some(now) = render::wanted_inputs(ctx, steps, chart, uses, payload, wanted.target()?).await else {
        return Ok(None);
    };
    let mut input = observed.inputs.clone().unwrap_or_else(|| now.clone());
    // What the cluster serves counts as of before.
    if input.differs(&now).iter().any(|part| *part != InputPart::Capabilities) {
        return Ok(None);
    }
    input.0.capabilities = match &before {
        // As it was found right after helm.
        Some(before) if before.input.capabilities.is_some() == uses.capabilities => before.input.capabilities.clone(),
        Some(_) | None => {
            let served = run.served.as_ref().filter(|_| is_ours && uses.capabilities);
            let told = served.map(|served| render::capabilities(uses, served));
            capabilities_after(ctx, newest, &wanted, told.or(input.0.capabilities)).await?
        }
    };
    let (objects, made_up) = match before {
        Some(before) => (before.objects, before.made_up),
        None if is_ours => (None, made_up(ctx, run, newest, &wanted).await?),
        None => (None, Vec::new()),
    };
    let key = kept_digest::fresh_key();
    Ok(Some(DeployRecord {
        format: DEPLOY_RECORD_FORMAT,
        stack: stack.to_owned(),
        release: ctx.release(),
        chart: format!("{} {}", chart.metadata.name, chart.metadata.version),
        revision: newest.revision,
        revision_uid: uid.clone(),
        revision_version: None,
        run: run.id,
        written_at: Timestamp::now(),
        input: input.under(&key),
        key: Some(key),
        reached: Phase::Exec,
        objects,
        made_up,
    }))
}

/// The objects of a revision as they are right after it was deployed, if that is worth remembering.
async fn objects_now(
    ctx: &Context,
    run: &mut ReleaseRun,
    newest: &RevisionMeta,
) -> Result<Option<Vec<AppliedObject>>, PhaseError> {
    let Some(wanted) = ctx.last_wanted().await else { return Ok(None) };
    let observed = observe::observed(ctx).await;
    let before = match &observed.seen.record {
        RecordSeen::Some(record) => Some(record.as_ref()),
        RecordSeen::None | RecordSeen::NotLooked | RecordSeen::Unreadable(_) => None,
    };
    let definitions = render::definitions_brought(ctx, &wanted);
    observe::snapshot(ctx, newest, &definitions, before, &mut run.looked).await
}

/// What the chart's templates have made up, as far as that is known.
async fn made_up(
    ctx: &Context,
    run: &ReleaseRun,
    newest: &RevisionMeta,
    wanted: &Wanted,
) -> Result<Vec<MadeUp>, PhaseError> {
    let uses = &wanted.uses;
    let is_rendered_again = uses.capabilities || uses.must_render().is_some() || wanted.looks_up_later;
    if !is_rendered_again || !(uses.differs_each_time() || uses.random_tests) {
        return Ok(Vec::new());
    }
    match observe::read_record(ctx, newest).await? {
        Some(record) => observe::made_up_for(ctx, wanted, run, &record).await,
        None => Ok(Vec::new()),
    }
}

/// What the chart's templates are told of the cluster, as it counts for the revision that was just deployed; `told` is what helm
/// has told them. A chart that brings kinds among its templates changes that itself: where it renders to the same with them, they
/// count as served, and where it does not, the next run has something to upgrade.
async fn capabilities_after(
    ctx: &Context,
    newest: &RevisionMeta,
    wanted: &Wanted,
    told: Option<String>,
) -> Result<Option<String>, PhaseError> {
    if !wanted.uses.capabilities {
        return Ok(told);
    }
    if wanted.defines_kinds() {
        // One may have been established only once helm had ended.
        ctx.cluster().discovery(true).await?;
    }
    let target = ctx.session().target().await?;
    let now = Some(render::capabilities(&wanted.uses, &target));
    if now == told {
        return Ok(told);
    }
    let Some(record) = observe::read_record(ctx, newest).await? else { return Ok(told) };
    let rendered = observe::rendered_as_deployed(ctx, &wanted.payload, &record, &[]).await?;
    Ok(if rendered == Rendered::Same { now } else { told })
}

/// Puts what is remembered into the form of now, where the release was found to be as it was deployed.
pub(crate) async fn renew_deploy_record(ctx: &Context) {
    let observed = observe::observed(ctx).await;
    // One that is left alone whatever is wanted was not compared.
    let is_compared = matches!(observed.state, ReleaseState::InSync { .. } | ReleaseState::Drifted { .. });
    if let (RecordSeen::Some(record), Some(newest), true) =
        (&observed.seen.record, observed.known_history().newest(), is_compared && observed.has_same_input())
    {
        refresh(ctx, record, Some(newest), observed.inputs.as_ref(), None).await;
    }
}

/// How many records are written at once.
const SIDE_BY_SIDE: usize = 8;

/// Puts what is remembered of releases that are proven to need nothing into the form of now. Writes only where that is another one.
pub(crate) async fn refresh_deploy_records(contexts: &[Context], surveyed: &[Option<Surveyed>]) {
    let found = contexts.iter().zip(surveyed).filter_map(|(ctx, surveyed)| Some((ctx, surveyed.as_ref()?)));
    let writes = found
        .filter(|(ctx, _)| !ctx.info().dry_run)
        .map(|(ctx, found)| refresh(ctx, &found.record, None, Some(&found.inputs), found.objects.clone()).boxed());
    side_by_side(writes, SIDE_BY_SIDE).await;
}

/// Whether label and payload of a record both say that it is deployed, as far as that was read.
fn is_deployed_by_both(ctx: &Context, meta: &RevisionMeta) -> bool {
    meta.status == RevisionStatus::Deployed && ctx.session().stored_status(meta) == Some(RevisionStatus::Deployed)
}

/// Rewrites the record of a release that is as it was deployed: Helm's `revision` as it was seen now, `inputs`, where the record is of an earlier form
/// or the cluster serves something else by now, and `objects`, where they were written since the deploy and are the same all the
/// same. Not over a record that somebody else has written meanwhile.
async fn refresh(
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
    if let Err(error) = replace(ctx.cluster(), record, &fresh, ctx.session().state_key()).await {
        // Then it is looked at closer the next time too.
        tracing::debug!(error = %ctx.error_text(&error), "the record was not refreshed");
    }
}

/// Forgets what was deployed: it is gone. Repeatable.
pub(crate) async fn forget_deploy(ctx: &Context) {
    if let Err(error) = forget(ctx.cluster(), &ctx.release()).await {
        // A record about a revision that is gone counts for nothing.
        ctx.warn(format!("what was remembered of the release stays: {}", ctx.error_text(&error)));
    }
}
