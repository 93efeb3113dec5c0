//! Following objects by watches, on a cluster in memory and a clock that is paused.

use jiff::Timestamp;
use pilothouse_core::{ObjectRef, Readiness};
use pilothouse_health::Rules;
use pilothouse_kube::{ClusterError, Ended, Following, NotReady, Tracker, wait_ready};
use pilothouse_testkit::FakeCluster;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

fn named(api_version: &str, kind: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some(api_version.to_owned()),
        kind: kind.to_owned(),
        namespace: Some("web".to_owned()),
        name: name.to_owned(),
    }
}

fn deployment_named(name: &str) -> ObjectRef {
    named("apps/v1", "Deployment", name)
}

/// A Deployment of one replica.
fn deployment(name: &str, generation: u32, observed: u32, ready: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "web", "generation": generation},
        "spec": {"replicas": 1},
        "status": {
            "observedGeneration": observed, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready,
            "availableReplicas": ready,
        },
    })
}

fn starting(name: &str) -> Value {
    deployment(name, 1, 1, 0)
}

fn ready(name: &str) -> Value {
    deployment(name, 1, 1, 1)
}

fn pod(name: &str, owner: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "web", "ownerReferences": [{"uid": owner["metadata"]["uid"]}]},
    })
}

fn cut() -> ClusterError {
    ClusterError::Unreachable { source: "connection reset".into() }
}

fn forbidden() -> ClusterError {
    ClusterError::Forbidden {
        verb: "watch".to_owned(),
        what: "deployments in namespace web".to_owned(),
        message: "no".to_owned(),
    }
}

fn not_served() -> ClusterError {
    ClusterError::NotServed { kind: "Widget".to_owned(), group: Some("example.com/v1".to_owned()) }
}

struct World {
    cluster: Arc<FakeCluster>,
    tracker: Tracker,
}

impl World {
    fn new() -> Self {
        let cluster = Arc::new(FakeCluster::default());
        let tracker = Tracker::new(cluster.clone(), Rules::default());
        Self { cluster, tracker }
    }

    /// Waits for Deployments, at most a minute.
    async fn wait(&self, names: &[&str]) -> Result<(), NotReady> {
        let objects: Vec<ObjectRef> = names.iter().map(|name| deployment_named(name)).collect();
        self.wait_for(&objects).await
    }

    async fn wait_for(&self, objects: &[ObjectRef]) -> Result<(), NotReady> {
        let deadline = Instant::now() + Duration::from_secs(60);
        wait_ready(&self.tracker, objects, deadline, &CancellationToken::new(), |_| {}).await
    }

    /// As often as a call was made.
    fn calls(&self, begin: &str) -> usize {
        self.cluster.failures.calls().iter().filter(|call| call.starts_with(begin)).count()
    }

    /// Does something while something else goes on.
    async fn meanwhile<T>(&self, going_on: impl Future<Output = T>, after: u64, done: impl FnOnce(&FakeCluster)) -> T {
        let doing = async {
            sleep(Duration::from_millis(after)).await;
            done(&self.cluster);
        };
        tokio::join!(going_on, doing).0
    }
}

fn names(objects: &[Arc<Value>]) -> Vec<&str> {
    objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect()
}

fn readiness(following: &Following) -> Vec<Readiness> {
    following.snapshots(Timestamp::now()).iter().map(|snapshot| snapshot.status.readiness).collect()
}

