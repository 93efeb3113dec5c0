//! Definitions, namespaces, load balancers, rollouts, and objects that are gone.

use super::{Of, ago};
use crate::diagnosis::Want;
use crate::diagnosis::line::Line;
use pilothouse_core::{ObjectStatus, Readiness};
use rstest::rstest;
use serde_json::{Value, json};

fn crd(conditions: &Value) -> Of {
    Of::object(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {"names": {"plural": "widgets"}}, "status": {"conditions": conditions},
    }))
}

#[rstest]
#[case(json!([{"type": "NamesAccepted", "status": "False", "reason": "KindConflict", "message": "\"Widget\" is already in use"}, {"type": "Established", "status": "False"}]),
    Line::CrdNamesConflict, "its names are taken: \"Widget\" is already in use")]
#[case(json!([{"type": "KubernetesAPIApprovalPolicyConformant", "status": "False", "message": "protected groups must have approval annotation"}]),
    Line::CrdRefused, "the API server does not accept it: KubernetesAPIApprovalPolicyConformant: protected groups must have approval annotation")]
#[case(json!([{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "False", "reason": "Installing", "message": "the initial names have been accepted"}]),
    Line::CrdPending, "the API server does not serve it yet: the initial names have been accepted")]
#[case(json!([]), Line::CrdPending, "the API server does not serve it yet")]
fn definitions(#[case] conditions: Value, #[case] line: Line, #[case] why: &str) {
    crd(&conditions).tells(line, why);
}

fn terminating() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web", "deletionTimestamp": ago(60)},
        "status": {"phase": "Terminating", "conditions": [
            {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All resources successfully discovered"},
            {"type": "NamespaceContentRemaining", "status": "True", "message": "Some resources are remaining: configmaps. has 1 resource instances"},
            {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "Some content in the namespace has finalizers remaining: example.com/held in 1 resource instances"},
        ]},
    })
}

#[test]
fn a_namespace_that_is_being_deleted() {
    let why = "Namespace web is being deleted: Some content in the namespace has finalizers remaining: example.com/held in 1 resource instances";
    Of::object(terminating()).tells(Line::NamespaceTerminating, why);
    // Whatever else is wrong in it does not matter.
    Of::web().around(terminating()).tells(Line::NamespaceTerminating, why);
    let mut other = terminating();
    other["metadata"]["name"] = json!("other");
    Of::web().around(other).tells(Line::Unknown, "0 of 1 pods are ready");
}

#[test]
fn an_api_that_does_not_answer_keeps_a_namespace() {
    let mut namespace = terminating();
    namespace["status"]["conditions"][0] = json!({
        "type": "NamespaceDeletionDiscoveryFailure", "status": "True", "message": "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: metrics.k8s.io/v1beta1: stale GroupVersion discovery",
    });
    Of::object(namespace).tells(
        Line::NamespaceTerminating,
        "Namespace web is being deleted: Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: metrics.k8s.io/v1beta1: stale GroupVersion discovery",
    );
}

#[test]
fn the_namespace_is_read_when_it_refuses() {
    let message = "unable to create new content in namespace web because it is being terminated";
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-1", "namespace": "web"}});
    let of = Of::web().owns(set).event("ReplicaSet/web-1", "FailedCreate", message);
    of.wants(&[Want::Object(super::object("v1", "Namespace/web"))]);
}

fn service(seconds: i64, finalizers: &Value) -> Of {
    Of::object(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "web", "namespace": "web", "creationTimestamp": ago(9000), "finalizers": finalizers,
            "managedFields": [{"time": ago(9000)}, {"time": ago(seconds)}],
        },
        "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {}},
    }))
}

