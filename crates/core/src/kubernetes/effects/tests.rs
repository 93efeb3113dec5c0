use super::changed::Found;
use super::*;
use crate::kubernetes::{EffectKind, ObjectChange, object_ref};
use rstest::rstest;
use serde_json::{Value, json};

fn told(kind: EffectKind, what: &str) -> Found {
    (kind, what.to_owned())
}

fn of(change: &ObjectChange, live: &Value, then: Option<&Value>, around: &Around<'_>) -> Vec<Found> {
    let object = object_ref(live).unwrap();
    let changed = ChangedObject { object: &object, change, live: Some(live), then };
    effects(&changed, around).into_iter().map(|effect| (effect.kind, effect.what)).collect()
}

fn object(kind: &str, spec: Value) -> Value {
    let mut object = json!({"kind": kind, "metadata": {"name": "x", "namespace": "web"}});
    object["spec"] = spec;
    object
}

fn workload(kind: &str, replicas: u64, image: &str, rest: &Value) -> Value {
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": {
        "containers": [{"name": "a", "image": image, "envFrom": [{"configMapRef": {"name": "config"}}]}],
        "volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]}});
    let mut object = object(kind, json!({"replicas": replicas, "template": template}));
    for (key, value) in rest.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object["status"] = json!({"desiredNumberScheduled": replicas});
    object
}

#[rstest]
#[case("Deployment", 3, json!({}), EffectKind::Rolls, "its 3 pods are replaced one after another")]
#[case("Deployment", 1, json!({}), EffectKind::Rolls, "its only pod is replaced once a new one is ready")]
#[case("Deployment", 3, json!({"paused": true}), EffectKind::Rolls, "it is paused: its pods are replaced once it is resumed")]
#[case("Deployment", 3, json!({"strategy": {"type": "Recreate"}}), EffectKind::Restarts, "its 3 pods stop before a new one starts (strategy Recreate)")]
#[case("Deployment", 1, json!({"strategy": {"rollingUpdate": {"maxUnavailable": 1}}}), EffectKind::Restarts, "its only pod stops before a new one is ready (maxUnavailable)")]
#[case("Deployment", 1, json!({"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}}), EffectKind::Restarts, "its only pod stops before a new one is ready (maxUnavailable)")]
#[case("Deployment", 1, json!({"strategy": {"rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}}), EffectKind::Rolls, "its only pod is replaced once a new one is ready")]
#[case("Deployment", 4, json!({"strategy": {"rollingUpdate": {"maxUnavailable": "100%"}}}), EffectKind::Restarts, "all its pods may stop at once (maxUnavailable)")]
#[case("StatefulSet", 3, json!({}), EffectKind::Rolls, "its 3 pods are replaced one after another")]
#[case("StatefulSet", 1, json!({}), EffectKind::Restarts, "its only pod stops before a new one is ready (maxUnavailable)")]
#[case("StatefulSet", 3, json!({"updateStrategy": {"type": "OnDelete"}}), EffectKind::Rolls, "nothing happens until its pods are deleted (OnDelete)")]
#[case("StatefulSet", 3, json!({"updateStrategy": {"rollingUpdate": {"partition": 3}}}), EffectKind::Rolls, "nothing happens: its partition 3 holds all pods back")]
#[case("StatefulSet", 3, json!({"updateStrategy": {"rollingUpdate": {"partition": 1}}}), EffectKind::Rolls, "its pods from number 1 on are replaced one after another")]
#[case("DaemonSet", 5, json!({}), EffectKind::Rolls, "its 5 pods are replaced one after another")]
#[case("DaemonSet", 5, json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": "100%"}}}), EffectKind::Restarts, "all its pods may stop at once (maxUnavailable)")]
#[case("DaemonSet", 5, json!({"updateStrategy": {"type": "OnDelete"}}), EffectKind::Rolls, "nothing happens until its pods are deleted (OnDelete)")]
#[case("DaemonSet", 1, json!({"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}}), EffectKind::Rolls, "its only pod is replaced once a new one is ready")]
fn rollouts(
    #[case] kind: &str,
    #[case] replicas: u64,
    #[case] rest: Value,
    #[case] effect: EffectKind,
    #[case] what: &str,
) {
    let (live, then) = (workload(kind, replicas, "a:1", &rest), workload(kind, replicas, "a:2", &rest));
    assert_eq!(of(&ObjectChange::Update, &live, Some(&then), &Around::default()), [told(effect, what)]);
    assert_eq!(of(&ObjectChange::Update, &live, Some(&live), &Around::default()), []);
}

