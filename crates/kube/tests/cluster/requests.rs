//! What is sent to an API server, and what is made of its answers. The server here is a script.

use futures::StreamExt;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{Request, Response};
use kube::client::Body;
use pilothouse_core::{ObjectRef, ReleaseKey, RevisionStatus};
use pilothouse_kube::{
    ApplyOptions, Change, Cluster, ClusterClient, ClusterError, Detail, HelmDriver, ListQuery, LogQuery, Precondition,
    Propagation,
};
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An answer of the script.
struct Reply {
    status: u16,
    retry_after: Option<u32>,
    body: String,
    after: Duration,
}

fn ok(body: &Value) -> Reply {
    Reply { status: 200, retry_after: None, body: body.to_string(), after: Duration::ZERO }
}

fn refusal(status: u16, reason: &str, name: &str) -> Reply {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "reason": reason,
        "message": format!("{reason} it is"), "details": {"name": name},
    });
    Reply { status, retry_after: None, body: body.to_string(), after: Duration::ZERO }
}

fn plain(status: u16, body: &str) -> Reply {
    Reply { status, retry_after: None, body: body.to_owned(), after: Duration::ZERO }
}

/// A cluster that answers with the replies in their order, and then not at all; and what was asked of it. Discovery is
/// answered on the side and not told.
fn scripted(replies: Vec<Reply>) -> (Cluster, Arc<Mutex<Vec<String>>>) {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut replies = replies.into_iter();
        // Requests without an answer are kept open.
        let mut open = Vec::new();
        while let Some((request, send)) = handle.next_request().await {
            let path = request.uri().path().to_owned();
            if path == "/api" || path == "/apis" {
                send.send_response(Response::new(Body::from(discovery(&path).to_string().into_bytes())));
                continue;
            }
            let described = describe(request).await;
            told.lock().unwrap().push(described);
            let Some(reply) = replies.next() else {
                open.push(send);
                continue;
            };
            tokio::time::sleep(reply.after).await;
            let mut response = Response::builder().status(reply.status);
            if let Some(seconds) = reply.retry_after {
                response = response.header(RETRY_AFTER, seconds);
            }
            send.send_response(response.body(Body::from(reply.body.into_bytes())).unwrap());
        }
    });
    let client = kube::Client::new(service, "default");
    (Cluster::from_client(client).with_request_timeout(Duration::from_secs(5)), asked)
}

async fn describe(request: Request<Body>) -> String {
    let (head, body) = request.into_parts();
    let body = String::from_utf8(body.collect_bytes().await.unwrap().to_vec()).unwrap();
    let header = |name| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let mut text = format!("{} {}", head.method, head.uri);
    if let Some(accept) = header(ACCEPT).filter(|accept| accept != "application/json") {
        text.extend(["\n  accept ", &accept]);
    }
    if let Some(content) = header(CONTENT_TYPE) {
        text.extend(["\n  ", &content, ": ", &body]);
    }
    text
}

fn discovery(path: &str) -> Value {
    let resource = |plural: &str, kind: &str, scope: &str, short: &str| {
        json!({
            "resource": plural, "responseKind": {"kind": kind}, "scope": scope, "shortNames": [short],
            "singularResource": kind.to_lowercase(), "verbs": ["get", "list", "patch", "delete"],
        })
    };
    let group = |name: &str, resources: Value| json!({"metadata": {"name": name}, "versions": [{"version": "v1", "resources": resources}]});
    let groups = if path == "/api" {
        let namespaced = [("pods", "Pod", "po"), ("secrets", "Secret", "sec"), ("configmaps", "ConfigMap", "cm")];
        let mut resources: Vec<Value> =
            namespaced.iter().map(|(plural, kind, short)| resource(plural, kind, "Namespaced", short)).collect();
        resources.push(resource("namespaces", "Namespace", "Cluster", "ns"));
        vec![group("", json!(resources))]
    } else {
        vec![group("apps", json!([resource("deployments", "Deployment", "Namespaced", "deploy")]))]
    };
    json!({"kind": "APIGroupDiscoveryList", "items": groups})
}

