//! Whether the chart's definitions are in the cluster as the chart has them, and what bringing them would change.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Outcome;
use crate::context::Wanted;
use crate::digest;
use crate::error::PhaseError;
use crate::observe::dry_run::compare::{created, seen_object};
use crate::observe::dry_run::refusal::{self, Answer};
use crate::render;
use futures::{StreamExt, TryStreamExt};
use pilothouse_core::{CrdPolicy, ObjectChange, ObjectRef, Secrecy, Sensitive, field_changes, helm_owner, object_ref};
use pilothouse_kube::{ApplyOptions, Detail, read_for_ownership};
use serde_json::Value;

/// Definitions at a time; each takes two requests.
const SIDE_BY_SIDE: usize = 8;

/// Who owns the fields of what we apply ourselves: definitions, and our own records.
pub(crate) const FIELD_MANAGER: &str = "pilothouse";

/// How we apply an object ourselves, or with `dry_run` only ask about it: we own what it says, whoever had it before.
pub(crate) fn apply_options(dry_run: bool) -> ApplyOptions {
    ApplyOptions { field_manager: FIELD_MANAGER.to_owned(), force: true, dry_run, default_namespace: None }
}

/// Whether bringing the chart's definitions would change the cluster: one is missing or, where they are brought to the chart's
/// version, would be another then.
///
/// # Errors
/// When that cannot be told.
pub(crate) async fn would_change(ctx: &Context, wanted: &Wanted) -> Result<bool, PhaseError> {
    if ctx.info().crds == CrdPolicy::Skip {
        return Ok(false);
    }
    for crd in &render::chart_definitions(wanted) {
        let Some(object) = object_ref(crd) else { continue };
        let Some(live) = ctx.cluster().get(&object).await? else { return Ok(true) };
        if ctx.info().crds == CrdPolicy::Upgrade {
            match ctx.cluster().apply(crd, &apply_options(true)).await {
                Ok(then) if digest::content_digest(&live) == digest::content_digest(&then) => {}
                Ok(_) => return Ok(true),
                // What the server refuses is not what is there: the preview tells why.
                Err(error) if matches!(refusal::read(&error, true, ctx.redactor()), Answer::Refused { .. }) => {
                    return Ok(true);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(false)
}

/// What bringing the chart's definitions makes of each, by the release's policy for them. Those that were read a moment ago, `seen`,
/// are not read again. Changes nothing.
///
/// # Errors
/// When one cannot be read.
pub(crate) async fn preview_definitions(
    ctx: &Context,
    wanted: &Wanted,
    seen: &[(ObjectRef, Option<Value>)],
) -> Result<Vec<Compared>, PhaseError> {
    if ctx.info().crds == CrdPolicy::Skip {
        return Ok(Vec::new());
    }
    let definitions = render::chart_definitions(wanted);
    let mut seen = seen.to_vec();
    if ctx.info().crds == CrdPolicy::Create {
        // Of those that stay as they are, that they are there is enough.
        let objects: Vec<ObjectRef> = definitions.iter().filter_map(object_ref).collect();
        seen.extend(read_for_ownership(ctx.cluster(), &objects, Detail::Metadata).await?);
    }
    let looks = definitions.iter().filter_map(|crd| Some(preview_definition(ctx, object_ref(crd)?, crd, &seen)));
    futures::stream::iter(looks.collect::<Vec<_>>()).buffered(SIDE_BY_SIDE).try_collect().await
}

async fn preview_definition(
    ctx: &Context,
    object: ObjectRef,
    crd: &Value,
    seen: &[(ObjectRef, Option<Value>)],
) -> Result<Compared, PhaseError> {
    let live = match seen.iter().find(|(known, _)| known.same_object(&object)) {
        Some((_, live)) => live.clone(),
        None => ctx.cluster().get(&object).await?,
    };
    let ask = async || {
        let answer = ctx.cluster().apply(crd, &apply_options(true)).await;
        answer.map_or_else(|error| refusal::read(&error, true, ctx.redactor()), Answer::Then)
    };
    let Some(live) = live else { return Ok(created(&object, crd, ask().await)) };
    let there = Compared {
        seen: seen_object(&object.kind, &live),
        owner: Some(helm_owner(&live)),
        live: Some(Sensitive::new(live.clone())),
        ..Compared::unknown(&object, Outcome::Change(ObjectChange::Same))
    };
    if ctx.info().crds != CrdPolicy::Upgrade {
        // Nobody touches it by the policy `create`.
        return Ok(Compared { seen: None, ..there });
    }
    let outcome = match ask().await {
        Answer::Then(then) => {
            let fields = field_changes(&live, &then, Secrecy { kind: &object.kind, redactor: ctx.redactor() });
            let change = if fields.is_empty() { ObjectChange::Same } else { ObjectChange::Update };
            let (outcome, then) = (Outcome::Change(change), Some(Sensitive::new(then)));
            return Ok(Compared { outcome, fields, then, ..there });
        }
        Answer::Refused { why } => Outcome::Change(ObjectChange::Refused { why }),
        Answer::NotAsked { why } => Outcome::Unreadable { why },
        Answer::Unknown(outcome) => outcome,
    };
    Ok(Compared { outcome, ..there })
}
