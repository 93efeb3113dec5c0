//! Checks, on a cluster and a helm in memory whose pods' ports lead to a local server.
#![expect(clippy::disallowed_methods, reason = "helm needs the environment")]

use async_trait::async_trait;
use pilothouse::checks::{
    AssertCheck, AssertOf, CheckComparison, CheckKind, CheckReport, CheckStep, CheckTerms, CheckVerdict, Endpoint,
    ExecCheck, Header, HeaderValue, HelmTestCheck, HttpCheck, HttpExpect, JobCheck, JobSource, PortRef,
    PrometheusCheck, TcpCheck,
};
use pilothouse::helm::HelmDriver;
use pilothouse::kubernetes::Rules;
use pilothouse::stack::DeclaredChart;
use pilothouse::steps::{StepKind, StepSpec, built_in};
use pilothouse::{
    ChartInfo, ChartRef, Context, EventKind, HelmChart, ObjectRef, OnFailure, Payload, Phase, PhaseError, Redactor,
    ReleaseOutcome, ReleaseRun, RunConfig, RunId, RunOutcome, Session, SessionConfig, SetPolicy, Step, StepDescription,
};
use pilothouse_core::{Event, On, Sensitive};
use pilothouse_kube::{ClusterClient, ExecOutput};
use pilothouse_testkit::{FakeCluster, FakeHelm, fixture_chart};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A server that answers every request with a status and the request's own head as text; or, for paths with `query`, as
/// Prometheus.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    requests: Arc<Mutex<Vec<String>>>,
}

async fn server() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server {
        address: listener.local_addr().unwrap(),
        status: Arc::new(AtomicU16::new(200)),
        requests: Arc::default(),
    };
    let answers = server.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answers = answers.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let head = String::from_utf8(head).unwrap();
                answers.requests.lock().unwrap().push(head.clone());
                let body = if head.lines().next().unwrap().contains("query") {
                    let result = json!([{"metric": {"job": "web"}, "value": [1, "1"]}]);
                    json!({"status": "success", "data": {"resultType": "vector", "result": result}}).to_string()
                } else {
                    head
                };
                let status = answers.status.load(Ordering::SeqCst);
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    server
}

struct World {
    cluster: Arc<FakeCluster>,
    session: Arc<Session>,
    cancel: CancellationToken,
    server: Server,
}

