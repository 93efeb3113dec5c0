//! Waiting until admission policies are in force: the server reads them by and by.

use crate::copy::surroundings::{ADMISSION, core};
use crate::observe::apply_options;
use pilothouse_core::ObjectRef;
use pilothouse_kube::{ClusterClient, ClusterError, Precondition, Propagation};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The name of the last policy, and of the object that it refuses.
const LAST: &str = "last-policy.pilothouse.dev";
/// How long policies may take. The server looks for new ones once a second.
const IN_FORCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(100);

/// Puts one more policy behind those that are there, which refuses one object that nobody has, and asks for that object (without
/// making it) until it is refused: then the others are in force too. Takes the policy away again. `false` when it took too
/// long.
///
/// # Errors
/// As for any request.
pub(super) async fn in_force(cluster: &dyn ClusterClient) -> Result<bool, ClusterError> {
    let policy = json!({
        "apiVersion": ADMISSION, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": LAST},
        "spec": {
            "failurePolicy": "Ignore",
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]},
            ]},
            "matchConditions": [{"name": "that-one", "expression": format!("object.metadata.name == '{LAST}'")}],
            "validations": [{"expression": "false", "message": LAST}],
        },
    });
    let binding = json!({
        "apiVersion": ADMISSION, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": LAST},
        "spec": {"policyName": LAST, "validationActions": ["Deny"]},
    });
    cluster.create(&policy).await?;
    cluster.create(&binding).await?;
    let asked = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": LAST, "namespace": "default"}});
    let options = apply_options(true);
    let deadline = Instant::now() + IN_FORCE;
    let in_force = loop {
        match cluster.apply(&asked, &options).await {
            Err(error) if error.to_string().contains(LAST) && refuses(&error) => break true,
            _ if Instant::now() >= deadline => break false,
            _ => sleep(LOOK).await,
        }
    };
    for kind in ["ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"] {
        let object = ObjectRef { api_version: Some(ADMISSION.to_owned()), ..core(kind, None, LAST) };
        cluster.delete(&object, &Precondition::default(), Propagation::Background).await?;
    }
    Ok(in_force)
}

fn refuses(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Invalid { .. } | ClusterError::Forbidden { .. })
}
