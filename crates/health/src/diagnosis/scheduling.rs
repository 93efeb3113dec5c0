//! Pods that no node takes.

use super::draft::Draft;
use super::evidence::{Evidence, Want, Whereabouts};
use super::line::{GRACE, Line};
use super::read::{
    Seen, around, events_about, list, name, namespace, object, one_line, quoted, seconds_since, text, time, was_read,
    whereabouts,
};
use super::scheduler_words::{Refusal, refusals};
use super::storage;
use super::surroundings::AtWork;
use jiff::Timestamp;
use pilothouse_core::{parse_quantity, pod_amount, show_quantity};
use serde_json::Value;

/// Why a pod with this `PodScheduled` condition is not scheduled.
pub(super) fn causes(evidence: &Evidence, pod: &Value, scheduled: &Value, now: Timestamp) -> Vec<Draft> {
    let message = text(scheduled, "/message");
    let since = time(scheduled, "/lastTransitionTime").or_else(|| time(pod, "/metadata/creationTimestamp"));
    let says = format!("pod {}, {}: {}", name(pod), text(scheduled, "/reason"), one_line(message));
    // The claim itself, and not a volume that it is bound to, nor one that is only being made.
    let of_claim = message.contains("persistentvolumeclaim") && message.contains("not found");
    if of_claim && !["bound to non-existent", "waiting for ephemeral"].iter().any(|words| message.contains(words)) {
        let claim = quoted(message, "persistentvolumeclaim ").unwrap_or_default();
        return vec![storage::claim_missing(evidence, namespace(pod), claim, since, now).seen(says)];
    }
    if message.contains("unbound immediate PersistentVolumeClaims")
        || message.contains("available persistent volumes to bind")
    {
        let mut drafts = storage::unbound(evidence, now);
        if drafts.is_empty() {
            let claims = storage::claims_of(pod);
            let root = format!("PersistentVolumeClaim {}/{}", namespace(pod), claims.first().unwrap_or(&"?"));
            drafts.push(Draft::new(Line::ClaimWaiting, &root, format!("{root} is not bound to a volume")));
        }
        return drafts.into_iter().map(|draft| draft.seen(says.clone())).collect();
    }
    if let Some(gated) = gated(evidence, pod) {
        return vec![gated.seen(says)];
    }
    let (total, refusals) = refusals(message);
    let context = Context { evidence, pod, waited: seconds_since(since, now) >= GRACE, total };
    let draft = if refusals.is_empty() {
        if message.contains("no nodes available") || total == Some(0) {
            Draft::new(Line::ResourcesShort, "nodes", "the cluster has no nodes that take pods")
                .next("kubectl get nodes")
        } else {
            let why =
                if message.is_empty() { "the scheduler has not taken it yet".to_owned() } else { one_line(message) };
            Draft::new(Line::Unknown, evidence.object.to_string(), format!("pod {}: {why}", name(pod)))
        }
    } else {
        context.decide(&refusals)
    };
    let scaling = context.scaling().map(|seen| seen.says());
    vec![draft.seen(says).all_seen(scaling).amid(context.at_work())]
}

/// A pod that the scheduler does not look at yet.
fn gated(evidence: &Evidence, pod: &Value) -> Option<Draft> {
    let names: Vec<&str> = list(pod, "/spec/schedulingGates").iter().map(|gate| text(gate, "/name")).collect();
    (!names.is_empty()).then(|| {
        let (pod, gates) = (name(pod), names.join(", "));
        let why = format!("pod {pod} is not scheduled before its scheduling gates are taken off: {gates}");
        Draft::new(Line::Waiting, format!("{} scheduling gates", evidence.object), why)
            .next("look at the controller that sets these gates")
    })
}

/// What a decision needs to know.
struct Context<'a> {
    evidence: &'a Evidence,
    pod: &'a Value,
    /// Whether it has been so for a while.
    waited: bool,
    /// The nodes the scheduler has looked at.
    total: Option<u64>,
}

