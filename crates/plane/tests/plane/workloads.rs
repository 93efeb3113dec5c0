//! Healthy workloads on a real control plane.

use super::common::{self, Shared, client, create, create_pod, eventually, get, namespace, picture, pod_spec};
use insta::assert_snapshot;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};
use pilothouse_plane::{AuditLog, Component, Plane, PlaneConfig, PodLogs, PodPort, PodSelector, SimulatedNode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::OnceLock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

static PLANE: Shared = Shared::new();
static SERVER: OnceLock<u16> = OnceLock::new();

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";

fn plane() -> &'static Plane {
    PLANE.plane(|| PlaneConfig {
        folder: Some(common::folder("workloads")),
        name: "workloads".to_owned(),
        nodes: vec![
            SimulatedNode { zone: Some("a".to_owned()), ..SimulatedNode::new("node-a") }.into(),
            SimulatedNode { zone: Some("b".to_owned()), ..SimulatedNode::new("node-b") }.into(),
        ],
        logs: vec![PodLogs {
            pods: PodSelector::namespace("logs"),
            containers: vec!["main".to_owned()],
            lines: vec!["listening on :8080".to_owned(), "ready".to_owned()],
            previous: vec!["stopping".to_owned()],
        }],
        ports: vec![PodPort { pods: PodSelector::namespace("ports"), pod_port: 8080, local_port: server() }],
        audit: true,
        ..PlaneConfig::default()
    })
}

/// A server that answers everything with `hello`.
fn server() -> u16 {
    *SERVER.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                use std::io::{Read, Write};
                let mut stream = stream.unwrap();
                let mut asked = [0; 1024];
                let _ = stream.read(&mut asked);
                let _ = stream.write_all(ANSWER);
            }
        });
        port
    })
}

