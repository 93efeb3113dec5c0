//! What a killed helm 3 or 4 leaves on a real control plane, and what heals it.

use crate::actions;
use crate::actions::Healed;
use crate::actions::unlock_release;
use crate::context::EarlierHelm;
use crate::context::Gone;
use crate::helm::HelmDriver;
use crate::observe;
use crate::observe::Known;
use crate::test_world::{RUN, World, begun, over, plane, say_yes};
use jiff::Timestamp;
use pilothouse_core::{
    Change, ChartInfo, ChartRef, Decision, HelmCommand, HelmProgress, Namespace, ObjectRef, Payload, RUN_LABEL,
    ReinstallReason, ReleaseKey, RevisionMeta, RevisionStatus, SetValue,
};
use pilothouse_helm::{
    Helm, HelmClient, HelmConfig, HelmError, Kind, RollbackRequest, UninstallRequest, UpgradeRequest, Values,
};
use pilothouse_kube::{ApplyOptions, Cluster, ClusterClient, Precondition};
use pilothouse_plane::provision::Tool;
use pilothouse_testkit::fixture_chart;
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How long a run of helm may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);
const GONE: &str = "process 7 is gone";

/// A namespace of its own, and a release `demo` in it.
struct Setting {
    world: World,
    cluster: Arc<Cluster>,
    helm: Arc<Helm>,
    driver: HelmDriver,
    namespace: String,
    _folder: tempfile::TempDir,
}

impl Setting {
    async fn new(tool: Tool, driver: HelmDriver, name: &str) -> Self {
        let plane = plane();
        let folder = tempfile::tempdir().unwrap();
        // A client of this test's own runtime: the plane's lives on another one.
        let cluster = Arc::new(Cluster::from_client(kube::Client::try_from(plane.client_config()).unwrap()));
        let mut config = HelmConfig::new(pilothouse_testkit::helm(tool).await, folder.path().join("helm"));
        config.kubeconfig = Some(plane.kubeconfig().to_owned());
        config.driver = driver;
        let helm = Arc::new(Helm::discover(config).await.unwrap());
        let namespace = format!("{name}-{}-{driver:?}", tool.name()).to_lowercase();
        cluster.create_namespace(&namespace).await.unwrap();
        let world = over(cluster.clone(), helm.clone(), driver, |info| {
            info.namespace = Namespace::from(namespace.as_str());
            info.chart = ChartRef::path(fixture_chart("gated"));
        });
        Self { world, cluster, helm, driver, namespace, _folder: folder }
    }

    fn release(&self) -> ReleaseKey {
        ReleaseKey::new(&self.namespace, "demo")
    }

    /// An upgrade by the run that is going to be killed, with a hook that does not end before the gate is open.
    fn upgrade(&self, event: &str, policy: &str) -> UpgradeRequest {
        self.upgrade_to("example.com/migrate:1", event, policy)
    }

    /// The same with another image of the hook.
    fn upgrade_to(&self, image: &str, event: &str, policy: &str) -> UpgradeRequest {
        let set = |path: &str, value: &str| SetValue::string(path, value);
        let values = vec![set("event", event), set("policy", policy), set("gate", &self.gate()), set("image", image)];
        let values = Values::of(&ChartInfo { values, ..ChartInfo::default() }, &Payload::default()).unwrap();
        let labels = [(RUN_LABEL.to_owned(), RUN.to_string())].into();
        let chart = fixture_chart("gated");
        UpgradeRequest { labels, ..UpgradeRequest::new(self.release(), chart, values, LIMIT) }
    }

    async fn deploy(&self, request: &UpgradeRequest) -> Result<String, HelmError> {
        self.helm.upgrade_install(request, &CancellationToken::new()).await
    }

    fn gate(&self) -> String {
        format!("gate-{}", self.namespace)
    }

    async fn open_gate(&self) {
        let node = ObjectRef::parse("Node/node-1").unwrap();
        let patch = json!({"metadata": {"labels": {self.gate(): "open"}}});
        self.cluster.merge_patch(&node, &patch, &Precondition::default()).await.unwrap();
    }