#[test]
fn load_balancers() {
    service(10, &json!([]))
        .tells(Line::LoadBalancerPending, "no load balancer has given it an address, and none has said that it will");
    let nobody = service(120, &json!([]));
    nobody.tells(Line::LoadBalancerNobody, "nothing in this cluster gives addresses to Services of type LoadBalancer");
    assert_eq!(nobody.roots(), ["controller for load balancers"]);
    // Since when it is to have one is not known: it may have been another Service for long.
    let mut pruned = nobody;
    let live = std::sync::Arc::make_mut(pruned.0.live.as_mut().unwrap());
    live["metadata"].as_object_mut().unwrap().remove("managedFields");
    pruned.tells(Line::LoadBalancerPending, "no load balancer has given it an address, and none has said that it will");
    service(600, &json!(["service.kubernetes.io/load-balancer-cleanup"]))
        .tells(Line::LoadBalancerPending, "its load balancer has no address yet");
    let ensuring = service(600, &json!([])).event("Service/web", "EnsuringLoadBalancer", "Ensuring load balancer");
    ensuring.tells(Line::LoadBalancerPending, "its load balancer has no address yet");
    let failed = service(600, &json!([])).event(
        "Service/web",
        "AllocationFailed",
        "Failed to allocate IP for \"web/web\": no available IPs",
    );
    failed.tells(
        Line::LoadBalancerPending,
        "its load balancer is not made: Failed to allocate IP for \"web/web\": no available IPs",
    );
}

fn stuck() -> Of {
    Of::object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "web"},
        "status": {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"web-1\" has timed out progressing."}]},
    }))
}

#[test]
fn a_rollout_without_a_cause_of_its_own() {
    stuck().tells(Line::RolloutStuck, "its rollout makes no progress: ReplicaSet \"web-1\" has timed out progressing.");
}

#[test]
fn a_rollout_whose_pods_tell_why() {
    let crashing = json!({"restartCount": 5, "ready": false, "lastState": {"terminated": {"exitCode": 2}}, "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
    let of = stuck().container_since(700, &crashing);
    of.tells(Line::Crashing, "container web ends with exit code 2");
    let cause = crate::causes(&of.0, super::now()).remove(0);
    assert_eq!(
        cause.evidence.last().unwrap(),
        "its rollout makes no progress: ReplicaSet \"web-1\" has timed out progressing."
    );
}

#[test]
fn objects_that_are_gone() {
    let mut of = Of::web();
    of.0.status = ObjectStatus::new(Readiness::NotFound, "it does not exist");
    of.0.live = None;
    of.tells(Line::ObjectMissing, "Deployment web/web does not exist: it was not made, or somebody has deleted it");
    let mut of = Of::object(
        json!({"apiVersion": "a.b/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "web", "finalizers": ["a.b/held"]}}),
    );
    of.0.status = ObjectStatus::new(Readiness::Terminating, "it is being deleted");
    of.tells(Line::ObjectTerminating, "Widget web/w is being deleted and waits for its finalizers: a.b/held");
}

#[test]
fn what_is_ready_has_no_cause() {
    let mut of = Of::web();
    of.0.status = ObjectStatus::new(Readiness::Current, "it is ready");
    assert_eq!(of.told(), []);
}

#[test]
fn what_is_not_understood_shows_all_there_is() {
    let of = Of::web().event("Deployment/web", "Odd", "something odd");
    of.tells(Line::Unknown, "0 of 1 pods are ready");
    let cause = crate::causes(&of.0, super::now()).remove(0);
    assert_eq!(cause.evidence, ["event on deployment web, Odd: something odd"]);
    assert_eq!(cause.next, ["kubectl describe deployment -n web web"]);
}

/// Another group may have a kind of the same name.
#[rstest]
#[case("serving.knative.dev/v1", "Service", "kubectl describe service.serving.knative.dev -n web web")]
#[case("apps/v1", "StatefulSet", "kubectl describe statefulset -n web web")]
#[case("rbac.authorization.k8s.io/v1", "Role", "kubectl describe role -n web web")]
fn commands_name_the_group(#[case] api_version: &str, #[case] kind: &str, #[case] command: &str) {
    let of =
        Of::object(json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "web"}}));
    assert_eq!(crate::diagnosis::drafts(&of.0, super::now())[0].next, [command]);
}
