//! Which cluster it is.

use super::error::ClusterError;
use super::port::ClusterClient;
use pilothouse_core::ObjectRef;
use serde_json::Value;

/// What tells a cluster from every other: the UID of its namespace `kube-system`; `None` when that may not be read.
///
/// # Errors
/// When the cluster does not answer.
pub async fn cluster_uid(cluster: &dyn ClusterClient) -> Result<Option<String>, ClusterError> {
    let namespace = ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: "Namespace".to_owned(),
        namespace: None,
        name: "kube-system".to_owned(),
    };
    match cluster.get(&namespace).await {
        Ok(found) => {
            let uid = found.as_ref().and_then(|found| found.pointer("/metadata/uid")).and_then(Value::as_str);
            Ok(uid.map(str::to_owned))
        }
        Err(ClusterError::Forbidden { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
