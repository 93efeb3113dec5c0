//! Volumes that the cluster deletes, with their data, as soon as they are changed.

use crate::context::Compared;
use crate::context::Context;
use crate::observe;
use crate::preflight::losses::consent::Consent;
use pilothouse_core::{Class, Finding, code};

/// PersistentVolumes without a claim, now or after this change, whose new reclaim policy makes the cluster delete them; unless consent
/// names them.
pub(super) async fn findings(ctx: &Context, compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in compared.iter().filter(|one| !consent.names(&one.object)) {
        match observe::is_reclaimed_at_once(ctx, one, compared).await {
            Ok(false) => {}
            Ok(true) => {
                let message = "released volume: changing its reclaim policy deletes it and its data immediately";
                findings.push(Finding::new(Class::Unsafe, code::DATA_ATTACHED, &one.object, message));
            }
            Err(error) => {
                let why = format!("it is not known whether its claim stays: {}", ctx.error_text(&error));
                findings.push(Finding::new(Class::Blocked, code::UNREADABLE, &one.object, why));
            }
        }
    }
    findings
}
