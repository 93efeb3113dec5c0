//! What a release renders to when its turn comes: after releases that bring kinds, and after its own steps.

use super::support::{World, changes, done};
use pilothouse::steps::{ApplyStep, CommandStep, StepKind, built_in};
use pilothouse::{ChartInfo, CrdPolicy, HelmChart, Need, Phase, ReleaseOutcome, Step};
use pilothouse_core::{ObjectChange, On, StepSpec};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

struct Stepped {
    info: ChartInfo,
    step: Option<StepKind>,
}

impl HelmChart for Stepped {
    fn chart_info(&self) -> &ChartInfo {
        &self.info
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let step = |kind: &StepKind| {
            let kind = kind.clone();
            built_in(&StepSpec { name: None, on: On::Deploy, point_of_no_return: false, every_run: false, kind })
        };
        self.step.iter().filter(|_| phase == Phase::PreExec).map(step).collect()
    }
}

fn release(info: ChartInfo, step: Option<StepKind>) -> Box<dyn HelmChart> {
    Box::new(Stepped { info, step })
}

fn shell(script: String) -> StepKind {
    StepKind::Command(CommandStep {
        argv: vec!["sh".to_owned(), "-c".to_owned(), script],
        env: BTreeMap::new(),
        cwd: None,
        output_to: None,
        sensitive: false,
        repeatable: true,
        timeout_in_seconds: 30,
    })
}

fn definition(group: &str) -> String {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("monitors.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Monitor", "plural": "monitors", "singular": "monitor", "listKind": "MonitorList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
        },
    })
    .to_string()
}