impl<'a> Context<'a> {
    /// The reason that counts is that of the nodes which come nearest to taking the pod. The scheduler asks in the order taints,
    /// selector, resources, volumes, other pods, and tells of each node where it stopped.
    fn decide(&self, refusals: &[(u64, Refusal)]) -> Draft {
        if self.fitting_nodes().is_some_and(|fitting| fitting.is_empty())
            && refusals.iter().any(|(_, r)| *r == Refusal::Selector)
        {
            return self.selector(false);
        }
        let all_fitting_tainted = refusals.iter().all(|(_, r)| matches!(r, Refusal::Taint(_) | Refusal::Selector))
            && refusals.iter().any(|(_, r)| matches!(r, Refusal::Taint(_)))
            && self.fitting_nodes().is_some_and(|fitting| !fitting.is_empty());
        let nearness = |refusal: &Refusal| match refusal {
            Refusal::Pods(_) => 5,
            Refusal::Volume(_)
            | Refusal::ClaimInUse
            | Refusal::VolumeGone
            | Refusal::Mount(_)
            | Refusal::Devices(_)
            | Refusal::NoDeviceClass(_)
            | Refusal::EphemeralClaim(_) => 4,
            Refusal::Resource(_) => 3,
            Refusal::Ports => 2,
            Refusal::Taint(_) if all_fitting_tainted => 2,
            // Nobody knows where the scheduler was with it; what is said of the others is true of them alone.
            Refusal::Other(_) => 2,
            Refusal::Selector => 1,
            Refusal::Taint(_) => 0,
        };
        let Some((_, nearest)) = refusals.iter().max_by_key(|(_, refusal)| nearness(refusal)) else {
            return self.selector(false);
        };
        match nearest {
            Refusal::Resource(_) => {
                let lacking = refusals.iter().filter_map(|(_, refusal)| match refusal {
                    Refusal::Resource(resource) => Some(resource.as_str()),
                    _ => None,
                });
                self.resources(&lacking.collect::<Vec<_>>())
            }
            Refusal::Ports => {
                let why = self.nodes_say("another pod has a host port that it asks for");
                Draft::new(Line::ResourcesShort, "nodes with the host port free", why)
                    .next("leave hostPort and hostNetwork out in the values, lower the replicas, or add nodes")
            }
            Refusal::Selector => self.selector(refusals.len() == 1),
            Refusal::Taint(_) => {
                let keys = refusals.iter().filter_map(|(_, refusal)| match refusal {
                    Refusal::Taint(key) => key.as_deref(),
                    _ => None,
                });
                self.taint(keys.collect())
            }
            Refusal::Pods(reason) => {
                let (root, why) = (format!("{} affinity", self.evidence.object), self.nodes_say(reason));
                Draft::new(Line::AffinityUnmet, root, why)
                    .next("relax affinity or topologySpreadConstraints in the values, lower the replicas, or add nodes")
            }
            Refusal::Volume(reason) => {
                let root = format!("{} volumes", self.evidence.object);
                Draft::new(Line::AffinityUnmet, root, self.nodes_say(reason))
                    .next("kubectl get pv: the nodes that can reach the volume have no room, or are in another zone")
            }
            Refusal::ClaimInUse => self.claim_in_use(),
            Refusal::VolumeGone => self.claim_waits(None, "is bound to a volume that does not exist"),
            Refusal::EphemeralClaim(claim) => self.claim_waits(
                Some(claim),
                "has not been made yet: waiting for ephemeral volume controller to create it",
            ),
            Refusal::Mount(reason) => Draft::new(
                Line::MountFailing,
                format!("{} volumes", self.evidence.object),
                self.nodes_say(reason),
            )
            .next("kubectl get csinodes: the driver of the volume must run on the node, with room for another disk"),
            Refusal::Devices(reason) => Draft::new(
                Line::ResourcesShort,
                format!("devices that {} claims", self.evidence.object),
                self.nodes_say(reason),
            )
            .next("kubectl get resourceslices,deviceclasses: a driver must offer such devices, and enough of them"),
            Refusal::NoDeviceClass(class) => {
                let line = if self.waited { Line::ClassMissing } else { Line::ClassMissingYet };
                let root = format!("DeviceClass {class}");
                Draft::new(line, &root, format!("{root} does not exist"))
                    .next("kubectl get deviceclasses, and correct its name in the values")
            }
            Refusal::Other(reason) => {
                Draft::new(Line::Unknown, self.evidence.object.to_string(), self.nodes_say(reason))
            }
        }
    }

