//! Causes that are told while something is waited for, and that end the wait when they are certain.

use async_trait::async_trait;
use pilothouse::helm::HelmDriver;
use pilothouse::kubernetes::Rules;
use pilothouse::{
    ChartInfo, ChartRef, Context, EventKind, Failure, HelmChart, Payload, Phase, PhaseError, Redactor, ReleaseOutcome,
    ReleaseRun, RunConfig, RunId, Session, SessionConfig, Step, StepDescription,
};
use pilothouse_core::{Certainty, FailFast, RevisionStatus};
use pilothouse_testkit::{FakeCluster, FakeHelm, fixture_chart};
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n";
const HOOK: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations:\n    helm.sh/hook: post-install,post-upgrade\n";

struct World {
    cluster: Arc<FakeCluster>,
    helm: Arc<FakeHelm>,
    session: Arc<Session>,
}

fn world(manifest: &str) -> World {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
    let helm = Arc::new(FakeHelm::new(cluster.clone(), manifest, "1.0.0"));
    let cancel = CancellationToken::new();
    let session = Session::new(SessionConfig {
        cluster: cluster.clone(),
        helm: helm.clone(),
        driver: HelmDriver::Secret,
        cancel: cancel.clone(),
        terminate: cancel,
        redactor: Redactor::new(["hunter22"]),
        chart_cache: std::env::temp_dir(),
        scratch: std::env::temp_dir(),
        backups: None,
        command_env: std::collections::BTreeMap::new(),
        grace: Duration::from_secs(1),
        rules: Rules::default(),
    });
    World { cluster, helm, session }
}

/// A chart after whose upgrade the pods of its Deployment get an image with a bad name.
struct Chart {
    info: ChartInfo,
    cluster: Arc<FakeCluster>,
}

impl Chart {
    fn new(world: &World, fail_fast: FailFast, timeout_in_seconds: u64) -> Self {
        let info = ChartInfo {
            name: "demo".to_owned(),
            chart: ChartRef::path(fixture_chart("data")),
            timeout_in_seconds,
            fail_fast,
            ..ChartInfo::default()
        };
        Self { info, cluster: world.cluster.clone() }
    }
}

impl HelmChart for Chart {
    fn chart_info(&self) -> &ChartInfo {
        &self.info
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        if phase == Phase::PostExec { vec![Arc::new(Pods(self.cluster.clone()))] } else { Vec::new() }
    }
}

struct Pods(Arc<FakeCluster>);

#[async_trait]
impl Step for Pods {
    fn describe(&self) -> StepDescription {
        StepDescription::new("pods")
    }

    fn version(&self) -> String {
        "1".to_owned()
    }

    async fn run(&self, _: &Context, _: &mut ReleaseRun, _: &mut Payload) -> Result<(), PhaseError> {
        self.0.put(owned("apps/v1", "ReplicaSet", "web-1", &uid(&self.0, "Deployment", "web")));
        self.0.put(waiting_pod("web-1-a", &uid(&self.0, "ReplicaSet", "web-1")));
        Ok(())
    }
}

fn uid(cluster: &FakeCluster, kind: &str, name: &str) -> String {
    cluster.object(kind, Some("default"), name).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn owned(api_version: &str, kind: &str, name: &str, owner: &str) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": name, "namespace": "default", "ownerReferences": [{"uid": owner, "controller": true}]},
    })
}

/// A pod that will not start before somebody corrects the name of its image.
fn waiting_pod(name: &str, owner: &str) -> Value {
    let mut pod = owned("v1", "Pod", name, owner);
    pod["spec"] = json!({"containers": [{"name": "main", "image": "UPPER/case:hunter22"}]});
    let message = "Failed to apply default image tag \"UPPER/case:hunter22\": couldn't parse image name";
    pod["status"] = json!({"phase": "Pending", "containerStatuses": [{
        "name": "main", "image": "UPPER/case:hunter22", "restartCount": 0,
        "state": {"waiting": {"reason": "InvalidImageName", "message": message}},
    }]});
    pod
}

async fn run(world: &World, chart: Chart) -> (Failure, Vec<EventKind>, Duration) {
    let begun = Instant::now();
    let mut events = Vec::new();
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(chart)];
    let config = RunConfig::new("test", RunId(uuid::Uuid::nil()));
    let outcome = pilothouse::run(&config, &charts, &world.session, |event| events.push(event.kind.clone())).await;
    let outcome = outcome.unwrap().releases.remove(0).1;
    let ReleaseOutcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    (failure, events, begun.elapsed())
}

/// Phase, code and certainty of each cause that was told.
fn told(events: &[EventKind]) -> Vec<(Phase, &str, Certainty)> {
    let told = events.iter().filter_map(|event| match event {
        EventKind::CauseFound { phase, cause, .. } => Some((*phase, cause.code.as_str(), cause.certainty)),
        _ => None,
    });
    told.collect()
}

