//! The lifecycle on a cluster and a helm in memory, where every call can be made to fail.
#![expect(clippy::disallowed_methods, reason = "helm needs the environment")]

mod retries;

use async_trait::async_trait;
use pilothouse::Remedy;
use pilothouse::helm::HelmDriver;
use pilothouse::kubernetes::Rules;
use pilothouse::{
    ChartInfo, ChartRef, Context, EventKind, FailurePolicy, Finding, HelmAction, HelmChart, Namespace, OnFailure,
    OnReleaseFailure, Payload, Phase, PhaseError, Redactor, ReleaseKey, ReleaseOutcome, ReleaseRun, RunConfig, RunId,
    RunOutcome, RunVerdict, Session, SessionConfig, SetPolicy, SetValue, Step, StepDescription, ValueSource, defaults,
};
use pilothouse_core::{Class, NextStep, RevisionStatus};
use pilothouse_testkit::{FakeCluster, FakeHelm, fixture_chart, release_secret};
use rstest::rstest;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n";
const OTHER_MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  colour: red\n";

struct World {
    cluster: Arc<FakeCluster>,
    helm: Arc<FakeHelm>,
    session: Arc<Session>,
    cancel: CancellationToken,
    log: Log,
}

type Log = Arc<Mutex<Vec<String>>>;

fn world() -> World {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
    let helm = Arc::new(FakeHelm::new(cluster.clone(), MANIFEST, "1.0.0"));
    let cancel = CancellationToken::new();
    let session = session(&cluster, &helm, &cancel);
    World { cluster, helm, session, cancel, log: Log::default() }
}

fn session(cluster: &Arc<FakeCluster>, helm: &Arc<FakeHelm>, cancel: &CancellationToken) -> Arc<Session> {
    Session::new(SessionConfig {
        cluster: cluster.clone(),
        helm: helm.clone(),
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
    })
}

/// A step that writes its name down, and may fail.
struct Noted {
    name: &'static str,
    fails: bool,
    /// It fails so often, and works then.
    times: usize,
    no_return: bool,
    log: Log,
}

#[async_trait]
impl Step for Noted {
    fn describe(&self) -> StepDescription {
        StepDescription { point_of_no_return: self.no_return, ..StepDescription::new(self.name) }
    }

    fn version(&self) -> String {
        "1".to_owned()
    }

    async fn run(&self, _: &Context, _: &mut ReleaseRun, _: &mut Payload) -> Result<(), PhaseError> {
        let mut log = self.log.lock().unwrap();
        log.push(self.name.to_owned());
        let times = log.iter().filter(|name| *name == self.name).count();
        if self.fails && times <= self.times {
            Err(PhaseError::custom(format!("{} is broken", self.name)))
        } else {
            Ok(())
        }
    }
}

/// A chart with one noted step in every phase.
struct Chart {
    info: ChartInfo,
    fails_in: Vec<Phase>,
    times: usize,
    no_return: Option<Phase>,
    /// There is nothing to clean up after a failure.
    leaves: bool,
    log: Log,
}

impl Chart {
    fn new(world: &World, fails_in: &[Phase]) -> Self {
        let chart = ChartRef::path(fixture_chart("data"));
        let info = ChartInfo { name: "demo".to_owned(), chart, timeout_in_seconds: 2, ..ChartInfo::default() };
        Self {
            info,
            fails_in: fails_in.to_vec(),
            times: usize::MAX,
            no_return: None,
            leaves: false,
            log: world.log.clone(),
        }
    }

    /// It has no step in `on_deploy_failure`.
    fn that_leaves(mut self) -> Self {
        self.leaves = true;
        self
    }

    /// Its steps fail so often, and work then.
    fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    fn with(mut self, change: impl FnOnce(&mut ChartInfo)) -> Self {
        change(&mut self.info);
        self
    }

