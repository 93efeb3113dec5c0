//! `force_upgrade`: helm replaces each object that is there, and what its manifest does not set goes.

use super::support::{World, changes, fields};
use pilothouse::helm::HelmClient;
use pilothouse::kubernetes::ClusterClient;
use pilothouse::{ChartInfo, Payload, ReleaseOutcome};
use pilothouse_core::{ObjectChange, PlannedAction, code};
use pilothouse_helm::{UpgradeRequest, Values};
use pilothouse_kube::ListQuery;
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const SET: &str = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: { name: db }\nspec:\n  podManagementPolicy: Parallel\n  serviceName: db\n  persistentVolumeClaimRetentionPolicy: { whenScaled: Delete, whenDeleted: Retain }\n  selector: { matchLabels: { app: db } }\n  template:\n    metadata: { labels: { app: db } }\n    spec: { containers: [{ name: c, image: registry.example/db:1 }] }\n  volumeClaimTemplates: [{ metadata: { name: data }, spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } } }]\n";
const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: config }\ndata: { a: \"1\" }\n";
const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: { name: login }\nstringData: { user: me }\n";
const MORE: &str = "{{- if .Values.more }}\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: more }\n{{- end }}\n";

impl World {
    async fn claims(&self) -> Vec<String> {
        let query = ListQuery::new("v1", "PersistentVolumeClaim").within(&self.namespace);
        let claims = self.cluster.list(&query).await.unwrap();
        claims.iter().map(|claim| claim["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// The release with one change that has nothing to do with what others have set.
fn forced(world: &World, templates: &[(&str, &str)], more: bool) -> ChartInfo {
    let chart = world.chart("forced", templates);
    let info = world.info("forced", &chart, &[("more", if more { "true" } else { "" })]);
    ChartInfo { force_upgrade: true, wait: false, ..info }
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_others_have_set_goes(#[case] tool: Tool) {
    let world = World::new("forced", tool).await;
    let files = [("templates/config.yaml", CONFIG), ("templates/secret.yaml", SECRET), ("templates/more.yaml", MORE)];
    world.done(forced(&world, &files, false)).await;
    world.patch("v1", "ConfigMap", "config", &json!({"data": {"others": "2"}})).await;
    world.patch("v1", "Secret", "login", &json!({"data": {"others": "c2VjcmV0"}})).await;

    let plan = world.plan_one(forced(&world, &files, true)).await;
    assert_eq!(plan.does, PlannedAction::Upgrade);
    let told = |name: &str| {
        let object = plan.objects.iter().find(|one| one.object.name == name).unwrap();
        (
            object.change.clone(),
            fields(object).iter().map(|(path, _, new)| ((*path).to_owned(), new.is_some())).collect(),
        )
    };
    let goes = |path: &str| (ObjectChange::Update, vec![(path.to_owned(), false)]);
    assert_eq!((told("config"), told("login")), (goes("data.others"), goes("data.others")));
    assert_eq!(changes(&plan).len(), 3, "{plan:?}");

    // The plan is what happens.
    world.done(forced(&world, &files, true)).await;
    let config = world.get("v1", "ConfigMap", "config").await.unwrap();
    let secret = world.get("v1", "Secret", "login").await.unwrap();
    assert_eq!((&config["data"], secret["data"].get("others")), (&json!({"a": "1"}), None));
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_replaced_set_is_scaled_down(#[case] tool: Tool) {
    let world = World::new("forced-set", tool).await;
    let files = [("templates/set.yaml", SET), ("templates/more.yaml", MORE)];
    world.done(forced(&world, &files, false)).await;
    world.patch("apps/v1", "StatefulSet", "db", &json!({"spec": {"replicas": 3}})).await;
    let claims = ["data-db-0", "data-db-1", "data-db-2"];
    for _ in 0..300 {
        if world.claims().await.len() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.claims().await, claims);

    let refused = [code::DATA_ATTACHED];
    let plan = world.plan_one(forced(&world, &files, true)).await;
    assert_eq!(plan.findings.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), refused);
    let outcome = world.run(vec![forced(&world, &files, true)], None).await.remove(0);
    let ReleaseOutcome::Refused { findings } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(findings.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), refused);
    assert!(findings[0].message.contains("data-db-2"), "{findings:?}");
    assert_eq!(world.claims().await, claims);

    // A patch leaves the replicas that others have set.
    let patched = ChartInfo { force_upgrade: false, ..forced(&world, &files, true) };
    world.done(patched).await;
    let set = world.get("apps/v1", "StatefulSet", "db").await.unwrap();
    assert_eq!((&set["spec"]["replicas"], world.claims().await.len()), (&json!(3), 3));
}

const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata: { name: once }\nspec:\n  template:\n    spec: { restartPolicy: Never, containers: [{ name: c, image: registry.example/once:1 }] }\n";

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_cannot_be_replaced_is_told_before(#[case] tool: Tool) {
    let world = World::new("forced-job", tool).await;
    let files = [("templates/job.yaml", JOB), ("templates/more.yaml", MORE)];
    world.done(forced(&world, &files, false)).await;
    let outcome = world.run(vec![forced(&world, &files, true)], None).await.remove(0);
    let ReleaseOutcome::Refused { findings } = &outcome else { panic!("{outcome:?}") };
    let told: Vec<(&str, bool)> =
        findings.iter().map(|one| (one.code.as_str(), one.message.contains("without `force_upgrade`"))).collect();
    assert_eq!(told, [(code::IMMUTABLE_FIELD, true)], "{findings:?}");
    assert_eq!(world.get("v1", "ConfigMap", "more").await, None);
    // Helm itself gets the same answer.
    let info = forced(&world, &files, true);
    let values = Values::of(&info, &Payload::default()).unwrap();
    let chart = world.chart("forced", &files);
    let request =
        UpgradeRequest { force: true, ..UpgradeRequest::new(info.key(), chart, values, Duration::from_secs(60)) };
    let failed = world.helm.upgrade_install(&request, &CancellationToken::new()).await.unwrap_err();
    assert!(format!("{failed:?}").contains("failed to replace object"), "{failed:?}");
}
