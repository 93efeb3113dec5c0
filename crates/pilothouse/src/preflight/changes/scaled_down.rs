//! Claims that go with the pods of a StatefulSet.

use crate::context::release_context::Context;
use crate::observe::dry_run::compared::{Compared, Outcome};
use crate::preflight::consent::Consent;
use pilothouse_core::{Class, Finding, ObjectChange, ObjectRef, ScaledDown, code, object_ref};
use pilothouse_kube::{ClusterError, ListQuery};

/// The StatefulSets whose pods become fewer with their claims, unless consent names the set or each of the claims.
pub(super) async fn findings(ctx: &Context, compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in compared.iter().filter(|one| !consent.names(&one.object)) {
        let claims = match claims(ctx, one).await {
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

/// The claims that go with an object when it becomes what it is going to be. Asks for them only where some may go.
///
/// # Errors
/// When they cannot be listed.
pub(in crate::preflight) async fn claims(ctx: &Context, one: &Compared) -> Result<Vec<ObjectRef>, ClusterError> {
    let changes = matches!(one.outcome, Outcome::Change(ObjectChange::Update | ObjectChange::Adopt));
    let both = one.live.as_ref().zip(one.then.as_ref()).filter(|_| changes && one.object.kind == "StatefulSet");
    let Some(scaled) = both.and_then(|(live, then)| ScaledDown::of(live.expose(), then.expose())) else {
        return Ok(Vec::new());
    };
    let mut query = ListQuery::new("v1", "PersistentVolumeClaim");
    query.namespace.clone_from(&one.object.namespace);
    let claims = ctx.cluster().list_metadata(&query).await?;
    Ok(claims.iter().filter_map(object_ref).filter(|claim| scaled.takes(&one.object.name, &claim.name)).collect())
}