    async fn job(&self) -> Option<Value> {
        let mut job = ObjectRef::parse("Job/migrate").unwrap();
        job.namespace = Some(self.namespace.clone());
        self.cluster.get(&job).await.unwrap()
    }

    async fn revisions(&self) -> Vec<RevisionMeta> {
        let release = ReleaseKey::new(&self.namespace, "demo");
        self.cluster.release_history(self.driver, &release).await.unwrap().revisions().to_vec()
    }

    async fn statuses(&self) -> Vec<RevisionStatus> {
        self.revisions().await.into_iter().map(|revision| revision.status).collect()
    }

    /// Waits until the newest revision is in this status and the hook's object is there.
    async fn until_hooked(&self, status: RevisionStatus) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let there = self.statuses().await.last() == Some(&status) && self.job().await.is_some();
            if there {
                return;
            }
            assert!(Instant::now() < deadline, "no hook of a revision that is {status}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Runs helm until it waits for the hook's object, and kills it then.
    async fn kill(&self, running: impl Future<Output = Result<String, HelmError>>, status: RevisionStatus) {
        tokio::select! {
            result = running => panic!("{result:?}"),
            // The other branch is dropped then, which kills helm with SIGKILL.
            () = self.until_hooked(status) => {}
        }
    }

    async fn heal(&self, known: &Known<'_>) -> Vec<Healed> {
        unlock_release(&self.world.ctx, known, |_| Ok(())).await.unwrap().healed
    }

    async fn clear(&self, helm: &HelmProgress) -> Vec<Healed> {
        let history = observe::release_history(&self.world.ctx).await.unwrap();
        actions::clear_orphaned_hooks(
            &self.world.ctx,
            &self.world.run,
            &history,
            &EarlierHelm { run: RUN, helm },
            |_| Ok(()),
        )
        .await
        .unwrap()
    }

    async fn description(&self, revision: u32) -> String {
        let payload = self.cluster.release_payload(self.driver, &self.namespace, "demo", revision).await.unwrap();
        pilothouse_helm::decode_release(&payload.unwrap()).unwrap().info.description
    }
}

/// The lock is held; nothing is proven; there is hardly time to wait.
fn known(helm: &HelmProgress) -> Known<'_> {
    Known {
        server_now: Some(Timestamp::now()),
        gone: None,
        earlier: Some(EarlierHelm { run: RUN, helm }),
        lock_timeout: Duration::from_secs(1),
        holds_lock: true,
        takes_for_dead: false,
    }
}

fn proven(helm: &HelmProgress) -> Known<'_> {
    Known { gone: Some(Gone { run: RUN, why: GONE.to_owned() }), ..known(helm) }
}

fn marked(revision: u32) -> Vec<Healed> {
    vec![Healed { what: format!("mark revision {revision} failed"), why: GONE.to_owned() }]
}

#[rstest]
#[tokio::test]
async fn an_install_that_was_killed_is_healed_and_goes_on(
    #[values(Tool::Helm3, Tool::Helm4)] tool: Tool,
    #[values(HelmDriver::Secret, HelmDriver::ConfigMap)] driver: HelmDriver,
) {
    let setting = Setting::new(tool, driver, "install").await;
    let request = setting.upgrade("pre-install,pre-upgrade", "");
    setting.kill(setting.deploy(&request), RevisionStatus::PendingInstall).await;
    setting.open_gate().await;
    let helm = begun(HelmCommand::Upgrade, 0);
    assert_eq!(setting.heal(&known(&helm)).await, []);
    assert_eq!(setting.statuses().await, [RevisionStatus::PendingInstall]);
    assert_eq!(setting.deploy(&request).await.unwrap_err().kind(), Some(&Kind::Locked));

    assert_eq!(setting.heal(&proven(&helm)).await, marked(1));
    assert_eq!(setting.statuses().await, [RevisionStatus::Failed]);
    assert_eq!(setting.description(1).await, format!("Pilothouse: this was pending-install, and {GONE}"));
    setting.deploy(&request).await.unwrap();
    // Helm takes the last revision for the one it supersedes where none was ever deployed.
    assert_eq!(setting.statuses().await, [RevisionStatus::Superseded, RevisionStatus::Deployed]);
}