/// Time for tasks to do what they can do without waiting.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_at_first_sight_is_not_watched() {
    let world = World::new();
    world.cluster.put(ready("a"));
    world.wait(&["a"]).await.unwrap();
    world.wait(&[]).await.unwrap();
    assert_eq!(world.cluster.failures.calls(), ["get Deployment web/a"]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_reads_at_its_ends_and_watches_between() {
    let world = World::new();
    world.cluster.put(starting("a"));
    world.cluster.put(ready("b"));
    let begun = Instant::now();
    world.meanwhile(world.wait(&["a", "b"]), 500, |cluster| cluster.put(ready("a"))).await.unwrap();
    assert_eq!(begun.elapsed().as_millis() / 10, 50, "at once, not at the next interval");
    let first = ["get Deployment web/a", "get Deployment web/b", "watch Deployment"];
    let expected = [&first[..], &["get Deployment web/a", "get Deployment web/b"]].concat();
    assert_eq!(world.cluster.failures.calls(), expected);
    settle().await;
    assert_eq!((world.tracker.watches(), world.cluster.open_watches("Deployment")), (0, 0));
}

/// A watch that is behind shows the generation before the one that helm has just written, which was ready.
#[tokio::test(start_paused = true)]
async fn an_old_generation_is_never_called_ready() {
    let world = World::new();
    world.cluster.put(ready("a"));
    let _other = world.tracker.follow(vec![deployment_named("a")]);
    settle().await;
    world.cluster.break_watches("Deployment", cut);
    world.cluster.put(deployment("a", 2, 1, 1));
    // It tells that it works again, and what was written meanwhile comes late.
    let waiting = world.wait(&["a"]);
    let ended =
        world.meanwhile(waiting, 100, |cluster| cluster.mend_watches_without_news("Deployment")).await.unwrap_err();
    assert_eq!(
        ended.to_string(),
        "the time is up: Deployment web/a is in progress: its controller has not seen this version yet"
    );
    // Once a second, and not as fast as possible.
    let reads = world.calls("get");
    assert!((55..75).contains(&reads), "{reads}");
}

#[tokio::test(start_paused = true)]
async fn an_old_failure_does_not_end_a_wait() {
    let world = World::new();
    let job = |message: &str, kind: &str| {
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a", "namespace": "web"},
            "status": {"conditions": [{"type": kind, "status": "True", "message": message}]},
        })
    };
    world.cluster.put(job("gave up", "Failed"));
    let objects = [named("batch/v1", "Job", "a")];
    let _other = world.tracker.follow(objects.to_vec());
    settle().await;
    world.cluster.break_watches("Job", cut);
    world.cluster.put(job("", "Suspended"));
    world.cluster.mend_watches_without_news("Job");
    let ended = world.meanwhile(world.wait_for(&objects), 5000, |cluster| cluster.put(job("", "Complete"))).await;
    ended.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_certain_ends_a_wait_at_once() {
    let world = World::new();
    let job = |conditions: Value| {
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a", "namespace": "web"},
            "status": {"conditions": conditions},
        })
    };
    world.cluster.put(job(json!([])));
    let begun = Instant::now();
    let failed = job(json!([{"type": "Failed", "status": "True", "message": "gave up"}]));
    let objects = [named("batch/v1", "Job", "a")];
    let ended = world.meanwhile(world.wait_for(&objects), 700, |cluster| cluster.put(failed)).await.unwrap_err();
    assert_eq!((ended.ended, begun.elapsed().as_millis() / 10), (Ended::Failed, 70));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_fell_back_is_not_ready() {
    let world = World::new();
    world.cluster.put(ready("a"));
    world.cluster.put(starting("b"));
    let ended = world
        .meanwhile(world.wait(&["a", "b"]), 500, |cluster| {
            cluster.put(starting("a"));
            cluster.put(ready("b"));
        })
        .await;
    let pending: Vec<String> = ended.unwrap_err().objects.iter().map(|(object, _)| object.to_string()).collect();
    assert_eq!(pending, ["Deployment web/a"]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_goes_and_comes_again_is_followed() {
    let world = World::new();
    let mut following = world.tracker.follow(vec![deployment_named("a")]);
    assert_eq!(readiness(&following), [Readiness::Unknown]);
    following.changed().await;
    assert_eq!(readiness(&following), [Readiness::NotFound]);
    world.cluster.put(ready("a"));
    following.changed().await;
    assert_eq!(readiness(&following), [Readiness::Current]);
    let first = following.snapshot(&deployment_named("a"), Timestamp::now()).unwrap().live.unwrap();
    world.cluster.remove("Deployment", Some("web"), "a");
    following.changed().await;
    assert_eq!(readiness(&following), [Readiness::NotFound]);
    world.cluster.put(starting("a"));
    following.changed().await;
    let second = following.snapshot(&deployment_named("a"), Timestamp::now()).unwrap();
    assert_eq!(second.status.readiness, Readiness::InProgress);
    assert_ne!(second.live.unwrap()["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(following.snapshot(&deployment_named("b"), Timestamp::now()), None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_interrupted_goes_on() {
    let world = World::new();
    world.cluster.put(starting("a"));
    // The second call is the beginning of the watch, which fails once.
    world.cluster.failures.fail_at(2);
    let waiting = world.wait(&["a"]);
    let happens = async {
        sleep(Duration::from_secs(5)).await;
        assert_eq!(world.calls("watch Deployment"), 2);
        world.cluster.break_watches("Deployment", cut);
        sleep(Duration::from_secs(5)).await;
        world.cluster.mend_watches("Deployment");
        let reads = world.calls("get");
        sleep(Duration::from_secs(5)).await;
        assert_eq!(world.calls("get"), reads, "a watch that works again is enough");
        world.cluster.put(ready("a"));
    };
    tokio::join!(waiting, happens).0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_a_watch_is_interrupted_objects_are_read() {
    let world = World::new();
    world.cluster.put(starting("a"));
    let begun = Instant::now();
    let happens = async {
        sleep(Duration::from_secs(5)).await;
        world.cluster.break_watches("Deployment", cut);
        world.cluster.put(ready("a"));
    };
    let (ended, ()) = tokio::join!(world.wait(&["a"]), happens);
    ended.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_watched_is_read_and_told_once() {
    let world = World::new();
    world.cluster.refuse_watches("Deployment", Some(forbidden));
    world.cluster.put(starting("a"));
    world.meanwhile(world.wait(&["a"]), 10_000, |cluster| cluster.put(ready("a"))).await.unwrap();
    let reads = world.calls("get");
    assert!((10..25).contains(&reads), "{reads}");
    let warning = "Deployment in namespace web cannot be watched and is read again and again: not allowed to watch \
        deployments in namespace web: no";
    assert_eq!((world.calls("watch Deployment"), world.tracker.warnings()), (1, vec![warning.to_owned()]));
    world.cluster.put(starting("a"));
    world.meanwhile(world.wait(&["a"]), 1000, |cluster| cluster.put(ready("a"))).await.unwrap();
    assert_eq!(world.tracker.warnings(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_served_yet_is_tried_again() {
    let world = World::new();
    world.cluster.refuse_watches("Widget", Some(not_served));
    let objects = [named("example.com/v1", "Widget", "a")];
    let happens = async {
        sleep(Duration::from_secs(20)).await;
        world.cluster.refuse_watches("Widget", None);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(world.cluster.open_watches("Widget"), 1);
        let widget = json!({
            "apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a", "namespace": "web"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        world.cluster.put(widget);
    };
    tokio::join!(world.wait_for(&objects), happens).0.unwrap();
    assert_eq!(world.tracker.warnings(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn many_followers_share_watches_that_end_with_the_last() {
    let world = World::new();
    let followings: Vec<Following> =
        (0..50).map(|index| world.tracker.follow_at_once(vec![deployment_named(&index.to_string())])).collect();
    sleep(Duration::from_secs(10)).await;
    let kinds = ["Deployment", "ReplicaSet", "Job", "Pod", "PersistentVolumeClaim", "Event"];
    let open = |world: &World| kinds.map(|kind| world.cluster.open_watches(kind));
    assert_eq!((open(&world), world.tracker.watches(), world.calls("watch")), ([1; 6], 6, 6));
    let mut followings = followings.into_iter();
    let last = followings.next();
    drop(followings);
    settle().await;
    assert_eq!(world.tracker.watches(), 6);
    drop(last);
    settle().await;
    assert_eq!((open(&world), world.tracker.watches()), ([0; 6], 0));
}

#[tokio::test(start_paused = true)]
async fn a_family_is_watched_after_a_second_and_where_there_are_workloads() {
    let world = World::new();
    let config = world.tracker.follow(vec![named("v1", "ConfigMap", "a")]);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.tracker.watches(), 1);
    let of_config = config.family(&named("v1", "ConfigMap", "a"));
    assert!(of_config.owned.is_empty() && !of_config.complete);
    drop(config);

    let following = world.tracker.follow(vec![deployment_named("a")]);
    sleep(Duration::from_millis(900)).await;
    assert_eq!(world.tracker.watches(), 1);
    assert!(!following.family(&deployment_named("a")).complete);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(world.tracker.watches(), 6);
    assert!(following.family(&deployment_named("a")).complete);
}

#[tokio::test(start_paused = true)]
async fn a_family_that_cannot_be_watched_is_said_to_be_incomplete() {
    let world = World::new();
    world.cluster.refuse_watches("Event", Some(forbidden));
    let following = world.tracker.follow_at_once(vec![deployment_named("a")]);
    sleep(Duration::from_secs(10)).await;
    let family = following.family(&deployment_named("a"));
    assert!(!family.complete);
    let line = "Event in namespace web cannot be watched: not allowed to watch deployments in namespace web: no";
    assert_eq!(family.unreadable, [line]);
}

/// What a later follower wants was not kept when it came.
#[tokio::test(start_paused = true)]
async fn a_later_follower_gets_its_family_too() {
    let world = World::new();
    for name in ["first", "later"] {
        world.cluster.put(starting(name));
        let owner = world.cluster.object("Deployment", Some("web"), name).unwrap();
        world.cluster.put(pod(&format!("{name}-pod"), &owner));
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("{name}-event"), "namespace": "web"},
            "involvedObject": {"uid": owner["metadata"]["uid"]},
        });
        world.cluster.put(event);
    }
    let first = world.tracker.follow_at_once(vec![deployment_named("first")]);
    sleep(Duration::from_secs(5)).await;
    let family = first.family(&deployment_named("first"));
    assert_eq!((names(&family.owned), names(&family.events)), (vec!["first-pod"], vec!["first-event"]));
    let later = world.tracker.follow_at_once(vec![deployment_named("later")]);
    timeout(Duration::from_secs(5), async {
        let mut later = later;
        while !later.snapshots(Timestamp::now())[0].known || later.family(&deployment_named("later")).events.is_empty()
        {
            later.changed().await;
        }
        let family = later.family(&deployment_named("later"));
        assert_eq!((names(&family.owned), names(&family.events)), (vec!["later-pod"], vec!["later-event"]));
    })
    .await
    .unwrap();
    assert_eq!(world.calls("watch"), 6);
}

fn storage_class(binding: &str) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local"},
        "volumeBindingMode": binding,
    })
}

fn claim(phase: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "web"},
        "spec": {"storageClassName": "local"}, "status": {"phase": phase},
    })
}

/// A pod that uses the claim.
fn user(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user", "namespace": namespace},
        "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]},
    })
}

/// Such a claim is bound when a pod uses it. Whoever waits for it longer than that waits for ever.
#[tokio::test(start_paused = true)]
async fn a_claim_that_waits_for_a_pod_is_ready_without_one() {
    let world = World::new();
    let objects = [named("v1", "PersistentVolumeClaim", "data")];
    world.cluster.put(claim("Pending"));
    world.cluster.put(storage_class("Immediate"));
    world.cluster.put(user("elsewhere"));
    let mut waiting = Box::pin(world.wait_for(&objects));
    assert!(timeout(Duration::from_secs(5), &mut waiting).await.is_err(), "its class binds it at once");
    world.cluster.put(storage_class("WaitForFirstConsumer"));
    timeout(Duration::from_secs(3), waiting).await.unwrap().unwrap();

    world.cluster.put(user("web"));
    let bound = |cluster: &FakeCluster| cluster.put(claim("Bound"));
    let begun = Instant::now();
    world.meanwhile(world.wait_for(&objects), 10_000, bound).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 10, "a pod uses it");
}

/// With the objects of its release: the pod that uses the claim comes later than both.
#[tokio::test(start_paused = true)]
async fn a_claim_whose_pod_comes_later_is_waited_for() {
    let world = World::new();
    let objects = [deployment_named("a"), named("v1", "PersistentVolumeClaim", "data")];
    world.cluster.put(starting("a"));
    world.cluster.put(claim("Pending"));
    world.cluster.put(storage_class("WaitForFirstConsumer"));
    let mut waiting = Box::pin(world.wait_for(&objects));
    assert!(timeout(Duration::from_secs(5), &mut waiting).await.is_err());
    world.cluster.put(user("web"));
    world.cluster.put(ready("a"));
    assert!(timeout(Duration::from_secs(5), &mut waiting).await.is_err(), "it is not bound");
    world.cluster.put(claim("Bound"));
    timeout(Duration::from_secs(3), waiting).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_stopped_leaves_nothing() {
    let world = World::new();
    world.cluster.put(starting("a"));
    let token = CancellationToken::new();
    let objects = [deployment_named("a")];
    let deadline = Instant::now() + Duration::from_secs(60);
    let waiting = wait_ready(&world.tracker, &objects, deadline, &token, |_| {});
    let stop = async {
        sleep(Duration::from_secs(3)).await;
        assert_eq!(world.tracker.watches(), 1);
        token.cancel();
    };
    let ended = tokio::join!(waiting, stop).0.unwrap_err();
    settle().await;
    assert_eq!(
        (ended.ended, world.tracker.watches(), world.cluster.open_watches("Deployment")),
        (Ended::Cancelled, 0, 0)
    );
}