    /// With a value that makes it render something else.
    fn changed(self, world: &World) -> Self {
        world.helm.renders(OTHER_MANIFEST);
        let value = SetValue { key: "colour".to_owned(), value: ValueSource::String("red".to_owned()) };
        self.with(|info| info.values.push(value))
    }
}

impl HelmChart for Chart {
    fn chart_info(&self) -> &ChartInfo {
        &self.info
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        if self.leaves && phase == Phase::OnDeployFailure {
            return Vec::new();
        }
        vec![Arc::new(Noted {
            name: phase.name(),
            fails: self.fails_in.contains(&phase),
            times: self.times,
            no_return: self.no_return == Some(phase),
            log: self.log.clone(),
        })]
    }
}

async fn run(world: &World, charts: Vec<Chart>) -> (RunOutcome, Vec<EventKind>) {
    run_seen(world, charts, |_| {}).await
}

/// The same, where something happens at some event.
async fn run_seen(world: &World, charts: Vec<Chart>, mut at: impl FnMut(&EventKind)) -> (RunOutcome, Vec<EventKind>) {
    let charts: Vec<Box<dyn HelmChart>> = charts.into_iter().map(|chart| Box::new(chart) as _).collect();
    let mut events = Vec::new();
    let id = RunId(uuid::Uuid::nil());
    let outcome = pilothouse::run(&RunConfig::new("test", id), &charts, &world.session, |event| {
        assert_eq!(event.seq, events.len() as u64 + 1);
        at(&event.kind);
        events.push(event.kind.clone());
    })
    .await
    .unwrap();
    (outcome, events)
}

async fn run_one(world: &World, chart: Chart) -> ReleaseOutcome {
    run(world, vec![chart]).await.0.releases.remove(0).1
}

fn noted(world: &World) -> Vec<String> {
    world.log.lock().unwrap().clone()
}

fn revisions(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for n in 1..10 {
        if let Some(secret) = world.cluster.object("Secret", Some("default"), &format!("sh.helm.release.v1.demo.v{n}"))
        {
            found.push(secret["metadata"]["labels"]["status"].as_str().unwrap().to_owned());
        }
    }
    found
}

#[tokio::test]
async fn every_phase_runs_in_order_and_the_release_is_deployed() {
    let world = world();
    let outcome = run_one(&world, Chart::new(&world, &[])).await;
    assert_eq!(outcome, ReleaseOutcome::Done { summary: "installed data 1.0.0".to_owned() });
    assert_eq!(noted(&world), ["check_prerequisites", "pre_exec", "post_exec", "validate"]);
    assert_eq!(revisions(&world), ["deployed"]);
    assert!(world.cluster.object("ConfigMap", Some("default"), "settings").is_some());
}

#[tokio::test]
async fn a_destroy_runs_the_same_phases() {
    let world = world();
    run_one(&world, Chart::new(&world, &[])).await;
    world.log.lock().unwrap().clear();
    let outcome = run_one(&world, Chart::new(&world, &[]).with(|info| info.action = HelmAction::Destroy)).await;
    assert_eq!(outcome, ReleaseOutcome::Done { summary: "uninstalled".to_owned() });
    assert_eq!(noted(&world), ["check_prerequisites", "pre_exec", "post_exec", "validate"]);
    assert_eq!(revisions(&world), [""; 0]);
    assert!(world.cluster.object("ConfigMap", Some("default"), "settings").is_none());
}

#[tokio::test]
async fn skip_touches_nothing() {
    let world = world();
    let outcome = run_one(&world, Chart::new(&world, &[]).with(|info| info.action = HelmAction::Skip)).await;
    assert_eq!(outcome, ReleaseOutcome::Skipped { reason: "action is skip".to_owned() });
    assert_eq!((noted(&world), world.helm.failures.calls()), (vec![], vec![]));
}

