//! When a wait ends, on a cluster that is a script and a clock that is paused. Nothing may be watched there: objects are read
//! again and again. For watches see `tracking`.

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use pilothouse_core::{ObjectRef, Readiness};
use pilothouse_health::Rules;
use pilothouse_kube::{
    ApplyOptions, Beforehand, Change, ClusterClient, ClusterError, Detail, Discovery, Ended, Gathering, Leaving,
    ListQuery, LogQuery, MadeAgain, NotReady, PlannedAdoption, Precondition, Progress, Propagation, ServerVersion,
    Tracker, adoption_conflicts, ownership_conflicts, ownerships, restart, statuses, wait_deleted, wait_ready,
    wait_ready_from,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What the next read of an object finds; the last of its states stays.
#[derive(Clone, Copy)]
enum State {
    Ready,
    Starting,
    Missing,
    Unserved,
    Busy,
    Forbidden,
    FailedJob,
    CompleteJob,
    Before,
    Anew,
    Deployed,
}

#[derive(Default)]
struct Script {
    states: Mutex<HashMap<String, Vec<State>>>,
    reads: Mutex<Vec<String>>,
}

impl Script {
    fn new(states: &[(&str, &[State])]) -> Arc<Self> {
        let states = states.iter().map(|(name, states)| ((*name).to_owned(), states.to_vec())).collect();
        Arc::new(Self { states: Mutex::new(states), ..Self::default() })
    }

    fn next(&self, name: &str) -> State {
        let mut states = self.states.lock().unwrap();
        let left = states.get_mut(name).unwrap();
        if left.len() > 1 { left.remove(0) } else { left[0] }
    }
}

fn pod(name: &str, ready: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "web"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
    })
}

fn job(name: &str, ended: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "web"},
        "status": {"conditions": [{"type": ended, "status": "True", "message": "gave up"}]},
    })
}

/// One that is ready by its own status, and has no probe to vouch for it.
fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "web", "generation": 1},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {"spec": {"containers": [{"name": "a"}]}}},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            "conditions": [{"type": "Available", "status": "True"}]},
    })
}

fn with_uid(mut pod: Value, uid: &str) -> Value {
    pod["metadata"]["uid"] = json!(uid);
    pod["metadata"]["managedFields"] = json!([{"manager": "kubelet", "time": "2026-11-30T10:00:01Z"}, {"manager": "maker", "time": "2026-11-30T10:00:00Z"}]);
    pod
}

#[async_trait]
impl ClusterClient for Script {
    async fn version(&self) -> Result<ServerVersion, ClusterError> {
        unreachable!("a wait does not ask for it")
    }

    async fn discovery(&self, _: bool) -> Result<Arc<Discovery>, ClusterError> {
        unreachable!("a wait does not ask for it")
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        self.reads.lock().unwrap().push(object.name.clone());
        let name = object.name.as_str();
        match self.next(name) {
            State::Ready => Ok(Some(pod(name, "True"))),
            State::Starting => Ok(Some(pod(name, "False"))),
            State::Missing => Ok(None),
            State::Before => Ok(Some(with_uid(pod(name, "True"), "1"))),
            State::Anew => Ok(Some(with_uid(pod(name, "False"), "2"))),
            State::Unserved => Err(ClusterError::NotServed { kind: "Pod".to_owned(), group: None }),
            State::Busy => Err(ClusterError::Api { status: 503, what: "get".to_owned(), message: "busy".to_owned() }),
            State::Forbidden => Err(ClusterError::Forbidden {
                verb: "get".to_owned(),
                what: object.to_string(),
                message: "no".to_owned(),
            }),
            State::FailedJob => Ok(Some(job(name, "Failed"))),
            State::CompleteJob => Ok(Some(job(name, "Complete"))),
            State::Deployed => Ok(Some(deployment(name))),
        }
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Value>, ClusterError> {
        self.reads.lock().unwrap().push(format!("all {} in {}", query.kind, query.namespace.as_deref().unwrap()));
        let names: Vec<String> = self.states.lock().unwrap().keys().cloned().collect();
        let ready = |name: String| match self.next(&name) {
            State::Ready => pod(&name, "True"),
            _ => pod(&name, "False"),
        };
        Ok(names.into_iter().map(ready).collect())
    }

    async fn list_metadata(&self, _: &ListQuery) -> Result<Vec<Value>, ClusterError> {
        unreachable!("a wait for readiness needs the status")
    }

    fn watch(&self, query: &ListQuery, _: Detail) -> BoxStream<'static, Result<Change, ClusterError>> {
        let what = query.kind.clone();
        let no = ClusterError::Forbidden { verb: "watch".to_owned(), what, message: "no".to_owned() };
        futures::stream::iter([Err(no)]).boxed()
    }

