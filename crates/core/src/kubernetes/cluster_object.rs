//! What an object's own fields tell, read from its JSON.

use crate::ids::{ObjectRef, ReleaseKey};
use serde_json::{Value, json};

/// The label Helm requires on what it owns (`pkg/action/validate.go`).
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The annotation that names the owning release (`pkg/action/validate.go`).
const RELEASE_NAME: &str = "meta.helm.sh/release-name";
/// The annotation that names the owning release's namespace (`pkg/action/validate.go`).
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";

/// Who owns an object in Helm's eyes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelmOwner {
    /// All three keys are there and name this release.
    Release(ReleaseKey),
    /// Some keys are there, but not all: Helm refuses to import the object.
    Partial {
        /// What is missing or wrong, in words.
        lacks: Vec<String>,
        /// The release the annotations name, when both are there.
        names: Option<ReleaseKey>,
    },
    /// None of the keys is there.
    Nobody {
        /// The `managed-by` label, when some other tool has set it.
        managed_by: Option<String>,
    },
}

impl HelmOwner {
    /// Whether Helm, acting for `release`, takes the object as its own.
    pub fn is(&self, release: &ReleaseKey) -> bool {
        matches!(self, Self::Release(owner) if owner == release)
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

pub(crate) fn metadata<'a>(object: &'a Value, map: &str, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get(map)?.get(key)?.as_str()
}

/// Names an object from its JSON; `None` when kind or name is missing (a list, a `generateName`).
pub fn object_ref(object: &Value) -> Option<ObjectRef> {
    Some(ObjectRef {
        api_version: text(object, "/apiVersion").map(str::to_owned),
        kind: text(object, "/kind")?.to_owned(),
        namespace: text(object, "/metadata/namespace").map(str::to_owned),
        name: text(object, "/metadata/name")?.to_owned(),
    })
}

/// Tells who owns an object by the three keys Helm looks at (`pkg/action/validate.go`, since 3.2).
pub fn helm_owner(object: &Value) -> HelmOwner {
    let managed_by = metadata(object, "labels", MANAGED_BY);
    let name = metadata(object, "annotations", RELEASE_NAME);
    let namespace = metadata(object, "annotations", RELEASE_NAMESPACE);
    let names = name.zip(namespace).map(|(name, namespace)| ReleaseKey::new(namespace, name));
    match (managed_by, names) {
        (Some("Helm"), Some(release)) => HelmOwner::Release(release),
        (managed_by, names) if managed_by == Some("Helm") || name.is_some() || namespace.is_some() => {
            let mut lacks = Vec::new();
            if managed_by != Some("Helm") {
                lacks.push(format!("label {MANAGED_BY}=Helm"));
            }
            if name.is_none() {
                lacks.push(format!("annotation {RELEASE_NAME}"));
            }
            if namespace.is_none() {
                lacks.push(format!("annotation {RELEASE_NAMESPACE}"));
            }
            HelmOwner::Partial { lacks, names }
        }
        (managed_by, _) => HelmOwner::Nobody { managed_by: managed_by.map(str::to_owned) },
    }
}

/// Whether an annotation of Helm names another release than this one. One that is missing says nothing.
pub fn names_other_release(object: &Value, release: &ReleaseKey) -> bool {
    let name = metadata(object, "annotations", RELEASE_NAME);
    let namespace = metadata(object, "annotations", RELEASE_NAMESPACE);
    name.is_some_and(|name| name != release.name) || namespace.is_some_and(|namespace| namespace != release.namespace)
}

/// The merge patch that gives an object to a release: exactly Helm's three keys.
pub fn adoption_patch(release: &ReleaseKey) -> Value {
    json!({"metadata": {
        "labels": {MANAGED_BY: "Helm"},
        "annotations": {RELEASE_NAME: release.name, RELEASE_NAMESPACE: release.namespace},
    }})
}

/// The merge patch that restarts a workload's pods: the annotation `kubectl rollout restart` writes.
pub fn restart_patch(at: &str) -> Value {
    json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": at}}}}})
}

/// By which an object says that it outlives its release (`pkg/kube/resource_policy.go`).
const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// Whether Helm's uninstall leaves a document of its manifest, by its metadata (of a list, the list's, whatever is in it): whatever has the annotation, since only `keep` is told as kept and
/// nothing else is deleted (`filterManifestsToKeep` in `pkg/action/resource_policy.go`).
pub fn kept_by_uninstall(metadata: &Value) -> bool {
    metadata.get("annotations").is_some_and(|all| all.get(RESOURCE_POLICY).is_some())
}

/// Whether Helm's upgrade and rollback leave a live object that they do not want any more: exactly `keep`, as it is in the cluster
/// (`Update` in `pkg/kube/client.go`).
pub fn kept_by_upgrade(live: &Value) -> bool {
    metadata(live, "annotations", RESOURCE_POLICY) == Some("keep")
}

/// What a CustomResourceDefinition defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrdFacts {
    /// The API group.
    pub group: String,
    /// The kind of its custom resources.
    pub kind: String,
    /// Their name in URLs.
    pub plural: String,
    /// Whether they live in namespaces.
    pub namespaced: bool,
    /// Every version in the definition.
    pub versions: Vec<String>,
    /// Those of them that are served.
    pub served_versions: Vec<String>,
    /// The version objects are stored as.
    pub storage_version: Option<String>,
    /// Versions in which objects may still be stored (`status.storedVersions`, live definitions only).
    pub stored_versions: Vec<String>,
    /// Whether another definition has its names (`NamesAccepted`, live definitions only).
    pub names_refused: bool,
}

