//! What a chart's hooks delete: helm asks neither what it is nor whose.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Outcome;
use crate::error::PhaseError;
use crate::observe;
use crate::preflight::losses::consent::Consent;
use crate::preflight::losses::data_loss;
use pilothouse_core::{Class, Finding, code};

/// What hooks delete that holds data or is not the release's, and nobody has consented to.
pub(crate) async fn findings(ctx: &Context, compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in compared.iter().filter(|one| !consent.names(&one.object)) {
        let Some(hook) = &one.by_hook else { continue };
        if let Outcome::Unreadable { why } = &one.outcome {
            findings.push(Finding::new(Class::Blocked, code::UNREADABLE, &one.object, why));
            continue;
        }
        let deletes = format!("the chart's {} hook deletes it", hook.event);
        let lost = data_loss::losses(ctx, std::slice::from_ref(&one.object), compared, consent).await;
        if let Some(lost) = lost.into_iter().next() {
            findings.push(Finding { message: format!("{deletes}: {}", lost.message), ..lost });
        } else if !hook.is_own {
            let message = format!("{deletes}, and it is not the release's: let the hook have another name, or consent");
            findings.push(Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, &one.object, message));
        }
    }
    findings
}

/// The same of what the chart's tests delete: they are hooks.
///
/// # Errors
/// When it cannot be told what they are.
pub(crate) async fn test_hook_findings(ctx: &Context) -> Result<Vec<Finding>, PhaseError> {
    let history = observe::release_history(ctx).await?;
    let deleted = observe::deleted_by_stored_hooks(ctx, &history, &["test", "test-success", "test-failure"]).await?;
    Ok(findings(ctx, &deleted, &Consent::needed(ctx).await?).await)
}