/// A Service `web` with one ready pod whose port 8080 is the server.
async fn world() -> World {
    let cluster = Arc::new(FakeCluster::default());
    let object = |kind: &str, name: &str, rest: Value| {
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "default"}});
        object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        object
    };
    cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
    cluster.put(object(
        "Service",
        "web",
        json!({"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}, {"port": 81}]}}),
    ));
    let mut pod = object(
        "Pod",
        "web-0",
        json!({
            "spec": {"containers": [{"name": "web", "ports": [{"name": "http", "containerPort": 8080}]}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }),
    );
    pod["metadata"]["labels"] = json!({"app": "web"});
    cluster.put(pod);
    let server = server().await;
    cluster.listen("web-0", 8080, server.address);
    let cancel = CancellationToken::new();
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  colour: blue\n";
    let session = Session::new(SessionConfig {
        cluster: cluster.clone(),
        helm: Arc::new(FakeHelm::new(cluster.clone(), manifest, "1.0.0")),
        driver: HelmDriver::Secret,
        cancel: cancel.clone(),
        terminate: cancel.clone(),
        redactor: Redactor::default(),
        chart_cache: std::env::temp_dir(),
        scratch: std::env::temp_dir(),
        backups: None,
        command_env: std::env::vars_os().collect(),
        grace: Duration::from_secs(1),
        rules: Rules::default(),
    });
    World { cluster, session, cancel, server }
}

fn service(port: u16) -> Endpoint {
    Endpoint::Service { service: "web".to_owned(), port: PortRef::Number(port) }
}

fn http(change: impl FnOnce(&mut HttpCheck)) -> CheckKind {
    let mut check = HttpCheck {
        endpoint: service(80),
        tls: None,
        path: "/healthz?full=1".to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
        body: None,
        expect: HttpExpect::default(),
    };
    change(&mut check);
    CheckKind::Http(check)
}

/// Terms that are over after a second.
fn terms() -> CheckTerms {
    CheckTerms { timeout_in_seconds: 1, interval_in_seconds: 1, ..CheckTerms::default() }
}

fn must_fail() -> CheckTerms {
    CheckTerms { must_fail: true, ..terms() }
}

fn spec(terms: CheckTerms, kind: CheckKind) -> StepSpec {
    StepSpec {
        name: None,
        on: On::Always,
        point_of_no_return: false,
        every_run: false,
        kind: StepKind::Check(Box::new(CheckStep { terms, kind })),
    }
}

fn info() -> ChartInfo {
    ChartInfo {
        name: "web".to_owned(),
        chart: ChartRef::path(fixture_chart("data")),
        on_failure: OnFailure::default(),
        timeout_in_seconds: 5,
        ..ChartInfo::default()
    }
}

/// A chart that makes these checks in `validate`, and in `pre_exec` sets what the server answers from then on.
struct Chart {
    info: ChartInfo,
    checks: Vec<StepSpec>,
    changes: Option<(Server, u16)>,
}

struct Change(Server, u16);

#[async_trait]
impl Step for Change {
    fn describe(&self) -> StepDescription {
        StepDescription::new("change the answer")
    }

    fn version(&self) -> String {
        "1".to_owned()
    }

    async fn run(&self, _: &Context, _: &mut ReleaseRun, _: &mut Payload) -> Result<(), PhaseError> {
        self.0.status.store(self.1, Ordering::SeqCst);
        Ok(())
    }
}

impl HelmChart for Chart {
    fn chart_info(&self) -> &ChartInfo {
        &self.info
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        match (phase, &self.changes) {
            (Phase::Validate, _) => self.checks.iter().map(built_in).collect(),
            (Phase::PreExec, Some((server, status))) => vec![Arc::new(Change(server.clone(), *status))],
            _ => Vec::new(),
        }
    }
}

impl World {
    async fn run(&self, checks: Vec<StepSpec>, changes: Option<u16>) -> (RunOutcome, Vec<Event>) {
        let changes = changes.map(|status| (self.server.clone(), status));
        let chart: Vec<Box<dyn HelmChart>> = vec![Box::new(Chart { info: info(), checks, changes })];
        let config =
            RunConfig { failure_policy: SetPolicy::KeepGoing, ..RunConfig::new("s", RunId(uuid::Uuid::nil())) };
        let mut events = Vec::new();
        let outcome = pilothouse::run(&config, &chart, &self.session, |event| events.push(event.clone())).await;
        (outcome.unwrap(), events)
    }

    /// Makes one check in `validate` of a deploy: whether the release ended well, and what the check has told.
    async fn check(&self, terms: CheckTerms, kind: CheckKind) -> (bool, CheckReport) {
        // Without it the release is validated, though nothing else is to be done.
        self.cluster.remove("Secret", Some("default"), "pilothouse.release.web");
        let (outcome, events) = self.run(vec![spec(terms, kind)], None).await;
        let done = matches!(outcome.releases[0].1, ReleaseOutcome::Done { .. });
        let mut reports = reports(&events);
        assert_eq!(reports.len(), 1, "{outcome:?}");
        (done, reports.remove(0))
    }
}

fn reports(events: &[Event]) -> Vec<CheckReport> {
    let report = |event: &Event| match &event.kind {
        EventKind::Checked { report, .. } => Some(report.clone()),
        _ => None,
    };
    events.iter().filter_map(report).collect()
}

#[tokio::test]
async fn a_service_is_asked_through_a_ready_pod() {
    let world = world().await;
    let (done, report) = world.check(terms(), http(|_| ())).await;
    assert!(done);
    assert_eq!((report.verdict, report.attempts, report.why.as_str()), (CheckVerdict::Held, 1, "the status is 200"));
    assert_eq!(report.evidence.asked, ["GET http service web port 80 /healthz?full=1"]);
    assert_eq!(report.evidence.got[0], "200 from pod default/web-0 port 8080");
    let requests = world.server.requests.lock().unwrap().clone();
    assert_eq!(
        requests,
        ["GET /healthz?full=1 HTTP/1.1\r\nhost: web.default.svc\r\nuser-agent: pilothouse/0.1.0\r\n\r\n"]
    );
}

#[tokio::test]
async fn a_failed_check_fails_the_release_with_its_evidence() {
    let world = world().await;
    world.server.status.store(503, Ordering::SeqCst);
    let (outcome, _) = world.run(vec![spec(terms(), http(|_| ()))], None).await;
    let ReleaseOutcome::Failed(failure) = &outcome.releases[0].1 else { panic!("{outcome:?}") };
    assert_eq!(failure.phase, Phase::Validate);
    let lines: Vec<&str> = failure.error[1].lines().take(3).collect();
    assert_eq!(
        lines,
        [
            "the status is 503, not 2xx",
            "asked: GET http service web port 80 /healthz?full=1",
            "got: 503 from pod default/web-0 port 8080"
        ]
    );
}

/// The server quotes the header, and so would the evidence.
#[tokio::test]
async fn no_header_from_a_file_or_the_environment_is_ever_told() {
    let world = world().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "token-from-a-file\n").unwrap();
    let headers = vec![
        Header { name: "X-Key".to_owned(), value: HeaderValue::Sensitive(Sensitive::new("key-from-env".to_owned())) },
        Header {
            name: "Authorization".to_owned(),
            value: HeaderValue::File { prefix: "Bearer ".to_owned(), file: file.path().to_owned().into() },
        },
    ];
    world.server.status.store(401, Ordering::SeqCst);
    let (outcome, events) = world.run(vec![spec(terms(), http(|check| check.headers = headers))], None).await;
    let sent = world.server.requests.lock().unwrap().concat();
    assert!(sent.contains("Bearer token-from-a-file") && sent.contains("key-from-env"));
    let told = format!("{outcome:?}{}", serde_json::to_string(&events).unwrap());
    assert!(told.contains("***") && !told.contains("token-from-a-file") && !told.contains("key-from-env"), "{told}");
}

#[tokio::test]
async fn what_must_fail_needs_somebody_to_ask() {
    let world = world().await;
    world.server.status.store(404, Ordering::SeqCst);
    assert!(world.check(must_fail(), http(|_| ())).await.0);
    world.server.status.store(200, Ordering::SeqCst);
    let (done, report) = world.check(must_fail(), http(|_| ())).await;
    assert_eq!(
        (done, report.verdict, report.why.as_str()),
        (false, CheckVerdict::NotHeld, "it must fail, and does not: the status is 200")
    );
    let nowhere = Endpoint::Service { service: "nope".to_owned(), port: PortRef::Number(80) };
    let (done, report) = world.check(must_fail(), http(|check| check.endpoint = nowhere)).await;
    assert_eq!(
        (done, report.verdict, report.why.as_str()),
        (false, CheckVerdict::Unknown, "Service default/nope does not exist")
    );
    world.cluster.remove("Pod", Some("default"), "web-0");
    let (done, report) = world.check(must_fail(), http(|_| ())).await;
    assert_eq!(
        (done, report.verdict, report.why.as_str()),
        (false, CheckVerdict::Unknown, "Service default/web has no ready pod (0 in all)")
    );
}

#[tokio::test]
async fn a_port_where_nothing_listens_takes_no_connection() {
    let world = world().await;
    let tcp = |port| CheckKind::Tcp(TcpCheck { endpoint: service(port) });
    assert!(world.check(terms(), tcp(80)).await.0);
    let (done, report) = world.check(terms(), tcp(81)).await;
    assert_eq!(
        (done, report.why.as_str()),
        (false, "pod default/web-0 port 81 does not take the connection: nothing listens there")
    );
    assert!(world.check(must_fail(), tcp(81)).await.0);
    let address = world.server.address;
    let direct = Endpoint::Address { host: address.ip().to_string(), port: address.port() };
    assert!(world.check(terms(), CheckKind::Tcp(TcpCheck { endpoint: direct })).await.0);
}

#[tokio::test]
async fn a_check_is_made_again_until_it_has_held_for_long_enough() {
    let world = world().await;
    let terms = CheckTerms { timeout_in_seconds: 6, stable_for_in_seconds: 2, ..terms() };
    let (done, report) = world.check(terms, http(|_| ())).await;
    assert!(done && (3..=4).contains(&report.attempts), "{report:?}");
    assert!((2_000..4_000).contains(&report.elapsed_ms), "{report:?}");
}

#[tokio::test]
async fn a_program_in_a_container_is_judged_by_its_end_and_output() {
    let world = world().await;
    let output = ExecOutput { exit_code: 0, stdout: "PONG\n".to_owned(), stderr: String::new() };
    world.cluster.program(&["redis-cli", "ping"], output);
    let exec = |wanted: &str| {
        CheckKind::Exec(ExecCheck {
            target: ObjectRef::parse("pod/web-0").unwrap(),
            container: None,
            command: vec!["redis-cli".to_owned(), "ping".to_owned()],
            exit_code: 0,
            stdout_contains: Some(wanted.to_owned()),
        })
    };
    let (done, report) = world.check(terms(), exec("PONG")).await;
    assert!(done);
    assert_eq!(report.evidence.asked, ["exec in pod default/web-0 container web: redis-cli ping"]);
    assert_eq!(report.evidence.got, ["exit code 0", "standard output: PONG"]);
    assert_eq!(world.check(terms(), exec("PING")).await.1.verdict, CheckVerdict::NotHeld);
}

#[tokio::test]
async fn an_assertion_sees_live_objects() {
    let world = world().await;
    let of = AssertOf::Object(ObjectRef::parse("configmap/settings").unwrap());
    let check = |that: &str| CheckKind::Assert(AssertCheck { of: of.clone(), that: that.to_owned() });
    assert!(world.check(terms(), check("object.data.colour == 'blue'")).await.0);
    let (done, report) = world.check(terms(), check("object.data.colour == 'red'")).await;
    assert_eq!((done, report.why.as_str()), (false, "it does not hold"));
    assert_eq!(report.evidence.got, ["ConfigMap default/settings", "  object.data.colour = \"blue\""]);
}

#[tokio::test]
async fn prometheus_is_asked_through_its_service() {
    let world = world().await;
    let check = |expect: &str| {
        CheckKind::Prometheus(PrometheusCheck {
            endpoint: service(80),
            tls: None,
            path_prefix: "/prom".to_owned(),
            headers: Vec::new(),
            query: "sum(up{job=\"web\"})".to_owned(),
            expect: expect.to_owned(),
        })
    };
    assert!(world.check(terms(), check("> 0")).await.0);
    let path = world.server.requests.lock().unwrap()[0].lines().next().unwrap().to_owned();
    assert_eq!(path, "GET /prom/api/v1/query?query=sum%28up%7Bjob%3D%22web%22%7D%29 HTTP/1.1");
    let (done, report) = world.check(terms(), check("results.all(r, r.value > 5)")).await;
    assert_eq!((done, report.evidence.got), (false, vec!["{\"job\":\"web\"} 1".to_owned()]));
}

fn job() -> CheckKind {
    let text = "spec: { containers: [{ name: smoke, image: busybox }] }".to_owned();
    CheckKind::Job(JobCheck { source: JobSource::Template(text) })
}

/// The Job controller, once a Job is looked at.
fn end_job(cluster: &FakeCluster, condition: &str) {
    let condition = condition.to_owned();
    cluster.before("get Job", move |cluster| {
        let call = cluster.failures.calls().iter().rev().find_map(|call| Some(call.strip_prefix("create Job ")?.to_owned()));
        let name = call.unwrap().split_once('/').unwrap().1.to_owned();
        let mut job = cluster.object("Job", Some("default"), &name).unwrap();
        job["status"] = json!({"conditions": [{"type": condition, "status": "True", "reason": "BackoffLimitExceeded", "message": "it failed"}]});
        job["spec"]["selector"] = json!({"matchLabels": {"job": "smoke"}});
        let uid = job["metadata"]["uid"].clone();
        cluster.put(job);
        cluster.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "smoke-pod", "namespace": "default", "labels": {"job": "smoke"},
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": true}]},
            "spec": {"containers": [{"name": "smoke"}]}}));
        cluster.put_log("smoke-pod", "smoke", false, "one\ntwo\n");
    });
}

