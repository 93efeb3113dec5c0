//! The port on a real control plane. One plane serves all scenarios, each in a namespace of its own, side by side.

mod evidence;
mod lease;
mod objects;
mod ownership;
mod records;
mod tracking;
mod waiting;

use pilothouse_core::ObjectRef;
use pilothouse_health::Rules;
use pilothouse_kube::{ApplyOptions, Cluster, ClusterClient, ConnectOptions, Tracker};
use pilothouse_plane::{Fault, FaultKind, Plane, PlaneConfig};
use serde_json::Value;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn on_a_real_control_plane() {
    let faults = vec![
        Fault::by_image("broken/pull", FaultKind::ImagePullError { message: "manifest unknown".to_owned() }),
        Fault::by_image(
            "broken/crash",
            FaultKind::CrashLoop { exit_code: 3, log: vec!["starting".to_owned(), "no database".to_owned()] },
        ),
        Fault::by_image("broken/job", FaultKind::FailingJob { exit_code: 9, log: vec!["migration failed".to_owned()] }),
    ];
    let plane = Plane::start(PlaneConfig { faults, ..PlaneConfig::default() }).await.unwrap();
    let cluster = Cluster::connect(ConnectOptions::kubeconfig(plane.kubeconfig())).await.unwrap();
    let cluster = &cluster;
    tokio::join!(
        objects::names_as_people_write_them(cluster),
        objects::writing_and_reading(cluster),
        objects::the_status_of_an_object(cluster),
        objects::a_new_definition_is_found(cluster),
        records::of_releases(cluster),
        lease::of_one_and_the_next(cluster),
        waiting::for_a_workload(cluster),
        waiting::for_an_end(cluster),
        tracking::of_old_pods_beside_crashing_ones(cluster),
        tracking::where_no_pod_need_be_ready(cluster),
        tracking::of_a_custom_resource_nobody_has_judged(cluster),
        tracking::of_a_family(cluster),
        evidence::of_a_broken_deployment(cluster),
        evidence::of_a_crash_loop(cluster),
        evidence::of_a_failed_job(cluster),
        evidence::of_a_claim_and_an_unschedulable_pod(cluster),
        ownership::of_objects(cluster),
        ownership::restarting(cluster),
        ownership::definitions_in_use(cluster),
    );
    plane.stop().await;
}

/// A tracker of its own for a scenario.
fn tracker(cluster: &Cluster) -> Tracker {
    Tracker::new(Arc::new(cluster.clone()), Rules::default())
}

/// Makes a namespace for a scenario.
async fn namespace(cluster: &Cluster, name: &str) {
    assert!(cluster.create_namespace(name).await.unwrap());
}

/// Applies an object and gives its complete reference.
async fn apply(cluster: &Cluster, namespace: &str, object: Value) -> ObjectRef {
    let options = ApplyOptions {
        field_manager: "test".to_owned(),
        force: false,
        dry_run: false,
        default_namespace: Some(namespace.to_owned()),
    };
    pilothouse_core::object_ref(&cluster.apply(&object, &options).await.unwrap()).unwrap()
}

/// A Deployment of one replica.
fn deployment(name: &str, image: &str) -> Value {
    serde_json::json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
        },
    })
}

/// A Job that gives up after its first failure.
fn job(name: &str, image: &str) -> Value {
    serde_json::json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}},
        },
    })
}

/// A definition of `kind` in group `NAMESPACE.example.com`.
fn definition(group: &str, plural: &str, kind: &str) -> Value {
    serde_json::json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}
