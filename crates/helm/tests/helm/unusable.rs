//! Documents that helm fails on whatever the cluster holds. Each was given to helm 3.21 and 4.2 over a real API server; what is `fine`
//! here was installed, of the others each said why not.

use pilothouse_helm::split_manifests;
use rstest::rstest;

const FINE: Option<&str> = None;

/// What is said of the first document, or of the first object in it.
fn said(text: &str) -> Option<String> {
    split_manifests(text).unwrap().first().and_then(|doc| doc.unusable.clone())
}

#[rstest]
#[case::usual("name: a", FINE)]
#[case::bool("name: y", Some("metadata.name is the boolean true to helm, not text: write it in quotes"))]
#[case::number("name: 1234", Some("metadata.name is the number 1234 to helm, not text: write it in quotes"))]
#[case::quoted("name: \"1234\"", FINE)]
#[case::empty("name:", Some("it has no name"))]
#[case::empty_text("name: ''", Some("it has no name"))]
#[case::missing("labels: {a: b}", Some("it has no name"))]
#[case::generated(
    "generateName: a-",
    Some("it has no name (generateName), which helm takes only for hooks that it does not delete before")
)]
#[case::generated_number(
    "generateName: 12",
    Some("metadata.generateName is the number 12 to helm, not text: write it in quotes")
)]
#[case::hook("generateName: a-, annotations: {helm.sh/hook: test, helm.sh/hook-delete-policy: hook-succeeded}", FINE)]
#[case::hook_deleted_before(
    "generateName: a-, annotations: {helm.sh/hook: test}",
    Some("it has no name (generateName), which helm takes only for hooks that it does not delete before")
)]
#[case::hook_without_any("annotations: {helm.sh/hook: test}", Some("it has no name"))]
#[case::namespace(
    "name: a, namespace: 1234",
    Some("metadata.namespace is the number 1234 to helm, not text: write it in quotes")
)]
#[case::no_namespace("name: a, namespace:", FINE)]
#[case::label(
    "name: a, labels: {a.b/c: yes}",
    Some("metadata.labels.a.b/c is the boolean true to helm, not text: write it in quotes")
)]
#[case::empty_label("name: a, labels: {a: }", FINE)]
#[case::no_labels("name: a, labels:", FINE)]
#[case::list_of_labels("name: a, labels: [a]", Some("metadata.labels is a list, not a mapping"))]
#[case::text_of_labels("name: a, labels: a", Some("metadata.labels is text, not a mapping"))]
#[case::annotation(
    "name: a, annotations: {a: 1}",
    Some("metadata.annotations.a is the number 1 to helm, not text: write it in quotes")
)]
#[case::empty_annotation("name: a, annotations: {a: }", FINE)]
#[case::finalizers("name: a, finalizers: a", Some("metadata.finalizers is text, not a list"))]
#[case::finalizer(
    "name: a, finalizers: [1]",
    Some("one of metadata.finalizers is the number 1 to helm, not text: write it in quotes")
)]
fn fields_of_metadata(#[case] metadata: &str, #[case] expected: Option<&str>) {
    let object = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{{metadata}}}\n");
    assert_eq!(said(&object).as_deref(), expected);
}

#[rstest]
#[case::kind(
    "apiVersion: v1\nkind: 12\nmetadata: {name: a}",
    Some("kind is the number 12 to helm, not text: write it in quotes")
)]
#[case::no_kind("apiVersion: v1\nmetadata: {name: a}", Some("it has no `kind`"))]
#[case::empty_kind("apiVersion: v1\nkind: ''\nmetadata: {name: a}", Some("its `kind` is empty"))]
#[case::version(
    "apiVersion: 1\nkind: ConfigMap\nmetadata: {name: a}",
    Some("apiVersion is the number 1 to helm, not text: write it in quotes")
)]
#[case::no_version("kind: ConfigMap\nmetadata: {name: a}", Some("it has no `apiVersion`"))]
#[case::no_metadata("apiVersion: v1\nkind: ConfigMap", Some("it has no name"))]
#[case::empty_metadata("apiVersion: v1\nkind: ConfigMap\nmetadata:", Some("it has no name"))]
#[case::items_of_another_kind("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nitems: []", FINE)]
#[case::items_that_are_none(
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nitems: {}",
    Some("`items` is a mapping, not a list")
)]
fn objects(#[case] object: &str, #[case] expected: Option<&str>) {
    assert_eq!(said(object).as_deref(), expected);
}

const NESTED: &str =
    "items[0] is a list in a list, which helm does not take apart: write its objects into the outer one";

#[rstest]
#[case::empty("List", "items: []", FINE)]
#[case::usual("List", "items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}]", FINE)]
#[case::none("List", "items:", Some("`items` is empty, not a list"))]
#[case::missing("List", "foo: 1", Some("a list without `items`"))]
#[case::mapping("List", "items: {}", Some("`items` is a mapping, not a list"))]
#[case::empty_item("List", "items: [null]", Some("items[0] is empty, not an object"))]
#[case::text("List", "items: [a]", Some("items[0] is text, not an object"))]
#[case::without_kinds("List", "items: [{metadata: {name: a}}]", Some("items[0]: it has no `apiVersion`"))]
#[case::nested("List", "items: [{apiVersion: v1, kind: List, items: []}]", Some(NESTED))]
#[case::nested_of_one_kind(
    "List",
    "items: [{apiVersion: v1, kind: ConfigMapList, items: [{metadata: {name: a}}]}]",
    Some(NESTED)
)]
#[case::items_of_a_custom_object(
    "List",
    "items: [{apiVersion: a.b/v1, kind: Foo, metadata: {name: a}, items: []}]",
    Some(NESTED)
)]
#[case::own_name(
    "List",
    "metadata: {name: 12}\nitems: []",
    Some("metadata.name is the number 12 to helm, not text: write it in quotes")
)]
#[case::own_annotation(
    "List",
    "metadata: {annotations: {a: 12}}\nitems: []",
    Some("metadata.annotations.a is the number 12 to helm, not text: write it in quotes")
)]
#[case::name_in_it(
    "List",
    "items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: 12}}]",
    Some("metadata.name is the number 12 to helm, not text: write it in quotes")
)]
#[case::hook("List", "metadata: {annotations: {helm.sh/hook: test}}\nitems:", Some("`items` is empty, not a list"))]
#[case::one_kind("ConfigMapList", "items: [{metadata: {name: a}}]", FINE)]
#[case::one_kind_empty_item("ConfigMapList", "items: [null]", Some("items[0] is empty, not an object"))]
#[case::one_kind_nested("ConfigMapList", "items: [{items: []}]", Some(NESTED))]
#[case::one_kind_mapping("ConfigMapList", "items: {}", Some("`items` is a mapping, not a list"))]
#[case::one_kind_without("ConfigMapList", "", Some("it has no name"))]
fn lists(#[case] kind: &str, #[case] rest: &str, #[case] expected: Option<&str>) {
    assert_eq!(said(&format!("apiVersion: v1\nkind: {kind}\n{rest}\n")).as_deref(), expected);
}

#[test]
fn a_list_needs_a_version_too() {
    assert_eq!(said("kind: List\nitems: []").as_deref(), Some("it has no `apiVersion`"));
}