#[tokio::test]
async fn what_is_installed_already_is_left_alone_with_all_its_steps() {
    let world = world();
    run_one(&world, Chart::new(&world, &[])).await;
    world.log.lock().unwrap().clear();
    let again = Chart::new(&world, &[]).with(|info| info.skip_if_already_installed = true);
    let outcome = run_one(&world, again).await;
    assert_eq!(outcome, ReleaseOutcome::Unchanged { why: "it is already installed".to_owned() });
    assert_eq!(
        (noted(&world), revisions(&world)),
        (vec!["check_prerequisites".to_owned()], vec!["deployed".to_owned()])
    );
}

#[tokio::test]
async fn a_release_that_is_not_installed_is_not_valid() {
    let world = world();
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(Chart::new(&world, &[]))];
    let outcome =
        pilothouse::validate(&RunConfig::new("test", RunId(uuid::Uuid::nil())), &charts, &world.session, |_| {}).await;
    let ReleaseOutcome::Failed(failure) = &outcome.releases[0].1 else { panic!("{outcome:?}") };
    assert_eq!(failure.error, ["the release is not installed"]);
}

/// Another run has begun an operation since this one looked: the policy must not trample it.
#[tokio::test]
async fn the_policy_leaves_what_somebody_else_is_at_work_on() {
    let world = world();
    run_one(&world, Chart::new(&world, &[])).await;
    let calls = world.helm.failures.calls().len();
    // Of the second run, the first call renders and the second one upgrades.
    world.helm.failures.fail_at(calls + 2);
    world.helm.failed_as(RevisionStatus::PendingUpgrade);
    let chart = Chart::new(&world, &[]).changed(&world).with(|info| info.on_failure = Remedy::Rollback.into());
    let outcome = run_one(&world, chart).await;
    let ReleaseOutcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    let why = "revision 2 is pending-upgrade, it may be another run's".to_owned();
    assert_eq!(failure.next, NextStep::Left { why });
    assert_eq!(world.helm.failures.calls().len(), calls + 2);
}

#[tokio::test]
async fn the_policy_never_deletes_data_without_consent() {
    let world = world();
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: precious\n";
    let helm = Arc::new(FakeHelm::new(world.cluster.clone(), claim, "1.0.0"));
    let session = session(&world.cluster, &helm, &world.cancel);
    let chart = Chart::new(&world, &[Phase::PostExec]).with(|info| {
        info.on_failure = Remedy::Uninstall.into();
        info.wait = false;
    });
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(chart)];
    let outcome =
        pilothouse::run(&RunConfig::new("test", RunId(uuid::Uuid::nil())), &charts, &session, |_| {}).await.unwrap();
    let ReleaseOutcome::Failed(failure) = &outcome.releases[0].1 else { panic!("{outcome:?}") };
    let why =
        "an uninstall would lose data: PersistentVolumeClaim default/precious: deleting it may delete the data on it";
    assert_eq!(failure.next, NextStep::Left { why: why.to_owned() });
    assert!(world.cluster.object("PersistentVolumeClaim", Some("default"), "precious").is_some());
}

#[tokio::test]
async fn a_dry_run_ends_before_anything_is_changed() {
    let world = world();
    let outcome = run_one(&world, Chart::new(&world, &[]).with(|info| info.dry_run = true)).await;
    assert_eq!(outcome, ReleaseOutcome::Done { summary: "dry run: would install".to_owned() });
    assert_eq!(world.helm.failures.calls(), ["template default/demo"]);
    assert_eq!(noted(&world), ["check_prerequisites"]);
}

#[tokio::test]
async fn a_failing_clean_up_never_takes_the_place_of_the_cause() {
    let world = world();
    let outcome = run_one(&world, Chart::new(&world, &[Phase::PostExec, Phase::OnDeployFailure])).await;
    let ReleaseOutcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.phase, Phase::PostExec);
    assert_eq!(failure.step.as_deref(), Some("post_exec"));
    assert_eq!(failure.error, ["step failed: post_exec", "post_exec is broken"]);
    let cleaning = "step failed: on_deploy_failure: on_deploy_failure is broken";
    assert_eq!(failure.on_deploy_failure_error.as_deref(), Some(cleaning));
    assert_eq!(failure.next, NextStep::Left { why: "on_failure is leave".to_owned() });
}

