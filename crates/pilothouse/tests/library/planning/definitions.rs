//! Objects whose kind or namespace is still to come.

use super::support::{World, changes, done, fields};
use pilothouse::{ChartInfo, CrdPolicy, HelmAction, Need, ObjectRef};
use pilothouse_core::{ObjectChange, PlannedAction, ReleaseKey};
use pilothouse_plane::provision::Tool;
use pilothouse_testkit::fixture_chart;
use rstest::rstest;
use serde_json::json;
use tokio::sync::Mutex;

/// Held by those that bring the definition below.
static GADGETS_OF_BASE: Mutex<()> = Mutex::const_new(());

/// A definition and a namespace.
const BASE: &str = "\
apiVersion: v1
kind: Namespace
metadata: { name: {{ .Release.Namespace }}-side }
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: gadgets.planning.example.com }
spec:
  group: planning.example.com
  scope: Namespaced
  names: { kind: Gadget, plural: gadgets, singular: gadget }
  versions:
    - { name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object } } }
";

const USER: &str = "\
apiVersion: planning.example.com/v1
kind: Gadget
metadata: { name: one }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: one, namespace: {{ .Release.Namespace }}-side }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: one }
";

#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
async fn what_another_release_brings(#[case] tool: Tool) {
    let _alone = GADGETS_OF_BASE.lock().await;
    let world = World::new("after", tool).await;
    let side = format!("ns/{}-side", world.namespace);
    let (base, user) =
        (world.chart("base", &[("templates/all.yaml", BASE)]), world.chart("user", &[("templates/all.yaml", USER)]));
    let charts = |action| {
        let needs = vec![Need::new("base")];
        vec![
            ChartInfo { needs, action, ..world.info("user", &user, &[]) },
            // An uninstall deletes the namespace with all that is in it.
            ChartInfo { action, consent: vec![ObjectRef::parse(&side).unwrap()], ..world.info("base", &base, &[]) },
        ]
    };
    let plan = world.plan(charts(HelmAction::Deploy)).await;
    assert_eq!(world.writes(), <[String; 0]>::default());
    let [base, user] = &plan.releases[..] else { panic!("{plan:#?}") };
    assert_eq!((base.does, user.does), (PlannedAction::Install, PlannedAction::Install), "{plan:#?}");
    let side = &side["ns/".len()..];
    let after = |needs: &str| ObjectChange::After {
        release: ReleaseKey::new(&world.namespace, "base"),
        needs: needs.to_owned(),
    };
    assert_eq!(
        changes(base),
        [
            (format!("Namespace {side}"), ObjectChange::Create),
            ("CustomResourceDefinition gadgets.planning.example.com".to_owned(), ObjectChange::Create),
        ]
    );
    assert_eq!(
        changes(user),
        [
            (format!("ConfigMap {side}/one"), after(&format!("namespace {side}"))),
            (format!("ConfigMap {}/one", world.namespace), ObjectChange::Create),
            ("Gadget one".to_owned(), after("kind Gadget")),
        ]
    );

    let outcome = world.run(charts(HelmAction::Deploy), Some(&plan)).await;
    assert_eq!(outcome.iter().map(done).collect::<Vec<_>>(), ["installed user 1.0.0", "installed base 1.0.0"]);
    assert!(world.get("planning.example.com/v1", "Gadget", "one").await.is_some());
    let removed = world.run(charts(HelmAction::Destroy), None).await;
    assert_eq!(removed.iter().map(done).collect::<Vec<_>>(), ["uninstalled", "uninstalled"]);
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_the_release_itself_brings(#[case] tool: Tool) {
    let world = World::new("own", tool).await;
    let plan = world.plan_one(world.info("operator", &fixture_chart("operator-1"), &[])).await;
    let deployment = world.object("apps/v1", "Deployment", "operator").to_string();
    assert_eq!(
        (plan.does, changes(&plan), &plan.not_checked[..]),
        (
            PlannedAction::Install,
            vec![
                ("CustomResourceDefinition widgets.fixtures.example.com".to_owned(), ObjectChange::Create),
                (deployment, ObjectChange::Create),
                ("Widget operator".to_owned(), ObjectChange::Create),
            ],
            &["1 object whose kind comes with this very release: nobody can be asked yet".to_owned()][..]
        )
    );
    assert_eq!(world.writes(), <[String; 0]>::default());
}

const GADGETS: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: gadgets.patched.example.com }
spec:
  group: patched.example.com
  scope: Namespaced
  names: { kind: Gadget, plural: gadgets, singular: gadget }
  versions:
    - name: v1
      served: true
      storage: true
      schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
";

const GADGET: &str = "\
apiVersion: patched.example.com/v1
kind: Gadget
metadata: { name: one }
spec: { size: 1, colour: {{ .Values.colour }} }
";

/// Helm 3 sees only what is different between its two manifests.
#[tokio::test]
async fn helm_3_leaves_what_others_have_changed_in_custom_resources() {
    let world = World::new("patched", Tool::Helm3).await;
    let chart = world.chart("patched", &[("crds/gadgets.yaml", GADGETS), ("templates/gadget.yaml", GADGET)]);
    let coloured = |colour: &str| world.info("patched", &chart, &[("colour", colour)]);
    assert_eq!(world.done(coloured("red")).await, "installed patched 1.0.0, 1 CRD applied");
    let size = json!({"apiVersion": "patched.example.com/v1", "kind": "Gadget", "metadata": {"name": "one"}, "spec": {"size": 5}});
    world.apply_as("kubectl", &size).await;

    let plan = world.plan_one(coloured("blue")).await;
    let gadget = world.object("patched.example.com/v1", "Gadget", "one").to_string();
    assert_eq!((changes(&plan), plan.unchanged), (vec![(gadget, ObjectChange::Update)], 1));
    assert_eq!(fields(&plan.objects[0]), [("spec.colour", Some(&json!("red")), Some(&json!("blue")))]);
    assert_eq!(world.done(coloured("blue")).await, "upgraded patched 1.0.0");
    let live = world.get("patched.example.com/v1", "Gadget", "one").await.unwrap();
    assert_eq!(live["spec"], json!({"size": 5, "colour": "blue"}));

    // That is not taken for how it was deployed, nor by the next upgrade.
    let gadget = world.object("patched.example.com/v1", "Gadget", "one");
    let drifted = async |colour: &str| {
        let plan = world.plan_one(coloured(colour)).await;
        assert_eq!(plan.drifts.iter().map(|drift| &drift.object).collect::<Vec<_>>(), [&gadget]);
    };
    drifted("blue").await;
    assert_eq!(world.done(coloured("green")).await, "upgraded patched 1.0.0");
    drifted("green").await;
}

