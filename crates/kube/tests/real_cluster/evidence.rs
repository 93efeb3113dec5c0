//! What tells why something is not ready.

use crate::{apply, deployment, job, namespace, tracker};
use pilothouse_core::{Cause, ObjectRef};
use pilothouse_kube::{Cluster, ClusterClient, causes, wait_ready};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Waits in vain until the evidence has all the parts, and gives it.
async fn evidence(cluster: &Cluster, object: ObjectRef, parts: &[&str]) -> Cause {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let until = Instant::now() + Duration::from_millis(300);
        let ended =
            wait_ready(&tracker(cluster), std::slice::from_ref(&object), until, &CancellationToken::new(), |_| {})
                .await
                .unwrap_err();
        let cause = causes(cluster, &ended.objects).await.remove(0);
        let has = |part: &&str| cause.evidence.iter().any(|line| line.contains(*part));
        if parts.iter().all(has) {
            return cause;
        }
        assert!(Instant::now() < deadline, "{cause:#?}");
    }
}

/// The evidence with what differs from run to run made equal: hashes of names, counts of events.
fn stable(cause: &Cause) -> String {
    let equal = |line: &String| {
        let words = line.split(' ').map(|word| {
            let bare = word.trim_end_matches(':');
            let hashed = bare
                .rsplit('-')
                .next()
                .is_some_and(|hash| hash.len() == 5 && bare.contains('-') && !bare.contains('/'));
            if hashed { bare[..bare.len() - 5].to_owned() + "HASH" + &word[bare.len()..] } else { word.to_owned() }
        });
        let line = words.collect::<Vec<_>>().join(" ");
        let line = line.split(" (").next().unwrap_or_default().to_owned();
        // The ReplicaSet's part of a pod's name.
        match line.split_once("-HASH") {
            Some((head, tail)) if head.starts_with("pod ") => {
                let set = head.rsplit_once('-').map_or(head, |(name, _)| name);
                format!("{set}-HASH{tail}")
            }
            _ => line,
        }
    };
    let mut lines: Vec<String> = cause.evidence.iter().map(equal).collect();
    // Events of one second come in any order.
    if let Some(first) = lines.iter().position(|line| line.starts_with("event ")) {
        let end = lines.iter().rposition(|line| line.starts_with("event ")).unwrap_or(first);
        lines[first..=end].sort();
    }
    let (object, status) = (cause.object.as_ref().unwrap(), cause.status.as_ref().unwrap());
    format!("{object} is {}: {}\n{}", status.readiness, status.message, lines.join("\n"))
}

pub(crate) async fn of_a_broken_deployment(cluster: &Cluster) {
    let ns = "evidence-pull";
    namespace(cluster, ns).await;
    let web = apply(cluster, ns, deployment("web", "broken/pull:1")).await;
    let cause = evidence(
        cluster,
        web.clone(),
        &["main: ImagePullBackOff", "Error: ErrImagePull", "Failed to pull", "Error: ImagePullBackOff"],
    )
    .await;
    insta::assert_snapshot!("pull", stable(&cause));
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
    let parts = ["CrashLoopBackOff", "exit code 3", "BackOff: ", "log of main: no database"];
    let cause = evidence(cluster, web, &parts).await;
    let log: Vec<&String> = cause.evidence.iter().filter(|line| line.starts_with("log of ")).collect();
    assert_eq!(log, ["log of main: starting", "log of main: no database"]);
}

pub(crate) async fn of_a_failed_job(cluster: &Cluster) {
    let ns = "evidence-job";
    namespace(cluster, ns).await;
    let migrate = apply(cluster, ns, job("migrate", "broken/job:1")).await;
    let cause = evidence(cluster, migrate, &["exit code 9", "migration failed", "BackoffLimitExceeded"]).await;
    insta::assert_snapshot!("job", stable(&cause));
}

pub(crate) async fn of_a_claim_and_an_unschedulable_pod(cluster: &Cluster) {
    let ns = "evidence-schedule";
    namespace(cluster, ns).await;
    let claim = apply(cluster, ns, json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "not-there", "resources": {"requests": {"storage": "1Gi"}}},
    })).await;
    let cause = evidence(cluster, claim, &["ProvisioningFailed"]).await;
    insta::assert_snapshot!("claim", stable(&cause));

    let pod = apply(
        cluster,
        ns,
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "big"},
            "spec": {"nodeSelector": {"size": "huge"}, "containers": [{"name": "main", "image": "good/image"}]},
        }),
    )
    .await;
    let cause = evidence(cluster, pod, &["FailedScheduling"]).await;
    assert_eq!(cause.status.as_ref().unwrap().reason.as_deref(), Some("Unschedulable"), "{cause:#?}");
}
