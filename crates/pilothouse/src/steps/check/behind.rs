//! What stands behind a check: the objects that would have to work for it to hold.

use crate::context::Context;
use crate::observe;
use crate::steps::check::{helm_test, reach};
use pilothouse_core::{AssertOf, CheckKind, Endpoint, ObjectRef, object_ref};
use pilothouse_kube::{ClusterError, ListQuery};
use serde_json::Value;

/// Objects that are looked at behind one check.
const MOST: usize = 20;

/// The workloads and objects behind what a check asks. Where it names nothing of the cluster, those of its release. What cannot be
/// read is left out: the check itself has told that it fails.
pub(super) async fn of(ctx: &Context, kind: &CheckKind) -> Vec<ObjectRef> {
    let named = match kind {
        CheckKind::Http(check) => at(ctx, &check.endpoint).await,
        CheckKind::Tcp(check) => at(ctx, &check.endpoint).await,
        CheckKind::Prometheus(check) => at(ctx, &check.endpoint).await,
        CheckKind::Exec(check) => one(ctx, &check.target).await,
        CheckKind::Assert(check) => match &check.of {
            AssertOf::Object(object) => one(ctx, object).await,
            AssertOf::Several { kind, namespace, labels, .. } => {
                let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                several(ctx, kind, namespace.clone(), labels.join(",")).await
            }
        },
        CheckKind::HelmTest(_) => helm_test::tests(ctx).await.ok(),
        // Its own Job was looked at before it was deleted.
        CheckKind::Job(_) => None,
    };
    let mut objects = match named {
        Some(named) => named,
        None => match observe::release_history(ctx).await {
            Ok(history) => observe::objects_of(ctx, history.newest()).await.unwrap_or_default(),
            Err(_) => Vec::new(),
        },
    };
    objects.sort();
    objects.dedup();
    objects.truncate(MOST);
    objects
}

/// What answers at an endpoint; `None` where that is not of the cluster.
async fn at(ctx: &Context, endpoint: &Endpoint) -> Option<Vec<ObjectRef>> {
    match endpoint {
        Endpoint::Service { service, .. } => {
            let (namespace, name) = reach::split(ctx, service);
            let object = complete("Service", &namespace, &name);
            let Ok(Some(live)) = ctx.cluster().get(&object).await else { return Some(vec![object]) };
            let Some(selector) = reach::selector(&live) else { return Some(vec![object]) };
            let query = ListQuery::new("v1", "Pod").within(namespace).labelled(selector);
            let mut found = owners(ctx.cluster().list(&query).await);
            found.push(object);
            Some(found)
        }
        Endpoint::Pod { pod, .. } => {
            let (namespace, name) = reach::split(ctx, pod);
            one(ctx, &complete("Pod", &namespace, &name)).await
        }
        Endpoint::Address { .. } => None,
    }
}

fn complete(kind: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: kind.to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    }
}

/// An object, or the workload a pod is of.
async fn one(ctx: &Context, object: &ObjectRef) -> Option<Vec<ObjectRef>> {
    let object = ctx.cluster().resolve(object, &ctx.release().namespace).await.ok()?;
    if object.kind != "Pod" {
        return Some(vec![object]);
    }
    match ctx.cluster().get(&object).await {
        Ok(Some(pod)) => Some(vec![owner(&pod).unwrap_or(object)]),
        Ok(None) | Err(_) => Some(vec![object]),
    }
}

/// The objects of a kind with these labels, or the workloads of such pods.
async fn several(ctx: &Context, kind: &str, namespace: Option<String>, labels: String) -> Option<Vec<ObjectRef>> {
    let any = ObjectRef { api_version: None, kind: kind.to_owned(), namespace, name: "any".to_owned() };
    let resolved = ctx.cluster().resolve(&any, &ctx.release().namespace).await.ok()?;
    let query = ListQuery {
        api_version: resolved.api_version.unwrap_or_default(),
        kind: resolved.kind,
        namespace: resolved.namespace,
        label_selector: Some(labels).filter(|labels| !labels.is_empty()),
        page: None,
    };
    Some(owners(ctx.cluster().list(&query).await)).filter(|found| !found.is_empty())
}

fn owners(found: Result<Vec<Value>, ClusterError>) -> Vec<ObjectRef> {
    found.unwrap_or_default().iter().filter_map(|object| owner(object).or_else(|| object_ref(object))).collect()
}

/// The workload that has made a pod; `None` of a pod that nobody has made, and of all other objects.
fn owner(pod: &Value) -> Option<ObjectRef> {
    if pod["kind"] != "Pod" {
        return None;
    }
    let owners = pod.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (mut kind, mut name) = (text(&owner["kind"]), text(&owner["name"]));
    // A Deployment's ReplicaSets have its name, and what their pods are labelled with.
    let hash = text(&pod["metadata"]["labels"]["pod-template-hash"]);
    if kind == "ReplicaSet"
        && !hash.is_empty()
        && let Some(deployment) = name.strip_suffix(&format!("-{hash}")).map(str::to_owned)
    {
        (kind, name) = ("Deployment".to_owned(), deployment);
    }
    let api_version = Some(owner["apiVersion"].as_str().unwrap_or("apps/v1").to_owned());
    Some(ObjectRef { api_version, kind, namespace: Some(text(&pod["metadata"]["namespace"])), name })
}

#[cfg(test)]
#[path = "behind_tests.rs"]
mod tests;