/// Helm makes a namespace among the templates before what is in it.
#[tokio::test]
async fn a_namespace_of_its_own() {
    let world = World::new("own-namespace", Tool::Helm4).await;
    let side = format!("{}-side", world.namespace);
    let templates = "\
apiVersion: v1
kind: Namespace
metadata: { name: {{ .Release.Namespace }}-side }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: one, namespace: {{ .Release.Namespace }}-side }
";
    let chart = world.chart("side", &[("templates/all.yaml", templates)]);
    let plan = world.plan_one(world.info("side", &chart, &[])).await;
    let expected =
        [(format!("Namespace {side}"), ObjectChange::Create), (format!("ConfigMap {side}/one"), ObjectChange::Create)];
    assert_eq!((plan.does, changes(&plan)), (PlannedAction::Install, expected.to_vec()));
    assert_eq!(plan.not_checked, ["1 object whose namespace comes with this very release: nobody can be asked yet"]);
    let info = || ChartInfo {
        consent: vec![ObjectRef::parse(&format!("ns/{side}")).unwrap()],
        ..world.info("side", &chart, &[])
    };
    assert_eq!(world.run(vec![info()], None).await.iter().map(done).collect::<Vec<_>>(), ["installed side 1.0.0"]);
    let destroy = ChartInfo { action: HelmAction::Destroy, ..info() };
    assert_eq!(world.run(vec![destroy], None).await.iter().map(done).collect::<Vec<_>>(), ["uninstalled"]);
}

/// Helm has to know all kinds before it applies anything: neither plan nor run begins what it fails on.
#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
async fn a_definition_and_an_object_among_the_templates(#[case] tool: Tool) {
    let world = World::new("own-kind", tool).await;
    let group = format!("{}.example.com", world.namespace);
    let templates = [GADGETS, "---\n", GADGET].concat().replace("patched.example.com", &group);
    let chart = world.chart("kinds", &[("templates/all.yaml", &templates)]);
    let plan = world.plan_one(world.info("kinds", &chart, &[])).await;
    assert_eq!(plan.does, PlannedAction::Refuse);
    let found: Vec<(&str, &str)> = plan.findings.iter().map(|one| (one.code.as_str(), one.subject.as_str())).collect();
    assert_eq!(found, [("API_NOT_SERVED", "Gadget one")]);
    let outcome = world.run(vec![world.info("kinds", &chart, &[])], None).await;
    assert!(matches!(&outcome[..], [pilothouse::ReleaseOutcome::Refused { .. }]), "{outcome:#?}");
    assert_eq!(world.writes(), <[String; 0]>::default());
}

/// Helm changes it in place, in whichever version it is written.
#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
async fn an_object_moves_to_a_version_that_comes_with_the_chart(#[case] tool: Tool) {
    let world = World::new("moves", tool).await;
    let group = format!("{}.example.com", world.namespace);
    let version = |name: &str, stores: bool| {
        format!(
            "    - {{ name: {name}, served: true, storage: {stores}, schema: {{ openAPIV3Schema: {{ type: object, properties: {{ spec: {{ type: object, properties: {{ a: {{ type: string }} }} }} }} }} }} }}\n"
        )
    };
    let definition = |versions: &str| {
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{ name: legs.{group} }}\nspec:\n  group: {group}\n  scope: Namespaced\n  names: {{ kind: Leg, plural: legs, singular: leg, listKind: LegList }}\n  versions:\n{versions}"
        )
    };
    let leg = |version: &str| {
        format!("apiVersion: {group}/{version}\nkind: Leg\nmetadata: {{ name: l }}\nspec: {{ a: {version} }}\n")
    };
    let info = |chart: &std::path::Path| ChartInfo { crds: CrdPolicy::Upgrade, ..world.info("moves", chart, &[]) };
    let old = definition(&version("v1alpha1", true));
    let chart = world.chart("moves", &[("crds/leg.yaml", &old), ("templates/leg.yaml", &leg("v1alpha1"))]);
    world.done(info(&chart)).await;
    let uid = async |api: &str| {
        let live = world.get(&format!("{group}/{api}"), "Leg", "l").await.unwrap();
        live["metadata"]["uid"].clone()
    };
    let before = uid("v1alpha1").await;
    let new = definition(&(version("v1alpha1", false) + &version("v1", true)));
    let chart = world.chart("moves", &[("crds/leg.yaml", &new), ("templates/leg.yaml", &leg("v1"))]);
    let plan = world.plan_one(info(&chart)).await;
    let of_leg: Vec<&ObjectChange> =
        plan.objects.iter().filter(|one| one.object.kind == "Leg").map(|one| &one.change).collect();
    assert_eq!(of_leg, [&ObjectChange::Update], "{:#?}", plan.objects);
    world.done(info(&chart)).await;
    assert_eq!(uid("v1").await, before);
}
