//! One plane for all tests of a test program, and how to look at it.

use k8s_openapi::api::core::v1::{ContainerStatus, Event, Namespace, Pod};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use pilothouse_plane::{Plane, PlaneConfig};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long tests wait for what should take a moment, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A plane that lives as long as the test program, in a runtime of its own.
pub(crate) struct Shared(OnceLock<(Plane, tokio::runtime::Runtime)>);

impl Shared {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The plane, started by the first test that asks.
    pub(crate) fn plane(&self, config: impl FnOnce() -> PlaneConfig + Send) -> &Plane {
        let start = || {
            // A runtime cannot be entered from within another one, so it gets a thread.
            let start = || {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                let runtime = runtime.expect("a runtime");
                let plane = runtime.block_on(Plane::start(config())).unwrap_or_else(|error| panic!("{error}"));
                (plane, runtime)
            };
            std::thread::scope(|scope| scope.spawn(start).join().expect("a plane"))
        };
        &self.0.get_or_init(start).0
    }
}

/// Whether a real node can run here; if not, one line says that a test is not run.
pub(crate) fn has_real_node(test: &str) -> bool {
    let missing = pilothouse_plane::real_node_missing();
    if !missing.is_empty() {
        // Not with `eprintln!`: that is captured, and nobody would see it.
        let _ = writeln!(std::io::stderr(), "not run: {test} (it needs {})", missing.join(", "));
    }
    missing.is_empty()
}

/// A state folder for this process. Statics are never dropped, so folders of processes that are gone are removed by
/// the next run.
pub(crate) fn folder(name: &str) -> PathBuf {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planes");
    for entry in std::fs::read_dir(&base).into_iter().flatten().flatten() {
        let path = entry.path();
        let pid = path.extension().and_then(|pid| pid.to_str()).unwrap_or_default().to_owned();
        if !Path::new("/proc").join(pid).exists() {
            let _ = std::fs::remove_dir_all(path);
        }
    }
    base.join(format!("{name}.{}", std::process::id()))
}

/// A client for the runtime of the calling test.
pub(crate) fn client(plane: &Plane) -> Client {
    Client::try_from(plane.client_config()).unwrap()
}

/// Creates a namespace and waits for its service account, without which pods are refused.
pub(crate) async fn namespace(client: &Client, name: &str) {
    let object: Namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    Api::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
    let path = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
    eventually(async || get(client, &path).await.map(|_| ()).ok_or("no service account".to_owned())).await;
}

/// The object at a path of the API, or `None` when it is not there.
pub(crate) async fn get(client: &Client, path: &str) -> Option<Value> {
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    match client.request::<Value>(request).await {
        Ok(value) => Some(value),
        Err(kube::Error::Api(status)) if status.code == 404 => None,
        Err(error) => panic!("{path}: {error}"),
    }
}

/// Creates an object by posting it.
pub(crate) async fn create(client: &Client, path: &str, object: Value) -> Value {
    let request = http::Request::post(path).header("Content-Type", "application/json");
    let request = request.body(object.to_string().into_bytes()).unwrap();
    client.request(request).await.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Repeats until it succeeds; fails the test with the last answer when that does not happen in time.
pub(crate) async fn eventually<T>(mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(value) => return value,
            Err(last) => assert!(begun.elapsed() < PATIENCE, "not within {} s: {last}", PATIENCE.as_secs()),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The specification of a pod with one container `main`.
pub(crate) fn pod_spec(image: &str) -> Value {
    json!({ "containers": [{ "name": "main", "image": image }] })
}

/// Creates a pod named `name`.
pub(crate) async fn create_pod(client: &Client, namespace: &str, name: &str, spec: &Value) {
    let object = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec });
    create(client, &format!("/api/v1/namespaces/{namespace}/pods"), object).await;
}

/// Waits until what a pod looks like contains all of `signs`, and the pod has `events` Events; says what it looks like.
pub(crate) async fn picture(client: &Client, namespace: &str, name: &str, signs: &[&str], events: usize) -> String {
    eventually(async || {
        let text = draw(client, namespace, name).await;
        let happened = text.lines().filter(|line| line.starts_with("event ")).count();
        if signs.iter().all(|sign| text.contains(sign)) && happened >= events { Ok(text) } else { Err(text) }
    })
    .await
}

/// A pod and its Events in words, without what differs from run to run.
async fn draw(client: &Client, namespace: &str, name: &str) -> String {
    let pod: Pod = Api::namespaced(client.clone(), namespace).get(name).await.unwrap();
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    let mut lines = vec![format!("phase {}", status.phase.unwrap_or_default())];
    let mut conditions: Vec<String> = status
        .conditions
        .into_iter()
        .flatten()
        .map(|c| {
            words(&[
                "condition",
                &c.type_,
                &c.status,
                c.reason.as_deref().unwrap_or(""),
                c.message.as_deref().unwrap_or(""),
            ])
        })
        .collect();
    conditions.sort();
    lines.extend(conditions);
    for container in status.init_container_statuses.into_iter().flatten() {
        lines.extend(container_lines("init container", &container));
    }
    for container in status.container_statuses.into_iter().flatten() {
        lines.extend(container_lines("container", &container));
    }
    let fields = ListParams::default().fields(&format!("involvedObject.name={name}"));
    let mut events = Api::<Event>::namespaced(client.clone(), namespace).list(&fields).await.unwrap().items;
    events.retain(|event| event.source.as_ref().is_some_and(|s| s.component.as_deref() == Some("kubelet")));
    let text = |text: Option<String>| text.unwrap_or_default();
    let mut events: Vec<String> = events
        .into_iter()
        .map(|e| {
            words(&["event", &text(e.type_), &text(e.reason), &text(e.involved_object.field_path), &text(e.message)])
        })
        .collect();
    events.sort();
    events.dedup();
    lines.extend(events);
    lines.join("\n").replace(&uid, "UID")
}

fn container_lines(kind: &str, status: &ContainerStatus) -> Vec<String> {
    let started = if status.started == Some(true) { "started" } else { "not started" };
    let ready = if status.ready { "ready" } else { "not ready" };
    let mut lines = vec![format!("{kind} {}: {ready}, {started}, {} restarts", status.name, status.restart_count)];
    for (what, state) in [("state", &status.state), ("last state", &status.last_state)] {
        let Some(state) = state else { continue };
        if state.running.is_some() {
            lines.push(format!("  {what} running"));
        }
        if let Some(waiting) = &state.waiting {
            let (reason, message) = (waiting.reason.as_deref().unwrap_or(""), waiting.message.as_deref().unwrap_or(""));
            lines.push(words(&["  ", what, "waiting", reason, message]).replacen("   ", "  ", 1));
        }
        if let Some(ended) = &state.terminated {
            let reason = ended.reason.as_deref().unwrap_or("");
            lines.push(format!("  {what} terminated {reason} exit code {}", ended.exit_code));
        }
    }
    lines
}

fn words(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

/// Whether a process exists and is not a zombie.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    state.is_some_and(|state| state != "Z")
}