#[rstest]
#[case("Deployment", 2, 0, &[(EffectKind::Unavailable, "it is scaled to 0: its 2 pods stop")])]
#[case("StatefulSet", 1, 0, &[(EffectKind::Unavailable, "it is scaled to 0: its only pod stops")])]
#[case("Deployment", 0, 2, &[])]
#[case("Deployment", 0, 0, &[])]
fn scaled(#[case] kind: &str, #[case] before: u64, #[case] after: u64, #[case] expected: &[(EffectKind, &str)]) {
    let (live, then) = (workload(kind, before, "a:1", &json!({})), workload(kind, after, "a:2", &json!({})));
    let expected: Vec<Found> = expected.iter().map(|(kind, what)| told(*kind, what)).collect();
    assert_eq!(of(&ObjectChange::Update, &live, Some(&then), &Around::default()), expected);
}

fn claim(namespace: &str, modes: &Value) -> Value {
    json!({"metadata": {"name": "data", "namespace": namespace}, "spec": {"accessModes": modes}})
}

#[rstest]
#[case(1, claim("web", &json!(["ReadWriteOnce"])), true)]
#[case(2, claim("web", &json!(["ReadWriteOnce"])), false)]
#[case(1, claim("web", &json!(["ReadWriteMany"])), false)]
#[case(1, claim("other", &json!(["ReadWriteOnce"])), false)]
fn volumes_that_one_node_can_mount(#[case] replicas: u64, #[case] claim: Value, #[case] waits: bool) {
    let around = Around { claims: &[claim], ..Around::default() };
    let make = |image| workload("Deployment", replicas, image, &json!({}));
    let found = of(&ObjectChange::Update, &make("a:1"), Some(&make("a:2")), &around);
    let what = "on another node the new pod waits for the volume of claim data, which the old one holds";
    assert_eq!(found[1..], if waits { vec![told(EffectKind::Unavailable, what)] } else { Vec::new() });
}

#[rstest]
#[case(json!({"app": "x"}), 0, true)]
#[case(json!({"app": "x"}), 1, false)]
#[case(json!({"app": "y"}), 0, false)]
fn disruption_budgets(#[case] labels: Value, #[case] allowed: u64, #[case] expected: bool) {
    let budget = json!({"metadata": {"name": "pdb", "namespace": "web"}, "spec": {"selector": {"matchLabels": labels}},
        "status": {"disruptionsAllowed": allowed}});
    let around = Around { budgets: &[budget], ..Around::default() };
    let make = |image| workload("Deployment", 3, image, &json!({}));
    let found = of(&ObjectChange::Update, &make("a:1"), Some(&make("a:2")), &around);
    let what = "PodDisruptionBudget pdb allows no disruption now; a rollout does not ask it";
    assert_eq!(found[1..], if expected { vec![told(EffectKind::UsedBy, what)] } else { Vec::new() });
}

