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

/// As [`read_all`], of objects that should all have this label: those of one kind that are in many namespaces are listed at once, by the
/// label, without who has written which fields. What is not found so, or may not be listed so, is read as [`read_all`] does.
pub(crate) async fn read_labelled(
    client: &dyn ClusterClient,
    objects: &[ObjectRef],
    want: Detail,
    label: &str,
) -> Vec<Seen> {
    let mut seen: Vec<Option<Value>> = objects.iter().map(|_| None).collect();
    let lists = over_namespaces(objects).into_iter().map(|(query, wanted)| async move {
        let mut found = Vec::with_capacity(wanted.len());
        let mut each = |item: Option<Value>| {
            let Some(mut item) = item else { return found.clear() };
            if let Some(&index) = wanted.get(&place(&item)) {
                // Half of an object is who has written which of its fields, and nobody asks for that here.
                item["metadata"].as_object_mut().and_then(|metadata| metadata.remove("managedFields"));
                found.push((index, item));
            }
        };
        let query = query.labelled(label);
        // What was found before a failure counts, the rest is read otherwise.
        let _ = client.list_each(&query, held(&query.kind, want), &mut each).await;
        found
    });
    let mut running = futures::stream::iter(lists).buffer_unordered(SIDE_BY_SIDE);
    while let Some(found) = running.next().await {
        for (index, item) in found {
            seen[index] = Some(item);
        }
    }
    let rest: Vec<usize> = (0..objects.len()).filter(|&index| seen[index].is_none()).collect();
    let left: Vec<ObjectRef> = rest.iter().map(|&index| objects[index].clone()).collect();
    let mut seen: Vec<Seen> = seen.into_iter().map(Ok).collect();
    for (index, one) in rest.into_iter().zip(read_all(client, &left, want).await) {
        seen[index] = one;
    }
    seen
}

/// Namespace and name.
type Place = (Option<String>, Option<String>);

/// The kinds of which [`read_all`] would ask so often that one list of all namespaces is less, with their objects.
fn over_namespaces(objects: &[ObjectRef]) -> Vec<(ListQuery, HashMap<Place, usize>)> {
    let mut kinds: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (index, object) in objects.iter().enumerate() {
        if let (Some(version), Some(_)) = (&object.api_version, &object.namespace) {
            kinds.entry((version, &object.kind)).or_default().push(index);
        }
    }
    let requests = |members: &[usize]| {
        let mut namespaces: HashMap<Option<&str>, usize> = HashMap::new();
        for &index in members {
            *namespaces.entry(objects[index].namespace.as_deref()).or_default() += 1;
        }
        namespaces.into_values().map(|count| if count < WORTH_A_LIST { count } else { 1 }).sum::<usize>()
    };
    let many = kinds.into_iter().filter(|(_, members)| requests(members) >= WORTH_A_LIST);
    let of = |index: usize| ((objects[index].namespace.clone(), Some(objects[index].name.clone())), index);
    many.map(|((version, kind), members)| (ListQuery::new(version, kind), members.into_iter().map(of).collect()))
        .collect()
}

fn place(item: &Value) -> Place {
    let text = |pointer| item.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    (text("/metadata/namespace"), text("/metadata/name"))
}

/// No more of a kind than is asked for, or is good to be held.
fn held(kind: &str, want: Detail) -> Detail {
    if want == Detail::Metadata { want } else { detail_of(kind) }
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
            let listed = match held(&query.kind, want) {
                Detail::Whole => client.list(&query).await,
                Detail::Metadata => client.list_metadata(&query).await,
            };
            match listed {
                Ok(items) => {
                    let mut by_name: HashMap<Option<&str>, Vec<&Value>> = HashMap::new();
                    for item in &items {
                        by_name.entry(item.pointer("/metadata/name").and_then(Value::as_str)).or_default().push(item);
                    }
                    let found = |index: usize| {
                        let named = by_name.get(&Some(objects[index].name.as_str()))?;
                        named.iter().find(|item| is(item, &objects[index])).map(|&item| item.clone())
                    };
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
