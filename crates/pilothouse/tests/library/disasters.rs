//! What charts of the wild do to data, on a real control plane with real helm 3 and 4: each is refused before anything is changed,
//! with the object named, and goes through with consent.
#![allow(clippy::disallowed_methods, reason = "helm needs the environment")]

use crate::bare_plane::plane;
use pilothouse::helm::{Helm, HelmConfig, HelmDriver};
use pilothouse::kubernetes::{Cluster, ClusterClient, Rules};
use pilothouse::steps::{DeleteStep, On, StepKind, StepSpec, built_in};
use pilothouse::{
    BeforeDestructive, ChartInfo, ChartRef, Class, CrdPolicy, HelmAction, HelmChart, Namespace, ObjectRef, Phase,
    Redactor, ReleaseOutcome, RunConfig, RunId, Session, SessionConfig, SetValue, Step, ValueSource,
};
use pilothouse_kube::{ApplyOptions, ClusterError, Precondition, crd_ref};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use semver::Version;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

mod bases;
mod gone_objects;
mod hooks;
mod losses;
mod others_fields;
mod reinstalls;
mod revisions;
mod unserved;

struct World {
    cluster: Arc<Cluster>,
    /// For what somebody does with helm.
    helm: Arc<Helm>,
    session: Arc<Session>,
    /// One for each scenario and helm.
    namespace: String,
    folder: tempfile::TempDir,
}

/// A chart as it is in a folder, with what the user says about it.
struct Chart {
    info: ChartInfo,
    steps: Vec<(Phase, StepKind)>,
}

impl HelmChart for Chart {
    fn chart_info(&self) -> &ChartInfo {
        &self.info
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let spec = |kind: &StepKind| StepSpec {
            name: None,
            on: On::default(),
            point_of_no_return: false,
            every_run: false,
            kind: kind.clone(),
        };
        self.steps.iter().filter(|(of, _)| *of == phase).map(|(_, kind)| built_in(&spec(kind))).collect()
    }
}

impl Chart {
    fn consenting(mut self, object: &str) -> Self {
        self.info.consent = vec![ObjectRef::parse(object).unwrap()];
        self
    }

    fn deleting(self, object: &str) -> Self {
        let objects = vec![ObjectRef::parse(object).unwrap()];
        let step = DeleteStep { objects, chart_crds: false, timeout_in_seconds: 30 };
        self.step(Phase::PreExec, StepKind::Delete(step))
    }

    fn step(mut self, phase: Phase, kind: StepKind) -> Self {
        self.steps.push((phase, kind));
        self
    }

    fn with(mut self, change: impl FnOnce(&mut ChartInfo)) -> Self {
        change(&mut self.info);
        self
    }
}

async fn world(scenario: &str, tool: Tool) -> World {
    let plane = plane();
    let folder = tempfile::tempdir().unwrap();
    // A client of this test's own runtime: the plane's lives on another one.
    let cluster = Arc::new(Cluster::from_client(kube::Client::try_from(plane.client_config()).unwrap()));
    let mut config = HelmConfig::new(pilothouse_testkit::helm(tool).await, folder.path().join("helm"));
    config.kubeconfig = Some(plane.kubeconfig().to_owned());
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
        backups: Some(folder.path().join("backups")),
        command_env: std::env::vars_os().collect(),
        grace: Duration::from_secs(5),
        rules: Rules::default(),
    });
    World { cluster, helm, session, namespace: format!("{scenario}-{}", tool.name()), folder }
}

impl World {
    /// A chart with these files.
    fn chart(&self, version: &str, files: &[(&str, &str)]) -> Chart {
        let path = self.folder.path().join(format!("app-{version}"));
        write(&path, "Chart.yaml", &format!("apiVersion: v2\nname: app\nversion: {version}\n"));
        for (name, text) in files {
            write(&path, name, text);
        }
        let info = ChartInfo {
            name: "app".to_owned(),
            namespace: Namespace::from(self.namespace.as_str()),
            chart: ChartRef::path(path),
            timeout_in_seconds: 60,
            // Nothing runs on this plane, and no volume is ever bound.
            wait: false,
            ..ChartInfo::default()
        };
        Chart { info, steps: Vec::new() }
    }

