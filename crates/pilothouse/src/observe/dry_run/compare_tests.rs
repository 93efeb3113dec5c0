use super::*;
use crate::observe::dry_run::drifted_objects::{Drifted, DriftedObject, drifted_objects};
use pilothouse_core::{FieldChange, HelmOwner};
use pilothouse_testkit::FakeCluster;
use rstest::rstest;
use serde_json::json;

struct World {
    cluster: FakeCluster,
    release: ReleaseKey,
    redactor: Redactor,
    rules: Rules,
}

fn world() -> World {
    World {
        cluster: FakeCluster::default(),
        release: ReleaseKey::new("web", "shop"),
        redactor: Redactor::new(["hunter22"]),
        rules: Rules::default(),
    }
}

impl World {
    fn comparison<'a>(&'a self, wanted: &'a [Value], stored: &'a [Value], server_side: bool) -> Comparison<'a> {
        Comparison {
            release: &self.release,
            wanted,
            stored,
            uninstalled: Uninstalled::default(),
            write: if server_side { WriteMethod::Apply { force: true } } else { WriteMethod::Patch },
            changing: &[],
            seen: &[],
            taken: &[],
            redactor: &self.redactor,
            rules: &self.rules,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    /// Puts the objects in as helm leaves them.
    fn deploy(&self, objects: &[Value]) {
        for object in objects {
            let mut object = owned_by(object, &self.release);
            if object["kind"] != "Namespace" {
                object["metadata"]["namespace"] = json!("web");
            }
            self.cluster.put(object);
        }
    }

    async fn compare(&self, wanted: &[Value], stored: &[Value], server_side: bool) -> Vec<Compared> {
        compare(&self.cluster, &self.comparison(wanted, stored, server_side)).await
    }

    async fn outcomes(&self, wanted: &[Value], stored: &[Value]) -> Vec<(String, Outcome)> {
        let compared = self.compare(wanted, stored, true).await;
        compared.into_iter().map(|one| (one.object.to_string(), one.outcome)).collect()
    }
}

