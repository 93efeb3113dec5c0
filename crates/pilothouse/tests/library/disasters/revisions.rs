//! Charts that put the number of the revision into names and annotations: each upgrade makes other objects.

use super::losses::{CLAIM, CONFIG};
use super::{Chart, World, named, world};
use pilothouse::plan::{ObjectChange, PlannedAction};
use pilothouse::{HelmChart, Plan, ReleaseOutcome, RunConfig, RunId};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use std::sync::Arc;

const TEMPLATES: &str = "apiVersion: batch/v1
kind: Job
metadata: {name: 'migrate-{{ .Release.Revision }}'}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: example.com/none}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {rollme: '{{ include \"number\" . }}'}}
    spec: {containers: [{name: c, image: example.com/none}]}
---
";

impl World {
    /// A chart whose claim is another one in each revision.
    fn numbered(&self, version: &str) -> Chart {
        let claim = CLAIM.replace("name: data", "name: 'data-{{ .Release.Revision }}'");
        let all = [TEMPLATES, &claim].concat();
        let number = "{{ define \"number\" }}{{ index . \"Release\" \"Revision\" }}{{ end }}";
        self.chart(
            version,
            &[
                ("templates/all.yaml", &all),
                ("templates/cm.yaml", CONFIG),
                ("charts/sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 1.0.0\n"),
                ("charts/sub/templates/_number.tpl", number),
            ],
        )
    }

    async fn planned(&self, chart: Chart) -> Plan {
        let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(chart)];
        pilothouse::plan("test", &charts, &self.session, 1, None).await.unwrap()
    }

    async fn carried_out(&self, plan: &Plan, chart: Chart) -> ReleaseOutcome {
        let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(chart)];
        let config =
            RunConfig { plan: Some(Arc::new(plan.clone())), ..RunConfig::new("test", RunId(uuid::Uuid::now_v7())) };
        let outcome = pilothouse::run(&config, &charts, &self.session, |_| {}).await.unwrap();
        outcome.releases.into_iter().next().unwrap().1
    }
}

/// What a plan says of each object that changes, and what else happens.
fn lines(plan: &Plan) -> Vec<String> {
    let release = &plan.releases[0];
    let mut lines: Vec<String> = release
        .objects
        .iter()
        .map(|object| {
            let how = match object.change {
                ObjectChange::Create => "+",
                ObjectChange::Update => "~",
                ObjectChange::Delete => "-",
                _ => "?",
            };
            format!("{how} {} {}", object.object.kind, object.object.name)
        })
        .collect();
    lines.sort();
    lines
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn names_with_the_number_of_the_revision(#[case] tool: Tool) {
    let world = world("numbered", tool).await;
    world.done(world.numbered("1.0.0")).await;
    assert!(world.get("pvc/data-1").await.is_some());
    let next = || world.numbered("2.0.0");
    let (found, _) = world.refused(next()).await;
    assert_eq!(found, named("DATA_ATTACHED", format!("PersistentVolumeClaim {}/data-1", world.namespace)));

    let consenting = || next().consenting("pvc/data-1");
    let plan = world.planned(consenting()).await;
    let expected = [
        "+ Job migrate-2",
        "+ PersistentVolumeClaim data-2",
        "- Job migrate-1",
        "- PersistentVolumeClaim data-1",
        "~ ConfigMap settings",
        "~ Deployment web",
    ];
    assert_eq!(lines(&plan), expected);
    assert!(format!("{:?}", plan.releases[0].effects).contains("web"), "{:?}", plan.releases[0].effects);
    let done = world.carried_out(&plan, consenting()).await;
    assert!(matches!(done, ReleaseOutcome::Done { .. }), "{done:?}");
    for (object, is_there) in
        [("pvc/data-1", false), ("pvc/data-2", true), ("job/migrate-1", false), ("job/migrate-2", true)]
    {
        assert_eq!(world.get(object).await.is_some(), is_there, "{object}");
    }

    // That it would be the next revision is no reason for one.
    assert!(matches!(world.run(next()).await, ReleaseOutcome::Unchanged { .. }));
    let plan = world.planned(next()).await;
    assert_eq!((plan.releases[0].does, lines(&plan)), (PlannedAction::Nothing, vec![]));

    // Another revision than the plan has seen renders to other objects.
    let third = || world.numbered("3.0.0").consenting("pvc/data-2");
    let plan = world.planned(third()).await;
    assert!(lines(&plan).contains(&"+ PersistentVolumeClaim data-3".to_owned()), "{:?}", lines(&plan));
    world.done(world.numbered("2.5.0").consenting("pvc/data-2")).await;
    match world.carried_out(&plan, third()).await {
        ReleaseOutcome::Refused { findings } => {
            assert!(findings.iter().all(|finding| finding.code == "PLAN_OUTDATED"), "{findings:#?}");
            assert!(findings[0].message.contains("now there is revision 3"), "{findings:#?}");
        }
        other => panic!("{other:?}"),
    }
}

/// What a failed revision has made and the next chart lacks stays: helm does not compare with that one. It is told by the plan and at the end.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_a_failed_revision_has_made(#[case] tool: Tool) {
    // What the first hook makes is in the way of the second, which no server knows beforehand.
    const BAD: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: fixed, annotations: {helm.sh/hook: post-upgrade, helm.sh/hook-weight: '1', helm.sh/hook-delete-policy: hook-failed}}
immutable: true
data: {a: b}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: fixed, annotations: {helm.sh/hook: post-upgrade, helm.sh/hook-weight: '2', helm.sh/hook-delete-policy: hook-failed}}
immutable: true
data: {a: c}
";
    let world = world("made", tool).await;
    world.done(world.chart("1.0.0", &[("templates/cm.yaml", CONFIG)])).await;
    let failing = [("templates/cm.yaml", CONFIG), ("templates/claim.yaml", CLAIM), ("templates/hook.yaml", BAD)];
    let outcome = world.run(world.chart("2.0.0", &failing)).await;
    assert!(matches!(outcome, ReleaseOutcome::Failed(_)), "{outcome:?}");
    let next = || world.chart("3.0.0", &[("templates/cm.yaml", CONFIG)]);
    let plan = world.planned(next()).await;
    let told = pilothouse_core::stays_in_words(&plan.releases[0].stays);
    assert_eq!(told, format!("PersistentVolumeClaim {}/data of an earlier revision", world.namespace));
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(next())];
    let config = RunConfig::new("test", RunId(uuid::Uuid::now_v7()));
    let mut said = String::new();
    pilothouse::run(&config, &charts, &world.session, |event| said += &serde_json::to_string(event).unwrap())
        .await
        .unwrap();
    assert!(said.contains(&format!("stays: {told}")), "{said}");
    assert!(world.get("pvc/data").await.is_some());
    // From now on helm compares with a revision that has never had it.
    let plan = world.planned(world.chart("3.1.0", &[("templates/cm.yaml", CONFIG)])).await;
    assert_eq!(plan.releases[0].stays, []);
}
