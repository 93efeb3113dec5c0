//! What the cluster shows of a failure, gathered before anything is cleaned up.

use crate::context::Context;
use crate::error::PhaseError;
use crate::stored;
use pilothouse_core::{Cause, ObjectRef, ObjectStatus, Phase};
use pilothouse_kube::causes;
use std::time::Duration;

/// How long gathering may take: it must never be what a run hangs on.
const DEADLINE: Duration = Duration::from_secs(20);

/// The objects behind an error, with what tells why. Whatever cannot be gathered is left out and said.
pub(crate) async fn collect(ctx: &Context, error: &PhaseError) -> Vec<Cause> {
    let gather = async {
        let objects = match error.not_ready() {
            Some(not_ready) => not_ready.objects.clone(),
            None if ctx.phase() == Phase::Exec => unready(ctx).await,
            None => Vec::new(),
        };
        let mut found = causes(ctx.cluster(), &objects).await;
        for cause in &mut found {
            for line in &mut cause.evidence {
                *line = ctx.redactor().redact(line);
            }
            cause.why = ctx.redactor().redact(&cause.why);
            if let Some(status) = &mut cause.status {
                status.message = ctx.redactor().redact(&status.message);
            }
        }
        found
    };
    if let Ok(found) = tokio::time::timeout(DEADLINE, gather).await {
        return found;
    }
    ctx.warn(format!("gathering evidence took more than {} s and was given up", DEADLINE.as_secs()));
    Vec::new()
}

/// The objects and hooks of the newest revision that are not ready, when helm itself failed.
async fn unready(ctx: &Context) -> Vec<(ObjectRef, ObjectStatus)> {
    let objects = match stored::objects_and_hooks(ctx).await {
        Ok(objects) => objects,
        Err(error) => {
            ctx.warn(format!("the objects of the release cannot be told: {}", error.chain().join(": ")));
            return Vec::new();
        }
    };
    let mut unready = Vec::new();
    for object in objects {
        // What is not there tells nothing: helm may not have come that far.
        if let Ok(Some(live)) = ctx.cluster().get(&object).await {
            let status = ctx.session().rules.judge(&live, jiff::Timestamp::now()).status;
            if !status.is_ready() {
                unready.push((object, status));
            }
        }
    }
    unready
}
