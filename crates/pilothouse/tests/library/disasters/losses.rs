//! Every way by which something is deleted, replaced, rolled back or overwritten asks the same: nothing that holds data goes
//! unless consent names it.

use super::{Chart, World, definition, named, widget, widget_with, world, write};
use pilothouse::Remedy;
use pilothouse::steps::{AdoptStep, ApplyStep, CommandStep, StepKind, WaitFor, WaitStep};
use pilothouse::{
    BeforeDestructive, CrdPolicy, FailurePolicy, HelmAction, HelmChart, ObjectRef, OnFailure, OnReleaseFailure, Phase,
    ReleaseOutcome, RunConfig, RunId,
};
use pilothouse_core::{Class, NextStep};
use pilothouse_kube::{ClusterClient, Precondition, Propagation, crd_ref};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const CONFIG: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {v: '{{ .Chart.Version }}'}\n";
pub(super) const CLAIM: &str = "apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";

fn object(text: &str) -> ObjectRef {
    ObjectRef::parse(text).unwrap()
}

fn command(argv: &[&str]) -> StepKind {
    StepKind::Command(CommandStep {
        argv: argv.iter().map(ToString::to_string).collect(),
        env: BTreeMap::new(),
        cwd: None,
        output_to: None,
        sensitive: false,
        repeatable: false,
        timeout_in_seconds: 30,
    })
}

fn adopt(text: &str) -> StepKind {
    StepKind::Adopt(AdoptStep { objects: vec![object(text)], unowned: false })
}

fn apply(manifest: &Value) -> StepKind {
    StepKind::Apply(ApplyStep { files: Vec::new(), manifests: vec![manifest.to_string()] })
}

fn wait(objects: Vec<ObjectRef>, wait_for: WaitFor) -> StepKind {
    StepKind::Wait(WaitStep { objects, wait_for, timeout_in_seconds: 30 })
}

fn on_failure(then: Remedy) -> OnFailure {
    let policy = FailurePolicy { retries: 0, backoff_in_seconds: 1, then };
    OnFailure { install: policy, upgrade: policy }
}

impl Chart {
    /// It deploys, and is not what it should be.
    pub(super) fn that_fails(self, then: Remedy) -> Self {
        self.with(|info| info.on_failure = on_failure(then)).step(Phase::Validate, command(&["false"]))
    }

    pub(super) fn saving(self) -> Self {
        self.with(|info| info.before_destructive = BeforeDestructive::Backup)
    }

    pub(super) fn consenting_to(self, objects: &[&str]) -> Self {
        self.with(|info| info.consent = objects.iter().map(|text| object(text)).collect())
    }

    pub(super) fn destroyed(self) -> Self {
        self.with(|info| info.action = HelmAction::Destroy)
    }
}

impl World {
    /// What became of a deploy that failed.
    pub(super) async fn next(&self, chart: Chart) -> NextStep {
        match self.run(chart).await {
            ReleaseOutcome::Failed(failure) => failure.next,
            other => panic!("{}", serde_json::to_string_pretty(&other).unwrap()),
        }
    }

    /// Why a deploy that failed was left as it is.
    pub(super) async fn left(&self, chart: Chart) -> String {
        match self.next(chart).await {
            NextStep::Left { why } => why,
            other => panic!("{other:?}"),
        }
    }

    /// Why helm was not started, though the run had begun.
    pub(super) async fn stopped(&self, chart: Chart) -> String {
        match self.run(chart).await {
            ReleaseOutcome::Failed(failure) if failure.phase == Phase::Exec => failure.error.join(": "),
            other => panic!("{}", serde_json::to_string_pretty(&other).unwrap()),
        }
    }
}

