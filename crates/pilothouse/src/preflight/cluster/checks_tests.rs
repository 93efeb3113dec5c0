use super::*;
use crate::context::Outcome;
use crate::helm::HelmDriver;
use crate::preflight::cluster::verb::verb;
use crate::test_world::fake;
use pilothouse_core::ObjectChange;
use pilothouse_core::{Class, Finding, Sensitive, object_ref};
use pilothouse_kube::ClusterError;
use pilothouse_testkit::FakeCluster;
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;

fn compared(object: &Value, change: ObjectChange) -> Compared {
    let mut named = object_ref(object).unwrap();
    named.namespace.get_or_insert_with(|| "default".to_owned());
    let then = Some(Sensitive::new(object.clone()));
    Compared { then, ..Compared::unknown(&named, Outcome::Change(change)) }
}

fn config(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

fn web(replicas: u32, cpu: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": replicas,
        "template": {"spec": {"imagePullSecrets": [{"name": "pull"}], "containers": [
            {"name": "web", "resources": {"requests": {"cpu": cpu}, "limits": {"memory": "64Mi"}}}]}}}})
}

fn forbidden() -> ClusterError {
    ClusterError::Forbidden { verb: "list".to_owned(), what: "it".to_owned(), message: "no".to_owned() }
}

fn blocked(code: &str, subject: &str, message: &str) -> Finding {
    Finding::new(Class::Blocked, code, subject, message)
}

async fn look(cluster: &Arc<FakeCluster>, changes: &[Compared], rendered: &[Value]) -> Foresight {
    look_around(&fake(cluster, HelmDriver::Secret).ctx, changes, rendered).await
}

#[tokio::test]
async fn a_cluster_without_obstacles_and_how_much_it_is_asked() {
    let cluster = Arc::new(FakeCluster::default());
    let changes = [
        compared(&config("a"), ObjectChange::Create),
        compared(&config("b"), ObjectChange::Create),
        compared(&config("c"), ObjectChange::Same),
    ];
    assert_eq!(look(&cluster, &changes, &[config("a"), config("b"), config("c")]).await, Foresight::default());
    let mut calls = cluster.failures.calls();
    calls.retain(|call| call != "discovery" && call != "version");
    calls.sort();
    assert_eq!(
        calls,
        [
            "create SelfSubjectAccessReview",
            "list MutatingWebhookConfiguration",
            "list ResourceQuota",
            "list ValidatingWebhookConfiguration"
        ]
    );
}

#[tokio::test]
async fn nothing_that_changes_asks_nothing() {
    let cluster = Arc::new(FakeCluster::default());
    assert_eq!(look(&cluster, &[compared(&config("a"), ObjectChange::Same)], &[]).await, Foresight::default());
    let mut calls = cluster.failures.calls();
    calls.retain(|call| call != "discovery" && call != "version");
    assert_eq!(calls, Vec::<String>::new());
}

#[tokio::test]
async fn what_the_credentials_may_not_do() {
    let cluster = Arc::new(FakeCluster::default());
    cluster.deny("create configmaps");
    cluster.deny("delete deployments");
    let changes = [
        compared(&config("a"), ObjectChange::Create),
        compared(&config("b"), ObjectChange::Create),
        compared(&config("c"), ObjectChange::Update),
        compared(&web(1, "1"), ObjectChange::Delete),
    ];
    let expected = [
        blocked(
            "RBAC_FORBIDDEN",
            "ConfigMap default/a",
            "the credentials do not allow it: create configmaps in namespace default, nor that of 1 more of the kind",
        ),
        blocked(
            "RBAC_FORBIDDEN",
            "Deployment default/web",
            "the credentials do not allow it: delete deployments.apps in namespace default",
        ),
    ];
    assert_eq!(look(&cluster, &changes, &[]).await, Foresight { findings: expected.into(), ..Foresight::default() });
}

