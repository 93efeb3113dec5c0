//! A real node: what its kubelet reports, with real containers. Needs root, containerd and runc; where they are missing
//! each test prints one line.

use super::common::{self, Shared, client, create, create_pod, eventually, get, has_real_node, namespace, picture};
use insta::assert_snapshot;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{AttachParams, DeleteParams, LogParams};
use kube::{Api, Client};
use pilothouse_plane::{Plane, PlaneConfig, RealNode, SimulatedNode, WORKLOAD_IMAGE};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::OnceLock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

static PLANE: Shared = Shared::new();

/// The machine before the plane was started.
static BEFORE: OnceLock<Vec<(&str, String)>> = OnceLock::new();

/// What a pod may take to end, in seconds: longer than any machine is busy.
const GRACE: u64 = 150;

/// An image that is not the plane's own.
const OTHER: &str = "example.org/other:7";

/// The plane, or one line on the real standard error about what is not run.
fn plane(test: &str) -> Option<&'static Plane> {
    if !has_real_node(test) {
        return None;
    }
    Some(PLANE.plane(|| {
        BEFORE.get_or_init(machine);
        let folder = common::folder("real-node");
        std::fs::create_dir_all(&folder).unwrap();
        let image = folder.join("other.tar");
        docker_archive(&image);
        PlaneConfig {
            folder: Some(folder),
            nodes: vec![
                SimulatedNode::new("node-1").into(),
                RealNode { images: vec![image], ..RealNode::new("real-1") }.into(),
            ],
            deadline: 3 * common::PATIENCE,
            ..PlaneConfig::default()
        }
    }))
}

/// What a kubelet or containerd changes where it is at home: their folders, and settings of the kernel.
fn machine() -> Vec<(&'static str, String)> {
    let folders =
        ["/run/containerd", "/run/netns", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/opt/containerd"];
    let folders = folders.map(|folder| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        (folder, names.join(" "))
    });
    let settings = [
        "/proc/sys/vm/overcommit_memory",
        "/proc/sys/vm/panic_on_oom",
        "/proc/sys/kernel/panic",
        "/proc/sys/kernel/panic_on_oops",
        "/proc/sys/kernel/keys/root_maxkeys",
        "/proc/sys/kernel/keys/root_maxbytes",
    ];
    let settings = settings.map(|path| (path, std::fs::read_to_string(path).unwrap_or_default()));
    folders.into_iter().chain(settings).collect()
}

/// An image in the kind of archive `docker save` makes: the program of the workload as `/bin/other`.
fn docker_archive(to: &Path) {
    let file = |tar: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    let mut layer = tar::Builder::new(Vec::new());
    file(&mut layer, "bin/other", include_bytes!(concat!(env!("OUT_DIR"), "/workload")));
    let layer = layer.into_inner().unwrap();
    let digest: String = <sha2::Sha256 as sha2::Digest>::digest(&layer).iter().map(|b| format!("{b:02x}")).collect();
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": { "Entrypoint": ["/bin/other"], "Cmd": ["print", "from", "another", "image"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
    });
    let manifest = json!([{ "Config": "config.json", "RepoTags": [OTHER], "Layers": ["layer.tar"] }]);
    let mut archive = tar::Builder::new(Vec::new());
    file(&mut archive, "layer.tar", &layer);
    file(&mut archive, "config.json", config.to_string().as_bytes());
    file(&mut archive, "manifest.json", manifest.to_string().as_bytes());
    std::fs::write(to, archive.into_inner().unwrap()).unwrap();
}

/// A pod of the workload with these arguments, for the real node.
fn spec(args: &[&str]) -> Value {
    spec_of(&json!({ "name": "main", "image": WORKLOAD_IMAGE, "args": args }))
}

fn spec_of(container: &Value) -> Value {
    json!({ "nodeSelector": { "pilothouse.dev/node": "real" }, "containers": [container] })
}

async fn logs(client: &Client, namespace: &str, previous: bool) -> String {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    pods.logs("web", &LogParams { previous, ..LogParams::default() }).await.unwrap()
}

