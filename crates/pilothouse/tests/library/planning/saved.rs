//! A plan that is carried out later, after others were at work.

use super::support::{World, plane};
use futures::future::join_all;
use pilothouse::helm::HelmClient;
use pilothouse::kubernetes::ClusterClient;
use pilothouse::{ChartInfo, HelmAction, Payload, ReleaseOutcome};
use pilothouse_core::Plan;
use pilothouse_helm::{UpgradeRequest, Values};
use pilothouse_kube::{Precondition, Propagation};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Two objects that depend on a value, one of them with a status, and one that does not.
const OBJECTS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: touched }
data: { text: {{ .Values.text }} }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: left }
data: { text: as it is }
---
apiVersion: v1
kind: Service
metadata: { name: touched, annotations: { text: {{ .Values.text }} } }
spec: { ports: [{ port: 80 }] }
";

/// What somebody does between the plan and its run.
#[derive(Debug, Clone, Copy)]
enum Between {
    /// Nothing at all.
    Nothing,
    /// Writes to an object that the plan changes.
    Touched,
    /// Writes to an object of the release that the plan leaves as it is.
    Left,
    /// Writes into such an object what helm takes back.
    LeftOtherwise,
    /// Deletes such an object.
    LeftGone,
    /// Writes the status of an object that the plan changes.
    Status,
    /// Deletes an object that the plan changes, and makes one of that name.
    MadeAnew,
    /// Upgrades the release.
    Upgraded,
    /// Upgrades the release to what it is.
    UpgradedToTheSame,
    /// Uninstalls it.
    Uninstalled,
}

struct Saved {
    world: World,
    chart: PathBuf,
    plan: Plan,
}

impl Saved {
    async fn new(test: &str, tool: Tool) -> Self {
        let world = World::new(test, tool).await;
        let chart = world.chart("saved", &[("templates/all.yaml", OBJECTS)]);
        assert_eq!(world.done(world.info("saved", &chart, &[("text", "one")])).await, "installed saved 1.0.0");
        let plan = world.plan(vec![world.info("saved", &chart, &[("text", "two")])]).await;
        // The server notes in whole seconds who has written: what comes now is in a later one.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Self { world, chart, plan }
    }

    fn info(&self, text: &str) -> ChartInfo {
        self.world.info("saved", &self.chart, &[("text", text)])
    }

