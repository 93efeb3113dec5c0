//! Helm's records of releases.

use super::{apply, namespace};
use pilothouse_core::{ReleaseKey, RevisionStatus};
use pilothouse_kube::{Cluster, ClusterClient, HelmDriver};
use serde_json::json;

pub(crate) async fn of_releases(cluster: &Cluster) {
    let ns = "records";
    namespace(cluster, ns).await;
    for (revision, status) in [(1, "superseded"), (2, "deployed"), (10, "pending-upgrade")] {
        let metadata = json!({
            "name": format!("sh.helm.release.v1.web.v{revision}"),
            "labels": {"owner": "helm", "name": "web", "status": status, "version": revision.to_string(), "modifiedAt": "4102444800"},
        });
        apply(
            cluster,
            ns,
            json!({
                "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1", "metadata": metadata,
                "stringData": {"release": format!("payload {revision}")},
            }),
        )
        .await;
    }
    apply(
        cluster,
        ns,
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {
                "name": "sh.helm.release.v1.db.v1",
                "labels": {"owner": "helm", "name": "db", "status": "deployed", "version": "1"},
            },
            "data": {"release": "payload"},
        }),
    )
    .await;

    let history = cluster.release_history(HelmDriver::Secret, &ReleaseKey::new(ns, "web")).await.unwrap();
    let revisions = history.revisions();
    let told: Vec<(u32, RevisionStatus)> = revisions.iter().map(|meta| (meta.revision, meta.status)).collect();
    let expected =
        [(1, RevisionStatus::Superseded), (2, RevisionStatus::Deployed), (10, RevisionStatus::PendingUpgrade)];
    assert_eq!(told, expected);
    assert_eq!(revisions[0].written_at.unwrap().to_string(), "2100-01-01T00:00:00Z");

    let everywhere = cluster.release_revisions(HelmDriver::Secret, None).await.unwrap();
    assert_eq!(everywhere.iter().filter(|meta| meta.namespace == ns).count(), 3);
    let db = ReleaseKey::new(ns, "db");
    assert!(cluster.release_history(HelmDriver::Secret, &db).await.unwrap().is_empty());
    let configured = cluster.release_history(HelmDriver::ConfigMap, &db).await.unwrap();
    assert_eq!(configured.revisions().len(), 1);

    let payload = cluster.release_payload(HelmDriver::Secret, ns, "web", 2).await.unwrap();
    assert_eq!(payload.as_deref(), Some(b"payload 2".as_slice()));
    let payload = cluster.release_payload(HelmDriver::ConfigMap, ns, "db", 1).await.unwrap();
    assert_eq!(payload.as_deref(), Some(b"payload".as_slice()));
    assert_eq!(cluster.release_payload(HelmDriver::Secret, ns, "web", 3).await.unwrap(), None);
}