#[tokio::test]
async fn a_deployment_becomes_ready_and_can_be_talked_to() {
    let Some(plane) = plane("a_deployment_becomes_ready_and_can_be_talked_to") else { return };
    let client = client(plane);
    namespace(&client, "ready").await;
    let probe = |path: &str| json!({ "httpGet": { "path": path, "port": 8080 }, "periodSeconds": 1 });
    let mut pod = spec_of(&json!({
        "name": "main", "image": WORKLOAD_IMAGE, "args": ["--ready-after", "1", "--log", "hello"],
        "readinessProbe": probe("/readyz"), "livenessProbe": probe("/healthz"),
        "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
    }));
    pod["volumes"] = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }]);
    let claim = json!({ "metadata": { "name": "data" }, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    create(&client, "/api/v1/namespaces/ready/persistentvolumeclaims", claim).await;
    let deployment = json!({ "metadata": { "name": "web" }, "spec": {
        "replicas": 2,
        "selector": { "matchLabels": { "app": "web" } },
        "template": { "metadata": { "labels": { "app": "web" } }, "spec": pod },
    }});
    create(&client, "/apis/apps/v1/namespaces/ready/deployments", deployment).await;
    eventually(async || {
        let deployment = get(&client, "/apis/apps/v1/namespaces/ready/deployments/web").await.unwrap();
        if deployment["status"]["readyReplicas"] == 2 { Ok(()) } else { Err(deployment["status"].to_string()) }
    })
    .await;

    let pods: Api<Pod> = Api::namespaced(client.clone(), "ready");
    let listed = pods.list(&kube::api::ListParams::default()).await.unwrap();
    let name = listed.items[0].metadata.name.clone().unwrap();
    assert_eq!(listed.items[0].spec.as_ref().unwrap().node_name.as_deref(), Some("real-1"));
    let other = listed.items[1].status.as_ref().unwrap().pod_ip.clone().unwrap();
    assert_eq!(pods.logs(&name, &LogParams::default()).await.unwrap(), "hello\nlistening on port 8080\n");

    // Through the API server.
    let mut forwarder = pods.portforward(&name, &[8080]).await.unwrap();
    let mut stream = forwarder.take_stream(8080).unwrap();
    stream.write_all(b"GET /status/418 HTTP/1.1\r\nHost: web\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer.lines().next(), Some("HTTP/1.1 418 Error"));

    let run = async |command: &[&str]| {
        let mut process = pods.exec(&name, command.to_vec(), &AttachParams::default().stderr(false)).await.unwrap();
        let status = process.take_status().unwrap();
        let mut said = String::new();
        process.stdout().unwrap().read_to_string(&mut said).await.unwrap();
        (said, status.await.unwrap().status.unwrap())
    };
    assert_eq!(run(&["/workload", "print", "from", "inside"]).await, ("from inside\n".into(), "Success".into()));
    assert_eq!(run(&["/workload", "fail", "3"]).await, (String::new(), "Failure".into()));
    // Pods reach each other.
    let url = format!("http://{other}:8080/healthz");
    assert_eq!(run(&["/workload", "get", &url]).await, ("ok\n\n".into(), "Success".into()));
    // And a token is there.
    let token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    let mounts = &listed.items[0].spec.as_ref().unwrap().containers[0].volume_mounts;
    assert!(mounts.iter().flatten().any(|mount| token.starts_with(&mount.mount_path)));
    plane.check().unwrap();
}

#[tokio::test]
async fn the_simulated_node_beside_it_stays_simulated() {
    let Some(plane) = plane("the_simulated_node_beside_it_stays_simulated") else { return };
    let client = client(plane);
    namespace(&client, "simulated").await;
    let spec = json!({ "nodeSelector": { "pilothouse.dev/node": "simulated" },
        "containers": [{ "name": "main", "image": "registry.invalid/none:1" }] });
    create_pod(&client, "simulated", "web", &spec).await;
    picture(&client, "simulated", "web", &["condition Ready True"], 0).await;
    let health = plane.health().await;
    let components: Vec<String> = health.iter().map(|health| health.component.to_string()).collect();
    assert_eq!(components[5..], ["containerd", "kubelet"]);
    assert!(health.iter().all(|health| health.problem.is_none() && health.pid.is_some()), "{health:?}");
}

#[tokio::test]
async fn crash_loop_with_the_log_of_the_previous_container() {
    let Some(plane) = plane("crash_loop_with_the_log_of_the_previous_container") else { return };
    let client = client(plane);
    namespace(&client, "crash").await;
    create_pod(&client, "crash", "web", &spec(&["fail", "3", "no", "database"])).await;
    assert_snapshot!(picture(&client, "crash", "web", &["waiting CrashLoopBackOff"], 4).await);
    assert_eq!(logs(&client, "crash", true).await, "no database\n");
}

#[tokio::test]
async fn out_of_memory() {
    let Some(plane) = plane("out_of_memory") else { return };
    let client = client(plane);
    namespace(&client, "memory").await;
    let container = json!({ "name": "main", "image": WORKLOAD_IMAGE, "args": ["--allocate", "256"],
        "resources": { "limits": { "memory": "32Mi" } } });
    create_pod(&client, "memory", "web", &spec_of(&container)).await;
    let text = picture(&client, "memory", "web", &["last state terminated OOMKilled"], 3).await;
    assert!(text.contains("last state terminated OOMKilled exit code 137"), "{text}");
}

#[tokio::test]
async fn a_missing_key_of_a_secret() {
    let Some(plane) = plane("a_missing_key_of_a_secret") else { return };
    let client = client(plane);
    namespace(&client, "config").await;
    create(&client, "/api/v1/namespaces/config/secrets", json!({ "metadata": { "name": "creds" } })).await;
    let key = json!({ "secretKeyRef": { "name": "creds", "key": "password" } });
    let container =
        json!({ "name": "main", "image": WORKLOAD_IMAGE, "env": [{ "name": "PASSWORD", "valueFrom": key }] });
    create_pod(&client, "config", "web", &spec_of(&container)).await;
    assert_snapshot!(picture(&client, "config", "web", &["CreateContainerConfigError"], 2).await);
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled() {
    let Some(plane) = plane("an_image_that_cannot_be_pulled") else { return };
    let client = client(plane);
    namespace(&client, "pull").await;
    create_pod(&client, "pull", "web", &spec_of(&json!({ "name": "main", "image": "registry.invalid/app:1" }))).await;
    let text = picture(&client, "pull", "web", &["waiting ImagePullBackOff"], 4).await;
    // What follows is the resolver's, which is another on every machine.
    for sign in [
        "event Warning Failed spec.containers{main} Error: ErrImagePull",
        "event Warning Failed spec.containers{main} Error: ImagePullBackOff",
        "registry.invalid",
    ] {
        assert!(text.contains(sign), "{text}");
    }
}

#[tokio::test]
async fn never_ready() {
    let Some(plane) = plane("never_ready") else { return };
    let client = client(plane);
    namespace(&client, "unready").await;
    let container = json!({ "name": "main", "image": WORKLOAD_IMAGE, "args": ["--ready-after", "never"],
        "readinessProbe": { "httpGet": { "path": "/readyz", "port": 8080 }, "initialDelaySeconds": 2, "periodSeconds": 1 } });
    create_pod(&client, "unready", "web", &spec_of(&container)).await;
    assert_snapshot!(picture(&client, "unready", "web", &["HTTP probe failed with statuscode: 503"], 4).await);
}

#[tokio::test]
async fn a_pod_that_ends_and_one_that_is_deleted() {
    let Some(plane) = plane("a_pod_that_ends_and_one_that_is_deleted") else { return };
    let client = client(plane);
    namespace(&client, "ends").await;
    let mut once = spec_of(&json!({ "name": "main", "image": OTHER }));
    once["restartPolicy"] = json!("Never");
    create_pod(&client, "ends", "web", &once).await;
    picture(&client, "ends", "web", &["phase Succeeded"], 0).await;
    assert_eq!(logs(&client, "ends", false).await, "from another image\n");

    let mut server = spec(&[]);
    server["terminationGracePeriodSeconds"] = json!(GRACE);
    create_pod(&client, "ends", "server", &server).await;
    picture(&client, "ends", "server", &["condition Ready True"], 0).await;
    let begun = std::time::Instant::now();
    Api::<Pod>::namespaced(client.clone(), "ends").delete("server", &DeleteParams::default()).await.unwrap();
    eventually(async || match get(&client, "/api/v1/namespaces/ends/pods/server").await {
        None => Ok(()),
        Some(pod) => Err(pod["status"]["phase"].to_string()),
    })
    .await;
    // It does not sit out its grace period.
    assert!(begun.elapsed().as_secs() < GRACE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_a_kubelet_would_change_on_the_machine_is_not_changed() {
    let Some(plane) = plane("what_a_kubelet_would_change_on_the_machine_is_not_changed") else { return };
    // A pod runs, so that everything a node does has been done.
    let client = client(plane);
    namespace(&client, "unchanged").await;
    create_pod(&client, "unchanged", "server", &spec(&[])).await;
    picture(&client, "unchanged", "server", &["condition Ready True"], 0).await;
    assert_eq!(&machine(), BEFORE.get().unwrap());
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(&plane.folder().display().to_string()), "{mounts}");
    let (api, all) = (plane.api_ready_after(), plane.usable_after());
    println!("API ready after {api:?}, both nodes ready after {all:?}");
}
