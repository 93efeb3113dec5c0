//! What would be lost if a chart's definition took the place of the one in the cluster.

use crate::preflight::crds::fields::{Field, name, removed_fields, served, versions};
use pilothouse_core::{ObjectRef, crd_facts};
use pilothouse_kube::Discovery;
use serde_json::Value;
use std::cmp::Ordering;

/// So many fields are named.
const NAMED: usize = 3;

/// What would be lost to another definition.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The server refuses it, whatever anybody consents to: another scope or kind, with the reason.
    Immutable(String),
    /// The server refuses it as long as objects may be stored in a version that it lacks, with the reason.
    Stored(String),
    /// The definition is older: it lacks these versions, which are newer than all it has.
    Versions(Vec<String>),
    /// What custom resources hold in these fields.
    Fields(Vec<Field>),
}

impl Loss {
    /// What a finding says of it.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Immutable(message) | Self::Stored(message) => message.clone(),
            Self::Versions(versions) => format!(
                "the one in the cluster serves version {}, which is newer than all of the chart's definition",
                versions.join(", ")
            ),
            Self::Fields(fields) => {
                let more = fields.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let named: Vec<String> = fields.iter().take(NAMED).map(ToString::to_string).collect();
                format!(
                    "the chart's definition lacks {}{more}, which the one in the cluster has: what custom resources hold there would be dropped",
                    named.join(", ")
                )
            }
        }
    }
}

/// What would be lost if `wanted` took the place of `live`.
pub(super) fn loss(live: &Value, wanted: &Value) -> Option<Loss> {
    let (is, then) = crd_facts(live).zip(crd_facts(wanted))?;
    let gone: Vec<&str> =
        is.stored_versions.iter().filter(|version| !then.versions.contains(version)).map(String::as_str).collect();
    if !gone.is_empty() {
        let why =
            format!("the chart's definition lacks version {}, in which objects may still be stored", gone.join(", "));
        return Some(Loss::Stored(why));
    }
    let immutable = if is.namespaced != then.namespaced {
        "the chart's definition has another scope than the one in the cluster".to_owned()
    } else if is.kind != then.kind {
        format!("the chart's definition is of the kind {}, the one in the cluster of {}", then.kind, is.kind)
    } else {
        return older(live, wanted);
    };
    Some(Loss::Immutable(format!("{immutable}, which cannot be changed")))
}

/// In what the chart's definition is an older one than that in the cluster, if it seems so.
fn older(live: &Value, wanted: &Value) -> Option<Loss> {
    let newest = versions(wanted).filter_map(name).max_by(|a, b| by_priority(a, b))?;
    let newer: Vec<String> = served(live)
        .filter_map(name)
        .filter(|version| by_priority(version, newest) == Ordering::Greater)
        .map(str::to_owned)
        .collect();
    if !newer.is_empty() {
        return Some(Loss::Versions(newer));
    }
    Some(removed_fields(live, wanted)).filter(|removed| !removed.is_empty()).map(Loss::Fields)
}

/// The versions that the one in the cluster serves and the other does not.
pub(super) fn no_longer_served<'a>(live: &'a Value, wanted: &Value) -> Vec<&'a str> {
    served(live)
        .filter_map(name)
        .filter(|version| !served(wanted).filter_map(name).any(|then| then == *version))
        .collect()
}

/// Kubernetes' order of versions: `v2`, `v1`, `v1beta2`, `v1alpha1`. What is none of these comes last.
fn by_priority(a: &str, b: &str) -> Ordering {
    fn parts(version: &str) -> Option<(u8, u32, u32)> {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let rest = version.strip_prefix('v')?;
        let (major, rest) = rest.split_at(digits(rest));
        let major = major.parse().ok()?;
        if rest.is_empty() {
            return Some((2, major, 0));
        }
        let (stage, minor) = match (rest.strip_prefix("beta"), rest.strip_prefix("alpha")) {
            (Some(minor), _) => (1, minor),
            (None, minor) => (0, minor?),
        };
        Some((stage, major, minor.parse().ok()?))
    }
    parts(a).cmp(&parts(b))
}

/// Which kind of the same group has names that the definition wants, if any (`NamesAccepted`).
pub(super) fn clash(wanted: &Value, served: &Discovery) -> Option<String> {
    let facts = crd_facts(wanted)?;
    let text = |field: &str| wanted.pointer(&format!("/spec/names/{field}")).and_then(Value::as_str);
    let short = wanted.pointer("/spec/names/shortNames").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<&str> =
        [text("plural"), text("singular")].into_iter().flatten().chain(short.filter_map(Value::as_str)).collect();
    let others = served.resources().iter().filter(|one| one.group == facts.group && one.plural != facts.plural);
    others.into_iter().find_map(|other| {
        let own = [&other.plural, &other.singular].into_iter().chain(&other.short_names);
        let taken = own.into_iter().find(|name| !name.is_empty() && names.contains(&name.as_str()));
        let taken = taken.or_else(|| Some(&other.kind).filter(|kind| **kind == facts.kind))?;
        Some(format!("`{taken}` is a name of {}.{} already", other.plural, other.group))
    })
}