    /// The claims the pod mounts.
    fn claims(&self) -> String {
        let claims = storage::claims_of(self.pod).into_iter();
        let claims = claims.map(|claim| format!("PersistentVolumeClaim {}/{claim}", namespace(self.pod)));
        let claims = claims.collect::<Vec<_>>().join(" or ");
        if claims.is_empty() { format!("a PersistentVolumeClaim of {}", self.evidence.object) } else { claims }
    }

    /// A claim that has no volume, or is not there yet.
    fn claim_waits(&self, claim: Option<&str>, why: &str) -> Draft {
        let namespace = namespace(self.pod);
        let root = claim.map(|claim| format!("PersistentVolumeClaim {namespace}/{claim}"));
        let root = root.unwrap_or_else(|| self.claims());
        Draft::new(Line::ClaimWaiting, &root, format!("{root} {why}"))
            .next(format!("kubectl get pvc,pv,events -n {namespace}"))
    }

    fn claim_in_use(&self) -> Draft {
        let namespace = namespace(self.pod);
        let root = self.claims();
        let why = format!("{root} is used by another pod, and its access mode ReadWriteOncePod allows one");
        Draft::new(Line::MountFailing, root, why)
            .next(format!("kubectl get pods -n {namespace}: end the pod that uses the claim, or run one replica with the strategy Recreate"))
    }

    fn nodes_say(&self, reason: &str) -> String {
        match self.total {
            Some(total) => format!("none of {total} nodes takes the pod: {reason}"),
            None => format!("no node takes the pod: {reason}"),
        }
    }