#[rstest]
#[tokio::test]
async fn an_upgrade_that_was_killed_is_healed_and_goes_on(#[values(Tool::Helm3, Tool::Helm4)] tool: Tool) {
    let setting = Setting::new(tool, HelmDriver::Secret, "upgrade").await;
    setting.deploy(&setting.upgrade("test", "")).await.unwrap();
    let request = setting.upgrade("pre-upgrade", "");
    setting.kill(setting.deploy(&request), RevisionStatus::PendingUpgrade).await;
    setting.open_gate().await;
    let helm = begun(HelmCommand::Upgrade, 1);
    assert_eq!(setting.heal(&known(&helm)).await, []);
    assert_eq!(setting.statuses().await, [RevisionStatus::Deployed, RevisionStatus::PendingUpgrade]);

    assert_eq!(setting.heal(&proven(&helm)).await, marked(2));
    setting.deploy(&request).await.unwrap();
    let expected = [RevisionStatus::Superseded, RevisionStatus::Failed, RevisionStatus::Deployed];
    assert_eq!(setting.statuses().await, expected);
}

/// Its revision has the labels of its target, so only time proves anything.
#[rstest]
#[tokio::test]
async fn a_rollback_that_was_killed_is_healed_after_its_deadline(#[values(Tool::Helm3, Tool::Helm4)] tool: Tool) {
    let setting = Setting::new(tool, HelmDriver::Secret, "rollback").await;
    setting.deploy(&setting.upgrade("pre-rollback", "")).await.unwrap();
    setting.deploy(&setting.upgrade("test", "")).await.unwrap();
    let (request, cancel) = (RollbackRequest::new(setting.release(), 1, LIMIT), CancellationToken::new());
    setting.kill(setting.helm.rollback(&request, &cancel), RevisionStatus::PendingRollback).await;
    setting.open_gate().await;
    // One that was begun at another time is somebody else's.
    let created_at = setting.revisions().await[2].created_at.unwrap();
    let other = HelmProgress { started_at: created_at - Duration::from_secs(3600), ..begun(HelmCommand::Rollback, 2) };
    assert_eq!(setting.heal(&proven(&other)).await, []);
    let helm = HelmProgress { started_at: created_at, ..other };
    assert_eq!(setting.heal(&proven(&helm)).await, marked(3));
    setting.deploy(&setting.upgrade("test", "")).await.unwrap();
    let expected =
        [RevisionStatus::Superseded, RevisionStatus::Superseded, RevisionStatus::Failed, RevisionStatus::Deployed];
    assert_eq!(setting.statuses().await, expected);
}

#[rstest]
#[tokio::test]
async fn what_a_hook_has_left_is_deleted_when_it_is_in_the_way(#[values(Tool::Helm3, Tool::Helm4)] tool: Tool) {
    let setting = Setting::new(tool, HelmDriver::Secret, "leftover").await;
    setting.deploy(&setting.upgrade("test", "")).await.unwrap();
    let request = setting.upgrade("pre-upgrade", "hook-succeeded");
    setting.kill(setting.deploy(&request), RevisionStatus::PendingUpgrade).await;
    let left = setting.job().await.unwrap();
    setting.open_gate().await;
    let helm = begun(HelmCommand::Upgrade, 1);
    assert_eq!(setting.heal(&proven(&helm)).await, marked(2));

    // Helm 3 would be stopped by any such object, helm 4 by one that it cannot patch.
    let next = setting.upgrade_to("example.com/migrate:2", "pre-upgrade", "hook-succeeded");
    let error = setting.deploy(&next).await.unwrap_err();
    assert_eq!(error.kind(), Some(&Kind::HookFailed { event: "pre-upgrade".to_owned() }), "{error}");
    let uid = |job: Option<Value>| job.map(|job| job["metadata"]["uid"].clone());
    assert_eq!(uid(setting.job().await), uid(Some(left)));

    let why = "it is a hook's that run 00000007 was interrupted in (revision 2), and helm would find it in its way";
    let what = format!("delete Job {}/migrate", setting.namespace);
    assert_eq!(setting.clear(&helm).await, [Healed { what, why: why.to_owned() }]);
    assert_eq!(setting.job().await, None);
    setting.deploy(&next).await.unwrap();
    assert_eq!(setting.statuses().await.last(), Some(&RevisionStatus::Deployed));
}

