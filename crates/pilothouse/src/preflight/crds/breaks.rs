//! What would be lost if a chart's definition took the place of the one in the cluster.

use pilothouse_core::{Class, Finding, ObjectRef, code, crd_facts};
use pilothouse_kube::Discovery;
use serde_json::Value;
use std::cmp::Ordering;

/// So many fields are named.
const NAMED: usize = 3;

/// A finding about a definition, and whether consent lifts it.
pub(super) struct Break {
    pub(super) finding: Finding,
    pub(super) can_be_consented: bool,
}

/// What would be lost if `wanted` took the place of `live`.
pub(super) fn breaks(object: &ObjectRef, live: &Value, wanted: &Value) -> Vec<Break> {
    let (Some(is), Some(then)) = (crd_facts(live), crd_facts(wanted)) else { return Vec::new() };
    let gone: Vec<&str> =
        is.stored_versions.iter().filter(|version| !then.versions.contains(version)).map(String::as_str).collect();
    let certain = if !gone.is_empty() {
        format!("the chart's definition lacks version {}, in which objects may still be stored", gone.join(", "))
    } else if is.namespaced != then.namespaced {
        "the chart's definition has another scope than the one in the cluster".to_owned()
    } else if is.kind != then.kind {
        format!("the chart's definition is of the kind {}, the one in the cluster of {}", then.kind, is.kind)
    } else {
        return older(live, wanted)
            .map(|message| Break {
                finding: Finding::new(Class::Unsafe, code::CRD_FIELDS_REMOVED, object, message),
                can_be_consented: true,
            })
            .into_iter()
            .collect();
    };
    vec![Break { finding: Finding::new(Class::Unsafe, code::CRD_IN_USE, object, certain), can_be_consented: false }]
}

/// Why the chart's definition is an older one than that in the cluster, if it seems so.
fn older(live: &Value, wanted: &Value) -> Option<String> {
    let newest = versions(wanted).filter_map(name).max_by(|a, b| by_priority(a, b))?;
    let newer: Vec<&str> =
        served(live).filter_map(name).filter(|version| by_priority(version, newest) == Ordering::Greater).collect();
    if !newer.is_empty() {
        return Some(format!(
            "the one in the cluster serves version {}, which is newer than all of the chart's definition",
            newer.join(", ")
        ));
    }
    let removed = removed_fields(live, wanted);
    let more = removed.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named: Vec<&str> = removed.iter().take(NAMED).map(String::as_str).collect();
    (!removed.is_empty()).then(|| {
        format!(
            "the chart's definition lacks {}{more}, which the one in the cluster has: what custom resources hold there would be dropped",
            named.join(", ")
        )
    })
}

fn versions(crd: &Value) -> impl Iterator<Item = &Value> {
    crd.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten()
}

fn served(crd: &Value) -> impl Iterator<Item = &Value> {
    versions(crd).filter(|version| version.get("served").and_then(Value::as_bool) == Some(true))
}

