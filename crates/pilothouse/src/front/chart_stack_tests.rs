//! A stack of charts over a cluster in memory.

use crate::checks::{CheckKind, CheckStep, Endpoint, Header, HeaderValue, HttpCheck};
use crate::context::{Context, ReleaseRun, Session, SessionConfig, Step, StepDescription};
use crate::environment::EnvironmentError;
use crate::error::PhaseError;
use crate::phases::HelmChart;
use crate::run::RunError;
use crate::steps::{StepKind, StepSpec, built_in};
use async_trait::async_trait;
use futures::StreamExt;
use pilothouse_core::{
    ChartInfo, ChartRef, EventKind, Namespace, Payload, Phase, Redactor, RunVerdict, Sensitive, SetValue,
};
use pilothouse_health::Rules;
use pilothouse_kube::HelmDriver;
use pilothouse_testkit::{FakeCluster, FakeHelm, fixture_chart};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, namespace: web }\n";

struct Web(ChartInfo);

impl HelmChart for Web {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }
}

fn web() -> Web {
    Web(ChartInfo {
        name: "web".to_owned(),
        namespace: Namespace::from("web"),
        chart: ChartRef::path(fixture_chart("config")),
        ..ChartInfo::default()
    })
}

/// A session whose programs see this home.
fn session(home: Option<&Path>) -> (Arc<Session>, Arc<FakeHelm>) {
    let cluster = Arc::new(FakeCluster::default());
    let helm = Arc::new(FakeHelm::new(cluster.clone(), MANIFEST, "1.0.0"));
    let variables = home.map(|home| ("HOME".into(), home.into()));
    let cancel = CancellationToken::new();
    let session = Session::new(SessionConfig {
        cluster,
        helm: helm.clone(),
        driver: HelmDriver::Secret,
        cancel: cancel.clone(),
        terminate: cancel,
        redactor: Redactor::default(),
        chart_cache: "/nonexistent".into(),
        scratch: "/nonexistent".into(),
        backups: None,
        command_env: variables.into_iter().collect::<BTreeMap<_, _>>(),
        grace: Duration::from_secs(1),
        rules: Rules::default(),
    });
    (session, helm)
}

#[tokio::test]
async fn a_chart_is_deployed_and_the_run_written_down_where_the_user_keeps_his_state() {
    let home = tempfile::tempdir().unwrap();
    let (session, _) = session(Some(home.path()));
    // What is called on a task of its own has to be able to change threads.
    let outcome = tokio::spawn(async move { session.stack("shop").chart(web()).apply().await }).await.unwrap();
    assert_eq!(outcome.unwrap().into_result().unwrap().verdict(), RunVerdict::Done);
    assert!(home.path().join(".local/state/pilothouse/runs").is_dir());
}

#[tokio::test]
async fn without_a_folder_for_the_journal_nothing_is_begun_unless_that_is_wanted() {
    let (session, helm) = session(None);
    let refused = session.stack("shop").chart(web()).apply().await.unwrap_err();
    assert!(matches!(refused, RunError::Folder(EnvironmentError::NoFolder { .. })), "{refused}");
    assert!(helm.failures.calls().is_empty());
    session.stack("shop").chart(web()).without_journal().apply().await.unwrap().into_result().unwrap();
}

#[tokio::test]
async fn a_failed_release_is_an_error_that_tells_why() {
    let (session, helm) = session(None);
    helm.failures.fail_each("upgrade web/web");
    let outcome = session.stack("shop").chart(web()).without_journal().apply().await.unwrap();
    let failed = outcome.into_result().unwrap_err();
    let (release, failure) = failed.failures().next().unwrap();
    assert_eq!((release.to_string().as_str(), failure.phase.name()), ("web/web", "exec"));
    assert!(failed.to_string().starts_with("web/web: exec: "), "{failed}");
}

#[tokio::test]
async fn events_are_a_stream_that_ends_with_the_run() {
    let (session, _) = session(None);
    let mut running = session.stack("shop").chart(web()).without_journal().start();
    let mut kinds = Vec::new();
    while let Some(event) = running.next().await {
        kinds.push(event.kind);
    }
    assert!(matches!(kinds.first(), Some(EventKind::RunStarted { .. })));
    assert!(matches!(kinds.last(), Some(EventKind::RunFinished { .. })));
    assert_eq!(running.outcome().await.unwrap().verdict(), RunVerdict::Done);
}

