//! What exists before its release, whose it is, and what of it is adopted.

use super::support::{World, done};
use pilothouse::steps::built_in;
use pilothouse::{ChartInfo, Event, EventKind, HelmChart, ObjectRef, Phase, ReleaseOutcome, RunConfig, RunId, Step};
use pilothouse_core::{
    AdoptStep, AdoptionUndo, NotAdopted, On, Ownership, OwnershipCounts, Records, ReleaseKey, ReleasePlan, StepKind,
    StepSpec,
};
use pilothouse_kube::{ClusterClient as _, Precondition};
use pilothouse_plane::provision::Tool;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A chart whose objects are given to its release by steps.
struct Adopting {
    info: ChartInfo,
    steps: Vec<AdoptStep>,
}

impl HelmChart for Adopting {
    fn chart_info(&self) -> &ChartInfo {
        &self.info
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let step = |step: &AdoptStep| {
            built_in(&StepSpec {
                name: None,
                on: On::Deploy,
                point_of_no_return: false,
                every_run: false,
                kind: StepKind::Adopt(step.clone()),
            })
        };
        if phase == Phase::PreExec { self.steps.iter().map(step).collect() } else { Vec::new() }
    }
}

const NAMES: [&str; 6] = ["argo", "bare", "gone", "new", "pod", "theirs"];

fn charts(info: &ChartInfo, steps: &[AdoptStep]) -> Vec<Box<dyn HelmChart>> {
    vec![Box::new(Adopting { info: info.clone(), steps: steps.to_vec() })]
}

fn unowned() -> AdoptStep {
    AdoptStep { objects: Vec::new(), unowned: true }
}

fn named(names: &[&str]) -> AdoptStep {
    AdoptStep { objects: names.iter().map(|name| reference(name)).collect(), unowned: false }
}

fn reference(name: &str) -> ObjectRef {
    ObjectRef::parse(&format!("configmap/{name}")).unwrap()
}

/// Each object by its name with its class and whether it is refused.
fn classes(plan: &ReleasePlan) -> Vec<(String, Value)> {
    let told = plan.objects.iter().map(|one| {
        let class = serde_json::to_value(&one.ownership).unwrap()["class"].clone();
        (one.object.name.clone(), json!([class, one.not_adopted]))
    });
    told.collect()
}

fn subjects(plan: &ReleasePlan) -> Vec<&str> {
    plan.findings.iter().filter_map(|finding| finding.subject.rsplit_once('/')).map(|(_, name)| name).collect()
}