const ROLLED_BACK: NextStep = NextStep::RolledBack { to_revision: 1 };

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_rollback_does_not_delete_what_the_upgrade_has_created(#[case] tool: Tool) {
    let world = world("rollback", tool).await;
    let group = format!("{}.example.com", world.namespace);
    let (crd, name) = (definition(&group, "a: {type: string}"), format!("widgets.{group}"));
    let files = [("templates/cm.yaml", CONFIG), ("templates/pvc.yaml", CLAIM), ("templates/crd.yaml", &crd)];
    world.done(world.chart("1.0.0", &files[..1])).await;
    let established = wait(vec![object(&format!("crd/{name}"))], WaitFor::Ready);
    let upgrade = world.chart("2.0.0", &files).saving().step(Phase::PostExec, established);
    let why = world.left(upgrade.step(Phase::PostExec, apply(&widget(&group))).that_fails(Remedy::Rollback)).await;
    assert!(why.starts_with("a rollback to revision 1 would lose data: "), "{why}");
    let claim = format!("PersistentVolumeClaim {}/data", world.namespace);
    assert!(why.contains(&claim) && why.contains(&format!("CustomResourceDefinition {name}")), "{why}");
    assert!(world.get("pvc/data").await.is_some() && world.get(&format!("crd/{name}")).await.is_some());
    assert!(world.get("cm/settings").await.unwrap()["data"]["v"] == "2.0.0");
}

#[tokio::test]
async fn a_rollback_with_consent_saves_what_it_deletes() {
    let world = world("rollback-saved", Tool::Helm4).await;
    let group = format!("{}.example.com", world.namespace);
    let (crd, name) = (definition(&group, "a: {type: string}"), format!("widgets.{group}"));
    let files = [("templates/cm.yaml", CONFIG), ("templates/crd.yaml", crd.as_str())];
    world.done(world.chart("1.0.0", &files[..1])).await;
    let upgrade = world
        .chart("2.0.0", &files)
        .saving()
        .step(Phase::PostExec, wait(vec![object(&format!("crd/{name}"))], WaitFor::Ready))
        .step(Phase::PostExec, apply(&widget(&group)))
        .that_fails(Remedy::Rollback);
    assert_eq!(world.next(upgrade.consenting_to(&[&format!("crd/{name}")])).await, ROLLED_BACK);
    assert!(world.get(&format!("crd/{name}")).await.is_none());
    let kinds: Vec<Value> = world.saved().iter().map(|saved| saved["kind"].clone()).collect();
    assert_eq!(kinds, ["CustomResourceDefinition", "Widget"]);
}

/// What stays by its own policy, or is empty, is no reason to leave a rollback.
#[tokio::test]
async fn a_rollback_that_loses_nothing_goes_on() {
    let world = world("rollback-kept", Tool::Helm4).await;
    let group = format!("{}.example.com", world.namespace);
    let kept = CLAIM.replace("{name: data}", "{name: data, annotations: {helm.sh/resource-policy: keep}}");
    let unused = definition(&group, "a: {type: string}");
    let files = [("templates/cm.yaml", CONFIG), ("templates/pvc.yaml", &kept), ("templates/crd.yaml", &unused)];
    world.done(world.chart("1.0.0", &files[..1])).await;
    assert_eq!(world.next(world.chart("2.0.0", &files).that_fails(Remedy::Rollback)).await, ROLLED_BACK);
    assert!(world.get("pvc/data").await.is_some());
}

#[tokio::test]
async fn a_rollback_does_not_take_fields_out_of_a_definition() {
    let world = world("rollback-fields", Tool::Helm4).await;
    let group = format!("{}.example.com", world.namespace);
    let chart =
        |version: &str, fields: &str| world.chart(version, &[("templates/crd.yaml", &definition(&group, fields))]);
    world.done(chart("1.0.0", "a: {type: string}")).await;
    let more = |version: &str| chart(version, "a: {type: string}, b: {type: string}");
    let next = world.next(more("1.1.0").that_fails(Remedy::Rollback)).await;
    assert_eq!(next, NextStep::RolledBack { to_revision: 1 }, "nothing is held there");
    let holds = apply(&widget_with(&group, &json!({"b": "x"})));
    let why = world.left(more("2.0.0").step(Phase::PostExec, holds).that_fails(Remedy::Rollback)).await;
    assert!(why.contains(&format!("CustomResourceDefinition widgets.{group}")), "{why}");
    assert!(why.contains("v1.spec.b"), "{why}");
}

fn stateful(spec: &str, when: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  serviceName: db
  podManagementPolicy: Parallel
  {spec}
  persistentVolumeClaimRetentionPolicy: {{{when}}}
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec: {{containers: [{{name: db, image: 'db:1'}}]}}
  volumeClaimTemplates:
    - metadata: {{name: data}}
      spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
"
    )
}

