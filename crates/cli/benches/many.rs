//! Five thousand releases over two hundred namespaces that are as they should be: what it costs to find that out. Only the first
//! release is deployed; the records and objects of the others are made here, as helm and this program would have left them.
//!
//! `cargo bench -p pilothouse-cli --bench many`, or with another number of releases behind `--`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench is a program that may end at the first surprise"
)]

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::contest::{Contest, Took, median};
use common::programs;
use flate2::read::{GzDecoder, GzEncoder};
use futures::StreamExt;
use pilothouse_core::{AppliedObject, DeployRecord, ObjectRef, ReleaseKey, hex, own_labels};
use pilothouse_kube::{Cluster, ClusterClient, ConnectOptions};
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Plane, PlaneConfig};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::Read;

const RELEASES: usize = 5_000;
const NAMESPACES: usize = 200;
const ROUNDS: usize = 3;
/// Requests side by side while the releases are made.
const SIDE_BY_SIDE: usize = 16;
const STACK: &str = "many";

#[tokio::main]
async fn main() {
    let releases = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(RELEASES);
    let obtained = programs(&[Tool::Helm4]).await;
    let plane = Plane::start(PlaneConfig { audit: true, ..PlaneConfig::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let contest = Contest {
        chart: pilothouse_testkit::fixture_chart("config"),
        helm: obtained.path(Tool::Helm4).unwrap().to_owned(),
        kubeconfig: plane.kubeconfig().to_owned(),
        audit: plane.audit_log().unwrap(),
        folder: folder.path().to_owned(),
    };
    contest.ours(&["apply", "--yes"], &contest.stack_of(STACK, std::iter::once(release(0))));
    let cluster = Cluster::connect(ConnectOptions::kubeconfig(plane.kubeconfig())).await.unwrap();
    make(&cluster, releases).await;
    let stack = contest.stack_of(STACK, (0..releases).map(release));
    println!(
        "{releases} releases of one ConfigMap each over {NAMESPACES} namespaces; helm {}",
        obtained.get(Tool::Helm4).unwrap().version
    );
    for command in ["apply", "plan", "status"] {
        let args = if command == "apply" { vec![command, "--yes"] } else { vec![command] };
        let all: Vec<Took> = (0..ROUNDS).map(|_| contest.ours(&args, &stack)).collect();
        // All of them are settled, so that there is nothing to ask about any of them.
        assert!(all.iter().all(|took| took.requests < 300), "{all:?}");
        println!("  {command}, median: {}", median(all));
    }
    println!("  helm list --all-namespaces: {}", contest.list());
    plane.stop().await;
}

fn release(number: usize) -> (String, String) {
    (format!("r{number}"), format!("{STACK}-{}", number % NAMESPACES))
}

/// What the first release has left.
struct Left {
    of_helm: Value,
    config: Value,
    of_ours: Value,
}

/// Makes all releases but the first.
async fn make(cluster: &Cluster, releases: usize) {
    let (name, namespace) = release(0);
    let get = async |kind: &str, name: String| {
        let object = object(kind, &namespace, &name);
        cluster.get(&object).await.unwrap().unwrap()
    };
    let left = Left {
        of_helm: get("Secret", format!("sh.helm.release.v1.{name}.v1")).await,
        config: get("ConfigMap", name.clone()).await,
        of_ours: get("Secret", format!("pilothouse.release.{name}")).await,
    };
    for number in 0..NAMESPACES.min(releases) {
        cluster.create_namespace(&release(number).1).await.unwrap();
    }
    let all = (1..releases).map(|number| one(cluster, &left, release(number)));
    futures::stream::iter(all).buffer_unordered(SIDE_BY_SIDE).collect::<Vec<()>>().await;
}

async fn one(cluster: &Cluster, left: &Left, (name, namespace): (String, String)) {
    let text = |object: &Value, pointer: &str| object.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let mut helm = anew(&left.of_helm, &format!("sh.helm.release.v1.{name}.v1"), &namespace);
    helm["metadata"]["labels"]["name"] = json!(name);
    let mut config = anew(&left.config, &name, &namespace);
    let owner = [("meta.helm.sh/release-name", &name), ("meta.helm.sh/release-namespace", &namespace)];
    for (key, value) in owner {
        config["metadata"]["annotations"][key] = json!(value);
    }
    let (helm, config) = (cluster.create(&helm).await.unwrap(), cluster.create(&config).await.unwrap());
    let packed = STANDARD.decode(text(&left.of_ours, "/data/record")).unwrap();
    let mut record: DeployRecord = serde_json::from_reader(GzDecoder::new(packed.as_slice())).unwrap();
    record.release = ReleaseKey::new(namespace.as_str(), name.as_str());
    record.revision_uid = text(&helm, "/metadata/uid");
    record.revision_version = Some(text(&helm, "/metadata/resourceVersion"));
    record.objects = Some(vec![AppliedObject {
        object: object("ConfigMap", &namespace, &name),
        uid: text(&config, "/metadata/uid"),
        generation: None,
        resource_version: text(&config, "/metadata/resourceVersion"),
        labels: labels(&config["metadata"]),
    }]);
    let mut packed = Vec::new();
    let json = serde_json::to_vec(&record).unwrap();
    GzEncoder::new(json.as_slice(), flate2::Compression::default()).read_to_end(&mut packed).unwrap();
    let mut ours = anew(&left.of_ours, &format!("pilothouse.release.{name}"), &namespace);
    ours["metadata"]["labels"]["pilothouse.dev/release"] = json!(name);
    ours["data"]["record"] = json!(STANDARD.encode(packed));
    cluster.create(&ours).await.unwrap();
}

fn object(kind: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: kind.to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    }
}

/// An object to be created as another one was.
fn anew(like: &Value, name: &str, namespace: &str) -> Value {
    let mut object = like.clone();
    let of = |key: &str| like["metadata"][key].clone();
    object["metadata"] =
        json!({"name": name, "namespace": namespace, "labels": of("labels"), "annotations": of("annotations")});
    object
}

/// As a record has them. Should that change, the releases are not settled, and this bench fails.
fn labels(metadata: &Value) -> String {
    let digest = |text: String| hex(&Sha256::digest(text));
    digest(format!("{} null null", digest(own_labels(metadata).to_string())))
}
