//! Definitions of custom resources, and what lives by them.

use crate::client::{ClusterClient, ClusterError, ListQuery};
use pilothouse_core::{CrdFacts, HelmOwner, ObjectRef, helm_owner, object_ref};
use serde_json::Value;

/// The reference of a definition by its name (`widgets.example.com`).
pub fn crd_ref(name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some("apiextensions.k8s.io/v1".to_owned()),
        kind: "CustomResourceDefinition".to_owned(),
        namespace: None,
        name: name.to_owned(),
    }
}

/// Finds all custom resources of a definition, whatever version they were written in, with who owns each. Every served
/// version shows all of them, so one is listed.
///
/// # Errors
/// [`ClusterError::NotServed`] when no version of it is served: then it cannot be told.
pub async fn live_custom_resources(
    client: &dyn ClusterClient,
    crd: &CrdFacts,
) -> Result<Vec<(ObjectRef, HelmOwner)>, ClusterError> {
    let versions = crd.storage_version.iter().chain(&crd.versions);
    for version in versions {
        let query = ListQuery::new(format!("{}/{version}", crd.group), &crd.kind);
        match client.list_metadata(&query).await {
            Ok(objects) => {
                let owned = |object: &Value| Some((object_ref(object)?, helm_owner(object)));
                return Ok(objects.iter().filter_map(owned).collect());
            }
            Err(ClusterError::NotServed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ClusterError::NotServed { kind: crd.kind.clone(), group: Some(crd.group.clone()) })
}