async fn jobs(cluster: &FakeCluster) -> usize {
    cluster.list(&pilothouse_kube::ListQuery::new("batch/v1", "Job")).await.unwrap().len()
}

#[tokio::test]
async fn a_job_is_deleted_whatever_became_of_it() {
    let world = world().await;
    for (condition, well) in [("Complete", true), ("Failed", false)] {
        end_job(&world.cluster, condition);
        let (done, report) = world.check(terms(), job()).await;
        assert_eq!(done, well, "{report:?}");
        assert_eq!(report.evidence.got, ["log of smoke-pod/smoke:", "one", "two"]);
        assert_eq!(jobs(&world.cluster).await, 0);
    }
    let (done, report) = world.check(terms(), job()).await;
    assert_eq!((done, report.why.as_str()), (false, "the Job did not end within 1 s"));
    assert_eq!(jobs(&world.cluster).await, 0);
}

#[tokio::test]
async fn a_job_is_deleted_when_the_run_is_stopped_and_one_that_was_left_by_the_next() {
    let world = world().await;
    let cancel = world.cancel.clone();
    world.cluster.before("get Job", move |_| cancel.cancel());
    let left = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "check-old", "namespace": "default",
        "labels": {"app.kubernetes.io/managed-by": "pilothouse", "pilothouse.dev/check-of": "web"},
        "annotations": {"pilothouse.dev/left-after": "2020-01-01T00:00:00Z"}}});
    let mut at_work = left.clone();
    at_work["metadata"]["name"] = json!("check-at-work");
    at_work["metadata"]["annotations"]["pilothouse.dev/left-after"] = json!("2999-01-01T00:00:00Z");
    world.cluster.put(left);
    world.cluster.put(at_work);
    let (outcome, _) = world.run(vec![spec(CheckTerms { timeout_in_seconds: 60, ..terms() }, job())], None).await;
    assert!(matches!(outcome.releases[0].1, ReleaseOutcome::Interrupted { phase: Phase::Validate }), "{outcome:?}");
    assert!(world.cluster.object("Job", Some("default"), "check-at-work").is_some());
    assert_eq!(jobs(&world.cluster).await, 1);
}

