//! Checks on a real control plane: through real port-forwarding to a local server, with real Jobs, real `helm test`.
#![expect(clippy::disallowed_methods, clippy::print_stderr, reason = "helm needs the environment; steps are told")]

use pilothouse::checks::{CheckReport, CheckVerdict};
use pilothouse::helm::{Helm, HelmConfig, HelmDriver};
use pilothouse::kubernetes::{Cluster, ClusterClient, Rules};
use pilothouse::stack::DeclaredChart;
use pilothouse::{
    ChartInfo, ChartRef, EventKind, HelmChart, Namespace, Redactor, ReleaseOutcome, RunConfig, RunId, Session,
    SessionConfig,
};
use pilothouse_core::{
    CheckKind, CheckStep, CheckTerms, Endpoint, ExecCheck, HelmTestCheck, HttpCheck, HttpExpect, JobCheck, JobSource,
    ObjectRef, On, Phase, PortRef, PrometheusCheck, StepKind, StepSpec, TcpCheck,
};
use pilothouse_kube::{ApplyOptions, ListQuery};
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Plane, PlaneConfig, PodPort, PodSelector, RealNode, WORKLOAD_IMAGE, real_node_missing};
use pilothouse_testkit::{SharedPlane, community_chart, fixture_chart, not_run};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

static PLANE: SharedPlane = SharedPlane::new();
/// A plane whose node is a real one.
static NODE: SharedPlane = SharedPlane::new();

/// A server that answers everything as Prometheus would.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut asked = [0; 1024];
                if stream.read(&mut asked).unwrap_or(0) > 0 {
                    let body = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7"]}]}}"#;
                    let length = body.len();
                    let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                }
            });
        }
    });
    port
}

struct World {
    cluster: Arc<Cluster>,
    session: Arc<Session>,
    _folder: tempfile::TempDir,
}

async fn world() -> World {
    world_of(PLANE.get(|| PlaneConfig {
        ports: vec![PodPort { pods: PodSelector::namespace("checks"), pod_port: 8080, local_port: server() }],
        ..PlaneConfig::default()
    }))
    .await
}

async fn world_of(plane: &Plane) -> World {
    let folder = tempfile::tempdir().unwrap();
    // A client of this test's own runtime: the plane's lives on another one.
    let cluster = Arc::new(Cluster::from_client(kube::Client::try_from(plane.client_config()).unwrap()));
    let mut config = HelmConfig::new(pilothouse_testkit::helm(Tool::Helm4).await, folder.path().join("helm"));
    config.kubeconfig = Some(plane.kubeconfig().to_owned());
    let session = Session::new(SessionConfig {
        cluster: cluster.clone(),
        helm: Arc::new(Helm::discover(config).await.unwrap()),
        driver: HelmDriver::Secret,
        cancel: CancellationToken::new(),
        terminate: CancellationToken::new(),
        redactor: Redactor::default(),
        chart_cache: folder.path().join("charts"),
        scratch: folder.path().join("scratch"),
        backups: None,
        command_env: std::env::vars_os().collect(),
        grace: Duration::from_secs(5),
        rules: Rules::default(),
    });
    World { cluster, session, _folder: folder }
}

impl World {
    async fn apply(&self, object: Value) {
        let options =
            ApplyOptions { field_manager: "someone".to_owned(), force: true, dry_run: false, default_namespace: None };
        self.cluster.apply(&object, &options).await.unwrap();
    }

    /// Deploys a chart with these checks.
    async fn run(
        &self,
        name: &str,
        namespace: &str,
        chart: &Path,
        checks: Vec<(CheckTerms, CheckKind)>,
    ) -> (ReleaseOutcome, Vec<CheckReport>) {
        let info = ChartInfo {
            name: name.to_owned(),
            namespace: Namespace::from(namespace),
            chart: ChartRef::path(chart),
            timeout_in_seconds: 120,
            ..ChartInfo::default()
        };
        let step = |(terms, kind)| StepSpec {
            name: None,
            on: On::Deploy,
            point_of_no_return: false,
            every_run: false,
            kind: StepKind::Check(Box::new(CheckStep { terms, kind })),
        };
        let steps = [(Phase::Validate, checks.into_iter().map(step).collect())].into();
        let charts: Vec<Box<dyn HelmChart>> =
            vec![Box::new(DeclaredChart::new(pilothouse::stack::ReleaseSpec { info, steps }))];
        let mut reports = Vec::new();
        let config = RunConfig::new("test", RunId(uuid::Uuid::now_v7()));
        let outcome = pilothouse::run(&config, &charts, &self.session, |event| {
            eprintln!("{}", serde_json::to_string(event).unwrap());
            if let EventKind::Checked { report, .. } = &event.kind {
                reports.push(report.clone());
            }
        });
        let outcome = outcome.await.unwrap();
        (outcome.releases.into_iter().next().unwrap().1, reports)
    }
}

fn terms() -> CheckTerms {
    CheckTerms { timeout_in_seconds: 30, interval_in_seconds: 1, ..CheckTerms::default() }
}

