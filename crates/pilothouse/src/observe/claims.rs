//! Claims that go with the pods of a StatefulSet, and volumes that go since nothing is bound to them.

use crate::context::Context;
use crate::context::{Compared, Outcome};
use pilothouse_core::{ObjectChange, ObjectRef, Reclaimed, ScaledDown, object_ref};
use pilothouse_kube::{ClusterError, ListQuery};

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

/// Whether an object is a volume that the cluster deletes with its data as soon as it is what it is going to be.
pub(crate) fn is_reclaimed_at_once(one: &Compared) -> bool {
    let changes = matches!(one.outcome, Outcome::Change(ObjectChange::Update | ObjectChange::Adopt));
    let both = one.live.as_ref().zip(one.then.as_ref()).filter(|_| changes && one.object.kind == "PersistentVolume");
    both.and_then(|(live, then)| Reclaimed::of(live.expose(), then.expose())) == Some(Reclaimed::AtOnce)
}