#[tokio::test]
async fn what_cannot_be_read_is_told_as_not_checked() {
    let cluster = Arc::new(FakeCluster::default());
    for call in ["create SelfSubjectAccessReview", "list ", "get Secret"] {
        cluster.refuse(call, forbidden);
    }
    let found = look(&cluster, &[compared(&web(1, "1"), ObjectChange::Create)], &[web(1, "1")]).await;
    let lines = [
        "permission to create deployments.apps in namespace default: not allowed to list it: no",
        "quotas of namespace default: not allowed to list it: no",
        "room on the nodes: not allowed to list it: no",
        "webhooks: not allowed to list it: no",
        "webhooks: not allowed to list it: no",
        "Secret default/pull: not allowed to list it: no",
    ];
    let not_checked = lines.iter().map(|&line| line.to_owned()).collect();
    assert_eq!(found, Foresight { not_checked, ..Foresight::default() });
}

#[rstest]
#[case(json!({"pods": "5"}), json!({"pods": "3"}), &["pods: 3 of 5 are used, and the release needs 3 more, for Deployment default/web"])]
#[case(json!({"pods": "5"}), json!({"pods": "2"}), &[])]
#[case(json!({"count/pods": "5"}), json!({"count/pods": "4"}), &["count/pods: 4 of 5 are used, and the release needs 3 more, for Deployment default/web"])]
#[case(json!({"requests.cpu": "2"}), json!({"requests.cpu": "1"}), &["requests.cpu: 1 of 2 are used, and the release needs 1.5 more, for Deployment default/web"])]
#[case(json!({"cpu": "2"}), json!({"cpu": "500m"}), &[])]
// A limit without a request is the request too.
#[case(json!({"requests.memory": "128Mi"}), json!({"requests.memory": "0"}), &["requests.memory: 0 of 128Mi are used, and the release needs 192Mi more, for Deployment default/web"])]
#[case(json!({"count/deployments.apps": "1"}), json!({"count/deployments.apps": "1"}), &["count/deployments.apps: 1 of 1 are used, and the release needs 1 more, for Deployment default/web"])]
#[case(json!({"services": "0"}), json!({"services": "0"}), &[])]
#[tokio::test]
async fn quotas_of_a_new_deployment(#[case] hard: Value, #[case] used: Value, #[case] expected: &[&str]) {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "default"},
        "spec": {"hard": hard}, "status": {"hard": hard, "used": used}}));
    let found = look(&cluster, &[compared(&web(3, "500m"), ObjectChange::Create)], &[]).await;
    let findings =
        expected.iter().map(|message| blocked("QUOTA_EXCEEDED", "ResourceQuota default/q", message)).collect();
    assert_eq!(found, Foresight { findings, ..Foresight::default() });
}

#[tokio::test]
async fn only_what_is_added_counts_and_a_quota_for_some_pods_is_not_checked() {
    let cluster = Arc::new(FakeCluster::default());
    let quota = |name: &str, scopes: Value| {
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name, "namespace": "default"},
            "spec": {"hard": {"pods": "4"}, "scopes": scopes}, "status": {"hard": {"pods": "4"}, "used": {"pods": "3"}}})
    };
    let mut plain = quota("q", Value::Null);
    plain["spec"].as_object_mut().unwrap().remove("scopes");
    cluster.put(plain);
    cluster.put(quota("some", json!(["BestEffort"])));
    let scaled =
        |to: u32| Compared { live: Some(Sensitive::new(web(3, "1"))), ..compared(&web(to, "1"), ObjectChange::Update) };
    let not_checked = vec!["ResourceQuota default/some: it is for some pods only".to_owned()];
    let expected = Foresight { not_checked, ..Foresight::default() };
    assert_eq!(look(&cluster, &[scaled(4)], &[]).await, expected);
    let finding = blocked(
        "QUOTA_EXCEEDED",
        "ResourceQuota default/q",
        "pods: 3 of 4 are used, and the release needs 2 more, for Deployment default/web",
    );
    assert_eq!(look(&cluster, &[scaled(5)], &[]).await, Foresight { findings: vec![finding], ..expected });
}

