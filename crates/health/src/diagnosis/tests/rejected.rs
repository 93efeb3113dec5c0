//! Pods that their node has rejected, hooks of containers, and what the runtime says of both moments of one error.

use super::{Line, Of, ago, json};
use rstest::rstest;
use serde_json::Value;

fn rejected(of: Of, nth: u32, reason: &str, message: &str) -> Of {
    of.owns(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("web-{nth}"), "namespace": "web", "uid": format!("pod-{nth}"), "creationTimestamp": ago(5)},
        "spec": {"nodeName": "node-1"}, "status": {"phase": "Failed", "reason": reason, "message": message},
    }))
}

#[rstest]
#[case::a_sysctl(
    "SysctlForbidden",
    "Pod was rejected: forbidden sysctl: \"kernel.msgmax\" not allowlisted",
    1,
    Line::Rejected
)]
#[case::a_sysctl_again(
    "SysctlForbidden",
    "Pod was rejected: forbidden sysctl: \"kernel.msgmax\" not allowlisted",
    3,
    Line::Unsupported
)]
#[case::no_room("OutOfcpu", "Pod was rejected: Node didn't have enough resource: cpu", 4, Line::Rejected)]
#[case::a_device(
    "UnexpectedAdmissionError",
    "Pod was rejected: Allocate failed due to no healthy devices present",
    4,
    Line::Rejected
)]
#[case::topology(
    "TopologyAffinityError",
    "Pod was rejected: Resources cannot be allocated with Topology locality",
    4,
    Line::Rejected
)]
#[case::affinity("NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed", 1, Line::Rejected)]
#[case::never_seen("BrandNew", "Pod was rejected: because", 1, Line::Rejected)]
#[case::evicted("Evicted", "The node was low on resource: memory.", 3, Line::Evicted)]
fn by_its_node(#[case] reason: &str, #[case] message: &str, #[case] pods: u32, #[case] line: Line) {
    let of = (0..pods).fold(Of::web(), |of, nth| rejected(of, nth, reason, message));
    let told = of.told();
    let words = message.trim_start_matches("Pod was rejected: ");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0 == line && told[0].1.contains(reason) && told[0].1.ends_with(words), "{told:?}");
}

/// A flood of pods that all suffer from the same is one cause, and is looked at in no time.
#[test]
fn ten_thousand_of_them() {
    let mut of = (0..10_000).fold(Of::web(), |of, nth| rejected(of, nth, "SysctlForbidden", "forbidden"));
    for nth in 0..10_000 {
        let mut event = json!({"kind": "Event", "type": "Warning", "reason": "SysctlForbidden", "message": "forbidden", "count": 1});
        event["involvedObject"] = json!({"kind": "Pod", "name": format!("web-{nth}"), "uid": format!("pod-{nth}")});
        of.0.events.push(std::sync::Arc::new(event));
    }
    let began = std::time::Instant::now();
    assert_eq!(of.told().len(), 1);
    // Without an index this takes minutes.
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

const MOUNT: &str = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: error mounting \"/var/lib/kubelet/pods/1/volumes/kubernetes.io~configmap/run\" to rootfs at \"/app/run.sh\": mount src=/proc/self/fd/6, dst=/app/run.sh, dstFd=/proc/thread-self/fd/11, flags=MS_BIND|MS_REC: not a directory: unknown";
const OTHER: &str = "failed to create containerd task: cgroups: cannot find cgroup mount destination: unknown";

/// The same words of the runtime are the same cause, whether the container waits or has ended.
#[rstest]
#[case::mount(MOUNT, 0, Line::ContainerRefused)]
#[case::mount_again(MOUNT, 4, Line::ContainerRefused)]
#[case::program("exec: \"nope\": executable file not found in $PATH: unknown", 0, Line::CannotStart)]
#[case::other(OTHER, 1, Line::ContainerNotMade)]
#[case::other_again(OTHER, 3, Line::ContainerRefused)]
fn at_whatever_moment(#[case] message: &str, #[case] restarts: u32, #[case] line: Line) {
    let ended = json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": message}});
    let moments = [
        json!({"restartCount": restarts, "state": {"waiting": {"reason": "RunContainerError", "message": message}}, "lastState": ended}),
        json!({"restartCount": restarts, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}, "lastState": ended}),
        json!({"restartCount": restarts, "state": ended}),
    ];
    let told: Vec<Vec<(Line, String)>> =
        moments.iter().map(|container| Of::web().container_since(30, container).told()).collect();
    assert_eq!(told[0][0].0, line, "{told:?}");
    assert!(told[0][0].1.len() < 300, "{told:?}");
    assert_eq!((&told[0], &told[0]), (&told[1], &told[2]));
}

#[rstest]
#[case::waits(json!({"restartCount": 1, "state": {"waiting": {"reason": "PostStartHookError", "message": "command 'sh -c register' exited with 7: no route"}}}), Line::PostStartFailingFew)]
#[case::killed(json!({"restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 137, "reason": "Error"}}}), Line::PostStartFailingFew)]
#[case::killed_again(json!({"restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 137, "reason": "Error"}}}), Line::PostStartFailing)]
fn a_hook_of_a_container(#[case] container: Value, #[case] line: Line) {
    let said = "PostStartHook failed: command 'sh -c register' exited with 7: no route";
    let of = Of::web().container_since(30, &container).event("Pod/web-1", "FailedPostStartHook", said);
    let told = of.told();
    assert!(told[0].0 == line && told[0].1.contains("exited with 7: no route"), "{told:?}");
}

/// A program that ends by itself after its hook has worked.
#[test]
fn a_hook_that_has_worked_since() {
    let container = json!({"restartCount": 2, "ready": false, "state": {"running": {"startedAt": ago(0)}},
        "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}}});
    let of = Of::web().container_since(90, &container).events("Pod/web-1", "FailedPostStartHook", "failed", 1, 80);
    assert_eq!(of.told()[0].0, Line::CrashingFew);
}
