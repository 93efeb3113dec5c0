//! Why objects that somebody has asked about do not work, whatever release they are of.

use crate::context::Context;
use crate::diagnose::wait_ready;
use pilothouse_core::{Cause, ObjectRef, code};
use pilothouse_kube::{Subject, restarted_lately, statuses};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long this may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// How much of that may be for reading one by one.
const READS: Duration = Duration::from_secs(15);

/// The causes of what is wrong with these objects: with those that are not ready, and with those that are so only until a container
/// ends again. What is not understood is left out: whoever asked tells what is amiss. Objects that do not exist tell nothing.
pub(crate) async fn causes_of_named(ctx: &Context, objects: &[ObjectRef]) -> Vec<(ObjectRef, Vec<Cause>)> {
    let deadline = Instant::now() + READS;
    let look = async {
        let mut stand = statuses(ctx.cluster(), ctx.tracker().rules(), objects).await;
        let restarted = restarted_lately(ctx.cluster(), objects).await;
        restarted.warnings().for_each(|(_, text)| ctx.warn(text));
        for (object, doubted) in restarted.found {
            let ready = stand.iter_mut().filter(|(known, status)| *known == object && status.is_ready());
            ready.for_each(|(_, status)| *status = doubted.clone());
        }
        stand.retain(|(_, status)| !status.is_ready());
        wait_ready::causes_of(ctx, Subject::of_release(&stand), None, deadline).await
    };
    let Ok(mut found) = timeout(DEADLINE, look).await else {
        ctx.warn(format!("looking for the cause took more than {} s and was given up", DEADLINE.as_secs()));
        return Vec::new();
    };
    for (_, causes) in &mut found {
        causes.retain(|cause| cause.code != code::UNKNOWN);
    }
    found.retain(|(_, causes)| !causes.is_empty());
    found
}
