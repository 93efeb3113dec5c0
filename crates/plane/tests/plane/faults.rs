//! Every fault on a real control plane: what a kubelet would have written about such a pod.

use super::common::{
    self, PATIENCE, Shared, client, create, create_pod, eventually, get, namespace, picture, pod_spec,
};
use insta::assert_snapshot;
use kube::Api;
use kube::api::LogParams;
use pilothouse_plane::{Fault, FaultKind, Plane, PlaneConfig};
use serde_json::json;

static PLANE: Shared = Shared::new();

fn plane() -> &'static Plane {
    PLANE.plane(|| PlaneConfig {
        folder: Some(common::folder("faults")),
        faults: vec![
            Fault::by_image(
                "registry.invalid/",
                FaultKind::ImagePullError { message: "dial tcp: lookup registry.invalid: no such host".to_owned() },
            ),
            Fault::by_namespace(
                "crash",
                FaultKind::CrashLoop { exit_code: 2, log: vec!["no \"database\" \\(x) {{".to_owned()] },
            ),
            Fault::by_image("unready", FaultKind::NeverReady),
            Fault::by_namespace(
                "config",
                FaultKind::ConfigError { message: "couldn't find key password in Secret config/creds".to_owned() },
            ),
            Fault::by_image("greedy", FaultKind::OomKilled),
            Fault::by_namespace("jobs", FaultKind::FailingJob { exit_code: 3, log: vec!["cannot migrate".to_owned()] }),
            Fault::by_image("slow", FaultKind::SlowStart { seconds: 3 }),
            Fault::by_image("setup", FaultKind::InitFailed { exit_code: 4 }),
        ],
        ..PlaneConfig::default()
    })
}

#[tokio::test]
async fn image_pull_error() {
    let client = client(plane());
    namespace(&client, "pull").await;
    let spec = json!({ "containers": [
        { "name": "sound", "image": "example.org/sound:1" },
        { "name": "broken", "image": "registry.invalid/app:1" },
    ] });
    create_pod(&client, "pull", "web", &spec).await;
    assert_snapshot!(picture(&client, "pull", "web", &["ImagePullBackOff"], 5).await);
    plane().check().unwrap();
}

#[tokio::test]
async fn crash_loop() {
    let client = client(plane());
    namespace(&client, "crash").await;
    create_pod(&client, "crash", "web", &pod_spec("example.org/web:1")).await;
    assert_snapshot!(picture(&client, "crash", "web", &["CrashLoopBackOff"], 4).await);
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(client, "crash");
    for previous in [false, true] {
        let asked = LogParams { previous, ..LogParams::default() };
        // kwok learns of the log a moment after the pod broke.
        let log = eventually(async || pods.logs("web", &asked).await.map_err(|error| error.to_string())).await;
        assert_eq!(log, "no \"database\" \\(x) {{\n");
    }
    plane().check().unwrap();
}

#[tokio::test]
async fn never_ready() {
    let client = client(plane());
    namespace(&client, "unready").await;
    create_pod(&client, "unready", "web", &pod_spec("example.org/unready:1")).await;
    assert_snapshot!(picture(&client, "unready", "web", &["phase Running"], 4).await);
    plane().check().unwrap();
}

#[tokio::test]
async fn config_error() {
    let client = client(plane());
    namespace(&client, "config").await;
    create_pod(&client, "config", "web", &pod_spec("example.org/web:1")).await;
    assert_snapshot!(picture(&client, "config", "web", &["CreateContainerConfigError"], 2).await);
    plane().check().unwrap();
}

#[tokio::test]
async fn out_of_memory() {
    let client = client(plane());
    namespace(&client, "oom").await;
    create_pod(&client, "oom", "web", &pod_spec("example.org/greedy:1")).await;
    assert_snapshot!(picture(&client, "oom", "web", &["CrashLoopBackOff"], 4).await);
    plane().check().unwrap();
}