#[tokio::test]
async fn a_failed_upgrade_is_rolled_back_to_what_was_deployed() {
    let world = world();
    run_one(&world, Chart::new(&world, &[])).await;
    let upgrade = Chart::new(&world, &[Phase::Validate]).changed(&world);
    let outcome = run_one(&world, upgrade.with(|info| info.on_failure = Remedy::Rollback.into())).await;
    let ReleaseOutcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.next, NextStep::RolledBack { to_revision: 1 });
    assert_eq!(world.helm.failures.calls().last().unwrap(), "rollback to 1 default/demo");
}

#[tokio::test]
async fn a_failed_first_install_is_uninstalled_when_the_policy_says_so() {
    let world = world();
    // The first call of helm renders, the second one installs.
    world.helm.failures.fail_at(2);
    let chart = Chart::new(&world, &[]).with(|info| info.on_failure = Remedy::Uninstall.into());
    let outcome = run_one(&world, chart).await;
    let ReleaseOutcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert_eq!((failure.phase, &failure.next), (Phase::Exec, &NextStep::Uninstalled));
    assert_eq!(revisions(&world), [""; 0]);
    assert_eq!(noted(&world), ["check_prerequisites", "pre_exec", "on_deploy_failure"]);
}

#[tokio::test]
async fn a_remediation_that_fails_is_told_beside_the_cause() {
    let world = world();
    world.helm.failures.fail_at(2);
    world.helm.failures.fail_at(3);
    let chart = Chart::new(&world, &[]).with(|info| info.on_failure = Remedy::Uninstall.into());
    let outcome = run_one(&world, chart).await;
    let ReleaseOutcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.error, ["helm fake printed something unexpected: upgrade was made to fail"]);
    let error = "helm fake printed something unexpected: uninstall was made to fail".to_owned();
    assert_eq!(failure.next, NextStep::RemediationFailed { tried: "the uninstall".to_owned(), error });
}

#[tokio::test]
async fn every_finding_is_told_and_nothing_is_changed() {
    let world = world();
    let release = ReleaseKey::new("default", "demo");
    world.cluster.put(release_secret(&release, 1, RevisionStatus::PendingInstall, "1.0.0", ""));
    world.cluster.put(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default"}}),
    );
    world.cluster.put(
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "deletionTimestamp": "x"}}),
    );
    let outcome = run_one(&world, Chart::new(&world, &[])).await;
    let ReleaseOutcome::Refused { findings } = outcome else { panic!("{outcome:?}") };
    let codes: Vec<(&str, Class)> = findings.iter().map(|finding| (finding.code.as_str(), finding.class)).collect();
    assert_eq!(
        codes,
        [
            ("RELEASE_LOCKED", Class::Blocked),
            ("NAMESPACE_TERMINATING", Class::Blocked),
            ("OWNERSHIP_CONFLICT", Class::Unsafe)
        ]
    );
    assert_eq!(world.helm.failures.calls(), ["template default/demo"]);
    assert_eq!(noted(&world), [""; 0]);
}

#[tokio::test]
async fn wrong_input_in_the_last_release_leaves_the_first_untouched() {
    let world = world();
    let good = Chart::new(&world, &[]);
    let bad = Chart::new(&world, &[]).with(|info| {
        info.name = "other".to_owned();
        info.values_files = vec!["/no/such/values.yaml".into()];
    });
    let (outcome, _) = run(&world, vec![good, bad]).await;
    assert_eq!(outcome.verdict(), RunVerdict::BadInput);
    let reason = "the input of another release is wrong".to_owned();
    assert_eq!(outcome.releases[0].1, ReleaseOutcome::NotStarted { reason, blocked_by: None });
    assert_eq!((noted(&world), revisions(&world)), (vec![], vec![]));
}