#[rstest]
#[case(json!({"selector": {"a": "1"}}), json!({"selector": {"a": "2"}}), Some("its selector changes: whoever uses it reaches other pods, or none"))]
#[case(json!({"ports": [{"port": 80, "targetPort": 8080}]}), json!({"ports": [{"port": 80, "targetPort": 9090}]}), Some("its port 80 changes: whoever uses it has to know"))]
#[case(json!({"ports": [{"port": 80}, {"port": 81}]}), json!({"ports": [{"port": 81}]}), Some("its port 80 changes: whoever uses it has to know"))]
#[case(json!({"ports": [{"port": 80}]}), json!({"ports": [{"port": 80}, {"port": 81}]}), None)]
#[case(json!({"ports": [{"port": 80, "name": "a"}], "type": "ClusterIP"}), json!({"ports": [{"port": 80, "name": "b"}]}), None)]
fn services(#[case] live: Value, #[case] then: Value, #[case] expected: Option<&str>) {
    let found = of(&ObjectChange::Update, &object("Service", live), Some(&object("Service", then)), &Around::default());
    assert_eq!(found, expected.map(|what| told(EffectKind::Unavailable, what)).into_iter().collect::<Vec<_>>());
}

#[rstest]
#[case("Deployment", Some((EffectKind::Unavailable, "all its pods stop")))]
#[case("StatefulSet", Some((EffectKind::Unavailable, "all its pods stop")))]
#[case("DaemonSet", Some((EffectKind::Unavailable, "all its pods stop")))]
#[case("Service", Some((EffectKind::Unavailable, "nothing is reached through it any more")))]
#[case("Ingress", Some((EffectKind::Unavailable, "nothing is reached through it any more")))]
#[case("PersistentVolumeClaim", Some((EffectKind::DataLost, "the data goes with it, unless its volume has the reclaim policy Retain")))]
#[case("Namespace", Some((EffectKind::DataLost, "everything in it goes")))]
#[case("CustomResourceDefinition", Some((EffectKind::DataLost, "3 objects go with it")))]
#[case("ServiceAccount", None)]
fn deletions(#[case] kind: &str, #[case] expected: Option<(EffectKind, &str)>) {
    let counts = [("x".to_owned(), 3)].into();
    let around = Around { custom_resources: Some(&counts), ..Around::default() };
    let expected: Vec<Found> = expected.into_iter().map(|(kind, what)| told(kind, what)).collect();
    assert_eq!(of(&ObjectChange::Delete, &object(kind, json!({})), None, &around), expected);
    for change in [ObjectChange::Keep, ObjectChange::Create, ObjectChange::Replace { because: String::new() }] {
        assert_eq!(of(&change, &object(kind, json!({})), None, &around), []);
    }
}

#[rstest]
#[case::stays(ObjectChange::Update, "2", false, "web", Some("Deployment web/x uses it and does not restart"))]
#[case::restarts(ObjectChange::Update, "2", true, "web", None)]
#[case::only_its_labels(ObjectChange::Update, "1", false, "web", None)]
#[case::another_namespace(ObjectChange::Update, "2", false, "other", None)]
#[case::goes(ObjectChange::Delete, "2", true, "web", Some("Deployment web/x still uses it"))]
fn users_of_a_config_map(
    #[case] change: ObjectChange,
    #[case] value: &str,
    #[case] rolls: bool,
    #[case] namespace: &str,
    #[case] expected: Option<&str>,
) {
    let make = |value: &str| json!({"kind": "ConfigMap", "metadata": {"name": "config", "namespace": namespace, "labels": {"v": value}}, "data": {"a": value}});
    let mut then = make(value);
    then["metadata"]["labels"] = json!({"v": "new"});
    let user = workload("Deployment", 1, "a", &json!({}));
    let around = Around { workloads: &[Workload { object: &user, rolls }], ..Around::default() };
    let found = of(&change, &make("1"), Some(&then), &around);
    assert_eq!(found, expected.map(|what| told(EffectKind::UsedBy, what)).into_iter().collect::<Vec<_>>());
}

