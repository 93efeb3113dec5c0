//! Comparing on a real control plane: what its dry runs answer, and who it says has written what.

use crate::bare_plane::plane;
use jiff::Timestamp;
use pilothouse::diagnosis::{Drifted, drifted_objects};
use pilothouse::kubernetes::{Cluster, ClusterClient, Rules};
use pilothouse::plan::{Compared, Comparison, Uninstalled, WriteMethod, compare};
use pilothouse::{Outcome, Redactor, ReleaseKey};
use pilothouse_core::{FieldChange, ObjectChange, adoption_patch};
use serde_json::{Value, json};

struct World {
    client: kube::Client,
    cluster: Cluster,
    release: ReleaseKey,
    redactor: Redactor,
    rules: Rules,
}

impl World {
    /// A world in a namespace of its own.
    async fn new(namespace: &str) -> Self {
        let plane = plane();
        // A client of this test's own runtime: the plane's lives on another one.
        let client = kube::Client::try_from(plane.client_config()).unwrap();
        let cluster = Cluster::from_client(client.clone());
        assert!(cluster.create_namespace(namespace).await.unwrap());
        let release = ReleaseKey::new(namespace, "shop");
        Self { client, cluster, release, redactor: Redactor::default(), rules: Rules::default() }
    }

    /// Sends a request as the given field manager, with a body of the given type.
    async fn send(&self, method: &str, path: &str, content_type: &str, body: &Value) {
        let request = http_request(method, path, content_type, body);
        self.client.request::<Value>(request).await.unwrap();
    }

    /// A manifest with helm's keys, in the release's namespace.
    fn owned(&self, manifest: &Value) -> Value {
        let mut owned = manifest.clone();
        owned["metadata"]["namespace"] = json!(self.release.namespace);
        for (map, keys) in adoption_patch(&self.release)["metadata"].as_object().unwrap() {
            for (key, value) in keys.as_object().unwrap() {
                owned["metadata"][map][key] = value.clone();
            }
        }
        owned
    }

    fn path(&self, kind: &str) -> String {
        let namespace = &self.release.namespace;
        match kind {
            "Deployment" => format!("/apis/apps/v1/namespaces/{namespace}/deployments"),
            "Secret" => format!("/api/v1/namespaces/{namespace}/secrets"),
            _ => format!("/api/v1/namespaces/{namespace}/configmaps"),
        }
    }

    /// Creates the object as helm does without server-side apply, or with it.
    async fn deploy(&self, manifest: &Value, server_side: bool) {
        let path = self.path(manifest["kind"].as_str().unwrap());
        let name = manifest["metadata"]["name"].as_str().unwrap();
        let owned = self.owned(manifest);
        if server_side {
            let path = format!("{path}/{name}?fieldManager=helm");
            self.send("PATCH", &path, "application/apply-patch+yaml", &owned).await;
        } else {
            self.send("POST", &format!("{path}?fieldManager=helm"), "application/json", &owned).await;
        }
    }

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
            now: Timestamp::now(),
        }
    }

    async fn compare(&self, wanted: &[Value], stored: &[Value], server_side: bool) -> Vec<Compared> {
        compare(&self.cluster, &self.comparison(wanted, stored, server_side)).await
    }
}

fn http_request(method: &str, path: &str, content_type: &str, body: &Value) -> http::Request<Vec<u8>> {
    let request = http::Request::builder().method(method).uri(path).header("content-type", content_type);
    request.body(body.to_string().into_bytes()).unwrap()
}

fn web(image: &str, env: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": image, "env": env, "resources": {"requests": {"cpu": 0.1}}}]}}}})
}

fn change(path: &str, old: Value, new: Value) -> FieldChange {
    let some = |value: Value| (!value.is_null()).then_some(value);
    FieldChange { path: path.to_owned(), old: some(old), new: some(new), written_by: None }
}

#[tokio::test]
async fn an_image_and_variables_are_told_for_both_ways_to_apply() {
    for server_side in [false, true] {
        let world = World::new(if server_side { "server-side" } else { "client-side" }).await;
        let stored = [web("web:1", &json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]))];
        world.deploy(&stored[0], server_side).await;
        let same = world.compare(&stored, &stored, server_side).await;
        assert_eq!((&same[0].outcome, &same[0].fields), (&Outcome::Change(ObjectChange::Same), &Vec::new()));

        let wanted = [web("web:2", &json!([{"name": "A", "value": "1"}, {"name": "C", "value": "3"}]))];
        let compared = world.compare(&wanted, &stored, server_side).await;
        let container = "spec.template.spec.containers[name=web]";
        let mut fields = compared[0].fields.clone();
        fields.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!(
            fields,
            [
                change(&format!("{container}.env[name=B]"), json!({"name": "B", "value": "2"}), Value::Null),
                change(&format!("{container}.env[name=C]"), Value::Null, json!({"name": "C", "value": "3"})),
                change(&format!("{container}.image"), json!("web:1"), json!("web:2")),
            ],
            "server_side: {server_side}"
        );
    }
}

