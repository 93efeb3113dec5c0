//! Claims that go with the pods of a StatefulSet.

use crate::context::Compared;
use crate::context::Context;
use crate::observe;
use crate::preflight::losses::consent::Consent;
use pilothouse_core::{Class, Finding, code};

/// The StatefulSets whose pods become fewer with their claims, unless consent names the set or each of the claims.
pub(super) async fn findings(ctx: &Context, compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in compared.iter().filter(|one| !consent.names(&one.object)) {
        let claims = match observe::claims_scaled_away(ctx, one).await {
            Ok(claims) => claims,
            Err(error) => {
                let why = format!("which of its claims would go is not known: {}", ctx.error_text(&error));
                findings.push(Finding::new(Class::Blocked, code::UNREADABLE, &one.object, why));
                continue;
            }
        };
        let lost: Vec<String> = claims.iter().filter(|claim| !consent.names(claim)).map(ToString::to_string).collect();
        if !lost.is_empty() {
            let message = format!(
                "it would be scaled down, which deletes {}: persistentVolumeClaimRetentionPolicy.whenScaled is Delete",
                lost.join(", ")
            );
            findings.push(Finding::new(Class::Unsafe, code::DATA_ATTACHED, &one.object, message));
        }
    }
    findings
}
