//! Whether the nodes have room for the pods that come.

use super::verb;
use crate::compare::Compared;
use crate::context::Context;
use crate::foresight::Foresight;
use pilothouse_core::{ObjectRef, pod_amount, quantity, show_quantity};
use pilothouse_health::tolerates_taints;
use pilothouse_kube::ListQuery;
use serde_json::Value;

/// With more nodes than this, their pods are not read: there would be too many.
const MANY_NODES: usize = 100;
/// What is counted.
const RESOURCES: [&str; 2] = ["cpu", "memory"];

/// Pods of one workload that come.
struct Wanted<'a> {
    workload: &'a ObjectRef,
    spec: &'a Value,
    /// How many there will be.
    pods: u64,
    /// How many more than now.
    more: u64,
}

/// Warnings only: somebody may add nodes, and pods of lower priority may have to go.
pub(super) async fn check(ctx: &Context, compared: &[Compared]) -> Foresight {
    let wanted: Vec<Wanted<'_>> = compared.iter().filter_map(wanted).collect();
    if wanted.is_empty() {
        return Foresight::default();
    }
    let nodes = match ctx.cluster().list(&ListQuery::new("v1", "Node")).await {
        Ok(nodes) => nodes,
        Err(error) => return Foresight::not_checked("room on the nodes", ctx.error_text(&error)),
    };
    // Where there are none at all, they come when they are needed.
    if nodes.is_empty() {
        return Foresight::default();
    }
    let too_large: Vec<String> = wanted.iter().filter_map(|wanted| fits_nowhere(wanted, &nodes)).collect();
    if !too_large.is_empty() {
        return Foresight { warnings: too_large, ..Foresight::default() };
    }
    let more = wanted.iter().any(|wanted| wanted.more > 0);
    if !more {
        return Foresight::default();
    }
    if nodes.len() > MANY_NODES {
        let why = format!("there are {} of them, and their pods are not read", nodes.len());
        return Foresight::not_checked("what is free on the nodes", why);
    }
    match ctx.cluster().list(&ListQuery::new("v1", "Pod")).await {
        Ok(pods) => Foresight { warnings: without_room(&wanted, &nodes, &pods), ..Foresight::default() },
        Err(error) => Foresight::not_checked("what is free on the nodes", ctx.error_text(&error)),
    }
}

/// What comes of a workload that is created or changed. Of DaemonSets, Jobs and CronJobs nobody knows when and how many.
fn wanted(one: &Compared) -> Option<Wanted<'_>> {
    let then = one.then.as_ref().filter(|_| matches!(verb(one), Some("create" | "patch")))?.expose();
    if !matches!(one.object.kind.as_str(), "Deployment" | "StatefulSet") {
        return None;
    }
    let replicas = |object: &Value| object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    let (pods, before) = (replicas(then), one.live.as_ref().map_or(0, |live| replicas(live.expose())));
    let spec = then.pointer("/spec/template/spec")?;
    let same = one.live.as_ref().and_then(|live| live.expose().pointer("/spec/template/spec")) == Some(spec);
    let more = pods.saturating_sub(before);
    // Pods that stay have their room.
    (pods > 0 && !(same && more == 0)).then_some(Wanted { workload: &one.object, spec, pods, more })
}

/// The nodes that may take such pods, as far as labels, taints and being closed tell it.
fn candidates<'a>(spec: &Value, nodes: &'a [Value]) -> Vec<&'a Value> {
    let selector = spec.get("nodeSelector").and_then(Value::as_object);
    let takes = |node: &&Value| {
        let labels = node.pointer("/metadata/labels");
        let has = |key: &str, value: &Value| labels.and_then(|labels| labels.get(key)) == Some(value);
        node.pointer("/spec/unschedulable").and_then(Value::as_bool) != Some(true)
            && selector.into_iter().flatten().all(|(key, value)| has(key, value))
            && tolerates_taints(spec, node)
    };
    nodes.iter().filter(takes).collect()
}

fn allocatable(node: &Value, resource: &str) -> f64 {
    node.pointer("/status/allocatable").and_then(|all| all.get(resource)).and_then(quantity).unwrap_or_default()
}

/// Why no node could take a pod of the workload, were it empty.
fn fits_nowhere(wanted: &Wanted<'_>, nodes: &[Value]) -> Option<String> {
    let candidates = candidates(wanted.spec, nodes);
    let workload = wanted.workload;
    if candidates.is_empty() {
        return Some(format!("{workload}: no node takes its pods, by labels, taints, or since it is closed"));
    }
    RESOURCES.iter().find_map(|resource| {
        let asked = pod_amount(wanted.spec, "requests", resource);
        let most = candidates.iter().map(|node| allocatable(node, resource)).fold(0.0, f64::max);
        (asked > most).then(|| {
            let shown = |amount| show_quantity(amount, resource);
            format!("{workload}: a pod asks for {} {resource}, and the largest node has {}", shown(asked), shown(most))
        })
    })
}

/// The workloads of which not all pods that are added find room at once. Each pod goes to the first node with room, the larger
/// ones first; those of other releases of the run are not counted.
fn without_room(wanted: &[Wanted<'_>], nodes: &[Value], pods: &[Value]) -> Vec<String> {
    let mut free: Vec<[f64; 2]> = nodes.iter().map(|node| RESOURCES.map(|r| allocatable(node, r))).collect();
    for pod in pods.iter().filter(|pod| is_there(pod)) {
        let on = pod.pointer("/spec/nodeName");
        let at = nodes.iter().position(|node| node.pointer("/metadata/name") == on);
        if let (Some(at), Some(spec)) = (at, pod.get("spec")) {
            take(&mut free[at], spec);
        }
    }
    let mut adding: Vec<&Wanted<'_>> = wanted.iter().filter(|wanted| wanted.more > 0).collect();
    adding.sort_by(|a, b| cpu(b).total_cmp(&cpu(a)));
    let mut warnings = Vec::new();
    for wanted in adding {
        let candidates = candidates(wanted.spec, nodes);
        let asked = RESOURCES.map(|resource| pod_amount(wanted.spec, "requests", resource));
        let has_room = |free: &[f64; 2]| asked.iter().zip(free).all(|(asked, free)| asked <= free);
        let mut placed = 0;
        for _ in 0..wanted.more {
            let at = nodes.iter().zip(&free).position(|(node, free)| {
                has_room(free) && candidates.iter().any(|candidate| std::ptr::eq(*candidate, node))
            });
            let Some(at) = at else { break };
            take(&mut free[at], wanted.spec);
            placed += 1;
        }
        if placed < wanted.more {
            let left = wanted.more - placed;
            let line = format!(
                "{}: {left} of its {} pods find no room on the nodes as they are now (each asks for {} cpu and {} memory)",
                wanted.workload,
                wanted.pods,
                show_quantity(asked[0], "cpu"),
                show_quantity(asked[1], "memory")
            );
            warnings.push(line);
        }
    }
    warnings
}

fn cpu(wanted: &Wanted<'_>) -> f64 {
    pod_amount(wanted.spec, "requests", "cpu")
}

/// Whether a pod still takes room.
fn is_there(pod: &Value) -> bool {
    !matches!(pod.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed"))
}

fn take(free: &mut [f64; 2], spec: &Value) {
    for (free, resource) in free.iter_mut().zip(RESOURCES) {
        *free -= pod_amount(spec, "requests", resource);
    }
}