fn object(api_version: &str, kind: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some(api_version.to_owned()),
        kind: kind.to_owned(),
        namespace: Some("web".to_owned()),
        name: name.to_owned(),
    }
}

fn asked(told: &Arc<Mutex<Vec<String>>>) -> String {
    told.lock().unwrap().join("\n")
}

#[tokio::test]
async fn lists_come_in_pages_and_records_without_their_payload() {
    let item = |revision: u32| {
        json!({"metadata": {
            "name": format!("sh.helm.release.v1.a.v{revision}"), "namespace": "web",
            "labels": {"name": "a", "status": "deployed", "version": revision.to_string()},
        }})
    };
    let page = |items: Vec<Value>, token: &str| ok(&json!({"metadata": {"continue": token}, "items": items}));
    let (cluster, told) = scripted(vec![page(vec![item(2)], "more/1"), page(vec![item(1)], "")]);
    let found = cluster.release_history(HelmDriver::Secret, &ReleaseKey::new("web", "a")).await.unwrap();
    assert_eq!(found.revisions().iter().map(|meta| meta.revision).collect::<Vec<_>>(), [1, 2]);
    insta::assert_snapshot!(asked(&told), @r#"
    GET /api/v1/namespaces/web/secrets?labelSelector=owner%3Dhelm%2Cname%3Da&limit=500
      accept application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1
    GET /api/v1/namespaces/web/secrets?labelSelector=owner%3Dhelm%2Cname%3Da&limit=500&continue=more%2F1
      accept application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1
    "#);
}

#[tokio::test]
async fn a_list_whose_rest_has_expired_is_read_again_as_a_whole() {
    let item = |name: &str| json!({"metadata": {"name": name}});
    let page = |items: Vec<Value>, token: &str| ok(&json!({"metadata": {"continue": token}, "items": items}));
    let (cluster, told) =
        scripted(vec![page(vec![item("a")], "old"), refusal(410, "Expired", ""), page(vec![item("a"), item("b")], "")]);
    let found = cluster.list(&ListQuery::new("v1", "Pod")).await.unwrap();
    assert_eq!(found.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b"]);
    insta::assert_snapshot!(asked(&told), @r#"
    GET /api/v1/pods?limit=500
    GET /api/v1/pods?limit=500&continue=old
    GET /api/v1/pods
    "#);
}

/// What was given before does not count any more: it may be of another time.
#[tokio::test]
async fn a_list_that_is_given_one_by_one_begins_anew() {
    let record = |status: &str| {
        let labels = json!({"owner": "helm", "name": "web", "version": "1", "status": status});
        json!({"metadata": {"namespace": "shop", "name": "sh.helm.release.v1.web.v1", "labels": labels}})
    };
    let page = |items: Vec<Value>, token: &str| ok(&json!({"metadata": {"continue": token}, "items": items}));
    let before = || page(vec![record("pending-upgrade")], "old");
    let (cluster, _) = scripted(vec![before(), refusal(410, "Expired", ""), page(vec![record("deployed")], "")]);
    let found = cluster.current_revisions(HelmDriver::Secret, None).await.unwrap();
    assert_eq!(found.iter().map(|meta| meta.status).collect::<Vec<_>>(), [RevisionStatus::Deployed]);
    let (cluster, _) = scripted(vec![before(), refusal(410, "Expired", ""), page(Vec::new(), "")]);
    assert_eq!(cluster.current_revisions(HelmDriver::Secret, None).await.unwrap(), []);
}

#[tokio::test]
async fn an_apply_names_its_manager_and_never_sends_managed_fields() {
    let options = |force, dry_run| ApplyOptions {
        field_manager: "pilothouse/apply".to_owned(),
        force,
        dry_run,
        default_namespace: Some("web".to_owned()),
    };
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "managedFields": [{}]}});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b"}});
    let (cluster, told) = scripted(vec![ok(&json!({})), ok(&json!({}))]);
    cluster.apply(&config, &options(false, false)).await.unwrap();
    cluster.apply(&namespace, &options(true, true)).await.unwrap();
    insta::assert_snapshot!(asked(&told), @r#"
    PATCH /api/v1/namespaces/web/configmaps/a?fieldManager=pilothouse%2Fapply
      application/apply-patch+yaml: {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"web"}}
    PATCH /api/v1/namespaces/b?fieldManager=pilothouse%2Fapply&force=true&dryRun=All
      application/apply-patch+yaml: {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"b"}}
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_object_is_created_once() {
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "web"}});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b"}});
    let replies = vec![
        refusal(429, "TooManyRequests", ""),
        ok(&config),
        ok(&namespace),
        refusal(409, "AlreadyExists", "a"),
        refusal(404, "NotFound", "web"),
        refusal(500, "InternalError", ""),
    ];
    let (cluster, told) = scripted(replies);
    assert_eq!(cluster.create(&config).await.unwrap(), config, "it certainly was not made at first");
    assert_eq!(cluster.create(&namespace).await.unwrap(), namespace);
    let mut said = Vec::new();
    for _ in 0..3 {
        said.push(cluster.create(&config).await.unwrap_err());
    }
    assert!(
        matches!(
            &said[..],
            [ClusterError::Conflict { .. }, ClusterError::NotFound { .. }, ClusterError::Api { status: 500, .. }]
        ),
        "{said:?}"
    );
    assert_eq!(said[1].to_string(), "Namespace web does not exist");
    let asked = told.lock().unwrap();
    assert_eq!(asked.len(), 6, "after the last, it may have been made, and is not asked for again");
    insta::assert_snapshot!(asked[1..3].join("\n"), @r#"
    POST /api/v1/namespaces/web/configmaps?fieldManager=pilothouse
      application/json: {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"web"}}
    POST /api/v1/namespaces?fieldManager=pilothouse
      application/json: {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"b"}}
    "#);
}