    async fn between(&self, between: Between) {
        let config = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"more": "of somebody"}});
        match between {
            Between::Nothing => {}
            Between::Touched => self.world.apply_as("somebody", &config("touched")).await,
            Between::Left => self.world.apply_as("somebody", &config("left")).await,
            Between::LeftOtherwise => {
                let hotfix = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "left"}, "data": {"text": "hotfix"}});
                self.world.apply_as("somebody", &hotfix).await;
            }
            Between::LeftGone => {
                let left = self.world.object("v1", "ConfigMap", "left");
                self.world.cluster.delete(&left, &Precondition::default(), Propagation::Background).await.unwrap();
            }
            Between::Status => self.write_status().await,
            Between::MadeAnew => {
                let touched = self.world.object("v1", "ConfigMap", "touched");
                let propagation = Propagation::Background;
                self.world.cluster.delete(&touched, &Precondition::default(), propagation).await.unwrap();
                self.world.apply_as("somebody", &config("touched")).await;
            }
            Between::Upgraded => assert_eq!(self.world.done(self.info("other")).await, "upgraded saved 1.0.0"),
            Between::UpgradedToTheSame => self.upgrade_to_the_same().await,
            Between::Uninstalled => {
                let info = ChartInfo { action: HelmAction::Destroy, ..self.info("one") };
                assert_eq!(self.world.done(info).await, "uninstalled");
            }
        }
    }

    async fn write_status(&self) {
        let version =
            async || self.world.get("v1", "Service", "touched").await.unwrap()["metadata"]["resourceVersion"].clone();
        let before = version().await;
        let conditions = json!([{"type": "Seen", "status": "True", "reason": "a", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        let path = format!("/api/v1/namespaces/{}/services/touched/status", self.world.namespace);
        let request = http::Request::patch(path)
            .header("content-type", "application/merge-patch+json")
            .body(json!({"status": {"conditions": conditions}}).to_string().into_bytes());
        let client = kube::Client::try_from(plane().client_config()).unwrap();
        client.request::<Value>(request.unwrap()).await.unwrap();
        assert_ne!(version().await, before);
    }

    /// An upgrade by helm alone to the values that are deployed: a new revision, and no object is another one.
    async fn upgrade_to_the_same(&self) {
        let info = self.info("one");
        let values = Values::of(&info, &Payload::default()).unwrap();
        let request = UpgradeRequest::new(info.key(), &self.chart, values, Duration::from_secs(60));
        self.world.helm.upgrade_install(&request, &CancellationToken::new()).await.unwrap();
    }

    /// Carries it out; what it was refused for, as subjects and messages without times.
    async fn run(&self, text: &str) -> Vec<(String, String)> {
        let written = self.world.writes();
        match &self.world.run(vec![self.info(text)], Some(&self.plan)).await[0] {
            ReleaseOutcome::Refused { findings } => {
                assert_eq!(self.world.writes(), written);
                assert!(findings.iter().all(|finding| finding.code == "PLAN_OUTDATED"), "{findings:?}");
                let timeless = |message: &str| message.split(" at 20").next().unwrap_or_default().to_owned();
                findings.iter().map(|finding| (finding.subject.clone(), timeless(&finding.message))).collect()
            }
            outcome => {
                assert_eq!(super::support::done(outcome), "upgraded saved 1.0.0");
                assert_ne!(self.world.writes(), written);
                Vec::new()
            }
        }
    }
}

/// What happens between, and what is refused then: its subject, without the namespace, and why.
const MOVED: [(Between, Option<(&str, &str)>); 10] = [
    (Between::Nothing, None),
    (Between::Touched, Some(("ConfigMap NAMESPACE/touched", "it was changed since the plan, by somebody"))),
    (Between::Left, None),
    (Between::LeftOtherwise, Some(("ConfigMap NAMESPACE/left", "it was changed since the plan, by somebody"))),
    (Between::LeftGone, Some(("ConfigMap NAMESPACE/left", "it is gone since the plan was made"))),
    (Between::Status, None),
    (Between::MadeAnew, Some(("ConfigMap NAMESPACE/touched", "it was created anew since the plan, by somebody"))),
    (Between::Upgraded, Some(("NAMESPACE/saved", "the plan was made at revision 1, and now there is revision 2"))),
    (
        Between::UpgradedToTheSame,
        Some(("NAMESPACE/saved", "the plan was made at revision 1, and now there is revision 2")),
    ),
    (Between::Uninstalled, Some(("NAMESPACE/saved", "the plan says that it is upgraded, and now it is installed"))),
];

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn it_is_refused_when_what_it_touches_has_moved(#[case] tool: Tool) {
    join_all(MOVED.map(async |(between, refused)| {
        let saved = Saved::new(&format!("saved-{between:?}").to_lowercase(), tool).await;
        saved.between(between).await;
        let refused = refused
            .map(|(subject, message)| (subject.replace("NAMESPACE", &saved.world.namespace), message.to_owned()));
        assert_eq!(saved.run("two").await, Vec::from_iter(refused), "{between:?}");
    }))
    .await;
}

#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
async fn it_is_refused_for_other_values(#[case] tool: Tool) {
    let saved = Saved::new("saved-values", tool).await;
    let why = "chart, values, steps or what the cluster serves are not those of the plan".to_owned();
    assert_eq!(saved.run("three").await, [(saved.info("three").key().to_string(), why)]);
    assert_eq!(saved.run("two").await, []);
    let why = "the plan says that it is upgraded, and now nothing is done".to_owned();
    assert_eq!(saved.run("two").await, [(saved.info("two").key().to_string(), why)]);
}

/// What was consented to is what the plan has shown: a definition of which there is nothing, and a namespace without data.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_comes_into_what_is_deleted_was_not_consented_to(#[case] tool: Tool) {
    let world = World::new("comes-into", tool).await;
    let (group, inner) = (format!("{}.example.com", world.namespace), format!("{}-inner", world.namespace));
    let versions = "[{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]";
    let definition = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: legs.{group}}}\nspec: {{group: {group}, scope: Namespaced, names: {{kind: Leg, plural: legs, singular: leg}}, versions: {versions}}}\n"
    );
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {inner}}}\n");
    let chart = world.chart("holds", &[("templates/crd.yaml", &definition), ("templates/namespace.yaml", &namespace)]);
    let info = world.info("holds", &chart, &[]);
    assert_eq!(world.done(info.clone()).await, "installed holds 1.0.0");
    let consent = [format!("CustomResourceDefinition/legs.{group}"), format!("Namespace/{inner}")];
    let consent = consent.map(|object| pilothouse::ObjectRef::parse(&object).unwrap()).to_vec();
    let destroy = ChartInfo { action: HelmAction::Destroy, consent, ..info };
    let plan = world.plan(vec![destroy.clone()]).await;
    assert!(!plan.is_refused(), "{plan:?}");

    world.cluster.discovery(true).await.unwrap();
    let leg = json!({"apiVersion": format!("{group}/v1"), "kind": "Leg", "metadata": {"name": "own", "namespace": world.namespace}});
    world.apply_as("somebody", &leg).await;
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": inner},
        "spec": {"storageClassName": "by-hand", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    world.apply_as("somebody", &claim).await;
    let outcome = world.run(vec![destroy.clone()], Some(&plan)).await.remove(0);
    let ReleaseOutcome::Refused { findings } = outcome else { panic!("{outcome:?}") };
    let mut told: Vec<String> =
        findings.iter().map(|one| format!("{} {}: {}", one.code, one.subject, one.message)).collect();
    told.sort();
    let new = "would go with it, which was not there when the plan was made";
    assert_eq!(
        told,
        [
            format!("PLAN_OUTDATED CustomResourceDefinition legs.{group}: Leg {}/own {new}", world.namespace),
            format!("PLAN_OUTDATED Namespace {inner}: PersistentVolumeClaim {inner}/data {new}"),
        ]
    );
    // Seen, it is consented to.
    let plan = world.plan(vec![destroy.clone()]).await;
    let takes: usize = plan.releases[0].objects.iter().map(|one| one.takes.iter().flatten().count()).sum();
    assert_eq!(takes, 2, "{plan:?}");
    assert_eq!(super::support::done(&world.run(vec![destroy], Some(&plan)).await[0]), "uninstalled");
}
