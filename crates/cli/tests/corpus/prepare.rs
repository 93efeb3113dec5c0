//! Making a cluster and a folder what a case needs.

use crate::case::{Case, Follow, Record};
use crate::world::in_runtime;
use base64::Engine as _;
use pilothouse_core::{ObjectRef, object_ref, restart_patch};
use pilothouse_kube::{ApplyOptions, Cluster, ClusterClient, Precondition, Propagation};
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the cluster may take to be what was asked for.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same for a namespace: first its controller goes through all kinds there are, those of other cases too that do not answer.
const DELETION: Duration = Duration::from_secs(60);

/// How long the API server may take to heed a webhook or policy it was given.
const ADMISSION: Duration = Duration::from_secs(2);

/// The namespace, and what is there before.
pub(crate) fn cluster(config: &kube::Config, namespace: &str, case: &Case) {
    in_runtime(async {
        let cluster = Cluster::from_client(kube::Client::try_from(config.clone()).unwrap());
        cluster.create_namespace(namespace).await.unwrap();
        if let Some(record) = &case.record {
            apply(&cluster, namespace, &release_record(namespace, record)).await;
        }
        for object in &case.before {
            apply(&cluster, namespace, object).await;
        }
        for object in &case.delete {
            let object = cluster.resolve(&ObjectRef::parse(object).unwrap(), namespace).await.unwrap();
            cluster.delete(&object, &Precondition::default(), Propagation::Background).await.unwrap();
        }
        let admission = |object: &Value| {
            object["apiVersion"].as_str().is_some_and(|version| version.starts_with("admissionregistration"))
        };
        if case.before.iter().any(admission) {
            tokio::time::sleep(ADMISSION).await;
        }
        if !case.delete.is_empty() {
            gone_or_going(&cluster, namespace, &case.delete).await;
        }
    });
}

/// A namespace, and what somebody else applies to it, by force.
pub(crate) fn namespace(config: &kube::Config, namespace: &str, objects: &[Value]) {
    in_runtime(async {
        let cluster = Cluster::from_client(kube::Client::try_from(config.clone()).unwrap());
        cluster.create_namespace(namespace).await.unwrap();
        for object in objects {
            apply(&cluster, namespace, object).await;
        }
    });
}

async fn apply(cluster: &Cluster, namespace: &str, object: &Value) {
    let options = ApplyOptions {
        field_manager: "somebody-else".to_owned(),
        force: true,
        dry_run: false,
        default_namespace: Some(namespace.to_owned()),
    };
    let begun = Instant::now();
    // What was defined a moment ago may not be served yet, and a namespace may not have its account yet.
    while let Err(error) = cluster.apply(object, &options).await {
        assert!(begun.elapsed() < PATIENCE, "{:?}: {error}", object_ref(object));
        tokio::time::sleep(Duration::from_millis(200)).await;
        let _ = cluster.discovery(true).await;
    }
}

/// Does in the cluster what somebody does who follows what was told.
pub(crate) fn follow(config: &kube::Config, namespace: &str, follow: &Follow) {
    in_runtime(async {
        let cluster = Cluster::from_client(kube::Client::try_from(config.clone()).unwrap());
        let find =
            async |object: &String| cluster.resolve(&ObjectRef::parse(object).unwrap(), namespace).await.unwrap();
        for (object, patch) in &follow.patch {
            cluster.merge_patch(&find(object).await, patch, &Precondition::default()).await.unwrap();
        }
        for (objects, how) in [(&follow.delete, Propagation::Background), (&follow.orphan, Propagation::Orphan)] {
            for object in objects {
                let object = find(object).await;
                let uid = uid_of(&cluster, &object).await;
                cluster.delete(&object, &Precondition::default(), how).await.unwrap();
                gone(&cluster, &object, uid.as_ref()).await;
            }
        }
        for object in &follow.apply {
            apply(&cluster, namespace, object).await;
        }
        if !follow.apply.is_empty() || !follow.delete.is_empty() || !follow.patch.is_empty() {
            tokio::time::sleep(ADMISSION).await;
        }
        for object in &follow.restart {
            let patch = restart_patch(&jiff::Timestamp::now().to_string());
            cluster.merge_patch(&find(object).await, &patch, &Precondition::default()).await.unwrap();
        }
    });
}

async fn uid_of(cluster: &Cluster, object: &ObjectRef) -> Option<Value> {
    cluster.get(object).await.unwrap().map(|found| found["metadata"]["uid"].clone())
}

