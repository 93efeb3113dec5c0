//! Kubeconfigs that are wrong, and an API that is not there.

use pilothouse_kube::{Cluster, ConnectError, ConnectOptions};
use rstest::rstest;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

const GOOD: &str = "
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]
users: [{name: u, user: {token: hush-hush}}]
contexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: elsewhere, user: u}}]
current-context: a
";

/// The error and its causes, with the file's path made equal.
fn told(error: &ConnectError, path: &Path) -> String {
    let mut lines = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        lines.push(cause.to_string());
        source = cause.source();
    }
    let text = lines.join(": ").replace(&path.display().to_string(), "FILE");
    assert!(!text.contains("hush"), "{text}");
    text
}

async fn connect(text: Option<&str>, context: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    if let Some(text) = text {
        std::fs::write(&path, text).unwrap();
    }
    let options = ConnectOptions::kubeconfig(&path).context(context.map(str::to_owned));
    let error = Cluster::connect(options).await.unwrap_err();
    told(&error, &path)
}

#[rstest]
#[case(None, None, "kubeconfig FILE cannot be read: No such file or directory (os error 2)")]
#[case(Some("token: [hush-hush"), None, "FILE is not a kubeconfig: it cannot be parsed at line 1, column 8")]
#[case(Some("- hush"), None, "FILE is not a kubeconfig: it cannot be parsed at line 1, column 1")]
#[case(Some(""), None, "FILE is not a kubeconfig: it has neither clusters nor contexts")]
#[case(Some("replicas: 3"), None, "FILE is not a kubeconfig: it has neither clusters nor contexts")]
#[case(Some(GOOD), Some("x"), "kubeconfig FILE has no context `x`; it has: a, b")]
#[case(
    Some(GOOD),
    Some("b"),
    "context `b` of kubeconfig FILE cannot be used: failed to load the cluster of context: elsewhere"
)]
#[case(
    Some(
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\ncontexts: [{name: a, context: {cluster: c, user: u}}]"
    ),
    None,
    "kubeconfig FILE names no current context; it has: a"
)]
#[tokio::test]
async fn what_is_wrong_with_a_kubeconfig(
    #[case] text: Option<&str>,
    #[case] context: Option<&str>,
    #[case] expected: &str,
) {
    assert_eq!(connect(text, context).await, expected);
}

#[tokio::test]
async fn an_api_that_refuses_connections_is_given_up_soon() {
    let started = Instant::now();
    let said = connect(Some(GOOD), None).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let expected = "no connection to http://127.0.0.1:1: the Kubernetes API cannot be reached: ";
    assert!(said.starts_with(expected) && said.ends_with("Connection refused (os error 111)"), "{said}");
}

#[tokio::test]
async fn an_api_that_never_answers_is_given_up_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, GOOD.replace("127.0.0.1:1", &format!("127.0.0.1:{port}"))).unwrap();
    let mut options = ConnectOptions::kubeconfig(&path);
    options.connect_timeout = Duration::from_millis(300);
    let started = Instant::now();
    let error = Cluster::connect(options).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert!(matches!(error, ConnectError::NoAnswer { .. }), "{error:?}");
}
