//! Pods of older revisions of their workload.

use super::{Of, ago, all};
use crate::diagnosis::line::Line;
use rstest::rstest;
use serde_json::{Value, json};

/// A StatefulSet or DaemonSet whose new revision is `web-new`.
fn set(kind: &str, spec: &Value) -> Of {
    Of::object(json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web", "namespace": "web", "uid": "set"}, "spec": spec,
        "status": {"updateRevision": if kind == "StatefulSet" { "web-new" } else { "" }, "desiredNumberScheduled": 1, "currentNumberScheduled": 1},
    }))
}

/// A pod that has crashed so often.
fn crashing(of: Of, name: &str, revision: &str, restarts: i64) -> Of {
    of.owns(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "web", "uid": name, "labels": {"controller-revision-hash": revision}},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "web", "restartCount": restarts, "ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "finishedAt": ago(5)}},
        }]},
    }))
}

const OLD: &str = "Pod web/web-0 is of an older revision and not ready: the StatefulSet waits until it is ready before it makes the pod anew";
const BY_HAND: &str = "Pod web/web-0 is of an older revision and not ready: its update strategy is OnDelete, so that nothing makes the pod anew";

#[rstest]
#[case::certain(json!({}), 5, Line::OldPodBlocks, OLD)]
#[case::may_pass(json!({}), 1, Line::OldPodBlocksYet, OLD)]
#[case::ordered(json!({"podManagementPolicy": "OrderedReady"}), 5, Line::OldPodBlocks, OLD)]
#[case::by_hand(json!({"podManagementPolicy": "Parallel", "updateStrategy": {"type": "OnDelete"}}), 5, Line::OldPodBlocks, BY_HAND)]
fn an_old_pod_is_in_the_way(#[case] spec: Value, #[case] restarts: i64, #[case] line: Line, #[case] why: &str) {
    let of = crashing(set("StatefulSet", &spec), "web-0", "web-old", restarts);
    of.tells(line, why);
    let cause = crate::causes(&of.0, super::now()).remove(0);
    assert_eq!(cause.next, ["kubectl delete pod -n web web-0: it is made anew as it is wanted now"]);
    assert_eq!(cause.evidence, ["the pod of the older revision: container web ends with exit code 1"]);
}

#[rstest]
#[case::new(json!({}), "web-0", "web-new")]
#[case::below_the_partition(json!({"updateStrategy": {"rollingUpdate": {"partition": 1}}}), "web-0", "web-old")]
fn a_pod_as_it_is_wanted_is_a_cause(#[case] spec: Value, #[case] name: &str, #[case] revision: &str) {
    let of = crashing(set("StatefulSet", &spec), name, revision, 5);
    of.tells(Line::Crashing, "container web ends with exit code 1");
}

/// Its controller deletes old pods that are not ready first.
#[test]
fn an_old_pod_is_no_cause_where_it_is_replaced() {
    let of = crashing(set("StatefulSet", &json!({"podManagementPolicy": "Parallel"})), "web-0", "web-old", 5);
    of.tells(Line::Unknown, "0 of 1 pods are ready");
}

#[test]
fn the_revisions_of_a_daemon_set_are_read() {
    let of = || crashing(set("DaemonSet", &json!({})), "web-x", "old", 5);
    let want = all("apps/v1", "ControllerRevision", Some("web"));
    assert!(crate::wanted(&of().0, super::now()).contains(&want));
    of().tells(Line::Crashing, "container web ends with exit code 1");
    let revision = |name: &str, revision: i64, owner: &str| {
        json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": revision,
            "metadata": {"name": name, "labels": {"controller-revision-hash": name}, "ownerReferences": [{"uid": owner}]},
        })
    };
    let known = |of: Of| {
        of.around(revision("old", 9, "set")).around(revision("new", 10, "set")).around(revision("other", 11, "another"))
    };
    known(of()).tells(Line::Unknown, "0 of 1 pods are ready");
    known(crashing(set("DaemonSet", &json!({})), "web-x", "new", 5))
        .tells(Line::Crashing, "container web ends with exit code 1");
}