/// One object of each class, in the order of their names: which are planned to be adopted by which consent, what a run adopts
/// then, and that what takes it back is written down before.
#[tokio::test]
async fn every_object_has_a_class_and_only_what_is_consented_to_is_adopted() {
    let world = World::new("adoption", Tool::Helm4).await;
    let config_map =
        |name: &str| format!("kind: ConfigMap\napiVersion: v1\nmetadata: {{ name: {name} }}\ndata: {{ k: chart }}\n");
    let all: String = NAMES.map(config_map).join("---\n");
    let some: String = ["argo", "bare", "gone", "new"].map(config_map).join("---\n");
    let (everything, adoptable) =
        (world.chart("all", &[("templates/all.yaml", &all)]), world.chart("some", &[("templates/some.yaml", &some)]));
    world.cluster.create_namespace(&world.namespace).await.unwrap();
    let apply = async |name: &str, metadata: Value| {
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": "live"}});
        object["metadata"]["name"] = json!(name);
        world.apply_as("kubectl-create", &object).await;
    };
    let of_release = |name: &str| {
        json!({
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": world.namespace},
        })
    };
    apply("argo", json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:shop/argo"}})).await;
    apply("bare", json!({})).await;
    apply("gone", of_release("gone")).await;
    // One that is there: what belongs to nothing is deleted.
    let labels = json!({"app": "r"});
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "r"},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": {"containers": [{"name": "r", "image": "registry.example.com/r:1"}]},
        }},
    });
    world.apply_as("kubectl-create", &set).await;
    let uid = world.get("apps/v1", "ReplicaSet", "r").await.unwrap()["metadata"]["uid"].clone();
    let controller =
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": uid, "controller": true});
    apply("pod", json!({"ownerReferences": [controller]})).await;
    apply("theirs", of_release("other")).await;
    let record = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1", "metadata": {
            "name": "sh.helm.release.v1.other.v1",
            "labels": {"owner": "helm", "name": "other", "status": "deployed", "version": "1"},
        },
    });
    world.apply_as("helm", &record).await;

    // Without a step that adopts: everything that is not free is refused, and told.
    let info = world.info("mine", &everything, &[]);
    let plan = world.plan_one(info.clone()).await;
    let expected = |argo: Value, bare: Value, gone: Value| {
        vec![
            ("argo".to_owned(), argo),
            ("bare".to_owned(), bare),
            ("gone".to_owned(), gone),
            ("new".to_owned(), json!(["free", null])),
            ("pod".to_owned(), json!(["controller_owned", "never"])),
            ("theirs".to_owned(), json!(["other_release", "never"])),
        ]
    };
    let unnamed = |class: &str| json!([class, "not_named"]);
    assert_eq!(
        classes(&plan),
        expected(unnamed("other_tool"), json!(["unowned", "no_step"]), unnamed("other_release"))
    );
    let counts = OwnershipCounts { free: 1, own: 0, unowned: 1, other_release: 2, other_tool: 1, controller_owned: 1 };
    assert_eq!(plan.ownership, Some(counts));
    assert_eq!(subjects(&plan), ["argo", "bare", "gone", "pod", "theirs"]);

    // What is nobody's is adopted by `unowned`, and nothing else is.
    let plan = world.plan_of(&charts(&info, &[unowned()])).await.releases.remove(0);
    assert_eq!(classes(&plan), expected(unnamed("other_tool"), json!(["unowned", null]), unnamed("other_release")));
    assert_eq!(subjects(&plan), ["argo", "gone", "pod", "theirs"]);
    let bare = &plan.objects[1];
    assert_eq!(
        bare.ownership,
        Some(Ownership::Unowned { lacks: Vec::new(), written_by: vec!["kubectl-create".to_owned()] })
    );
    // What it would overwrite, and who has written that.
    let overwritten = bare.fields.iter().find(|field| field.path == "data.k").unwrap();
    assert_eq!((&overwritten.old, &overwritten.new), (&Some(json!("live")), &Some(json!("chart"))));
    assert!(overwritten.written_by.as_deref().unwrap().starts_with("kubectl-create, "), "{overwritten:?}");

    // What another release or a controller has is not adopted, whoever names it.
    let plan = world.plan_of(&charts(&info, &[named(&["theirs", "pod"])])).await.releases.remove(0);
    let never = plan.objects.iter().filter(|one| one.not_adopted == Some(NotAdopted::Never)).count();
    assert_eq!((never, plan.findings.len()), (2, 5));
    let theirs = plan.objects.last().unwrap().ownership.clone();
    let other = ReleaseKey::new(world.namespace.as_str(), "other");
    assert_eq!(theirs, Some(Ownership::OtherRelease { release: other, records: Records::Exist }));

    // Named by a step and by consent: both are adopted, with what is nobody's.
    let mut info = world.info("mine", &adoptable, &[]);
    info.consent = vec![reference("argo")];
    let refused = world.run_of(&charts(&info, &[unowned()]), None).await;
    let ReleaseOutcome::Refused { findings } = &refused[0] else { panic!("{refused:?}") };
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].message.ends_with("of which Helm has no record any more"), "{findings:?}");
    let steps = [unowned(), named(&["gone"])];
    let plan = world.plan_of(&charts(&info, &steps)).await.releases.remove(0);
    assert_eq!((subjects(&plan), plan.objects.iter().filter(|one| one.not_adopted.is_some()).count()), (vec![], 0));

    let (events, outcome) = run(&world, &charts(&info, &steps)).await;
    assert_eq!(done(&outcome), "installed some 1.0.0");
    let undos: Vec<&Vec<AdoptionUndo>> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::AdoptionStarted { undo, .. } => Some(undo),
            _ => None,
        })
        .collect();
    let names = |undo: &AdoptionUndo| undo.objects.iter().map(|object| object.name.clone()).collect::<Vec<_>>();
    let told: Vec<Vec<String>> = undos.iter().copied().flatten().map(names).collect();
    assert_eq!(told, [vec!["argo".to_owned(), "bare".to_owned()], vec!["gone".to_owned()]]);
    // As it is told, so it is taken back.
    let undo = &undos[1][0];
    world.cluster.merge_patch(&undo.objects[0], &undo.patch, &Precondition::default()).await.unwrap();
    let gone = world.get("v1", "ConfigMap", "gone").await.unwrap();
    assert_eq!(gone["metadata"]["annotations"], of_release("gone")["annotations"]);
}

async fn run(world: &World, charts: &[Box<dyn HelmChart>]) -> (Vec<Event>, ReleaseOutcome) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let config = RunConfig::new("test", RunId(uuid::Uuid::now_v7()));
    let outcome = pilothouse::run(&config, charts, &world.session, move |event| {
        seen.lock().unwrap().push(event.clone());
    })
    .await
    .unwrap();
    let events = events.lock().unwrap().clone();
    (events, outcome.releases[0].1.clone())
}
