//! What the scheduler says of nodes that do not take a pod.

use super::read::{between, quoted};

/// Why nodes do not take a pod, as the scheduler counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `Insufficient cpu`, `Too many pods`.
    Resource(String),
    /// `didn't have free ports for the requested pod ports`: another pod has them on the node.
    Ports,
    /// `didn't match Pod's node affinity/selector`
    Selector,
    /// A taint, with its key when the scheduler names it.
    Taint(Option<String>),
    /// Affinity to other pods, or spread.
    Pods(String),
    /// A volume is bound elsewhere, or none can be had.
    Volume(String),
    /// A claim is used by another pod, and its mode allows one.
    ClaimInUse,
    /// A claim is bound to a volume that does not exist.
    VolumeGone,
    /// Nothing can mount the volume on the node.
    Mount(String),
    /// Devices that the pod claims, of a driver of dynamic resources.
    Devices(String),
    /// The class of a claimed device is not there.
    NoDeviceClass(String),
    /// The claim with this name is still to be made, for an ephemeral volume.
    EphemeralClaim(String),
    /// Anything else, in the scheduler's words.
    Other(String),
}

/// Reads `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {a: b}. preemption: ...`: how many nodes
/// there are, and for each reason how many refuse for it.
pub(super) fn refusals(message: &str) -> (Option<u64>, Vec<(u64, Refusal)>) {
    // What follows is about preemption, in the same words.
    let ends = ["preemption:", "no new claims to deallocate", "still not schedulable"];
    let end = ends.iter().filter_map(|end| message.find(end)).min().unwrap_or(message.len());
    let message = message[..end].trim_end_matches([' ', '.', ',']);
    let total = message.split_once(" nodes are available").and_then(|(before, _)| before.rsplit_once('/'));
    let total = total.and_then(|(_, total)| total.parse().ok());
    let Some((_, reasons)) = message.split_once("nodes are available: ") else { return (total, Vec::new()) };
    // What a plugin says of the pod before it has looked at a node is without a count, and holds for all.
    if let Some(all) = total.filter(|_| !reasons.starts_with(|c: char| c.is_ascii_digit())) {
        return (Some(all), vec![(all, of_pod(reasons.trim_end_matches(". not found")))]);
    }
    let read = |part: &str| {
        let part = part.trim().trim_end_matches('.');
        let (count, reason) = part.split_once(' ')?;
        Some((count.parse().ok()?, refusal(reason)))
    };
    (total, reasons.split(", ").filter_map(read).collect())
}

/// Makes a refusal of the words it was said in.
type Reader = fn(&str) -> Refusal;

/// What the scheduler's plugins say of nodes they refuse, without `node(s)`, as of Kubernetes 1.36 (the `ErrReason` constants of
/// pkg/scheduler/framework/plugins/*) and, with a second spelling, of the releases before. Words that are not here are told as they
/// are: a rule that half fits would tell what is not so.
const WORDS: &[(&str, Reader)] = &[
    ("were unschedulable", |_| Refusal::Taint(Some("node.kubernetes.io/unschedulable".to_owned()))),
    ("had untolerated taint", taint),
    ("had taint", taint),
    ("didn't match Pod's node affinity/selector", |_| Refusal::Selector),
    ("didn't match node selector", |_| Refusal::Selector),
    ("didn't have free ports for the requested pod ports", |_| Refusal::Ports),
    ("unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use", |_| {
        Refusal::ClaimInUse
    }),
    ("had no available disk", mount),
    ("exceed max volume count", volume),
    ("didn't find available persistent volumes to bind", volume),
    ("had volume node affinity conflict", volume),
    ("did not have enough free storage", volume),
    ("didn't match PersistentVolume's node affinity", volume),
    ("unavailable due to one or more pvc(s) bound to non-existent pv(s)", |_| Refusal::VolumeGone),
    ("had no available volume zone", volume),
    ("didn't match pod topology spread constraints", pods),
    ("didn't match pod affinity", pods),
    ("didn't match pod anti-affinity", pods),
    ("didn't satisfy existing pods anti-affinity rules", pods),
    ("didn't satisfy existing pods affinity", pods),
    ("didn't match scheduler-enforced node affinity", pods),
    ("didn't match pod's enforced node affinity", pods),
    ("cannot allocate all claims", devices),
    ("resourceclaim not available on the node", devices),
];

/// What is said of the pod as a whole.
fn of_pod(reason: &str) -> Refusal {
    if let Some(class) = between(reason, "device class ", " does not exist") {
        return Refusal::NoDeviceClass(class.to_owned());
    }
    if reason.starts_with("waiting for ephemeral volume controller")
        && let Some(claim) = quoted(reason, "persistentvolumeclaim ")
    {
        return Refusal::EphemeralClaim(claim.to_owned());
    }
    if reason.contains("bound to non-existent persistentvolume") {
        return Refusal::VolumeGone;
    }
    match reason {
        "pod affinity terms conflict" => pods(reason),
        reason => refusal(reason),
    }
}

fn taint(reason: &str) -> Refusal {
    let inside = between(reason, "{", "}").map(str::trim);
    let key = inside.map(|inside| inside.split(':').next().unwrap_or(inside).trim().to_owned());
    Refusal::Taint(key.filter(|key| !key.is_empty()))
}

fn volume(reason: &str) -> Refusal {
    Refusal::Volume(reason.to_owned())
}

fn pods(reason: &str) -> Refusal {
    Refusal::Pods(reason.to_owned())
}

fn mount(reason: &str) -> Refusal {
    Refusal::Mount(reason.to_owned())
}

fn devices(reason: &str) -> Refusal {
    Refusal::Devices(reason.to_owned())
}

fn refusal(reason: &str) -> Refusal {
    let reason = reason.trim_start_matches("node(s) ");
    if let Some(resource) = reason.strip_prefix("Insufficient ") {
        return Refusal::Resource(resource.to_owned());
    }
    if reason == "Too many pods" {
        return Refusal::Resource("pods".to_owned());
    }
    // The name of the driver comes first.
    if reason.ends_with(" CSI driver is not installed on the node") {
        return mount(reason);
    }
    let known = WORDS.iter().find(|(words, _)| reason.starts_with(words));
    known.map_or_else(|| Refusal::Other(reason.to_owned()), |(_, refusal)| refusal(reason))
}
