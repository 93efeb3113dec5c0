//! Whether the admission webhooks that will be asked can answer.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Foresight;
use crate::preflight::cluster::selector::matches;
use crate::preflight::cluster::verb::verb;
use pilothouse_core::{Class, Finding, ObjectRef, Sensitive, code, object_ref};
use pilothouse_kube::{ClusterError, Discovery, ListQuery};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

const API: &str = "admissionregistration.k8s.io/v1";

/// A webhook without which an object cannot be written.
struct Needed {
    /// `ValidatingWebhookConfiguration policy`.
    configuration: ObjectRef,
    webhook: String,
    /// The first object it would be asked about.
    object: ObjectRef,
    /// Whether it has conditions of its own, which are not evaluated here.
    is_conditional: bool,
}

/// Two lists, and two reads for each Service of a webhook that must be asked.
pub(super) async fn check(ctx: &Context, compared: &[Compared], rendered: &[Value]) -> Foresight {
    let changed: Vec<&Compared> = compared.iter().filter(|one| verb(one).is_some()).collect();
    if changed.is_empty() {
        return Foresight::default();
    }
    let (mutating, validating) =
        (list(ctx, "MutatingWebhookConfiguration"), list(ctx, "ValidatingWebhookConfiguration"));
    let (mutating, validating, served) = tokio::join!(mutating, validating, ctx.cluster().discovery(false));
    let mut found = Foresight::default();
    let served = match served {
        Ok(served) => served,
        Err(error) => return Foresight::not_checked("webhooks", ctx.error_text(&error)),
    };
    let mut needed: BTreeMap<(String, String), Needed> = BTreeMap::new();
    let mut labels = Namespaces::default();
    for listed in [mutating, validating] {
        match listed {
            Ok(configurations) => {
                // One that goes first is asked no more.
                let goes = |named: &ObjectRef| {
                    let mut gone = changed.iter().filter(|one| verb(one) == Some("delete"));
                    gone.any(|one| one.object.same_object(named))
                };
                let stay = |configuration: &&Value| !object_ref(configuration).is_some_and(|named| goes(&named));
                for configuration in configurations.iter().filter(stay) {
                    add(ctx, configuration, &changed, &served, &mut labels, &mut needed).await;
                }
            }
            Err(error) => found.not_checked.push(format!("webhooks: {}", ctx.error_text(&error))),
        }
    }
    found.not_checked.append(&mut labels.unread);
    let namespace = ctx.release().namespace;
    let brings = |service: &(String, String)| {
        rendered.iter().filter_map(object_ref).any(|object| {
            object.kind == "Service"
                && object.name == service.1
                && object.namespace.as_ref().unwrap_or(&namespace) == &service.0
        })
    };
    for (service, needed) in needed.into_iter().filter(|(service, _)| !brings(service)) {
        let (in_namespace, name) = &service;
        match trouble(ctx, in_namespace, name).await {
            Ok(None) => {}
            Ok(Some(trouble)) if needed.is_conditional => found.not_checked.push(format!(
                "{}: webhook {} has conditions, and its Service {in_namespace}/{name} {trouble}",
                needed.configuration, needed.webhook
            )),
            Ok(Some(trouble)) => {
                let message = format!(
                    "webhook {} must be asked about it, and its Service {in_namespace}/{name} {trouble} ({})",
                    needed.webhook, needed.configuration
                );
                found.findings.push(Finding::new(Class::Blocked, code::WEBHOOK_UNREACHABLE, needed.object, message));
            }
            Err(error) => {
                found.not_checked.push(format!("Service {in_namespace}/{name}: {}", ctx.error_text(&error)));
            }
        }
    }
    found
}

async fn list(ctx: &Context, kind: &str) -> Result<Arc<Vec<Value>>, ClusterError> {
    let query = ListQuery::new(API, kind);
    let list = async || match ctx.cluster().list(&query).await {
        Err(ClusterError::NotServed { .. }) => Ok(Vec::new()),
        listed => listed,
    };
    ctx.session().reads.lists.get(query.clone(), list).await
}

/// Notes the webhooks of a configuration that fail when they are not reached and are asked about what changes.
async fn add(
    ctx: &Context,
    configuration: &Value,
    changed: &[&Compared],
    served: &Discovery,
    labels: &mut Namespaces,
    needed: &mut BTreeMap<(String, String), Needed>,
) {
    let Some(named) = object_ref(configuration) else { return };
    for webhook in items(configuration, "webhooks") {
        let text = |pointer: &str| webhook.pointer(pointer).and_then(Value::as_str);
        let (Some(namespace), Some(service)) =
            (text("/clientConfig/service/namespace"), text("/clientConfig/service/name"))
        else {
            continue;
        };
        let key = (namespace.to_owned(), service.to_owned());
        if text("/failurePolicy") == Some("Ignore") || needed.contains_key(&key) {
            continue;
        }
        for one in changed.iter().filter(|one| is_asked(webhook, one, served)) {
            if !labels.selected(ctx, webhook, &one.object).await {
                continue;
            }
            let is_conditional = items(webhook, "matchConditions").next().is_some();
            let webhook = text("/name").unwrap_or_default().to_owned();
            let object = one.object.clone();
            needed.insert(key, Needed { configuration: named.clone(), webhook, object, is_conditional });
            break;
        }
    }
}

