use super::*;
use rstest::rstest;

fn version(name: &str, schema: &Value) -> Value {
    json!({"name": name, "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}})
}

fn crd(versions: &[Value], stored: &[&str]) -> Value {
    json!({"kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced", "versions": versions,
        "names": {"kind": "Widget", "plural": "widgets"}},
        "status": {"storedVersions": stored}})
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
    let of = |schema: &Value| crd(&[version("v1", schema)], &[]);
    let removed = removed_fields(&of(&live), &of(&wanted));
    assert_eq!(removed.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
}

#[rstest]
#[case::a_field(json!({"properties": {"a": {}}}), json!({"a": 1}), json!({"b": 1}))]
#[case::a_field_of_a_field(json!({"properties": {"a": {"properties": {"b": {}}}}}), json!({"a": {"b": ""}}), json!({"a": {}}))]
#[case::null(json!({"properties": {"a": {}}}), json!({"a": {}}), json!({"a": null}))]
#[case::items(json!({"properties": {"a": {"items": {"properties": {"b": {}}}}}}), json!({"a": [{}, {"b": 0}]}), json!({"a": [{}, {"c": 0}]}))]
#[case::a_map(json!({"properties": {"a": {"additionalProperties": {"properties": {"b": {}}}}}}), json!({"a": {"x": {"b": 0}}}), json!({"a": {"b": {}}}))]
fn what_a_custom_resource_holds(#[case] schema: Value, #[case] with: Value, #[case] without: Value) {
    // Everything is left out but the outermost of the fields, which stay as they are without what they hold.
    let emptied = |schema: &Value| -> Value {
        match schema.pointer("/properties/a") {
            Some(of) if of.get("properties").is_some() => json!({"properties": {"a": {}}}),
            Some(of) if of.get("items").is_some() => json!({"properties": {"a": {"items": {}}}}),
            Some(of) if of.get("additionalProperties").is_some() => {
                json!({"properties": {"a": {"additionalProperties": {}}}})
            }
            _ => json!({}),
        }
    };
    let of = |schema: &Value| crd(&[version("v1", schema)], &[]);
    let removed = removed_fields(&of(&schema), &of(&emptied(&schema)));
    assert_eq!(removed.len(), 1);
    assert_eq!((removed[0].is_in(&with), removed[0].is_in(&without)), (true, false));
}

/// A definition with these versions, as name, how it is used (`served`, `stored`), and the fields of its spec; its objects may
/// be stored as each that is in `once`.
fn with(versions: &[(&str, &str, &[&str])], once: &[&str]) -> Value {
    let version = |(name, used, fields): &(&str, &str, &[&str])| {
        let fields: serde_json::Map<_, _> = fields.iter().map(|field| ((*field).to_owned(), json!({}))).collect();
        json!({"name": name, "served": used.contains("served"), "storage": used.contains("stored"),
            "schema": {"openAPIV3Schema": {"properties": {"spec": {"properties": fields}}}}})
    };
    crd(&versions.iter().map(version).collect::<Vec<_>>(), once)
}

fn converted(mut crd: Value) -> Value {
    crd["spec"]["conversion"] = json!({"strategy": "Webhook"});
    crd
}

const OLD: (&str, &str, &[&str]) = ("v1alpha1", "served stored", &["a", "b"]);

/// The removed fields, each with the version that shows what objects hold there.
#[rstest]
#[case::another_storage_version(
    with(&[OLD, ("v1", "served", &["a"])], &["v1alpha1"]),
    with(&[("v1alpha1", "served", &["a", "b"]), ("v1", "served stored", &["a"])], &[]),
    &[("v1alpha1.spec.b (in v1, as which it stores them)", Some("v1alpha1"))]
)]
#[case::another_storage_version_that_has_all(
    with(&[OLD, ("v1", "served", &["a"])], &["v1alpha1"]),
    with(&[("v1alpha1", "served", &["a", "b"]), ("v1", "served stored", &["a", "b"])], &[]),
    &[]
)]
#[case::a_webhook_may_have_it_elsewhere(
    with(&[OLD, ("v1", "served", &["a"])], &["v1alpha1"]),
    converted(with(&[("v1alpha1", "served", &["a", "b"]), ("v1", "served stored", &["a"])], &[])),
    &[]
)]
#[case::told_once(
    with(&[OLD, ("v1", "served", &["a"])], &["v1alpha1"]),
    with(&[("v1alpha1", "served", &["a"]), ("v1", "served stored", &["a"])], &[]),
    &[("v1alpha1.spec.b", Some("v1alpha1"))]
)]
#[case::stored_and_not_served(
    with(&[("v1alpha1", "stored", &["a", "b"]), ("v1", "served", &["a", "b"])], &["v1alpha1"]),
    with(&[("v1alpha1", "stored", &["a"]), ("v1", "served", &["a", "b"])], &[]),
    &[("v1alpha1.spec.b", Some("v1"))]
)]
#[case::stored_once_and_not_served(
    with(&[("v1alpha1", "", &["a", "b"]), ("v1", "served stored", &["a", "b"])], &["v1alpha1", "v1"]),
    with(&[("v1alpha1", "", &["a"]), ("v1", "served stored", &["a", "b"])], &[]),
    &[("v1alpha1.spec.b", Some("v1"))]
)]
#[case::never_stored_and_not_served(
    with(&[("v1alpha1", "", &["a", "b"]), ("v1", "served stored", &["a", "b"])], &["v1"]),
    with(&[("v1alpha1", "", &["a"]), ("v1", "served stored", &["a", "b"])], &[]),
    &[]
)]
#[case::what_no_version_shows(
    with(&[("v1alpha1", "stored", &["a", "b"]), ("v1", "served", &["a"])], &["v1alpha1"]),
    with(&[("v1alpha1", "stored", &["a"]), ("v1", "served", &["a"])], &[]),
    &[("v1alpha1.spec.b", None)]
)]
#[case::what_a_webhook_hides(
    converted(with(&[("v1alpha1", "stored", &["a", "b"]), ("v1", "served", &["a", "b"])], &["v1alpha1"])),
    converted(with(&[("v1alpha1", "stored", &["a"]), ("v1", "served", &["a", "b"])], &[])),
    &[("v1alpha1.spec.b", None)]
)]
#[case::what_the_storage_version_lacks_already(
    with(&[("v1alpha1", "served", &["a", "b"]), ("v1", "served stored", &["a"])], &["v1alpha1", "v1"]),
    with(&[("v1alpha1", "served", &["a", "b"]), ("v1", "served stored", &["a"])], &[]),
    &[]
)]
fn versions_that_are_stored(#[case] live: Value, #[case] wanted: Value, #[case] expected: &[(&str, Option<&str>)]) {
    let removed = removed_fields(&live, &wanted);
    let removed: Vec<_> = removed.iter().map(|field| (field.to_string(), field.shown_in(&live))).collect();
    let expected: Vec<_> = expected.iter().map(|(field, shown)| ((*field).to_owned(), *shown)).collect();
    assert_eq!(removed, expected);
}

