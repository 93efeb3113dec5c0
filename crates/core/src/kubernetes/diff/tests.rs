use super::*;
use crate::kubernetes::FieldChange;
use crate::text::Redactor;
use rstest::rstest;
use serde_json::{Value, json};

fn diff(kind: &str, old: &Value, new: &Value) -> Vec<FieldChange> {
    let redactor = Redactor::new(["hunter22"]);
    field_changes(old, new, Secrecy { kind, redactor: &redactor })
}

fn change(path: &str, old: Value, new: Value) -> FieldChange {
    let some = |value: Value| (!value.is_null()).then_some(value);
    FieldChange { path: path.to_owned(), old: some(old), new: some(new), written_by: None }
}

#[rstest]
#[case::nothing(json!({"a": 1}), json!({"a": 1}), vec![])]
#[case::what_the_server_keeps(
    json!({"metadata": {"name": "a", "uid": "1", "resourceVersion": "1", "generation": 1, "creationTimestamp": "x", "managedFields": [], "selfLink": "/"}, "status": {"a": 1}}),
    json!({"metadata": {"name": "a"}, "status": {"a": 2}}),
    vec![]
)]
#[case::status_elsewhere(json!({"spec": {"status": 1}}), json!({"spec": {"status": 2}}), vec![change("spec.status", json!(1), json!(2))])]
#[case::null_is_absent(json!({"a": null}), json!({}), vec![])]
#[case::one_sided(json!({"spec": {}}), json!({"spec": {"strategy": {"type": "Recreate"}}}), vec![change("spec.strategy", Value::Null, json!({"type": "Recreate"}))])]
#[case::quoted(
    json!({"metadata": {"annotations": {"helm.sh/x": "a"}}}),
    json!({"metadata": {"annotations": {"helm.sh/x": "b"}}}),
    vec![change(r#"metadata.annotations["helm.sh/x"]"#, json!("a"), json!("b"))]
)]
#[case::by_name(
    json!({"containers": [{"name": "a", "image": "a:1"}, {"name": "web", "image": "web:1"}]}),
    json!({"containers": [{"name": "web", "image": "web:2"}, {"name": "new"}]}),
    vec![
        change("containers[name=a]", json!({"name": "a", "image": "a:1"}), Value::Null),
        change("containers[name=web].image", json!("web:1"), json!("web:2")),
        change("containers[name=new]", Value::Null, json!({"name": "new"})),
    ]
)]
#[case::order(
    json!({"initContainers": [{"name": "a"}, {"name": "b"}]}),
    json!({"initContainers": [{"name": "b"}, {"name": "a"}]}),
    vec![change("initContainers", json!(["a", "b"]), json!(["b", "a"]))]
)]
#[case::by_place(
    json!({"paths": [{"path": "/"}]}),
    json!({"paths": [{"path": "/a"}, {"path": "/b"}]}),
    vec![change("paths[0].path", json!("/"), json!("/a")), change("paths[1]", Value::Null, json!({"path": "/b"}))]
)]
#[case::scalars_as_a_whole(json!({"args": ["a"]}), json!({"args": ["a", "b"]}), vec![change("args", json!(["a"]), json!(["a", "b"]))])]
#[case::another_type(json!({"a": {"b": 1}}), json!({"a": [1]}), vec![change("a", json!({"b": 1}), json!([1]))])]
#[case::known_secrets(
    json!({"args": ["--a"], "env": [{"name": "A", "value": "hunter22"}], "url": "x"}),
    json!({"args": ["--b=hunter22"], "env": [{"name": "A", "value": "hunter22hunter22"}], "url": "https://u:p@host"}),
    vec![
        change("args", json!(["--a"]), json!(["--b=***"])),
        change("env[name=A].value", json!("***"), json!("*** (changed)")),
        change("url", json!("x"), json!("https://***@host")),
    ]
)]
fn fields(#[case] old: Value, #[case] new: Value, #[case] expected: Vec<FieldChange>) {
    assert_eq!(diff("Deployment", &old, &new), expected);
}

