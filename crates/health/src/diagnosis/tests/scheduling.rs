//! Pods that no node takes.

use super::{Of, ago, all, object, there};
use crate::diagnosis::Want;
use crate::diagnosis::line::Line;
use crate::diagnosis::scheduler_words::{Refusal, refusals};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

#[test]
fn the_words_of_the_scheduler() {
    let message = "0/6 nodes are available: 1 Insufficient cpu, 1 Too many pods, 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {gpu: true}, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. no new claims to deallocate, preemption: 0/6 nodes are available: 6 Preemption is not helpful for scheduling.";
    let expected = vec![
        (1, Refusal::Resource("cpu".to_owned())),
        (1, Refusal::Resource("pods".to_owned())),
        (1, Refusal::Selector),
        (1, Refusal::Taint(Some("gpu".to_owned()))),
        (1, Refusal::Taint(None)),
        (1, Refusal::Taint(Some("node.kubernetes.io/unschedulable".to_owned()))),
    ];
    assert_eq!(refusals(message), (Some(6), expected));
}

proptest! {
    #[test]
    fn any_words_are_read(message in ".{0,40}nodes are available: .{0,60}") {
        let _ = refusals(&message);
    }
}

/// A pod that is not scheduled for this reason.
fn refused(seconds: i64, spec: &Value, reasons: &str) -> Of {
    let message =
        format!("{reasons}. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.");
    Of::web().pod_since(
        seconds,
        spec,
        &json!({"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": ago(seconds),
        }]}),
    )
}

fn node(name: &str, labels: &Value, cpu: &str, taints: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {"taints": taints},
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi"}},
    })
}

fn nodes(of: Of) -> Of {
    of.around(node("a", &json!({"disk": "hdd"}), "4", &json!([]))).around(node(
        "b",
        &json!({"disk": "hdd"}),
        "8",
        &json!([]),
    ))
}

/// Nobody adds nodes: looked for and not found.
fn no_autoscaler(of: Of) -> Of {
    of.read(all("karpenter.sh/v1", "NodePool", None))
        .read(Want::Keys(object("v1", "ConfigMap/kube-system/cluster-autoscaler-status")))
}

fn asks(cpu: &str) -> Value {
    json!({"containers": [{"name": "web", "resources": {"requests": {"cpu": cpu}}}]})
}

const NO_CPU: &str = "0/2 nodes are available: 2 Insufficient cpu";
const SHORT: &str = "none of 2 nodes takes the pod: it asks for 64 cpu, and the largest node (b) has 8: 56 short";

#[test]
fn more_than_any_node_has() {
    let of = |seconds| nodes(refused(seconds, &asks("64"), NO_CPU));
    no_autoscaler(of(31)).tells(Line::ResourcesNever, SHORT);
    no_autoscaler(of(5)).tells(Line::ResourcesShort, SHORT);
    of(31).tells(Line::ResourcesShort, SHORT);
    assert_eq!(of(31).roots(), ["nodes with enough cpu"]);
}

#[test]
fn an_autoscaler_may_add_nodes() {
    let of = || no_autoscaler(nodes(refused(60, &asks("64"), NO_CPU)));
    of().around(json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "a"}}))
        .tells(Line::ResourcesShort, SHORT);
    of().referred("ConfigMap/kube-system/cluster-autoscaler-status", there(&["status"]))
        .tells(Line::ResourcesShort, SHORT);
    of().event("Pod/web-1", "TriggeredScaleUp", "pod triggered scale-up: [{a 1->2 (max: 3)}]")
        .tells(Line::ResourcesShort, SHORT);
    let refuses = of().referred("ConfigMap/kube-system/cluster-autoscaler-status", there(&["status"])).event(
        "Pod/web-1",
        "NotTriggerScaleUp",
        "pod didn't trigger scale-up: 1 Insufficient cpu",
    );
    refuses.tells(Line::ResourcesNever, SHORT);
}

#[test]
fn a_read_that_failed_is_no_proof() {
    let mut of = no_autoscaler(nodes(refused(60, &asks("64"), NO_CPU)));
    of.0.unanswered.push(all("karpenter.sh/v1", "NodePool", None));
    of.tells(Line::ResourcesShort, SHORT);
}

