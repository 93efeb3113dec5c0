//! What stands in the way of a deploy around its objects: permissions, quotas, room on nodes, webhooks, pull secrets, APIs that go.

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;

pub(crate) use crate::preflight::cluster::selector::matches as selects;

use crate::context::Compared;
use crate::context::Context;
use crate::context::Foresight;
use crate::preflight::cluster::capacity;
use crate::preflight::cluster::permissions;
use crate::preflight::cluster::pull_secrets;
use crate::preflight::cluster::quota;
use crate::preflight::cluster::removed_apis;
use crate::preflight::cluster::webhooks;
use serde_json::Value;

/// Looks around a deploy: only what is about objects that change. What cannot be read is told as not checked. Changes nothing.
pub(crate) async fn look_around(ctx: &Context, compared: &[Compared], rendered: &[Value]) -> Foresight {
    let (rights, quota, room, webhooks, secrets) = tokio::join!(
        permissions::check(ctx, compared),
        quota::check(ctx, compared),
        capacity::check(ctx, compared),
        webhooks::check(ctx, compared, rendered),
        pull_secrets::check(ctx, compared, rendered),
    );
    let warnings = match ctx.session().target().await {
        Ok(target) => removed_apis::warnings(rendered, &target.kube_version),
        // Whoever renders for it has told already.
        Err(_) => Vec::new(),
    };
    rights.and(quota).and(room).and(webhooks).and(secrets).and(Foresight { warnings, ..Foresight::default() })
}