#[tokio::test]
async fn preconditions_travel_in_the_body() {
    let live = json!({"metadata": {"uid": "u-1", "resourceVersion": "7"}});
    let deployment = object("apps/v1", "Deployment", "a:b/c");
    let (cluster, told) = scripted(vec![ok(&json!({})), ok(&json!({})), ok(&json!({}))]);
    let unchanged = Precondition::unchanged(&live);
    cluster.merge_patch(&deployment, &json!({"metadata": {"labels": {"a": "b"}}}), &unchanged).await.unwrap();
    cluster.delete(&deployment, &unchanged, Propagation::Orphan).await.unwrap();
    cluster.delete(&deployment, &Precondition::default(), Propagation::Background).await.unwrap();
    insta::assert_snapshot!(asked(&told), @r#"
    PATCH /apis/apps/v1/namespaces/web/deployments/a%3Ab%2Fc?fieldManager=pilothouse
      application/merge-patch+json: {"metadata":{"labels":{"a":"b"},"uid":"u-1","resourceVersion":"7"}}
    DELETE /apis/apps/v1/namespaces/web/deployments/a%3Ab%2Fc
      application/json: {"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Orphan","preconditions":{"uid":"u-1","resourceVersion":"7"}}
    DELETE /apis/apps/v1/namespaces/web/deployments/a%3Ab%2Fc
      application/json: {"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background"}
    "#);
}

#[tokio::test]
async fn a_log_is_asked_for_with_limits_and_may_be_missing() {
    let query = |previous| LogQuery {
        namespace: "web".to_owned(),
        pod: "a".to_owned(),
        container: "main".to_owned(),
        previous,
        lines: 10,
    };
    let (cluster, told) = scripted(vec![plain(200, "one\ntwo\n"), refusal(400, "BadRequest", "")]);
    assert_eq!(cluster.pod_log_tail(&query(false)).await.unwrap(), "one\ntwo\n");
    assert_eq!(cluster.pod_log_tail(&query(true)).await.unwrap(), "");
    insta::assert_snapshot!(asked(&told), @r#"
    GET /api/v1/namespaces/web/pods/a/log?container=main&previous=false&tailLines=10&limitBytes=262144
      accept */*
    GET /api/v1/namespaces/web/pods/a/log?container=main&previous=true&tailLines=10&limitBytes=262144
      accept */*
    "#);
}

#[tokio::test]
async fn a_namespace_is_created_once() {
    let mut leaving = refusal(409, "AlreadyExists", "web");
    leaving.body =
        leaving.body.replace("AlreadyExists it is", "object is being deleted: namespaces \\\"web\\\" already exists");
    let (cluster, told) = scripted(vec![ok(&json!({})), refusal(409, "AlreadyExists", "web"), leaving]);
    assert!(cluster.create_namespace("web").await.unwrap());
    assert!(!cluster.create_namespace("web").await.unwrap());
    assert!(matches!(cluster.create_namespace("web").await, Err(ClusterError::Conflict { .. })));
    insta::assert_snapshot!(told.lock().unwrap()[0], @r#"
    POST /api/v1/namespaces?fieldManager=pilothouse
      application/json: {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"web","labels":{"name":"web"}}}
    "#);
}

/// What a read makes of an answer.
#[rstest]
#[case(refusal(404, "NotFound", "a"), "absent")]
#[case(refusal(404, "NotFound", ""), "the cluster serves no kind `Pod` in `v1`")]
#[case(plain(404, "404 page not found\n"), "the cluster serves no kind `Pod` in `v1`")]
#[case(
    plain(404, "<html>no backend</html>"),
    "the Kubernetes API answered 404 to get Pod web/a: <html>no backend</html>"
)]
#[case(refusal(401, "Unauthorized", ""), "the Kubernetes API does not accept the credentials: Unauthorized it is")]
#[case(refusal(403, "Forbidden", "a"), "not allowed to get Pod web/a: Forbidden it is")]
#[case(refusal(422, "Invalid", "a"), "Pod web/a is not accepted: Invalid it is")]
#[case(plain(200, "{\"data\": hush"), "the answer to get Pod web/a cannot be understood")]
#[tokio::test]
async fn answers_to_a_read(#[case] reply: Reply, #[case] expected: &str) {
    let (cluster, told) = scripted(vec![reply]);
    let said = match cluster.get(&object("v1", "Pod", "a")).await {
        Ok(found) => found.map_or("absent".to_owned(), |found| found.to_string()),
        Err(error) => {
            assert!(!error.is_transient());
            error.to_string()
        }
    };
    assert_eq!(said, expected);
    assert_eq!(told.lock().unwrap().len(), 1, "such an answer is final");
}

