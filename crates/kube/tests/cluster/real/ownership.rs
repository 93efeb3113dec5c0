//! Whose objects are.

use super::{apply, definition, deployment, namespace, tracker};
use pilothouse_core::{
    AdoptionUndo, HelmOwner, ObjectRef, Ownership, Records, ReleaseKey, adoption_patch, crd_facts, helm_owner,
};
use pilothouse_kube::{
    AdoptError, Adoption, Cluster, ClusterClient, Conflict, PlannedAdoption, Precondition, adoption_conflicts, crd_ref,
    live_custom_resources, ownership_conflicts, restart, wait_ready,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}})
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

pub(crate) async fn of_objects(cluster: &Cluster) {
    let ns = "owning";
    namespace(cluster, ns).await;
    let release = ReleaseKey::new(ns, "mine");
    let give = async |object: &ObjectRef, to: &ReleaseKey| {
        cluster.merge_patch(object, &adoption_patch(to), &Precondition::default()).await.unwrap();
    };
    let free = apply(cluster, ns, config_map("free")).await;
    let mine = apply(cluster, ns, config_map("mine")).await;
    give(&mine, &release).await;
    let orphan = apply(cluster, ns, config_map("orphan")).await;
    give(&orphan, &ReleaseKey::new(ns, "gone")).await;
    let theirs = apply(cluster, ns, config_map("theirs")).await;
    let other = ReleaseKey::new(ns, "other");
    give(&theirs, &other).await;
    apply(
        cluster,
        ns,
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1", "metadata": {
                "name": "sh.helm.release.v1.other.v1",
                "labels": {"owner": "helm", "name": "other", "status": "deployed", "version": "1"},
            },
        }),
    )
    .await;
    let absent = ObjectRef { name: "absent".to_owned(), ..free.clone() };
    let unknown = ObjectRef { api_version: Some("acme.io/v1".to_owned()), kind: "Widget".to_owned(), ..free.clone() };

    let all = [free.clone(), mine.clone(), orphan.clone(), theirs.clone(), absent.clone(), unknown.clone()];
    let conflict = |object: &ObjectRef, ownership| Conflict { object: object.clone(), ownership };
    let of = |release: &ReleaseKey, records| Ownership::OtherRelease { release: release.clone(), records };
    // The server notes who has written what, also in lists of metadata.
    let nobody = Ownership::Unowned { lacks: Vec::new(), written_by: vec!["test".to_owned()] };
    let expected = vec![
        conflict(&free, nobody),
        conflict(&orphan, of(&ReleaseKey::new(ns, "gone"), Records::Gone)),
        conflict(&theirs, of(&other, Records::Exist)),
    ];
    assert_eq!(ownership_conflicts(cluster, &all, &release).await.unwrap(), expected);

    let short = |name: &str| ObjectRef::parse(&format!("cm/{name}")).unwrap();
    let mut all = ["free", "mine", "orphan", "theirs", "absent"].map(short).to_vec();
    all.push(unknown);
    // What nobody has, or a release without records, can be adopted.
    let expected = [conflict(&theirs, of(&other, Records::Exist))];
    assert_eq!(adoption_conflicts(cluster, &all, &release).await.unwrap(), expected);
    let refused = PlannedAdoption::of(cluster, &[short("free"), short("theirs")], &release).await.unwrap_err();
    assert_eq!(refused.to_string(), "refused: ConfigMap owning/theirs belongs to release owning/other");
    let untouched = cluster.get(&free).await.unwrap().unwrap();
    let wanted = [short("free"), short("mine"), short("orphan"), short("absent")];
    let planned = PlannedAdoption::of(cluster, &wanted, &release).await.unwrap();
    let undo = |managed_by: &Value, name: &Value, namespace: &Value| {
        json!({"metadata": {
            "labels": {"app.kubernetes.io/managed-by": managed_by},
            "annotations": {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace},
        }})
    };
    let bare = AdoptionUndo { patch: undo(&Value::Null, &Value::Null, &Value::Null), objects: vec![free.clone()] };
    let of_gone = undo(&json!("Helm"), &json!("gone"), &json!(ns));
    let expected = vec![bare.clone(), AdoptionUndo { patch: of_gone, objects: vec![orphan.clone()] }];
    assert_eq!(planned.undo(), expected);
    assert_eq!(
        helm_owner(&cluster.get(&free).await.unwrap().unwrap()),
        HelmOwner::Nobody { managed_by: None },
        "nothing is changed when one is refused, nor before what takes it back is known"
    );
    // Somebody writes it meanwhile, not its ownership.
    cluster.merge_patch(&free, &json!({"data": {"k": "w"}}), &Precondition::default()).await.unwrap();
    let report = planned.carry_out(cluster).await.unwrap();
    let expected = Adoption {
        adopted: vec![free.clone(), orphan.clone()],
        already: vec![mine.clone()],
        absent: vec![absent.clone()],
    };
    assert_eq!(report, expected);
    let adopted = cluster.get(&free).await.unwrap().unwrap();
    assert!(helm_owner(&adopted).is(&release));
    assert_eq!((&adopted["data"]["k"], &adopted["metadata"]["uid"]), (&json!("w"), &untouched["metadata"]["uid"]));
    let planned = PlannedAdoption::of(cluster, &wanted, &release).await.unwrap();
    assert_eq!(planned.undo(), []);
    let already = vec![free.clone(), mine, orphan];
    let again = planned.carry_out(cluster).await.unwrap();
    assert_eq!(again, Adoption { already, absent: vec![absent], ..Adoption::default() });

    // Taken back, and given to somebody else between the look and the deed: what was written down would not take that back.
    cluster.merge_patch(&free, &bare.patch, &Precondition::default()).await.unwrap();
    assert_eq!(helm_owner(&cluster.get(&free).await.unwrap().unwrap()), HelmOwner::Nobody { managed_by: None });
    let planned = PlannedAdoption::of(cluster, &[short("free")], &release).await.unwrap();
    give(&free, &ReleaseKey::new(ns, "gone")).await;
    let changed = planned.carry_out(cluster).await.unwrap_err();
    assert!(matches!(&changed, AdoptError::Changed { object } if *object == free), "{changed}");

    let web = apply(cluster, ns, deployment("web", "good/image")).await;
    wait_ready(&tracker(cluster), std::slice::from_ref(&web), soon(), &CancellationToken::new(), |_| {}).await.unwrap();
    let pod = pilothouse_core::object_ref(&cluster.pods_of(&web).await.unwrap()[0]).unwrap();
    let foretold = adoption_conflicts(cluster, std::slice::from_ref(&pod), &release).await.unwrap();
    let refused = PlannedAdoption::of(cluster, &[pod], &release).await.unwrap_err();
    let AdoptError::Refused { conflicts } = refused else { panic!("{refused}") };
    assert_eq!(foretold, conflicts);
    assert!(
        matches!(&conflicts[0].ownership, Ownership::ControllerOwned { kind, .. } if kind == "ReplicaSet"),
        "{conflicts:?}"
    );
}