fn config(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

fn change(path: &str, old: Value, new: Value) -> FieldChange {
    let some = |value: Value| (!value.is_null()).then_some(value);
    FieldChange { path: path.to_owned(), old: some(old), new: some(new), written_by: None }
}

fn is(name: &str, change: ObjectChange) -> (String, Outcome) {
    (format!("ConfigMap web/{name}"), Outcome::Change(change))
}

/// helm applies what is there twice one after another, and finds it once where it deletes.
#[tokio::test]
async fn an_object_that_is_there_twice_is_one() {
    let world = world();
    let twice = [config("a", &json!({"k": "1"})), config("b", &json!({})), config("a", &json!({"k": "2"}))];
    let created = [is("a", ObjectChange::Create), is("b", ObjectChange::Create)];
    assert_eq!(world.outcomes(&twice, &[]).await, created);
    world.deploy(&twice[..2]);
    let compared = world.compare(&twice, &twice, true).await;
    assert_eq!(compared.len(), 2);
    assert_eq!(compared[0].fields, [change("data.k", json!("1"), json!("2"))], "the last one wins");
    assert_eq!(world.outcomes(&[], &twice).await, [is("a", ObjectChange::Delete), is("b", ObjectChange::Delete)]);
}

#[tokio::test]
async fn every_kind_of_change() {
    let world = world();
    let a = json!({"k": "1"});
    let mut kept = config("kept", &a);
    kept["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
    let stored = [config("same", &a), config("changed", &a), config("deleted", &a), kept, config("recreated", &a)];
    world.deploy(&stored[..4]);
    let mut nobodys = config("adopted", &a);
    nobodys["metadata"]["namespace"] = json!("web");
    world.cluster.put(nobodys);
    let widget = json!({"apiVersion": "acme.example/v1", "kind": "Gimmick", "metadata": {"name": "x"}});
    let wanted = [
        config("new", &a),
        config("changed", &json!({"k": "2"})),
        config("same", &a),
        config("adopted", &a),
        config("recreated", &a),
        widget,
    ];
    let calls = |world: &World| world.cluster.failures.calls().iter().filter(|call| *call == "discovery").count();
    assert_eq!(
        world.outcomes(&wanted, &[stored.as_slice(), &[config("gone", &a)]].concat()).await,
        [
            is("new", ObjectChange::Create),
            is("changed", ObjectChange::Update),
            is("same", ObjectChange::Same),
            is("adopted", ObjectChange::Adopt),
            is("recreated", ObjectChange::Create),
            (
                "Gimmick x".to_owned(),
                Outcome::NotServed { why: "the cluster serves no kind `Gimmick` in `acme.example/v1`".to_owned() }
            ),
            is("deleted", ObjectChange::Delete),
            is("kept", ObjectChange::Keep),
        ]
    );
    assert_eq!(calls(&world), 3, "once for each manifest, and once more for what is not known");
    assert_eq!(world.cluster.object("ConfigMap", Some("web"), "new"), None, "nothing was changed");
    assert_eq!(world.cluster.object("ConfigMap", Some("web"), "changed").unwrap()["data"]["k"], "1");
}

#[tokio::test]
async fn an_update_tells_its_fields_and_which_object_was_seen() {
    let world = world();
    let stored = [config("a", &json!({"k": "1"}))];
    world.deploy(&stored);
    let live = world.cluster.object("ConfigMap", Some("web"), "a").unwrap();
    let compared = world.compare(&[config("a", &json!({"k": "2", "p": "hunter22"}))], &stored, true).await;
    let one = &compared[0];
    assert_eq!(one.fields, [change("data.k", json!("1"), json!("2")), change("data.p", Value::Null, json!("***"))]);
    let seen = SeenObject {
        uid: live["metadata"]["uid"].as_str().unwrap().to_owned(),
        resource_version: live["metadata"]["resourceVersion"].as_str().unwrap().to_owned(),
        digest: digest::content_digest(&live),
    };
    assert_eq!(one.seen, Some(seen));
    assert_eq!(one.health.as_deref(), Some("Current"));
    assert_eq!(one.owner, Some(HelmOwner::Release(world.release.clone())));
}

#[rstest]
#[case(json!([]), json!(""))]
#[case(json!(null), json!(null))]
#[case(json!({}), json!([]))]
fn what_is_rendered_for_no_labels(#[case] labels: Value, #[case] annotations: Value) {
    let mut manifest = config("a", &json!({}));
    manifest["metadata"]["labels"] = labels;
    manifest["metadata"]["annotations"] = annotations;
    let owned = owned_by(&manifest, &world().release);
    assert_eq!(owned, owned_by(&config("a", &json!({})), &world().release));
    assert_eq!(owned["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm");
}

#[tokio::test]
async fn nothing_tells_what_is_in_a_secret() {
    let world = world();
    let stored =
        [json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"pin": "MTIzNA=="}})];
    world.deploy(&stored);
    let compared = world.compare(&stored, &stored, true).await;
    let seen = compared[0].seen.as_ref().unwrap();
    assert_eq!((seen.digest.as_str(), seen.uid.is_empty(), seen.resource_version.is_empty()), ("", false, false));
}

#[rstest]
#[case::by_the_client(false, false, &["data.b"])]
#[case::by_the_server(true, false, &[])]
#[case::by_the_client_before(true, true, &["data.b"])]
#[tokio::test]
async fn what_the_manifest_does_not_set_any_more(
    #[case] server_side: bool,
    #[case] updated_by_helm: bool,
    #[case] expected: &[&str],
) {
    let world = world();
    let mut live = owned_by(&config("a", &json!({"a": "1", "b": "2", "others": "3"})), &world.release);
    live["metadata"]["namespace"] = json!("web");
    if updated_by_helm {
        live["metadata"]["managedFields"] = json!([{"manager": "helm", "operation": "Update", "fieldsV1": {}}]);
    }
    world.cluster.put(live);
    let stored = [config("a", &json!({"a": "1", "b": "2"}))];
    let compared = world.compare(&[config("a", &json!({"a": "1"}))], &stored, server_side).await;
    let paths: Vec<&str> = compared[0].fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(paths, expected);
}