#[test]
fn a_host_port_that_is_taken() {
    let message = "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports";
    let spec = json!({"containers": [{"name": "web", "ports": [{"hostPort": 80}]}]});
    let of = no_autoscaler(nodes(refused(600, &spec, message)));
    of.tells(Line::ResourcesShort, "none of 2 nodes takes the pod: another pod has a host port that it asks for");
}

#[test]
fn others_have_taken_the_room() {
    let of = no_autoscaler(nodes(refused(60, &asks("6"), NO_CPU)));
    of.tells(
        Line::ResourcesShort,
        "none of 2 nodes takes the pod: it asks for 6 cpu; the largest node has 8, but not free",
    );
}

#[test]
fn what_no_node_has_at_all() {
    let spec = json!({"containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]});
    let of = no_autoscaler(nodes(refused(60, &spec, "0/2 nodes are available: 2 Insufficient nvidia.com/gpu")));
    // Its driver may be starting.
    of.tells(Line::ResourcesShort, "none of 2 nodes takes the pod: it asks for 1 nvidia.com/gpu, and no node has any");
    let few = of.around(json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "c"}, "status": {"allocatable": {"nvidia.com/gpu": "0"}},
    }));
    few.tells(Line::ResourcesShort, "none of 2 nodes takes the pod: it asks for 1 nvidia.com/gpu, and no node has any");
    let spec = json!({"containers": [{"resources": {"requests": {"hugepages-2Mi": "1"}}}]});
    let of = no_autoscaler(nodes(refused(60, &spec, "0/2 nodes are available: 2 Insufficient hugepages-2Mi")));
    of.tells(Line::ResourcesNever, "none of 2 nodes takes the pod: it asks for 1 hugepages-2Mi, and no node has any");
}

#[test]
fn a_selector_that_no_node_has() {
    let spec = json!({"nodeSelector": {"disk": "ssd"}});
    let message = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector";
    let why = "none of 2 nodes has the labels disk=ssd";
    no_autoscaler(nodes(refused(31, &spec, message))).tells(Line::SelectorUnmatched, why);
    no_autoscaler(nodes(refused(3, &spec, message))).tells(Line::SelectorUnmatchedYet, why);
    no_autoscaler(refused(31, &spec, message)).tells(Line::SelectorUnmatchedYet, why);
    // A taint on a node without the labels does not matter.
    let mixed = "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {a: b}";
    no_autoscaler(nodes(refused(31, &spec, mixed))).tells(Line::SelectorUnmatched, why);
}

#[test]
fn a_required_node_affinity() {
    let spec = json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]}}}});
    let message = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector";
    let why = "none of 2 nodes takes the pod: none meets its required node affinity";
    no_autoscaler(nodes(refused(31, &spec, message))).tells(Line::AffinityUnmatched, why);
    nodes(refused(31, &spec, message)).tells(Line::AffinityUnmet, why);
}

#[rstest]
#[case::by_people("gpu", Line::Tainted)]
#[case::by_kubernetes("node.kubernetes.io/not-ready", Line::TaintedYet)]
#[case::by_the_network("node.cilium.io/agent-not-ready", Line::TaintedYet)]
#[case::by_a_driver("ebs.csi.aws.com/agent-not-ready", Line::TaintedYet)]
#[case::by_who_adds_nodes("karpenter.sh/unregistered", Line::TaintedYet)]
#[case::by_who_removes_nodes("ToBeDeletedByClusterAutoscaler", Line::TaintedYet)]
#[case::by_any_agent("example.com/storage-not-ready", Line::TaintedYet)]
fn taints(#[case] key: &str, #[case] line: Line) {
    let of = refused(31, &json!({}), &format!("0/1 nodes are available: 1 node(s) had untolerated taint {{{key}: }}"))
        .around(node("a", &json!({}), "4", &json!([{"key": key, "effect": "NoSchedule"}])));
    no_autoscaler(of).tells(line, &format!("none of 1 nodes takes the pod: it does not tolerate {key}:NoSchedule"));
}

