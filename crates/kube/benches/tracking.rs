//! The memory that following the objects of 500 releases takes: of each a Deployment, its ReplicaSet, a Service, a pod and ten
//! events, beside as many pods that nobody follows. The cluster is in memory, too; what is told is what is added when all are
//! followed.
//!
//! `cargo bench -p pilothouse-kube --bench tracking`, or with another number of releases behind `--`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench is a program that may end at the first surprise"
)]

use peak_alloc::PeakAlloc;
use pilothouse_core::ObjectRef;
use pilothouse_health::Rules;
use pilothouse_kube::{Following, Tracker};
use pilothouse_testkit::FakeCluster;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Counts what is allocated: what the cluster in memory copies and gives back stays resident, and is not the tracker's.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const RELEASES: usize = 500;
const NAMESPACES: usize = 20;
const EVENTS: usize = 10;

#[tokio::main]
async fn main() {
    let releases = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(RELEASES);
    let cluster = Arc::new(FakeCluster::default());
    for release in 0..releases {
        put_release(&cluster, release);
    }
    let tracker = Tracker::new(cluster.clone(), Rules::default());
    let before = ALLOCATOR.current_usage();
    let followings: Vec<Following> =
        (0..releases).map(|release| tracker.follow_at_once(objects(release).to_vec())).collect();
    let complete = || {
        followings.iter().enumerate().all(|(release, following)| {
            let family = following.family(&objects(release)[0]);
            family.complete && family.owned.len() == 2 && family.events.len() == EVENTS
        })
    };
    while !complete() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (held, most) = (ALLOCATOR.current_usage() - before, ALLOCATOR.peak_usage() - before);
    println!(
        "{releases} releases in {NAMESPACES} namespaces, {} watches: {:.1} MB held; {:.1} MB at most while the lists came in, what \
        the cluster in memory copied for them included",
        tracker.watches(),
        float(held) / 1e6,
        float(most) / 1e6
    );
}

fn namespace(release: usize) -> String {
    format!("large-{}", release % NAMESPACES)
}

fn objects(release: usize) -> [ObjectRef; 2] {
    [("apps/v1", "Deployment"), ("v1", "Service")].map(|(api_version, kind)| ObjectRef {
        api_version: Some(api_version.to_owned()),
        kind: kind.to_owned(),
        namespace: Some(namespace(release)),
        name: format!("r{release}-podinfo"),
    })
}

/// What a controller writes beside: as much as on a real cluster.
fn managed_fields() -> Value {
    let fields: Value = (0..60).map(|index| (format!("f:field-{index}"), json!({".": {}, "f:value": {}}))).collect();
    json!([{"manager": "helm", "operation": "Update", "apiVersion": "v1", "fieldsV1": fields}])
}

fn metadata(release: usize, name: &str, owner: Option<&str>) -> Value {
    let owners: Vec<Value> = owner
        .map(|uid| json!({"apiVersion": "apps/v1", "kind": "Owner", "name": "owner", "uid": uid, "controller": true}))
        .into_iter()
        .collect();
    json!({
        "name": name, "namespace": namespace(release), "generation": 1, "creationTimestamp": "2026-11-21T08:00:00Z",
        "labels": {
            "app.kubernetes.io/name": name, "app.kubernetes.io/instance": name, "app.kubernetes.io/managed-by": "Helm",
            "app.kubernetes.io/version": "6.9.1", "helm.sh/chart": "podinfo-6.9.1",
        },
        "annotations": {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace(release)},
        "ownerReferences": owners, "managedFields": managed_fields(),
    })
}

fn pod_spec() -> Value {
    let probe = json!({
        "exec": {"command": ["podcli", "check", "http", "localhost:9898/healthz"]}, "initialDelaySeconds": 1,
        "timeoutSeconds": 5, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    });
    let env: Vec<Value> = (0..12)
        .map(|index| json!({"name": format!("PODINFO_SETTING_{index}"), "value": format!("value {index}")}))
        .collect();
    json!({
        "terminationGracePeriodSeconds": 30, "restartPolicy": "Always", "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler", "serviceAccountName": "default", "nodeName": "node-1",
        "containers": [{
            "name": "podinfo", "image": "ghcr.io/stefanprodan/podinfo:6.9.1", "imagePullPolicy": "IfNotPresent",
            "command": ["./podinfo", "--port=9898", "--cert-path=/data/cert", "--port-metrics=9797", "--level=info"],
            "ports": [{"name": "http", "containerPort": 9898, "protocol": "TCP"}, {"name": "grpc", "containerPort": 9999}],
            "env": env, "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}},
            "livenessProbe": probe, "readinessProbe": probe, "startupProbe": probe,
            "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "token", "mountPath": "/var/run/secrets"}],
        }],
        "tolerations": [
            {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
        ],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "token", "projected": {"defaultMode": 420}}],
    })
}

fn conditions() -> Vec<Value> {
    let condition = |kind| {
        json!({
            "type": kind, "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": "2026-11-21T08:00:00Z",
            "message": "containers with unready status: [podinfo]",
        })
    };
    ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map(condition).to_vec()
}

fn put(cluster: &FakeCluster, object: Value) -> String {
    let named = pilothouse_core::object_ref(&object).unwrap();
    cluster.put(object);
    let live = cluster.object(&named.kind, named.namespace.as_deref(), &named.name).unwrap();
    live["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn put_release(cluster: &FakeCluster, release: usize) {
    let name = format!("r{release}-podinfo");
    let workload = |kind: &str, name: &str, owner: Option<&str>| {
        json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": metadata(release, name, owner),
            "spec": {"replicas": 1, "template": {"metadata": {"labels": {"app": name}}, "spec": pod_spec()}},
            "status": {"observedGeneration": 1, "replicas": 1, "conditions": conditions()},
        })
    };
    let pod = |name: &str, owner: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata(release, name, Some(owner)), "spec": pod_spec(),
            "status": {"phase": "Pending", "conditions": conditions(), "containerStatuses": [{
                "name": "podinfo", "ready": false, "restartCount": 3, "image": "ghcr.io/stefanprodan/podinfo:6.9.1",
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-11-21T08:00:00Z"}},
            }]},
        })
    };
    let deployment = put(cluster, workload("Deployment", &name, None));
    let set = put(cluster, workload("ReplicaSet", &format!("{name}-5d4f8c7b9"), Some(&deployment)));
    let own = put(cluster, pod(&format!("{name}-5d4f8c7b9-abcde"), &set));
    put(cluster, pod(&format!("other-{release}"), "somebody"));
    put(
        cluster,
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata(release, &name, None),
            "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"name": "http", "port": 9898}]},
        }),
    );
    for event in 0..EVENTS {
        let mut metadata = metadata(release, &format!("{name}.{event}"), None);
        metadata["labels"].take();
        put(
            cluster,
            json!({
                "apiVersion": "v1", "kind": "Event", "metadata": metadata, "type": "Warning", "reason": "BackOff",
                "message": "Back-off restarting failed container podinfo in pod", "count": 4,
                "lastTimestamp": "2026-11-21T08:00:00Z", "source": {"component": "kubelet", "host": "node-1"},
                "involvedObject": {"kind": "Pod", "namespace": namespace(release), "name": name, "uid": own},
            }),
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "these are small")]
fn float(number: usize) -> f64 {
    number as f64
}
