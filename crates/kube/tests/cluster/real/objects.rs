//! Discovery, reading and writing.

use super::{apply, definition, deployment, namespace, tracker};
use pilothouse_core::{ObjectRef, restart_patch};
use pilothouse_kube::{
    ApplyOptions, Cluster, ClusterClient, ClusterError, ListQuery, Precondition, Propagation, crd_ref, wait_ready,
};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) async fn names_as_people_write_them(cluster: &Cluster) {
    let version = cluster.version().await.unwrap();
    assert!(version.git_version.starts_with(&format!("v{}.{}.", version.major, version.minor)), "{version:?}");

    let served = cluster.api_versions().await.unwrap();
    for wanted in ["v1", "v1/Secret", "apps/v1", "apps/v1/Deployment", "apps/v1/Scale", "apiextensions.k8s.io/v1"] {
        assert!(served.iter().any(|one| one == wanted), "{wanted} is not in {served:?}");
    }

    let table = [
        ("deployment/web", "apps/v1 Deployment ns/web"),
        ("deploy/web", "apps/v1 Deployment ns/web"),
        ("Deployments.apps/other/web", "apps/v1 Deployment other/web"),
        ("deployments.v1.apps/web", "apps/v1 Deployment ns/web"),
        ("sts/db", "apps/v1 StatefulSet ns/db"),
        ("ds/agent", "apps/v1 DaemonSet ns/agent"),
        ("sa/robot", "v1 ServiceAccount ns/robot"),
        ("cm/a", "v1 ConfigMap ns/a"),
        ("SVC/a", "v1 Service ns/a"),
        ("ing/a", "networking.k8s.io/v1 Ingress ns/a"),
        ("pvc/a", "v1 PersistentVolumeClaim ns/a"),
        ("pv/a", "v1 PersistentVolume a"),
        ("ns/a", "v1 Namespace a"),
        ("crd/a.b", "apiextensions.k8s.io/v1 CustomResourceDefinition a.b"),
        ("clusterrole/a", "rbac.authorization.k8s.io/v1 ClusterRole a"),
        ("events/a", "v1 Event ns/a"),
        ("events.events.k8s.io/a", "events.k8s.io/v1 Event ns/a"),
    ];
    for (text, expected) in table {
        let object = cluster.resolve(&ObjectRef::parse(text).unwrap(), "ns").await.unwrap();
        assert_eq!(format!("{} {object}", object.api_version.clone().unwrap()), expected, "{text}");
    }
    let unknown = cluster.resolve(&ObjectRef::parse("widgets.acme/a").unwrap(), "ns").await.unwrap_err();
    assert_eq!(unknown.to_string(), "the cluster serves no kind `widgets` in `acme`");
}

pub(crate) async fn the_status_of_an_object(cluster: &Cluster) {
    let ns = "status-of";
    namespace(cluster, ns).await;
    let service =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}});
    let service = apply(cluster, ns, service).await;
    let condition = json!({"type": "Odd", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-11-21T08:00:00Z"});
    // What is not of the status is left as it is.
    let patch = json!({"status": {"conditions": [condition]}, "spec": {"ports": [{"port": 81}]}});
    let patched = cluster.merge_patch_status(&service, &patch).await.unwrap();
    assert_eq!(
        (&patched["status"]["conditions"], &patched["spec"]["ports"][0]["port"]),
        (&json!([condition]), &json!(80))
    );
    let config = apply(cluster, ns, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})).await;
    for object in [config, ObjectRef { name: "none".to_owned(), ..service }] {
        let error = cluster.merge_patch_status(&object, &patch).await.unwrap_err();
        assert!(matches!(error, ClusterError::NotFound { .. } | ClusterError::Api { status: 404, .. }), "{error}");
    }
}