    async fn run(&self, chart: Chart) -> ReleaseOutcome {
        let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(chart)];
        let config = RunConfig::new("test", RunId(uuid::Uuid::now_v7()));
        let outcome = pilothouse::run(&config, &charts, &self.session, |_| {}).await.unwrap();
        outcome.releases.into_iter().next().unwrap().1
    }

    async fn done(&self, chart: Chart) {
        match self.run(chart).await {
            ReleaseOutcome::Done { .. } => {}
            other => panic!("{}", serde_json::to_string_pretty(&other).unwrap()),
        }
    }

    /// Why nothing is to be done.
    async fn unchanged(&self, chart: Chart) -> String {
        match self.run(chart).await {
            ReleaseOutcome::Unchanged { why } => why,
            other => panic!("{}", serde_json::to_string_pretty(&other).unwrap()),
        }
    }

    /// A password outlives an upgrade to 1.1.0, and a reinstall by 2.0.0 is refused for its sake. Gives it, and what was said.
    async fn keeps_its_password(&self, chart: impl Fn(&str) -> Chart) -> (Value, String) {
        self.done(chart("1.0.0")).await;
        let before = self.get("secret/login").await.unwrap()["data"]["password"].clone();
        self.done(chart("1.1.0")).await;
        assert_eq!(self.get("secret/login").await.unwrap()["data"]["password"], before);
        let (found, message) = self.refused(chart("2.0.0")).await;
        assert_eq!(found, named("SECRET_REGENERATED", format!("Secret {}/login", self.namespace)));
        (before, message)
    }

    /// The codes and objects a run was refused for, all as unsafe, and what was said first.
    async fn refused(&self, chart: Chart) -> (Vec<(String, String)>, String) {
        match self.run(chart).await {
            ReleaseOutcome::Refused { findings, .. } => {
                assert!(findings.iter().all(|finding| finding.class == Class::Unsafe), "{findings:#?}");
                let message = findings[0].message.clone();
                (findings.into_iter().map(|finding| (finding.code, finding.subject)).collect(), message)
            }
            other => panic!("{}", serde_json::to_string_pretty(&other).unwrap()),
        }
    }

    async fn get(&self, object: &str) -> Option<Value> {
        let object = self.cluster.resolve(&ObjectRef::parse(object).unwrap(), &self.namespace).await.unwrap();
        let live = self.cluster.get(&object).await.unwrap();
        // A claim stays as long as something protects it.
        live.filter(|live| live.pointer("/metadata/deletionTimestamp").is_none())
    }

    /// The objects of the one backup there is, which only the owner can read.
    fn saved(&self) -> Vec<Value> {
        let folder = self.folder.path().join("backups");
        let files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        let [file] = files.as_slice() else { panic!("{files:?}") };
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(file)), (0o700, 0o600));
        let list: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("v1"), &json!("List")));
        list["items"].as_array().unwrap().clone()
    }

    async fn apply(&self, object: &Value) {
        let options = ApplyOptions {
            field_manager: "someone".to_owned(),
            force: true,
            dry_run: false,
            default_namespace: Some(self.namespace.clone()),
        };
        // A kind is served a moment after its definition is there.
        for _ in 0..100 {
            self.cluster.discovery(true).await.unwrap();
            match self.cluster.apply(object, &options).await {
                Err(ClusterError::NotServed { .. }) => tokio::time::sleep(Duration::from_millis(100)).await,
                applied => return drop(applied.unwrap()),
            }
        }
        panic!("the kind of {object} is not served");
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    let path: PathBuf = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn set(name: &str, value: &str) -> SetValue {
    SetValue { key: name.to_owned(), value: ValueSource::String(value.to_owned()) }
}

fn named(code: &str, object: String) -> Vec<(String, String)> {
    vec![(code.to_owned(), object)]
}

const CLAIM: &str = r"apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: 'data-{{ .Values.name }}'}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_value_that_renames_a_claim(#[case] tool: Tool) {
    let world = world("claim", tool).await;
    let chart = |name: &str| {
        world.chart("1.0.0", &[("templates/claim.yaml", CLAIM)]).with(|info| info.values = vec![set("name", name)])
    };
    world.done(chart("old")).await;
    let object = format!("PersistentVolumeClaim {}/data-old", world.namespace);
    let (found, message) = world.refused(chart("new")).await;
    assert_eq!(found, named("DATA_ATTACHED", object));
    // Its volume may be bound by now or not.
    let instead = format!("; PersistentVolumeClaim {}/data-new is created in its place, empty", world.namespace);
    assert!(message.starts_with("deleting it ") && message.ends_with(&instead), "{message}");
    assert!(world.get("pvc/data-old").await.is_some() && world.get("pvc/data-new").await.is_none());
    world.done(chart("new").consenting("pvc/data-old")).await;
    assert!(world.get("pvc/data-old").await.is_none() && world.get("pvc/data-new").await.is_some());
}

