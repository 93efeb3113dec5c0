//! The lock on a real lease.

use super::namespace;
use jiff::Timestamp;
use pilothouse_core::{Holder, ObjectRef};
use pilothouse_kube::{
    Cluster, ClusterClient, ClusterError, LeaseConfig, LeaseLock, LockError, Precondition, Propagation,
};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const NAMESPACE: &str = "locks";

fn somebody(number: u32) -> Holder {
    let run = serde_json::from_value(json!(format!("00000000-0000-0000-0000-{number:012}"))).unwrap();
    Holder { run, user: "ann".to_owned(), host: "desk".to_owned(), pid: number, process: None, ci_job: None }
}

async fn take(cluster: &Cluster, namespace: &str, number: u32, timeout: u64) -> Result<LeaseLock, LockError> {
    let mut config = LeaseConfig::new(namespace, "shop", somebody(number));
    config.duration = Duration::from_secs(3);
    let (cluster, timeout) = (Arc::new(cluster.clone()), Duration::from_secs(timeout));
    LeaseLock::acquire(cluster, config, timeout, &CancellationToken::new(), |_| None, |_| {}).await
}

/// One gets it, the other after the release; then one that vanished is outlived.
pub(crate) async fn of_one_and_the_next(cluster: &Cluster) {
    namespace(cluster, NAMESPACE).await;
    let (one, other) = tokio::join!(take(cluster, NAMESPACE, 1, 0), take(cluster, NAMESPACE, 2, 0));
    let (winner, refused) = match (one, other) {
        (Ok(lock), Err(refused)) | (Err(refused), Ok(lock)) => (lock, refused),
        both => panic!("{both:?}"),
    };
    assert!(matches!(refused, LockError::Held { holder: Some(_), .. }), "{refused:?}");

    // API server and test share this machine's clock.
    let apart = winner.server_now().unwrap().duration_until(Timestamp::now()).abs();
    assert!(apart < jiff::SignedDuration::from_secs(3), "{apart:?}");
    assert!(winner.taken_at().unwrap() <= Timestamp::now());

    let release = async {
        // Longer than one renewal is good for.
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(winner.is_valid(), "{:?}", winner.why_lost());
        winner.release().await;
    };
    let (next, ()) = tokio::join!(take(cluster, NAMESPACE, 3, 30), release);
    let next = next.unwrap();
    assert_eq!(next.taken_over(), None);
    assert!((4..10).contains(&next.waited().as_secs()), "{:?}", next.waited());

    drop(next);
    let last = take(cluster, NAMESPACE, 4, 30).await.unwrap();
    assert!(last.taken_over().unwrap().starts_with("ann@desk (process 3, run 00000003) has not renewed the lock for "));

    let lease = ObjectRef {
        api_version: Some("coordination.k8s.io/v1".to_owned()),
        kind: "Lease".to_owned(),
        namespace: Some(NAMESPACE.to_owned()),
        name: "shop".to_owned(),
    };
    assert!(cluster.delete(&lease, &Precondition::default(), Propagation::Background).await.unwrap());
    tokio::time::timeout(Duration::from_secs(3), last.lost().cancelled()).await.unwrap();
    assert_eq!(last.why_lost().as_deref(), Some("it was deleted"));

    let homeless = take(cluster, "no-such-namespace", 1, 0).await.unwrap_err();
    let LockError::Cluster(ClusterError::NotFound { object }) = homeless else { panic!("{homeless:?}") };
    assert_eq!(object.to_string(), "Namespace no-such-namespace");
}