pub(crate) async fn writing_and_reading(cluster: &Cluster) {
    let ns = "writing";
    namespace(cluster, ns).await;
    assert!(!cluster.create_namespace(ns).await.unwrap(), "it is there already");

    let config =
        |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}});
    let object = apply(cluster, ns, config("1")).await;
    assert_eq!(object.to_string(), "ConfigMap writing/a");
    let live = cluster.get(&object).await.unwrap().unwrap();
    assert_eq!(live["data"]["k"], "1");

    let other = |force, dry_run| ApplyOptions {
        field_manager: "other".to_owned(),
        force,
        dry_run,
        default_namespace: Some(ns.to_owned()),
    };
    let refused = cluster.apply(&config("2"), &other(false, false)).await.unwrap_err();
    assert!(matches!(&refused, ClusterError::Conflict { object: about, .. } if *about == object), "{refused:?}");
    let dry = cluster.apply(&config("2"), &other(true, true)).await.unwrap();
    assert_eq!(dry["data"]["k"], "2");
    assert_eq!(cluster.get(&object).await.unwrap().unwrap()["data"]["k"], "1", "a dry run changes nothing");

    let lost = ApplyOptions { default_namespace: Some("not-there".to_owned()), ..other(false, false) };
    let refused = cluster.apply(&config("2"), &lost).await.unwrap_err();
    assert_eq!(refused.to_string(), "Namespace not-there does not exist");

    let patched =
        cluster.merge_patch(&object, &json!({"data": {"k": "3"}}), &Precondition::unchanged(&live)).await.unwrap();
    assert_eq!(patched["data"]["k"], "3");
    let stale =
        cluster.merge_patch(&object, &json!({"data": {"k": "4"}}), &Precondition::unchanged(&live)).await.unwrap_err();
    assert!(matches!(stale, ClusterError::Conflict { .. }), "{stale:?}");
    let another = Precondition { uid: Some("6b6ae3a0-0000-0000-0000-000000000000".to_owned()), resource_version: None };
    let wrong = cluster.merge_patch(&object, &json!({"data": {"k": "4"}}), &another).await.unwrap_err();
    assert!(matches!(wrong, ClusterError::Conflict { .. }), "{wrong:?}");
    let wrong = cluster.delete(&object, &another, Propagation::Background).await.unwrap_err();
    assert!(matches!(wrong, ClusterError::Conflict { .. }), "{wrong:?}");
    assert_eq!(cluster.get(&object).await.unwrap().unwrap()["data"]["k"], "3");

    let invalid = cluster.apply(&deployment("Not_A_Name", "a"), &other(false, false)).await.unwrap_err();
    assert!(matches!(invalid, ClusterError::Invalid { .. }), "{invalid:?}");

    let missing = ObjectRef { name: "b".to_owned(), ..object.clone() };
    assert_eq!(cluster.get(&missing).await.unwrap(), None);
    let refused = cluster.merge_patch(&missing, &json!({}), &Precondition::default()).await.unwrap_err();
    assert!(matches!(refused, ClusterError::NotFound { .. }), "{refused:?}");
    assert!(cluster.delete(&object, &Precondition::default(), Propagation::Background).await.unwrap());
    assert!(!cluster.delete(&object, &Precondition::default(), Propagation::Background).await.unwrap());

    for index in 0..3 {
        let name = format!("c{index}");
        let labels = json!({"which": if index == 0 { "first" } else { "more" }});
        apply(cluster, ns, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"k": "v"}})).await;
    }
    let more = ListQuery::new("v1", "ConfigMap").within(ns).labelled("which=more");
    let whole = cluster.list(&more).await.unwrap();
    let names: Vec<&str> = whole.iter().map(|one| one["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["c1", "c2"]);
    assert_eq!((whole[0]["kind"].as_str(), &whole[0]["data"]), (Some("ConfigMap"), &json!({"k": "v"})));
    let bare = cluster.list_metadata(&more).await.unwrap();
    assert_eq!((bare[0]["kind"].as_str(), bare[0].get("data")), (Some("ConfigMap"), None));
    assert_eq!(cluster.count(&more).await.unwrap(), 2);

    let wrong_kind = restart_patch("2026-11-21T08:00:00Z");
    assert!(cluster.apply(&wrong_kind, &other(false, false)).await.is_err());
}

pub(crate) async fn a_new_definition_is_found(cluster: &Cluster) {
    let ns = "discovering";
    namespace(cluster, ns).await;
    let gimmick = ObjectRef::parse("gimmick/a").unwrap();
    assert!(matches!(cluster.resolve(&gimmick, ns).await, Err(ClusterError::NotServed { .. })));

    apply(cluster, ns, definition("discovering.example.com", "gimmicks", "Gimmick")).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    let crd = [crd_ref("gimmicks.discovering.example.com")];
    wait_ready(&tracker(cluster), &crd, deadline, &CancellationToken::new(), |_| {}).await.unwrap();
    // Established comes a moment before discovery.
    let resolved = loop {
        match cluster.resolve(&gimmick, ns).await {
            Ok(resolved) => break resolved,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    assert_eq!(resolved.api_version.as_deref(), Some("discovering.example.com/v1"));
    assert_eq!(cluster.get(&resolved).await.unwrap(), None);
    let made = apply(
        cluster,
        ns,
        json!({"apiVersion": "discovering.example.com/v1", "kind": "Gimmick", "metadata": {"name": "a"}}),
    )
    .await;
    assert_eq!(made, resolved);
}