fn claims(numbers: &[u32]) -> StepKind {
    wait(numbers.iter().map(|n| object(&format!("pvc/data-db-{n}"))).collect(), WaitFor::Exists)
}

const DELETES: &str = "whenDeleted: Retain, whenScaled: Delete";

/// Fewer replicas take their claims with them, however they become fewer.
#[rstest]
#[ignore = "the other helm"]
#[case::lowered("scaled-3", Tool::Helm3, "replicas: 1", &["data-db-1", "data-db-2"])]
#[case::lowered("scaled-4", Tool::Helm4, "replicas: 1", &["data-db-1", "data-db-2"])]
#[case::to_none("scaled-none", Tool::Helm4, "replicas: 0", &["data-db-0", "data-db-1", "data-db-2"])]
#[case::by_default("scaled-default", Tool::Helm4, "revisionHistoryLimit: 5", &["data-db-1", "data-db-2"])]
#[case::numbered_anew("scaled-ordinals", Tool::Helm4, "replicas: 3\n  ordinals: {start: 2}", &["data-db-0", "data-db-1"])]
#[tokio::test]
async fn a_stateful_set_that_is_scaled_down(
    #[case] scenario: &str,
    #[case] tool: Tool,
    #[case] spec: &str,
    #[case] gone: &[&str],
) {
    let world = world(scenario, tool).await;
    let chart =
        |version: &str, spec: &str, when: &str| world.chart(version, &[("templates/set.yaml", &stateful(spec, when))]);
    world.done(chart("1.0.0", "replicas: 3", DELETES).step(Phase::PostExec, claims(&[0, 1, 2]))).await;
    let fewer = || chart("1.1.0", spec, DELETES);
    let (found, message) = world.refused(fewer()).await;
    assert_eq!(found, named("DATA_ATTACHED", format!("StatefulSet {}/db", world.namespace)));
    for claim in ["data-db-0", "data-db-1", "data-db-2"] {
        let named = format!("PersistentVolumeClaim {}/{claim}", world.namespace);
        assert_eq!(message.contains(&named), gone.contains(&claim), "{message}");
    }
    // Where they are kept, nothing is lost.
    world.done(chart("1.2.0", spec, "whenScaled: Retain")).await;
}

#[tokio::test]
async fn a_stateful_set_that_is_scaled_down_with_consent() {
    let world = world("scaled-consent", Tool::Helm4).await;
    let chart = |version: &str, spec: &str| world.chart(version, &[("templates/set.yaml", &stateful(spec, DELETES))]);
    world.done(chart("1.0.0", "replicas: 2").step(Phase::PostExec, claims(&[0, 1]))).await;
    let fewer = || chart("1.1.0", "replicas: 1");
    // A claim that is going to be lost can be consented to like the set.
    world.done(fewer().consenting_to(&["pvc/data-db-1"])).await;
    let raised = || chart("1.2.0", "replicas: 2");
    let waited = raised().step(Phase::PostExec, claims(&[0, 1]));
    let why = world.left(waited.that_fails(Remedy::Rollback)).await;
    assert!(why.contains(&format!("PersistentVolumeClaim {}/data-db-1", world.namespace)), "{why}");
    assert!(world.get("pvc/data-db-1").await.is_some());
}

/// What a step names to adopt is looked at like everything else.
#[tokio::test]
async fn an_adopted_claim_that_the_chart_does_not_render_any_more() {
    let world = world("adopted-claim", Tool::Helm4).await;
    let files = [("templates/cm.yaml", CONFIG), ("templates/pvc.yaml", CLAIM)];
    let adopting =
        |version: &str, files: &[(&str, &str)]| world.chart(version, files).step(Phase::PreExec, adopt("pvc/data"));
    world.done(adopting("1.0.0", &files)).await;
    let (found, _) = world.refused(adopting("2.0.0", &files[..1])).await;
    assert_eq!(found, named("DATA_ATTACHED", format!("PersistentVolumeClaim {}/data", world.namespace)));
    world.done(adopting("2.0.0", &files[..1]).consenting_to(&["pvc/data"])).await;
    assert!(world.get("pvc/data").await.is_none());
}

