//! A chart that has the namespace of its own release among its templates.

use super::support::{World, changes, done};
use pilothouse::steps::built_in;
use pilothouse::{ChartInfo, HelmChart, ObjectRef, Phase, Step};
use pilothouse_core::{AdoptStep, ApplyStep, HelmOwner, ObjectChange, On, StepKind, StepSpec, helm_owner};
use pilothouse_kube::ClusterClient as _;
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use std::sync::Arc;

const OBJECTS: &str = "\
apiVersion: v1
kind: Namespace
metadata: { name: {{ .Release.Namespace }}, labels: { team: blue } }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: selfish, namespace: {{ .Release.Namespace }} }
";

struct Selfish(ChartInfo, Option<StepKind>);

impl HelmChart for Selfish {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let step = |kind: &StepKind| {
            let kind = kind.clone();
            built_in(&StepSpec { name: None, on: On::Deploy, point_of_no_return: false, every_run: false, kind })
        };
        self.1.iter().filter(|_| phase == Phase::PreExec).map(step).collect()
    }
}

/// What comes before helm.
#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    /// The step that was once advised.
    Adopts,
    /// A step that needs the namespace.
    Applies,
}

#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
async fn its_first_run_works(
    #[case] tool: Tool,
    #[values(Before::Nothing, Before::Adopts, Before::Applies)] before: Before,
) {
    let world = World::new(&format!("own-{before:?}").to_lowercase(), tool).await;
    let namespace = ObjectRef::parse(&format!("namespace/{}", world.namespace)).unwrap();
    let chart = world.chart("selfish", &[("templates/all.yaml", OBJECTS)]);
    let step = match before {
        Before::Nothing => None,
        Before::Adopts => Some(StepKind::Adopt(AdoptStep { objects: vec![namespace.clone()], unowned: false })),
        Before::Applies => {
            let manifests = vec!["apiVersion: v1\nkind: ConfigMap\nmetadata: { name: before }\n".to_owned()];
            Some(StepKind::Apply(ApplyStep { files: Vec::new(), manifests }))
        }
    };
    let charts = [Box::new(Selfish(world.info("selfish", &chart, &[]), step)) as Box<dyn HelmChart>];
    let plan = world.plan_of(&charts).await;
    let planned: Vec<ObjectChange> = changes(&plan.releases[0]).into_iter().map(|(_, change)| change).collect();
    assert_eq!(planned, [ObjectChange::Create, ObjectChange::Create]);
    assert_eq!(done(&world.run_of(&charts, Some(&plan)).await[0]), "installed selfish 1.0.0");
    let live = world.cluster.get(&namespace).await.unwrap().unwrap();
    assert_eq!(live["metadata"]["labels"]["team"], "blue");
    assert!(helm_owner(&live).is(&charts[0].chart_info().key()), "{live:#}");
    assert!(!world.plan_of(&charts).await.has_changes());
}

/// One that somebody else has made stays theirs.
#[tokio::test]
async fn one_that_was_there_is_not_taken() {
    let world = World::new("own-theirs", Tool::Helm3).await;
    let chart = world.chart("selfish", &[("templates/all.yaml", OBJECTS)]);
    world.cluster.create_namespace(&world.namespace).await.unwrap();
    let plan = world.plan_one(world.info("selfish", &chart, &[])).await;
    assert_eq!(plan.findings.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), ["OWNERSHIP_CONFLICT"]);
    world.run(vec![world.info("selfish", &chart, &[])], None).await;
    let namespace = ObjectRef::parse(&format!("namespace/{}", world.namespace)).unwrap();
    let live = world.cluster.get(&namespace).await.unwrap().unwrap();
    assert!(matches!(helm_owner(&live), HelmOwner::Nobody { .. }), "{live:#}");
}