#[tokio::test]
async fn secrets_of_a_client_side_release() {
    let world = world();
    let secret =
        |texts: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": texts});
    let stored = [secret(json!({"a": "xyz", "b": "two"}))];
    world.deploy(&[with_data(stored[0].clone())]);
    let wanted = [secret(json!({"a": "qqqqq"}))];
    world.cluster.refuse("apply Secret", || forbidden(r#"User "ci" cannot patch resource "secrets""#));
    let compared = world.compare(&wanted, &stored, false).await;
    assert_eq!(
        compared[0].fields,
        [
            change("data.a", json!("(sensitive, 3 bytes)"), json!("(sensitive, 5 bytes, changed)")),
            change("data.b", json!("(sensitive, 3 bytes)"), Value::Null)
        ]
    );
    let debug = format!("{compared:?}");
    assert!(
        ["xyz", "two", "qqqqq", &STANDARD.encode("xyz"), &STANDARD.encode("qqqqq")]
            .iter()
            .all(|secret| !debug.contains(*secret)),
        "{debug}"
    );
}

fn forbidden(message: &str) -> ClusterError {
    ClusterError::Forbidden { verb: "patch".to_owned(), what: "it".to_owned(), message: message.to_owned() }
}

fn invalid(message: &str) -> ClusterError {
    ClusterError::Invalid { object: ObjectRef::parse("configmap/a").unwrap(), message: message.to_owned() }
}

fn api(message: &str) -> ClusterError {
    ClusterError::Api { status: 500, what: "patch it".to_owned(), message: message.to_owned() }
}

fn refused(why: &str) -> Outcome {
    Outcome::Change(ObjectChange::Refused { why: why.to_owned() })
}

fn replace(because: &str) -> Outcome {
    Outcome::Change(ObjectChange::Replace { because: because.to_owned() })
}

#[rstest]
#[case::rbac(|| forbidden("configmaps \"a\" is forbidden: User \"ci\" cannot patch resource \"configmaps\" in API group \"\""), Outcome::Change(ObjectChange::Update), Some("not checked by the server: forbidden"))]
#[case::no_dry_run(|| invalid("admission webhook \"w\" does not support dry run"), Outcome::Change(ObjectChange::Update), Some("not checked by the server: a webhook does not support dry runs"))]
#[case::admission(|| forbidden("admission webhook \"w\" denied the request: hunter22"), refused("admission webhook \"w\" denied the request: ***"), None)]
#[case::duplicate(|| api("duplicate entries for key [name=\"A\"]"), Outcome::Unreadable { why: "the Kubernetes API answered 500 to patch it: duplicate entries for key [name=\"A\"]".to_owned() }, None)]
#[case::invalid(|| invalid("ConfigMap \"a\" is invalid: data: Invalid value: 1"), refused("ConfigMap \"a\" is invalid: data: Invalid value: 1"), None)]
#[case::immutable(|| invalid("ConfigMap \"a\" is invalid: data: Forbidden: field is immutable when `immutable` is set"), replace("data: field is immutable"), None)]
#[case::no_namespace(|| ClusterError::NotFound { object: ObjectRef { api_version: None, kind: "Namespace".to_owned(), namespace: None, name: "web".to_owned() } }, Outcome::NoNamespace { namespace: "web".to_owned() }, None)]
#[case::server(|| api("no"), Outcome::Unreadable { why: "the Kubernetes API answered 500 to patch it: no".to_owned() }, None)]
#[tokio::test]
async fn answers_of_the_server(
    #[case] error: fn() -> ClusterError,
    #[case] outcome: Outcome,
    #[case] not_checked: Option<&str>,
) {
    let world = world();
    let stored = [config("a", &json!({"k": "1"}))];
    world.deploy(&stored);
    world.cluster.refuse("apply ConfigMap", error);
    let compared = world.compare(&[config("a", &json!({"k": "2"}))], &stored, true).await;
    assert_eq!((&compared[0].outcome, compared[0].not_checked.as_deref()), (&outcome, not_checked));
}

#[tokio::test]
async fn what_cannot_be_read_is_not_absent() {
    let world = world();
    let stored = [config("a", &json!({})), config("b", &json!({}))];
    world.cluster.refuse("get ConfigMap", || api("broken"));
    let why = "the Kubernetes API answered 500 to patch it: broken".to_owned();
    let unreadable = |name: &str| (format!("ConfigMap web/{name}"), Outcome::Unreadable { why: why.clone() });
    assert_eq!(world.outcomes(&stored[..1], &stored).await, [unreadable("a"), unreadable("b")]);
    world.cluster.refuse("discovery", || api("broken"));
    let nowhere = ("ConfigMap a".to_owned(), Outcome::Unreadable { why: why.clone() });
    assert_eq!(world.outcomes(&stored[..1], &[]).await, [nowhere]);
}

#[tokio::test]
async fn drift_tells_what_was_deployed_and_what_is_there() {
    let world = world();
    let deployed = [config("a", &json!({"k": "1"})), config("b", &json!({})), config("c", &json!({}))];
    world.deploy(&deployed[..2]);
    let mut live = world.cluster.object("ConfigMap", Some("web"), "a").unwrap();
    live["data"] = json!({"k": "2", "added": "by somebody"});
    live["metadata"]["managedFields"] = json!([{"manager": "kubectl-edit", "operation": "Update",
        "time": "2026-11-21T10:00:00Z", "fieldsV1": {"f:data": {"f:k": {}}}}]);
    world.cluster.put(live);
    let found = drifted_objects(&world.cluster, &world.comparison(&deployed, &[], true)).await;
    let manager = Some("kubectl-edit, 2026-11-21T10:00:00Z".to_owned());
    let field = FieldChange { written_by: manager, ..change("data.k", json!("1"), json!("2")) };
    let drift = |name: &str, what| DriftedObject {
        object: ObjectRef {
            api_version: Some("v1".to_owned()),
            kind: "ConfigMap".to_owned(),
            namespace: Some("web".to_owned()),
            name: name.to_owned(),
        },
        what,
        left_out: Vec::new(),
        not_checked: None,
    };
    assert_eq!(found, [drift("a", Drifted::Fields(vec![field])), drift("c", Drifted::Missing)]);
}

impl World {
    /// As helm does it with `--force`.
    async fn compare_replaced(&self, wanted: &[Value], stored: &[Value]) -> Vec<Compared> {
        let write = WriteMethod::Replace { strict: true };
        compare(&self.cluster, &Comparison { write, ..self.comparison(wanted, stored, false) }).await
    }

    /// The writes the server was asked about.
    fn asked(&self) -> Vec<String> {
        let calls = self.cluster.failures.calls();
        calls.into_iter().filter(|call| call.starts_with("apply") || call.starts_with("update")).collect()
    }
}

#[tokio::test]
async fn an_update_takes_what_the_manifest_does_not_set() {
    let world = world();
    let stored = [config("a", &json!({"k": "1"})), config("b", &json!({"k": "1"}))];
    world.deploy(&stored);
    for name in ["a", "adopted"] {
        let mut live = world.cluster.object("ConfigMap", Some("web"), name).unwrap_or_else(|| config(name, &json!({})));
        live["metadata"]["namespace"] = json!("web");
        live["metadata"]["annotations"]["mine"] = json!("1");
        live["data"] = json!({"k": "1", "others": "2"});
        world.cluster.put(live);
    }
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"a": 1}});
    world.deploy(std::slice::from_ref(&widget));
    let mut live = world.cluster.object("Widget", Some("web"), "w").unwrap();
    live["spec"]["others"] = json!(2);
    world.cluster.put(live);
    let wanted =
        [&stored[..], &[config("adopted", &json!({"k": "1"})), widget.clone(), config("new", &json!({}))]].concat();
    let compared = world.compare_replaced(&wanted, &[&stored[..], &[widget]].concat()).await;
    let told: Vec<(&str, &Outcome, Vec<&str>)> = compared
        .iter()
        .map(|one| {
            let paths = one
                .fields
                .iter()
                .map(|field| field.path.as_str())
                .filter(|path| !path.contains("helm") && *path != "metadata.labels");
            (one.object.name.as_str(), &one.outcome, paths.collect())
        })
        .collect();
    let change = Outcome::Change;
    let of_others = vec!["metadata.annotations.mine", "data.others"];
    assert_eq!(
        told,
        [
            ("a", &change(ObjectChange::Update), of_others.clone()),
            ("b", &change(ObjectChange::Same), vec![]),
            ("adopted", &change(ObjectChange::Adopt), of_others),
            ("w", &change(ObjectChange::Update), vec!["spec.others"]),
            ("new", &change(ObjectChange::Create), vec![]),
        ]
    );
    let mut asked = world.asked();
    asked.sort();
    let updates = ["ConfigMap web/a", "ConfigMap web/adopted", "ConfigMap web/b", "Widget web/w"];
    let updates = updates.map(|object| format!("update {object}"));
    assert_eq!(asked, [&["apply ConfigMap new".to_owned()], &updates[..]].concat());
}