#[tokio::test]
async fn an_adopted_secret_that_the_chart_makes_up() {
    let world = world("adopted-secret", Tool::Helm4).await;
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\ndata: {password: '{{ randAlphaNum 12 | b64enc }}'}\n";
    let live =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "data": {"password": "b2xk"}});
    world.cluster.create_namespace(&world.namespace).await.unwrap();
    world.apply(&live).await;
    let chart = || world.chart("1.0.0", &[("templates/s.yaml", secret)]).step(Phase::PreExec, adopt("secret/login"));
    let (found, _) = world.refused(chart()).await;
    assert_eq!(found, named("SECRET_REGENERATED", format!("Secret {}/login", world.namespace)));
    world.done(chart().consenting_to(&["secret/login"])).await;
}

#[tokio::test]
async fn an_adopted_definition_that_loses_fields() {
    let world = world("adopted-crd", Tool::Helm4).await;
    let group = format!("{}.example.com", world.namespace);
    let name = format!("crd/widgets.{group}");
    let chart = |version: &str, fields: &str| {
        let crd = definition(&group, fields);
        world.chart(version, &[("templates/crd.yaml", &crd)]).step(Phase::PreExec, adopt(&name))
    };
    let live = definition(&group, "a: {type: string}, b: {type: string}");
    world.apply(&pilothouse_helm::parse_documents(&live).unwrap().remove(0)).await;
    world.cluster.create_namespace(&world.namespace).await.unwrap();
    world.apply(&widget_with(&group, &json!({"b": "x"}))).await;
    // At the very adoption, and ever after.
    let fewer = || chart("1.0.0", "a: {type: string}");
    let fields = named("CRD_FIELDS_REMOVED", format!("CustomResourceDefinition widgets.{group}"));
    assert_eq!(world.refused(fewer()).await.0, fields);
    world
        .cluster
        .delete(&crd_ref(&format!("widgets.{group}")), &Precondition::default(), Propagation::Foreground)
        .await
        .unwrap();
    world.done(chart("0.9.0", "a: {type: string}, b: {type: string}")).await;
    world.apply(&widget_with(&group, &json!({"b": "x"}))).await;
    assert_eq!(world.refused(fewer()).await.0, fields);
}

/// A step deletes what the upgrade would replace; what the upgrade loses beside that, it does not settle.
#[tokio::test]
async fn a_deleted_set_under_another_name_begins_empty() {
    let world = world("deleted-set", Tool::Helm4).await;
    let chart = |version: &str, name: &str| {
        let set = stateful("replicas: 0", "whenDeleted: Retain").replace("{name: db}", &format!("{{name: {name}}}"));
        world.chart(version, &[("templates/set.yaml", &set)])
    };
    world.done(chart("1.0.0", "db")).await;
    let (found, _) = world.refused(chart("2.0.0", "base").deleting("sts/db")).await;
    assert_eq!(found, named("DATA_ATTACHED", format!("StatefulSet {}/db", world.namespace)));
}

/// What Helm's manifest has and another release owns by now is that one's.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn an_uninstall_of_what_another_release_has_by_now(#[case] tool: Tool) {
    let world = world("handed-over", tool).await;
    let shared = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\n";
    let files = [("templates/cm.yaml", CONFIG), ("templates/shared.yaml", shared)];
    let old = || world.chart("1.0.0", &files);
    world.done(old()).await;
    let annotations = json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "new"}}});
    let shared = world.cluster.resolve(&object("cm/shared"), &world.namespace).await.unwrap();
    world.cluster.merge_patch(&shared, &annotations, &Precondition::default()).await.unwrap();
    world.done(world.chart("2.0.0", &files[1..]).with(|info| info.name = "new".to_owned())).await;
    let (found, message) = world.refused(old().destroyed()).await;
    assert_eq!(found, named("OWNERSHIP_CONFLICT", format!("ConfigMap {}/shared", world.namespace)));
    assert!(message.contains(&format!("{}/new", world.namespace)), "{message}");
    assert!(world.get("cm/shared").await.is_some() && world.get("cm/settings").await.is_some());
    world.done(old().destroyed().consenting_to(&["cm/shared"])).await;
    assert!(world.get("cm/shared").await.is_none());
}

