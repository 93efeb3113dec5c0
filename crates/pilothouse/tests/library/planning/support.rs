//! Planning and running in a world of its own.

use pilothouse::helm::{Helm, HelmConfig, HelmDriver};
use pilothouse::kubernetes::{Cluster, ClusterClient, ConnectOptions, Rules};
use pilothouse::{
    ChartInfo, ChartRef, HelmChart, Namespace, ObjectRef, Redactor, ReleaseOutcome, RunConfig, RunId, Session,
    SessionConfig, SetValue,
};
use pilothouse_core::{ObjectChange, Plan, PlannedObject, ReleasePlan};
use pilothouse_kube::{ApplyOptions, Precondition};
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{AuditLog, Node, Plane, PlaneConfig, SimulatedNode};
use pilothouse_testkit::SharedPlane;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

static PLANE: SharedPlane = SharedPlane::new();

pub(crate) fn plane() -> &'static Plane {
    PLANE.get(plane_config)
}

/// With room for much, and an audit log.
pub(crate) fn plane_config() -> PlaneConfig {
    let node = SimulatedNode { pods: 500, cpu: "100".to_owned(), ..SimulatedNode::new("node") };
    PlaneConfig { audit: true, nodes: vec![Node::Simulated(node)], ..PlaneConfig::default() }
}

pub(crate) struct World {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) helm: Arc<Helm>,
    pub(crate) session: Arc<Session>,
    pub(crate) namespace: String,
    folder: tempfile::TempDir,
}

impl World {
    /// A world with a namespace for this test and this helm.
    pub(crate) async fn new(test: &str, tool: Tool) -> Self {
        let program = pilothouse_testkit::helm(tool).await;
        Self::with(program, plane().kubeconfig(), format!("{test}-{}", tool.name())).await
    }

    /// A world with this helm, as this user.
    pub(crate) async fn with(program: PathBuf, kubeconfig: &Path, namespace: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Arc::new(Cluster::connect(ConnectOptions::kubeconfig(kubeconfig)).await.unwrap());
        let mut config = HelmConfig::new(program, folder.path().join("helm"));
        config.kubeconfig = Some(kubeconfig.to_owned());
        let helm = Arc::new(Helm::discover(config).await.unwrap());
        let session = Session::new(SessionConfig {
            cluster: cluster.clone(),
            helm: helm.clone(),
            driver: HelmDriver::Secret,
            cancel: CancellationToken::new(),
            terminate: CancellationToken::new(),
            redactor: Redactor::default(),
            chart_cache: folder.path().join("charts"),
            scratch: folder.path().join("scratch"),
            backups: None,
            command_env: BTreeMap::new(),
            grace: Duration::from_secs(5),
            rules: Rules::default(),
        });
        Self { cluster, helm, session, namespace, folder }
    }

