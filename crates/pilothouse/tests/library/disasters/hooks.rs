//! What a chart's hooks delete by their name alone: helm looks neither at what it is nor at whose it is.

use super::{Chart, World, definition, named, widget, world};
use pilothouse::helm::HelmClient as _;
use pilothouse::kubernetes::ClusterClient as _;
use pilothouse::plan::ObjectChange;
use pilothouse::{HelmChart, Phase, ReleaseOutcome};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::Value;

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {v: '{{ .Chart.Version }}'}\n";

fn claim(annotations: &str) -> String {
    format!(
        "apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data, annotations: {{{annotations}}}}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
"
    )
}

fn config(name: &str, annotations: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\n")
}

impl World {
    /// Lets a hook take the place of what is there, by helm itself. Helm 4 tells the status of objects by workers side by side
    /// (`pkg/kube/statuswait.go`): where the end of the old object is told after the beginning of the new one, it waits in vain.
    async fn replaced(&self, chart: Chart) {
        let outcome = self.run(chart).await;
        let by_helm = matches!(&outcome, ReleaseOutcome::Failed(failure) if failure.phase == Phase::Exec);
        let is_helm_4 = self.helm.version().major >= 4;
        assert!((is_helm_4 && by_helm) || matches!(outcome, ReleaseOutcome::Done { .. }), "{outcome:?}");
    }

    /// A chart with a template of which no hook wants anything, and this one.
    fn with(&self, version: &str, template: &str) -> Chart {
        self.chart(version, &[("templates/cm.yaml", CONFIG), ("templates/hook.yaml", template)])
    }

    /// Somebody's object, in the release's namespace.
    async fn somebodys(&self, template: &str) {
        self.cluster.create_namespace(&self.namespace).await.unwrap();
        self.apply(&pilothouse_helm::parse_documents(template).unwrap().remove(0)).await;
    }

    async fn uid(&self, object: &str) -> Value {
        self.get(object).await.unwrap()["metadata"]["uid"].clone()
    }

    /// Whether it is the one it was: helm 4 may apply a claim that is still going, which is gone then.
    async fn is_still(&self, object: &str, uid: &Value) -> bool {
        self.get(object).await.is_some_and(|live| live["metadata"]["uid"] == *uid)
    }

    fn named(&self, code: &str, object: &str) -> Vec<(String, String)> {
        let (kind, name) = object.split_once('/').unwrap();
        named(code, format!("{kind} {}/{name}", self.namespace))
    }
}

/// By default a hook's object is deleted before it is created.
#[rstest]
#[case::default_3("hook", Tool::Helm3, "helm.sh/hook: 'pre-install,pre-upgrade'")]
#[case::default_4("hook", Tool::Helm4, "helm.sh/hook: 'pre-install,pre-upgrade'")]
#[case::succeeded("hook-done", Tool::Helm4, "helm.sh/hook: post-install, helm.sh/hook-delete-policy: 'hook-succeeded'")]
#[case::failed("hook-failed", Tool::Helm4, "helm.sh/hook: pre-install, helm.sh/hook-delete-policy: 'hook-failed'")]
#[tokio::test]
async fn a_claim_of_somebody_else(#[case] scenario: &str, #[case] tool: Tool, #[case] annotations: &str) {
    let world = world(scenario, tool).await;
    world.somebodys(&claim("")).await;
    let before = world.uid("pvc/data").await;
    let (found, message) = world.refused(world.with("1.0.0", &claim(annotations))).await;
    assert_eq!(found, world.named("DATA_ATTACHED", "PersistentVolumeClaim/data"));
    assert!(message.starts_with("the chart's ") && message.contains(" hook deletes it: deleting it "), "{message}");
    assert_eq!(world.uid("pvc/data").await, before);
}

/// Its own hook has made it, and data may be in it all the same.
#[tokio::test]
async fn a_claim_that_a_hook_has_made() {
    let world = world("hook-own", Tool::Helm4).await;
    let install = |version: &str| world.with(version, &claim("helm.sh/hook: pre-install"));
    world.done(install("1.0.0")).await;
    let before = world.uid("pvc/data").await;
    world.done(install("1.1.0")).await;
    assert_eq!(world.uid("pvc/data").await, before, "no hook of an upgrade");
    let upgrade = || world.with("1.2.0", &claim("helm.sh/hook: post-upgrade"));
    assert_eq!(world.refused(upgrade()).await.0, world.named("DATA_ATTACHED", "PersistentVolumeClaim/data"));
    world.replaced(upgrade().consenting_to(&["pvc/data"])).await;
    assert!(!world.is_still("pvc/data", &before).await);
}