#[tokio::test]
async fn helm_test_is_a_check() {
    let world = world().await;
    let (done, report) = world.check(terms(), CheckKind::HelmTest(HelmTestCheck::default())).await;
    assert_eq!((done, report.why.as_str(), report.attempts), (true, "the tests passed", 1));
}

/// What the server answers before and after the change, and what is made of it.
#[rstest::rstest]
#[case(200, 200, true, CheckComparison::StillHolds)]
#[case(200, 503, false, CheckComparison::Broken)]
#[case(503, 200, true, CheckComparison::Fixed)]
#[case(503, 503, true, CheckComparison::WasBroken)]
#[tokio::test]
async fn a_baseline_tells_who_broke_it(
    #[case] before: u16,
    #[case] after: u16,
    #[case] well: bool,
    #[case] expected: CheckComparison,
) {
    let world = world().await;
    // The first install has nothing to compare with.
    let check = || vec![spec(CheckTerms { baseline: true, ..terms() }, http(|_| ()))];
    let (_, events) = world.run(check(), None).await;
    assert_eq!(reports(&events).iter().map(|report| report.comparison).collect::<Vec<_>>(), [None]);
    world.server.status.store(before, Ordering::SeqCst);
    let (outcome, events) = world.run(check(), Some(after)).await;
    let comparisons: Vec<_> = reports(&events).iter().map(|report| report.comparison).collect();
    assert_eq!(comparisons, [None, Some(expected)]);
    let phases = events.iter().filter_map(|event| match &event.kind {
        EventKind::Checked { phase, baseline_of, .. } => Some((*phase, baseline_of.is_some())),
        _ => None,
    });
    assert_eq!(phases.collect::<Vec<_>>(), [(Phase::CheckPrerequisites, true), (Phase::Validate, false)]);
    match &outcome.releases[0].1 {
        ReleaseOutcome::Done { .. } => assert!(well),
        ReleaseOutcome::Failed(failure) => {
            assert!(!well);
            let line = failure.error[1].lines().next().unwrap().to_owned();
            assert_eq!(line, "the change broke it, before it held: the status is 503, not 2xx");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn validate_alone_makes_every_check_and_compares_nothing() {
    let world = world().await;
    world.run(Vec::new(), None).await;
    world.server.status.store(503, Ordering::SeqCst);
    let mut release = pilothouse::stack::ReleaseSpec { info: info(), steps: std::collections::BTreeMap::new() };
    let other = AssertOf::Object(ObjectRef::parse("configmap/settings").unwrap());
    let held = CheckKind::Assert(AssertCheck { of: other, that: "object.data.colour == 'blue'".to_owned() });
    let tcp = CheckKind::Tcp(TcpCheck { endpoint: service(81) });
    release.steps.insert(
        Phase::Validate,
        vec![spec(CheckTerms { baseline: true, ..terms() }, http(|_| ())), spec(terms(), held), spec(terms(), tcp)],
    );
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(DeclaredChart::new(release))];
    let config = RunConfig::new("s", RunId(uuid::Uuid::nil()));
    let mut events = Vec::new();
    let outcome = pilothouse::validate(&config, &charts, &world.session, |event| events.push(event.clone())).await;
    let verdicts: Vec<_> = reports(&events).iter().map(|report| (report.verdict, report.comparison)).collect();
    assert_eq!(verdicts, [(CheckVerdict::NotHeld, None), (CheckVerdict::Held, None), (CheckVerdict::NotHeld, None)]);
    let ReleaseOutcome::Failed(failure) = &outcome.releases[0].1 else { panic!("{outcome:?}") };
    assert!(failure.error[0].starts_with("2 failed:\n"), "{failure:?}");
}
