//! What a cluster serves, and how the names people write find it.

use crate::error::ClusterError;
use pilothouse_core::ObjectRef;
use serde_json::Value;
use std::collections::BTreeSet;

/// One kind of object in one version of its API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version inside the group (`v1`).
    pub version: String,
    /// The kind (`Deployment`).
    pub kind: String,
    /// Its name in URLs (`deployments`).
    pub plural: String,
    /// Its name for people (`deployment`); may be empty.
    pub singular: String,
    /// Abbreviations (`deploy`).
    pub short_names: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What can be done with it (`get`, `list`, `patch`).
    pub verbs: Vec<String>,
    /// The kinds of its subresources (`Scale`).
    pub subresource_kinds: Vec<String>,
}

impl Resource {
    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    fn has_name(&self, name: &str) -> bool {
        [&self.kind, &self.plural, &self.singular].iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    fn has_short_name(&self, name: &str) -> bool {
        self.short_names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Whether a person's `.group` or `.version.group` (as kubectl reads them) means this one.
    fn is_in(&self, suffix: &str) -> bool {
        let with_version = suffix.strip_prefix(self.version.as_str()).and_then(|rest| rest.strip_prefix('.'));
        self.group.eq_ignore_ascii_case(suffix) || with_version.is_some_and(|group| self.group == group)
    }
}

/// All kinds a cluster serves, the core group first, in the server's order of preference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery {
    resources: Vec<Resource>,
}

impl Discovery {
    /// A discovery of these kinds, in order of preference.
    pub fn new(resources: Vec<Resource>) -> Self {
        Self { resources }
    }

    /// Reads answers of `/api` and `/apis` in the aggregated form (`APIGroupDiscoveryList`, Kubernetes 1.27 and newer).
    pub fn from_aggregated(answers: &[Value]) -> Self {
        let mut resources = Vec::new();
        for group in answers.iter().flat_map(|answer| array(answer, "items")) {
            let group_name = group.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            for version in array(group, "versions") {
                let version_name = text(version, "version");
                resources.extend(
                    array(version, "resources").filter_map(|resource| aggregated(group_name, version_name, resource)),
                );
            }
        }
        Self { resources }
    }

    /// All kinds.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The kind of exactly this name in exactly this version.
    pub fn find(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.resources.iter().find(|own| own.group == group && own.version == version && own.kind == kind)
    }

    /// What is served, in the form of Helm's `--api-versions` (`pkg/action/action.go`, GetVersionSet): each version of
    /// a group, and each kind in it, those of subresources too.
    pub fn api_versions(&self) -> Vec<String> {
        let mut served = BTreeSet::new();
        for resource in &self.resources {
            let api_version = resource.api_version();
            for kind in resource.subresource_kinds.iter().chain([&resource.kind]) {
                served.insert(format!("{api_version}/{kind}"));
            }
            served.insert(api_version);
        }
        served.into_iter().collect()
    }

    /// Finds the kind a reference means: by kind, plural or singular name before short names, in any case, optionally
    /// followed by `.group` or `.version.group`; in the reference's own version if it has one.
    ///
    /// # Errors
    /// [`ClusterError::NotServed`].
    pub fn lookup(&self, object: &ObjectRef) -> Result<&Resource, ClusterError> {
        let (name, suffix) = match object.kind.split_once('.') {
            Some((name, suffix)) => (name, Some(suffix)),
            None => (object.kind.as_str(), None),
        };
        let fits = |own: &&Resource| {
            object.api_version.as_ref().is_none_or(|wanted| *wanted == own.api_version())
                && suffix.is_none_or(|suffix| own.is_in(suffix))
        };
        let candidates: Vec<&Resource> = self.resources.iter().filter(fits).collect();
        let by_name = candidates.iter().find(|own| own.has_name(name));
        by_name.or_else(|| candidates.iter().find(|own| own.has_short_name(name))).copied().ok_or_else(|| {
            ClusterError::NotServed {
                kind: name.to_owned(),
                group: object.api_version.clone().or_else(|| suffix.map(str::to_owned)),
            }
        })
    }

