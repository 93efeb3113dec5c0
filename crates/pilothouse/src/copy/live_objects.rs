//! How objects stand in the copy.

use crate::context::Session;
use crate::copy::cluster_copy::SIDE_BY_SIDE;
use crate::digest;
use futures::StreamExt;
use pilothouse_core::{ObjectRef, ObjectSeen, ObjectsSeen, error_chain, helm_owner};
use pilothouse_kube::ClusterError;
use serde_json::Value;

/// Looks at objects. A kind that is not served has none.
pub(super) async fn look(session: &Session, objects: &[ObjectRef]) -> ObjectsSeen {
    let looks = objects.iter().map(|object| async move {
        let seen = match session.cluster.get(object).await {
            Ok(Some(live)) => there(&live),
            Ok(None) | Err(ClusterError::NotServed { .. }) => ObjectSeen::Absent,
            Err(error) => ObjectSeen::Unreadable(session.redactor.redact(&error_chain(&error).join(": "))),
        };
        (object.clone(), seen)
    });
    futures::stream::iter(looks.collect::<Vec<_>>()).buffered(SIDE_BY_SIDE).collect().await
}

fn there(live: &Value) -> ObjectSeen {
    // What is on its way out and held up by a finalizer counts as deleted.
    if live.pointer("/metadata/deletionTimestamp").is_some() {
        return ObjectSeen::Absent;
    }
    let uid = live.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
    ObjectSeen::There { uid, owner: helm_owner(live), content: digest::content_digest(live) }
}