#[tokio::test(start_paused = true)]
async fn transient_failures_are_tried_again() {
    let busy = Reply { retry_after: Some(2), ..refusal(429, "TooManyRequests", "") };
    let (cluster, told) = scripted(vec![busy, refusal(500, "InternalError", ""), ok(&json!({"kind": "Pod"}))]);
    let started = tokio::time::Instant::now();
    let found = cluster.get(&object("v1", "Pod", "a")).await.unwrap();
    assert_eq!(found, Some(json!({"kind": "Pod"})));
    assert_eq!(told.lock().unwrap().len(), 3);
    let waited = started.elapsed();
    assert!(waited >= Duration::from_secs(2) && waited < Duration::from_secs(3), "{waited:?}");
}

fn failed(status: u16, message: &str) -> Reply {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": message});
    plain(status, &body.to_string())
}

/// A webhook or a server behind the API that is away stays so for longer than anybody wants to wait for a word of it.
#[rstest]
#[case::conversion(|| failed(500, "conversion webhook for example.com/v1, Kind=Gadget failed: Post \"https://c.g.svc:443/convert?timeout=30s\": dial tcp 10.0.0.1:443: connect: connection refused"))]
#[case::admission(|| failed(500, "Internal error occurred: failed calling webhook \"v.example.com\": failed to call webhook: Post \"https://v.g.svc:443/v?timeout=10s\": service \"v\" not found"))]
#[case::aggregated(|| plain(503, "service unavailable\n"))]
#[case::aggregated_refused(|| plain(503, "error trying to reach service: dial tcp 10.0.0.2:443: connect: connection refused"))]
#[tokio::test(start_paused = true)]
async fn a_server_behind_the_api_is_asked_for_twice(#[case] reply: fn() -> Reply) {
    let pods = ListQuery::new("v1", "Pod");
    let (cluster, told) = scripted((0..100).map(|_| reply()).collect());
    let started = tokio::time::Instant::now();
    let error = cluster.list(&pods).await.unwrap_err();
    assert!(matches!(error, ClusterError::Api { .. }) && error.is_transient(), "{error:?}");
    assert_eq!(told.lock().unwrap().len(), 2);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());

    let (cluster, told) = scripted(vec![reply(), ok(&json!({"kind": "PodList", "items": []}))]);
    assert_eq!(cluster.list(&pods).await.unwrap(), Vec::<Value>::new());
    assert_eq!(told.lock().unwrap().len(), 2);
}