    /// Completes a reference: API version, kind, and namespace (the default one where none is given, none for
    /// cluster-scoped kinds).
    ///
    /// # Errors
    /// [`ClusterError::NotServed`].
    pub fn resolve(&self, object: &ObjectRef, default_namespace: &str) -> Result<ObjectRef, ClusterError> {
        let resource = self.lookup(object)?;
        let namespace = object.namespace.clone().unwrap_or_else(|| default_namespace.to_owned());
        Ok(ObjectRef {
            api_version: Some(resource.api_version()),
            kind: resource.kind.clone(),
            namespace: resource.namespaced.then_some(namespace),
            name: object.name.clone(),
        })
    }
}

/// Reads one resource; `None` for one without a kind of its own.
fn aggregated(group: &str, version: &str, resource: &Value) -> Option<Resource> {
    let kind_of = |value: &Value| {
        let kind = value.pointer("/responseKind/kind").and_then(Value::as_str)?;
        (!kind.is_empty()).then(|| kind.to_owned())
    };
    Some(Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind_of(resource)?,
        plural: text(resource, "resource").to_owned(),
        singular: text(resource, "singularResource").to_owned(),
        short_names: words(resource, "shortNames"),
        namespaced: text(resource, "scope") == "Namespaced",
        verbs: words(resource, "verbs"),
        subresource_kinds: array(resource, "subresources").filter_map(kind_of).collect(),
    })
}

fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn words(value: &Value, key: &str) -> Vec<String> {
    array(value, key).filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn served() -> Discovery {
        let resource = |plural: &str, kind: &str, short: &[&str], scope: &str| {
            json!({
                "resource": plural, "responseKind": {"group": "", "version": "", "kind": kind}, "scope": scope,
                "singularResource": kind.to_lowercase(), "shortNames": short, "verbs": ["get"],
                "subresources": [{"subresource": "scale", "responseKind": {"kind": "Scale"}}],
            })
        };
        let group = |name: &str, versions: Value| json!({"metadata": {"name": name}, "versions": versions});
        let core = json!({"items": [group("", json!([{"version": "v1", "resources": [
            resource("pods", "Pod", &["po"], "Namespaced"),
            resource("namespaces", "Namespace", &["ns"], "Cluster"),
            {"resource": "odd", "responseKind": {"kind": ""}},
        ]}]))]});
        let groups = json!({"items": [
            group("apps", json!([{"version": "v1", "resources": [resource("deployments", "Deployment", &["deploy"], "Namespaced")]}])),
            group("acme.io", json!([
                {"version": "v2", "resources": [resource("widgets", "Widget", &["po", "w"], "Namespaced")]},
                {"version": "v1", "resources": [resource("widgets", "Widget", &[], "Namespaced")]},
                {"version": "v0", "resources": [resource("deploys", "Deploy", &[], "Cluster")]},
            ])),
        ]});
        Discovery::from_aggregated(&[core, groups])
    }

    fn object(api_version: Option<&str>, kind: &str) -> ObjectRef {
        let kind = kind.to_owned();
        ObjectRef { api_version: api_version.map(str::to_owned), kind, namespace: None, name: "a".to_owned() }
    }

    #[rstest]
    #[case(None, "Pods", Some("v1 Pod ns/a"))]
    #[case(None, "po", Some("v1 Pod ns/a"))]
    #[case(None, "ns", Some("v1 Namespace a"))]
    // A full name wins over a short one of another kind.
    #[case(None, "deploy", Some("acme.io/v0 Deploy a"))]
    #[case(None, "deploy.apps", Some("apps/v1 Deployment ns/a"))]
    // The server's preferred version comes first.
    #[case(None, "widget", Some("acme.io/v2 Widget ns/a"))]
    #[case(None, "widget.acme.io", Some("acme.io/v2 Widget ns/a"))]
    #[case(None, "widget.v1.acme.io", Some("acme.io/v1 Widget ns/a"))]
    #[case(Some("acme.io/v1"), "Widget", Some("acme.io/v1 Widget ns/a"))]
    #[case(Some("acme.io/v9"), "Widget", None)]
    #[case(None, "widget.apps", None)]
    #[case(None, "odd", None)]
    fn names(#[case] api_version: Option<&str>, #[case] kind: &str, #[case] expected: Option<&str>) {
        let resolved = served().resolve(&object(api_version, kind), "ns").ok();
        let told = resolved.map(|found| format!("{} {found}", found.api_version.as_deref().unwrap_or_default()));
        assert_eq!(told.as_deref(), expected);
    }

    #[test]
    fn what_helm_is_told() {
        let expected = [
            "acme.io/v0",
            "acme.io/v0/Deploy",
            "acme.io/v0/Scale",
            "acme.io/v1",
            "acme.io/v1/Scale",
            "acme.io/v1/Widget",
            "acme.io/v2",
            "acme.io/v2/Scale",
            "acme.io/v2/Widget",
            "apps/v1",
            "apps/v1/Deployment",
            "apps/v1/Scale",
            "v1",
            "v1/Namespace",
            "v1/Pod",
            "v1/Scale",
        ];
        assert_eq!(served().api_versions(), expected);
        assert!(served().find("apps/v1", "Deployment").is_some_and(|found| found.namespaced));
        assert_eq!(served().find("apps/v1", "deployment"), None);
    }
}
