//! YAML against the answers of Go's reader, and what is wrong with text that is not YAML.

use pilothouse_helm::{Origin, has_more_documents, parse_by_document, parse_documents, split_manifests};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use std::path::Path;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read_to_string(path).expect("a fixture")
}

/// `odd.json` is what `sigs.k8s.io/yaml` 1.6.0, which helm and kubectl use, makes of `odd.yaml`.
#[test]
fn oddities_mean_what_they_mean_to_helm() {
    let expected: Value = serde_json::from_str(&fixture("odd.json")).unwrap();
    let found = parse_documents(&fixture("odd.yaml")).unwrap().remove(0);
    let (Value::Object(expected), Value::Object(found)) = (expected, found) else { panic!("not mappings") };
    let wrong: Vec<String> = expected
        .iter()
        .filter(|(key, value)| found.get(*key) != Some(*value))
        .map(|(key, value)| format!("{key}: {:?}, should be {value}", found.get(key)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(found.len(), expected.len());
}

#[test]
fn documents_are_cut_at_their_markers() {
    let text = "# only a comment\n---\na: 1\n--- # two\nb: |\n  ---\n  text\n...\n---\n\n---\n{c: 3}\n--- {d: 4}\n---\nkind: List\nitems: [{e: 5}, {f: 6}]\n---\nkind: BoringList\nitems: none\n";
    let expected = [
        json!({"a": 1}),
        json!({"b": "---\ntext\n"}),
        json!({"c": 3}),
        json!({"d": 4}),
        json!({"e": 5}),
        json!({"f": 6}),
        json!({"kind": "BoringList", "items": "none"}),
    ];
    assert_eq!(parse_documents(text).unwrap(), expected);
    assert_eq!(parse_documents("a: 1\r\n---\r\nb: 2\r\n").unwrap(), [json!({"a": 1}), json!({"b": 2})]);
    assert_eq!(parse_documents("").unwrap(), [] as [Value; 0]);
}

/// As `kubectl create --dry-run=client` takes them.
#[rstest]
#[case::of_one_kind("kind: ConfigMapList\napiVersion: v1\nitems: [{a: 1}, {b: 2}]", json!([{"a": 1, "kind": "ConfigMap", "apiVersion": "v1"}, {"b": 2, "kind": "ConfigMap", "apiVersion": "v1"}]))]
#[case::that_say_what_they_are("kind: ConfigMapList\napiVersion: v1\nitems: [{kind: Secret, apiVersion: v1}]", json!([{"kind": "Secret", "apiVersion": "v1"}]))]
#[case::in_another("kind: List\nitems: [{kind: List, items: [{a: 1}]}, {kind: SecretList, items: [{b: 2}]}]", json!([{"a": 1}, {"b": 2, "kind": "Secret"}]))]
#[case::of_a_kind_that_is_none("kind: Wish\napiVersion: x/v1\nitems: [{a: 1}]", json!([{"a": 1, "kind": "Wish", "apiVersion": "x/v1"}]))]
#[case::of_nothing("kind: List\nitems: []", json!([]))]
#[case::of_no_objects("kind: Wish\nitems: [a]", json!([{"kind": "Wish", "items": ["a"]}]))]
fn what_is_in_lists(#[case] text: &str, #[case] expected: Value) {
    assert_eq!(Value::from(parse_documents(text).unwrap()), expected);
}

/// To helm, annotations count where they stand at a document: what is in a list inherits nothing, and what it says itself is not
/// looked at.
#[test]
fn annotations_of_lists() {
    let list = |of_list: &str, of_item: &str| {
        format!(
            "---\n# Source: a/templates/x.yaml\nkind: List\nmetadata: {{annotations: {{{of_list}}}}}\nitems: [{{kind: A, metadata: {{annotations: {{{of_item}}}}}}}]\n"
        )
    };
    let hook = "helm.sh/hook: 'pre-install,test', helm.sh/hook-weight: '2'";
    let of_list = split_manifests(&list(hook, "")).unwrap();
    let events = vec!["pre-install".to_owned(), "test".to_owned()];
    let kind = "List".to_owned();
    assert_eq!(of_list[0].origin, Origin::Hook { kind, events, weight: 2, delete_policies: Vec::new() });
    assert_eq!(split_manifests(&list("", hook)).unwrap()[0].origin, Origin::Template);
    let documents = parse_by_document(&list("helm.sh/resource-policy: keep", "a: b")).unwrap();
    assert_eq!(documents[0].metadata, json!({"annotations": {"helm.sh/resource-policy": "keep"}}));
    assert_eq!(documents[0].objects, [json!({"kind": "A", "metadata": {"annotations": {"a": "b"}}})]);
}

#[rstest]
#[case("a: 1\n---\nb: [1\nc: 2\n", "line 4: ")]
#[case("a: 1\n---\n- 1\n", "line 2: a document is not a mapping")]
#[case("a: .inf\n", "line 1: `.inf` is a number JSON does not have")]
#[case("a: &x [*x]\n", "line 1: an alias stands inside what it refers to")]
#[case("a: 1\n? [b]\n: 2\n", "line 3: a key is neither text nor a number nor a boolean")]
#[case("<<: 1\n", "line 1: `<<` merges something that is not a mapping")]
fn what_is_wrong_is_said(#[case] text: &str, #[case] expected: &str) {
    let error = parse_documents(text).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn an_error_names_the_template() {
    let text = "---\n# Source: a/templates/x.yaml\nok: 1\n---\n# Source: a/templates/y.yaml\nno: [\n";
    let error = split_manifests(text).unwrap_err();
    assert_eq!(error.source_path.as_deref(), Some("a/templates/y.yaml"));
    assert!(error.to_string().starts_with("a/templates/y.yaml, line 6: "), "{error}");
}

#[test]
fn aliases_cannot_blow_up() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..10 {
        let again = format!("*a{}, ", i - 1).repeat(10);
        text = format!("{text}a{i}: &a{i} [{again}]\n");
    }
    let error = parse_documents(&text).unwrap_err().to_string();
    assert_eq!(error, "line 6: its aliases stand for more than 500000 nodes");
    let deep = format!("a: {}{}", "[".repeat(250), "]".repeat(250));
    assert_eq!(parse_documents(&deep).unwrap_err().to_string(), "line 1: it is nested more than 200 levels deep");
}

#[rstest]
#[case("a/crds/x.yaml", true)]
#[case("a/crds/sub/x.yaml", true)]
#[case("a/charts/b/crds/x.yaml", true)]
#[case("a/charts/crds/crds/x.yaml", true)]
#[case("a/charts/crds/templates/x.yaml", false)]
#[case("a/charts/b/charts/c/crds/x.yaml", true)]
#[case("a/templates/crds/x.yaml", false)]
#[case("crds/templates/x.yaml", false)]
#[case("a/crds", false)]
fn definitions_are_known_by_their_folder(#[case] source: &str, #[case] is_crd: bool) {
    let docs = split_manifests(&format!("---\n# Source: {source}\nkind: X\n")).unwrap();
    let expected = if is_crd { Origin::Crd } else { Origin::Template };
    assert_eq!((docs.len(), &docs[0].origin), (1, &expected));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[ \\n:,{}\\[\\]&*!|>'\"%@#a1~<-]{0,60}|.{0,60}") {
        let _ = parse_documents(&text);
    }

    #[test]
    fn json_reads_as_itself(keys in proptest::collection::vec("[a-zA-Z0-9 .:#-]{1,12}", 0..6)) {
        let value: Value = keys.iter().map(|key| (key.clone(), json!([key, 1, null, {"x": true}]))).collect::<serde_json::Map<_, _>>().into();
        prop_assert_eq!(parse_documents(&value.to_string()).unwrap(), [value]);
    }
}

#[rstest]
#[case::one("a: 1\n", false)]
#[case::comment_before("# values\n---\na: 1\n", false)]
#[case::marker_at_the_end("---\na: 1\n---\n", false)]
#[case::comment_behind("a: 1\n---\n# nothing\n", false)]
#[case::text("a: |\n  --- b: 2\n", false)]
#[case::nothing("", false)]
#[case::no_yaml("a: [1\n---\nb: 2\n", false)]
#[case::two("a: 1\n---\nb: 2\n", true)]
#[case::ended("a: 1\n...\n---\nb: 2\n", true)]
#[case::first_is_empty("---\n---\nb: 2\n", true)]
fn documents_that_helm_3_leaves_out(#[case] text: &str, #[case] expected: bool) {
    assert_eq!(has_more_documents(text), expected);
}