    fn nodes(&self) -> Vec<&'a Value> {
        around(&self.evidence.around, "Node").collect()
    }

    /// The nodes with the labels the pod asks for; `None` when the nodes are not known, or what it asks for is more than labels.
    fn fitting_nodes(&self) -> Option<Vec<&'a Value>> {
        let nodes = self.nodes();
        let selector = self.pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
        let affinity = list(
            self.pod,
            "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms",
        );
        if nodes.is_empty() || !affinity.is_empty() {
            return None;
        }
        let has = |node: &&Value| {
            let labels = node.pointer("/metadata/labels");
            selector.into_iter().flatten().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
        };
        Some(nodes.into_iter().filter(has).collect())
    }

    /// The sign that nodes are being added, or may be.
    fn scaling(&self) -> Option<Seen<'a>> {
        let events = events_about(self.evidence, self.pod);
        events
            .into_iter()
            .rev()
            .find(|seen| matches!(seen.reason, "TriggeredScaleUp" | "Nominated" | "NotTriggerScaleUp"))
    }

    /// Whether an autoscaler may add nodes: it says so, or one is there and does not say that it will not.
    fn may_scale(&self) -> bool {
        if let Some(seen) = self.scaling() {
            return seen.reason != "NotTriggerScaleUp";
        }
        let karpenter = around(&self.evidence.around, "NodePool").next().is_some();
        let cluster_autoscaler = matches!(
            whereabouts(self.evidence, "ConfigMap", "kube-system", "cluster-autoscaler-status"),
            Some(Whereabouts::There { .. })
        );
        karpenter || cluster_autoscaler
    }

    /// Who may add nodes, or that nobody could look for that.
    fn at_work(&self) -> Option<AtWork> {
        let is_known = autoscalers().iter().all(|want| was_read(self.evidence, want));
        if self.may_scale() { Some(AtWork::Autoscaler) } else { (!is_known).then_some(AtWork::Unseen) }
    }

    /// No node has the labels the pod asks for. `by_all`: every node the scheduler has looked at refuses for that.
    fn selector(&self, by_all: bool) -> Draft {
        let selector = self.pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
        let labels: Vec<String> = selector
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect();
        if labels.is_empty() {
            let why = self.nodes_say("none meets its required node affinity");
            let line = if by_all && self.waited { Line::AffinityUnmatched } else { Line::AffinityUnmet };
            return Draft::new(line, format!("{} node affinity", self.evidence.object), why)
                .next("kubectl get nodes --show-labels, and correct affinity.nodeAffinity in the values");
        }
        let labels = labels.join(", ");
        let certain = self.waited && self.fitting_nodes().is_some_and(|fitting| fitting.is_empty());
        let line = if certain { Line::SelectorUnmatched } else { Line::SelectorUnmatchedYet };
        let why = match self.total {
            Some(total) => format!("none of {total} nodes has the labels {labels}"),
            None => format!("no node has the labels {labels}"),
        };
        let keys: Vec<&str> = selector.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let draft = Draft::new(line, format!("nodes with {labels}"), why)
            .next(format!("kubectl get nodes -L {}, and correct nodeSelector in the values", keys.join(",")));
        let seen = keys.iter().filter_map(|key| self.values_of(key));
        draft.all_seen(seen)
    }

    /// The values the nodes have of a label.
    fn values_of(&self, key: &str) -> Option<String> {
        let nodes = self.nodes();
        let values = nodes.iter().filter_map(|node| node.pointer("/metadata/labels")?.get(key)?.as_str());
        let mut values: Vec<&str> = values.collect();
        values.sort_unstable();
        values.dedup();
        match (nodes.is_empty(), values.is_empty()) {
            (true, _) => None,
            (false, true) => Some(format!("no node has the label {key}")),
            (false, false) => Some(format!("the nodes have {key}={}", values.join(", "))),
        }
    }

    fn taint(&self, named: Vec<&str>) -> Draft {
        let nodes = self.nodes();
        let of_nodes = nodes.iter().flat_map(|node| list(node, "/spec/taints")).filter(|taint| {
            matches!(text(taint, "/effect"), "NoSchedule" | "NoExecute")
                && !self.pod.get("spec").is_some_and(|spec| tolerates(spec, taint))
        });
        let mut taints: Vec<String> = of_nodes
            .map(|taint| match text(taint, "/value") {
                "" => format!("{}:{}", text(taint, "/key"), text(taint, "/effect")),
                value => format!("{}={value}:{}", text(taint, "/key"), text(taint, "/effect")),
            })
            .collect();
        if taints.is_empty() {
            taints = named.into_iter().map(str::to_owned).collect();
        }
        taints.sort_unstable();
        taints.dedup();
        let passes = taints.is_empty() || taints.iter().any(|taint| goes_by_itself(taint));
        let line = if self.waited && !passes && !nodes.is_empty() { Line::Tainted } else { Line::TaintedYet };
        let taints = if taints.is_empty() { "a taint".to_owned() } else { taints.join(", ") };
        let why = self.nodes_say(&format!("it does not tolerate {taints}"));
        Draft::new(line, format!("taint {taints}"), why)
            .next("add a toleration in the values, or remove the taint: kubectl taint nodes NODE KEY-")
    }

    fn resources(&self, lacking: &[&str]) -> Draft {
        let nodes = self.fitting_nodes().unwrap_or_else(|| self.nodes());
        let mut never = false;
        let says: Vec<String> = lacking
            .iter()
            .map(|resource| {
                let wanted = requested(self.pod, resource);
                let largest = nodes
                    .iter()
                    .filter_map(|node| Some((parse_quantity(allocatable(node, resource)?)?, *node)))
                    .max_by(|(a, _), (b, _)| a.total_cmp(b));
                let shown = |amount: f64| show_quantity(amount, resource);
                // Devices are there when their driver has started on the node.
                let Some((most, node)) = largest.filter(|(most, _)| *most > 0.0 || !is_device(resource)) else {
                    if !nodes.is_empty() {
                        never |= !is_device(resource);
                        return format!("it asks for {} {resource}, and no node has any", shown(wanted));
                    }
                    return format!("it asks for {} {resource}, and no node has that free", shown(wanted));
                };
                if wanted > most {
                    never = true;
                    return format!(
                        "it asks for {} {resource}, and the largest node ({}) has {}: {} short",
                        shown(wanted),
                        name(node),
                        shown(most),
                        shown(wanted - most)
                    );
                }
                format!("it asks for {} {resource}; the largest node has {}, but not free", shown(wanted), shown(most))
            })
            .collect();
        let line = if never && self.waited { Line::ResourcesNever } else { Line::ResourcesShort };
        let mut lacking = lacking.to_vec();
        lacking.sort_unstable();
        Draft::new(line, format!("nodes with enough {}", lacking.join(" and ")), self.nodes_say(&says.join("; ")))
            .next("lower resources.requests in the values, or add nodes that are large enough")
            .next("kubectl describe nodes | grep -A8 'Allocated resources'")
    }
}