#[test]
fn the_node_with_the_labels_is_tainted() {
    let of = refused(
        31,
        &json!({"nodeSelector": {"gpu": "yes"}}),
        "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s)",
    );
    let of = of.around(node("a", &json!({}), "4", &json!([])));
    let of = of.around(node(
        "b",
        &json!({"gpu": "yes"}),
        "4",
        &json!([{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]),
    ));
    no_autoscaler(of).tells(Line::Tainted, "none of 2 nodes takes the pod: it does not tolerate gpu=yes:NoSchedule");
}

#[rstest]
#[case("node(s) didn't match pod affinity rules")]
#[case("node(s) didn't match pod anti-affinity rules")]
#[case("node(s) didn't match pod topology spread constraints")]
#[case("node(s) had volume node affinity conflict")]
#[case("node(s) didn't match PersistentVolume's node affinity")]
#[case("node(s) didn't match scheduler-enforced node affinity")]
#[case("node(s) didn't match pod's enforced node affinity")]
fn what_depends_on_others(#[case] reason: &str) {
    let of = no_autoscaler(nodes(refused(
        600,
        &json!({}),
        &format!("0/2 nodes are available: 1 Insufficient cpu, 1 {reason}"),
    )));
    of.tells(Line::AffinityUnmet, &format!("none of 2 nodes takes the pod: {}", reason.trim_start_matches("node(s) ")));
}

/// The words of the plugins for devices and volumes; what a plugin says before it has looked at any node has no count.
#[rstest]
#[case::devices(
    "2 cannot allocate all claims. still not schedulable",
    "UNSCHEDULABLE_RESOURCES",
    "none of 2 nodes takes the pod: cannot allocate all claims"
)]
#[case::a_device_elsewhere(
    "2 resourceclaim not available on the node",
    "UNSCHEDULABLE_RESOURCES",
    "none of 2 nodes takes the pod: resourceclaim not available on the node"
)]
#[case::no_class(
    "request gpu: device class gpu.example.com does not exist. not found",
    "CLASS_MISSING",
    "DeviceClass gpu.example.com does not exist"
)]
#[case::terms(
    "pod affinity terms conflict. not found",
    "UNSCHEDULABLE_AFFINITY",
    "none of 2 nodes takes the pod: pod affinity terms conflict"
)]
#[case::no_volume(
    "2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
    "PVC_UNBOUND",
    "PersistentVolumeClaim web/data is bound to a volume that does not exist"
)]
#[case::no_such_volume(
    "persistentvolumeclaim \"data\" bound to non-existent persistentvolume \"pv-1\". not found",
    "PVC_UNBOUND",
    "PersistentVolumeClaim web/data is bound to a volume that does not exist"
)]
#[case::ephemeral(
    "waiting for ephemeral volume controller to create the persistentvolumeclaim \"web-data\". not found",
    "PVC_UNBOUND",
    "PersistentVolumeClaim web/web-data has not been made yet: waiting for ephemeral volume controller to create it"
)]
#[case::no_disk(
    "2 node(s) had no available disk",
    "VOLUME_MOUNT_FAILED",
    "none of 2 nodes takes the pod: had no available disk"
)]
#[case::no_driver(
    "2 ebs.csi.aws.com CSI driver is not installed on the node",
    "VOLUME_MOUNT_FAILED",
    "none of 2 nodes takes the pod: ebs.csi.aws.com CSI driver is not installed on the node"
)]
#[case::no_claim(
    "persistentvolumeclaim \"data\" not found. not found",
    "VOLUME_MOUNT_FAILED",
    "PersistentVolumeClaim web/data does not exist, and a volume of the pod is to be it"
)]
fn volumes_and_devices(#[case] reason: &str, #[case] code: &str, #[case] why: &str) {
    let spec = json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]});
    let of = no_autoscaler(nodes(refused(5, &spec, &format!("0/2 nodes are available: {reason}"))));
    let told: Vec<_> = of.told().into_iter().map(|(line, why)| (line.rule().code, why)).collect();
    assert_eq!(told, [(code, why.to_owned())]);
    assert!(!of.certain());
}

#[test]
fn a_cluster_without_nodes() {
    let of = refused(60, &json!({}), "no nodes available to schedule pods");
    of.tells(Line::ResourcesShort, "the cluster has no nodes that take pods");
}

#[test]
fn what_is_read_of_nodes() {
    refused(5, &asks("64"), NO_CPU).wants(&[
        all("v1", "Node", None),
        all("karpenter.sh/v1", "NodePool", None),
        Want::Keys(object("v1", "ConfigMap/kube-system/cluster-autoscaler-status")),
    ]);
}