/// What changes something is what a webhook that is just being rolled out is waited for with, as before: for the whole time of a
/// request. Nobody waits for a word of it sooner.
#[tokio::test(start_paused = true)]
async fn a_change_waits_for_a_webhook() {
    let failing = || failed(500, "Internal error occurred: failed calling webhook \"v\": no endpoints available");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "web"}});
    let replies = || (0..5).map(|_| failing()).chain([ok(&pod)]).collect();
    let apply = |dry_run| ApplyOptions {
        field_manager: "pilothouse".to_owned(),
        force: false,
        dry_run,
        default_namespace: None,
    };

    let (cluster, told) = scripted(replies());
    assert_eq!(cluster.apply(&pod, &apply(false)).await.unwrap(), pod);
    assert_eq!(told.lock().unwrap().len(), 6);
    let (cluster, _) = scripted(replies());
    let patch = json!({"metadata": {"labels": {"a": "b"}}});
    cluster.merge_patch(&object("v1", "Pod", "a"), &patch, &Precondition::default()).await.unwrap();

    let (cluster, told) = scripted(replies());
    cluster.apply(&pod, &apply(true)).await.unwrap_err();
    assert_eq!(told.lock().unwrap().len(), 2);
}

/// What the API server itself was busy with counts nothing against the server behind it.
#[tokio::test(start_paused = true)]
async fn a_busy_server_is_no_failure_of_a_webhook() {
    let busy = Reply { retry_after: Some(2), ..refusal(429, "TooManyRequests", "") };
    let conversion = failed(500, "conversion webhook for example.com/v1, Kind=Gadget failed: connection refused");
    let (cluster, told) = scripted(vec![busy, conversion, ok(&json!({"kind": "PodList", "items": []}))]);
    assert_eq!(cluster.list(&ListQuery::new("v1", "Pod")).await.unwrap(), Vec::<Value>::new());
    assert_eq!(told.lock().unwrap().len(), 3);
}

