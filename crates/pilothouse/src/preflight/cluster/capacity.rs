//! Whether the nodes have room for the pods that come.

use crate::context::Capacity;
use crate::context::Compared;
use crate::context::Context;
use crate::context::Foresight;
use crate::context::Free;
use crate::preflight::cluster::verb::verb;
use pilothouse_core::{ObjectRef, pod_amount, quantity, show_quantity};
use pilothouse_health::tolerates_taints;
use pilothouse_kube::{Detail, ListQuery};
use serde_json::Value;
use std::sync::Arc;

/// With more nodes than this, their pods are not read: there would be too many.
const MANY_NODES: usize = 100;
/// A pod takes some 70 kB in memory.
const PODS_AT_A_TIME: u32 = 100;
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
    let wanted: Vec<Wanted<'_>> = compared.iter().filter_map(|one| wanted(one, compared)).collect();
    if wanted.is_empty() {
        return Foresight::default();
    }
    let room = match shared(ctx).await {
        Ok(room) => room,
        Err(why) => return Foresight::not_checked("room on the nodes", why),
    };
    // Where there are none at all, they come when they are needed.
    if room.nodes.is_empty() {
        return Foresight::default();
    }
    let mut found = Foresight::default();
    let mut adding = Vec::new();
    for wanted in wanted {
        match fits_nowhere(&wanted, &room.nodes) {
            Some(warning) => found.warnings.push(warning),
            None if wanted.more > 0 => adding.push(wanted),
            None => {}
        }
    }
    if !adding.is_empty() {
        match &room.free {
            Ok(free) => found.warnings.extend(without_room(adding, &room.nodes, free.clone())),
            Err(why) => found.not_checked.push(format!("what is free on the nodes: {why}")),
        }
    }
    found
}

/// What the nodes have, read once for all releases that are looked at together.
async fn shared(ctx: &Context) -> Result<Arc<Capacity>, String> {
    ctx.session().reads.capacity.get((), async || read(ctx).await).await
}

async fn read(ctx: &Context) -> Result<Capacity, String> {
    let nodes = ctx.cluster().list(&ListQuery::new("v1", "Node")).await.map_err(|error| ctx.error_text(&error))?;
    let free = match nodes.len() {
        0 => Ok(Vec::new()),
        many if many > MANY_NODES => Err(format!("there are {many} of them, and their pods are not read")),
        _ => read_free(ctx, &nodes).await,
    };
    Ok(Capacity { nodes, free })
}

/// What the pods leave free on each node. Of a pod nothing is kept.
async fn read_free(ctx: &Context, nodes: &[Value]) -> Result<Vec<Free>, String> {
    let all: Vec<Free> = nodes.iter().map(|node| RESOURCES.map(|r| allocatable(node, r))).collect();
    let mut free = all.clone();
    let mut each = |pod: Option<Value>| match pod {
        Some(pod) => take(&pod, nodes, &mut free),
        None => free.clone_from(&all),
    };
    let pods = ListQuery::new("v1", "Pod").in_pages_of(PODS_AT_A_TIME);
    match ctx.cluster().list_each(&pods, Detail::Whole, &mut each).await {
        Ok(()) => Ok(free),
        Err(error) => Err(ctx.error_text(&error)),
    }
}

/// Takes what a pod asks for from its node.
fn take(pod: &Value, nodes: &[Value], free: &mut [Free]) {
    let on = pod.pointer("/spec/nodeName");
    let at = nodes.iter().position(|node| node.pointer("/metadata/name") == on);
    if let (Some(at), Some(spec), true) = (at, pod.get("spec"), is_there(pod)) {
        for (free, resource) in free[at].iter_mut().zip(RESOURCES) {
            *free -= pod_amount(spec, "requests", resource);
        }
    }
}

/// What comes of a workload that is created or changed. Of DaemonSets, Jobs and CronJobs nobody knows when and how many.
/// What is created anew has the room of the one that goes.
fn wanted<'a>(one: &'a Compared, compared: &'a [Compared]) -> Option<Wanted<'a>> {
    let then = one.then.as_ref().filter(|_| matches!(verb(one), Some("create" | "patch")))?.expose();
    if !matches!(one.object.kind.as_str(), "Deployment" | "StatefulSet") {
        return None;
    }
    let replicas = |object: &Value| object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    let goes = |other: &&Compared| verb(other) == Some("delete") && other.object.same_object(&one.object);
    let live = one.live.as_ref().or_else(|| compared.iter().find(goes)?.live.as_ref());
    let (pods, before) = (replicas(then), live.map_or(0, |live| replicas(live.expose())));
    let spec = then.pointer("/spec/template/spec")?;
    let same = live.and_then(|live| live.expose().pointer("/spec/template/spec")) == Some(spec);
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

/// The workloads of which not all pods that are added find room at once, the larger pods first; those of other releases of the
/// run are not counted.
fn without_room(mut adding: Vec<Wanted<'_>>, nodes: &[Value], mut free: Vec<Free>) -> Vec<String> {
    adding.sort_by(|a, b| cpu(b).total_cmp(&cpu(a)));
    let mut warnings = Vec::new();
    for wanted in adding {
        let asked = RESOURCES.map(|resource| pod_amount(wanted.spec, "requests", resource));
        let takes = candidates(wanted.spec, nodes);
        let mut left = wanted.more;
        for (node, free) in nodes.iter().zip(&mut free) {
            if takes.iter().any(|taking| std::ptr::eq(*taking, node)) {
                let placed = fitting(&asked, free).min(left);
                left -= placed;
                free.iter_mut().zip(asked).for_each(|(free, asked)| *free -= asked * count(placed));
            }
        }
        if left > 0 {
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

/// How many pods that ask for so much fit into what is free.
fn fitting(asked: &Free, free: &Free) -> u64 {
    let of = |(asked, free): (&f64, &f64)| if *asked > 0.0 { (free / asked + 1e-9).floor() } else { f64::INFINITY };
    let pods = asked.iter().zip(free).map(of).fold(f64::INFINITY, f64::min).max(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates, and is not negative")]
    let pods = pods as u64;
    pods
}

/// As a factor; counts of pods are far below what a float holds exactly.
fn count(pods: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let pods = pods as f64;
    pods
}

fn cpu(wanted: &Wanted<'_>) -> f64 {
    pod_amount(wanted.spec, "requests", "cpu")
}

/// Whether a pod still takes room.
fn is_there(pod: &Value) -> bool {
    !matches!(pod.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed"))
}