/// Helm's upgrade and rollback look at the live annotation, letter by letter; its uninstall at the manifest, and leaves whatever
/// has the annotation.
#[rstest]
#[ignore = "the other helm"]
#[case(Tool::Helm3)]
#[case(Tool::Helm4)]
#[tokio::test]
async fn a_resource_policy_that_is_spelled_otherwise(#[case] tool: Tool) {
    let spelled = ["keep ", "Keep", "retain", ""].into_iter().enumerate();
    let each = spelled.map(|(nth, policy)| async move {
        let world = world(&format!("policy-{nth}"), tool).await;
        let claim = CLAIM
            .replace("{name: data}", &format!("{{name: data, annotations: {{helm.sh/resource-policy: '{policy}'}}}}"));
        let files = [("templates/cm.yaml", CONFIG), ("templates/pvc.yaml", &claim)];
        world.done(world.chart("1.0.0", &files)).await;
        let (found, _) = world.refused(world.chart("2.0.0", &files[..1])).await;
        assert_eq!(
            found,
            named("DATA_ATTACHED", format!("PersistentVolumeClaim {}/data", world.namespace)),
            "{policy:?}"
        );
        world.done(world.chart("1.0.0", &files).destroyed()).await;
        assert!(world.get("pvc/data").await.is_some(), "{policy:?}");
    });
    futures::future::join_all(each).await;
}

/// Helm's uninstall looks at the annotations of a document: of a list, at the list's and not at those of what is in it. An upgrade
/// looks at each live object.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_resource_policy_in_a_list(#[case] tool: Tool) {
    let world = world("policy-list", tool).await;
    let keep = "helm.sh/resource-policy: keep";
    let list = |kind: &str, of_list: &str, of_item: &str| {
        let claim = CLAIM.replace("{name: data}", &format!("{{name: data, annotations: {{{of_item}}}}}"));
        // What is in a list of one kind need not say what it is.
        let claim = if kind == "List" { claim } else { claim.lines().skip(2).collect::<Vec<_>>().join("\n") };
        let claim = claim.trim_end().replace('\n', "\n    ");
        let metadata =
            if of_list.is_empty() { String::new() } else { format!("metadata: {{annotations: {{{of_list}}}}}\n") };
        format!("apiVersion: v1\nkind: {kind}\n{metadata}items:\n  - {claim}\n")
    };
    let chart = |version: &str, list: &str| {
        world.chart(version, &[("templates/cm.yaml", CONFIG), ("templates/list.yaml", list)])
    };
    for (version, kind) in [("1.0.0", "List"), ("1.0.1", "PersistentVolumeClaimList")] {
        let of_item = list(kind, "", keep);
        world.done(chart(version, &of_item)).await;
        let (found, _) = world.refused(chart(version, &of_item).destroyed()).await;
        assert_eq!(found, named("DATA_ATTACHED", format!("PersistentVolumeClaim {}/data", world.namespace)), "{kind}");
    }
    // The live claim says it.
    world.done(world.chart("1.1.0", &[("templates/cm.yaml", CONFIG)])).await;
    assert!(world.get("pvc/data").await.is_some());
    let of_list = list("List", keep, "");
    world.done(chart("1.2.0", &of_list).step(Phase::PreExec, adopt("pvc/data"))).await;
    world.done(chart("1.2.0", &of_list).destroyed()).await;
    assert!(world.get("pvc/data").await.is_some());
}

/// Somebody makes the first resource of a definition while the release is under way.
#[tokio::test]
async fn what_is_made_between_the_look_and_helm() {
    let world = world("meanwhile", Tool::Helm4).await;
    let group = format!("{}.example.com", world.namespace);
    let crd = definition(&group, "a: {type: string}");
    let files = [("templates/cm.yaml", CONFIG), ("templates/crd.yaml", crd.as_str())];
    world.done(world.chart("1.0.0", &files)).await;
    let chart = world.chart("2.0.0", &files[..1]).step(Phase::PreExec, apply(&widget(&group)));
    let told = world.stopped(chart).await;
    assert!(told.contains(&format!("widgets.{group}: deleting it deletes 1 custom resource of it")), "{told}");
    assert!(world.get(&format!("crd/widgets.{group}")).await.is_some());
}

