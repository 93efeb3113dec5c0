//! A volume that was kept and is not any more.

use super::support::{World, done};
use pilothouse::kubernetes::ClusterClient;
use pilothouse::{ChartInfo, HelmAction, ObjectRef, ReleaseOutcome};
use pilothouse_core::{EffectKind, code};
use pilothouse_kube::{Precondition, Propagation};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::{Value, json};
use std::time::Duration;

const VOLUME: &str = "apiVersion: v1\nkind: PersistentVolume\nmetadata: { name: pv-{{ .Release.Namespace }} }\nspec:\n  capacity: { storage: 1Gi }\n  accessModes: [ReadWriteOnce]\n  persistentVolumeReclaimPolicy: {{ .Values.policy }}\n  storageClassName: by-hand\n  hostPath: { path: /tmp/pilothouse-test-{{ .Release.Namespace }} }\n";

impl World {
    fn volume(&self) -> ObjectRef {
        let name = format!("pv-{}", self.namespace);
        ObjectRef { namespace: None, name, ..self.object("v1", "PersistentVolume", "") }
    }

    /// Waits until the volume is in this phase, or gone.
    async fn until(&self, phase: Option<&str>) {
        for _ in 0..300 {
            let volume = self.cluster.get(&self.volume()).await.unwrap();
            let is = volume.as_ref().and_then(|volume| volume["status"]["phase"].as_str());
            if is == phase {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{:?}", self.cluster.get(&self.volume()).await);
    }
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_released_volume_is_not_given_away(#[case] tool: Tool) {
    let world = World::new("reclaimed", tool).await;
    let chart = world.chart("volume", &[("templates/volume.yaml", VOLUME)]);
    let info = |policy: &str| ChartInfo { wait: false, ..world.info("volume", &chart, &[("policy", policy)]) };
    world.done(info("Retain")).await;
    world.until(Some("Available")).await;
    let claim: Value = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": world.namespace},
        "spec": {"storageClassName": "by-hand", "accessModes": ["ReadWriteOnce"], "volumeName": world.volume().name,
            "resources": {"requests": {"storage": "1Gi"}}}});
    world.cluster.create(&claim).await.unwrap();
    world.until(Some("Bound")).await;

    // Bound, nothing goes at once.
    let plan = world.plan_one(info("Delete")).await;
    let effects: Vec<(EffectKind, &str)> = plan.effects.iter().map(|one| (one.kind, one.what.as_str())).collect();
    let kept = "its data is deleted with its claim from now on, and was kept before";
    assert_eq!((effects, plan.findings.len()), (vec![(EffectKind::UsedBy, kept)], 0));

    let object = world.object("v1", "PersistentVolumeClaim", "data");
    world.cluster.delete(&object, &Precondition::default(), Propagation::Background).await.unwrap();
    world.until(Some("Released")).await;
    let outcome = world.run(vec![info("Delete")], None).await.remove(0);
    let ReleaseOutcome::Refused { findings } = &outcome else { panic!("{outcome:?}") };
    let told: Vec<(&str, &str)> = findings.iter().map(|one| (one.code.as_str(), one.subject.as_str())).collect();
    assert_eq!(told, [(code::DATA_ATTACHED, world.volume().to_string().as_str())]);
    let plan = world.plan_one(info("Delete")).await;
    assert_eq!((plan.findings[0].code.as_str(), plan.effects[0].kind), (code::DATA_ATTACHED, EffectKind::DataLost));
    world.until(Some("Released")).await;

    // That is what happens.
    let consented = ChartInfo {
        consent: vec![ObjectRef::parse(&format!("PersistentVolume/{}", world.volume().name)).unwrap()],
        ..info("Delete")
    };
    world.done(consented).await;
    world.until(None).await;
}

/// What was consented to was to cut the data off, not to delete it.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_destroy_that_was_planned_while_the_volume_was_kept(#[case] tool: Tool) {
    let world = World::new("was-kept", tool).await;
    let volume = world.volume();
    let spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "by-hand",
        "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": format!("/tmp/pilothouse-test-{}", world.namespace)}});
    let made = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume.name}, "spec": spec});
    world.cluster.create(&made).await.unwrap();
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"storageClassName": "by-hand", "accessModes": ["ReadWriteOnce"], "volumeName": volume.name,
            "resources": {"requests": {"storage": "1Gi"}}}});
    let chart = world.chart("claim", &[("templates/claim.yaml", &claim.to_string())]);
    let info = ChartInfo { wait: false, ..world.info("claim", &chart, &[]) };
    world.done(info.clone()).await;
    world.until(Some("Bound")).await;

    let claim = world.object("v1", "PersistentVolumeClaim", "data");
    let destroy = ChartInfo { action: HelmAction::Destroy, consent: vec![claim.clone()], ..info };
    let plan = world.plan(vec![destroy.clone()]).await;
    let policy = async |policy: &str| {
        let patch = json!({"spec": {"persistentVolumeReclaimPolicy": policy}});
        world.cluster.merge_patch(&volume, &patch, &Precondition::default()).await.unwrap();
    };
    policy("Delete").await;
    let outcome = world.run(vec![destroy.clone()], Some(&plan)).await.remove(0);
    let ReleaseOutcome::Refused { findings } = outcome else { panic!("{outcome:?}") };
    let told: Vec<(&str, &str)> = findings.iter().map(|one| (one.code.as_str(), one.subject.as_str())).collect();
    assert_eq!(told, [(code::PLAN_OUTDATED, volume.to_string().as_str())], "{findings:?}");
    assert!(world.cluster.get(&claim).await.unwrap().is_some());
    // As it was, it is what was consented to.
    policy("Retain").await;
    assert_eq!(done(&world.run(vec![destroy], Some(&plan)).await[0]), "uninstalled");
}