#[tokio::test]
async fn a_deployment_becomes_available() {
    let client = client(plane());
    namespace(&client, "web").await;
    let deployment = json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 3,
            "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": pod_spec("example.org/web:1") },
        },
    });
    create(&client, "/apis/apps/v1/namespaces/web/deployments", deployment).await;
    eventually(async || {
        let deployment = get(&client, "/apis/apps/v1/namespaces/web/deployments/web").await.unwrap();
        let status = &deployment["status"];
        if status["availableReplicas"] == 3 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    let pods = get(&client, "/api/v1/namespaces/web/pods").await.unwrap();
    let distinct = |field: &str| -> BTreeSet<String> {
        pods["items"].as_array().unwrap().iter().map(|pod| pod.pointer(field).unwrap().to_string()).collect()
    };
    assert_eq!(distinct("/status/podIP").len(), 3, "every pod has an address of its own");
    assert_eq!(distinct("/spec/nodeName").len(), 2, "both nodes are used");
    plane().check().unwrap();
}

#[tokio::test]
async fn a_pod_with_init_containers_and_a_sidecar_is_ready() {
    let client = client(plane());
    namespace(&client, "sidecar").await;
    let spec = json!({
        "initContainers": [
            { "name": "migrate", "image": "example.org/migrate:1" },
            { "name": "proxy", "image": "example.org/proxy:1", "restartPolicy": "Always" },
        ],
        "containers": [{ "name": "main", "image": "example.org/web:1" }],
    });
    create_pod(&client, "sidecar", "web", &spec).await;
    assert_snapshot!(picture(&client, "sidecar", "web", &["condition Ready True"], 0).await);
    let deleted = http::Request::delete("/api/v1/namespaces/sidecar/pods/web").body(Vec::new()).unwrap();
    client.request::<Value>(deleted).await.unwrap();
    eventually(async || match get(&client, "/api/v1/namespaces/sidecar/pods/web").await {
        None => Ok(()),
        Some(pod) => Err(pod["metadata"].to_string()),
    })
    .await;
    plane().check().unwrap();
}

#[tokio::test]
async fn a_job_completes() {
    let client = client(plane());
    namespace(&client, "job").await;
    for (name, policy) in [("never", "Never"), ("on-failure", "OnFailure")] {
        let mut spec = pod_spec("example.org/migrate:1");
        spec["restartPolicy"] = json!(policy);
        let job = json!({
            "metadata": { "name": name },
            "spec": { "completions": 2, "parallelism": 2, "template": { "spec": spec } },
        });
        create(&client, "/apis/batch/v1/namespaces/job/jobs", job).await;
        eventually(async || {
            let job = get(&client, &format!("/apis/batch/v1/namespaces/job/jobs/{name}")).await.unwrap();
            let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let complete = conditions.iter().any(|c| c["type"] == "Complete" && c["status"] == "True");
            if complete && job["status"]["succeeded"] == 2 { Ok(()) } else { Err(job["status"].to_string()) }
        })
        .await;
    }
    plane().check().unwrap();
}

/// As hooks and `helm test` make them.
#[tokio::test]
async fn a_bare_pod_completes() {
    let client = client(plane());
    namespace(&client, "hooks").await;
    for policy in ["Never", "OnFailure"] {
        let mut spec = pod_spec("example.org/test:1");
        spec["restartPolicy"] = json!(policy);
        spec["initContainers"] = json!([
            { "name": "wait", "image": "example.org/wait:1" },
            { "name": "proxy", "image": "example.org/proxy:1", "restartPolicy": "Always" },
        ]);
        let name = policy.to_lowercase();
        create_pod(&client, "hooks", &name, &spec).await;
        assert_snapshot!("a_bare_pod_completes", picture(&client, "hooks", &name, &["phase Succeeded"], 0).await);
    }
    plane().check().unwrap();
}

#[tokio::test]
async fn a_claim_is_bound_and_its_volume_goes_with_it() {
    let client = client(plane());
    namespace(&client, "data").await;
    let claim = json!({
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "5Gi" } } },
    });
    create(&client, "/api/v1/namespaces/data/persistentvolumeclaims", claim).await;
    let path = "/api/v1/namespaces/data/persistentvolumeclaims/data";
    let bound = eventually(async || {
        let claim = get(&client, path).await.unwrap();
        if claim["status"]["phase"] == "Bound" { Ok(claim) } else { Err(claim["status"].to_string()) }
    })
    .await;
    assert_eq!(bound["status"]["capacity"]["storage"], "5Gi");
    let mut spec = pod_spec("example.org/db:1");
    spec["volumes"] = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }]);
    create_pod(&client, "data", "db", &spec).await;
    picture(&client, "data", "db", &["condition Ready True"], 0).await;
    for path in ["/api/v1/namespaces/data/pods/db", path] {
        client.request::<Value>(http::Request::delete(path).body(Vec::new()).unwrap()).await.unwrap();
    }
    let volume = format!("/api/v1/persistentvolumes/{}", bound["spec"]["volumeName"].as_str().unwrap());
    eventually(async || match get(&client, &volume).await {
        None => Ok(()),
        Some(volume) => Err(volume["status"].to_string()),
    })
    .await;
    plane().check().unwrap();
}