#[tokio::test]
async fn services_are_reached_and_jobs_are_run_and_nothing_is_left() {
    let world = world().await;
    world.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "checks"}})).await;
    world
        .apply(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "checks"},
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}, {"name": "other", "port": 9999}]}}))
        .await;
    world
        .apply(
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "checks"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "example.org/web:1",
                    "ports": [{"name": "http", "containerPort": 8080}]}]}}}}),
        )
        .await;
    let service = |port: &str| Endpoint::Service { service: "web".to_owned(), port: PortRef::parse(port) };
    let http = HttpCheck {
        endpoint: service("80"),
        tls: None,
        path: "/healthz".to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
        body: None,
        expect: HttpExpect { json: Some("body.status == 'success'".to_owned()), ..HttpExpect::default() },
    };
    let prometheus = PrometheusCheck {
        endpoint: service("80"),
        tls: None,
        path_prefix: String::new(),
        headers: Vec::new(),
        query: "up".to_owned(),
        expect: "== 7".to_owned(),
    };
    let job = |name: &str| {
        let text = format!("spec: {{ containers: [{{ name: {name}, image: \"example.org/smoke:1\" }}] }}");
        CheckKind::Job(JobCheck { source: JobSource::Template(text) })
    };
    let checks = vec![
        (terms(), CheckKind::Http(http)),
        (terms(), CheckKind::Tcp(TcpCheck { endpoint: service("80") })),
        (CheckTerms { must_fail: true, ..terms() }, CheckKind::Tcp(TcpCheck { endpoint: service("other") })),
        (terms(), CheckKind::Prometheus(prometheus)),
        (CheckTerms { timeout_in_seconds: 60, ..terms() }, job("smoke")),
    ];
    let (outcome, reports) = world.run("checked", "checks", &fixture_chart("data"), checks).await;
    assert!(matches!(outcome, ReleaseOutcome::Done { .. }), "{outcome:#?}");
    let verdicts: Vec<_> = reports.iter().map(|report| (report.kind.as_str(), report.verdict)).collect();
    let held = CheckVerdict::Held;
    assert_eq!(verdicts, [("http", held), ("tcp", held), ("tcp", held), ("prometheus", held), ("job", held)]);
    let jobs = world.cluster.list(&ListQuery::new("batch/v1", "Job").within("checks")).await.unwrap();
    let left: Vec<&Value> = jobs.iter().filter(|job| job["metadata"]["deletionTimestamp"].is_null()).collect();
    assert_eq!(left, Vec::<&Value>::new());
}

#[tokio::test]
async fn the_tests_of_podinfo_pass() {
    let Some(chart) = community_chart("podinfo-6.14.1", "the_tests_of_podinfo_pass") else { return };
    let world = world().await;
    let check = CheckKind::HelmTest(HelmTestCheck::default());
    let terms = CheckTerms { timeout_in_seconds: 120, ..terms() };
    let (outcome, reports) = world.run("podinfo", "tested", &chart, vec![(terms, check)]).await;
    assert!(matches!(outcome, ReleaseOutcome::Done { .. }), "{outcome:#?}");
    assert_eq!(reports[0].why, "the tests passed");
}

/// A kubelet forwards ports, refuses closed ones and runs programs in its own way.
#[tokio::test]
async fn a_real_node_forwards_ports_and_runs_programs() {
    let missing = real_node_missing();
    if !missing.is_empty() {
        not_run("a_real_node_forwards_ports_and_runs_programs", &missing.join(", "));
        return;
    }
    let plane = NODE.get(|| PlaneConfig { nodes: vec![RealNode::new("real-1").into()], ..PlaneConfig::default() });
    let world = world_of(plane).await;
    world.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "checks"}})).await;
    world
        .apply(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "checks"},
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "closed", "port": 81}]}}))
        .await;
    world
        .apply(
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "checks"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": WORKLOAD_IMAGE,
                    "readinessProbe": {"periodSeconds": 1, "httpGet": {"path": "/readyz", "port": 8080}}}]}}}}),
        )
        .await;
    let service = |port: &str| Endpoint::Service { service: "web".to_owned(), port: PortRef::parse(port) };
    let http = HttpCheck {
        endpoint: service("http"),
        tls: None,
        path: "/healthz".to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
        body: None,
        expect: HttpExpect::default(),
    };
    let exec = |command: &[&str], exit_code, stdout: Option<&str>| {
        CheckKind::Exec(ExecCheck {
            target: ObjectRef::parse("deployment/web").unwrap(),
            container: None,
            command: command.iter().map(|&part| part.to_owned()).collect(),
            exit_code,
            stdout_contains: stdout.map(str::to_owned),
        })
    };
    let refused = CheckTerms { must_fail: true, ..terms() };
    let checks = vec![
        (terms(), CheckKind::Http(http)),
        (terms(), CheckKind::Tcp(TcpCheck { endpoint: service("http") })),
        (refused, CheckKind::Tcp(TcpCheck { endpoint: service("closed") })),
        (terms(), exec(&["/workload", "print", "hello"], 0, Some("hello"))),
        (terms(), exec(&["/workload", "fail", "3", "why"], 3, None)),
    ];
    let (outcome, reports) = world.run("checked", "checks", &fixture_chart("data"), checks).await;
    assert!(matches!(outcome, ReleaseOutcome::Done { .. }), "{outcome:#?}");
    assert_eq!(reports[3].evidence.got, ["exit code 0", "standard output: hello"]);
    assert_eq!(reports[4].evidence.got, ["exit code 3", "standard error: why"]);
}