#[tokio::test]
async fn an_object_that_others_write_meanwhile_is_read_again() {
    let world = world();
    let stored = [config("a", &json!({"k": "1"}))];
    world.deploy(&stored);
    let write = |cluster: &FakeCluster| {
        let mut live = cluster.object("ConfigMap", Some("web"), "a").unwrap();
        live["data"] = json!({"k": "1", "others": "2"});
        cluster.put(live);
    };
    world.cluster.before("update ConfigMap", write);
    let compared = world.compare_replaced(&stored, &stored).await;
    assert_eq!(compared[0].fields, [change("data.others", json!("2"), Value::Null)]);
    assert_eq!(world.asked().len(), 2);
    // Nobody knows what becomes of one that never stays as it was read.
    for _ in 0..UPDATE_ATTEMPTS {
        world.cluster.before("update ConfigMap", write);
    }
    let compared = world.compare_replaced(&stored, &stored).await;
    assert!(matches!(compared[0].outcome, Outcome::Unreadable { .. }), "{compared:?}");
}

#[rstest]
#[case::rbac(|| forbidden("configmaps \"a\" is forbidden: User \"ci\" cannot update resource \"configmaps\" in API group \"\""), Outcome::Change(ObjectChange::Update), &["data.others"])]
#[case::immutable(|| invalid("ConfigMap \"a\" is invalid: data: Forbidden: field is immutable when `immutable` is set"), replace("data: field is immutable"), &[])]
#[case::unknown_field(|| invalid("strict decoding error: unknown field \"dat\""), refused("strict decoding error: unknown field \"dat\""), &[])]
#[case::server(|| api("no"), Outcome::Unreadable { why: "the Kubernetes API answered 500 to patch it: no".to_owned() }, &[])]
#[tokio::test]
async fn answers_of_the_server_to_an_update(
    #[case] error: fn() -> ClusterError,
    #[case] outcome: Outcome,
    #[case] fields: &[&str],
) {
    let world = world();
    let stored = [config("a", &json!({"k": "1"}))];
    world.deploy(&[config("a", &json!({"k": "1", "others": "2"}))]);
    world.cluster.refuse("update ConfigMap", error);
    let compared = world.compare_replaced(&stored, &stored).await;
    let paths: Vec<&str> = compared[0].fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!((&compared[0].outcome, paths.as_slice()), (&outcome, fields));
}

