//! Definitions of custom resources: what lives by them, and deleting them.

use crate::client::{ClusterClient, ListQuery, Precondition, Propagation};
use crate::error::ClusterError;
use crate::ownership::ObjectError;
use pilothouse_core::{CrdFacts, HelmOwner, ObjectRef, crd_facts, helm_owner, object_ref};
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

/// Which definitions may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrdDeletion {
    /// Only when no custom resource of any of them exists.
    Unused,
    /// In any case; their custom resources go with them.
    WithCustomResources,
}

/// Why definitions were not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteCrdsError {
    /// Custom resources exist; nothing was deleted.
    #[error("refused: {}", in_use(used))]
    InUse {
        /// Each definition in use with its custom resources.
        used: Vec<(ObjectRef, Vec<ObjectRef>)>,
    },
    /// A definition cannot be read or deleted; those before it may be gone.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

fn in_use(used: &[(ObjectRef, Vec<ObjectRef>)]) -> String {
    let one = |(crd, objects): &(ObjectRef, Vec<ObjectRef>)| {
        let first: Vec<String> = objects.iter().take(3).map(ToString::to_string).collect();
        let more = if objects.len() > first.len() { ", ..." } else { "" };
        format!("{} has {} custom resources ({}{more})", crd.name, objects.len(), first.join(", "))
    };
    used.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Deletes definitions by name, each only if it is still the one that was looked at; those that do not exist are
/// passed over. Everything is checked before anything is deleted. Gives those whose deletion was begun: wait for their end
/// with [`wait_deleted`](crate::wait_deleted).
///
/// # Errors
/// [`DeleteCrdsError`].
pub async fn delete_crds(
    client: &dyn ClusterClient,
    names: &[String],
    which: CrdDeletion,
) -> Result<Vec<ObjectRef>, DeleteCrdsError> {
    let (mut found, mut used) = (Vec::new(), Vec::new());
    for name in names {
        let crd = crd_ref(name);
        let unreadable = |error| ObjectError::new(&crd, "read", error);
        let Some(live) = client.get(&crd).await.map_err(unreadable)? else { continue };
        if which == CrdDeletion::Unused {
            let objects = custom_resources(client, &live).await.map_err(unreadable)?;
            if !objects.is_empty() {
                used.push((crd.clone(), objects));
            }
        }
        let precondition = Precondition { resource_version: None, ..Precondition::unchanged(&live) };
        found.push((crd, precondition));
    }
    if !used.is_empty() {
        return Err(DeleteCrdsError::InUse { used });
    }
    let mut begun = Vec::new();
    for (crd, precondition) in found {
        let deleted = client.delete(&crd, &precondition, Propagation::Background).await;
        if deleted.map_err(|error| ObjectError::new(&crd, "deleted", error))? {
            begun.push(crd);
        }
    }
    Ok(begun)
}

async fn custom_resources(client: &dyn ClusterClient, live: &Value) -> Result<Vec<ObjectRef>, ClusterError> {
    let Some(facts) = crd_facts(live) else { return Ok(Vec::new()) };
    // A definition whose names were never accepted was never served, so nothing was ever made by it.
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
    let refused = |condition: &Value| condition["type"] == "NamesAccepted" && condition["status"] == "False";
    if facts.stored_versions.is_empty() || conditions.into_iter().flatten().any(refused) {
        return Ok(Vec::new());
    }
    Ok(live_custom_resources(client, &facts).await?.into_iter().map(|(object, _)| object).collect())
}