#[tokio::test]
async fn failing_job() {
    let client = client(plane());
    namespace(&client, "jobs").await;
    let job = |name: &str, policy: &str| {
        let mut spec = pod_spec("example.org/migrate:1");
        spec["restartPolicy"] = json!(policy);
        json!({ "metadata": { "name": name }, "spec": { "backoffLimit": 1, "template": { "spec": spec } } })
    };
    for (name, policy) in [("never", "Never"), ("on-failure", "OnFailure")] {
        create(&client, "/apis/batch/v1/namespaces/jobs/jobs", job(name, policy)).await;
        let path = format!("/apis/batch/v1/namespaces/jobs/jobs/{name}");
        let reason = eventually(async || {
            let job = get(&client, &path).await.unwrap();
            let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let failed = conditions.iter().find(|c| c["type"] == "Failed" && c["status"] == "True");
            failed.map(|c| c["reason"].clone()).ok_or_else(|| job["status"].to_string())
        })
        .await;
        assert_eq!(reason, "BackoffLimitExceeded", "{name}");
    }
    let mut spec = pod_spec("example.org/migrate:1");
    spec["restartPolicy"] = json!("Never");
    create_pod(&client, "jobs", "alone", &spec).await;
    assert_snapshot!(picture(&client, "jobs", "alone", &["phase Failed"], 3).await);
    create_pod(&client, "jobs", "service", &pod_spec("example.org/migrate:1")).await;
    assert_snapshot!(picture(&client, "jobs", "service", &["phase Running"], 0).await);
    plane().check().unwrap();
}

#[tokio::test]
async fn slow_start() {
    let client = client(plane());
    namespace(&client, "slow").await;
    create_pod(&client, "slow", "web", &pod_spec("example.org/slow:1")).await;
    let begun = std::time::Instant::now();
    assert_snapshot!(picture(&client, "slow", "web", &["phase Running"], 4).await);
    assert_snapshot!(picture(&client, "slow", "web", &["condition Ready True"], 4).await);
    let took = begun.elapsed();
    assert!(took.as_secs_f64() > 2.5 && took < PATIENCE, "{took:?}");
    plane().check().unwrap();
}

#[tokio::test]
async fn init_container_fails() {
    let client = client(plane());
    namespace(&client, "init").await;
    let spec = json!({
        "initContainers": [
            { "name": "before", "image": "example.org/before:1" },
            { "name": "setup", "image": "example.org/setup:1" },
            { "name": "after", "image": "example.org/after:1" },
        ],
        "containers": [{ "name": "main", "image": "example.org/web:1" }],
    });
    create_pod(&client, "init", "web", &spec).await;
    assert_snapshot!(picture(&client, "init", "web", &["CrashLoopBackOff"], 4).await);
    plane().check().unwrap();
}

/// A fault comes over pods that run, and goes again.
#[tokio::test]
async fn a_fault_is_injected_and_healed() {
    let plane = Plane::start(PlaneConfig::default()).await.unwrap();
    let client = plane.client();
    namespace(&client, "later").await;
    create_pod(&client, "later", "web", &pod_spec("example.org/web:1")).await;
    let healthy = picture(&client, "later", "web", &["condition Ready True"], 0).await;
    let before = get(&client, "/api/v1/namespaces/later/pods/web").await.unwrap()["status"]["podIP"].clone();
    plane
        .inject(Fault::by_namespace("later", FaultKind::CrashLoop { exit_code: 1, log: vec!["gone".to_owned()] }))
        .await
        .unwrap();
    picture(&client, "later", "web", &["CrashLoopBackOff"], 4).await;
    plane.heal().await.unwrap();
    let healed = picture(&client, "later", "web", &["condition Ready True"], 0).await;
    let without_events = |text: &str| {
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("event ")).collect();
        lines.join("\n")
    };
    assert_eq!(without_events(&healed), without_events(&healthy));
    create_pod(&client, "later", "second", &pod_spec("example.org/web:1")).await;
    picture(&client, "later", "second", &["condition Ready True"], 0).await;
    let ip = |name: &str| format!("/api/v1/namespaces/later/pods/{name}");
    let (first, second) = (get(&client, &ip("web")).await.unwrap(), get(&client, &ip("second")).await.unwrap());
    assert_eq!(first["status"]["podIP"], before);
    assert_ne!(second["status"]["podIP"], before);
    plane.check().unwrap();
    plane.stop().await;
}