/// A ConfigMap, and an object of the kind where the cluster serves it.
fn asking(group: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: app }}\n\
         {{{{- if .Capabilities.APIVersions.Has \"{group}/v1/Monitor\" }}}}\n---\napiVersion: {group}/v1\nkind: Monitor\n\
         metadata: {{ name: app }}\n{{{{- end }}}}\n"
    )
}

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: defs }\n";

#[track_caller]
fn outdated(outcome: &ReleaseOutcome) -> String {
    match outcome {
        ReleaseOutcome::Refused { findings } => {
            assert!(findings.iter().all(|finding| finding.code == "PLAN_OUTDATED"), "{findings:?}");
            findings.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ")
        }
        other => panic!("{}", serde_json::to_string_pretty(other).unwrap()),
    }
}

/// How an earlier release brings the kind.
#[derive(Debug, Clone, Copy)]
enum Brings {
    Crds,
    Templates,
    /// In a step, of which a plan knows nothing.
    AStep,
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn kinds_of_earlier_releases(
    #[case] tool: Tool,
    #[values(Brings::Crds, Brings::Templates, Brings::AStep)] brings: Brings,
) {
    let name = format!("{brings:?}").to_lowercase();
    let world = World::new(&format!("turn-{name}"), tool).await;
    let group = format!("{name}-{}.example", tool.name());
    let definition = definition(&group);
    let files: &[(&str, &str)] = match brings {
        Brings::Crds => &[("templates/cm.yaml", CONFIG), ("crds/monitors.yaml", &definition)],
        Brings::Templates => &[("templates/cm.yaml", CONFIG), ("templates/monitors.yaml", &definition)],
        Brings::AStep => &[("templates/cm.yaml", CONFIG)],
    };
    let defs = world.chart("defs", files);
    let app = world.chart("app", &[("templates/all.yaml", &asking(&group))]);
    let step = || {
        let apply = ApplyStep { files: Vec::new(), manifests: vec![definition.clone()] };
        matches!(brings, Brings::AStep).then_some(StepKind::Apply(apply))
    };
    let charts = || {
        let app = world.info("app", &app, &[]);
        let app = ChartInfo { wait: false, needs: vec![Need::new("defs").deployed()], ..app };
        [release(world.info("defs", &defs, &[]), step()), release(app, None)]
    };
    let plan = world.plan_of(&charts()).await;
    let told = changes(&plan.releases[1]);
    let config = (world.object("v1", "ConfigMap", "app").to_string(), ObjectChange::Create);
    let monitor = world.object(&format!("{group}/v1"), "Monitor", "app");
    let later = ObjectChange::After { release: plan.releases[0].release.clone(), needs: "kind Monitor".to_owned() };
    let outcomes = world.run_of(&charts(), Some(&plan)).await;
    done(&outcomes[0]);
    let is_there = async || world.get(&format!("{group}/v1"), "Monitor", "app").await.is_some();
    if matches!(brings, Brings::AStep) {
        assert_eq!(told, [config]);
        let told = format!("what it renders to is not what the plan has: {monitor} is in no line of it");
        assert_eq!(outdated(&outcomes[1]), told);
        assert!(!is_there().await);
        return;
    }
    // Whether its kind is one of namespaces is not known yet.
    assert_eq!(told, [config, ("Monitor app".to_owned(), later)]);
    done(&outcomes[1]);
    assert!(is_there().await);
    // Nothing is left to do, and the plan says so.
    assert!(!world.plan_of(&charts()).await.has_changes());
}

/// A chart that asks for the kinds in its own `crds/`, which are there before helm renders it.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn kinds_of_its_own(#[case] tool: Tool) {
    let world = World::new("turn-own", tool).await;
    let group = format!("own-{}.example", tool.name());
    let (asking, definition) = (asking(&group), definition(&group));
    let chart = world.chart("app", &[("templates/all.yaml", &asking), ("crds/monitors.yaml", &definition)]);
    let info = || ChartInfo { wait: false, ..world.info("app", &chart, &[]) };
    let left_out = world.plan_one(ChartInfo { crds: CrdPolicy::Skip, ..info() }).await;
    assert_eq!(left_out.objects.len(), 1);
    let plan = world.plan(vec![info()]).await;
    let kinds: Vec<&str> = plan.releases[0].objects.iter().map(|planned| planned.object.kind.as_str()).collect();
    assert_eq!(kinds, ["CustomResourceDefinition", "ConfigMap", "Monitor"]);
    done(&world.run(vec![info()], Some(&plan)).await[0]);
    assert!(world.get(&format!("{group}/v1"), "Monitor", "app").await.is_some());
    assert!(!world.plan(vec![info()]).await.has_changes());
}

const LOOKING: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: app }
data: { missing: {{ lookup \"v1\" \"ConfigMap\" .Release.Namespace \"defs\" | empty | quote }} }
";
/// What it makes up says nothing, but one object more does.
const MAKING_UP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: app }
data: { random: {{ randAlphaNum 12 }}, missing: \"false\" }
{{- if lookup \"v1\" \"ConfigMap\" .Release.Namespace \"defs\" }}
---
apiVersion: v1
kind: ConfigMap
metadata: { name: more }
{{- end }}
";

/// What an earlier release makes is looked up by a later one.
#[rstest]
#[case::a_value("value", Tool::Helm4, LOOKING, "what the cluster answers to its templates has changed since")]
#[case::an_object("object", Tool::Helm4, MAKING_UP, "ConfigMap NAMESPACE/more is in no line of it")]
#[ignore = "the other helm"]
#[case::a_value_with_helm_3(
    "value",
    Tool::Helm3,
    LOOKING,
    "what the cluster answers to its templates has changed since"
)]
#[tokio::test]
async fn what_is_looked_up(#[case] name: &str, #[case] tool: Tool, #[case] looking: &str, #[case] why: &str) {
    let world = World::new(&format!("turn-lookup-{name}"), tool).await;
    let defs = world.chart("defs", &[("templates/cm.yaml", CONFIG)]);
    let app = world.chart("app", &[("templates/all.yaml", looking)]);
    let charts = || {
        let app = ChartInfo { needs: vec![Need::new("defs").deployed()], ..world.info("app", &app, &[]) };
        [release(world.info("defs", &defs, &[]), None), release(app, None)]
    };
    let plan = world.plan_of(&charts()).await;
    let outcomes = world.run_of(&charts(), Some(&plan)).await;
    done(&outcomes[0]);
    let why = why.replace("NAMESPACE", &world.namespace);
    assert_eq!(outdated(&outcomes[1]), format!("what it renders to is not what the plan has: {why}"));
    // Once the other one is there it is as planned, whatever is made up.
    let plan = world.plan_of(&charts()).await;
    let outcomes = world.run_of(&charts(), Some(&plan)).await;
    done(&outcomes[1]);
    assert_eq!(world.get("v1", "ConfigMap", "app").await.unwrap()["data"]["missing"], "false");
}

/// A step of the release itself gives it another chart, or other values, than was planned.
#[rstest]
#[case::a_new_object("chart", "cp other app/templates/other.yaml")]
#[case::a_new_value("values", "echo 'text: two' > values.yaml")]
#[case::a_new_version("version", "sed -i s/1.0.0/2.0.0/ app/Chart.yaml")]
#[tokio::test]
async fn what_a_step_writes(#[case] name: &str, #[case] script: &str, #[values(false, true)] is_upgrade: bool) {
    let world = World::new(&format!("turn-{name}-{is_upgrade}"), Tool::Helm4).await;
    let app = world.chart(
        "app",
        &[(
            "templates/all.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: app }\ndata: { text: {{ .Values.text }} }\n",
        )],
    );
    let folder = app.parent().unwrap();
    std::fs::write(folder.join("other"), "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: other }\n").unwrap();
    let values = folder.join("values.yaml");
    std::fs::write(&values, "text: one\n").unwrap();
    let info =
        |labels: &[(&str, &str)]| ChartInfo { values_files: vec![values.clone()], ..world.info("app", &app, labels) };
    if is_upgrade {
        done(&world.run(vec![info(&[])], None).await[0]);
    }
    let script = shell(format!("cd '{}' && {script}", folder.display()));
    let charts = || [release(info(&[("some", "thing")]), Some(script.clone()))];
    let plan = world.plan_of(&charts()).await;
    assert!(plan.has_changes());
    let outcome = world.run_of(&charts(), Some(&plan)).await.remove(0);
    let ReleaseOutcome::Failed(failure) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.phase, Phase::Exec);
    let told = failure.error.join(": ");
    assert!(told.contains("PLAN_OUTDATED") && told.contains("chart or values are not those of the plan"), "{told}");
    assert!(world.get("v1", "ConfigMap", "other").await.is_none());
    assert_eq!(world.get("v1", "ConfigMap", "app").await.is_some(), is_upgrade);
    // Without a plan it goes on, as it did.
    std::fs::write(&values, "text: one\n").unwrap();
    done(&world.run_of(&charts(), None).await[0]);
}