fn stateful_set(labels: &str, size: &str) -> String {
    format!(
        r"apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  serviceName: db
  replicas: 0
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec: {{containers: [{{name: db, image: 'db:1'}}]}}
  volumeClaimTemplates:
    - metadata: {{name: data, labels: {{{labels}}}}}
      spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: {size}}}}}}}
"
    )
}

#[rstest]
#[ignore = "the other helm"]
#[case::larger_3("larger", Tool::Helm3, stateful_set("a: b", "1Gi"), stateful_set("a: b", "2Gi"), false)]
#[case::larger_4("larger", Tool::Helm4, stateful_set("a: b", "1Gi"), stateful_set("a: b", "2Gi"), false)]
#[ignore = "the other helm"]
#[case::label_3(
    "label",
    Tool::Helm3,
    stateful_set("v: '{{ .Chart.Version }}'", "1Gi"),
    stateful_set("v: '{{ .Chart.Version }}'", "1Gi"),
    true
)]
#[case::label_4(
    "label",
    Tool::Helm4,
    stateful_set("v: '{{ .Chart.Version }}'", "1Gi"),
    stateful_set("v: '{{ .Chart.Version }}'", "1Gi"),
    true
)]
#[tokio::test]
async fn claim_templates_that_change(
    #[case] scenario: &str,
    #[case] tool: Tool,
    #[case] before: String,
    #[case] after: String,
    #[case] only_labels: bool,
) {
    let world = world(scenario, tool).await;
    let chart = |version: &str, text: &str| world.chart(version, &[("templates/set.yaml", text)]);
    world.done(chart("1.0.0", &before)).await;
    let (found, message) = world.refused(chart("1.1.0", &after)).await;
    assert_eq!(found, named("IMMUTABLE_FIELD", format!("StatefulSet {}/db", world.namespace)));
    assert!(message.starts_with("spec.volumeClaimTemplates cannot be changed"), "{message}");
    assert_eq!(message.contains("only labels of its claims differ"), only_labels, "{message}");
    world.done(chart("1.1.0", &after).consenting("sts/db").deleting("sts/db")).await;
    let live = world.get("sts/db").await.unwrap();
    assert_eq!(live["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm");
}

/// A definition whose group is of this scenario alone.
fn definition(group: &str, fields: &str) -> String {
    format!(
        r"apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: widgets.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, properties: {{spec: {{type: object, properties: {{{fields}}}}}}}}}}}
"
    )
}

fn widget(group: &str) -> Value {
    widget_with(group, &json!({"a": "b"}))
}

fn widget_with(group: &str, spec: &Value) -> Value {
    json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "mine"}, "spec": spec})
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn definitions_that_move_from_templates_to_crds(#[case] tool: Tool) {
    let world = world("moved", tool).await;
    let group = format!("{}.example.com", world.namespace);
    let crd = definition(&group, "a: {type: string}");
    world.done(world.chart("1.0.0", &[("templates/crd.yaml", &crd)])).await;
    world.apply(&widget(&group)).await;
    let moved = || world.chart("2.0.0", &[("crds/crd.yaml", &crd)]);
    let (found, message) = world.refused(moved()).await;
    assert_eq!(found, named("CRD_IN_USE", format!("CustomResourceDefinition widgets.{group}")));
    assert_eq!(
        message,
        format!(
            "deleting it deletes 1 custom resource of it: Widget {}/mine; the chart's new version has it in crds/, so helm would delete it: annotate it helm.sh/resource-policy: keep",
            world.namespace
        )
    );
    // What the message says helps.
    let name = format!("crd/widgets.{group}");
    let keep = json!({"metadata": {"annotations": {"helm.sh/resource-policy": "keep"}}});
    let object = crd_ref(&format!("widgets.{group}"));
    world.cluster.merge_patch(&object, &keep, &Precondition::default()).await.unwrap();
    world.done(moved()).await;
    assert!(world.get(&name).await.is_some());
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn an_uninstall_of_a_chart_with_definitions_in_use(#[case] tool: Tool) {
    let world = world("uninstalled", tool).await;
    let group = format!("{}.example.com", world.namespace);
    let crd = definition(&group, "a: {type: string}");
    let chart = || world.chart("1.0.0", &[("templates/crd.yaml", &crd)]);
    world.done(chart()).await;
    world.apply(&widget(&group)).await;
    let destroyed = || chart().with(|info| info.action = HelmAction::Destroy);
    let name = format!("widgets.{group}");
    let (found, _) = world.refused(destroyed()).await;
    assert_eq!(found, named("CRD_IN_USE", format!("CustomResourceDefinition {name}")));
    let saving = destroyed().with(|info| info.before_destructive = BeforeDestructive::Backup);
    world.done(saving.consenting(&format!("crd/{name}"))).await;
    assert!(world.get(&format!("crd/{name}")).await.is_none());
    // What was saved can be created again, one after the other.
    let saved = world.saved();
    let names: Vec<String> =
        saved.iter().map(|object| pilothouse_core::object_ref(object).unwrap().to_string()).collect();
    assert_eq!(names, [format!("CustomResourceDefinition {name}"), format!("Widget {}/mine", world.namespace)]);
    world.cluster.create(&saved[0]).await.unwrap();
    let established = async {
        while world.cluster.discovery(true).await.unwrap().lookup(&ObjectRef::parse("Widget/mine").unwrap()).is_err()
            || world.cluster.create(&saved[1]).await.is_err()
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), established).await.unwrap();
    let widget = ObjectRef { api_version: Some(format!("{group}/v1")), ..ObjectRef::parse("Widget/mine").unwrap() };
    let widget = world.cluster.resolve(&widget, &world.namespace).await.unwrap();
    assert_eq!(world.cluster.get(&widget).await.unwrap().unwrap()["spec"], json!({"a": "b"}));
}