const RANDOM: &str =
    "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\ndata: {password: '{{ randAlphaNum 12 | b64enc }}'}\n";
const FIXED: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\ndata: {password: b2xk}\n";

/// A step has another chart under its hands than the one that was looked at, or gives it other values.
#[rstest]
#[ignore = "the other helm"]
#[case::chart("other-chart-3", Tool::Helm3, "rm app-2.0.0/templates/pvc.yaml")]
#[case::chart("other-chart-4", Tool::Helm4, "rm app-2.0.0/templates/pvc.yaml")]
#[case::values("other-values", Tool::Helm4, "echo 'claim: false' > values.yaml")]
#[tokio::test]
async fn a_step_that_changes_what_is_deployed(#[case] scenario: &str, #[case] tool: Tool, #[case] changes: &str) {
    let world = world(scenario, tool).await;
    let claim = format!("{{{{ if .Values.claim }}}}{CLAIM}{{{{ end }}}}");
    let files = [("templates/cm.yaml", CONFIG), ("templates/pvc.yaml", &claim)];
    write(world.folder.path(), "values.yaml", "claim: true\n");
    let chart = |version: &str| {
        let values = world.folder.path().join("values.yaml");
        world.chart(version, &files).with(|info| info.values_files = vec![values])
    };
    world.done(chart("1.0.0")).await;
    let script = format!("cd '{}' && {changes}", world.folder.path().display());
    let told = world.stopped(chart("2.0.0").step(Phase::PreExec, command(&["sh", "-c", &script]))).await;
    assert!(told.contains("/data: deleting it "), "{told}");
    assert!(world.get("pvc/data").await.is_some());
    assert_eq!(world.get("cm/settings").await.unwrap()["data"]["v"], "1.0.0");
}