    /// A chart of these files beside its `Chart.yaml`.
    pub(crate) fn chart(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.folder.path().join("own").join(name);
        let chart = format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n");
        for (file, text) in files.iter().chain(&[("Chart.yaml", chart.as_str())]) {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    /// A release of this chart in the namespace of this world, with these values.
    pub(crate) fn info(&self, name: &str, chart: &Path, values: &[(&str, &str)]) -> ChartInfo {
        ChartInfo {
            name: name.to_owned(),
            namespace: Namespace::from(self.namespace.as_str()),
            chart: ChartRef::path(chart),
            timeout_in_seconds: 120,
            values: values.iter().map(|(key, value)| SetValue::auto(*key, *value)).collect(),
            ..ChartInfo::default()
        }
    }

    pub(crate) async fn plan(&self, charts: Vec<ChartInfo>) -> Plan {
        self.plan_of(&plain(charts)).await
    }

    pub(crate) async fn plan_of(&self, charts: &[Box<dyn HelmChart>]) -> Plan {
        pilothouse::plan("test", charts, &self.session, 8, None).await.unwrap()
    }

    /// The plan of the one release.
    pub(crate) async fn plan_one(&self, chart: ChartInfo) -> ReleasePlan {
        self.plan(vec![chart]).await.releases.remove(0)
    }

    pub(crate) async fn run(&self, charts: Vec<ChartInfo>, plan: Option<&Plan>) -> Vec<ReleaseOutcome> {
        self.run_of(&plain(charts), plan).await
    }

    pub(crate) async fn run_of(&self, charts: &[Box<dyn HelmChart>], plan: Option<&Plan>) -> Vec<ReleaseOutcome> {
        let config = RunConfig {
            plan: plan.cloned().map(Arc::new),
            concurrency: 4,
            ..RunConfig::new("test", RunId(uuid::Uuid::now_v7()))
        };
        let outcome = pilothouse::run(&config, charts, &self.session, |_| {}).await.unwrap();
        outcome.releases.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// Runs the one release, and gives the summary of how it was done.
    pub(crate) async fn done(&self, chart: ChartInfo) -> String {
        done(&self.run(vec![chart], None).await[0])
    }

    pub(crate) async fn get(&self, api_version: &str, kind: &str, name: &str) -> Option<Value> {
        self.cluster.get(&self.object(api_version, kind, name)).await.unwrap()
    }

    pub(crate) fn object(&self, api_version: &str, kind: &str, name: &str) -> ObjectRef {
        ObjectRef {
            api_version: Some(api_version.to_owned()),
            kind: kind.to_owned(),
            namespace: Some(self.namespace.clone()),
            name: name.to_owned(),
        }
    }

    /// Changes an object of this namespace by a merge patch, as somebody.
    pub(crate) async fn patch(&self, api_version: &str, kind: &str, name: &str, patch: &Value) {
        let object = self.object(api_version, kind, name);
        self.cluster.merge_patch(&object, patch, &Precondition::default()).await.unwrap();
    }

    /// Applies an object on the server's side as this manager, over whatever others have written.
    pub(crate) async fn apply_as(&self, manager: &str, object: &Value) {
        let options = ApplyOptions {
            field_manager: manager.to_owned(),
            force: true,
            dry_run: false,
            default_namespace: Some(self.namespace.clone()),
        };
        self.cluster.apply(object, &options).await.unwrap();
    }

    /// What clients have written so far about the namespace of this world, dry runs left out.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.writes_to(plane())
    }

    /// The same on another plane than that of these tests.
    pub(crate) fn writes_to(&self, plane: &Plane) -> Vec<String> {
        let log = AuditLog::read(&plane.audit_log().unwrap()).unwrap();
        let written = log.events().iter().filter(|event| {
            let writes = ["create", "update", "patch", "delete", "deletecollection"].contains(&event.verb.as_str());
            let client = event.user_agent.starts_with("pilothouse/") || event.user_agent.starts_with("Helm/");
            let here = [&event.namespace, &event.name].iter().any(|name| name.as_ref() == Some(&self.namespace));
            writes && client && here && !event.uri.contains("dryRun=All")
        });
        written.map(|event| format!("{} {} {:?}", event.verb, event.resource, event.name)).collect()
    }
}

struct Plain(ChartInfo);

impl HelmChart for Plain {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }
}

fn plain(charts: Vec<ChartInfo>) -> Vec<Box<dyn HelmChart>> {
    charts.into_iter().map(|info| Box::new(Plain(info)) as Box<dyn HelmChart>).collect()
}

#[track_caller]
pub(crate) fn done(outcome: &ReleaseOutcome) -> String {
    match outcome {
        ReleaseOutcome::Done { summary } => summary.clone(),
        other => panic!("{}", serde_json::to_string_pretty(other).unwrap()),
    }
}

/// The objects of a plan with what happens to them.
pub(crate) fn changes(plan: &ReleasePlan) -> Vec<(String, ObjectChange)> {
    let change = |planned: &PlannedObject| (planned.object.to_string(), planned.change.clone());
    plan.objects.iter().map(change).collect()
}

/// The fields that change, with what was there and what is going to be.
pub(crate) fn fields(planned: &PlannedObject) -> Vec<(&str, Option<&Value>, Option<&Value>)> {
    planned.fields.iter().map(|field| (field.path.as_str(), field.old.as_ref(), field.new.as_ref())).collect()
}