#[tokio::test]
async fn load_balancers_and_ingresses_get_addresses() {
    let client = client(plane());
    namespace(&client, "edge").await;
    let service = json!({
        "metadata": { "name": "web" },
        "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }], "selector": { "app": "web" } },
    });
    create(&client, "/api/v1/namespaces/edge/services", service).await;
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    let ingress = json!({ "metadata": { "name": "web" }, "spec": { "defaultBackend": backend } });
    create(&client, "/apis/networking.k8s.io/v1/namespaces/edge/ingresses", ingress).await;
    let address = async |path: &str| {
        eventually(async || {
            let object = get(&client, path).await.unwrap();
            let ip = object["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().map(str::to_owned);
            ip.map(|ip| (object.clone(), ip)).ok_or_else(|| object["status"].to_string())
        })
        .await
    };
    let (service, ip) = address("/api/v1/namespaces/edge/services/web").await;
    assert_eq!(ip.replace("198.18.", "10.96."), service["spec"]["clusterIP"]);
    let (_, ip) = address("/apis/networking.k8s.io/v1/namespaces/edge/ingresses/web").await;
    assert_eq!(ip, "198.19.0.1");
    plane().check().unwrap();
}

#[tokio::test]
async fn logs_of_containers() {
    let client = client(plane());
    namespace(&client, "logs").await;
    create_pod(&client, "logs", "web", &pod_spec("example.org/web:1")).await;
    picture(&client, "logs", "web", &["condition Ready True"], 0).await;
    let pods: Api<Pod> = Api::namespaced(client, "logs");
    let log = async |params: LogParams| pods.logs("web", &params).await.unwrap();
    assert_eq!(log(LogParams::default()).await, "listening on :8080\nready\n");
    assert_eq!(log(LogParams { tail_lines: Some(1), ..LogParams::default() }).await, "ready\n");
    assert_eq!(log(LogParams { previous: true, ..LogParams::default() }).await, "stopping\n");
    plane().check().unwrap();
}

#[tokio::test]
async fn ports_of_pods_lead_to_a_local_server() {
    let client = client(plane());
    namespace(&client, "ports").await;
    create_pod(&client, "ports", "web", &pod_spec("example.org/web:1")).await;
    picture(&client, "ports", "web", &["condition Ready True"], 0).await;
    let pods: Api<Pod> = Api::namespaced(client, "ports");
    let mut forwarded = pods.portforward("web", &[8080]).await.unwrap();
    let mut stream = forwarded.take_stream(8080).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").await.unwrap();
    // kwok keeps the stream open when the server has closed its end, so there is no end to read up to.
    let mut answer = vec![0; ANSWER.len()];
    tokio::time::timeout(common::PATIENCE, stream.read_exact(&mut answer)).await.expect("no answer").unwrap();
    assert_eq!(answer, ANSWER);
    plane().check().unwrap();
}

#[tokio::test]
async fn the_audit_log_counts_requests() {
    let mut config = plane().client_config();
    config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static("pilothouse-audit-test/1.0")));
    let client = Client::try_from(config).unwrap();
    for _ in 0..3 {
        get(&client, "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication").await.unwrap();
    }
    assert!(get(&client, "/api/v1/namespaces/default/secrets/none").await.is_none());
    let log = AuditLog::read(&plane().audit_log().unwrap()).unwrap();
    assert_eq!(log.count_by("pilothouse-audit-test/"), 4);
    let ours = log.events().iter().filter(|event| event.user_agent.starts_with("pilothouse-audit-test/"));
    let seen: Vec<String> = ours
        .map(|e| {
            format!(
                "{} {} {}/{} {}",
                e.verb,
                e.resource,
                e.namespace.as_deref().unwrap_or(""),
                e.name.as_deref().unwrap_or(""),
                e.code
            )
        })
        .collect();
    let read = "get configmaps kube-system/extension-apiserver-authentication 200";
    assert_eq!(seen, [read, read, read, "get secrets default/none 404"]);
}

/// No socket of any component may listen on an address that others can reach.
#[tokio::test]
async fn everything_listens_on_loopback_only() {
    for (component, pid) in plane().pids() {
        let sockets: BTreeSet<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
            .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']').map(str::to_owned))
            .collect();
        let mut listening = Vec::new();
        for (table, loopback) in [("tcp", "0100007F"), ("tcp6", "00000000000000000000000001000000")] {
            let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap();
            for line in text.lines().skip(1) {
                // The columns of proc(5): local address 1, state 3 (0A is LISTEN), inode 9.
                let columns: Vec<&str> = line.split_whitespace().collect();
                if columns[3] == "0A" && sockets.contains(columns[9]) {
                    let address = columns[1].split(':').next().unwrap();
                    assert_eq!(address, loopback, "{component} listens on {}", columns[1]);
                    listening.push(columns[1].to_owned());
                }
            }
        }
        // The store has no port at all. The others must show some, or this test looks at the wrong place.
        assert_eq!(listening.is_empty(), component == Component::Kine, "{component}: {listening:?}");
    }
}

#[tokio::test]
async fn every_component_says_that_it_is_healthy() {
    let health = plane().health().await;
    assert_eq!(health.iter().map(|health| health.component).collect::<Vec<_>>(), Component::CONTROL_PLANE);
    for health in health {
        assert_eq!(health.problem, None, "{}", health.component);
        assert!(health.pid.is_some_and(common::alive), "{}", health.component);
    }
}