const SECRET: &str = r"apiVersion: v1
kind: Secret
metadata: {name: login}
data: {user: YWRtaW4=, password: '{{ randAlphaNum 12 | b64enc }}'}
";

/// It is in no revision any more that the uninstall would delete, and the install writes over it.
#[tokio::test]
async fn a_password_that_an_earlier_revision_has_left() {
    let world = world("left-over", Tool::Helm4).await;
    let text = SECRET.replace("name: login", "name: login, annotations: {helm.sh/resource-policy: keep}");
    assert_ne!(text, SECRET);
    let (any, once) = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: any}\n",
        format!("{{{{- if .Release.IsInstall }}}}\n{text}\n{{{{- end }}}}\n"),
    );
    let chart = |version: &str| {
        world
            .chart(version, &[("templates/secret.yaml", &once), ("templates/any.yaml", any)])
            .with(|info| info.last_breaking_version_requiring_restart = Some(Version::new(2, 0, 0)))
    };
    let (_, message) = world.keeps_its_password(chart).await;
    assert!(message.starts_with("the chart makes password anew"), "{message}");
    assert!(world.get("configmap/any").await.is_some(), "it is refused before the uninstall");
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_random_password_that_an_upgrade_makes_anew(#[case] tool: Tool) {
    let world = world("random", tool).await;
    let chart = |version: &str| world.chart(version, &[("templates/secret.yaml", SECRET)]);
    world.done(chart("1.0.0")).await;
    let before = world.get("secret/login").await.unwrap()["data"]["password"].clone();
    // What is random is no reason for an upgrade; another object is.
    let text = format!("{SECRET}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: any}}\n");
    let upgrade = || world.chart("1.1.0", &[("templates/secret.yaml", &text)]);
    let (found, message) = world.refused(upgrade()).await;
    assert_eq!(found, named("SECRET_REGENERATED", format!("Secret {}/login", world.namespace)));
    assert!(message.starts_with("the chart makes password anew") && !message.contains("user"), "{message}");
    assert_eq!(world.get("secret/login").await.unwrap()["data"]["password"], before);
    let saving = upgrade().with(|info| info.before_destructive = BeforeDestructive::Backup);
    world.done(saving.consenting("secret/login")).await;
    assert_ne!(world.get("secret/login").await.unwrap()["data"]["password"], before);
    let saved = world.saved();
    assert_eq!((saved.len(), &saved[0]["data"]["password"]), (1, &before));
}

