//! What a chart looks up in the cluster decides what it makes, for an install as for an upgrade.

use super::support::{World, changes, done};
use pilothouse::kubernetes::ClusterClient;
use pilothouse::{ChartInfo, ReleaseOutcome};
use pilothouse_core::{ObjectChange, code};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::json;

const NAMED: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: { name: {{ with lookup "v1" "ConfigMap" .Release.Namespace "out" }}{{ .data.name }}{{ else }}none{{ end }} }
"#;
/// Helm deletes what is there before it makes the hook.
const HOOK: &str = r#"
{{ if lookup "v1" "ConfigMap" .Release.Namespace "out" }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: precious, annotations: { helm.sh/hook: pre-install } }
spec: { storageClassName: by-hand, accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
{{ end }}
"#;
/// With `IsInstall`, an install is rendered as one.
const ASKING: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: { name: asking }
data:
  install: {{ .Release.IsInstall | quote }}
  found: {{ lookup "v1" "ConfigMap" .Release.Namespace "out" | empty | not | quote }}
"#;

impl World {
    async fn make_what_is_looked_up(&self) {
        self.cluster.create_namespace(&self.namespace).await.unwrap();
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"name": "live"},
            "metadata": {"name": "out", "namespace": self.namespace}});
        self.cluster.create(&object).await.unwrap();
    }
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn an_install_is_planned_with_what_it_finds(#[case] tool: Tool) {
    let world = World::new("looked-up", tool).await;
    world.make_what_is_looked_up().await;
    let chart = world.chart("app", &[("templates/named.yaml", NAMED), ("templates/asking.yaml", ASKING)]);
    let plan = world.plan(vec![world.info("app", &chart, &[])]).await;
    let namespace = &world.namespace;
    let expected = ["asking", "live"].map(|name| (format!("ConfigMap {namespace}/{name}"), ObjectChange::Create));
    let mut told = changes(&plan.releases[0]);
    told.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(told, expected);
    done(&world.run(vec![world.info("app", &chart, &[])], Some(&plan)).await[0]);
    let asking = world.get("v1", "ConfigMap", "asking").await.unwrap();
    assert_eq!(asking["data"], json!({"install": "true", "found": "true"}));
    assert!(world.get("v1", "ConfigMap", "live").await.is_some());
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_is_lost_by_what_it_finds_is_asked_about(#[case] tool: Tool) {
    let world = World::new("looked-up-lost", tool).await;
    world.make_what_is_looked_up().await;
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "precious", "namespace": world.namespace},
        "spec": {"storageClassName": "by-hand", "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}});
    world.cluster.create(&claim).await.unwrap();
    let uid = |claim: Option<serde_json::Value>| claim.unwrap()["metadata"]["uid"].clone();
    let before = uid(world.get("v1", "PersistentVolumeClaim", "precious").await);
    let chart = world.chart("app", &[("templates/named.yaml", NAMED), ("templates/hook.yaml", HOOK)]);
    let info = || ChartInfo { wait: false, ..world.info("app", &chart, &[]) };
    let plan = world.plan_one(info()).await;
    assert!(plan.findings.iter().any(|finding| finding.code == code::DATA_ATTACHED), "{:?}", plan.findings);
    let outcome = world.run(vec![info()], None).await.remove(0);
    assert!(matches!(outcome, ReleaseOutcome::Refused { .. }), "{outcome:?}");
    assert_eq!(uid(world.get("v1", "PersistentVolumeClaim", "precious").await), before);
}
