//! What runs leave: in the cluster, in the journals on disk, and in the log that the steps of a stack write.

use crate::support::{World, plane};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ListParams};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A release as it stands in the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The status of its newest revision.
    pub(crate) status: String,
    /// What its ConfigMap holds.
    pub(crate) data: BTreeMap<String, String>,
}

/// Asks the cluster, from wherever.
fn ask<T: Send>(question: impl AsyncFnOnce(kube::Client) -> T + Send) -> T {
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            // A client of this runtime: the plane's lives on another one.
            runtime.block_on(async { question(kube::Client::try_from(plane().client_config()).unwrap()).await })
        });
        asking.join().unwrap()
    })
}

/// Every revision in Helm's records of a namespace: name, number and status.
pub(crate) fn revisions(namespace: &str) -> Vec<(String, u32, String)> {
    let secrets = ask(async |client| {
        let api: Api<Secret> = Api::namespaced(client, namespace);
        api.list(&ListParams::default().labels("owner=helm")).await.unwrap().items
    });
    let mut revisions: Vec<(String, u32, String)> = secrets
        .into_iter()
        .map(|secret| {
            let labels = secret.metadata.labels.unwrap();
            (labels["name"].clone(), labels["version"].parse().unwrap(), labels["status"].clone())
        })
        .collect();
    revisions.sort();
    revisions
}

/// The releases of a namespace as they stand, by name.
pub(crate) fn releases(namespace: &str) -> BTreeMap<String, Standing> {
    let mut releases: BTreeMap<String, Standing> = BTreeMap::new();
    for (name, _, status) in revisions(namespace) {
        // In the order of the revisions: the newest stays.
        releases.entry(name).or_default().status = status;
    }
    let maps = ask(async |client| {
        let api: Api<ConfigMap> = Api::namespaced(client, namespace);
        api.list(&ListParams::default().labels("app.kubernetes.io/managed-by=Helm")).await.unwrap().items
    });
    for map in maps {
        releases.entry(map.metadata.name.unwrap()).or_default().data = map.data.unwrap();
    }
    releases
}

/// Whether helm waits for the hook that never ends.
pub(crate) fn waits_for_hook(release: &str) -> bool {
    let job = ask(async |client| {
        let api: Api<Job> = Api::namespaced(client, release);
        api.get_opt(&format!("{release}-slow")).await.unwrap()
    });
    job.is_some()
}

/// Who holds the lock of a stack.
pub(crate) fn lock_holder(stack: &str) -> Option<String> {
    let lease = ask(async |client| {
        let api: Api<Lease> = Api::namespaced(client, "pilothouse");
        api.get_opt(&format!("pilothouse.stack.{stack}")).await.unwrap()
    });
    lease?.spec?.holder_identity.filter(|holder| !holder.is_empty())
}

/// The journal's copy in the cluster, as it is: what it holds is the program's.
pub(crate) fn record(stack: &str) -> Vec<u8> {
    let secret = ask(async |client| {
        let api: Api<Secret> = Api::namespaced(client, "pilothouse");
        api.get(&format!("pilothouse.stack.{stack}")).await.unwrap()
    });
    secret.data.unwrap()["record"].0.clone()
}

/// The journals of a stack in a state folder, oldest first.
pub(crate) fn journals(world: &World, state: &str, stack: &str) -> Vec<PathBuf> {
    let runs = world.path(state).join("pilothouse/runs");
    let clusters = std::fs::read_dir(runs).into_iter().flatten();
    let folders = clusters.map(|cluster| cluster.unwrap().path().join(stack));
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten());
    let mut journals: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    journals.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    journals.sort();
    journals
}

/// The events of the newest journal. Every line must be whole.
pub(crate) fn newest_journal(world: &World, state: &str, stack: &str) -> Vec<Value> {
    let journals = journals(world, state, stack);
    let text = std::fs::read_to_string(journals.last().unwrap()).unwrap();
    assert!(text.ends_with('\n'), "the last line is not whole: {text}");
    text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the steps have written, line by line.
pub(crate) fn log(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.path("log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