impl CrdFacts {
    /// Whether the live definition was ever served. One that never was has no custom resources; one that is not served now may
    /// well have some.
    pub fn was_served(&self) -> bool {
        !self.stored_versions.is_empty() && !self.names_refused
    }

    /// Whether this defines the object's kind, in whatever version.
    pub fn is_of(&self, object: &ObjectRef) -> bool {
        object.group() == Some(self.group.as_str()) && object.kind == self.kind
    }

    /// Whether the object is of this kind in this version, as `v1`.
    pub fn is_in(&self, object: &ObjectRef, version: &str) -> bool {
        self.is_of(object) && object.api_version.as_deref().and_then(|of| of.rsplit('/').next()) == Some(version)
    }

    /// Whether this defines the object's kind and serves its version.
    pub fn serves(&self, object: &ObjectRef) -> bool {
        self.served_versions.iter().any(|version| self.is_in(object, version))
    }
}

/// Reads a definition (`apiextensions.k8s.io/v1`); `None` when the object is not one.
pub fn crd_facts(object: &Value) -> Option<CrdFacts> {
    if text(object, "/kind") != Some("CustomResourceDefinition") {
        return None;
    }
    let versions = object.pointer("/spec/versions").and_then(Value::as_array);
    let name = |version: &Value| version.get("name").and_then(Value::as_str).map(str::to_owned);
    let stored = object.pointer("/status/storedVersions").and_then(Value::as_array);
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let refuses = |condition: &Value| condition["type"] == "NamesAccepted" && condition["status"] == "False";
    Some(CrdFacts {
        group: text(object, "/spec/group")?.to_owned(),
        kind: text(object, "/spec/names/kind")?.to_owned(),
        plural: text(object, "/spec/names/plural")?.to_owned(),
        namespaced: text(object, "/spec/scope") == Some("Namespaced"),
        versions: versions.into_iter().flatten().filter_map(name).collect(),
        served_versions: versions
            .into_iter()
            .flatten()
            .filter(|version| version["served"] == true)
            .filter_map(name)
            .collect(),
        storage_version: versions
            .into_iter()
            .flatten()
            .find(|version| version.get("storage").and_then(Value::as_bool) == Some(true))
            .and_then(name),
        stored_versions: stored.into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        names_refused: conditions.into_iter().flatten().any(refuses),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(json!({}), false)]
    #[case(json!({"labels": {MANAGED_BY: "Helm"}}), false)]
    #[case(json!({"annotations": {RELEASE_NAME: "a", RELEASE_NAMESPACE: "ns"}}), false)]
    #[case(json!({"annotations": {RELEASE_NAME: "b", RELEASE_NAMESPACE: "ns"}}), true)]
    #[case(json!({"annotations": {RELEASE_NAME: "a", RELEASE_NAMESPACE: "other"}}), true)]
    #[case(json!({"annotations": {RELEASE_NAME: "b"}}), true)]
    fn other_releases(#[case] metadata: Value, #[case] expected: bool) {
        assert_eq!(names_other_release(&json!({"metadata": metadata}), &ReleaseKey::new("ns", "a")), expected);
    }

    #[rstest]
    #[case(json!({}), HelmOwner::Nobody { managed_by: None })]
    #[case(json!({"labels": {MANAGED_BY: "kubectl"}}), HelmOwner::Nobody { managed_by: Some("kubectl".to_owned()) })]
    #[case(
        json!({"labels": {MANAGED_BY: "Helm"}, "annotations": {RELEASE_NAME: "a", RELEASE_NAMESPACE: "ns"}}),
        HelmOwner::Release(ReleaseKey::new("ns", "a"))
    )]
    #[case(
        json!({"labels": {MANAGED_BY: "Helm"}, "annotations": {RELEASE_NAME: "a"}}),
        HelmOwner::Partial { lacks: vec![format!("annotation {RELEASE_NAMESPACE}")], names: None }
    )]
    #[case(
        json!({"annotations": {RELEASE_NAME: "a", RELEASE_NAMESPACE: "ns"}}),
        HelmOwner::Partial { lacks: vec![format!("label {MANAGED_BY}=Helm")], names: Some(ReleaseKey::new("ns", "a")) }
    )]
    fn owners(#[case] metadata: Value, #[case] expected: HelmOwner) {
        assert_eq!(helm_owner(&json!({"metadata": metadata})), expected);
    }

    #[rstest]
    #[case(json!({}), false, false)]
    #[case(json!({"annotations": {"other": "keep"}}), false, false)]
    #[case(json!({"annotations": {RESOURCE_POLICY: "keep"}}), true, true)]
    #[case(json!({"annotations": {RESOURCE_POLICY: " Keep "}}), true, false)]
    #[case(json!({"annotations": {RESOURCE_POLICY: "keep "}}), true, false)]
    #[case(json!({"annotations": {RESOURCE_POLICY: "delete"}}), true, false)]
    #[case(json!({"annotations": {RESOURCE_POLICY: ""}}), true, false)]
    #[case(json!({"annotations": {RESOURCE_POLICY: null}}), true, false)]
    fn what_outlives_its_release(#[case] metadata: Value, #[case] uninstall: bool, #[case] upgrade: bool) {
        let object = json!({"metadata": metadata});
        assert_eq!((kept_by_uninstall(&object["metadata"]), kept_by_upgrade(&object)), (uninstall, upgrade));
    }

    #[test]
    fn an_adopted_object_belongs_to_the_release() {
        let release = ReleaseKey::new("kube-system", "aws-vpc-cni");
        assert!(helm_owner(&adoption_patch(&release)).is(&release));
    }

    #[test]
    fn facts_of_a_definition() {
        let crd = json!({
            "kind": "CustomResourceDefinition",
            "spec": {
                "group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
                "versions": [{"name": "v1alpha1", "storage": false}, {"name": "v1", "storage": true}],
            },
            "status": {"storedVersions": ["v1alpha1", "v1"]},
        });
        let facts = crd_facts(&crd).unwrap();
        assert_eq!((facts.plural.as_str(), facts.namespaced), ("widgets", true));
        assert_eq!((facts.versions.len(), facts.storage_version.as_deref()), (2, Some("v1")));
        assert_eq!(facts.stored_versions, ["v1alpha1", "v1"]);
        assert_eq!(crd_facts(&json!({"kind": "Pod"})), None);
    }
}