#[rstest]
#[case(Some(3), Some("3 objects of its kind are in the cluster"))]
#[case(Some(1), Some("1 object of its kind is in the cluster"))]
#[case(Some(0), None)]
#[case(None, None)]
fn definitions(#[case] count: Option<usize>, #[case] expected: Option<&str>) {
    let counts = count.map(|count| ("x".to_owned(), count)).into_iter().collect();
    let around = Around { custom_resources: Some(&counts), ..Around::default() };
    let make = |scope: &str| object("CustomResourceDefinition", json!({"scope": scope}));
    let found = of(&ObjectChange::Update, &make("a"), Some(&make("b")), &around);
    assert_eq!(found, expected.map(|what| told(EffectKind::UsedBy, what)).into_iter().collect::<Vec<_>>());
}

#[rstest]
#[case(json!({"whenScaled": "Delete"}), 3, 1, Some("the claims of x-1, x-2 go with them (whenScaled: Delete)"))]
#[case(json!({"whenScaled": "Delete"}), 9, 0, Some("the claims of x-0, x-1, x-2, ... go with them (whenScaled: Delete)"))]
#[case(json!({"whenScaled": "Delete"}), 1, 3, None)]
#[case(json!({"whenScaled": "Retain"}), 3, 1, None)]
fn claims_that_go_with_pods(#[case] policy: Value, #[case] is: u64, #[case] then: u64, #[case] expected: Option<&str>) {
    let set = |replicas: u64| {
        let rest = json!({
            "persistentVolumeClaimRetentionPolicy": policy,
            "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        });
        workload("StatefulSet", replicas, "a:1", &rest)
    };
    let found = of(&ObjectChange::Update, &set(is), Some(&set(then)), &Around::default());
    let lost = found.into_iter().find(|(kind, _)| *kind == EffectKind::DataLost).map(|(_, what)| what);
    assert_eq!(lost.as_deref(), expected);
}

#[test]
fn claims_that_go_with_their_set() {
    let rest = json!({
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
    });
    let found = of(&ObjectChange::Delete, &workload("StatefulSet", 1, "a:1", &rest), None, &Around::default());
    let what = "all its pods stop, and its claims go with it (whenDeleted: Delete)";
    assert_eq!(found, [told(EffectKind::DataLost, what)]);
}

#[rstest]
#[case("PersistentVolume", json!({"persistentVolumeReclaimPolicy": "Retain", "claimRef": {"uid": "1"}}), "Released", json!({"persistentVolumeReclaimPolicy": "Delete", "claimRef": {"uid": "1"}}), Some((EffectKind::DataLost, "its claim is gone, so it is deleted at once, with its data")))]
#[case("PersistentVolume", json!({"persistentVolumeReclaimPolicy": "Retain", "claimRef": {"uid": "1"}}), "Bound", json!({"persistentVolumeReclaimPolicy": "Delete", "claimRef": {"uid": "1"}}), Some((EffectKind::UsedBy, "its data is deleted with its claim from now on, and was kept before")))]
#[case("PersistentVolume", json!({"persistentVolumeReclaimPolicy": "Delete"}), "Available", json!({"persistentVolumeReclaimPolicy": "Retain"}), None)]
#[case("VolumeSnapshotContent", json!({"deletionPolicy": "Retain"}), "", json!({"deletionPolicy": "Delete"}), Some((EffectKind::UsedBy, "its data is deleted with its snapshot from now on (deletionPolicy: Delete)")))]
#[case("VolumeSnapshotContent", json!({"deletionPolicy": "Delete"}), "", json!({"deletionPolicy": "Retain"}), None)]
fn policies_of_data(
    #[case] kind: &str,
    #[case] live: Value,
    #[case] phase: &str,
    #[case] then: Value,
    #[case] expected: Option<(EffectKind, &str)>,
) {
    let mut live = object(kind, live);
    live["status"] = json!({"phase": phase});
    let found = of(&ObjectChange::Update, &live, Some(&object(kind, then)), &Around::default());
    assert_eq!(found, expected.map(|(kind, what)| told(kind, what)).into_iter().collect::<Vec<_>>());
}
