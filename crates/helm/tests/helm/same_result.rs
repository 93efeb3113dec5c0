//! Renderings against the records of revisions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pilothouse_core::ObjectRef;
use pilothouse_helm::{
    ReleaseRecord, RenderedDoc, SameResult, decode_release, same_result, same_result_except, split_manifests,
    volatile_fields,
};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A record with a manifest and hooks.
fn record(manifest: &str, hooks: &[(&str, &str)]) -> ReleaseRecord {
    let hooks: Vec<Value> = hooks.iter().map(|(path, manifest)| json!({"path": path, "manifest": manifest})).collect();
    let record = json!({
        "name": "web", "namespace": "shop", "version": 1, "info": {"status": "deployed"}, "manifest": manifest, "hooks": hooks,
    });
    decode_release(STANDARD.encode(record.to_string()).as_bytes()).unwrap()
}

fn docs(text: &str) -> Vec<RenderedDoc> {
    split_manifests(text).unwrap()
}

/// The names in each list; the kind of what has no name.
fn shown(result: &SameResult) -> [String; 3] {
    let name = |object: &ObjectRef| if object.name.is_empty() { object.kind.clone() } else { object.name.clone() };
    let names = |list: &[ObjectRef]| list.iter().map(name).collect::<Vec<_>>().join(" ");
    [names(&result.added), names(&result.removed), names(&result.changed)]
}

const A: &str = "---\n# Source: web/templates/a.yaml\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1', y: '2'}\n";
const A_AGAIN: &str = "---\nmetadata:\n  name: a # reformatted\ndata:\n  y: \"2\"\n  x: \"1\"\nkind: ConfigMap\n";
const A_CHANGED: &str = "---\n# Source: web/templates/a.yaml\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: 1}\n";
const B: &str = "---\n# Source: web/templates/b.yaml\nkind: ConfigMap\nmetadata: {name: b}\n";
const CRD: &str = "---\n# Source: web/crds/c.yaml\nkind: CustomResourceDefinition\nmetadata: {name: c}\n";
const LIST: &str = "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: A, metadata: {name: x}}]";
const HOOK_LIST: &str = "apiVersion: v1\nkind: List\nmetadata: {annotations: {helm.sh/hook: test}}\nitems: [{apiVersion: v1, kind: A, metadata: {name: x}}]";
const TEST: &str =
    "---\n# Source: web/templates/t.yaml\nkind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n";

#[rstest]
#[case::nothing("", "", &[], ["", "", ""])]
#[case::same(&[A, B].concat(), &[B, A].concat(), &[], ["", "", ""])]
#[case::formatting(A, A_AGAIN, &[], ["", "", ""])]
#[case::definitions_do_not_count(&[CRD, A].concat(), A, &[], ["", "", ""])]
#[case::added(&[A, B].concat(), A, &[], ["b", "", ""])]
#[case::removed(B, &[A, B].concat(), &[], ["", "a", ""])]
#[case::changed(A, A_CHANGED, &[], ["", "", "a"])]
#[case::hook(&[A, TEST].concat(), A, &[("web/templates/t.yaml", TEST)], ["", "", ""])]
#[case::hook_added(&[A, TEST].concat(), A, &[], ["t", "", ""])]
#[case::hook_removed(A, A, &[("web/templates/t.yaml", TEST)], ["", "t", ""])]
#[case::another_namespace("kind: A\nmetadata: {name: x}", "kind: A\nmetadata: {name: x, namespace: shop}", &[], ["x", "x", ""])]
#[case::twice(&[A, A].concat(), A, &[], ["", "", "a"])]
#[case::list("apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: A, metadata: {name: x}}]", "apiVersion: v1\nkind: A\nmetadata: {name: x}", &[], ["", "", ""])]
#[case::list_that_is_kept("apiVersion: v1\nkind: List\nmetadata: {annotations: {helm.sh/resource-policy: keep}}\nitems: [{apiVersion: v1, kind: A, metadata: {name: x}}]", LIST, &[], ["", "", "x"])]
#[case::list_that_is_not_kept_any_more(LIST, "apiVersion: v1\nkind: List\nmetadata: {annotations: {helm.sh/resource-policy: keep}}\nitems: [{apiVersion: v1, kind: A, metadata: {name: x}}]", &[], ["", "", "x"])]
#[case::list_that_becomes_a_hook("apiVersion: v1\nkind: List\nmetadata: {annotations: {helm.sh/hook: test}}\nitems: [{apiVersion: v1, kind: A, metadata: {name: x}}]", LIST, &[], ["", "", "x"])]
#[case::list_that_is_a_hook(HOOK_LIST, "", &[("web/templates/t.yaml", HOOK_LIST)], ["", "", ""])]
#[case::words_of_a_list("apiVersion: v1\nkind: List\nmetadata: {annotations: {a.b/c: d}}\nitems: [{apiVersion: v1, kind: A, metadata: {name: x}}]", LIST, &[], ["", "", ""])]
#[case::annotation_moves_into_a_list(
    "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: A, metadata: {name: x, annotations: {helm.sh/resource-policy: keep}}}]",
    "apiVersion: v1\nkind: A\nmetadata: {name: x, annotations: {helm.sh/resource-policy: keep}}",
    &[], ["", "", "x"]
)]
#[case::without_a_name("kind: A\nmetadata: {generateName: x}", "kind: A\nmetadata: {generateName: y}", &[], ["", "", "A"])]
fn what_differs(
    #[case] rendered: &str,
    #[case] manifest: &str,
    #[case] hooks: &[(&str, &str)],
    #[case] expected: [&str; 3],
) {
    let result = same_result(&docs(rendered), &record(manifest, hooks)).unwrap();
    let expected = expected.map(str::to_owned);
    assert_eq!((shown(&result), result.is_same()), (expected.clone(), expected.concat().is_empty()));
}

