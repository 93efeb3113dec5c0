//! Claims that go with the pods of a StatefulSet, and volumes that go since nothing is bound to them.

use crate::context::Context;
use crate::context::{Compared, Outcome};
use pilothouse_core::{
    ObjectChange, ObjectRef, Reclaimed, ScaledDown, Sensitive, deletes_its_claims, is_claim_of, object_ref,
};
use pilothouse_kube::{ClusterError, ListQuery};
use serde_json::Value;

/// The claims that go with an object when it becomes what it is going to be. Asks for them only where some may go.
///
/// # Errors
/// When they cannot be listed.
pub(crate) async fn claims_scaled_away(ctx: &Context, one: &Compared) -> Result<Vec<ObjectRef>, ClusterError> {
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

/// Whether an object is a volume that the cluster deletes with its data as soon as it is what it is going to be, or as soon as
/// everything in `compared` is: its claim is gone, on its way, or goes by the same change.
///
/// # Errors
/// When the claim cannot be read.
pub(crate) async fn is_reclaimed_at_once(
    ctx: &Context,
    one: &Compared,
    compared: &[Compared],
) -> Result<bool, ClusterError> {
    let changes = matches!(one.outcome, Outcome::Change(ObjectChange::Update | ObjectChange::Adopt));
    let both = one.live.as_ref().zip(one.then.as_ref()).filter(|_| changes && one.object.kind == "PersistentVolume");
    let Some((live, then)) = both else { return Ok(false) };
    match Reclaimed::of(live.expose(), then.expose()) {
        None => Ok(false),
        Some(Reclaimed::AtOnce) => Ok(true),
        Some(Reclaimed::WithItsClaim) => claim_goes(ctx, then.expose(), compared).await,
    }
}

/// The claim that a volume is bound to.
pub(crate) fn claim_of(volume: &Value) -> Option<ObjectRef> {
    let text = |key: &str| volume["spec"]["claimRef"][key].as_str().map(str::to_owned);
    Some(ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: "PersistentVolumeClaim".to_owned(),
        namespace: text("namespace"),
        name: text("name")?,
    })
}

/// Whether the claim that a volume is bound to does not stay.
async fn claim_goes(ctx: &Context, volume: &Value, compared: &[Compared]) -> Result<bool, ClusterError> {
    let uid = volume["spec"]["claimRef"]["uid"].as_str().filter(|uid| !uid.is_empty());
    let Some((uid, claim)) = uid.zip(claim_of(volume)) else { return Ok(false) };
    if compared.iter().any(|one| takes(one, &claim)) {
        return Ok(true);
    }
    let Some(live) = ctx.cluster().get(&claim).await? else { return Ok(true) };
    let metadata = &live["metadata"];
    Ok(metadata["uid"] != uid || !metadata["deletionTimestamp"].is_null())
}

/// Whether a claim goes with what happens to an object.
fn takes(one: &Compared, claim: &ObjectRef) -> bool {
    let goes = matches!(one.outcome, Outcome::Change(ObjectChange::Delete | ObjectChange::Replace { .. }));
    let changes = matches!(one.outcome, Outcome::Change(ObjectChange::Update | ObjectChange::Adopt));
    let (live, then) = (one.live.as_ref().map(Sensitive::expose), one.then.as_ref().map(Sensitive::expose));
    match one.object.kind.as_str() {
        "PersistentVolumeClaim" => goes && one.object.same_object(claim),
        "Namespace" => goes && claim.namespace.as_ref() == Some(&one.object.name),
        "StatefulSet" if one.object.namespace == claim.namespace => {
            let with_set = |live| deletes_its_claims(live) && is_claim_of(live, &one.object.name, &claim.name);
            let scaled = live.zip(then).and_then(|(live, then)| ScaledDown::of(live, then));
            goes && live.is_some_and(with_set)
                || changes && scaled.is_some_and(|scaled| scaled.takes(&one.object.name, &claim.name))
        }
        _ => false,
    }
}