/// Whether a webhook's rules and selector of objects match what is done.
pub(super) fn is_asked(webhook: &Value, one: &Compared, served: &Discovery) -> bool {
    let (Some(verb), Ok(resource)) = (verb(one), served.lookup(&one.object)) else { return false };
    let operation = match verb {
        "create" => "CREATE",
        "delete" => "DELETE",
        _ => "UPDATE",
    };
    // Configurations of webhooks are never shown to webhooks.
    if resource.group == "admissionregistration.k8s.io" {
        return false;
    }
    let has = |rule: &Value, list: &str, is: &str| {
        items(rule, list).filter_map(Value::as_str).any(|one| one == "*" || one == is)
    };
    let scope = if resource.namespaced { "Namespaced" } else { "Cluster" };
    let rule = |rule: &Value| {
        let fits = rule.get("scope").and_then(Value::as_str).is_none_or(|of| of == "*" || of == scope);
        let resources = items(rule, "resources").filter_map(Value::as_str);
        fits && has(rule, "operations", operation)
            && has(rule, "apiGroups", &resource.group)
            && resources.into_iter().any(|one| one == "*" || one == "*/*" || one == resource.plural)
    };
    let labels = |object: Option<&Value>| object.and_then(|object| object.pointer("/metadata/labels")).cloned();
    let objects = [one.then.as_ref(), one.live.as_ref()].map(|object| labels(object.map(Sensitive::expose)));
    let selector = webhook.get("objectSelector").unwrap_or(&Value::Null);
    items(webhook, "rules").any(rule)
        && objects.iter().any(|labels| matches(selector, labels.as_ref().unwrap_or(&Value::Null)))
}

/// The labels of namespaces, each read once at most.
#[derive(Default)]
struct Namespaces {
    known: BTreeMap<String, Option<Value>>,
    unread: Vec<String>,
}

impl Namespaces {
    /// Whether a webhook looks at the object's namespace. One whose labels cannot be read counts as not looked at, and is told.
    async fn selected(&mut self, ctx: &Context, webhook: &Value, object: &ObjectRef) -> bool {
        let selector = webhook.get("namespaceSelector").unwrap_or(&Value::Null);
        let is_empty = |key| items(selector, key).next().is_none();
        let no_labels = selector.get("matchLabels").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty);
        let Some(namespace) = object.namespace.as_ref().filter(|_| !(no_labels && is_empty("matchExpressions"))) else {
            return true;
        };
        if !self.known.contains_key(namespace) {
            let named = ObjectRef {
                api_version: Some("v1".to_owned()),
                kind: "Namespace".to_owned(),
                namespace: None,
                name: namespace.clone(),
            };
            let labels = match ctx.cluster().get(&named).await {
                Ok(Some(live)) => Some(live.pointer("/metadata/labels").cloned().unwrap_or_default()),
                // What helm creates has this label.
                Ok(None) => Some(serde_json::json!({"name": namespace, "kubernetes.io/metadata.name": namespace})),
                Err(error) => {
                    self.unread.push(format!("webhooks for namespace {namespace}: {}", ctx.error_text(&error)));
                    None
                }
            };
            self.known.insert(namespace.clone(), labels);
        }
        self.known.get(namespace).and_then(Option::as_ref).is_some_and(|labels| matches(selector, labels))
    }
}

/// Why nobody answers behind a Service; `None` when somebody is ready.
async fn trouble(ctx: &Context, namespace: &str, name: &str) -> Result<Option<&'static str>, ClusterError> {
    let service = ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: "Service".to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    };
    let Some(live) = ctx.cluster().get(&service).await? else { return Ok(Some("does not exist")) };
    // It leads out of the cluster.
    if live.pointer("/spec/type").and_then(Value::as_str) == Some("ExternalName") {
        return Ok(None);
    }
    let query = ListQuery::new("discovery.k8s.io/v1", "EndpointSlice")
        .within(namespace)
        .labelled(format!("kubernetes.io/service-name={name}"));
    let slices = ctx.cluster().list(&query).await?;
    let is_ready = |endpoint: &Value| endpoint.pointer("/conditions/ready").and_then(Value::as_bool) != Some(false);
    let ready = slices.iter().flat_map(|slice| items(slice, "endpoints")).any(is_ready);
    Ok((!ready).then_some("has no endpoints that are ready"))
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}