/// As a definition that was made for v1beta1 keeps what it does not know.
#[rstest]
#[case::known(json!({"spec": {"a": 1}}), false)]
#[case::unknown(json!({"spec": {"a": 1, "z": 1}}), true)]
#[case::unknown_at_the_top(json!({"other": {}}), true)]
#[case::unknown_null(json!({"spec": {"z": null}}), false)]
#[case::unknown_among_items(json!({"spec": {"list": [{"a": 1}, {"z": 1}]}}), true)]
#[case::a_map(json!({"spec": {"map": {"any": "x"}}}), false)]
#[case::what_anything_may_be_in(json!({"spec": {"free": {"any": {"x": 1}}}}), false)]
fn what_is_not_known_is_not_kept_any_more(#[case] object: Value, #[case] lost: bool) {
    let schema = json!({"properties": {"spec": {"properties": {"a": {}, "list": {"items": {"properties": {"a": {}}}},
        "map": {"additionalProperties": {}}, "free": {"x-kubernetes-preserve-unknown-fields": true}}}}});
    let wanted = crd(&[version("v1", &schema)], &[]);
    let mut live = wanted.clone();
    live["spec"]["preserveUnknownFields"] = json!(true);
    let removed = removed_fields(&live, &wanted);
    assert_eq!(removed.iter().map(ToString::to_string).collect::<Vec<_>>(), ["v1.*"]);
    let whole =
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "labels": {"a": "b"}}});
    let mut object = object;
    object.as_object_mut().unwrap().extend(whole.as_object().unwrap().clone());
    assert_eq!(removed[0].is_in(&object), lost);
    assert_eq!(removed_fields(&live, &live), []);
}
