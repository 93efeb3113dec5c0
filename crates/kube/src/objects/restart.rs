//! Restarting workloads.

use super::ownership::ObjectError;
use crate::client::{ClusterClient, ClusterError, Precondition};
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, restart_patch};

/// Restarts Deployments, StatefulSets and DaemonSets as `kubectl rollout restart` does: their pods are replaced by their
/// own rules. `at` marks the restart; the same time again restarts nothing. References without a namespace are looked
/// for in `default_namespace`. Gives the complete references.
///
/// # Errors
/// The first object that is of another kind, does not exist or cannot be changed; those before it are restarted.
pub async fn restart(
    client: &dyn ClusterClient,
    workloads: &[ObjectRef],
    default_namespace: &str,
    at: Timestamp,
) -> Result<Vec<ObjectRef>, ObjectError> {
    let mut resolved = Vec::new();
    for object in workloads {
        let failed = |error| ObjectError::new(object, "restarted", error);
        let workload = client.resolve(object, default_namespace).await.map_err(failed)?;
        let known = ["Deployment", "StatefulSet", "DaemonSet"].contains(&workload.kind.as_str());
        if !known || workload.group() != Some("apps") {
            let message = "only a Deployment, StatefulSet or DaemonSet can be restarted".to_owned();
            return Err(failed(ClusterError::Invalid { object: workload, message }));
        }
        resolved.push(workload);
    }
    let patch = restart_patch(&at.to_string());
    for workload in &resolved {
        let patched = client.merge_patch(workload, &patch, &Precondition::default()).await;
        patched.map_err(|error| ObjectError::new(workload, "restarted", error))?;
    }
    Ok(resolved)
}