/// What protects data goes as well as the data does: under another name, as a key, or with the day.
#[tokio::test]
async fn what_a_chart_makes_up_under_another_name_or_of_the_day() {
    // Helm 4 would refuse what somebody else has written, by which a day passes here.
    let world = world("made-up", Tool::Helm3).await;
    let secret = |name: &str, value: &str| {
        let data = format!("{{user: YWRtaW4=, password: '{{{{ {value} | b64enc }}}}'}}");
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ndata: {data}\n")
    };
    let chart =
        |version: &str, secrets: &[String]| world.chart(version, &[("templates/secret.yaml", &secrets.join("---\n"))]);
    let refused = async |version: &str, secrets: &[String], name: &str| {
        let (found, message) = world.refused(chart(version, secrets)).await;
        assert_eq!(found, named("SECRET_REGENERATED", format!("Secret {}/{name}", world.namespace)));
        message
    };
    let dated = secret("dated", "now | date \"2006-01-02\" | sha256sum");
    world.done(chart("1.0.0", &[secret("db", "randAlphaNum 12"), dated.clone()])).await;
    let message = refused("2.0.0", &[secret("db-auth", "randAlphaNum 12"), dated.clone()], "db").await;
    assert!(message.contains(&format!("Secret {}/db-auth takes its place", world.namespace)), "{message}");
    // Without one in its place, it is what the plan says.
    world.done(chart("3.0.0", std::slice::from_ref(&dated))).await;
    world.done(chart("4.0.0", &[secret("key", "genPrivateKey \"ed25519\""), dated.clone()])).await;
    let message =
        refused("5.0.0", &[secret("key", "genPrivateKey \"ed25519\""), dated.clone(), secret("more", "\"x\"")], "key")
            .await;
    assert!(message.starts_with("the chart makes password anew"), "{message}");
    world.done(chart("6.0.0", std::slice::from_ref(&dated))).await;
    // As it was made another day.
    world
        .apply(
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "dated"}, "data": {"password": "b2xk"}}),
        )
        .await;
    let message = refused("7.0.0", &[dated, secret("more", "\"x\"")], "dated").await;
    assert!(message.starts_with("the chart makes password of the time or the number of the revision"), "{message}");
}

/// Without the cluster such a chart does not render, and before the other release is there neither.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_chart_that_must_find_something(#[case] tool: Tool) {
    let world = world("finds", tool).await;
    let uid = r#"apiVersion: v1
kind: ConfigMap
metadata: {name: found}
data: {uid: '{{ (lookup "v1" "Namespace" "" "kube-system").metadata.uid }}'}
"#;
    let chart = || world.chart("1.0.0", &[("templates/a.yaml", uid)]);
    world.done(chart()).await;
    let found = world.get("cm/found").await.unwrap()["data"]["uid"].clone();
    assert_eq!(found, world.get("ns/kube-system").await.unwrap()["metadata"]["uid"]);
    assert!(matches!(world.run(chart()).await, ReleaseOutcome::Done { .. } | ReleaseOutcome::Unchanged { .. }));
    // What another release of the stack brings.
    let of_found =
        uid.replace("Namespace\" \"\" \"kube-system", &format!("ConfigMap\" \"{}\" \"brought", world.namespace));
    let mut after = world.chart("2.0.0", &[("templates/a.yaml", &of_found.replace("name: found", "name: after"))]);
    after.info.name = "after".to_owned();
    after.info.needs = vec![pilothouse::Need::new("brings")];
    let brought = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: brought}\n";
    let brings = world.chart("3.0.0", &[("templates/a.yaml", brought)]).with(|info| info.name = "brings".to_owned());
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(after), Box::new(brings)];
    let config = RunConfig::new("test", RunId(uuid::Uuid::now_v7()));
    let outcome = pilothouse::run(&config, &charts, &world.session, |_| {}).await.unwrap();
    let done = |(_, outcome): &(_, ReleaseOutcome)| matches!(outcome, ReleaseOutcome::Done { .. });
    assert!(outcome.releases.iter().all(done), "{}", serde_json::to_string_pretty(&outcome.releases).unwrap());
}