/// One of the same name may have been made since.
async fn gone(cluster: &Cluster, object: &ObjectRef, uid: Option<&Value>) {
    let begun = Instant::now();
    while uid.is_some() && uid_of(cluster, object).await.as_ref() == uid {
        assert!(begun.elapsed() < PATIENCE, "{object} is not gone");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the deletion of what is being deleted can be seen in its conditions, where it has any.
async fn gone_or_going(cluster: &Cluster, namespace: &str, objects: &[String]) {
    let begun = Instant::now();
    for object in objects {
        let object = cluster.resolve(&ObjectRef::parse(object).unwrap(), namespace).await.unwrap();
        loop {
            let live = cluster.get(&object).await.unwrap();
            if live.is_none_or(|live| live["status"]["conditions"].as_array().is_some_and(|all| !all.is_empty())) {
                break;
            }
            assert!(begun.elapsed() < DELETION, "{object} is not being deleted");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A record of Helm's of a release that is in progress.
fn release_record(namespace: &str, record: &Record) -> Value {
    let begun = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(record.minutes_ago);
    let mut secret = pilothouse_testkit::record_secret(&json!({
        "name": "web",
        "namespace": namespace,
        "version": 1,
        "info": {
            "status": record.status,
            "first_deployed": begun.to_string(),
            "last_deployed": begun.to_string(),
            "description": "Preparing upgrade",
        },
        "chart": { "metadata": { "apiVersion": "v2", "name": "web", "version": "1.0.0" } },
        "config": {},
        "manifest": "",
    }));
    secret["metadata"]["labels"]["modifiedAt"] = json!(begun.as_second().to_string());
    secret
}

/// The kubeconfig for a case: the administrator's, one of a user with few rights, or one that leads nowhere.
pub(crate) fn kubeconfig(config: &kube::Config, admin: &Path, folder: &Path, namespace: &str, case: &Case) -> PathBuf {
    let path = folder.join("kubeconfig");
    let (server, user) = match (&case.user, case.unreachable) {
        (None, false) => return admin.to_owned(),
        (_, true) => ("https://127.0.0.1:1".to_owned(), json!({ "token": "none" })),
        (Some(rules), false) => {
            (config.cluster_url.to_string(), json!({ "token": in_runtime(user(config, namespace, rules)) }))
        }
    };
    let authority = config.root_cert.iter().flatten().map(|der| pem("CERTIFICATE", der)).collect::<String>();
    let authority = base64::engine::general_purpose::STANDARD.encode(authority);
    let text = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "corpus",
        "contexts": [{ "name": "corpus", "context": { "cluster": "corpus", "user": "corpus" } }],
        "clusters": [{ "name": "corpus", "cluster": { "server": server, "certificate-authority-data": authority } }],
        "users": [{ "name": "corpus", "user": user }],
    });
    fs::write(&path, text.to_string()).unwrap();
    path
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A user with these rights in the namespace, who may also look at namespaces: the user's token.
async fn user(config: &kube::Config, namespace: &str, rules: &[Value]) -> String {
    let client = kube::Client::try_from(config.clone()).unwrap();
    let cluster = Cluster::from_client(client.clone());
    let role = |kind: &str, name: &str, rules: &[Value]| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": kind,
            "metadata": { "name": name },
            "rules": rules,
        })
    };
    let binding = |kind: &str, name: &str, role: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": kind,
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": "deployer", "namespace": namespace }],
        })
    };
    let look = json!({ "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list"] });
    for object in [
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "deployer" } }),
        role("Role", "deployer", rules),
        binding("RoleBinding", "deployer", "Role"),
        role("ClusterRole", namespace, &[look]),
        binding("ClusterRoleBinding", namespace, "ClusterRole"),
    ] {
        apply(&cluster, namespace, &object).await;
    }
    let request = hyper::Request::post(format!("/api/v1/namespaces/{namespace}/serviceaccounts/deployer/token"))
        .header("Content-Type", "application/json")
        .body(br#"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}"#.to_vec())
        .unwrap();
    let answer: Value = client.request(request).await.unwrap();
    answer["status"]["token"].as_str().unwrap().to_owned()
}

/// The chart of a case, as a path: a copy with ballast if it wants some.
pub(crate) fn chart(case: &Case, folder: &Path) -> Option<PathBuf> {
    let chart = case.chart()?;
    let Some(kib) = case.ballast_kib else { return Some(chart) };
    let copy = folder.join("chart");
    fs::create_dir_all(copy.join("templates")).unwrap();
    for file in ["Chart.yaml", "values.yaml", "templates/all.yaml"] {
        fs::copy(chart.join(file), copy.join(file)).unwrap();
    }
    let mut bytes = Vec::new();
    fs::File::open("/dev/urandom").unwrap().take(kib as u64 * 1024).read_to_end(&mut bytes).unwrap();
    fs::write(copy.join("ballast"), bytes).unwrap();
    Some(copy)
}

/// The stack file of a case, with more keys of its release.
pub(crate) fn stack_file(
    case: &Case,
    chart: &Path,
    namespace: &str,
    folder: &Path,
    seconds: u32,
    more: &serde_json::Map<String, Value>,
) {
    let mut release = json!({
        "name": "web",
        "namespace": namespace,
        "chart": { "path": chart },
        "timeout_in_seconds": seconds,
    });
    if let Some(crds) = &case.crds {
        release["crds"] = json!(crds);
    }
    if !case.values.is_null() {
        release["yaml_files_content"] = json!([{ "name": "case.yaml", "content": case.values }]);
    }
    if case.user.is_some() {
        release["create_namespace"] = json!(false);
    }
    if let Some(release) = release.as_object_mut() {
        release.extend(case.release.clone());
        release.extend(more.clone());
    }
    // Each stack has a lock of its own, in a namespace that is not being deleted.
    let state = if case.user.is_some() { namespace } else { "default" };
    let stack = json!({ "version": 1, "name": namespace, "state_namespace": state, "releases": [release] });
    // JSON is YAML.
    fs::write(folder.join("pilothouse.yaml"), stack.to_string()).unwrap();
}