#[test]
fn a_change_that_is_not_shown_is_told() {
    let redactor = Redactor::new(["hunter22", "hunter33"]);
    let changes = field_changes(
        &json!({"a": "hunter22", "b": ["hunter22"]}),
        &json!({"a": "hunter33", "b": ["hunter33"]}),
        Secrecy { kind: "Pod", redactor: &redactor },
    );
    assert_eq!(
        changes,
        [change("a", json!("***"), json!("*** (changed)")), change("b", json!(["***"]), json!(["***", "(changed)"]))]
    );
}

#[test]
fn values_of_secrets_are_not_shown() {
    let old = json!({
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"data\":1}", "note": "a"}},
        "data": {"changed": "aHVudGVy", "gone": "YQ==", "same": "YQ=="},
    });
    let new = json!({
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"data\":2}", "note": "b"}},
        "data": {"changed": "aHVudDMz", "same": "YQ=="},
        "stringData": {"new": "hello"},
    });
    assert_eq!(
        diff("Secret", &old, &new),
        [
            change(
                r#"metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]"#,
                json!("(sensitive, 10 bytes)"),
                json!("(sensitive, 10 bytes, changed)")
            ),
            change("metadata.annotations.note", json!("a"), json!("b")),
            change("data.changed", json!("(sensitive, 6 bytes)"), json!("(sensitive, 6 bytes, changed)")),
            change("data.gone", json!("(sensitive, 1 bytes)"), Value::Null),
            change("stringData.new", Value::Null, json!("(sensitive, 5 bytes)")),
        ]
    );
    let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
    assert_eq!(
        diff("Secret", &json!({"metadata": {}}), &json!({"metadata": {"annotations": annotations}})),
        [change(
            "metadata.annotations",
            Value::Null,
            json!({"kubectl.kubernetes.io/last-applied-configuration": "(sensitive, 2 bytes)"})
        )]
    );
}

#[test]
fn keys_of_a_config_map_are_told_one_by_one() {
    assert_eq!(
        diff("ConfigMap", &json!({"data": {"a": "1", "b": "2"}}), &json!({})),
        [change("data.a", json!("1"), Value::Null), change("data.b", json!("2"), Value::Null)]
    );
}

#[test]
fn long_values_are_shortened() {
    let (a, b) = ("é".repeat(400), format!("{}x", "é".repeat(400)));
    let short = |end: char| format!("…{}{end} (401 characters)", "é".repeat(50));
    assert_eq!(diff("Pod", &json!({"a": a}), &json!({"a": b})), [change("a", json!(a), json!(short('x')))]);
    let c = format!("{}y", "é".repeat(400));
    assert_eq!(diff("Pod", &json!({"a": b}), &json!({"a": c})), [change("a", json!(short('x')), json!(short('y')))]);
    let (was, is) = (format!("{c}{}", "z".repeat(300)), format!("{b}{}", "z".repeat(300)));
    let middle = |differs: char| format!("…{}{differs}{}… (701 characters)", "é".repeat(50), "z".repeat(149));
    assert_eq!(
        diff("Pod", &json!({"a": was}), &json!({"a": is})),
        [change("a", json!(middle('y')), json!(middle('x')))]
    );
    let map = json!({"long": "x".repeat(390)});
    let short = format!("{{\"long\":\"{}… (401 characters)", "x".repeat(191));
    assert_eq!(diff("Pod", &json!({}), &json!({"m": map})), [change("m", Value::Null, json!(short))]);
}

