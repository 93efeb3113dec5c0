//! Writing the Secret in which what was deployed is remembered.

use crate::journal::StateKey;
use crate::journal::data;
use crate::observe;
use crate::observe::{Found, RECORD_KEY, decode_record, encode_record, record_ref};
use pilothouse_core::{DeployRecord, ReleaseKey};
use pilothouse_kube::{ApplyOptions, ClusterClient, ClusterError, Precondition, Propagation};
use serde_json::json;

/// How many bytes a record may have. Kubernetes allows a Secret 1 MiB.
const LIMIT: usize = 900_000;

/// Writes the record of a release, in place of one that is there. Repeatable. Objects are left out when there are too many
/// of them: then the next run compares in full.
///
/// # Errors
/// As for any request.
pub(crate) async fn store_deploy_record(
    cluster: &dyn ClusterClient,
    record: &DeployRecord,
    key: Option<&StateKey>,
) -> Result<(), ClusterError> {
    let mut packed = encode_record(record);
    if packed.len() > LIMIT {
        packed = encode_record(&DeployRecord { objects: None, ..record.clone() });
    }
    let object = record_ref(&record.release);
    let mut labels = json!({
        "app.kubernetes.io/managed-by": "pilothouse",
        "pilothouse.dev/record": "deploy",
        "pilothouse.dev/release": record.release.name,
    });
    if is_label_value(&record.stack) {
        labels["pilothouse.dev/stack"] = json!(record.stack);
    }
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": object.name, "namespace": object.namespace, "labels": labels},
        "type": "pilothouse.dev/deploy.v1",
        "data": {},
    });
    let mut secret = secret;
    secret["data"] = data(key, &object.to_string(), RECORD_KEY, &packed);
    // What is applied without it is removed, since nobody else has a part in it.
    if let Some(data) = secret["data"].as_object_mut() {
        data.retain(|_, value| !value.is_null());
    }
    let options =
        ApplyOptions { default_namespace: Some(record.release.namespace.clone()), ..observe::apply_options(false) };
    cluster.apply(&secret, &options).await.map(drop)
}

/// Writes a record in place of one that was read before, if it is still there as it was.
///
/// # Errors
/// As for any request; [`ClusterError::Conflict`] when somebody else writes it at the same moment.
pub(crate) async fn replace(
    cluster: &dyn ClusterClient,
    before: &DeployRecord,
    record: &DeployRecord,
    key: Option<&StateKey>,
) -> Result<(), ClusterError> {
    let object = record_ref(&record.release);
    let Some(secret) = cluster.get(&object).await? else { return Ok(()) };
    let packed = encode_record(record);
    if decode_record(&secret, key) != Found::Record(Box::new(before.clone())) || packed.len() > LIMIT {
        return Ok(());
    }
    let patch = json!({"data": data(key, &object.to_string(), RECORD_KEY, &packed)});
    cluster.merge_patch(&object, &patch, &Precondition::unchanged(&secret)).await.map(drop)
}

/// Removes the record of a release. Repeatable.
///
/// # Errors
/// As for any request.
pub(crate) async fn forget(cluster: &dyn ClusterClient, release: &ReleaseKey) -> Result<(), ClusterError> {
    cluster.delete(&record_ref(release), &Precondition::default(), Propagation::Background).await.map(drop)
}

/// What Kubernetes allows as the value of a label.
fn is_label_value(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63 && text.chars().all(inside) && text.starts_with(ends) && text.ends_with(ends)
}