/// A ConfigMap that the release wants and nobody has given to it.
fn in_the_way() -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default"}})
}

#[tokio::test]
async fn a_refusal_of_the_last_release_leaves_the_first_untouched() {
    let world = world();
    world.cluster.put(in_the_way());
    let absent = |info: &mut ChartInfo| {
        info.name = "first".to_owned();
        info.action = HelmAction::Destroy;
    };
    let (outcome, _) = run(&world, vec![Chart::new(&world, &[]).with(absent), Chart::new(&world, &[])]).await;
    assert_eq!(outcome.verdict(), RunVerdict::Refused);
    assert_eq!(outcome.releases[0].1, not_started("another release is refused", None));
    let ReleaseOutcome::Refused { findings } = &outcome.releases[1].1 else { panic!("{outcome:?}") };
    assert_eq!(findings.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), ["OWNERSHIP_CONFLICT"]);
    assert_eq!((noted(&world), revisions(&world)), (vec![], vec![]));
}

#[tokio::test]
async fn the_others_are_carried_out_when_the_user_says_so() {
    let world = world();
    world.cluster.put(in_the_way());
    let absent = named(&world, "first", &[], &[]).with(|info| info.action = HelmAction::Destroy);
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(named(&world, "demo", &[], &[])), Box::new(absent)];
    let config = RunConfig { despite_refusals: true, ..RunConfig::new("test", RunId(uuid::Uuid::nil())) };
    let outcome = pilothouse::run(&config, &charts, &world.session, |_| {}).await.unwrap();
    assert!(matches!(outcome.releases[0].1, ReleaseOutcome::Refused { .. }), "{outcome:?}");
    assert!(matches!(outcome.releases[1].1, ReleaseOutcome::Done { .. }), "{outcome:?}");
}

/// Nobody has seen what would become of a release that the plan refuses: it is not done, even where nothing is in its way any more. The
/// others are done where it is to be left out, and as they were planned.
#[rstest]
#[tokio::test]
async fn a_plan_that_refuses_a_release_is_not_carried_out(
    #[values(true, false)] is_left_out: bool,
    #[values(true, false)] is_put_right: bool,
) {
    let world = world();
    world.cluster.put(in_the_way());
    let absent = named(&world, "first", &[], &[]).with(|info| info.action = HelmAction::Destroy);
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(named(&world, "demo", &[], &[])), Box::new(absent)];
    let plan = pilothouse::plan("test", &charts, &world.session, 1, None).await.unwrap();
    assert!(plan.is_refused(), "{plan:?}");
    if is_put_right {
        world.cluster.remove("ConfigMap", Some("default"), "settings");
    }
    let config = RunConfig {
        despite_refusals: is_left_out,
        plan: Some(Arc::new(plan)),
        ..RunConfig::new("test", RunId(uuid::Uuid::nil()))
    };
    let outcome = pilothouse::run(&config, &charts, &world.session, |_| {}).await.unwrap();
    let ReleaseOutcome::Refused { findings } = &outcome.releases[0].1 else { panic!("{outcome:?}") };
    assert!(
        findings.iter().any(|one| one.code == "PLAN_OUTDATED" && one.message.contains("refuses it")),
        "{findings:?}"
    );
    let is_told = is_left_out || findings.iter().any(|one| one.code == "OWNERSHIP_CONFLICT");
    let is_done = matches!(outcome.releases[1].1, ReleaseOutcome::Done { .. });
    assert_eq!((is_told, is_done, revisions(&world)), (true, is_left_out, vec![]), "{outcome:?}");
}