    async fn apply(&self, _: &Value, _: &ApplyOptions) -> Result<Value, ClusterError> {
        unreachable!("a wait changes nothing")
    }

    async fn create(&self, _: &Value) -> Result<Value, ClusterError> {
        unreachable!("a wait changes nothing")
    }

    async fn merge_patch(&self, _: &ObjectRef, _: &Value, _: &Precondition) -> Result<Value, ClusterError> {
        unreachable!("a wait changes nothing")
    }

    async fn merge_patch_status(&self, _: &ObjectRef, _: &Value) -> Result<Value, ClusterError> {
        unreachable!("a wait changes nothing")
    }

    async fn delete(&self, _: &ObjectRef, _: &Precondition, _: Propagation) -> Result<bool, ClusterError> {
        unreachable!("a wait changes nothing")
    }

    async fn create_namespace(&self, _: &str) -> Result<bool, ClusterError> {
        unreachable!("a wait changes nothing")
    }

    async fn pod_log_tail(&self, _: &LogQuery) -> Result<String, ClusterError> {
        unreachable!("a wait reads no logs")
    }
}

fn object(name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: "Pod".to_owned(),
        namespace: Some("web".to_owned()),
        name: name.to_owned(),
    }
}

async fn wait(script: &Arc<Script>, names: &[&str]) -> (Result<(), NotReady>, Vec<usize>) {
    let objects: Vec<ObjectRef> = names.iter().map(|name| object(name)).collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut done = Vec::new();
    let tell = |progress: &Progress| done.push(progress.done());
    let tracker = Tracker::new(script.clone(), Rules::default());
    let ended = wait_ready(&tracker, &objects, deadline, &CancellationToken::new(), tell).await;
    (ended, done)
}