fn node(name: &str, cpu: &str, spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"name": name}}, "spec": spec,
        "status": {"allocatable": {"cpu": cpu, "memory": "1Gi"}}})
}

fn running(node: &str, cpu: &str, phase: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("on-{node}"), "namespace": "other"},
        "spec": {"nodeName": node, "containers": [{"resources": {"requests": {"cpu": cpu}}}]}, "status": {"phase": phase}})
}

/// Pods of `web` ask for 64Mi, and for as many cores as is said.
#[rstest]
#[case::room(&[node("a", "4", &json!({}))], &[], None)]
#[case::no_nodes_yet(&[], &[], None)]
#[case::too_large(&[node("a", "1", &json!({})), node("b", "500m", &json!({}))], &[], Some("a pod asks for 1.5 cpu, and the largest node has 1"))]
#[case::closed(&[node("a", "4", &json!({"unschedulable": true}))], &[], Some("no node takes its pods, by labels, taints, or since it is closed"))]
#[case::tainted(&[node("a", "4", &json!({"taints": [{"key": "gpu", "effect": "NoSchedule"}]}))], &[], Some("no node takes its pods, by labels, taints, or since it is closed"))]
#[case::rather_not(&[node("a", "4", &json!({"taints": [{"key": "gpu", "effect": "PreferNoSchedule"}]}))], &[], None)]
#[case::in_pieces(&[node("a", "2", &json!({})), node("b", "1", &json!({}))], &[], Some("1 of its 2 pods find no room on the nodes as they are now (each asks for 1.5 cpu and 64Mi memory)"))]
#[case::taken(&[node("a", "4", &json!({}))], &[running("a", "2", "Running")], Some("1 of its 2 pods find no room on the nodes as they are now (each asks for 1.5 cpu and 64Mi memory)"))]
#[case::given_back(&[node("a", "4", &json!({}))], &[running("a", "2", "Succeeded")], None)]
#[tokio::test]
async fn room_for_a_new_deployment(#[case] nodes: &[Value], #[case] pods: &[Value], #[case] expected: Option<&str>) {
    let cluster = Arc::new(FakeCluster::default());
    nodes.iter().chain(pods).cloned().for_each(|object| cluster.put(object));
    let mut web = web(2, "1500m");
    web["spec"]["template"]["spec"].as_object_mut().unwrap().remove("imagePullSecrets");
    let warnings = expected.map(|why| format!("Deployment default/web: {why}")).into_iter().collect();
    let found = look(&cluster, &[compared(&web, ObjectChange::Create)], &[]).await;
    assert_eq!(found, Foresight { warnings, ..Foresight::default() });
    // Pods that ask for nothing find room wherever nodes take them, however many there are.
    web["spec"]["replicas"] = json!(u64::MAX);
    web["spec"]["template"]["spec"]["containers"] = json!([{"name": "web"}]);
    let found = look(&cluster, &[compared(&web, ObjectChange::Create)], &[]).await;
    assert!(!found.warnings.iter().any(|warning| warning.contains("find no room")), "{found:?}");
    // What is there already has its room.
    let same = Compared { live: Some(Sensitive::new(web.clone())), ..compared(&web, ObjectChange::Update) };
    assert_eq!(look(&cluster, &[same], &[]).await, Foresight::default());
}

#[tokio::test]
async fn of_many_nodes_the_pods_are_not_read() {
    let cluster = Arc::new(FakeCluster::default());
    (0..101).for_each(|n| cluster.put(node(&format!("n{n}"), "4", &json!({}))));
    let found = look(&cluster, &[compared(&web(1, "1"), ObjectChange::Create)], &[]).await;
    assert_eq!(found.not_checked, ["what is free on the nodes: there are 101 of them, and their pods are not read"]);
    assert!(!cluster.failures.calls().contains(&"list Pod".to_owned()));
}

