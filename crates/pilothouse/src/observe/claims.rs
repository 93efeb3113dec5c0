//! Claims that go with the pods of a StatefulSet.

use crate::context::Context;
use crate::context::{Compared, Outcome};
use pilothouse_core::{ObjectChange, ObjectRef, ScaledDown, object_ref};
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