pub(crate) async fn restarting(cluster: &Cluster) {
    let ns = "restarting";
    namespace(cluster, ns).await;
    let web = apply(cluster, ns, deployment("web", "good/image")).await;
    let token = CancellationToken::new();
    wait_ready(&tracker(cluster), std::slice::from_ref(&web), soon(), &token, |_| {}).await.unwrap();
    let pods = async || {
        let pods = cluster.pods_of(&web).await.unwrap();
        pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = pods().await;
    let at = "2026-11-21T08:00:00Z".parse().unwrap();
    let restarted = restart(cluster, &[ObjectRef::parse("deploy/web").unwrap()], ns, at).await.unwrap();
    assert_eq!(restarted, std::slice::from_ref(&web));
    wait_ready(&tracker(cluster), std::slice::from_ref(&web), soon(), &token, |_| {}).await.unwrap();
    let after = pods().await;
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_ne!(before, after);

    let wrong = restart(cluster, &[ObjectRef::parse("svc/web").unwrap()], ns, at).await.unwrap_err();
    assert_eq!(wrong.to_string(), "svc web cannot be restarted");
}

pub(crate) async fn definitions_in_use(cluster: &Cluster) {
    let ns = "defining";
    namespace(cluster, ns).await;
    let group = "defining.example.com";
    for (plural, kind) in [("gadgets", "Gadget"), ("gizmos", "Gizmo")] {
        apply(cluster, ns, definition(group, plural, kind)).await;
    }
    let crds = [crd_ref("gadgets.defining.example.com"), crd_ref("gizmos.defining.example.com")];
    let token = CancellationToken::new();
    wait_ready(&tracker(cluster), &crds, soon(), &token, |_| {}).await.unwrap();
    let mut gadget =
        json!({"apiVersion": format!("{group}/v1"), "kind": "Gadget", "metadata": {"name": "a", "namespace": ns}});
    let owner = ReleaseKey::new(ns, "mine");
    gadget["metadata"]["labels"] = adoption_patch(&owner)["metadata"]["labels"].clone();
    gadget["metadata"]["annotations"] = adoption_patch(&owner)["metadata"]["annotations"].clone();
    // A definition is established a moment before its objects can be written.
    let served = ObjectRef { api_version: None, kind: "Gadget".to_owned(), namespace: None, name: "a".to_owned() };
    let deadline = soon();
    while cluster.resolve(&served, ns).await.is_err() {
        assert!(Instant::now() < deadline);
    }
    apply(cluster, ns, gadget).await;

    let facts = crd_facts(&cluster.get(&crds[0]).await.unwrap().unwrap()).unwrap();
    let live = live_custom_resources(cluster, &facts).await.unwrap();
    assert_eq!(live.len(), 1);
    assert_eq!((live[0].0.to_string(), &live[0].1), ("Gadget defining/a".to_owned(), &HelmOwner::Release(owner)));
}
