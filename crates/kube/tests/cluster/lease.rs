//! Who gets the lock and when it is lost, on a cluster in memory and a clock that is paused.

use pilothouse_core::{Holder, ObjectRef};
use pilothouse_kube::{ClusterClient, LeaseConfig, LeaseLock, LockError, Precondition, Propagation};
use pilothouse_testkit::{Disturbance, FakeCluster};
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, advance, sleep};
use tokio_util::sync::CancellationToken;

const GET: &str = "get Lease ops/shop";
const CREATE: &str = "create Lease ops/shop";
const PATCH: &str = "patch Lease ops/shop";

fn somebody(number: u32) -> Holder {
    let run = serde_json::from_value(json!(format!("00000000-0000-0000-0000-{number:012}"))).unwrap();
    Holder { run, user: "ann".to_owned(), host: "desk".to_owned(), pid: number, process: None, ci_job: None }
}

fn config(number: u32) -> LeaseConfig {
    LeaseConfig::new("ops", "shop", somebody(number))
}

fn cluster() -> Arc<FakeCluster> {
    Arc::new(FakeCluster::default())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One who knows nothing of processes takes the lock.
async fn take(cluster: &Arc<FakeCluster>, number: u32, timeout: u64) -> Result<LeaseLock, LockError> {
    let cluster = Arc::clone(cluster) as Arc<dyn ClusterClient>;
    LeaseLock::acquire(cluster, config(number), seconds(timeout), &CancellationToken::new(), |_| None, |_| {}).await
}

fn lease(cluster: &FakeCluster) -> Value {
    cluster.object("Lease", Some("ops"), "shop").unwrap()
}

/// `spec.holderIdentity`, and empty when there is none.
fn held_by(cluster: &FakeCluster) -> String {
    lease(cluster)["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

fn lease_ref() -> ObjectRef {
    pilothouse_core::object_ref(&json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "shop", "namespace": "ops"},
    }))
    .unwrap()
}

/// Somebody changes the lease in between two of our calls.
fn change(cluster: &FakeCluster, change: impl Fn(&mut Value)) {
    let mut lease = lease(cluster);
    change(&mut lease);
    cluster.put(lease);
}

fn calls(cluster: &FakeCluster) -> usize {
    cluster.failures.calls().len()
}