fn hook(rules: &Value, more: &Value) -> Value {
    let mut webhook = json!({"name": "w.example.com", "failurePolicy": "Fail", "rules": rules,
        "clientConfig": {"service": {"namespace": "ops", "name": "guard"}}});
    for (key, value) in more.as_object().unwrap() {
        webhook[key] = value.clone();
    }
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "guard"}, "webhooks": [webhook]})
}

fn rule(operation: &str, group: &str, resource: &str) -> Value {
    json!([{"operations": [operation], "apiGroups": [group], "apiVersions": ["*"], "resources": [resource]}])
}

#[rstest]
#[case::asked(rule("CREATE", "", "configmaps"), json!({}), true)]
#[case::everything(rule("*", "*", "*"), json!({}), true)]
#[case::another_operation(rule("UPDATE", "", "configmaps"), json!({}), false)]
#[case::another_kind(rule("CREATE", "", "secrets"), json!({}), false)]
#[case::another_group(rule("CREATE", "apps", "configmaps"), json!({}), false)]
#[case::not_needed(rule("CREATE", "", "configmaps"), json!({"failurePolicy": "Ignore"}), false)]
#[case::elsewhere(rule("CREATE", "", "configmaps"), json!({"namespaceSelector": {"matchLabels": {"guarded": "yes"}}}), false)]
#[case::not_there(rule("CREATE", "", "configmaps"), json!({"namespaceSelector": {"matchExpressions": [{"key": "name", "operator": "NotIn", "values": ["default"]}]}}), false)]
#[case::here(rule("CREATE", "", "configmaps"), json!({"namespaceSelector": {"matchExpressions": [{"key": "guarded", "operator": "DoesNotExist"}]}}), true)]
#[case::other_objects(rule("CREATE", "", "configmaps"), json!({"objectSelector": {"matchLabels": {"a": "b"}}}), false)]
#[tokio::test]
async fn webhooks_that_cannot_answer(#[case] rules: Value, #[case] more: Value, #[case] found: bool) {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(hook(&rules, &more));
    let finding = |trouble: &str| {
        let message = format!(
            "webhook w.example.com must be asked about it, and its Service ops/guard {trouble} (ValidatingWebhookConfiguration guard)"
        );
        Foresight {
            findings: vec![blocked("WEBHOOK_UNREACHABLE", "ConfigMap default/a", &message)],
            ..Foresight::default()
        }
    };
    let expected = |trouble| if found { finding(trouble) } else { Foresight::default() };
    let changes = [compared(&config("a"), ObjectChange::Create)];
    assert_eq!(look(&cluster, &changes, &[]).await, expected("does not exist"));

    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "guard", "namespace": "ops"}});
    // The release brings it itself.
    assert_eq!(look(&cluster, &changes, std::slice::from_ref(&service)).await, Foresight::default());
    cluster.put(service);
    let slice = |ready: bool| {
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "guard-1",
            "namespace": "ops", "labels": {"kubernetes.io/service-name": "guard"}},
            "endpoints": [{"conditions": {"ready": ready}}]})
    };
    cluster.put(slice(false));
    assert_eq!(look(&cluster, &changes, &[]).await, expected("has no endpoints that are ready"));
    cluster.put(slice(true));
    assert_eq!(look(&cluster, &changes, &[]).await, Foresight::default());
}

#[tokio::test]
async fn a_webhook_with_conditions_is_told_as_not_checked() {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(hook(&rule("*", "*", "*"), &json!({"matchConditions": [{"name": "a", "expression": "true"}]})));
    let line = "ValidatingWebhookConfiguration guard: webhook w.example.com has conditions, and its Service ops/guard does not exist";
    assert_eq!(
        look(&cluster, &[compared(&config("a"), ObjectChange::Create)], &[]).await,
        Foresight { not_checked: vec![line.to_owned()], ..Foresight::default() }
    );
}

