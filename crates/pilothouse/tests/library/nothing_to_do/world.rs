//! A release that was deployed well, and what another run makes of it.

use async_trait::async_trait;
use pilothouse::helm::HelmDriver;
use pilothouse::kubernetes::Rules;
use pilothouse::state::{Holder, Resume, StateConfig};
use pilothouse::steps::built_in;
use pilothouse::{
    ChartInfo, ChartRef, Context, Event, EventKind, HelmChart, Payload, Phase, PhaseError, Redactor, ReleaseOutcome,
    ReleaseRun, RunConfig, RunId, Session, SessionConfig, SetValue, Step, StepDescription, YamlFile,
};
use pilothouse_core::{Plan, StepSpec};
use pilothouse_testkit::{FakeCluster, FakeHelm};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A ConfigMap, which has no generation, and a Widget, which has one.
pub(crate) const MANIFEST: &str = r"apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  annotations: { example.com/owner: me }
data:
  colour: blue
---
apiVersion: example.com/v1
kind: Widget
metadata:
  name: wheel
spec:
  size: 1
";

/// A template that depends on nothing but values.
pub(crate) const PLAIN: &str = "{{ .Values }}";
/// A template that asks what the cluster serves.
pub(crate) const ASKS_CLUSTER: &str = "{{ .Capabilities.KubeVersion }}{{ .Capabilities.APIVersions.Has \"x/v1\" }}";

pub(crate) struct World {
    pub(crate) cluster: Arc<FakeCluster>,
    pub(crate) helm: Arc<FakeHelm>,
    /// What the stack file says of it.
    pub(crate) state_namespace: Mutex<Option<String>>,
    folder: TempDir,
    steps: Log,
}

type Log = Arc<Mutex<Vec<&'static str>>>;

/// What is wanted of a release.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) info: ChartInfo,
    pub(crate) steps: Vec<(Phase, Noted)>,
    /// Steps as a stack file has them; they come before the others of their phase.
    pub(crate) built_in: Vec<(Phase, StepSpec)>,
    pub(crate) lifecycle_version: &'static str,
}

impl Wanted {
    /// With one more step in a phase.
    pub(crate) fn step(&mut self, phase: Phase, name: &'static str) -> &mut Noted {
        self.steps.push((phase, Noted { name, every_run: false, serves: None }));
        &mut self.steps.last_mut().unwrap().1
    }
}

/// A step that writes its name down.
#[derive(Clone)]
pub(crate) struct Noted {
    pub(crate) name: &'static str,
    pub(crate) every_run: bool,
    /// After it the cluster serves one more kind.
    pub(crate) serves: Option<&'static str>,
}

struct NotedStep(Noted, Log, Arc<FakeCluster>);

#[async_trait]
impl Step for NotedStep {
    fn describe(&self) -> StepDescription {
        StepDescription { every_run: self.0.every_run, ..StepDescription::new(self.0.name) }
    }

    /// As the records of earlier programs have it, which knew no version.
    fn version(&self) -> String {
        String::new()
    }

    async fn run(&self, _: &Context, _: &mut ReleaseRun, _: &mut Payload) -> Result<(), PhaseError> {
        self.1.lock().unwrap().push(self.0.name);
        self.0.serves.into_iter().for_each(|kind| self.2.serve("x", kind));
        Ok(())
    }
}

struct Chart {
    wanted: Wanted,
    log: Log,
    cluster: Arc<FakeCluster>,
}

impl HelmChart for Chart {
    fn chart_info(&self) -> &ChartInfo {
        &self.wanted.info
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let of_phase = self.wanted.steps.iter().filter(|(of, _)| *of == phase);
        let step = |noted: &Noted| NotedStep(noted.clone(), self.log.clone(), self.cluster.clone());
        let built_in = self.wanted.built_in.iter().filter(|(of, _)| *of == phase).map(|(_, spec)| built_in(spec));
        built_in.chain(of_phase.map(|(_, noted)| Arc::new(step(noted)) as Arc<dyn Step>)).collect()
    }

    fn lifecycle_version(&self) -> &str {
        self.wanted.lifecycle_version
    }
}

