//! Waiting for objects.

use super::{apply, deployment, job, namespace, tracker};
use pilothouse_core::{ObjectRef, Readiness};
use pilothouse_kube::{
    Cluster, ClusterClient, Ended, Leaving, Precondition, Progress, Propagation, wait_deleted, wait_exists, wait_ready,
};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

pub(crate) async fn for_a_workload(cluster: &Cluster) {
    let ns = "waiting";
    namespace(cluster, ns).await;
    let mut objects = vec![apply(cluster, ns, deployment("web", "good/image")).await];
    // More than can be worth single reads.
    for index in 0..7 {
        objects.push(apply(cluster, ns, deployment(&format!("more-{index}"), "good/image")).await);
    }
    objects.push(apply(cluster, ns, job("task", "good/image")).await);
    let mut seen: Vec<Progress> = Vec::new();
    let token = CancellationToken::new();
    wait_ready(&tracker(cluster), &objects, soon(), &token, |progress| seen.push(progress.clone())).await.unwrap();
    let last = seen.last().unwrap();
    assert_eq!((last.done(), last.total, last.pending.len()), (9, 9, 0));
    assert!(seen[0].done() < 9, "{seen:?}");

    let missing = ObjectRef { name: "missing".to_owned(), ..objects[0].clone() };
    let ended = wait_ready(
        &tracker(cluster),
        &[objects[0].clone(), missing.clone()],
        // Long enough for what is there to be read on a busy machine.
        Instant::now() + Duration::from_secs(3),
        &token,
        |_| {},
    )
    .await
    .unwrap_err();
    assert_eq!(ended.to_string(), "the time is up: Deployment waiting/missing is not found: it does not exist");

    let waiting = async { wait_exists(cluster, std::slice::from_ref(&missing), soon(), &token, |_| {}).await };
    let making = async { apply(cluster, ns, deployment("missing", "good/image")).await };
    let (waited, _) = tokio::join!(waiting, making);
    waited.unwrap();

    cluster.delete(&missing, &Precondition::default(), Propagation::Foreground).await.unwrap();
    wait_deleted(cluster, &[Leaving::named(missing)], soon(), &token, |_| {}).await.unwrap();

    let held = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    let held = apply(cluster, ns, held).await;
    cluster.delete(&held, &Precondition::default(), Propagation::Background).await.unwrap();
    let ended = wait_deleted(
        cluster,
        &[Leaving::named(held.clone())],
        Instant::now() + Duration::from_millis(200),
        &token,
        |_| {},
    )
    .await
    .unwrap_err();
    assert_eq!(
        ended.to_string(),
        "the time is up: ConfigMap waiting/held is terminating: it is being deleted; finalizers left: example.com/hold"
    );
    let freed = json!({"metadata": {"finalizers": null}});
    cluster.merge_patch(&held, &freed, &Precondition::default()).await.unwrap();

    token.cancel();
    let ended = wait_ready(&tracker(cluster), &objects, soon(), &token, |_| {}).await.unwrap_err();
    assert_eq!((ended.ended, ended.objects.len()), (Ended::Cancelled, 9));
}

pub(crate) async fn for_an_end(cluster: &Cluster) {
    let ns = "ending";
    namespace(cluster, ns).await;
    let failing = apply(cluster, ns, job("migrate", "broken/job")).await;
    let started = Instant::now();
    let ended =
        wait_ready(&tracker(cluster), std::slice::from_ref(&failing), soon(), &CancellationToken::new(), |_| {})
            .await
            .unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(25), "a failed Job ends the wait");
    assert_eq!(ended.ended, Ended::Failed);
    let (object, status) = &ended.objects[0];
    assert_eq!(
        (object, status.readiness, status.reason.as_deref()),
        (&failing, Readiness::Failed, Some("BackoffLimitExceeded"))
    );
}