fn managed() -> Value {
    let entry = |manager: &str, time: &str, fields: Value| json!({"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields});
    let container =
        |fields: Value| json!({"f:spec": {"f:containers": {".": {}, "k:{\"name\":\"web\"}": fields, "f:x": {}}}});
    json!({
        "metadata": {"managedFields": [
            entry("helm", "2026-11-21T12:00:00Z", json!({"f:spec": {"f:replicas": {}, "f:args": {}}})),
            entry("kubectl-scale", "2026-11-21T09:00:00Z", json!({"f:spec": {"f:replicas": {}}})),
            entry("kubectl-edit", "2026-11-21T10:00:00Z", container(json!({".": {}, "f:image": {}, "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}}}))),
            entry("operator", "2026-11-21T11:00:00Z", container(json!({"f:image": {}, "f:args": {}}))),
            entry("pilothouse", "2026-11-21T13:00:00Z", container(json!({"f:image": {}}))),
        ]},
        "spec": {"replicas": 1, "args": ["a"], "containers": [{"name": "web", "image": "a", "args": ["x"], "ports": [{"containerPort": 80, "name": "a"}]}]},
    })
}

#[test]
fn managers_of_changed_fields() {
    let old = managed();
    let new = json!({"metadata": {}, "spec": {"replicas": 2, "args": ["b"], "containers": [{"name": "web", "image": "b", "args": ["y"], "ports": [{"containerPort": 80, "name": "b"}], "tty": true}]}});
    let managers = |changes: Vec<FieldChange>| -> Vec<(String, Option<String>)> {
        changes.into_iter().map(|change| (change.path, change.written_by)).collect()
    };
    let expected = [
        ("spec.replicas", Some("kubectl-scale, 2026-11-21T09:00:00Z")),
        ("spec.args", None),
        ("spec.containers[name=web].image", Some("operator, 2026-11-21T11:00:00Z")),
        ("spec.containers[name=web].args", Some("operator, 2026-11-21T11:00:00Z")),
        (
            "spec.containers[name=web].ports[containerPort=80,protocol=TCP].name",
            Some("kubectl-edit, 2026-11-21T10:00:00Z"),
        ),
        ("spec.containers[name=web].tty", None),
    ];
    let expected: Vec<_> =
        expected.map(|(path, manager): (&str, Option<&str>)| (path.to_owned(), manager.map(str::to_owned))).into();
    assert_eq!(managers(diff("Pod", &old, &new)), expected);
    let redactor = Redactor::default();
    let drifted = drifted_fields(&new, &old, Secrecy { kind: "Pod", redactor: &redactor });
    assert_eq!(managers(drifted), expected, "of a drift it is the live object that tells");
    assert!(is_client_side_applied(&old));
    assert!(!is_client_side_applied(&new));
}

#[test]
fn only_what_a_manifest_declares() {
    let live = json!({"spec": {"replicas": 1, "dnsPolicy": "ClusterFirst"}});
    let redactor = Redactor::default();
    let secrecy = Secrecy { kind: "Deployment", redactor: &redactor };
    assert_eq!(
        declared_changes(&live, &json!({"spec": {"replicas": 2}}), secrecy),
        [change("spec.replicas", json!(1), json!(2))]
    );
}

#[test]
fn content_without_what_the_server_writes() {
    let object = json!({"spec": {"b": 1, "a": {"status": 1}}, "metadata": {"uid": "1", "name": "a"}, "status": {}});
    let expected = r#"{"metadata":{"name":"a"},"spec":{"a":{"status":1},"b":1}}"#;
    assert_eq!(own_content(&object).to_string(), expected);
    let metadata = json!({"name": "a", "labels": {"b": "1", "a": "2"}, "annotations": {
        "deployment.kubernetes.io/revision": "3", "kubectl.kubernetes.io/last-applied-configuration": "{}", "x": "y"}});
    assert_eq!(own_labels(&metadata).to_string(), r#"{"annotations":{"x":"y"},"labels":{"a":"2","b":"1"}}"#);
    assert_eq!(own_labels(&json!({})).to_string(), r#"{"annotations":{},"labels":{}}"#);
}

#[test]
fn what_is_counted_in_annotations_is_no_change() {
    for counted in ["deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"] {
        let with = |count: &str| json!({"metadata": {"annotations": {counted: count, "a": "b"}}});
        assert_eq!(diff("DaemonSet", &with("1"), &with("2")), [], "{counted}");
    }
}