#[tokio::test]
async fn what_a_hook_deletes_with_consent_is_saved() {
    let world = world("hook-saved", Tool::Helm4).await;
    world.somebodys(&config("shared", "")).await;
    let before = world.uid("cm/shared").await;
    let chart = world.with("1.0.0", &config("shared", "helm.sh/hook: pre-install"));
    world.done(chart.saving().consenting_to(&["cm/shared"])).await;
    assert_ne!(world.uid("cm/shared").await, before);
    let names: Vec<Value> = world.saved().iter().map(|saved| saved["metadata"]["name"].clone()).collect();
    assert_eq!(names, ["shared"]);
}

/// A resource policy is nothing to a hook.
#[rstest]
#[ignore = "the other helm"]
#[case(Tool::Helm3)]
#[case(Tool::Helm4)]
#[tokio::test]
async fn a_claim_of_the_release_that_becomes_a_hook(#[case] tool: Tool) {
    let world = world("becomes-hook", tool).await;
    let keep = "helm.sh/resource-policy: keep";
    world.done(world.with("1.0.0", &claim(keep))).await;
    let before = world.uid("pvc/data").await;
    let next = || world.with("2.0.0", &claim(&format!("{keep}, helm.sh/hook: pre-upgrade")));
    assert_eq!(world.refused(next()).await.0, world.named("DATA_ATTACHED", "PersistentVolumeClaim/data"));
    assert_eq!(world.uid("pvc/data").await, before);
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(next())];
    let planned = pilothouse::plan("test", &charts, &world.session, 1, None).await.unwrap();
    let of_claim = planned.releases[0].objects.iter().filter(|one| one.object.kind == "PersistentVolumeClaim");
    let told: Vec<&ObjectChange> = of_claim.map(|one| &one.change).collect();
    assert_eq!(told, [&ObjectChange::Delete]);
    world.replaced(next().consenting_to(&["pvc/data"])).await;
    assert!(!world.is_still("pvc/data", &before).await);
}

/// Helm spares a definition that is a hook, but not one in a list that is one (`deleteHookByPolicy` in `pkg/action/hooks.go`).
#[tokio::test]
async fn a_definition_in_a_list_that_is_a_hook() {
    let world = world("hook-list", Tool::Helm4).await;
    let group = format!("{}.example.com", world.namespace);
    let crd = definition(&group, "a: {type: string}");
    world.done(world.chart("1.0.0", &[("crds/crd.yaml", &crd)])).await;
    world.apply(&widget(&group)).await;
    let item = crd.replace('\n', "\n    ");
    let list = format!(
        "apiVersion: v1\nkind: List\nmetadata: {{annotations: {{helm.sh/hook: 'pre-upgrade,pre-delete'}}}}\nitems:\n  - {item}\n"
    );
    let next = || world.chart("1.1.0", &[("templates/list.yaml", &list)]);
    let (found, message) = world.refused(next()).await;
    assert_eq!(found, named("CRD_IN_USE", format!("CustomResourceDefinition widgets.{group}")));
    assert!(message.contains("hook deletes it"), "{message}");
    assert!(world.get(&format!("crd/widgets.{group}")).await.is_some());
}

/// What holds no data is not the release's to delete either; what a hook has left is.
#[rstest]
#[case(Tool::Helm3)]
#[ignore = "the other helm"]
#[case(Tool::Helm4)]
#[tokio::test]
async fn an_object_of_somebody_else(#[case] tool: Tool) {
    let world = world("hook-foreign", tool).await;
    world.somebodys(&config("shared", "")).await;
    let before = world.uid("cm/shared").await;
    let hook = config("shared", "helm.sh/hook: 'pre-install,pre-upgrade'");
    let (found, message) = world.refused(world.with("1.0.0", &hook)).await;
    assert_eq!(found, world.named("OWNERSHIP_CONFLICT", "ConfigMap/shared"));
    assert!(message.contains("pre-install"), "{message}");
    assert_eq!(world.uid("cm/shared").await, before);
    world.done(world.with("1.0.0", &hook).consenting_to(&["cm/shared"])).await;
    let before = world.uid("cm/shared").await;
    world.done(world.with("1.1.0", &hook)).await;
    assert_ne!(world.uid("cm/shared").await, before);
    // One of its templates becomes a hook.
    world.done(world.with("1.2.0", &config("own", ""))).await;
    world.done(world.with("1.3.0", &config("own", "helm.sh/hook: pre-upgrade"))).await;
}