/// Whether a taint, `key=value:effect`, is one that goes without people: of Kubernetes, of what is still starting on a node, or
/// of who adds and removes nodes.
fn goes_by_itself(taint: &str) -> bool {
    let key = taint.split(['=', ':']).next().unwrap_or(taint);
    let of = ["node.kubernetes.io/", "node.cloudprovider", "karpenter.sh/", "node.cilium.io/", "ebs.csi.aws.com/"];
    let ends = ["not-ready", "uninitialized"];
    of.iter().any(|start| key.starts_with(start))
        || ends.iter().any(|end| key.ends_with(end))
        || key.ends_with("OfClusterAutoscaler")
        || key.ends_with("ByClusterAutoscaler")
}

/// Whether a resource is a device that a driver tells of (`nvidia.com/gpu`), not one of Kubernetes.
fn is_device(resource: &str) -> bool {
    resource.contains('/')
}

fn allocatable<'a>(node: &'a Value, resource: &str) -> Option<&'a str> {
    node.pointer("/status/allocatable")?.get(resource)?.as_str()
}

/// What a pod asks for: its containers together, or its largest init container, with its overhead.
fn requested(pod: &Value, resource: &str) -> f64 {
    if resource == "pods" {
        return 1.0;
    }
    pod.get("spec").map(|spec| pod_amount(spec, "requests", resource)).unwrap_or_default()
}

/// Whether pods with this spec may be scheduled onto a node, as far as its taints go.
pub fn tolerates_taints(spec: &Value, node: &Value) -> bool {
    let keeps_away = |taint: &&Value| matches!(text(taint, "/effect"), "NoSchedule" | "NoExecute");
    list(node, "/spec/taints").iter().filter(keeps_away).all(|taint| tolerates(spec, taint))
}

fn tolerates(spec: &Value, taint: &Value) -> bool {
    list(spec, "/tolerations").iter().any(|toleration| {
        let (key, effect) = (text(toleration, "/key"), text(toleration, "/effect"));
        let exists = text(toleration, "/operator") == "Exists";
        (effect.is_empty() || effect == text(taint, "/effect"))
            && ((key.is_empty() && exists) || key == text(taint, "/key"))
            && (exists || text(toleration, "/value") == text(taint, "/value"))
    })
}

/// What tells whether an autoscaler is there.
fn autoscalers() -> [Want; 2] {
    [
        Want::All {
            api_version: "karpenter.sh/v1".to_owned(),
            kind: "NodePool".to_owned(),
            namespace: None,
            labels: None,
        },
        Want::Keys(object("v1", "ConfigMap", "kube-system", "cluster-autoscaler-status")),
    ]
}

/// The nodes, whether somebody adds any, and the claims the pod waits for.
pub(super) fn wanted(pod: &Value) -> Vec<Want> {
    let Some(scheduled) = super::read::condition(pod, "PodScheduled") else { return Vec::new() };
    let message = text(scheduled, "/message");
    let of_claims = message.contains("persistentvolumeclaim \"")
        || message.contains("unbound immediate PersistentVolumeClaims")
        || message.contains("persistent volumes to bind");
    if of_claims {
        return storage::wanted_of_pod(pod);
    }
    let nodes = Want::All { api_version: "v1".to_owned(), kind: "Node".to_owned(), namespace: None, labels: None };
    std::iter::once(nodes).chain(autoscalers()).collect()
}