/// As many charts do: what is there is kept, and an uninstall takes it away.
const KEPT_SECRET: &str = r#"{{- $old := lookup "v1" "Secret" .Release.Namespace "login" }}
apiVersion: v1
kind: Secret
metadata: {name: login}
data: {password: '{{ if $old }}{{ $old.data.password }}{{ else }}{{ randAlphaNum 12 | b64enc }}{{ end }}'}
"#;

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_password_that_does_not_outlive_a_reinstall(#[case] tool: Tool) {
    let world = world("reinstalled", tool).await;
    let chart = |version: &str| {
        world
            .chart(version, &[("templates/secret.yaml", KEPT_SECRET)])
            .with(|info| info.last_breaking_version_requiring_restart = Some(Version::new(2, 0, 0)))
    };
    let (before, message) = world.keeps_its_password(chart).await;
    assert!(message.starts_with("the uninstall deletes it, and the chart makes password anew"), "{message}");
    world.done(chart("2.0.0").consenting("secret/login")).await;
    assert_ne!(world.get("secret/login").await.unwrap()["data"]["password"], before);
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_definition_among_the_templates_that_loses_fields(#[case] tool: Tool) {
    let world = world("fields", tool).await;
    let group = format!("{}.example.com", world.namespace);
    let chart =
        |version: &str, fields: &str| world.chart(version, &[("templates/crd.yaml", &definition(&group, fields))]);
    world.done(chart("1.0.0", "a: {type: string}, b: {type: string}")).await;
    let fewer = |version: &str| chart(version, "a: {type: string}");
    // Without a custom resource, and with none that has the field, nothing is lost.
    world.done(fewer("1.1.0")).await;
    world.done(chart("1.2.0", "a: {type: string}, b: {type: string}")).await;
    world.apply(&widget(&group)).await;
    world.done(fewer("1.3.0")).await;
    world.done(chart("1.4.0", "a: {type: string}, b: {type: string}")).await;
    world.apply(&widget_with(&group, &json!({"b": "x"}))).await;
    let fewer = || fewer("1.5.0");
    let (found, message) = world.refused(fewer()).await;
    assert_eq!(found, named("CRD_FIELDS_REMOVED", format!("CustomResourceDefinition widgets.{group}")));
    assert!(message.starts_with("the chart's definition lacks v1.spec.b,"), "{message}");
    world.done(fewer().consenting(&format!("crd/widgets.{group}"))).await;
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_first_install_over_newer_definitions_leaves_them_alone(#[case] tool: Tool) {
    let world = world("newer", tool).await;
    let group = format!("{}.example.com", world.namespace);
    let name = format!("widgets.{group}");
    let newer = definition(&group, "a: {type: string}, b: {type: string}");
    let newer: Value = pilothouse_helm::parse_documents(&newer).unwrap().remove(0);
    world.apply(&newer).await;
    let before = world.get(&format!("crd/{name}")).await.unwrap();
    let older = definition(&group, "a: {type: string}");
    let chart = || world.chart("1.0.0", &[("crds/crd.yaml", &older)]);
    world.done(chart()).await;
    assert_eq!(world.get(&format!("crd/{name}")).await.unwrap()["spec"], before["spec"]);
    // To upgrade them is to downgrade them here.
    world.apply(&widget_with(&group, &json!({"b": "x"}))).await;
    let upgraded = || chart().with(|info| (info.name, info.crds) = ("second".to_owned(), CrdPolicy::Upgrade));
    let (found, message) = world.refused(upgraded()).await;
    assert_eq!(found, named("CRD_FIELDS_REMOVED", format!("CustomResourceDefinition {name}")));
    assert!(message.starts_with("the chart's definition lacks v1.spec.b,"), "{message}");
    world.done(upgraded().consenting(&format!("crd/{name}"))).await;
}
