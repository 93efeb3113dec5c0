//! Gathering evidence from a cluster in memory, where every call can be made to fail.

use pilothouse_core::{ObjectRef, ObjectStatus, Readiness};
use pilothouse_health::{Evidence, LogTail, Referred, Whereabouts};
use pilothouse_kube::{Gathering, Subject};
use pilothouse_testkit::FakeCluster;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

fn uid(cluster: &FakeCluster, kind: &str, name: &str) -> Value {
    cluster.object(kind, Some("web"), name).unwrap()["metadata"]["uid"].clone()
}

fn put(cluster: &FakeCluster, api_version: &str, kind: &str, name: &str, owner: Option<Value>, rest: &Value) {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "web"}});
    if let Some(uid) = owner {
        object["metadata"]["ownerReferences"] = json!([{"uid": uid, "controller": true}]);
    }
    for (key, value) in rest.as_object().unwrap() {
        object[key] = value.clone();
    }
    cluster.put(object);
}

/// Two Deployments whose pods lack a key of the same Secret, and a third whose program ends.
fn cluster() -> FakeCluster {
    let cluster = FakeCluster::default();
    for name in ["a", "b", "c"] {
        put(&cluster, "apps/v1", "Deployment", name, None, &json!({}));
        put(
            &cluster,
            "apps/v1",
            "ReplicaSet",
            &format!("{name}-1"),
            Some(uid(&cluster, "Deployment", name)),
            &json!({}),
        );
        let (state, last) = if name == "c" {
            (
                json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}),
                json!({"terminated": {"reason": "Error", "exitCode": 3}}),
            )
        } else {
            let message = "couldn't find key password in Secret web/creds";
            (json!({"waiting": {"reason": "CreateContainerConfigError", "message": message}}), json!({}))
        };
        let from = json!({"secretKeyRef": {"name": "creds", "key": "password"}});
        let pod = json!({
            "spec": {"containers": [{"name": "main", "image": "a", "env": [{"name": "P", "valueFrom": from}]}]},
            "status": {"phase": "Pending", "containerStatuses": [
                {"name": "main", "restartCount": 2, "state": state, "lastState": last},
            ]},
        });
        put(
            &cluster,
            "v1",
            "Pod",
            &format!("{name}-1-x"),
            Some(uid(&cluster, "ReplicaSet", &format!("{name}-1"))),
            &pod,
        );
    }
    put(&cluster, "v1", "Secret", "creds", None, &json!({"data": {"user": "aHVudGVyMjI="}}));
    cluster.put_log("c-1-x", "main", true, "starting\n\nno database\n");
    cluster
}

fn subjects(names: &[&str]) -> Vec<Subject> {
    let unready: Vec<(ObjectRef, ObjectStatus)> = names
        .iter()
        .map(|name| {
            let mut object = ObjectRef::parse(&format!("Deployment/web/{name}")).unwrap();
            object.api_version = Some("apps/v1".to_owned());
            (object, ObjectStatus::new(Readiness::InProgress, "0 of 1"))
        })
        .collect();
    Subject::of_release(&unready)
}

async fn gather(cluster: &FakeCluster, names: &[&str]) -> Vec<Evidence> {
    Gathering::default().evidence(cluster, subjects(names), Instant::now() + Duration::from_secs(5)).await
}

/// A program writes its last words when it ends: a log that was empty a moment ago is read again, one that was not is shared.
#[tokio::test]
async fn an_empty_log_is_read_again() {
    let cluster = cluster();
    cluster.put_log("c-1-x", "main", true, "");
    let gathering = Gathering::default();
    let logs = async || {
        let found = gathering.evidence(&cluster, subjects(&["c"]), Instant::now() + Duration::from_secs(5)).await;
        found[0].logs.clone()
    };
    assert_eq!(logs().await, []);
    cluster.put_log("c-1-x", "main", true, "no database\n");
    assert_eq!(logs().await[0].lines, ["no database"]);
    cluster.put_log("c-1-x", "main", true, "something else\n");
    assert_eq!(logs().await[0].lines, ["no database"]);
}

fn calls(cluster: &FakeCluster, call: &str) -> usize {
    cluster.failures.calls().iter().filter(|made| *made == call).count()
}

#[tokio::test]
async fn what_is_wanted_is_read_and_shared() {
    let cluster = cluster();
    let found = gather(&cluster, &["a", "b", "c"]).await;
    let keys = Referred {
        object: ObjectRef {
            api_version: Some("v1".to_owned()),
            kind: "Secret".to_owned(),
            namespace: Some("web".to_owned()),
            name: "creds".to_owned(),
        },
        whereabouts: Whereabouts::There { keys: vec!["user".to_owned()] },
    };
    for evidence in &found[..2] {
        assert_eq!(evidence.owned.len(), 2, "{evidence:#?}");
        assert!(evidence.referred.contains(&keys), "{evidence:#?}");
        assert_eq!(evidence.beside.as_ref().unwrap().len(), 2);
    }
    let lines = vec!["starting".to_owned(), "no database".to_owned()];
    let log = LogTail { pod: "c-1-x".to_owned(), container: "main".to_owned(), previous: true, lines };
    assert_eq!(found[2].logs, [log]);
    for evidence in &found {
        assert_eq!(evidence.unreadable, [""; 0]);
        let all = format!("{evidence:?}");
        assert!(!all.contains("aHVudGVyMjI") && !all.contains("hunter22"), "{all}");
    }
    let shared = ["list Pod", "list ReplicaSet", "list Event", "get Secret web/creds"];
    assert_eq!(shared.map(|call| calls(&cluster, call)), [1, 1, 1, 1]);
}

/// Whatever fails is told; it is never taken for something that is not there, and the others have their evidence.
#[tokio::test]
async fn a_read_that_fails_is_no_absence() {
    let all = {
        let cluster = cluster();
        gather(&cluster, &["a"]).await;
        cluster.failures.calls().len()
    };
    assert!(all >= 5, "{all}");
    for nth in 1..=all {
        let cluster = cluster();
        cluster.failures.fail_at(nth);
        let evidence = gather(&cluster, &["a"]).await.remove(0);
        let failed = cluster.failures.calls()[nth - 1].clone();
        assert_eq!(evidence.unreadable.len(), 1, "{failed}: {:?}", evidence.unreadable);
        let missing = evidence.referred.iter().any(|referred| referred.whereabouts == Whereabouts::Missing);
        assert!(!missing, "{failed}: {:?}", evidence.referred);
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_answer_is_not_waited_for() {
    let cluster = cluster();
    for nth in 1..20 {
        cluster.disturb_at(nth, pilothouse_testkit::Disturbance::Hang);
    }
    let begun = Instant::now();
    let evidence = gather(&cluster, &["a"]).await.remove(0);
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert!(evidence.unreadable.contains(&"the Pod objects of namespace web could not be read in time".to_owned()));
    assert_eq!((evidence.live, evidence.owned.len()), (None, 0));
}
