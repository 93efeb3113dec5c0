use crate::PhaseError;
use crate::actions;
use crate::context::Message;
use crate::helm::HelmDriver;
use crate::test_world::{World, fake};
use pilothouse_core::{AdoptionUndo, EventKind, ObjectRef, StopReason};
use pilothouse_kube::{Adoption, ClusterError};
use pilothouse_testkit::FakeCluster;
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A cluster with two ConfigMaps: nobody's, and what a release has left that is gone.
fn cluster() -> Arc<FakeCluster> {
    let cluster = Arc::new(FakeCluster::default());
    let config_map = |name: &str, mut metadata: Value| {
        metadata["name"] = json!(name);
        metadata["namespace"] = json!("default");
        cluster.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}));
    };
    config_map("a", json!({}));
    let annotations = json!({"meta.helm.sh/release-name": "gone", "meta.helm.sh/release-namespace": "default"});
    config_map("b", json!({"annotations": annotations}));
    cluster
}

fn patched(cluster: &FakeCluster) -> Vec<String> {
    cluster.failures.calls().into_iter().filter(|call| call.starts_with("patch ")).collect()
}

fn timeout() -> ClusterError {
    ClusterError::Timeout { what: "something".to_owned(), after: Duration::from_secs(1) }
}

fn forbidden() -> ClusterError {
    ClusterError::Forbidden { verb: "list".to_owned(), what: "secrets".to_owned(), message: "no".to_owned() }
}

/// Adopts both, and gives what became of it with what was written down before; `answer` is what the journal says to that.
async fn adopt(
    cluster: &Arc<FakeCluster>,
    answer: Result<(), StopReason>,
) -> (Result<Adoption, PhaseError>, Vec<AdoptionUndo>) {
    let World { ctx, mut run, mut events, .. } = fake(cluster, HelmDriver::Secret);
    let objects = ["a", "b"].map(|name| ObjectRef::parse(&format!("cm/{name}")).unwrap());
    let mut written = Vec::new();
    let journal = async {
        while let Some(message) = events.recv().await {
            let Message::Ask { intent: EventKind::AdoptionStarted { undo, .. }, answer: to } = message else {
                continue;
            };
            assert_eq!(patched(cluster), [""; 0], "nothing is changed before it is written down");
            written.extend(undo);
            to.send(answer.clone()).unwrap();
        }
        std::future::pending::<()>().await;
    };
    let adopted = tokio::select! {
        adopted = actions::adopt(&ctx, &mut run, &objects) => adopted,
        () = journal => unreachable!(),
    };
    (adopted, written)
}

fn undo(managed_by: &Value, release: &Value, namespace: &Value, name: &str) -> AdoptionUndo {
    AdoptionUndo {
        patch: json!({"metadata": {
            "labels": {"app.kubernetes.io/managed-by": managed_by},
            "annotations": {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace},
        }}),
        objects: vec![ObjectRef {
            api_version: Some("v1".to_owned()),
            kind: "ConfigMap".to_owned(),
            namespace: Some("default".to_owned()),
            name: name.to_owned(),
        }],
    }
}

fn undos() -> Vec<AdoptionUndo> {
    let none = Value::Null;
    vec![undo(&none, &none, &none, "a"), undo(&none, &json!("gone"), &json!("default"), "b")]
}

fn is_demos(cluster: &FakeCluster, name: &str) -> bool {
    let object = cluster.object("ConfigMap", Some("default"), name).unwrap();
    object["metadata"]["annotations"]["meta.helm.sh/release-name"] == "demo"
}

#[tokio::test]
async fn what_takes_it_back_is_written_down_first() {
    let cluster = cluster();
    let (adopted, written) = adopt(&cluster, Ok(())).await;
    assert_eq!((adopted.unwrap().adopted.len(), written), (2, undos()));
    assert!(is_demos(&cluster, "a") && is_demos(&cluster, "b"));
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done() {
    let cluster = cluster();
    let (adopted, written) = adopt(&cluster, Err(StopReason::User)).await;
    assert!(matches!(adopted, Err(PhaseError::Stopped(StopReason::User))), "{adopted:?}");
    assert_eq!((written, patched(&cluster)), (undos(), Vec::new()));
}

#[tokio::test]
async fn after_half_of_it_everything_can_be_taken_back() {
    let cluster = cluster();
    cluster.refuse("patch ConfigMap default/b", timeout);
    let (adopted, written) = adopt(&cluster, Ok(())).await;
    assert!(matches!(adopted, Err(PhaseError::Adopt(_))), "{adopted:?}");
    assert_eq!(written, undos());
    assert!(is_demos(&cluster, "a") && !is_demos(&cluster, "b"));
}

/// Whoever may not read the records of a release does not know that it is gone; nor does whoever gets no answer.
#[rstest]
#[case(forbidden, "refused: ConfigMap default/b belongs to release default/gone, whose records may not be read")]
#[case(timeout, "ConfigMap default/b cannot be read")]
#[tokio::test]
async fn a_release_is_gone_only_when_its_records_can_be_read(
    #[case] error: fn() -> ClusterError,
    #[case] expected: &str,
    #[values("list Secret", "list ConfigMap")] of: &str,
) {
    let cluster = cluster();
    cluster.refuse(of, error);
    let (adopted, written) = adopt(&cluster, Ok(())).await;
    assert_eq!(adopted.unwrap_err().to_string(), expected);
    assert_eq!((written, patched(&cluster)), (Vec::new(), Vec::new()));
}
