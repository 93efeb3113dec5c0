//! Reading many objects side by side, with few requests.

use super::error::ClusterError;
use super::port::ClusterClient;
use super::requests::{Detail, ListQuery};
use futures::StreamExt;
use pilothouse_core::ObjectRef;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Requests at a time.
pub(crate) const SIDE_BY_SIDE: usize = 8;
/// From this many objects of one kind and namespace on they are listed instead of read one by one.
const WORTH_A_LIST: usize = 6;

/// What was read of one object. An error of a list is shared by all that were to be found in it.
pub type Seen = Result<Option<Value>, Arc<ClusterError>>;

enum Job {
    One(usize),
    Many(ListQuery, Vec<usize>),
}

/// How much of the objects of a kind is to be listed or watched. These two have no status, but may hold megabytes of Helm's
/// records.
pub(crate) fn detail_of(kind: &str) -> Detail {
    if matches!(kind, "Secret" | "ConfigMap") { Detail::Metadata } else { Detail::Whole }
}

/// Reads the objects side by side; the answer is in their order. With [`Detail::Metadata`], no more than that is asked for where
/// they are listed.
pub async fn read_all(client: &dyn ClusterClient, objects: &[ObjectRef], want: Detail) -> Vec<Seen> {
    let mut seen: Vec<Option<Seen>> = objects.iter().map(|_| None).collect();
    let jobs = jobs(objects).into_iter().map(|job| run(client, objects, job, want));
    let mut running = futures::stream::iter(jobs).buffer_unordered(SIDE_BY_SIDE);
    while let Some(found) = running.next().await {
        for (index, one) in found {
            seen[index] = Some(one);
        }
    }
    // Each index is in exactly one job.
    seen.into_iter().map(|one| one.unwrap_or(Ok(None))).collect()
}

fn jobs(objects: &[ObjectRef]) -> Vec<Job> {
    let mut groups: HashMap<(&str, &str, Option<&str>), Vec<usize>> = HashMap::new();
    let mut jobs = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        match &object.api_version {
            Some(version) => {
                groups.entry((version, &object.kind, object.namespace.as_deref())).or_default().push(index);
            }
            // Without a version a list cannot be asked for.
            None => jobs.push(Job::One(index)),
        }
    }
    for ((api_version, kind, namespace), members) in groups {
        if members.len() < WORTH_A_LIST {
            jobs.extend(members.into_iter().map(Job::One));
        } else {
            let mut query = ListQuery::new(api_version, kind);
            query.namespace = namespace.map(str::to_owned);
            jobs.push(Job::Many(query, members));
        }
    }
    jobs
}

async fn run(client: &dyn ClusterClient, objects: &[ObjectRef], job: Job, want: Detail) -> Vec<(usize, Seen)> {
    match job {
        Job::One(index) => vec![(index, client.get(&objects[index]).await.map_err(Arc::new))],
        Job::Many(query, members) => {
            let bare = want == Detail::Metadata || detail_of(&query.kind) == Detail::Metadata;
            let listed = if bare { client.list_metadata(&query).await } else { client.list(&query).await };
            match listed {
                Ok(items) => {
                    let found = |index: usize| items.iter().find(|item| is(item, &objects[index])).cloned();
                    members.into_iter().map(|index| (index, Ok(found(index)))).collect()
                }
                Err(error) => {
                    let error = Arc::new(error);
                    members.into_iter().map(|index| (index, Err(Arc::clone(&error)))).collect()
                }
            }
        }
    }
}

/// Whether an item of a list is the object. A list over all namespaces holds others of the same name.
fn is(item: &Value, object: &ObjectRef) -> bool {
    let text = |pointer| item.pointer(pointer).and_then(Value::as_str);
    let namespace = text("/metadata/namespace");
    let wanted = object.namespace.as_deref();
    text("/metadata/name") == Some(object.name.as_str())
        && (namespace == wanted || namespace.is_none() || (wanted.is_none() && namespace == Some("default")))
}

/// An error with its causes in one line.
pub(crate) fn in_one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Some libraries repeat the cause in their own text.
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = cause.source();
    }
    line
}