fn status(world: &World, revision: u32) -> Value {
    let name = format!("sh.helm.release.v1.demo.v{revision}");
    world.cluster.object("Secret", Some("default"), &name).unwrap()["metadata"]["labels"]["status"].clone()
}

#[rstest]
#[case::certain(FailFast::Certain, 60, "1 object is not as it should be and will not get there")]
#[case::never(FailFast::Never, 5, "1 object is not as it should be and the time is up")]
#[tokio::test]
async fn a_certain_cause_ends_validate(#[case] fail_fast: FailFast, #[case] timeout: u64, #[case] error: &str) {
    let world = world(DEPLOYMENT);
    let (failure, events, took) = run(&world, Chart::new(&world, fail_fast, timeout)).await;
    assert_eq!((failure.phase, failure.error.as_slice()), (Phase::Validate, [error.to_owned()].as_slice()));
    assert_eq!(told(&events), [(Phase::Validate, "IMAGE_NAME_INVALID", Certainty::Certain)]);
    let codes: Vec<&str> = failure.causes.iter().map(|cause| cause.code.as_str()).collect();
    assert_eq!(codes, ["IMAGE_NAME_INVALID"]);
    assert!(took < Duration::from_secs(15), "it took {took:?}");
    let all = serde_json::to_string(&(&failure, &events)).unwrap();
    assert!(!all.contains("hunter22"), "{all}");
}

/// A hook whose pod never starts: helm would wait to the end of its time.
#[rstest]
#[case::helm_marks_its_revision(RevisionStatus::Failed)]
#[case::helm_dies_before_it_does(RevisionStatus::PendingUpgrade)]
#[tokio::test]
async fn a_certain_cause_ends_helm(#[case] leaves: RevisionStatus) {
    let world = world(&format!("{DEPLOYMENT}---\n{HOOK}"));
    let mut job = serde_json::json!({
        "apiVersion": "batch/v1", "kind": "Job", "status": {"active": 1},
        "metadata": {"name": "migrate", "namespace": "default", "creationTimestamp": "2026-11-21T08:00:01Z",
            "annotations": {"helm.sh/hook": "post-install,post-upgrade"}},
    });
    // An object keeps its uid when it is put in again.
    world.cluster.put(job.clone());
    job["metadata"]["uid"] = json!(uid(&world.cluster, "Job", "migrate"));
    let pod = waiting_pod("migrate-a", &uid(&world.cluster, "Job", "migrate"));
    world.helm.hang(vec![job, pod], leaves);
    let (failure, events, took) = run(&world, Chart::new(&world, FailFast::Certain, 60)).await;
    assert_eq!(failure.phase, Phase::Exec);
    assert_eq!(told(&events), [(Phase::Exec, "IMAGE_NAME_INVALID", Certainty::Certain)]);
    let stopped = "helm upgrade was stopped, since this will not pass by itself: IMAGE_NAME_INVALID: ";
    assert!(failure.error[0].starts_with(stopped), "{:?}", failure.error);
    assert!(failure.causes.iter().any(|cause| cause.code == "IMAGE_NAME_INVALID"), "{:?}", failure.causes);
    assert_eq!(status(&world, 1), "failed");
    assert!(took < Duration::from_secs(15), "it took {took:?}");
}

/// What an earlier revision has left broken may be what this one mends.
#[tokio::test]
async fn a_hook_of_an_earlier_revision_does_not_end_helm() {
    let world = world(&format!("{DEPLOYMENT}---\n{HOOK}"));
    world.cluster.put(serde_json::json!({
        "apiVersion": "batch/v1", "kind": "Job", "status": {"active": 1},
        "metadata": {"name": "migrate", "namespace": "default", "creationTimestamp": "2026-11-21T07:00:00Z",
            "annotations": {"helm.sh/hook": "post-install"}},
    }));
    world.cluster.put(waiting_pod("migrate-a", &uid(&world.cluster, "Job", "migrate")));
    world.helm.hang(Vec::new(), RevisionStatus::Failed);
    let cancel = world.session.cancel().clone();
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(Chart::new(&world, FailFast::Certain, 60))];
    let config = RunConfig::new("test", RunId(uuid::Uuid::nil()));
    let mut events = Vec::new();
    let run = pilothouse::run(&config, &charts, &world.session, |event| events.push(event.kind.clone()));
    let cancelled = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(run, cancelled);
    let outcome = outcome.unwrap().releases.remove(0).1;
    assert_eq!(outcome, ReleaseOutcome::Interrupted { phase: Phase::Exec });
    assert_eq!(told(&events), []);
}