fn is_held_by(result: Result<LeaseLock, LockError>, number: u32) -> Duration {
    match result {
        Err(LockError::Held { holder: Some(holder), waited }) if holder == somebody(number) => waited,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_free_is_taken_at_once_and_released_for_the_next() {
    let cluster = cluster();
    let first = take(&cluster, 1, 0).await.unwrap();
    assert!(first.is_valid());
    assert_eq!((first.waited(), first.taken_over(), first.why_lost()), (Duration::ZERO, None, None));
    first.release().await;
    assert_eq!(held_by(&cluster), "");

    let second = take(&cluster, 2, 0).await.unwrap();
    assert_eq!(second.taken_over(), None);
    assert_eq!(held_by(&cluster), somebody(2).to_string());
    assert_eq!(lease(&cluster)["spec"]["leaseTransitions"], 1);
    assert_eq!(cluster.failures.calls(), [GET, CREATE, PATCH, GET, PATCH]);
}

/// What was not there is created; where somebody was faster it is theirs.
#[tokio::test(start_paused = true)]
async fn what_was_not_there_needs_no_other_look() {
    let cluster = cluster();
    let port = Arc::clone(&cluster) as Arc<dyn ClusterClient>;
    assert!(config(1).is_absent(port.as_ref()).await.unwrap());
    let take = async |number| {
        let config = LeaseConfig { absent: true, ..config(number) };
        let never = CancellationToken::new();
        LeaseLock::acquire(port.clone(), config, Duration::ZERO, &never, |_| None, |_| {}).await
    };
    let first = take(1).await.unwrap();
    assert_eq!(cluster.failures.calls(), [GET, CREATE]);
    is_held_by(take(2).await, 1);
    assert!(first.is_valid());
    assert_eq!(held_by(&cluster), somebody(1).to_string());
    assert_eq!(cluster.failures.calls(), [GET, CREATE, CREATE, GET]);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_waited_for() {
    let cluster = cluster();
    let first = take(&cluster, 1, 0).await.unwrap();
    tokio::spawn(async move {
        sleep(seconds(40)).await;
        assert!(first.is_valid());
        first.release().await;
    });
    let told = Mutex::new(Vec::new());
    let second = LeaseLock::acquire(
        Arc::clone(&cluster) as Arc<dyn ClusterClient>,
        config(2),
        seconds(60),
        &CancellationToken::new(),
        |_| Some(false),
        |holder| told.lock().unwrap().push(holder.cloned()),
    )
    .await
    .unwrap();
    assert!((40..=41).contains(&second.waited().as_secs()), "{:?}", second.waited());
    assert_eq!(second.taken_over(), None);
    assert_eq!(told.into_inner().unwrap(), [Some(somebody(1))], "once is enough");
}

#[tokio::test(start_paused = true)]
async fn the_wait_has_an_end() {
    let cluster = cluster();
    let first = take(&cluster, 1, 0).await.unwrap();
    assert_eq!(is_held_by(take(&cluster, 2, 30).await, 1), seconds(30));
    let before = calls(&cluster);
    let told = Mutex::new(0);
    let impatient = LeaseLock::acquire(
        Arc::clone(&cluster) as Arc<dyn ClusterClient>,
        config(2),
        Duration::ZERO,
        &CancellationToken::new(),
        |_| None,
        |_| *told.lock().unwrap() += 1,
    )
    .await;
    assert_eq!(is_held_by(impatient, 1), Duration::ZERO);
    assert_eq!((calls(&cluster) - before, *told.lock().unwrap()), (1, 0));
    assert!(first.is_valid());
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_stopped_is_watched_for_the_whole_duration() {
    let cluster = cluster();
    drop(take(&cluster, 1, 0).await.unwrap());
    // Its own times are of no use to anybody: its clock may be wrong.
    change(&cluster, |lease| lease["spec"]["renewTime"] = json!("1999-01-01T00:00:00.000000Z"));
    sleep(seconds(100)).await;

    assert_eq!(is_held_by(take(&cluster, 2, 16).await, 1), seconds(16), "nobody has seen it for long enough");
    let second = take(&cluster, 2, 30).await.unwrap();
    assert_eq!(second.waited(), seconds(17));
    let why = "ann@desk (process 1, run 00000001) has not renewed the lock for 17 s";
    assert_eq!(second.taken_over(), Some(why));
    assert!(second.is_valid());
}

#[tokio::test(start_paused = true)]
async fn every_sign_of_life_starts_the_watch_again() {
    let cluster = cluster();
    drop(take(&cluster, 1, 0).await.unwrap());
    let other = Arc::clone(&cluster);
    tokio::spawn(async move {
        for _ in 0..3 {
            sleep(seconds(16)).await;
            change(&other, |_| {});
        }
    });
    let second = take(&cluster, 2, 120).await.unwrap();
    // The last one was seen a second late at most, and so is its end.
    let waited = second.waited().as_secs();
    assert!((3 * 16 + 17..=3 * 16 + 19).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_proven_gone_is_not_waited_for() {
    let cluster = cluster();
    drop(take(&cluster, 1, 0).await.unwrap());
    let gone = |holder: &Holder| (holder == &somebody(1)).then_some(true);
    let take = |number| {
        let cluster = Arc::clone(&cluster) as Arc<dyn ClusterClient>;
        let never = CancellationToken::new();
        async move { LeaseLock::acquire(cluster, config(number), Duration::ZERO, &never, gone, |_| {}).await }
    };
    let second = take(2).await.unwrap();
    assert_eq!(second.taken_over(), Some("the process of ann@desk (process 1, run 00000001) has ended"));
    is_held_by(take(3).await, 2);
}

#[tokio::test(start_paused = true)]
async fn somebody_unknown_holds_it_too() {
    let cluster = cluster();
    drop(take(&cluster, 1, 0).await.unwrap());
    change(&cluster, |lease| lease["metadata"]["annotations"] = json!({}));
    let refused = LeaseLock::acquire(
        Arc::clone(&cluster) as Arc<dyn ClusterClient>,
        config(2),
        Duration::ZERO,
        &CancellationToken::new(),
        |_| Some(true),
        |_| {},
    )
    .await
    .unwrap_err();
    assert!(matches!(refused, LockError::Held { holder: None, .. }), "{refused:?}");
    assert_eq!(refused.to_string(), "the lock is held by somebody unknown");
}

#[tokio::test(start_paused = true)]
async fn who_loses_the_race_to_create_it_waits() {
    let cluster = cluster();
    let rival = self::cluster();
    drop(take(&rival, 1, 0).await.unwrap());
    let winner = lease(&rival);
    cluster.disturb_at(2, Disturbance::Before(Box::new(move |cluster| cluster.put(winner))));
    is_held_by(take(&cluster, 2, 0).await, 1);
    assert_eq!(cluster.failures.calls(), [GET, CREATE, GET]);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_comes_back_in_the_last_moment_keeps_it() {
    let cluster = cluster();
    drop(take(&cluster, 1, 0).await.unwrap());
    // It is looked at every second from 0 to 17, and then written.
    let written = calls(&cluster) + 19;
    cluster.disturb_at(written, Disturbance::Before(Box::new(|cluster| change(cluster, |_| {}))));
    assert_eq!(is_held_by(take(&cluster, 2, 20).await, 1), seconds(20));
    assert_eq!(cluster.failures.calls()[written - 1], PATCH);
    assert_eq!(held_by(&cluster), somebody(1).to_string());
}

#[tokio::test(start_paused = true)]
async fn races_without_end_end() {
    let cluster = cluster();
    take(&cluster, 1, 0).await.unwrap().release().await;
    let before = calls(&cluster);
    for nth in 0..20 {
        cluster.disturb_at(before + nth, Disturbance::Before(Box::new(|cluster| change(cluster, |_| {}))));
    }
    let refused = take(&cluster, 2, 0).await.unwrap_err();
    assert!(matches!(refused, LockError::Held { holder: None, .. }), "{refused:?}");
    assert_eq!(calls(&cluster) - before, 2 * 4);
}

#[tokio::test(start_paused = true)]
async fn errors_are_borne_while_there_is_time() {
    let cluster = cluster();
    for nth in [1, 2, 4] {
        cluster.failures.fail_at(nth);
    }
    let lock = take(&cluster, 1, 10).await.unwrap();
    assert_eq!(cluster.failures.calls(), [GET, GET, GET, CREATE, GET, CREATE]);
    assert_eq!(lock.waited(), seconds(3));

    let cluster = self::cluster();
    for nth in 1..20 {
        cluster.failures.fail_at(nth);
    }
    let refused = take(&cluster, 1, 10).await.unwrap_err();
    assert!(matches!(refused, LockError::Cluster(_)), "{refused:?}");
    assert_eq!(calls(&cluster), 11);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_for() {
    let cluster = cluster();
    cluster.disturb_at(2, Disturbance::LoseAnswer);
    let lock = take(&cluster, 1, 10).await.unwrap();
    assert_eq!(cluster.failures.calls(), [GET, CREATE, GET, PATCH]);
    assert_eq!(lock.waited(), seconds(1));

    let cluster = self::cluster();
    cluster.disturb_at(2, Disturbance::LoseAnswer);
    let refused = take(&cluster, 1, 0).await.unwrap_err();
    assert!(matches!(refused, LockError::Cluster(_)), "{refused:?}");
    assert_eq!(held_by(&cluster), "", "what was not wanted any more was given back");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_wait_ends_at_once() {
    let cluster = cluster();
    let _first = take(&cluster, 1, 0).await.unwrap();
    let cancel = CancellationToken::new();
    let after = cancel.clone();
    tokio::spawn(async move {
        sleep(Duration::from_millis(2_500)).await;
        after.cancel();
    });
    let begun = Instant::now();
    let port = Arc::clone(&cluster) as Arc<dyn ClusterClient>;
    let refused = LeaseLock::acquire(port, config(2), seconds(60), &cancel, |_| None, |_| {}).await.unwrap_err();
    assert!(matches!(refused, LockError::Interrupted), "{refused:?}");
    assert_eq!(begun.elapsed(), Duration::from_millis(2_500));
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_while_being_cancelled_is_given_back() {
    for disturbance in [None, Some(Disturbance::LoseAnswer)] {
        let cluster = cluster();
        let cancel = CancellationToken::new();
        let cancelled = cancel.clone();
        cluster.disturb_at(1, Disturbance::Before(Box::new(move |_| cancelled.cancel())));
        if let Some(disturbance) = disturbance {
            cluster.disturb_at(2, disturbance);
        }
        let port = Arc::clone(&cluster) as Arc<dyn ClusterClient>;
        let refused = LeaseLock::acquire(port, config(1), seconds(60), &cancel, |_| None, |_| {}).await.unwrap_err();
        assert!(matches!(refused, LockError::Interrupted), "{refused:?}");
        assert_eq!(held_by(&cluster), "");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_for_as_long_as_it_is_held() {
    let cluster = cluster();
    let lock = take(&cluster, 1, 0).await.unwrap();
    // One heartbeat fails, one is made and not answered, one is not answered at all, one finds a changed label.
    let first = calls(&cluster) + 1;
    cluster.failures.fail_at(first);
    cluster.disturb_at(first + 2, Disturbance::LoseAnswer);
    cluster.disturb_at(first + 6, Disturbance::Hang);
    let labelled = |cluster: &FakeCluster| change(cluster, |lease| lease["metadata"]["labels"]["team"] = json!("x"));
    cluster.disturb_at(first + 9, Disturbance::Before(Box::new(labelled)));
    for _ in 0..600 {
        sleep(Duration::from_millis(100)).await;
        assert!(lock.is_valid(), "{:?}", lock.why_lost());
    }
    assert!(!lock.lost().is_cancelled());
    assert_eq!(
        cluster.failures.calls()[2..14],
        [PATCH, PATCH, PATCH, PATCH, GET, PATCH, PATCH, PATCH, PATCH, PATCH, GET, PATCH]
    );
    lock.release().await;
    assert_eq!(held_by(&cluster), "");
}

/// How long after it was taken a lock is lost whose renewals all go wrong, and what is said.
#[rstest]
#[case::refused(
    |cluster: &FakeCluster, nth| cluster.failures.fail_at(nth),
    "it was not renewed for 13 s: the Kubernetes API answered 500 to patch Lease ops/shop: made to fail"
)]
#[case::unanswered(
    |cluster: &FakeCluster, nth| cluster.disturb_at(nth, Disturbance::Hang),
    "it was not renewed for 13 s: the Kubernetes API did not answer within 3.25 s (write Lease ops/shop)"
)]
#[tokio::test(start_paused = true)]
async fn what_cannot_be_renewed_is_lost_before_anybody_else_can_have_it(
    #[case] disturb: fn(&FakeCluster, usize),
    #[case] why: &str,
) {
    let cluster = cluster();
    let lock = take(&cluster, 1, 0).await.unwrap();
    for nth in 3..100 {
        disturb(&cluster, nth);
    }
    let begun = Instant::now();
    sleep(Duration::from_millis(12_990)).await;
    assert!(lock.is_valid());
    lock.lost().cancelled().await;
    // Timers have a resolution of a millisecond.
    assert!((13_000..=13_002).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert!(!lock.is_valid());
    assert_eq!(lock.why_lost().as_deref(), Some(why));
}

#[rstest]
#[case::taken(
    |cluster: &FakeCluster| change(cluster, |lease| lease["spec"]["holderIdentity"] = json!("kubectl")),
    "kubectl has taken it"
)]
#[case::released(
    |cluster: &FakeCluster| change(cluster, |lease| lease["spec"]["holderIdentity"] = json!("")),
    "somebody else has released it"
)]
#[case::deleted(|cluster: &FakeCluster| { cluster.remove("Lease", Some("ops"), "shop"); }, "it was deleted")]
#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_changed_is_lost_at_the_next_heartbeat(
    #[case] happens: fn(&FakeCluster),
    #[case] why: &str,
) {
    let cluster = cluster();
    let lock = take(&cluster, 1, 0).await.unwrap();
    sleep(seconds(7)).await;
    happens(&cluster);
    let changed = cluster.object("Lease", Some("ops"), "shop");
    let begun = Instant::now();
    lock.lost().cancelled().await;
    assert!(begun.elapsed() <= seconds(5), "{:?}", begun.elapsed());
    assert_eq!((lock.is_valid(), lock.why_lost().as_deref()), (false, Some(why)));
    lock.release().await;
    assert_eq!(cluster.object("Lease", Some("ops"), "shop"), changed, "what is somebody else's is left alone");
}

#[tokio::test(start_paused = true)]
async fn who_was_stopped_for_too_long_does_nothing_more() {
    let cluster = cluster();
    let lock = take(&cluster, 1, 0).await.unwrap();
    sleep(seconds(7)).await;
    let before = calls(&cluster);
    // Nobody has taken it meanwhile; but somebody might have.
    advance(seconds(60)).await;
    assert!(!lock.is_valid());
    sleep(seconds(60)).await;
    assert_eq!(calls(&cluster), before, "nothing was renewed any more");
    assert_eq!(lock.why_lost().as_deref(), Some("it was not renewed for 62 s"));

    // It notices also when nobody asks.
    let lock = take(&cluster, 2, 60).await.unwrap();
    let before = calls(&cluster);
    advance(seconds(60)).await;
    lock.lost().cancelled().await;
    assert_eq!(calls(&cluster), before);
}

/// Whatever single request goes wrong, in whatever way: the lock is got, kept and given back.
#[tokio::test(start_paused = true)]
async fn any_single_disturbance_is_survived() {
    fn touch(cluster: &FakeCluster) {
        if let Some(lease) = cluster.object("Lease", Some("ops"), "shop") {
            cluster.put(lease);
        }
    }
    let disturbances: [fn(&FakeCluster, usize); 3] = [
        |cluster, nth| cluster.failures.fail_at(nth),
        |cluster, nth| cluster.disturb_at(nth, Disturbance::LoseAnswer),
        |cluster, nth| cluster.disturb_at(nth, Disturbance::Before(Box::new(touch))),
    ];
    for disturb in disturbances {
        for nth in 1..=7 {
            let cluster = cluster();
            disturb(&cluster, nth);
            let lock = take(&cluster, 1, 10).await.unwrap();
            sleep(seconds(21)).await;
            assert!(lock.is_valid(), "{nth}: {:?}", lock.why_lost());
            assert_eq!(held_by(&cluster), somebody(1).to_string());
            lock.release().await;
            assert_eq!(held_by(&cluster), "", "{nth}");
            assert!(calls(&cluster) >= nth, "call {nth} was never made");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_fake_keeps_preconditions() {
    let cluster = cluster();
    let lock = take(&cluster, 1, 0).await.unwrap();
    let old = Precondition::unchanged(&lease(&cluster));
    lock.release().await;
    let target = lease_ref();
    assert!(cluster.merge_patch(&target, &json!({}), &old).await.is_err());
    assert!(cluster.delete(&target, &old, Propagation::Background).await.is_err());
    let new = Precondition::unchanged(&lease(&cluster));
    assert_eq!(new.uid, old.uid);
    assert!(cluster.delete(&target, &new, Propagation::Background).await.unwrap());
}

/// Everything here can be used from any thread.
#[test]
fn futures_can_move_between_threads() {
    fn assert_send<T: Send>(_: T) {}
    let cluster = cluster() as Arc<dyn ClusterClient>;
    let cancel = CancellationToken::new();
    assert_send(LeaseLock::acquire(cluster, config(1), Duration::ZERO, &cancel, |_| None, |_| {}));
}
