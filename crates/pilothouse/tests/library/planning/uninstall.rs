//! What an uninstall takes along.

use super::support::{World, changes, done};
use pilothouse::helm::HelmClient;
use pilothouse::kubernetes::ClusterClient;
use pilothouse::steps::built_in;
use pilothouse::{
    ChartInfo, EventKind, HelmAction, HelmChart, ObjectRef, Payload, Phase, ReleaseOutcome, RunConfig, RunId, Step,
};
use pilothouse_core::{DeleteStep, ObjectChange, On, PlannedAction, Staying, StepKind, StepSpec, stays_in_words};
use pilothouse_helm::{UpgradeRequest, Values};
use pilothouse_kube::{Precondition, Propagation};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const OBJECTS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: goes }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: stays, annotations: { helm.sh/resource-policy: keep } }
---
apiVersion: v1
kind: Secret
metadata: { name: goes }
";

#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
async fn what_is_kept_is_told_apart(#[case] tool: Tool) {
    let world = World::new("uninstall", tool).await;
    let chart = world.chart("kept", &[("templates/all.yaml", OBJECTS)]);
    let info = |action| ChartInfo { action, ..world.info("kept", &chart, &[]) };
    assert_eq!(world.done(info(HelmAction::Deploy)).await, "installed kept 1.0.0");

    let written = world.writes();
    let plan = world.plan_one(info(HelmAction::Destroy)).await;
    assert_eq!(world.writes(), written);
    assert_eq!(plan.why, "it is to be destroyed");
    let is = |kind: &str, name: &str, change| (world.object("v1", kind, name).to_string(), change);
    assert_eq!(
        (plan.does, changes(&plan)),
        (
            PlannedAction::Uninstall,
            vec![
                is("Secret", "goes", ObjectChange::Delete),
                is("ConfigMap", "goes", ObjectChange::Delete),
                is("ConfigMap", "stays", ObjectChange::Keep),
            ]
        )
    );

    assert_eq!(world.done(info(HelmAction::Destroy)).await, "uninstalled");
    let is_left = async |kind: &str, name: &str| world.get("v1", kind, name).await.is_some();
    let left =
        [is_left("Secret", "goes").await, is_left("ConfigMap", "goes").await, is_left("ConfigMap", "stays").await];
    assert_eq!(left, [false, false, true]);
    assert!(!world.plan(vec![info(HelmAction::Destroy)]).await.has_changes());
}

const HOOKED: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: goes }
---
apiVersion: v1
kind: Service
metadata: { name: goes }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: stays, annotations: { helm.sh/resource-policy: keep } }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: before, annotations: { helm.sh/hook: pre-delete } }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: after, annotations: { helm.sh/hook: post-delete } }
";

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn its_effects_and_hooks_are_told(#[case] tool: Tool) {
    let world = World::new("uninstall-effects", tool).await;
    let chart = world.chart("hooked", &[("templates/all.yaml", HOOKED)]);
    let info = |action| ChartInfo { action, ..world.info("hooked", &chart, &[]) };
    assert_eq!(world.done(info(HelmAction::Deploy)).await, "installed hooked 1.0.0");

    let plan = world.plan(vec![info(HelmAction::Destroy)]).await;
    let release = &plan.releases[0];
    let hooks: Vec<_> = release.hooks.iter().map(|hook| (hook.event.as_str(), hook.object.name.as_str())).collect();
    assert_eq!(hooks, [("pre-delete", "before"), ("post-delete", "after")]);
    let effects: Vec<_> =
        release.effects.iter().map(|effect| (effect.object.to_string(), effect.what.as_str())).collect();
    let service = world.object("v1", "Service", "goes").to_string();
    assert_eq!(effects, [(service, "nothing is reached through it any more")]);

    // What it leaves behind counts too: somebody else may want it back.
    let stays = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stays"}, "data": {"more": "of somebody"}});
    world.apply_as("somebody", &stays).await;
    let outcome = world.run(vec![info(HelmAction::Destroy)], Some(&plan)).await;
    let ReleaseOutcome::Refused { findings } = &outcome[0] else { panic!("{outcome:?}") };
    let subjects: Vec<_> = findings.iter().map(|finding| finding.subject.clone()).collect();
    assert_eq!(subjects, [world.object("v1", "ConfigMap", "stays").to_string()]);
    assert_eq!(world.done(info(HelmAction::Destroy)).await, "uninstalled");
}

fn definition(name: &str, group: &str, policy: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{ name: {name}.{group}{policy} }}\nspec:\n  \
         group: {group}\n  scope: Namespaced\n  names: {{ kind: {name}, plural: {name}, singular: {name}, listKind: {name}List }}\n  versions:\n    \
         - {{ name: v1, served: true, storage: true, schema: {{ openAPIV3Schema: {{ type: object }} }} }}\n"
    )
}

const KEEP: &str = ", annotations: { helm.sh/resource-policy: keep }";