/// What a run has done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// How each release ended, and what of it was told to have drifted.
    pub(crate) ended: Vec<String>,
    /// Calls of helm.
    pub(crate) helm: Vec<String>,
    /// Steps that were run.
    pub(crate) steps: Vec<&'static str>,
}

/// What a run does that finds nothing to do.
pub(crate) fn nothing() -> Seen {
    let why = "unchanged: chart, values and steps are those that were deployed, and so are the objects";
    Seen { ended: vec![why.to_owned()], helm: Vec::new(), steps: Vec::new() }
}

impl World {
    /// A world in which nothing is deployed.
    pub(crate) fn new() -> Self {
        let cluster = Arc::new(FakeCluster::default());
        cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
        let helm = Arc::new(FakeHelm::new(cluster.clone(), MANIFEST, "1.0.0"));
        let (folder, steps) = (TempDir::new().unwrap(), Log::default());
        let world = Self { cluster, helm, state_namespace: Mutex::default(), folder, steps };
        world.write("chart/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n");
        world.write("chart/templates/all.yaml", PLAIN);
        world.write("values.yaml", "colour: blue\n");
        world
    }

    /// The same, where the release is deployed, and nothing is to be done.
    pub(crate) async fn deployed(wanted: impl FnOnce(&Self) -> Wanted) -> (Self, Wanted) {
        let world = Self::new();
        let wanted = wanted(&world);
        world.run(&wanted).await;
        assert_eq!(world.run(&wanted).await, nothing(), "it is not quiet to begin with");
        (world, wanted)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A release with a value of each kind of source, and a step in two phases.
    pub(crate) fn wanted(&self) -> Wanted {
        let info = ChartInfo {
            name: "demo".to_owned(),
            chart: ChartRef::path(self.folder.path().join("chart")),
            values: vec![
                SetValue::auto("auto", "1"),
                SetValue::string("string", "1"),
                SetValue::json("json", json!({"a": 1})),
                SetValue::sensitive("sensitive", "hunter22"),
            ],
            values_files: vec![self.folder.path().join("values.yaml")],
            yaml_files_content: vec![YamlFile { name: "inline".to_owned(), content: "size: 1\n".to_owned() }],
            timeout_in_seconds: 5,
            // No controller is there to make a Widget ready.
            wait: false,
            ..ChartInfo::default()
        };
        let mut wanted = Wanted { info, steps: Vec::new(), built_in: Vec::new(), lifecycle_version: "1" };
        wanted.step(Phase::PostExec, "migrate");
        wanted.step(Phase::Validate, "smoke");
        wanted
    }

    /// A run of its own, as of another process, with lock and journal.
    pub(crate) async fn run(&self, wanted: &Wanted) -> Seen {
        self.run_all(std::slice::from_ref(wanted)).await
    }

    /// The same over several releases.
    pub(crate) async fn run_all(&self, wanted: &[Wanted]) -> Seen {
        self.begin(wanted, Resume::IfUnfinished, RunId(uuid::Uuid::now_v7())).await.0
    }

    /// The same, with all its events, as the run `id`.
    pub(crate) async fn begin(&self, wanted: &[Wanted], resume: Resume, id: RunId) -> (Seen, Vec<Event>) {
        self.carry_out(None, wanted, resume, id).await
    }

    /// What a run would do.
    pub(crate) async fn plan(&self, wanted: &[Wanted]) -> Plan {
        pilothouse::plan("test", &self.charts(wanted), &self.session(), 1, None).await.unwrap()
    }

    fn charts(&self, wanted: &[Wanted]) -> Vec<Box<dyn HelmChart>> {
        let chart =
            |wanted: &Wanted| Chart { wanted: wanted.clone(), log: self.steps.clone(), cluster: self.cluster.clone() };
        wanted.iter().map(|wanted| Box::new(chart(wanted)) as _).collect()
    }

    fn session(&self) -> Arc<Session> {
        let cancel = CancellationToken::new();
        Session::new(SessionConfig {
            cluster: self.cluster.clone(),
            helm: self.helm.clone(),
            driver: HelmDriver::Secret,
            cancel: cancel.clone(),
            terminate: cancel,
            redactor: Redactor::default(),
            chart_cache: self.folder.path().join("cache"),
            scratch: self.folder.path().join("scratch"),
            backups: None,
            command_env: std::collections::BTreeMap::new(),
            grace: Duration::from_secs(1),
            rules: Rules::default(),
        })
    }

    /// As [`begin`](Self::begin), by a plan if there is one.
    pub(crate) async fn carry_out(
        &self,
        plan: Option<Plan>,
        wanted: &[Wanted],
        resume: Resume,
        id: RunId,
    ) -> (Seen, Vec<Event>) {
        let holder =
            Holder { run: id, user: "anna".to_owned(), host: "laptop".to_owned(), pid: 7, process: None, ci_job: None };
        let state = StateConfig {
            namespace: self.state_namespace.lock().unwrap().clone(),
            folder: self.folder.path().join("state"),
            holder,
            lock_timeout: Duration::from_secs(1),
            resume,
            answers: Vec::new(),
            kill_at: None,
        };
        let config = RunConfig { state: Some(state), plan: plan.map(Arc::new), ..RunConfig::new("test", id) };
        let (charts, session) = (self.charts(wanted), self.session());
        let helm_before = self.helm.failures.calls().len();
        self.steps.lock().unwrap().clear();
        let mut drifted = Vec::new();
        let mut events = Vec::new();
        let outcome = pilothouse::run(&config, &charts, &session, |event| {
            events.push(event.clone());
            if let EventKind::DriftFound { release, drifts } = &event.kind {
                drifted
                    .extend(drifts.iter().map(|drift| (release.clone(), format!("{}: {}", drift.object, drift.what))));
            }
        });
        let outcome = outcome.await.unwrap();
        let ended = outcome.releases.iter().map(|(release, outcome)| {
            let drifted = drifted.iter().filter(|(of, _)| of == release).map(|(_, drift)| format!("; {drift}"));
            format!("{}{}", line(outcome), drifted.collect::<String>())
        });
        let seen = Seen {
            ended: ended.collect(),
            helm: self.helm.failures.calls().split_off(helm_before),
            steps: std::mem::take(&mut *self.steps.lock().unwrap()),
        };
        (seen, events)
    }

    /// The journal of a run.
    pub(crate) fn journal(&self, run: RunId) -> PathBuf {
        let kube_system = self.cluster.object("Namespace", None, "kube-system").unwrap();
        let cluster = kube_system["metadata"]["uid"].as_str().unwrap();
        self.folder.path().join(format!("state/{cluster}/test/{run}.jsonl"))
    }

    /// A folder of this world.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The live ConfigMap or Widget of the release.
    pub(crate) fn object(&self, kind: &str) -> Value {
        self.cluster.object(kind, Some("default"), name(kind)).unwrap()
    }

    /// Somebody writes the object.
    pub(crate) fn edit(&self, kind: &str, edit: impl FnOnce(&mut Value)) {
        let mut object = self.object(kind);
        edit(&mut object);
        self.cluster.put(object);
    }

    /// Somebody deletes the object.
    pub(crate) fn remove(&self, kind: &str) -> Value {
        self.cluster.remove(kind, Some("default"), name(kind)).unwrap()
    }
}

fn name(kind: &str) -> &'static str {
    if kind == "ConfigMap" { "settings" } else { "wheel" }
}

fn line(outcome: &ReleaseOutcome) -> String {
    match outcome {
        ReleaseOutcome::Done { summary } => format!("done: {summary}"),
        ReleaseOutcome::Unchanged { why } => format!("unchanged: {why}"),
        ReleaseOutcome::Refused { findings } => {
            let findings: Vec<String> = findings.iter().map(|f| format!("{} {}", f.code, f.message)).collect();
            format!("refused: {}", findings.join("; "))
        }
        ReleaseOutcome::Failed(failure) => format!("failed in {}: {}", failure.phase, failure.error.join(": ")),
        ReleaseOutcome::Skipped { reason } | ReleaseOutcome::NotStarted { reason, .. } => format!("not run: {reason}"),
        ReleaseOutcome::Undone { .. } => "undone".to_owned(),
        ReleaseOutcome::Interrupted { phase } => format!("interrupted in {phase}"),
    }
}