#[rstest]
#[case(json!({}), json!({"a": "b"}), true)]
#[case(json!({"matchLabels": {"a": "b"}}), json!({"a": "b", "c": "d"}), true)]
#[case(json!({"matchLabels": {"a": "b"}}), Value::Null, false)]
#[case(json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}]}), json!({"a": "c"}), true)]
#[case(json!({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}), Value::Null, true)]
#[case(json!({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}), json!({"a": "b"}), false)]
#[case(json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]}), json!({"a": ""}), true)]
#[case(json!({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}), json!({"a": ""}), false)]
fn selectors(#[case] selector: Value, #[case] labels: Value, #[case] expected: bool) {
    assert_eq!(crate::preflight::cluster::selector::matches(&selector, &labels), expected);
}

#[tokio::test]
async fn a_pull_secret_that_is_missing() {
    let cluster = Arc::new(FakeCluster::default());
    let changes = [compared(&web(1, "1"), ObjectChange::Update)];
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull"}});
    let line = "Secret default/pull, with which Deployment default/web pulls its images, does not exist";
    let missing = Foresight { warnings: vec![line.to_owned()], ..Foresight::default() };
    assert_eq!(look(&cluster, &changes, &[web(1, "1")]).await, missing);
    assert_eq!(look(&cluster, &changes, &[web(1, "1"), secret.clone()]).await, Foresight::default());
    let mut there = secret;
    there["metadata"]["namespace"] = json!("default");
    cluster.put(there);
    assert_eq!(look(&cluster, &changes, &[web(1, "1")]).await, Foresight::default());
}

#[rstest]
#[case("v1.31.4", true)]
#[case("v1.30.4-eks-1234", false)]
#[case("v1.36.2", false)]
#[case("nonsense", false)]
fn apis_that_go_next(#[case] cluster: &str, #[case] told: bool) {
    let object =
        json!({"apiVersion": "flowcontrol.apiserver.k8s.io/v1beta3", "kind": "FlowSchema", "metadata": {"name": "a"}});
    let line = "FlowSchema a: Kubernetes 1.32 does not serve flowcontrol.apiserver.k8s.io/v1beta3 any more".to_owned();
    let expected: Vec<String> = told.then_some(line).into_iter().collect();
    assert_eq!(removed_apis::warnings(&[object, config("a")], cluster), expected);
}

#[test]
fn what_is_not_sent_needs_no_right() {
    let sent = |change| verb(&compared(&config("a"), change));
    let because = String::new();
    assert_eq!(
        [
            sent(ObjectChange::Create),
            sent(ObjectChange::Adopt),
            sent(ObjectChange::Update),
            sent(ObjectChange::Delete),
            sent(ObjectChange::Keep),
            sent(ObjectChange::Replace { because }),
        ],
        [Some("create"), Some("patch"), Some("patch"), Some("delete"), None, None]
    );
}

#[test]
fn who_replaces_needs_another_right() {
    let served = pilothouse_kube::Discovery::new(vec![pilothouse_kube::Resource {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        plural: "configmaps".to_owned(),
        singular: "configmap".to_owned(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: Vec::new(),
        subresource_kinds: Vec::new(),
    }]);
    let verbs = |replaces| -> Vec<&str> {
        let changes = [ObjectChange::Create, ObjectChange::Adopt, ObjectChange::Update, ObjectChange::Delete];
        let compared = changes.map(|change| compared(&config("a"), change));
        let needed = crate::preflight::cluster::permissions::needed(&compared, &served, replaces);
        needed.into_keys().map(|right| right.verb).collect()
    };
    assert_eq!((verbs(false), verbs(true)), (vec!["create", "delete", "patch"], vec!["create", "delete", "update"]));
}
