//! YAML against the answers of Go's reader, and what is wrong with text that is not YAML.

use pilothouse_helm::{Origin, has_more_documents, parse_documents, split_manifests};
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