/// What a resource policy keeps, the definitions of `crds/` and the namespace that was made for it; told by plan and run alike, but
/// for what a step deletes.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_stays_is_told(#[case] tool: Tool) {
    let world = World::new("stays", tool).await;
    let group = format!("stays-{}.example", tool.name());
    let (kept, more) = (definition("kept", &group, KEEP), definition("more", &group, KEEP));
    let kept = format!("{kept}---\n{more}---\n{OBJECTS}");
    let brought = definition("brought", &group, "");
    let chart = world.chart("staying", &[("templates/all.yaml", &kept), ("crds/brought.yaml", &brought)]);
    let info = |action| ChartInfo { action, ..world.info("staying", &chart, &[]) };
    let said = async |chart: Box<dyn HelmChart>| {
        let (mut said, charts) = (Vec::new(), [chart]);
        let config = RunConfig::new("test", RunId(uuid::Uuid::now_v7()));
        let outcome = pilothouse::run(&config, &charts, &world.session, |event| {
            if let EventKind::Said { text, .. } = &event.kind
                && text.starts_with("stays: ")
            {
                said.push(text.clone());
            }
        });
        let outcome = outcome.await.unwrap();
        done(&outcome.releases[0].1);
        said
    };
    let plain = |action| Box::new(Plain(info(action), false)) as Box<dyn HelmChart>;
    assert_eq!(said(plain(HelmAction::Deploy)).await, Vec::<String>::new());
    let words = |stays: &[Staying]| format!("stays: {}", stays_in_words(stays));
    let namespace = &world.namespace;
    let expected = format!(
        "stays: 2 definitions (resource policy keep), ConfigMap {namespace}/stays (resource policy keep), definition brought.{group} of crds/, \
         namespace {namespace}"
    );
    let plan = world.plan_one(info(HelmAction::Destroy)).await;
    assert_eq!(words(&plan.stays), expected);
    assert_eq!(said(plain(HelmAction::Destroy)).await, [expected.as_str()]);
    assert!(world.cluster.get(&ObjectRef::parse(&format!("crd/brought.{group}")).unwrap()).await.unwrap().is_some());

    // Kept objects are in its way now; the definition is deleted by a step.
    for object in ["crd/kept", "crd/more"]
        .map(|name| format!("{name}.{group}"))
        .iter()
        .chain([&format!("configmap/{namespace}/stays")])
    {
        let object = ObjectRef::parse(object).unwrap();
        world.cluster.delete(&object, &Precondition::default(), Propagation::Background).await.unwrap();
    }
    said(plain(HelmAction::Deploy)).await;
    let deletes = || Box::new(Plain(info(HelmAction::Destroy), true)) as Box<dyn HelmChart>;
    let expected = expected.replace(&format!(", definition brought.{group} of crds/"), "");
    assert_eq!(words(&world.plan_of(&[deletes()]).await.releases[0].stays), expected);
    assert_eq!(said(deletes()).await, [expected]);
}

/// An upgrade that fails deletes nothing of what it has no more, and the uninstall after it looks at its manifest alone.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_a_failed_upgrade_has_left_is_told(#[case] tool: Tool) {
    let world = World::new("left", tool).await;
    let chart = world.chart("kept", &[("templates/all.yaml", OBJECTS)]);
    assert_eq!(world.done(world.info("kept", &chart, &[])).await, "installed kept 1.0.0");
    let refused = "apiVersion: v1\nkind: Service\nmetadata: { name: goes }\nspec: { clusterIP: 10.0.0.300, ports: [{ port: 80 }] }\n";
    std::fs::write(chart.join("templates/all.yaml"), refused).unwrap();
    let info = world.info("kept", &chart, &[]);
    let values = Values::of(&info, &Payload::default()).unwrap();
    let request = UpgradeRequest::new(info.key(), &chart, values, Duration::from_secs(60));
    world.helm.upgrade_install(&request, &CancellationToken::new()).await.unwrap_err();

    let namespace = &world.namespace;
    let expected = format!(
        "Secret {namespace}/goes of an earlier revision, 2 objects of kind ConfigMap of an earlier revision, namespace {namespace}"
    );
    let destroyed = || ChartInfo { action: HelmAction::Destroy, ..world.info("kept", &chart, &[]) };
    assert_eq!(stays_in_words(&world.plan_one(destroyed()).await.stays), expected);
    let mut said = Vec::new();
    let charts = [Box::new(Plain(destroyed(), false)) as Box<dyn HelmChart>];
    let config = RunConfig::new("test", RunId(uuid::Uuid::now_v7()));
    let outcome = pilothouse::run(&config, &charts, &world.session, |event| {
        if let EventKind::Said { text, .. } = &event.kind {
            said.push(text.clone());
        }
    });
    done(&outcome.await.unwrap().releases[0].1);
    assert!(said.contains(&format!("stays: {expected}")), "{said:?}");
    assert!(world.get("v1", "Secret", "goes").await.is_some());
}

/// An upgrade that gives an object up leaves it, if it says so itself.
#[tokio::test]
async fn what_an_upgrade_gives_up_is_told() {
    let world = World::new("gives-up", Tool::Helm4).await;
    let chart = world.chart("kept", &[("templates/all.yaml", OBJECTS)]);
    assert_eq!(world.done(world.info("kept", &chart, &[])).await, "installed kept 1.0.0");
    std::fs::write(chart.join("templates/all.yaml"), "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: goes }\n")
        .unwrap();
    let mut said = Vec::new();
    let charts = [Box::new(Plain(world.info("kept", &chart, &[]), false)) as Box<dyn HelmChart>];
    let config = RunConfig::new("test", RunId(uuid::Uuid::now_v7()));
    let outcome = pilothouse::run(&config, &charts, &world.session, |event| {
        if let EventKind::Said { text, .. } = &event.kind {
            said.push(text.clone());
        }
    });
    done(&outcome.await.unwrap().releases[0].1);
    let stays = format!("stays: ConfigMap {}/stays (resource policy keep)", world.namespace);
    assert!(said.contains(&stays), "{said:?}");
}

/// A chart, and whether a step deletes its definitions in the end.
struct Plain(ChartInfo, bool);

impl HelmChart for Plain {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let delete = DeleteStep { objects: Vec::new(), chart_crds: true, timeout_in_seconds: 30 };
        let delete = StepKind::Delete(delete);
        let step = StepSpec { name: None, on: On::Always, point_of_no_return: false, every_run: false, kind: delete };
        (self.1 && phase == Phase::PostExec).then(|| built_in(&step)).into_iter().collect()
    }
}
