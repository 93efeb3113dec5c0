//! Volumes that go with their data as soon as they are changed.

use crate::context::Compared;
use crate::context::Context;
use crate::observe;
use crate::preflight::losses::consent::Consent;
use pilothouse_core::{Class, Finding, code};

/// The PersistentVolumes whose claim is gone or goes, and that a change makes the cluster delete, unless consent names them.
pub(super) async fn findings(ctx: &Context, compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in compared.iter().filter(|one| !consent.names(&one.object)) {
        match observe::is_reclaimed_at_once(ctx, one, compared).await {
            Ok(false) => {}
            Ok(true) => {
                let message = "its claim goes or is gone, and its reclaim policy would not be Retain: it would be deleted at once, with the data on it";
                findings.push(Finding::new(Class::Unsafe, code::DATA_ATTACHED, &one.object, message));
            }
            Err(error) => {
                let why = format!("whether its claim stays cannot be told: {}", ctx.error_text(&error));
                findings.push(Finding::new(Class::Blocked, code::UNREADABLE, &one.object, why));
            }
        }
    }
    findings
}