/// So does one that did not answer the API in its time.
#[tokio::test(start_paused = true)]
async fn a_webhook_that_hangs_is_asked_once() {
    let (cluster, told) = scripted(vec![Reply {
        after: Duration::from_secs(2),
        ..failed(
            500,
            "Internal error occurred: failed calling webhook \"v\": failed to call webhook: Post \"https://v.g.svc:443/v?timeout=2s\": context deadline exceeded",
        )
    }]);
    cluster.get(&object("v1", "Pod", "a")).await.unwrap_err();
    assert_eq!(told.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_whatever_the_server_asks_for() {
    let busy = Reply { retry_after: Some(60), ..refusal(429, "TooManyRequests", "") };
    let (cluster, told) = scripted(vec![busy]);
    let error = cluster.get(&object("v1", "Pod", "a")).await.unwrap_err();
    assert_eq!(error.to_string(), "the Kubernetes API answered 429 to get Pod web/a: TooManyRequests it is");
    assert!(error.is_transient());
    assert_eq!(told.lock().unwrap().len(), 1);

    let (cluster, _) = scripted(Vec::new());
    let started = tokio::time::Instant::now();
    let error = cluster.get(&object("v1", "Pod", "a")).await.unwrap_err();
    assert_eq!(error.to_string(), "the Kubernetes API did not answer within 5 s (get Pod web/a)");
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_patch_that_may_have_been_made_is_not_made_again() {
    let live = json!({"metadata": {"uid": "u-1", "resourceVersion": "7"}});
    let (cluster, told) = scripted(vec![refusal(500, "InternalError", ""), ok(&json!({}))]);
    let error =
        cluster.merge_patch(&object("v1", "Pod", "a"), &json!({}), &Precondition::unchanged(&live)).await.unwrap_err();
    assert!(matches!(error, ClusterError::Api { status: 500, .. }), "{error:?}");
    assert_eq!(told.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_named_is_not_sent() {
    let (cluster, told) = scripted(Vec::new());
    let options = ApplyOptions { field_manager: "a".to_owned(), force: false, dry_run: false, default_namespace: None };
    let nameless = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a-"}});
    let homeless = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
    for (object, lacks) in [(nameless, "kind or metadata.name"), (homeless, "metadata.namespace")] {
        let expected = |lacks: &str| format!("an object without {lacks} cannot be sent to the cluster");
        let said = [cluster.apply(&object, &options).await, cluster.create(&object).await];
        // Only what is asked of the server, and kept by nobody, can be created without a name.
        let created = lacks.trim_start_matches("kind or ");
        assert_eq!(said.map(|one| one.unwrap_err().to_string()), [expected(lacks), expected(created)]);
    }
    assert!(cluster.get(&object("v1", "Pod", "..")).await.is_err());
    assert!(told.lock().unwrap().is_empty());
}

/// What a watch of pods tells, a line each, until it ends or has told so many lines.
async fn watched(cluster: &Cluster, detail: Detail, lines: usize) -> Vec<String> {
    let query = ListQuery::new("v1", if detail == Detail::Whole { "Pod" } else { "Secret" }).within("web");
    let name = |object: &Value| {
        format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
    };
    let line = |told| match told {
        Ok(Change::Listing) => "listing".to_owned(),
        Ok(Change::There(object)) => format!("there: {}", name(&object)),
        Ok(Change::Gone(object)) => format!("gone: {}", name(&object)),
        Ok(Change::UpToDate) => "up to date".to_owned(),
        Err(error) => format!("error: {error}"),
    };
    cluster.watch(&query, detail).map(line).take(lines).collect().await
}

fn pod_at(name: &str, version: u32) -> Value {
    json!({"metadata": {"name": name, "resourceVersion": version.to_string()}})
}

fn list_at(version: u32, names: &[&str], token: &str) -> Reply {
    let items: Vec<Value> = names.iter().map(|name| pod_at(name, 1)).collect();
    ok(&json!({"metadata": {"resourceVersion": version.to_string(), "continue": token}, "items": items}))
}

/// A connection that tells these events and ends.
fn events(events: &[(&str, Value)]) -> Reply {
    let lines = events.iter().map(|(kind, object)| json!({"type": kind, "object": object}).to_string() + "\n");
    plain(200, &lines.collect::<String>())
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_where_a_connection_ended() {
    let bookmark = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "30"}});
    let (cluster, told) = scripted(vec![
        list_at(10, &["a"], "more"),
        list_at(10, &["b"], ""),
        events(&[("ADDED", pod_at("c", 11)), ("DELETED", pod_at("a", 12))]),
        events(&[("MODIFIED", pod_at("b", 13)), ("BOOKMARK", bookmark)]),
        events(&[("ADDED", pod_at("d", 31))]),
    ]);
    let lines = watched(&cluster, Detail::Whole, 8).await;
    let expected = [
        "listing",
        "there: Pod a",
        "there: Pod b",
        "up to date",
        "there: Pod c",
        "gone: Pod a",
        "there: Pod b",
        "there: Pod d",
    ];
    assert_eq!(lines, expected);
    insta::assert_snapshot!(asked(&told), @r"
    GET /api/v1/namespaces/web/pods?limit=100
    GET /api/v1/namespaces/web/pods?limit=100&continue=more
    GET /api/v1/namespaces/web/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=290&resourceVersion=10
    GET /api/v1/namespaces/web/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=290&resourceVersion=12
    GET /api/v1/namespaces/web/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=290&resourceVersion=30
    ");
}

#[tokio::test(start_paused = true)]
async fn a_watch_lists_again_when_changes_are_forgotten() {
    let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"});
    let (cluster, told) = scripted(vec![
        list_at(10, &["a"], ""),
        events(&[("ERROR", gone)]),
        list_at(20, &["b"], ""),
        refusal(410, "Expired", ""),
        list_at(30, &[], ""),
    ]);
    let lines = watched(&cluster, Detail::Whole, 8).await;
    let expected =
        ["listing", "there: Pod a", "up to date", "listing", "there: Pod b", "up to date", "listing", "up to date"];
    assert_eq!(lines, expected);
    assert_eq!(told.lock().unwrap().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_watch_bears_what_may_pass_and_ends_with_what_will_not() {
    let failure =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "message": "etcd is away"});
    let (cluster, told) = scripted(vec![
        list_at(10, &[], ""),
        events(&[("ADDED", pod_at("a", 11)), ("ERROR", failure)]),
        refusal(503, "ServiceUnavailable", ""),
        events(&[("ADDED", pod_at("b", 12))]),
        refusal(403, "Forbidden", ""),
    ]);
    let lines = watched(&cluster, Detail::Whole, usize::MAX).await;
    let expected = [
        "listing",
        "up to date",
        "there: Pod a",
        "error: the Kubernetes API answered 500 to watch Pod: etcd is away",
        "error: the Kubernetes API answered 503 to watch pods in namespace web: ServiceUnavailable it is",
        "up to date",
        "there: Pod b",
        "error: not allowed to watch pods in namespace web: Forbidden it is",
    ];
    assert_eq!(lines, expected);
    assert!(asked(&told).ends_with("resourceVersion=12"));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_not_answered_is_begun_again() {
    // The second and third request are never answered.
    let (cluster, told) = scripted(vec![list_at(10, &[], "")]);
    let lines = watched(&cluster, Detail::Whole, 4).await;
    let timeout = "error: the Kubernetes API did not answer within 5 s (watch pods in namespace web)";
    assert_eq!(lines, ["listing", "up to date", timeout, timeout]);
    assert_eq!(told.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_metadata_asks_for_no_more() {
    let (cluster, told) = scripted(vec![list_at(10, &["a"], ""), events(&[("ADDED", pod_at("b", 11))])]);
    let lines = watched(&cluster, Detail::Metadata, 4).await;
    assert_eq!(lines, ["listing", "there: Secret a", "up to date", "there: Secret b"]);
    insta::assert_snapshot!(asked(&told), @r"
    GET /api/v1/namespaces/web/secrets?limit=100
      accept application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1
    GET /api/v1/namespaces/web/secrets?watch=true&allowWatchBookmarks=true&timeoutSeconds=290&resourceVersion=10
      accept application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1
    ");
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_what_is_not_served_ends() {
    let (cluster, _) = scripted(vec![list_at(10, &[], ""), plain(404, "404 page not found\n")]);
    let lines = watched(&cluster, Detail::Whole, usize::MAX).await;
    assert_eq!(lines, ["listing", "up to date", "error: the cluster serves no kind `Pod` in `v1`"]);
}
