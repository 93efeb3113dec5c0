//! What somebody who may only look can be told.

use super::support::{World, changes, fields, plane};
use pilothouse_core::{ObjectChange, PlannedAction};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::{Value, json};
use std::path::Path;

const OBJECTS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: changed }
data: { text: {{ .Values.text }} }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: same }
{{- if .Values.more }}
---
apiVersion: v1
kind: ConfigMap
metadata: { name: more }
{{- end }}
";

/// Makes an account that may read everything and write nothing, and writes a kubeconfig for it.
async fn reader(namespace: &str, kubeconfig: &Path) {
    let client = kube::Client::try_from(plane().client_config()).unwrap();
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let named = json!({"name": namespace});
    let send = async |path: String, body: Value| {
        let request = http::Request::post(path).header("content-type", "application/json");
        client.request::<Value>(request.body(body.to_string().into_bytes()).unwrap()).await.unwrap()
    };
    let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    send(account.clone(), json!({"metadata": {"name": "reader"}})).await;
    let rules = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]);
    send(format!("{rbac}/clusterroles"), json!({"metadata": named, "rules": rules})).await;
    let binding = json!({
        "metadata": named,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
    });
    send(format!("{rbac}/clusterrolebindings"), binding).await;
    let answer = send(format!("{account}/reader/token"), json!({"spec": {}})).await;
    let mut config = kube::config::Kubeconfig::read_from(plane().kubeconfig()).unwrap();
    let token = answer["status"]["token"].as_str().unwrap().to_owned();
    config.auth_infos[0].auth_info =
        Some(kube::config::AuthInfo { token: Some(token.into()), ..kube::config::AuthInfo::default() });
    std::fs::write(kubeconfig, serde_json::to_string(&config).unwrap()).unwrap();
}

#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
async fn a_plan_needs_no_right_to_write(#[case] tool: Tool) {
    let world = World::new("read-only", tool).await;
    let chart = world.chart("looked-at", &[("templates/all.yaml", OBJECTS)]);
    let before = world.info("looked-at", &chart, &[("text", "one")]);
    assert_eq!(world.done(before).await, "installed looked-at 1.0.0");

    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    reader(&world.namespace, &kubeconfig).await;
    let helm = pilothouse_testkit::helm(tool).await;
    let looking = World::with(helm, &kubeconfig, world.namespace.clone()).await;
    let written = world.writes();
    let plan = looking.plan_one(world.info("looked-at", &chart, &[("text", "two"), ("more", "true")])).await;
    assert_eq!(world.writes(), written);

    let config = |name: &str| world.object("v1", "ConfigMap", name).to_string();
    assert_eq!(
        (plan.does, changes(&plan), plan.unchanged, &plan.findings[..]),
        (
            PlannedAction::Upgrade,
            vec![(config("changed"), ObjectChange::Update), (config("more"), ObjectChange::Create)],
            1,
            &[][..]
        )
    );
    assert_eq!(fields(&plan.objects[0]), [("data.text", Some(&json!("one")), Some(&json!("two")))]);
    let asked =
        ["changed", "same", "more"].map(|name| format!("{}: not checked by the server: forbidden", config(name)));
    // Rights are in the order of their verbs.
    let rights = [("more", "create"), ("changed", "patch")].map(|(name, verb)| {
        let namespace = &world.namespace;
        let right = format!("the credentials do not allow it: {verb} configmaps in namespace {namespace}");
        format!("{}: may not be changed: {right}", config(name))
    });
    assert_eq!(plan.not_checked, [&rights[..], &asked[..]].concat());
}