/// Helm takes the hooks of an uninstall and of a rollback from its records.
#[tokio::test]
async fn hooks_of_an_uninstall_and_of_a_rollback() {
    let world = world("hooks-stored", Tool::Helm4).await;
    let hook = claim("helm.sh/hook: 'pre-delete,pre-rollback'");
    world.done(world.with("1.0.0", &hook)).await;
    world.somebodys(&claim("")).await;
    let before = world.uid("pvc/data").await;
    let failing = world.with("1.1.0", &hook).that_fails(pilothouse::Remedy::Rollback);
    let why = world.left(failing).await;
    assert!(why.contains("pre-rollback hook deletes it"), "{why}");
    let destroyed = || world.with("1.1.0", &hook).destroyed();
    let (found, message) = world.refused(destroyed()).await;
    assert_eq!(found, world.named("DATA_ATTACHED", "PersistentVolumeClaim/data"));
    assert!(message.contains("pre-delete"), "{message}");
    assert_eq!(world.uid("pvc/data").await, before);
    world.replaced(destroyed().consenting_to(&["pvc/data"])).await;
    assert_ne!(world.uid("pvc/data").await, before);
}

/// Between a release that is uninstalled and installed again, nothing is asked any more.
#[tokio::test]
async fn hooks_of_a_reinstall() {
    let world = world("hooks-again", Tool::Helm4).await;
    let chart = |version: &str, template: &str| {
        let breaking = semver::Version::new(2, 0, 0);
        world.with(version, template).with(|info| info.last_breaking_version_requiring_restart = Some(breaking))
    };
    world.done(chart("1.0.0", &config("any", ""))).await;
    world.somebodys(&claim("")).await;
    let (found, _) = world.refused(chart("2.0.0", &claim("helm.sh/hook: pre-install"))).await;
    assert_eq!(found, world.named("DATA_ATTACHED", "PersistentVolumeClaim/data"));
    assert_eq!(world.get("cm/settings").await.unwrap()["data"]["v"], "1.0.0");
}

/// A password that only a hook makes is lost like one among the templates.
#[tokio::test]
async fn a_secret_that_a_hook_makes_anew() {
    let world = world("hook-secret", Tool::Helm4).await;
    let secret = "apiVersion: v1
kind: Secret
metadata: {name: login, annotations: {helm.sh/hook: 'pre-install,pre-upgrade'}}
data: {password: '{{ randAlphaNum 12 | b64enc }}'}
";
    world.done(world.with("1.0.0", secret)).await;
    let before = world.get("secret/login").await.unwrap()["data"]["password"].clone();
    let (found, _) = world.refused(world.with("1.1.0", secret)).await;
    assert_eq!(found, world.named("SECRET_REGENERATED", "Secret/login"));
    assert_eq!(world.get("secret/login").await.unwrap()["data"]["password"], before);
}

/// `helm test` runs hooks as well.
#[tokio::test]
async fn hooks_of_a_test() {
    use pilothouse::checks::{CheckKind, CheckStep, CheckTerms, HelmTestCheck};
    use pilothouse::steps::StepKind;
    let world = world("hooks-test", Tool::Helm4).await;
    world.somebodys(&claim("")).await;
    let before = world.uid("pvc/data").await;
    let check = CheckKind::HelmTest(HelmTestCheck::default());
    let step = StepKind::Check(Box::new(CheckStep {
        terms: CheckTerms { timeout_in_seconds: 30, ..CheckTerms::default() },
        kind: check,
    }));
    let outcome = world.run(world.with("1.0.0", &claim("helm.sh/hook: test")).step(Phase::PostExec, step)).await;
    let told = serde_json::to_string_pretty(&outcome).unwrap();
    assert!(told.contains("DATA_ATTACHED"), "{told}");
    assert_eq!(world.uid("pvc/data").await, before);
}
