//! What a cluster serves, and how the names people write find it.

use super::error::ClusterError;
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
        api_version(&self.group, &self.version)
    }

    fn has_name(&self, name: &str) -> bool {
        [&self.kind, &self.plural, &self.singular].iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    fn has_short_name(&self, name: &str) -> bool {
        self.short_names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Where a reference wants its kind: in exactly this version, and in what a person's `.group` or `.version.group` (as
/// kubectl reads them) means.
struct Place<'a> {
    api_version: Option<&'a str>,
    suffix: Option<&'a str>,
}

impl Place<'_> {
    fn has(&self, group: &str, version: &str) -> bool {
        let suffix_fits = |suffix: &str| {
            let with_version = suffix.strip_prefix(version).and_then(|rest| rest.strip_prefix('.'));
            group.eq_ignore_ascii_case(suffix) || with_version.is_some_and(|named| named == group)
        };
        self.api_version.is_none_or(|wanted| wanted == api_version(group, version))
            && self.suffix.is_none_or(suffix_fits)
    }
}

/// All kinds a cluster serves, the core group first, in the server's order of preference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery {
    resources: Vec<Resource>,
    /// Group and version of what another server serves that does not answer, so that its kinds are not known.
    stale: Vec<(String, String)>,
}

impl Discovery {
    /// A discovery of these kinds, in order of preference.
    pub fn new(resources: Vec<Resource>) -> Self {
        Self { resources, stale: Vec::new() }
    }

    /// Reads answers of `/api` and `/apis` in the aggregated form (`APIGroupDiscoveryList`, Kubernetes 1.27 and newer).
    /// Versions that are marked `Stale` (the server behind an `APIService` does not answer) count as neither served nor
    /// absent, also where the answer has the kinds they had before, as in client-go.
    pub fn from_aggregated(answers: &[Value]) -> Self {
        let (mut resources, mut stale) = (Vec::new(), Vec::new());
        for group in answers.iter().flat_map(|answer| array(answer, "items")) {
            let group_name = group.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            for version in array(group, "versions") {
                let version_name = text(version, "version");
                if text(version, "freshness") == "Stale" {
                    stale.push((group_name.to_owned(), version_name.to_owned()));
                    continue;
                }
                resources.extend(
                    array(version, "resources").filter_map(|resource| aggregated(group_name, version_name, resource)),
                );
            }
        }
        Self { resources, stale }
    }

    /// All kinds.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
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
    /// [`ClusterError::NotServed`], or [`ClusterError::Stale`] when that cannot be told.
    pub fn lookup(&self, object: &ObjectRef) -> Result<&Resource, ClusterError> {
        let (name, suffix) = match object.kind.split_once('.') {
            Some((name, suffix)) => (name, Some(suffix)),
            None => (object.kind.as_str(), None),
        };
        let place = Place { api_version: object.api_version.as_deref(), suffix };
        let candidates: Vec<&Resource> =
            self.resources.iter().filter(|own| place.has(&own.group, &own.version)).collect();
        let by_name = candidates.iter().find(|own| own.has_name(name));
        let found = by_name.or_else(|| candidates.iter().find(|own| own.has_short_name(name)));
        found.copied().ok_or_else(|| self.why_not_found(name, &place))
    }

    fn why_not_found(&self, name: &str, place: &Place<'_>) -> ClusterError {
        let kind = name.to_owned();
        match self.stale.iter().find(|(group, version)| place.has(group, version)) {
            Some((group, version)) => ClusterError::Stale { kind, api_version: api_version(group, version) },
            None => ClusterError::NotServed { kind, group: place.api_version.or(place.suffix).map(str::to_owned) },
        }
    }

    /// Completes a reference: API version, kind, and namespace (the default one where none is given, none for
    /// cluster-scoped kinds).
    ///
    /// # Errors
    /// As for [`Discovery::lookup`].
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
    }

    #[rstest]
    // Of these versions nothing is known, or only what was before.
    #[case(Some("metrics.k8s.io/v1beta1"), "NodeMetrics", Err("metrics.k8s.io/v1beta1"))]
    #[case(Some("metrics.k8s.io/v1beta1"), "Anything", Err("metrics.k8s.io/v1beta1"))]
    #[case(None, "nodemetrics.metrics.k8s.io", Err("metrics.k8s.io/v1beta1"))]
    #[case(None, "w.v2.acme.io", Err("acme.io/v2"))]
    // It may be in any of them.
    #[case(None, "gadget", Err("metrics.k8s.io/v1beta1"))]
    // What is served elsewhere is found, and what cannot be there is not.
    #[case(None, "Widget", Ok(Some("acme.io/v1")))]
    #[case(Some("acme.io/v1"), "Gadget", Ok(None))]
    #[case(Some("metrics.k8s.io/v1"), "NodeMetrics", Ok(None))]
    #[case(None, "gadget.v1.acme.io", Ok(None))]
    fn a_group_that_does_not_answer_is_not_absent(
        #[case] api_version: Option<&str>,
        #[case] kind: &str,
        #[case] expected: Result<Option<&str>, &str>,
    ) {
        let widgets = json!([{"resource": "widgets", "responseKind": {"kind": "Widget"}, "shortNames": ["w"]}]);
        let discovery = Discovery::from_aggregated(&[json!({"items": [
            {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale"}]},
            {"metadata": {"name": "acme.io"}, "versions": [
                {"version": "v2", "resources": widgets, "freshness": "Stale"},
                {"version": "v1", "resources": widgets, "freshness": "Current"},
            ]},
        ]})]);
        let told = match discovery.resolve(&object(api_version, kind), "ns") {
            Ok(found) => Ok(found.api_version),
            Err(ClusterError::NotServed { .. }) => Ok(None),
            Err(error @ ClusterError::Stale { .. }) if !error.is_transient() => panic!("{error}"),
            Err(ClusterError::Stale { api_version, .. }) => Err(api_version),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(told, expected.map(|found| found.map(str::to_owned)).map_err(str::to_owned));
        assert_eq!(discovery.api_versions(), ["acme.io/v1", "acme.io/v1/Widget"]);
    }
}