#[tokio::test]
async fn what_was_seen_before_another_release_had_its_turn_does_not_count() {
    let world = world();
    let first = named(&world, "first", &[], &[]).with(|info| info.action = HelmAction::Destroy);
    let comes = |event: &EventKind| {
        if matches!(event, EventKind::ReleaseFinished { release, .. } if release.name == "first") {
            world.cluster.put(in_the_way());
        }
    };
    let (outcome, _) = run_seen(&world, vec![first, named(&world, "demo", &[], &[])], comes).await;
    assert!(matches!(outcome.releases[0].1, ReleaseOutcome::Done { .. }), "{outcome:?}");
    assert!(matches!(outcome.releases[1].1, ReleaseOutcome::Refused { .. }), "{outcome:?}");
}

#[tokio::test]
async fn what_an_earlier_release_puts_right_is_looked_at_in_turn() {
    let world = world();
    world.cluster.put(in_the_way());
    let first = named(&world, "first", &["demo"], &[]).with(|info| info.action = HelmAction::Destroy);
    let goes = |event: &EventKind| {
        if matches!(event, EventKind::ReleaseFinished { release, .. } if release.name == "first") {
            world.cluster.remove("ConfigMap", Some("default"), "settings");
        }
    };
    let (outcome, _) = run_seen(&world, vec![first, named(&world, "demo", &[], &[])], goes).await;
    assert_eq!(outcome.verdict(), RunVerdict::Done, "{outcome:?}");
    assert_eq!(revisions(&world), ["deployed"]);
}

fn named(world: &World, name: &str, needs: &[&str], fails_in: &[Phase]) -> Chart {
    Chart::new(world, fails_in).with(|info| {
        name.clone_into(&mut info.name);
        info.needs = needs.iter().map(|&need| need.into()).collect();
    })
}

fn not_started(reason: &str, blocked_by: Option<&str>) -> ReleaseOutcome {
    let blocked_by = blocked_by.map(|name| ReleaseKey::new("default", name));
    ReleaseOutcome::NotStarted { reason: reason.to_owned(), blocked_by }
}

#[tokio::test]
async fn only_what_needs_a_failed_release_is_not_begun_and_names_the_first_cause() {
    let world = world();
    let charts = vec![
        named(&world, "last", &["middle"], &[]),
        named(&world, "middle", &["broken"], &[]),
        named(&world, "broken", &[], &[Phase::PreExec]),
        named(&world, "independent", &[], &[]),
    ];
    let (outcome, _) = run(&world, charts).await;
    assert_eq!(outcome.verdict(), RunVerdict::Failed);
    let because = not_started("it needs default/broken, which failed", Some("broken"));
    assert_eq!((&outcome.releases[0].1, &outcome.releases[1].1), (&because, &because));
    assert!(matches!(outcome.releases[3].1, ReleaseOutcome::Done { .. }));
}

/// `base` <- `middle` <- `top`, which fails, and `other`, which needs `base` too if it is told so; each in its own namespace.
async fn branch(
    on_release_failure: OnReleaseFailure,
    other_needs: &[&str],
    no_return: Option<Phase>,
) -> (Vec<ReleaseOutcome>, Vec<String>) {
    let world = world();
    let mut charts = vec![
        named(&world, "base", &[], &[]),
        named(&world, "middle", &["base"], &[]),
        named(&world, "top", &["middle"], &[Phase::PostExec]),
        named(&world, "other", other_needs, &[]),
    ];
    for chart in &mut charts {
        chart.info.namespace = Namespace::Custom(chart.info.name.clone());
        chart.info.on_failure = Remedy::Uninstall.into();
    }
    charts[1].no_return = no_return;
    let charts: Vec<Box<dyn HelmChart>> = charts.into_iter().map(|chart| Box::new(chart) as _).collect();
    let config = RunConfig { on_release_failure, ..RunConfig::new("test", RunId(uuid::Uuid::nil())) };
    let outcome = pilothouse::run(&config, &charts, &world.session, |_| {}).await.unwrap();
    assert_eq!(outcome.verdict(), RunVerdict::Failed);
    let uninstalls = world.helm.failures.calls().into_iter().filter(|call| call.starts_with("uninstall")).collect();
    (outcome.releases.into_iter().map(|(_, outcome)| outcome).collect(), uninstalls)
}