#[tokio::test(start_paused = true)]
async fn only_what_is_not_ready_is_read_again_and_all_once_more_at_the_end() {
    let script = Script::new(&[("a", &[State::Ready]), ("b", &[State::Starting, State::Missing, State::Ready])]);
    let (ended, done) = wait(&script, &["a", "b"]).await;
    ended.unwrap();
    assert_eq!(done, [1, 1, 2]);
    let mut reads = script.reads.lock().unwrap().clone();
    reads[0..2].sort();
    reads[4..6].sort();
    assert_eq!(reads, ["a", "b", "b", "b", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_fell_back_is_not_ready() {
    let script = Script::new(&[("a", &[State::Ready, State::Starting]), ("b", &[State::Starting, State::Ready])]);
    let (ended, _) = wait(&script, &["a", "b"]).await;
    assert_eq!(ended.unwrap_err().to_string(), "the time is up: Pod web/a is in progress: Ready is False");
}

#[tokio::test(start_paused = true)]
async fn failed_reads_are_borne_and_told_at_the_end() {
    let script = Script::new(&[("a", &[State::Busy, State::Busy, State::Unserved, State::Ready])]);
    wait(&script, &["a"]).await.0.unwrap();

    let started = Instant::now();
    let script = Script::new(&[("a", &[State::Ready, State::Busy]), ("b", &[State::Starting, State::Ready])]);
    let ended = wait(&script, &["a", "b"]).await.0.unwrap_err();
    assert_eq!(started.elapsed().as_secs(), 20);
    assert_eq!(
        ended.to_string(),
        "the time is up: Pod web/a is unknown: it cannot be read: the Kubernetes API answered 503 to get: busy"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_certain_ends_the_wait_at_once() {
    let started = Instant::now();
    let script = Script::new(&[("a", &[State::Starting, State::FailedJob]), ("b", &[State::Starting])]);
    let ended = wait(&script, &["a", "b"]).await.0.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(
        ended.to_string(),
        "waiting longer is of no use: Pod web/a is failed: gave up; Pod web/b is in progress: Ready is False"
    );

    let script = Script::new(&[("a", &[State::Forbidden])]);
    let ended = wait(&script, &["a"]).await.0.unwrap_err();
    assert_eq!((ended.ended, ended.objects[0].1.readiness), (Ended::Failed, Readiness::Unknown));
}

/// Kubernetes deletes a Job with a TTL once it is done, and people clear away those that are complete.
#[tokio::test(start_paused = true)]
async fn a_job_that_is_done_may_be_gone() {
    let starting = [State::Starting, State::Starting, State::Starting, State::Ready];
    let ended = async |job: &[State], has_ttl: bool| {
        let script = Script::new(&[("a", &starting), ("job", job)]);
        let job = ObjectRef { api_version: Some("batch/v1".to_owned()), kind: "Job".to_owned(), ..object("job") };
        let ttl_jobs = if has_ttl { vec![job.clone()] } else { Vec::new() };
        let before = Beforehand { ttl_jobs, ..Beforehand::default() };
        let tracker = Tracker::new(script.clone(), Rules::default());
        let deadline = Instant::now() + Duration::from_secs(20);
        wait_ready_from(&tracker, &[object("a"), job], before, deadline, &CancellationToken::new(), |_| {}).await
    };
    let unseen = ["Job web/job".to_owned()];
    let names = |jobs: Vec<ObjectRef>| jobs.iter().map(ToString::to_string).collect::<Vec<_>>();
    for has_ttl in [false, true] {
        assert_eq!(names(ended(&[State::CompleteJob, State::Missing], has_ttl).await.unwrap()), [""; 0]);
    }
    assert_eq!(names(ended(&[State::Missing], true).await.unwrap()), unseen);
    assert_eq!(names(ended(&[State::Starting, State::Missing], true).await.unwrap()), unseen);
    ended(&[State::Missing], false).await.unwrap_err();
    ended(&[State::FailedJob, State::Missing], true).await.unwrap_err();
}

/// A kind of another group is no Job of Kubernetes.
#[tokio::test(start_paused = true)]
async fn what_is_called_a_job_elsewhere_is_missed() {
    let script = Script::new(&[
        ("a", &[State::Starting, State::Starting, State::Ready]),
        ("job", &[State::CompleteJob, State::Missing]),
    ]);
    let api_version = Some("batch.volcano.sh/v1alpha1".to_owned());
    let job = ObjectRef { api_version, kind: "Job".to_owned(), ..object("job") };
    let tracker = Tracker::new(script.clone(), Rules::default());
    let deadline = Instant::now() + Duration::from_secs(20);
    wait_ready(&tracker, &[object("a"), job], deadline, &CancellationToken::new(), |_| {}).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn many_objects_of_a_kind_are_one_request() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let states: Vec<(&str, &[State])> = names.iter().map(|name| (*name, [State::Ready].as_slice())).collect();
    let script = Script::new(&states);
    wait(&script, &names).await.0.unwrap();
    assert_eq!(*script.reads.lock().unwrap(), ["all Pod in web"]);
}

#[tokio::test(start_paused = true)]
async fn the_interval_grows() {
    let script = Script::new(&[("a", &[State::Starting])]);
    wait(&script, &["a"]).await.0.unwrap_err();
    let reads = script.reads.lock().unwrap().len();
    // Every 50 ms would be 400, every second 20.
    assert!((20..32).contains(&reads), "{reads}");
}

#[tokio::test(start_paused = true)]
async fn gone_is_what_cannot_exist() {
    let script = Script::new(&[("a", &[State::Ready, State::Missing]), ("b", &[State::Busy, State::Unserved])]);
    let deadline = Instant::now() + Duration::from_secs(20);
    let objects = [object("a"), object("b")].map(Leaving::named);
    wait_deleted(script.as_ref(), &objects, deadline, &CancellationToken::new(), |_| {}).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_object_that_was_made_again_is_another_one() {
    let script = Script::new(&[("a", &[State::Before, State::Anew]), ("b", &[State::Before, State::Missing])]);
    let wait = async |uid: Option<&str>| {
        let leaving = ["a", "b"].map(|name| Leaving { object: object(name), uid: uid.map(str::to_owned) });
        let deadline = Instant::now() + Duration::from_secs(20);
        wait_deleted(script.as_ref(), &leaving, deadline, &CancellationToken::new(), |_| {}).await
    };
    let again = MadeAgain { object: object("a"), by: Some("maker".to_owned()) };
    assert_eq!(wait(Some("1")).await.unwrap(), [again]);
    // Where nobody knows which one is meant, it is the one that has the name.
    assert_eq!(wait(None).await.unwrap_err().ended, Ended::Deadline);
}

#[tokio::test(start_paused = true)]
async fn how_objects_stand_right_now() {
    let script = Script::new(&[("a", &[State::Busy]), ("b", &[State::Missing]), ("c", &[State::Ready])]);
    let told = statuses(script.as_ref(), &Rules::default(), &[object("a"), object("b"), object("c")]).await;
    let told: Vec<(&str, Readiness)> = told.iter().map(|(of, status)| (of.name.as_str(), status.readiness)).collect();
    assert_eq!(told, [("a", Readiness::Unknown), ("b", Readiness::NotFound), ("c", Readiness::Current)]);
}

/// Whether several workloads of a namespace have settled is told by one list of its pods.
#[tokio::test(start_paused = true)]
async fn pods_of_several_workloads_are_listed_at_once() {
    let script = Script::new(&[("a", &[State::Deployed]), ("b", &[State::Deployed])]);
    let of = |name: &str| ObjectRef {
        api_version: Some("apps/v1".to_owned()),
        kind: "Deployment".to_owned(),
        ..object(name)
    };
    let told = statuses(script.as_ref(), &Rules::default(), &[of("a"), of("b")]).await;
    assert!(told.iter().all(|(_, status)| status.is_ready()), "{told:?}");
    let reads = script.reads.lock().unwrap().clone();
    assert_eq!(reads.iter().filter(|read| *read == "all Pod in web").count(), 1, "{reads:?}");
}

/// The engine runs these on a runtime with several threads.
#[test]
fn futures_can_move_between_threads() {
    fn send<T: Send>(_: &T) {}
    let script: &dyn ClusterClient = &Script::default();
    let release = pilothouse_core::ReleaseKey::new("a", "b");
    let token = CancellationToken::new();
    send(&PlannedAdoption::of(script, &[], &release));
    send(&ownerships(script, &[], &release));
    send(&adoption_conflicts(script, &[], &release));
    send(&ownership_conflicts(script, &[], &release));
    let gathering = Gathering::default();
    send(&gathering.evidence(script, Vec::new(), Instant::now()));
    send(&restart(script, &[], "a", jiff::Timestamp::UNIX_EPOCH));
    let tracker = Tracker::new(Arc::new(Script::default()), Rules::default());
    send(&async { wait_ready(&tracker, &[], Instant::now(), &token, |_| {}).await });
    send(&async { tracker.follow(Vec::new()).changed().await });
    send(&pilothouse_kube::Cluster::connect(pilothouse_kube::ConnectOptions::in_cluster()));
}