/// With consent it goes on, and what is remembered is what was deployed: the next run has nothing to do.
#[tokio::test]
async fn what_a_step_has_made_of_the_chart_is_what_is_remembered() {
    let world = world("remembered-chart", Tool::Helm4).await;
    let files = [("templates/cm.yaml", CONFIG), ("templates/pvc.yaml", CLAIM)];
    world.done(world.chart("1.0.0", &files)).await;
    let script = format!("rm -f '{}/app-2.0.0/templates/pvc.yaml'", world.folder.path().display());
    let step = || command(&["sh", "-c", &script]);
    world.done(world.chart("2.0.0", &files).step(Phase::PreExec, step()).consenting_to(&["pvc/data"])).await;
    assert!(world.get("pvc/data").await.is_none());
    let again = world.chart("2.0.0", &files[..1]).step(Phase::PreExec, step()).consenting_to(&["pvc/data"]);
    let outcome = world.run(again).await;
    assert!(matches!(outcome, ReleaseOutcome::Unchanged { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_step_that_makes_a_secret_random() {
    let world = world("other-secret", Tool::Helm4).await;
    let files = |secret| [("templates/cm.yaml", CONFIG), ("templates/secret.yaml", secret)];
    world.done(world.chart("1.0.0", &files(FIXED))).await;
    let chart = world.chart("2.0.0", &files(FIXED));
    let script = format!("cp random '{}/app-2.0.0/templates/secret.yaml'", world.folder.path().display());
    write(world.folder.path(), "random", RANDOM);
    let script = format!("cd '{}' && {script}", world.folder.path().display());
    let told = world.stopped(chart.step(Phase::PreExec, command(&["sh", "-c", &script]))).await;
    assert!(told.contains("/login: the chart makes password anew"), "{told}");
    assert_eq!(world.get("secret/login").await.unwrap()["data"]["password"], "b2xk");
}

/// The Secret was not there yet when the release was looked at.
#[rstest]
#[ignore = "the other helm"]
#[case("late-secret-3", Tool::Helm3)]
#[case("late-secret-4", Tool::Helm4)]
#[tokio::test]
async fn a_secret_that_a_step_makes_and_adopts(#[case] scenario: &str, #[case] tool: Tool) {
    let world = world(scenario, tool).await;
    world.cluster.create_namespace(&world.namespace).await.unwrap();
    let live =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "data": {"password": "b2xk"}});
    let chart = world.chart("1.0.0", &[("templates/secret.yaml", RANDOM)]);
    let chart = chart.step(Phase::PreExec, apply(&live)).step(Phase::PreExec, adopt("secret/login"));
    let told = world.stopped(chart).await;
    assert!(told.contains("/login: the chart makes password anew"), "{told}");
    assert_eq!(world.get("secret/login").await.unwrap()["data"]["password"], "b2xk");
}

/// A release that others need has ended well, and is to go back since one of them has failed.
#[tokio::test]
async fn a_branch_that_is_taken_back_loses_nothing_either() {
    let world = world("branch", Tool::Helm4).await;
    let files = [("templates/cm.yaml", CONFIG), ("templates/pvc.yaml", CLAIM)];
    let base = |version: &str, files: &[(&str, &str)]| {
        world.chart(version, files).with(|info| info.on_failure = on_failure(Remedy::Rollback))
    };
    world.done(base("1.0.0", &files[..1])).await;
    write(world.folder.path(), "user/Chart.yaml", "apiVersion: v2\nname: user\nversion: 1.0.0\n");
    let mut user = world.chart("1.0.0", &[]).that_fails(Remedy::Uninstall);
    user.info.name = "user".to_owned();
    user.info.chart = pilothouse::ChartRef::path(world.folder.path().join("user"));
    user.info.needs = vec![pilothouse::Need::new("app")];
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(base("2.0.0", &files)), Box::new(user)];
    let config = RunConfig {
        on_release_failure: OnReleaseFailure::RollbackNeeds,
        ..RunConfig::new("test", RunId(uuid::Uuid::now_v7()))
    };
    let outcome = pilothouse::run(&config, &charts, &world.session, |_| {}).await.unwrap();
    let first = &outcome.releases[0].1;
    assert!(matches!(first, ReleaseOutcome::Done { .. }), "{first:?}");
    assert!(world.get("pvc/data").await.is_some());
}

/// Objects are pruned by the schema of the version they are stored as, whether that is served or not.
#[tokio::test]
async fn a_definition_that_stores_another_version() {
    let world = world("storage", Tool::Helm4).await;
    let group = format!("{}.example.com", world.namespace);
    let chart = |version: &str, old: (bool, bool, &str), new: (bool, bool, &str)| {
        let version_of = |name: &str, (served, storage, fields): (bool, bool, &str)| {
            let fields: serde_json::Map<_, _> =
                fields.chars().map(|field| (field.to_string(), json!({"type": "string"}))).collect();
            let spec = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}});
            json!({"name": name, "served": served, "storage": storage, "schema": {"openAPIV3Schema": spec}})
        };
        let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("widgets.{group}")}, "spec": {"group": group, "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "versions": [version_of("v1alpha1", old), version_of("v1", new)]}});
        world.chart(version, &[("templates/crd.yaml", &crd.to_string())])
    };
    world.done(chart("1.0.0", (true, true, "ab"), (true, false, "a"))).await;
    let mut held = widget_with(&group, &json!({"b": "x"}));
    held["apiVersion"] = json!(format!("{group}/v1alpha1"));
    world.apply(&held).await;
    let refused = async |chart: Chart, field: &str| {
        let (found, message) = world.refused(chart).await;
        assert_eq!(found, named("CRD_FIELDS_REMOVED", format!("CustomResourceDefinition widgets.{group}")));
        assert!(message.starts_with(&format!("the chart's definition lacks {field}")), "{message}");
    };
    refused(chart("2.0.0", (true, false, "ab"), (true, true, "a")), "v1alpha1.spec.b (in v1, ").await;
    // Stored in a version that is not served any more, and shown by another one.
    world.done(chart("3.0.0", (false, true, "ab"), (true, false, "ab"))).await;
    refused(chart("4.0.0", (false, true, "a"), (true, false, "ab")), "v1alpha1.spec.b,").await;
    // Shown by none.
    world.done(chart("5.0.0", (false, true, "abc"), (true, false, "ab"))).await;
    refused(chart("6.0.0", (false, true, "ab"), (true, false, "ab")), "v1alpha1.spec.c,").await;
    // Nothing is lost by storing another version that has it all, or by what the storage version lacked before.
    world.done(chart("7.0.0", (true, false, "abc"), (true, true, "abc"))).await;
    world.done(chart("8.0.0", (true, false, "abcd"), (true, true, "abc"))).await;
}