#[tokio::test]
async fn what_is_replaced_missing_kept_or_deleted() {
    let world = World::new("outcomes").await;
    let config =
        |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}});
    let mut kept = config("kept");
    kept["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
    let stored = [web("web:1", &json!([])), kept, config("gone"), config("deleted")];
    for one in [&stored[0], &stored[1], &stored[3]] {
        world.deploy(one, true).await;
    }
    let mut other = stored[0].clone();
    other["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    other["spec"]["template"]["metadata"]["labels"]["app"] = json!("other");
    let gimmick = json!({"apiVersion": "acme.example/v1", "kind": "Gimmick", "metadata": {"name": "x"}});
    let mut elsewhere = config("elsewhere");
    elsewhere["metadata"]["namespace"] = json!("not-there");
    let wanted = [other, gimmick, config("new"), elsewhere];
    let compared = world.compare(&wanted, &stored, true).await;
    let told: Vec<_> = compared.iter().map(|one| (one.object.to_string(), one.outcome.clone())).collect();
    let is = |object: &str, change| (object.to_owned(), Outcome::Change(change));
    assert_eq!(
        told,
        [
            is(
                "Deployment outcomes/web",
                ObjectChange::Replace { because: "spec.selector cannot be changed".to_owned() }
            ),
            (
                "Gimmick x".to_owned(),
                Outcome::NotServed { why: "the cluster serves no kind `Gimmick` in `acme.example/v1`".to_owned() }
            ),
            is("ConfigMap outcomes/new", ObjectChange::Create),
            ("ConfigMap not-there/elsewhere".to_owned(), Outcome::NoNamespace { namespace: "not-there".to_owned() }),
            is("ConfigMap outcomes/kept", ObjectChange::Keep),
            is("ConfigMap outcomes/deleted", ObjectChange::Delete),
        ]
    );
}

#[tokio::test]
async fn replicas_that_somebody_has_changed_have_drifted() {
    let world = World::new("drifted").await;
    let deployed = [web("web:1", &json!([]))];
    world.deploy(&deployed[0], true).await;
    let path = format!("{}/web?fieldManager=kubectl-patch", world.path("Deployment"));
    world.send("PATCH", &path, "application/merge-patch+json", &json!({"spec": {"replicas": 5}})).await;
    let found = drifted_objects(&world.cluster, &world.comparison(&deployed, &[], true)).await;
    let [drift] = &found[..] else { panic!("{found:#?}") };
    let Drifted::Fields(fields) = &drift.what else { panic!("{drift:#?}") };
    let [field] = &fields[..] else { panic!("{fields:#?}") };
    assert_eq!(FieldChange { written_by: None, ..field.clone() }, change("spec.replicas", json!(2), json!(5)));
    let (manager, time) = field.written_by.as_deref().unwrap().split_once(", ").unwrap();
    assert_eq!((manager, time.parse::<Timestamp>().is_ok()), ("kubectl-patch", true));
}

#[tokio::test]
async fn a_secret_changes_without_its_values() {
    let world = World::new("secrets").await;
    let secret = |text: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": text}});
    for server_side in [false, true] {
        if !server_side {
            world.deploy(&secret("before"), false).await;
        }
        let compared = world.compare(&[secret("after-it")], &[secret("before")], server_side).await;
        let expected = change("data.password", json!("(sensitive, 6 bytes)"), json!("(sensitive, 8 bytes, changed)"));
        assert_eq!(compared[0].fields, [expected]);
    }
}

#[tokio::test]
async fn with_the_rights_to_read_only_the_manifest_is_compared() {
    let world = World::new("read-only").await;
    let stored = [web("web:1", &json!([]))];
    world.deploy(&stored[0], true).await;
    let namespace = &world.release.namespace;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "reader", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader"}]});
    let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings");
    world.send("POST", &path, "application/json", &binding).await;
    let mut config = plane().client_config();
    config.auth_info.impersonate = Some("reader".to_owned());
    config.auth_info.impersonate_groups = Some(vec!["system:authenticated".to_owned()]);
    let reader = Cluster::from_client(kube::Client::try_from(config).unwrap());
    let wanted = [web("web:2", &json!([]))];
    let compared = compare(&reader, &world.comparison(&wanted, &stored, true)).await;
    assert_eq!(compared[0].not_checked.as_deref(), Some("not checked by the server: forbidden"));
    assert_eq!(
        (&compared[0].outcome, &compared[0].fields[..]),
        (
            &Outcome::Change(ObjectChange::Update),
            &[change("spec.template.spec.containers[name=web].image", json!("web:1"), json!("web:2"))][..]
        )
    );
}

#[tokio::test]
async fn a_doubled_variable_keeps_only_the_server_side_from_applying() {
    let world = World::new("doubled").await;
    let stored = [web("web:1", &json!([{"name": "A", "value": "1"}]))];
    world.deploy(&stored[0], false).await;
    let wanted = [web("web:2", &json!([{"name": "A", "value": "1"}, {"name": "A", "value": "1"}]))];
    let compared = world.compare(&wanted, &stored, false).await;
    assert_eq!(
        (&compared[0].outcome, compared[0].not_checked.as_deref()),
        (&Outcome::Change(ObjectChange::Update), Some("not checked by the server: a list has two items with one key"))
    );
}