#[tokio::test]
async fn what_a_failed_release_needs_is_taken_back_after_it_the_last_one_first() {
    let (outcomes, uninstalls) = branch(OnReleaseFailure::RollbackNeeds, &[], None).await;
    let undone = || ReleaseOutcome::Undone { because_of: ReleaseKey::new("top", "top"), next: NextStep::Uninstalled };
    assert_eq!(outcomes[..2], [undone(), undone()]);
    assert!(matches!(outcomes[2], ReleaseOutcome::Failed(_)) && matches!(outcomes[3], ReleaseOutcome::Done { .. }));
    assert_eq!(uninstalls, ["uninstall top/top", "uninstall middle/middle", "uninstall base/base"]);
}

#[tokio::test]
async fn what_something_else_needs_stays() {
    let (outcomes, uninstalls) = branch(OnReleaseFailure::RollbackNeeds, &["base"], None).await;
    assert!(matches!(outcomes[0], ReleaseOutcome::Done { .. }), "{outcomes:?}");
    assert_eq!(uninstalls, ["uninstall top/top", "uninstall middle/middle"]);
}

#[tokio::test]
async fn what_is_past_a_point_of_no_return_stays_with_all_it_needs() {
    let (_, uninstalls) = branch(OnReleaseFailure::RollbackNeeds, &[], Some(Phase::PreExec)).await;
    assert_eq!(uninstalls, ["uninstall top/top"]);
}

#[tokio::test]
async fn nothing_else_is_taken_back_unless_that_is_asked_for() {
    let (_, uninstalls) = branch(OnReleaseFailure::Leave, &[], None).await;
    assert_eq!(uninstalls, ["uninstall top/top"]);
}

#[tokio::test]
async fn a_run_that_fails_fast_begins_nothing_after_a_failure() {
    let world = world();
    let charts = vec![named(&world, "broken", &[], &[Phase::PreExec]), named(&world, "independent", &[], &[])];
    let charts: Vec<Box<dyn HelmChart>> = charts.into_iter().map(|chart| Box::new(chart) as _).collect();
    let config = RunConfig { failure_policy: SetPolicy::FailFast, ..RunConfig::new("test", RunId(uuid::Uuid::nil())) };
    let outcome = pilothouse::run(&config, &charts, &world.session, |_| {}).await.unwrap();
    let reason = "default/broken did not end well, and the run is to fail fast";
    assert_eq!(outcome.releases[1].1, not_started(reason, None));
}