/// A definition that stores `v1` and has an older version, too.
pub(super) fn in_two_versions(group: &str, serves_old: bool) -> Value {
    let version_of = |name: &str, served: bool, storage: bool| {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        json!({"name": name, "served": served, "storage": storage, "schema": {"openAPIV3Schema": schema}})
    };
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")}, "spec": {"group": group, "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
        "versions": [version_of("v1alpha1", serves_old, false), version_of("v1", true, true)]}})
}

/// Helm builds each object of the deployed revision before it upgrades, rolls back or uninstalls.
#[tokio::test]
async fn a_version_in_which_the_deployed_revision_has_objects() {
    let world = world("unserved", Tool::Helm4).await;
    let group = format!("{}.example.com", world.namespace);
    let chart = |version: &str, serves_old: bool, of_object: &str| {
        let crd = in_two_versions(&group, serves_old);
        let mut object = widget(&group);
        object["apiVersion"] = json!(format!("{group}/{of_object}"));
        let files = [("crds/crd.yaml", crd.to_string()), ("templates/object.yaml", object.to_string())];
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        world.chart(version, &files).with(|info| info.crds = CrdPolicy::Upgrade)
    };
    world.done(chart("1.0.0", true, "v1alpha1")).await;
    let ReleaseOutcome::Refused { findings } = world.run(chart("2.0.0", false, "v1")).await else { panic!() };
    let told: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(told, ["API_NOT_SERVED"], "{findings:?}");
    assert!(findings[0].message.contains("revision 1 has Widget mine"), "{findings:?}");
    // What the message says helps.
    world.done(chart("1.5.0", true, "v1")).await;
    world.done(chart("2.0.0", false, "v1")).await;
}

/// As above, where the objects are another release's.
#[tokio::test]
async fn a_version_in_which_another_release_has_objects() {
    let world = world("unserved-other", Tool::Helm4).await;
    let group = format!("{}.example.com", world.namespace);
    let operator = |version: &str, serves_old: bool| {
        let crd = in_two_versions(&group, serves_old).to_string();
        world.chart(version, &[("crds/crd.yaml", &crd)]).with(|info| info.crds = CrdPolicy::Upgrade)
    };
    let user = |of_object: &str| {
        let mut object = widget(&group);
        object["apiVersion"] = json!(format!("{group}/{of_object}"));
        let object = object.to_string();
        world.chart("9.0.0", &[("templates/object.yaml", &object)]).with(|info| info.name = "user".to_owned())
    };
    world.done(operator("1.0.0", true)).await;
    world.done(user("v1alpha1")).await;
    let ReleaseOutcome::Refused { findings } = world.run(operator("2.0.0", false)).await else { panic!() };
    let told: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(told, ["API_NOT_SERVED"], "{findings:?}");
    assert!(findings[0].message.contains("/user has Widget mine"), "{findings:?}");
    // What the message says helps.
    world.done(user("v1")).await;
    world.done(operator("2.0.0", false)).await;
}

/// The server refuses both, whatever anybody consents to.
#[tokio::test]
async fn another_scope_of_a_definition() {
    let world = world("scope", Tool::Helm4).await;
    let group = format!("{}.example.com", world.namespace);
    let chart = |version: &str, scope: &str| {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("widgets.{group}")}, "spec": {"group": group, "scope": scope,
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}})
        .to_string();
        let files = [("crds/crd.yaml", crd.as_str()), ("templates/config.yaml", CONFIG)];
        world.chart(version, &files).with(|info| info.crds = CrdPolicy::Upgrade)
    };
    world.done(chart("1.0.0", "Namespaced")).await;
    let ReleaseOutcome::Refused { findings } = world.run(chart("2.0.0", "Cluster")).await else { panic!() };
    let told: Vec<(&str, Class)> = findings.iter().map(|finding| (finding.code.as_str(), finding.class)).collect();
    assert_eq!(told, [("IMMUTABLE_FIELD", Class::Blocked)], "{findings:?}");
}