#[test]
fn a_record_that_is_not_yaml_is_an_error() {
    let bad = record("", &[("web/templates/t.yaml", "a: [")]);
    let error = same_result(&[], &bad).unwrap_err();
    assert_eq!(error.source_path.as_deref(), Some("web/templates/t.yaml"));
}

/// A secret with a random password and a list, and a pod with a random name, as a chart makes them.
fn random(password: &str, hosts: &str, name: &str, image: &str) -> String {
    format!(
        "---\n# Source: web/templates/s.yaml\nkind: Secret\nmetadata: {{name: s, annotations: {{a.b/c: {password}}}}}\n\
         data: {{fixed: x, password: {password}, hosts: {hosts}}}\n\
         ---\n# Source: web/templates/t.yaml\nkind: Pod\nmetadata: {{name: t-{name}}}\nspec: {{image: {image}, args: [a, {name}]}}\n"
    )
}

#[test]
fn what_is_random_is_found() {
    let volatile = volatile_fields(&docs(&random("p1", "[a]", "n1", "i")), &docs(&random("p2", "[a, b]", "n2", "i")));
    let fields: Vec<(&str, Vec<&str>)> =
        volatile.fields.iter().map(|(o, f)| (o.name.as_str(), f.iter().map(String::as_str).collect())).collect();
    assert_eq!(fields, [("s", vec!["/data/hosts", "/data/password", "/metadata/annotations/a.b~1c"])]);
    let objects: Vec<(Option<&str>, &str, &str, Vec<&str>)> = volatile
        .objects
        .iter()
        .map(|(o, f)| {
            (
                o.source.as_deref(),
                o.object.kind.as_str(),
                o.object.name.as_str(),
                f.iter().map(String::as_str).collect(),
            )
        })
        .collect();
    assert_eq!(objects, [(Some("web/templates/t.yaml"), "Pod", "", vec!["/metadata/name", "/spec/args/1"])]);
}

#[rstest]
#[case::same_but_for_it(random("p3", "[]", "n3", "i"), ["", "", ""])]
#[case::image(random("p3", "[]", "n3", "other"), ["", "", "t-n1"])]
#[case::fixed(random("p3", "[]", "n3", "i").replace("fixed: x", "fixed: y"), ["", "", "s"])]
#[case::gone(random("p3", "[]", "n3", "i").replace("kind: Pod", "kind: Job"), ["t-n1", "t-n3", ""])]
#[case::twice(random("p3", "[]", "n3", "i") + "---\n# Source: web/templates/t.yaml\nkind: Pod\nmetadata: {name: t-n4}\n", ["", "", "t-n1"])]
fn what_is_random_does_not_count(#[case] manifest: String, #[case] expected: [&str; 3]) {
    let first = docs(&random("p1", "[a]", "n1", "i"));
    let volatile = volatile_fields(&first, &docs(&random("p2", "[a, b]", "n2", "i")));
    let result = same_result_except(&first, &record(&manifest, &[]), &volatile).unwrap();
    assert_eq!(shown(&result), expected.map(str::to_owned));
}

proptest! {
    /// In any order, as text that was written by another writer, with some of the objects as hooks.
    #[test]
    fn a_rendering_is_the_same_as_the_record_made_of_it(
        objects in proptest::collection::btree_map("[a-e]{1,3}", ("[a-z0-9: #'\"]{0,6}", any::<i32>(), any::<bool>()), 0..8),
        changed in any::<bool>(),
    ) {
        let (mut rendered, mut manifest, mut hooks) = (String::new(), Vec::new(), Vec::new());
        for (name, (text, number, is_hook)) in &objects {
            let hook = if *is_hook { json!({"helm.sh/hook": "test"}) } else { json!({}) };
            let object = json!({"kind": "A", "metadata": {"name": name, "annotations": hook}, "text": text, "list": [number]});
            let _ = writeln!(rendered, "---\n# Source: web/templates/{name}.yaml\n{object}");
            let mut recorded = object.clone();
            if changed {
                recorded["list"] = json!([number, 1]);
            }
            let text = serde_json::to_string_pretty(&recorded).unwrap();
            if *is_hook {
                hooks.push((format!("web/templates/{name}.yaml"), text));
            } else {
                manifest.insert(0, format!("---\n# Source: web/templates/{name}.yaml\n{text}\n"));
            }
        }
        let hooks: Vec<(&str, &str)> = hooks.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let result = same_result(&docs(&rendered), &record(&manifest.concat(), &hooks)).unwrap();
        let names: BTreeSet<String> = result.changed.iter().map(|object| object.name.clone()).collect();
        let expected = if changed { objects.keys().cloned().collect() } else { BTreeSet::new() };
        prop_assert_eq!((names, result.added, result.removed), (expected, vec![], vec![]));
    }
}
