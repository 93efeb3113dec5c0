//! What tells why something is not ready, gathered from a real cluster.

use super::{apply, deployment, job, namespace};
use jiff::Timestamp;
use pilothouse_core::{Cause, ObjectRef};
use pilothouse_health::{Rules, causes};
use pilothouse_kube::{Cluster, ClusterClient, Gathering, Subject, statuses};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// Gathers until the object has this cause with all these parts in its lines, and gives it.
async fn cause(cluster: &Cluster, object: ObjectRef, code: &str, parts: &[&str]) -> Cause {
    let deadline = Instant::now() + Duration::from_secs(30);
    let gathering = Gathering::default();
    loop {
        let unready = statuses(cluster, &Rules::default(), std::slice::from_ref(&object)).await;
        let evidence = gathering.evidence(cluster, Subject::of_release(&unready), deadline).await.remove(0);
        assert_eq!(evidence.unreadable, [""; 0]);
        let found = causes(&evidence, Timestamp::now());
        let has = |cause: &Cause| {
            let all = [vec![cause.why.clone()], cause.evidence.clone()].concat().join("\n");
            cause.code == code && parts.iter().all(|part| all.contains(part))
        };
        if let Some(cause) = found.iter().find(|cause| has(cause)) {
            return cause.clone();
        }
        assert!(Instant::now() < deadline, "{found:#?}\n{evidence:#?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

pub(crate) async fn of_a_broken_deployment(cluster: &Cluster) {
    let ns = "evidence-pull";
    namespace(cluster, ns).await;
    let web = apply(cluster, ns, deployment("web", "broken/pull:1")).await;
    let cause = cause(cluster, web.clone(), "IMAGE_NOT_FOUND", &["broken/pull:1", "manifest unknown"]).await;
    assert_eq!(cause.object, Some(web.clone()));
    let pods = cluster.pods_of(&web).await.unwrap();
    assert_eq!(pods.len(), 1);
    let about = [pods[0]["metadata"]["uid"].as_str().unwrap().to_owned()];
    assert!(!cluster.events(ns, &about).await.unwrap().is_empty());
    assert!(cluster.events(ns, &["none".to_owned()]).await.unwrap().is_empty());
}

pub(crate) async fn of_a_crash_loop(cluster: &Cluster) {
    let ns = "evidence-crash";
    namespace(cluster, ns).await;
    let web = apply(cluster, ns, deployment("web", "broken/crash:1")).await;
    cause(cluster, web, "CRASH_LOOP", &["exit code 3", "no database"]).await;
}

pub(crate) async fn of_a_failed_job(cluster: &Cluster) {
    let ns = "evidence-job";
    namespace(cluster, ns).await;
    let migrate = apply(cluster, ns, job("migrate", "broken/job:1")).await;
    cause(cluster, migrate, "JOB_FAILED", &["exit code 9", "migration failed"]).await;
}

pub(crate) async fn of_a_claim_and_an_unschedulable_pod(cluster: &Cluster) {
    let ns = "evidence-schedule";
    namespace(cluster, ns).await;
    let claim = apply(cluster, ns, json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "not-there", "resources": {"requests": {"storage": "1Gi"}}},
    })).await;
    cause(cluster, claim, "PVC_UNBOUND", &["not-there"]).await;

    let pod = apply(
        cluster,
        ns,
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "big"},
            "spec": {"nodeSelector": {"size": "huge"}, "containers": [{"name": "main", "image": "good/image"}]},
        }),
    )
    .await;
    cause(cluster, pod, "UNSCHEDULABLE_SELECTOR", &["size"]).await;
}