#[rstest]
#[tokio::test]
async fn somebody_elses_object_of_the_same_name_is_left(#[values(Tool::Helm3, Tool::Helm4)] tool: Tool) {
    let setting = Setting::new(tool, HelmDriver::Secret, "foreign").await;
    setting.deploy(&setting.upgrade("test", "")).await.unwrap();
    let options = ApplyOptions {
        field_manager: "somebody".to_owned(),
        force: false,
        dry_run: false,
        default_namespace: Some(setting.namespace.clone()),
    };
    let foreign = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "migrate", "annotations": {"helm.sh/hook": "pre-upgrade"}},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "nodeSelector": {"nowhere": "open"},
            "containers": [{"name": "main", "image": "example.com/other:1"}],
        }}},
    });
    setting.cluster.apply(&foreign, &options).await.unwrap();
    // Times of the server are whole seconds.
    sleep(Duration::from_millis(1100)).await;
    let request =
        UpgradeRequest { timeout: Duration::from_secs(10), ..setting.upgrade("pre-upgrade", "hook-succeeded") };
    let error = setting.deploy(&request).await.unwrap_err();
    assert_eq!(error.kind(), Some(&Kind::HookFailed { event: "pre-upgrade".to_owned() }), "{error}");
    let uid = |job: Option<Value>| job.map(|job| job["metadata"]["uid"].clone());
    let before = uid(setting.job().await);
    assert_eq!(setting.statuses().await, [RevisionStatus::Deployed, RevisionStatus::Failed]);
    assert_eq!(setting.clear(&begun(HelmCommand::Upgrade, 1)).await, []);
    assert!(before.is_some());
    assert_eq!(uid(setting.job().await), before);
}

#[rstest]
#[tokio::test]
async fn an_uninstall_that_was_killed_is_finished(
    #[values(Tool::Helm3, Tool::Helm4)] tool: Tool,
    #[values("", "hook-succeeded")] policy: &str,
) {
    let mut setting = Setting::new(tool, HelmDriver::Secret, &format!("uninstall-{}", policy.len())).await;
    setting.deploy(&setting.upgrade("pre-delete", policy)).await.unwrap();
    let (request, cancel) = (UninstallRequest::new(setting.release(), LIMIT), CancellationToken::new());
    setting.kill(setting.helm.uninstall(&request, &cancel), RevisionStatus::Uninstalling).await;
    setting.open_gate().await;
    let helm = begun(HelmCommand::Uninstall, 1);
    assert_eq!(setting.heal(&proven(&helm)).await, []);
    let half_removed = Decision::Change(Change::Reinstall(ReinstallReason::HalfDone));
    assert_eq!(observe::decision(&setting.world.ctx).await, half_removed);
    let in_the_way = usize::from(!policy.is_empty());
    assert_eq!(setting.clear(&helm).await.len(), in_the_way);
    let World { ctx, run, events, .. } = &mut setting.world;
    tokio::select! {
        done = actions::uninstall(ctx, run) => done.unwrap(),
        () = say_yes(events) => {}
    }
    assert_eq!(setting.statuses().await, []);
    setting.deploy(&setting.upgrade("test", "")).await.unwrap();
}
