//! Whether the ResourceQuotas of the namespaces have room for what is added.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Foresight;
use crate::preflight::cluster::verb::verb;
use pilothouse_core::{Class, Finding, ObjectRef, code, object_ref, pod_amount, quantity, show_quantity};
use pilothouse_kube::{Discovery, ListQuery};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How many objects are named of those that ask for more.
const NAMED: usize = 3;

/// The amounts that are added, by the names quotas have for them.
type Amounts = BTreeMap<String, f64>;

/// One list of quotas for each namespace in which something changes.
pub(super) async fn check(ctx: &Context, compared: &[Compared]) -> Foresight {
    let changed: Vec<&Compared> = compared.iter().filter(|one| verb(one).is_some()).collect();
    let namespaces: BTreeSet<&String> = changed.iter().filter_map(|one| one.object.namespace.as_ref()).collect();
    if namespaces.is_empty() {
        return Foresight::default();
    }
    let served = match ctx.cluster().discovery(false).await {
        Ok(served) => served,
        Err(error) => return Foresight::not_checked("quotas", ctx.error_text(&error)),
    };
    let mut all = Foresight::default();
    for namespace in namespaces {
        let query = ListQuery::new("v1", "ResourceQuota").within(namespace);
        let listed = ctx.session().reads.lists.get(query.clone(), async || ctx.cluster().list(&query).await).await;
        all = all.and(match listed {
            Ok(quotas) => {
                let here: Vec<&Compared> =
                    changed.iter().copied().filter(|one| one.object.namespace.as_ref() == Some(namespace)).collect();
                judge(&quotas, &here, &served)
            }
            Err(error) => Foresight::not_checked(format!("quotas of namespace {namespace}"), ctx.error_text(&error)),
        });
    }
    all
}

/// What does not fit into the quotas of a namespace.
pub(super) fn judge(quotas: &[Value], changed: &[&Compared], served: &Discovery) -> Foresight {
    let mut found = Foresight::default();
    let added: Vec<(&ObjectRef, Amounts)> = changed.iter().map(|one| (&one.object, added(one, served))).collect();
    for quota in quotas {
        let Some(object) = object_ref(quota) else { continue };
        // A quota that is changed itself has other limits afterwards.
        if changed.iter().any(|one| one.object.same_object(&object)) {
            continue;
        }
        if ["/spec/scopes", "/spec/scopeSelector"].iter().any(|scope| quota.pointer(scope).is_some()) {
            found.not_checked.push(format!("{object}: it is for some pods only"));
            continue;
        }
        found.findings.extend(exceeded(quota, &object, &added));
    }
    found
}

fn exceeded(quota: &Value, object: &ObjectRef, added: &[(&ObjectRef, Amounts)]) -> Vec<Finding> {
    let hard = quota.pointer("/status/hard").or_else(|| quota.pointer("/spec/hard")).and_then(Value::as_object);
    let finding = |(resource, hard): (&String, &Value)| {
        let of = |(by, amounts): &(&ObjectRef, Amounts)| Some((*amounts.get(alias(resource))?, by.to_string()));
        let amounts: Vec<(f64, String)> = added.iter().filter_map(of).collect();
        let more: f64 = amounts.iter().map(|(amount, _)| amount).sum();
        if more <= 0.0 {
            return None;
        }
        let (hard, used) = (quantity(hard)?, quota.pointer("/status/used")?.get(resource).and_then(quantity)?);
        let shown = |amount| show_quantity(amount, resource);
        // Sums of fractions are not exact.
        (used + more > hard + 1e-6).then(|| {
            let message = format!(
                "{resource}: {} of {} are used, and the release needs {} more, for {}",
                shown(used),
                shown(hard),
                shown(more),
                largest(amounts)
            );
            Finding::new(Class::Blocked, code::QUOTA_EXCEEDED, object, message)
        })
    };
    hard.into_iter().flatten().filter_map(finding).collect()
}

/// Who asks for most.
fn largest(mut amounts: Vec<(f64, String)>) -> String {
    amounts.retain(|(amount, _)| *amount > 0.0);
    amounts.sort_by(|(a, of), (b, than)| b.total_cmp(a).then_with(|| of.cmp(than)));
    let more = amounts.len().saturating_sub(NAMED);
    let mut names: Vec<String> = amounts.into_iter().take(NAMED).map(|(_, name)| name).collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

/// Quotas have two names for some.
fn alias(resource: &str) -> &str {
    match resource {
        "cpu" => "requests.cpu",
        "memory" => "requests.memory",
        "count/pods" => "pods",
        other => other.strip_prefix("count/").filter(|name| !name.contains('.')).unwrap_or(other),
    }
}

/// What there is more than before of an object. What DaemonSets and CronJobs come to is not known.
fn added(one: &Compared, served: &Discovery) -> Amounts {
    let mut amounts = Amounts::new();
    let count = match verb(one) {
        Some("create") => 1.0,
        Some("delete") => -1.0,
        Some(_) | None => 0.0,
    };
    if let Ok(resource) = served.lookup(&one.object) {
        let name = match resource.group.as_str() {
            "" => resource.plural.clone(),
            group => format!("count/{}.{group}", resource.plural),
        };
        // A pod is counted with those of the workloads.
        if one.object.kind != "Pod" {
            amounts.insert(name, count);
        }
    }
    let then = one.then.as_ref().filter(|_| count >= 0.0);
    for (object, sign) in [(then, 1.0), (one.live.as_ref(), -1.0)] {
        for (resource, amount) in object.map(|object| needs(object.expose())).unwrap_or_default() {
            *amounts.entry(resource).or_default() += sign * amount;
        }
    }
    amounts
}

/// What the pods of a workload, or a claim, come to.
fn needs(object: &Value) -> Amounts {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let number = |pointer: &str, otherwise: u32| {
        let number = object.pointer(pointer).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        f64::from(number.unwrap_or(otherwise))
    };
    let template = object.pointer("/spec/template/spec");
    let (pods, spec) = match text("/kind").unwrap_or_default() {
        "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController" => {
            (number("/spec/replicas", 1), template)
        }
        "Job" => (number("/spec/parallelism", 1).min(number("/spec/completions", u32::MAX)), template),
        "Pod" => (1.0, object.get("spec")),
        "PersistentVolumeClaim" => {
            let size = object.pointer("/spec/resources/requests/storage").and_then(quantity);
            return size.map(|size| ("requests.storage".to_owned(), size)).into_iter().collect();
        }
        _ => return Amounts::new(),
    };
    let Some(spec) = spec else { return Amounts::new() };
    let mut amounts: Amounts = [("pods".to_owned(), pods)].into();
    for list in ["requests", "limits"] {
        for resource in ["cpu", "memory"] {
            amounts.insert(format!("{list}.{resource}"), pods * pod_amount(spec, list, resource));
        }
    }
    amounts
}