/// The Service that converts the chart's custom resources and is another one than until now.
pub(super) fn new_converter(live: &Value, wanted: &Value) -> Option<ObjectRef> {
    let service = |crd: &Value| {
        let webhook = crd.pointer("/spec/conversion/webhook/clientConfig/service")?;
        let text = |key: &str| webhook.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(ObjectRef {
            api_version: Some("v1".to_owned()),
            kind: "Service".to_owned(),
            namespace: Some(text("namespace")?),
            name: text("name")?,
        })
    };
    service(wanted).filter(|wanted| service(live).as_ref() != Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_kube::Resource;
    use rstest::rstest;
    use serde_json::json;

    fn version(name: &str, schema: &Value) -> Value {
        json!({"name": name, "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}})
    }

    fn crd(versions: &[Value], stored: &[&str], scope: &str) -> Value {
        json!({"kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"}, "spec": {
            "group": "example.com", "scope": scope, "versions": versions,
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "shortNames": ["wd"]}},
            "status": {"storedVersions": stored}})
    }

    fn plain(versions: &[&str], stored: &[&str], scope: &str) -> Value {
        let versions: Vec<Value> = versions.iter().map(|name| version(name, &json!({}))).collect();
        crd(&versions, stored, scope)
    }

    #[rstest]
    #[case(plain(&["v1"], &["v1"], "Namespaced"), plain(&["v1", "v2"], &[], "Namespaced"), None)]
    #[case(plain(&["v1beta1", "v1"], &["v1"], "Namespaced"), plain(&["v1"], &[], "Namespaced"), None)]
    #[case(plain(&["v1"], &["v1"], "Namespaced"), plain(&["v2"], &[], "Namespaced"), Some("the chart's definition lacks version v1, in which objects may still be stored"))]
    #[case(plain(&["v1"], &["v1"], "Namespaced"), plain(&["v1"], &[], "Cluster"), Some("the chart's definition has another scope than the one in the cluster, which cannot be changed"))]
    #[case(plain(&["v1beta1", "v1"], &["v1beta1"], "Namespaced"), plain(&["v1beta1"], &[], "Namespaced"), Some("the one in the cluster serves version v1, which is newer than all of the chart's definition"))]
    fn what_breaks(#[case] live: Value, #[case] wanted: Value, #[case] expected: Option<&str>) {
        assert_eq!(loss(&live, &wanted).map(|loss| loss.message()).as_deref(), expected);
    }

    #[rstest]
    #[case("v2", "v1", Ordering::Greater)]
    #[case("v1", "v1beta1", Ordering::Greater)]
    #[case("v1beta2", "v1beta1", Ordering::Greater)]
    #[case("v1beta1", "v2alpha1", Ordering::Greater)]
    #[case("v1alpha1", "stable", Ordering::Greater)]
    #[case("v10", "v9", Ordering::Greater)]
    #[case("v1", "v1", Ordering::Equal)]
    fn priorities(#[case] a: &str, #[case] b: &str, #[case] expected: Ordering) {
        assert_eq!((by_priority(a, b), by_priority(b, a)), (expected, expected.reverse()));
    }

    #[rstest]
    #[case("gadgets", "Gadget", "gadget", &["gd"], None)]
    #[case("widgets", "Widget", "widget", &["wd"], None)]
    #[case("gadgets", "Gadget", "gadget", &["wd"], Some("`wd` is a name of gadgets.example.com already"))]
    #[case("gadgets", "Widget", "gadget", &[], Some("`Widget` is a name of gadgets.example.com already"))]
    fn clashes(
        #[case] plural: &str,
        #[case] kind: &str,
        #[case] singular: &str,
        #[case] short: &[&str],
        #[case] expected: Option<&str>,
    ) {
        let served = Resource {
            group: "example.com".to_owned(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            singular: singular.to_owned(),
            short_names: short.iter().map(|&name| name.to_owned()).collect(),
            namespaced: true,
            verbs: Vec::new(),
            subresource_kinds: Vec::new(),
        };
        let wanted = plain(&["v1"], &[], "Namespaced");
        assert_eq!(clash(&wanted, &Discovery::new(vec![served])).as_deref(), expected);
    }

    #[test]
    fn a_converter_that_stays_is_no_news() {
        let with = |name: &str| {
            let mut crd = plain(&["v1"], &[], "Namespaced");
            let service = json!({"namespace": "ops", "name": name});
            crd["spec"]["conversion"] =
                json!({"strategy": "Webhook", "webhook": {"clientConfig": {"service": service}}});
            crd
        };
        assert_eq!(new_converter(&with("a"), &with("a")), None);
        assert_eq!(new_converter(&with("a"), &plain(&["v1"], &[], "Namespaced")), None);
        let named = new_converter(&plain(&["v1"], &[], "Namespaced"), &with("b")).map(|object| object.to_string());
        assert_eq!(named.as_deref(), Some("Service ops/b"));
    }
}