#[tokio::test]
async fn what_is_destroyed_goes_before_what_it_needs() {
    let world = world();
    let destroyed = |chart: Chart| chart.with(|info| info.action = HelmAction::Destroy);
    let charts = vec![destroyed(named(&world, "base", &[], &[])), destroyed(named(&world, "top", &["base"], &[]))];
    let (_, events) = run(&world, charts).await;
    let begun: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            EventKind::ReleaseStarted { release, .. } => Some(release.name.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(begun, ["top", "base"]);
}

#[tokio::test]
async fn needs_that_form_a_cycle_are_refused_before_anything_is_looked_at() {
    let world = world();
    let charts = vec![named(&world, "a", &["b"], &[]), named(&world, "b", &["a"], &[])];
    let (outcome, _) = run(&world, charts).await;
    assert_eq!(outcome.verdict(), RunVerdict::BadInput);
    assert!(world.cluster.failures.calls().is_empty() && world.helm.failures.calls().is_empty());
}

#[tokio::test]
async fn a_cancelled_run_begins_nothing() {
    let world = world();
    world.cancel.cancel();
    let (outcome, events) = run(&world, vec![Chart::new(&world, &[])]).await;
    assert_eq!(outcome.verdict(), RunVerdict::Interrupted);
    assert_eq!(noted(&world), [""; 0]);
    assert!(matches!(events.last(), Some(EventKind::RunFinished { verdict: RunVerdict::Interrupted, .. })));
}

/// Whichever call to the cluster fails: the run ends, never as done without a deployed release, and a read that fails is
/// never taken for "nothing is there". Only these are borne: what the look at everything before the run asks, since whoever
/// looks at the release by itself asks again; our own record, without which the next run compares in full; a wait's read of
/// an object; and discovery, which is asked again.
#[tokio::test]
async fn any_single_failing_call_is_noticed() {
    let calls = {
        let world = world();
        run_one(&world, Chart::new(&world, &[])).await;
        world.cluster.failures.calls().len()
    };
    let mut borne = Vec::new();
    for nth in 1..=calls {
        let world = world();
        world.cluster.failures.fail_at(nth);
        let (outcome, _) = run(&world, vec![Chart::new(&world, &[])]).await;
        let call = world.cluster.failures.calls()[nth - 1].clone();
        if outcome.verdict() == RunVerdict::Done {
            assert_eq!(revisions(&world), ["deployed"], "call {nth}: {call}");
            borne.push(call);
        }
    }
    // Nor what only tells beforehand whether helm would fail.
    borne.retain(|call| call != "discovery" && !looks_ahead(call));
    let record = "Secret default/pilothouse.release.demo";
    let (read, remembered) = (format!("get {record}"), format!("apply {record}"));
    let expected = [
        // Before the run.
        "version",
        "list Secret",
        "list Secret",
        // Helm's new revision, which is looked for among all of them then; the objects as they are, and what is remembered.
        "get Secret default/sh.helm.release.v1.demo.v1",
        "get ConfigMap default/settings",
        &remembered,
        // After post_exec, which has a step: Helm's records and ours are read again. What is remembered is written beside the wait,
        // which has begun.
        "list Secret",
        &read,
        "get ConfigMap default/settings",
        &remembered,
        // After validate.
        "list Secret",
        &read,
        &remembered,
    ];
    assert_eq!(borne, expected);
}

/// What only tells beforehand whether helm would fail: what cannot be asked is told as not checked.
fn looks_ahead(call: &str) -> bool {
    let looks = ["apply ConfigMap", "create SelfSubjectAccessReview", "list ResourceQuota"];
    looks.iter().any(|look| call.starts_with(look)) || call.ends_with("WebhookConfiguration")
}

/// An override keeps what it does not touch: the default checks can still be called.
struct Overridden(Chart);

#[async_trait]
impl HelmChart for Overridden {
    fn chart_info(&self) -> &ChartInfo {
        self.0.chart_info()
    }

    async fn check_prerequisites(&self, ctx: &Context, run: &mut ReleaseRun, payload: &Payload) -> Vec<Finding> {
        let mut findings = defaults::check_prerequisites(self, ctx, run, payload).await;
        findings.push(Finding::new(Class::Unsafe, "OWN", "chart", "its own reason"));
        findings
    }
}

#[tokio::test]
async fn an_overridden_check_adds_to_the_default_one() {
    let world = world();
    let chart = Overridden(
        Chart::new(&world, &[])
            .with(|info| info.namespace = Namespace::from("absent"))
            .with(|info| info.create_namespace = false),
    );
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(chart)];
    let outcome = pilothouse::run(&RunConfig::new("test", RunId(uuid::Uuid::nil())), &charts, &world.session, |_| {})
        .await
        .unwrap();
    let ReleaseOutcome::Refused { findings } = &outcome.releases[0].1 else { panic!("{outcome:?}") };
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["NAMESPACE_MISSING", "OWN"]);
}