#[tokio::test]
async fn a_run_that_is_cancelled_is_awaited() {
    let (session, _) = session(None);
    let running = session.stack("shop").chart(web()).without_journal().start();
    let outcome = running.cancel().await.unwrap();
    assert_eq!(outcome.verdict(), RunVerdict::Interrupted);
}

#[tokio::test]
async fn two_runs_go_on_side_by_side_in_one_process() {
    let ((one, _), (other, helm)) = (session(None), session(None));
    helm.failures.fail_each("upgrade web/web");
    let (one, other) = tokio::join!(
        one.stack("one").chart(web()).without_journal().apply(),
        other.stack("other").chart(web()).without_journal().apply(),
    );
    assert_eq!((one.unwrap().verdict(), other.unwrap().verdict()), (RunVerdict::Done, RunVerdict::Failed));
}

const OF_A_VALUE: &str = "correct-horse-battery";
const OF_A_STEP: &str = "staple-of-the-step-7";
const OF_A_HEADER: &str = "token-of-the-header-9";

/// Everything secret in it says so, and it tells all of it whenever it can.
struct Talker(ChartInfo);

impl HelmChart for Talker {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let header = Header {
            name: "Authorization".to_owned(),
            value: HeaderValue::Sensitive(Sensitive::new(format!("Bearer {OF_A_HEADER}"))),
        };
        let endpoint = Endpoint::Address { host: "127.0.0.1".to_owned(), port: 1 };
        let check = HttpCheck { headers: vec![header], ..HttpCheck::get(endpoint, "/") };
        let check = StepSpec::new(StepKind::Check(Box::new(CheckStep::new(CheckKind::Http(check)))));
        match phase {
            Phase::PreExec => vec![Arc::new(Tells)],
            Phase::PostExec => vec![built_in(&check)],
            _ => Vec::new(),
        }
    }
}

struct Tells;

#[async_trait]
impl Step for Tells {
    fn describe(&self) -> StepDescription {
        StepDescription::new(format!("log in with {OF_A_STEP}"))
    }

    fn version(&self) -> String {
        "1".to_owned()
    }

    fn secrets(&self) -> Vec<Sensitive<String>> {
        vec![Sensitive::new(OF_A_STEP.to_owned())]
    }

    async fn run(&self, ctx: &Context, _: &mut ReleaseRun, _: &mut Payload) -> Result<(), PhaseError> {
        let all = format!("{OF_A_VALUE} {OF_A_STEP} {OF_A_HEADER}");
        ctx.say(&all);
        Err(PhaseError::custom(all))
    }
}

/// What is below a folder, all files one after the other.
fn texts(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| if path.is_dir() { texts(&path) } else { std::fs::read_to_string(path).unwrap() };
    entries.map(of).collect()
}

#[tokio::test]
async fn what_says_that_it_is_secret_is_shown_nowhere_though_nobody_has_told_a_redactor() {
    let home = tempfile::tempdir().unwrap();
    let (session, _) = session(Some(home.path()));
    let mut talker = Talker(web().0);
    talker.0.values.push(SetValue::sensitive("db.password", OF_A_VALUE));
    let mut told = Vec::new();
    let outcome = session.stack("shop").chart(talker).apply_telling(|event| told.push(event.clone())).await.unwrap();
    let events = format!("{told:?}{}", serde_json::to_string(&told).unwrap());
    let failed = outcome.clone().into_result().unwrap_err();
    let ended = format!("{outcome:?}{}{failed}{failed:?}", serde_json::to_string(&outcome).unwrap());
    for (place, text) in [("events", events), ("outcome", ended), ("journal", texts(home.path()))] {
        assert!(text.contains("*** *** ***"), "{place}: {text}");
        for secret in [OF_A_VALUE, OF_A_STEP, OF_A_HEADER] {
            assert!(!text.contains(secret), "{secret} in the {place}: {text}");
        }
    }
}

#[tokio::test]
async fn a_plan_shows_no_secret_of_a_step() {
    let (session, _) = session(None);
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(Talker(web().0))];
    let plan = crate::plan("shop", &charts, &session, 1, None).await.unwrap();
    let shown = format!("{plan:?}{}", serde_json::to_string(&plan).unwrap());
    assert!(shown.contains("log in with ***"), "{shown}");
    assert!(!shown.contains(OF_A_STEP), "{shown}");
}
