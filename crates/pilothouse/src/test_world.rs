//! A cluster and a helm in memory, and a context over them.

use crate::actions::Intents;
use crate::context::Message;
use crate::error::PhaseError;
use crate::helm::HelmDriver;
use crate::{ChartInfo, Context, Redactor, ReleaseRun, Session, SessionConfig};
use pilothouse_core::{EventKind, HelmCommand, HelmProgress, ReleaseKey, RevisionStatus, RunId};
use pilothouse_health::Rules;
use pilothouse_helm::HelmClient;
use pilothouse_kube::ClusterClient;
use pilothouse_plane::{Plane, PlaneConfig};
use pilothouse_testkit::{FakeCluster, FakeHelm, SharedPlane, release_secret};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

static PLANE: SharedPlane = SharedPlane::new();

/// The plane of this test binary: whoever is on it has namespaces of its own.
pub(crate) fn plane() -> &'static Plane {
    PLANE.get(PlaneConfig::default)
}

/// The run that was killed.
pub(crate) const RUN: RunId = RunId(Uuid::from_u128(7));
/// Some other run.
pub(crate) const OTHER: RunId = RunId(Uuid::from_u128(8));

/// A context, its cancel token, and what it says.
pub(crate) struct World {
    pub(crate) ctx: Context,
    pub(crate) run: ReleaseRun,
    pub(crate) cancel: CancellationToken,
    pub(crate) events: UnboundedReceiver<Message>,
}

/// A context for `default/demo` with a timeout of five minutes, if `change` leaves it so.
pub(crate) fn over(
    cluster: Arc<dyn ClusterClient>,
    helm: Arc<dyn HelmClient>,
    driver: HelmDriver,
    change: impl FnOnce(&mut ChartInfo),
) -> World {
    saving_in(None, cluster, helm, driver, change)
}

/// The same with a folder for what is going to be lost.
pub(crate) fn saving_in(
    backups: Option<PathBuf>,
    cluster: Arc<dyn ClusterClient>,
    helm: Arc<dyn HelmClient>,
    driver: HelmDriver,
    change: impl FnOnce(&mut ChartInfo),
) -> World {
    let cancel = CancellationToken::new();
    let session = Session::new(SessionConfig {
        cluster,
        helm,
        driver,
        cancel: cancel.clone(),
        terminate: cancel.clone(),
        redactor: Redactor::new(["hunter22"]),
        chart_cache: "/nonexistent".into(),
        scratch: "/nonexistent".into(),
        backups,
        command_env: BTreeMap::new(),
        grace: Duration::from_secs(1),
        rules: Rules::default(),
    });
    let mut info = ChartInfo { name: "demo".to_owned(), timeout_in_seconds: 300, ..ChartInfo::default() };
    change(&mut info);
    let (to, events) = unbounded_channel();
    World { ctx: Context::new(session, &info, to), run: ReleaseRun::default(), cancel, events }
}

/// The same over a cluster in memory.
pub(crate) fn fake(cluster: &Arc<FakeCluster>, driver: HelmDriver) -> World {
    over(cluster.clone(), Arc::new(FakeHelm::new(cluster.clone(), "", "1.0.0")), driver, |_| {})
}

impl World {
    /// All that was emitted so far, as JSON without what is the same everywhere.
    pub(crate) fn told(&mut self) -> Vec<Value> {
        let mut told = Vec::new();
        while let Ok(Message::Happened(event)) = self.events.try_recv() {
            let mut event = serde_json::to_value(event).unwrap();
            event.as_object_mut().unwrap().retain(|key, _| key != "release" && key != "phase");
            told.push(event);
        }
        told
    }
}

/// Lets everything happen that is asked for. Does not end.
pub(crate) async fn say_yes(events: &mut UnboundedReceiver<Message>) {
    while let Some(message) = events.recv().await {
        if let Message::Ask { answer, .. } = message {
            let _ = answer.send(Ok(()));
        }
    }
    std::future::pending::<()>().await;
}

/// Says what the fake's records lack: when they were created, and by which run.
pub(crate) fn stamped(mut record: Value, created_at: &str, run: Option<RunId>) -> Value {
    record["metadata"]["creationTimestamp"] = json!(created_at);
    if let Some(run) = run {
        record["metadata"]["labels"]["pilothouse.dev/run"] = json!(run.to_string());
    }
    record
}

/// A Deployment that says that it is ready, of which a program comes and goes, behind a Service.
pub(crate) fn comes_and_goes() -> Arc<FakeCluster> {
    let cluster = Arc::new(FakeCluster::default());
    let labels = json!({"app": "web"});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "generation": 1},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"spec": {"containers": [{"name": "web", "readinessProbe": {}}]}}},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            "conditions": [{"type": "Available", "status": "True"}]},
    });
    let owned = |kind: &str, name: &str, owner: Value, more: Value| {
        let mut object = json!({"apiVersion": if kind == "Pod" { "v1" } else { "apps/v1" }, "kind": kind, "metadata": {
            "name": name, "namespace": "default", "ownerReferences": [owner],
            "labels": {"app": "web", "pod-template-hash": "1"}}});
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    let ago = |seconds| (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds)).to_string();
    let made_by = |kind: &str, name: &str| {
        let uid = cluster.object(kind, Some("default"), name).unwrap()["metadata"]["uid"].clone();
        json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true})
    };
    let ended = json!({"exitCode": 1, "reason": "Error", "startedAt": ago(25), "finishedAt": ago(5)});
    let container = json!({"name": "web", "ready": true, "restartCount": 1, "state": {"running": {"startedAt": ago(4)}}, "lastState": {"terminated": ended}});
    cluster.put(deployment.clone());
    cluster.put(owned("ReplicaSet", "web-1", made_by("Deployment", "web"), json!({})));
    cluster.put(owned(
        "Pod",
        "web-1-a",
        made_by("ReplicaSet", "web-1"),
        json!({"spec": {"containers": [{"name": "web"}]}, "status": {"phase": "Running", "containerStatuses": [container],
            "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}]}}),
    ));
    cluster.put(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": labels, "ports": [{"port": 80}]}}));
    cluster.put(release_secret(&release(), 1, RevisionStatus::Deployed, "1.0.0", &deployment.to_string()));
    cluster
}

pub(crate) fn release() -> ReleaseKey {
    ReleaseKey::new("default", "demo")
}

/// A helm that was begun and whose end nobody has written down, with a time of 100 s.
pub(crate) fn begun(command: HelmCommand, revision_before: u32) -> HelmProgress {
    HelmProgress {
        run: RUN,
        holder: None,
        command,
        revision_before,
        digest: String::new(),
        started_at: "2026-11-21T08:00:00Z".parse().unwrap(),
        timeout_ms: 100_000,
        ended: None,
    }
}

/// Closures that note intents, or refuse them.
#[async_trait::async_trait]
impl<F: FnMut(EventKind) -> Result<(), PhaseError> + Send> Intents for F {
    async fn take(&mut self, intent: EventKind) -> Result<(), PhaseError> {
        self(intent)
    }
}
