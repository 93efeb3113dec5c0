//! What a fresh plane contains beside what Kubernetes puts there itself.

use crate::error::PlaneError;
use crate::node::Node;
use kube::Client;
use serde_json::{Value, json};

/// Creates the nodes and the StorageClass.
pub(crate) async fn seed(client: &Client, nodes: &[Node]) -> Result<(), PlaneError> {
    let version = client.apiserver_version().await.map_err(|source| PlaneError::Api {
        what: "read the API server's version".to_owned(),
        source: Box::new(source),
    })?;
    // A real node is registered by its kubelet.
    let nodes = nodes.iter().filter_map(|node| match node {
        Node::Simulated(node) => Some(node),
        Node::Real(_) => None,
    });
    let nodes = nodes.map(|node| {
        create(client, "/api/v1/nodes", format!("create node {}", node.name), node.object(&version.git_version))
    });
    let class = create(
        client,
        "/apis/storage.k8s.io/v1/storageclasses",
        "create StorageClass standard".to_owned(),
        storage_class(),
    );
    futures::future::try_join(futures::future::try_join_all(nodes), class).await?;
    Ok(())
}

/// The provisioner that makes volumes in a plane, for classes of one's own.
pub const VOLUME_PROVISIONER: &str = "pilothouse.dev/volume";

/// The default StorageClass; the stages of `volume.yaml` are its provisioner.
fn storage_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": { "storageclass.kubernetes.io/is-default-class": "true" },
        },
        "provisioner": VOLUME_PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    })
}

/// Makes kwok's `Logs` known, in which stages say what the log of a pod is. Its schema is kwok's business.
pub(crate) async fn pod_logs(client: &Client) -> Result<(), PlaneError> {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "logs.kwok.x-k8s.io" },
        "spec": {
            "group": "kwok.x-k8s.io",
            "names": { "kind": "Logs", "listKind": "LogsList", "plural": "logs", "singular": "logs" },
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": true,
                } },
            }],
        },
    });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    create(client, path, "create CustomResourceDefinition logs.kwok.x-k8s.io".to_owned(), definition).await
}

/// Whether `Logs` can be used; what is the matter otherwise.
pub(crate) async fn is_serving_pod_logs(client: &Client) -> Result<(), String> {
    get(client, "/apis/kwok.x-k8s.io/v1alpha1/logs").await.map(|_| ())
}

async fn get(client: &Client, path: &str) -> Result<Value, String> {
    let request = http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
    client.request::<Value>(request).await.map_err(|error| error.to_string())
}

async fn create(client: &Client, path: &str, what: String, object: Value) -> Result<(), PlaneError> {
    let request = http::Request::post(path)
        .header("Content-Type", "application/json")
        .body(object.to_string().into_bytes())
        .map_err(kube::Error::HttpError);
    let sent = match request {
        Ok(request) => client.request::<Value>(request).await.map(|_| ()),
        Err(error) => Err(error),
    };
    sent.map_err(|source| PlaneError::Api { what, source: Box::new(source) })
}

/// Whether all nodes are ready and the namespace `default` has its service account, without which no pod can be
/// created there. `Err` says what is missing.
pub(crate) async fn is_usable(client: &Client, nodes: usize) -> Result<(), String> {
    let list = get(client, "/api/v1/nodes").await?;
    let ready = list["items"].as_array().map_or(0, |items| items.iter().filter(|node| is_schedulable(node)).count());
    if ready < nodes {
        return Err(format!("{ready} of {nodes} nodes are ready"));
    }
    get(client, "/api/v1/namespaces/default/serviceaccounts/default").await.map(|_| ())
}

/// Ready, and rid of the taint a node has until the node-lifecycle controller has seen that it is ready.
fn is_schedulable(node: &Value) -> bool {
    let any = |list: &Value, test: &dyn Fn(&Value) -> bool| list.as_array().is_some_and(|items| items.iter().any(test));
    any(&node["status"]["conditions"], &|c| c["type"] == "Ready" && c["status"] == "True")
        && !any(&node["spec"]["taints"], &|t| t["key"] == "node.kubernetes.io/not-ready")
}