/// A cluster-scoped object gets no namespace, not even an empty one.
#[tokio::test]
async fn an_update_that_is_not_asked_gives_no_namespace_to_what_has_none() {
    let world = world();
    let stored = [json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})];
    world.deploy(&stored);
    world.cluster.refuse("update Namespace", || {
        forbidden(
            "namespaces \"other\" is forbidden: User \"ci\" cannot update resource \"namespaces\" in API group \"\"",
        )
    });
    let compared = world.compare_replaced(&stored, &stored).await;
    let then = compared[0].then.as_ref().unwrap().expose();
    assert_eq!(then["metadata"].as_object().unwrap().get("namespace"), None);
    assert_eq!(compared[0].outcome, Outcome::Change(ObjectChange::Same));
}

/// A kind in another version is the same object, also where the cluster is to serve that version only with this very release.
#[rstest]
#[case::comes_with_the_release(&["v1", "v2"], "Change(Update)")]
#[case::does_not_come(&["v1"], "NotServed")]
#[tokio::test]
async fn a_version_that_is_not_served_yet(#[case] served: &[&str], #[case] expected: &str) {
    let world = world();
    let leg = |version: &str| json!({"apiVersion": format!("example.com/{version}"), "kind": "Widget", "metadata": {"name": "l"}, "spec": {"a": version}});
    world.deploy(&[leg("v1")]);
    let versions: Vec<Value> = served.iter().map(|version| json!({"name": version, "served": true})).collect();
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"}, "versions": versions}});
    let changing = [pilothouse_core::crd_facts(&definition).unwrap()];
    let (wanted, stored) = ([leg("v2")], [leg("v1")]);
    for server_side in [true, false] {
        let what = Comparison { changing: &changing, ..world.comparison(&wanted, &stored, server_side) };
        let compared = compare(&world.cluster, &what).await;
        let [one] = compared.as_slice() else { panic!("{compared:#?}") };
        assert_eq!(one.object.namespace.as_deref(), Some("web"));
        let outcome = format!("{:?}", one.outcome);
        assert!(outcome.starts_with(expected), "{outcome}");
    }
}