fn name(version: &Value) -> Option<&str> {
    version.get("name").and_then(Value::as_str)
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

/// The fields that a served version has in the cluster and lacks in the chart, the outermost of each.
pub(super) fn removed_fields(live: &Value, wanted: &Value) -> Vec<String> {
    let mut removed = Vec::new();
    for version in served(live) {
        let then = versions(wanted).find(|other| name(other) == name(version));
        let schema = |version: &Value| version.pointer("/schema/openAPIV3Schema").cloned();
        let (Some(version_name), Some(is), Some(then)) = (name(version), schema(version), then.and_then(schema)) else {
            continue;
        };
        walk(&is, &then, version_name, &mut removed);
    }
    removed
}

fn walk(is: &Value, then: &Value, path: &str, removed: &mut Vec<String>) {
    let keeps_unknown = |schema: &Value| schema["x-kubernetes-preserve-unknown-fields"] == true;
    if keeps_unknown(then) {
        return;
    }
    // Only a map takes keys of any name.
    let is_map = |schema: &Value| schema.get("additionalProperties").is_some_and(|of| *of != false);
    if keeps_unknown(is) || (is_map(is) && !is_map(then)) {
        removed.push(format!("{path}.*"));
    }
    for (field, schema) in is.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}.{field}");
        // A map takes every key.
        let same = then.get("properties").and_then(|all| all.get(field));
        match same.or_else(|| then.get("additionalProperties")) {
            Some(other) => walk(schema, other, &path, removed),
            None => removed.push(path),
        }
    }
    if let (Some(is), Some(then)) = (is.get("items"), then.get("items")) {
        walk(is, then, &format!("{path}[]"), removed);
    }
    if let (Some(is), Some(then)) = (is.get("additionalProperties"), then.get("additionalProperties")) {
        walk(is, then, &format!("{path}.*"), removed);
    }
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
    #[case(plain(&["v1"], &["v1"], "Namespaced"), plain(&["v2"], &[], "Namespaced"), Some(("CRD_IN_USE", "the chart's definition lacks version v1, in which objects may still be stored", false)))]
    #[case(plain(&["v1"], &["v1"], "Namespaced"), plain(&["v1"], &[], "Cluster"), Some(("CRD_IN_USE", "the chart's definition has another scope than the one in the cluster", false)))]
    #[case(plain(&["v1beta1", "v1"], &["v1beta1"], "Namespaced"), plain(&["v1beta1"], &[], "Namespaced"), Some(("CRD_FIELDS_REMOVED", "the one in the cluster serves version v1, which is newer than all of the chart's definition", true)))]
    fn what_breaks(#[case] live: Value, #[case] wanted: Value, #[case] expected: Option<(&str, &str, bool)>) {
        let object = ObjectRef::parse("CustomResourceDefinition/widgets.example.com").unwrap();
        let found = breaks(&object, &live, &wanted);
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.finding.code.as_str(), one.finding.message.as_str(), one.can_be_consented))
            .collect();
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>());
    }

    #[rstest]
    #[case(json!({"properties": {"a": {}, "b": {}}}), json!({"properties": {"a": {}, "c": {}}}), &["v1.b"])]
    #[case(json!({"properties": {"a": {"properties": {"b": {}}}}}), json!({"properties": {"a": {}}}), &["v1.a.b"])]
    #[case(json!({"properties": {"a": {"properties": {"b": {}}}}}), json!({}), &["v1.a"])]
    #[case(json!({"items": {"properties": {"b": {}}}}), json!({"items": {}}), &["v1[].b"])]
    #[case(json!({"additionalProperties": {"properties": {"b": {}}}}), json!({"additionalProperties": {}}), &["v1.*.b"])]
    #[case::unknown_fields(json!({"properties": {"a": {"x-kubernetes-preserve-unknown-fields": true}}}), json!({"properties": {"a": {"properties": {"b": {}}}}}), &["v1.a.*"])]
    #[case::a_map_that_is_none_any_more(json!({"properties": {"a": {"additionalProperties": {"type": "string"}}}}), json!({"properties": {"a": {"properties": {"b": {}}}}}), &["v1.a.*"])]
    #[case::a_map_of_anything(json!({"properties": {"a": {"x-kubernetes-preserve-unknown-fields": true}}}), json!({"properties": {"a": {"x-kubernetes-preserve-unknown-fields": true, "type": "object"}}}), &[])]
    #[case(json!({"properties": {"a": {"properties": {"b": {}}}}}), json!({"properties": {"a": {"x-kubernetes-preserve-unknown-fields": true}}}), &[])]
    #[case(json!({"properties": {"a": {"properties": {"b": {}}}}}), json!({"properties": {"a": {"additionalProperties": {"type": "string"}}}}), &[])]
    fn fields(#[case] live: Value, #[case] wanted: Value, #[case] expected: &[&str]) {
        let of = |schema: &Value| crd(&[version("v1", schema)], &[], "Namespaced");
        assert_eq!(removed_fields(&of(&live), &of(&wanted)), expected);
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
