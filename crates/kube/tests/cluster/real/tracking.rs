//! Following objects by watches, and never calling ready what is not.

use super::{apply, definition, deployment, namespace, tracker};
use jiff::Timestamp;
use pilothouse_core::{ObjectRef, Readiness};
use pilothouse_kube::{Cluster, ClusterClient, Ended, NotReady, Precondition, Progress, crd_ref, wait_ready};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Waits for one object. Fails when it is said to be ready only for a moment.
async fn wait(cluster: &Cluster, object: &ObjectRef, seconds: u64) -> Result<(), NotReady> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut ready = 0;
    let count = |progress: &Progress| ready += progress.done();
    let objects = std::slice::from_ref(object);
    let ended = wait_ready(&tracker(cluster), objects, deadline, &CancellationToken::new(), count).await;
    assert_eq!(ready, usize::from(ended.is_ok()));
    ended
}

pub(crate) async fn of_old_pods_beside_crashing_ones(cluster: &Cluster) {
    let ns = "tracking-old";
    namespace(cluster, ns).await;
    let web = apply(cluster, ns, deployment("web", "good/image")).await;
    wait(cluster, &web, 30).await.unwrap();
    apply(cluster, ns, deployment("web", "broken/crash")).await;
    assert_eq!(wait(cluster, &web, 8).await.unwrap_err().ended, Ended::Deadline);
    let live = cluster_object(cluster, &web).await;
    assert_eq!(live["status"]["readyReplicas"], 1, "the old pod serves all the while: {}", live["status"]);
    apply(cluster, ns, deployment("web", "good/other")).await;
    wait(cluster, &web, 30).await.unwrap();
}

pub(crate) async fn where_no_pod_need_be_ready(cluster: &Cluster) {
    let ns = "tracking-none";
    namespace(cluster, ns).await;
    let all_may_be_away = |image: &str| {
        let mut web = deployment("web", image);
        web["spec"]["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}});
        web
    };
    let web = apply(cluster, ns, all_may_be_away("broken/crash")).await;
    assert_eq!(wait(cluster, &web, 8).await.unwrap_err().ended, Ended::Deadline);
    apply(cluster, ns, all_may_be_away("good/image")).await;
    wait(cluster, &web, 30).await.unwrap();
    assert_eq!(cluster_object(cluster, &web).await["status"]["readyReplicas"], 1);
}

pub(crate) async fn of_a_custom_resource_nobody_has_judged(cluster: &Cluster) {
    let ns = "tracking-custom";
    namespace(cluster, ns).await;
    let group = "tracking.example.com";
    apply(cluster, ns, definition(group, "widgets", "Widget")).await;
    wait(cluster, &crd_ref("widgets.tracking.example.com"), 30).await.unwrap();
    let widget = json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "a"}});
    let served = Instant::now() + Duration::from_secs(30);
    // A definition is established a moment before its objects can be written.
    while cluster.resolve(&ObjectRef::parse("Widget/a").unwrap(), ns).await.is_err() {
        assert!(Instant::now() < served);
    }
    let widget = apply(cluster, ns, widget).await;
    let ended = wait(cluster, &widget, 3).await.unwrap_err();
    assert_eq!((ended.ended, ended.objects[0].1.readiness), (Ended::Deadline, Readiness::InProgress));
    // Where status is no subresource, writing it makes a new generation.
    let judged = json!({"status": {"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "True"}]}});
    let judge = async {
        sleep(Duration::from_millis(500)).await;
        cluster.merge_patch(&widget, &judged, &Precondition::default()).await.unwrap();
    };
    tokio::join!(wait(cluster, &widget, 30), judge).0.unwrap();
}

pub(crate) async fn of_a_family(cluster: &Cluster) {
    let ns = "tracking-family";
    namespace(cluster, ns).await;
    let web = apply(cluster, ns, deployment("web", "good/image")).await;
    wait(cluster, &web, 30).await.unwrap();
    apply(cluster, ns, deployment("web", "broken/crash")).await;
    let mut following = tracker(cluster).follow_at_once(vec![web.clone()]);
    let crashing = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_i64() > Some(0);
    let family = timeout(Duration::from_secs(30), async {
        loop {
            let family = following.family(&web);
            if family.complete && family.owned.len() == 4 && family.owned.iter().any(|object| crashing(object)) {
                return family;
            }
            following.changed().await;
        }
    })
    .await
    .unwrap();
    let told: Vec<(&str, &str)> = family
        .owned
        .iter()
        .map(|object| {
            let containers = ["/spec/containers", "/spec/template/spec/containers"];
            let image = containers.iter().find_map(|path| object.pointer(&format!("{path}/0/image"))).unwrap();
            (object["kind"].as_str().unwrap(), image.as_str().unwrap())
        })
        .collect();
    let expected =
        [("ReplicaSet", "broken/crash"), ("ReplicaSet", "good/image"), ("Pod", "broken/crash"), ("Pod", "good/image")];
    assert_eq!(told, expected);
    let scaled = family.events.iter().filter(|event| event["involvedObject"]["name"] == "web").count();
    assert_eq!(scaled, 2, "one for each ReplicaSet: {:?}", family.events);
    let live = following.snapshot(&web, Timestamp::now()).unwrap().live.unwrap();
    assert_eq!(live["metadata"].get("managedFields"), None);
}

async fn cluster_object(cluster: &Cluster, object: &ObjectRef) -> Value {
    cluster.get(object).await.unwrap().unwrap()
}
