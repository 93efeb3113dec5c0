//! The general rules as tables.

use super::judgement::*;
use super::names::{EXISTS, NO_STATUS, SUSPENDED, WORDS, YOUNG};
use Readiness::{Current, Failed, InProgress, NotFound, Unknown};
use pilothouse_core::Readiness;
use rstest::rstest;
use serde_json::{Value, json};

fn custom(status: &Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status})
}

/// What is said in the order in which it is asked.
fn told(object: &Value, young: bool) -> General {
    before_all(object).unwrap_or_else(|| any(object, young))
}

fn ready(status: &str, reason: &str, message: &str) -> Value {
    json!({"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": message}]})
}

#[rstest]
// An object without a status.
#[case(json!(null), (Current, None, "it exists"))]
#[case(json!({}), (Current, None, "it exists"))]
#[case(json!({"conditions": []}), (InProgress, None, "its controller has not judged it yet"))]
// The conventions of conditions.
#[case(json!({"observedGeneration": 1}), (InProgress, None, "its controller has not seen this version yet"))]
#[case(json!({"observedGeneration": "abc"}), (Current, None, "it exists"))]
#[case(ready("True", "Issued", "up to date"), (Current, Some("Issued"), "Ready is True"))]
#[case(ready("Unknown", "", ""), (InProgress, None, "Ready is Unknown"))]
#[case(ready("False", "Issuing", "issuing a certificate"), (InProgress, Some("Issuing"), "issuing a certificate"))]
#[case(ready("False", "InvalidSpec", "no issuer"), (Failed, Some("InvalidSpec"), "no issuer"))]
#[case(ready("False", "", "secret does not exist"), (Failed, None, "secret does not exist"))]
#[case(json!({"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]}),
    (InProgress, None, "its controller has not seen this version yet"))]
#[case(json!({"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}, {"type": "Paused", "status": "False", "observedGeneration": 2}]}),
    (InProgress, None, "Ready is about an earlier version of its spec"))]
#[case(json!({"conditions": [{"type": "Ready", "status": "True"}, {"type": "NodesUpgrading", "status": "True"}]}),
    (InProgress, None, "NodesUpgrading is True"))]
#[case(json!({"conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}, {"type": "Available", "status": "True"}]}),
    (Current, None, "Available is True"))]
#[case(json!({"conditions": [{"type": "SpecError", "status": "False"}]}), (Current, None, "SpecError is False"))]
#[case(json!({"conditions": [{"type": "example.com/app-ready", "status": "False", "reason": "CreateFailed"}]}), (Failed, Some("CreateFailed"), "CreateFailed"))]
#[case(json!({"phase": "Frobbed"}), (Current, Some("Frobbed"), "phase is Frobbed"))]
#[case(json!({"phase": "Purple"}), (Unknown, None, "phase is Purple, a word that no rule knows"))]
#[case(json!({"tasksReady": "1/3"}), (InProgress, None, "tasksReady: 1 of 3"))]
#[case(json!({"racks": {"a": {"members": 3, "readyMembers": 1}}}), (InProgress, None, "readyMembers: 1 of 3"))]
#[case(json!({"state": "Created", "ceph": {"health": "HEALTH_WARN"}}), (Failed, Some("HEALTH_WARN"), "health is HEALTH_WARN"))]
#[case(json!({"conditions": [{"type": "Ready", "status": true}]}), (Current, None, "Ready is True"))]
#[case(json!({"conditions": [{"type": "Ready", "status": "True"}, {"type": "Stalled", "status": "True", "reason": "Stuck"}]}),
    (Failed, Some("Stuck"), "Stuck"))]
#[case(json!({"conditions": [{"type": "Reconciling", "status": "True", "message": "at work"}]}), (InProgress, None, "at work"))]
#[case(json!({"conditions": [{"type": "Paused", "status": "True"}]}), (InProgress, Some("Suspended"), "Paused is True"))]
#[case(json!({"conditions": [{"type": "NetworkReady", "status": "False"}]}), (InProgress, None, "NetworkReady is False"))]
#[case(json!({"conditions": [{"type": "MemoryPressure", "status": "False"}]}), (Current, None, "it exists"))]
// Words, counts and flags.
#[case(json!({"phase": "Failed", "message": "no disk"}), (Failed, Some("Failed"), "phase is Failed: no disk"))]
#[case(json!({"phase": "Ready", "health": "yellow"}), (InProgress, Some("yellow"), "health is yellow"))]
// A yellow search cluster of one member is as good as it gets, when its controller says that all holds.
#[case(json!({"phase": "Ready", "health": "yellow", "conditions": [{"type": "ReconciliationComplete", "status": "True"}, {"type": "IsReachable", "status": "True"}]}),
    (Current, None, "ReconciliationComplete is True"))]
#[case(json!({"phase": "Ready", "health": "yellow", "conditions": [{"type": "ReconciliationComplete", "status": "True"}, {"type": "IsReachable", "status": "False"}]}),
    (InProgress, None, "IsReachable is False"))]
#[case(json!({"phase": "ApplyingChanges", "health": "yellow", "conditions": [{"type": "ReconciliationComplete", "status": "True"}]}),
    (InProgress, Some("ApplyingChanges"), "phase is ApplyingChanges"))]
#[case(json!({"health": "yellow", "conditions": [{"type": "ReconciliationComplete", "status": "True"}]}),
    (InProgress, Some("yellow"), "health is yellow"))]
#[case(json!({"phase": "Ready", "health": "red", "conditions": [{"type": "ReconciliationComplete", "status": "True"}]}), (Failed, Some("red"), "health is red"))]
// What stands beside a word says why.
#[case(json!({"phase": "Failed", "phaseReason": "no quota for it"}), (Failed, Some("Failed"), "phase is Failed: no quota for it"))]
#[case(json!({"phase": "Failed", "phaseMessage": "no quota for it", "reason": "Quota"}), (Failed, Some("Failed"), "phase is Failed: no quota for it"))]
#[case(json!({"state": "Failed", "stateReason": "no quota for it"}), (Failed, Some("Failed"), "state is Failed: no quota for it"))]
#[case(json!({"state": "Failed", "phaseReason": "Quota", "message": "no quota for it"}), (Failed, Some("Failed"), "state is Failed: no quota for it"))]
#[case(json!({"phase": "Failed", "error": "no quota for it"}), (Failed, Some("Failed"), "phase is Failed: no quota for it"))]
#[case(json!({"phase": "Failed", "lastError": {"message": "no quota for it"}}), (Failed, Some("Failed"), "phase is Failed: no quota for it"))]
#[case(json!({"phase": "Ready", "lastError": "no quota for it"}), (Current, Some("Ready"), "phase is Ready"))]
#[case(json!({"state": "Unknown"}), (Unknown, Some("Unknown"), "state is Unknown"))]
#[case(json!({"state": "NotFound"}), (NotFound, Some("NotFound"), "state is NotFound"))]
#[case(json!({"certificateStatus": "Provisioning"}), (InProgress, Some("Provisioning"), "certificateStatus is Provisioning"))]
#[case(json!({"failureMessage": "quota"}), (Failed, Some("Error"), "quota"))]
#[case(json!({"lastError": "no disk"}), (Failed, Some("Error"), "no disk"))]
#[case(json!({"lastError": "no disk", "conditions": [{"type": "Ready", "status": "True"}]}), (Current, None, "Ready is True"))]
#[case(json!({"lastError": "no disk", "conditions": [{"type": "Ready", "status": "False"}]}), (Failed, Some("Error"), "no disk"))]
#[case(json!({"lastError": "no disk", "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}, {"type": "Synced", "status": "True", "observedGeneration": 2}]}),
    (Failed, Some("Error"), "no disk"))]
#[case(json!({"failureMessage": "quota", "conditions": [{"type": "Ready", "status": "True"}]}), (Failed, Some("Error"), "quota"))]
#[case(json!({"ready": false}), (InProgress, None, "ready is false"))]
#[case(json!({"readyReplicas": 1}), (InProgress, None, "readyReplicas: 1 of 2"))]
#[case(json!({"replicas": 3, "updatedReplicas": 2, "readyReplicas": 3}), (InProgress, None, "2 of 3 replicas updated"))]
// Parts.
#[case(json!({"parents": [{"conditions": [{"type": "Accepted", "status": "True"}]}, {"conditions": [{"type": "Accepted", "status": "False", "message": "not yet"}]}]}),
    (InProgress, None, "not yet"))]
#[case(json!({"statuses": {"a/b": {"state": "Rejected"}}}), (Failed, Some("Rejected"), "state is Rejected"))]
fn conventions(#[case] status: Value, #[case] expected: (Readiness, Option<&'static str>, &'static str)) {
    let told = told(&custom(&status), false).status;
    assert_eq!((told.readiness, told.reason.as_deref(), told.message.as_str()), expected);
}

/// An object is not done because nobody has looked at it yet.
#[rstest]
#[case(json!(null), true, (InProgress, YOUNG, "its controller has not written a status yet"))]
#[case(json!({"address": "a"}), true, (InProgress, YOUNG, "its controller has not said yet how it stands"))]
#[case(json!({"conditions": [{"type": "Foo", "status": "True"}]}), true, (InProgress, YOUNG, "its controller has not said yet how it stands"))]
#[case(json!(null), false, (Current, EXISTS, "it exists"))]
#[case(json!({"phase": "Ready"}), true, (Current, WORDS, "phase is Ready"))]
fn the_age_counts_only_where_nothing_is_said(
    #[case] status: Value,
    #[case] young: bool,
    #[case] expected: (Readiness, &'static str, &'static str),
) {
    let told = told(&custom(&status), young);
    assert_eq!((told.status.readiness, told.rule, told.status.message.as_str()), expected);
}

#[rstest]
#[case("v1", "ConfigMap")]
#[case("v1", "ServiceAccount")]
#[case("rbac.authorization.k8s.io/v1", "ClusterRole")]
#[case("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")]
#[case("networking.k8s.io/v1", "NetworkPolicy")]
#[case("scheduling.k8s.io/v1", "PriorityClass")]
#[case("storage.k8s.io/v1", "StorageClass")]
fn kinds_of_kubernetes_without_a_status_are_ready_at_once(#[case] version: &str, #[case] kind: &str) {
    let told = told(&json!({"apiVersion": version, "kind": kind}), true);
    assert_eq!((told.status.readiness, told.rule), (Current, NO_STATUS));
}

#[rstest]
#[case(json!({"spec": {"suspend": true}, "status": {"phase": "Failed"}}))]
#[case(json!({"spec": {"updateStrategy": {"rollingUpdate": {"paused": true}}}}))]
#[case(json!({"metadata": {"annotations": {"crossplane.io/paused": "true"}}}))]
#[case(json!({"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}}}))]
fn what_is_suspended_by_its_owner_is_as_asked_for(#[case] object: Value) {
    let told = told(&object, true);
    assert_eq!(
        (told.status.readiness, told.status.reason.as_deref(), told.rule),
        (Current, Some("Suspended"), SUSPENDED)
    );
}

#[rstest]
#[case(json!({"metadata": {"annotations": {"paused": "true"}}}))]
#[case(json!({"metadata": {"annotations": {"example.com/paused": "false"}}}))]
#[case(json!({"spec": {"suspend": "true"}}))]
fn what_is_not_suspended(#[case] object: Value) {
    assert_eq!(before_all(&object), None);
}

/// What is running is done, unless it is something that is done once.
#[rstest]
#[case("Database", Current)]
#[case("Backup", InProgress)]
#[case("Workflow", InProgress)]
fn running(#[case] kind: &str, #[case] expected: Readiness) {
    let object = json!({"apiVersion": "example.com/v1", "kind": kind, "status": {"phase": "Running"}});
    assert_eq!(told(&object, false).status.readiness, expected);
}

fn conditions(all: &[(&str, &str, &str)]) -> Value {
    let one = |(kind, status, reason): &(&str, &str, &str)| json!({"type": kind, "status": status, "reason": reason});
    Value::Array(all.iter().map(one).collect())
}

/// What lists in a status say of single parts counts where the whole says nothing, or that it does not know.
#[rstest]
#[case::of_a_listener(json!({"listeners": [{"name": "a", "conditions": conditions(&[("Conflicted", "True", "PortUnavailable")])}]}), Failed)]
#[case::of_one_of_two(json!({"listeners": [{"conditions": conditions(&[("Ready", "True", "")])}, {"conditions": conditions(&[("ResolvedRefs", "False", "InvalidCertificateRef")])}]}), Failed)]
#[case::the_whole_does_not_know(json!({"conditions": conditions(&[("Ready", "Unknown", "")]), "parents": [{"conditions": conditions(&[("Accepted", "False", "NotAllowed")])}]}), Failed)]
#[case::the_whole_has_a_word_for_not_knowing(json!({"phase": "Unknown", "parents": [{"conditions": conditions(&[("Accepted", "False", "NotAllowed")])}]}), Failed)]
#[case::the_whole_has_only_names_that_say_nothing(json!({"conditions": conditions(&[("MemoryPressure", "False", "")]), "parents": [{"conditions": conditions(&[("Accepted", "False", "NotAllowed")])}]}), Failed)]
#[case::by_cluster(json!({"aggregatedStatus": [{"clusterName": "a", "applied": true, "health": "Healthy"}, {"clusterName": "b", "applied": true, "health": "Unhealthy"}]}), Failed)]
#[case::by_flag(json!({"aggregatedStatus": [{"clusterName": "a", "applied": true}, {"clusterName": "b", "applied": false}]}), InProgress)]
#[case::by_flag_and_message(json!({"aggregatedStatus": [{"clusterName": "b", "applied": false, "appliedMessage": "namespaces \"x\" not found"}]}), Failed)]
#[case::conditions_under_the_status_of_a_part(json!({"targets": [{"name": "a", "status": {"conditions": conditions(&[("Ready", "False", "CreateFailed")])}}]}), Failed)]
#[case::a_word_beside_conditions(json!({"shards": [{"conditions": conditions(&[("Ready", "True", "")]), "state": "Failed"}]}), Failed)]
#[case::an_error_of_a_part(json!({"nodes": [{"name": "a", "error": "no route to host"}]}), Failed)]
#[case::parts_count_where_the_whole_only_counts(json!({"replicas": 2, "readyReplicas": 2, "shards": [{"conditions": conditions(&[("Ready", "False", "CreateFailed")])}]}), Failed)]
#[case::the_whole_speaks_for_them(json!({"conditions": conditions(&[("Ready", "True", "")]), "parents": [{"conditions": conditions(&[("Accepted", "False", "NotAllowed")])}]}), Current)]
#[case::all_is_well(json!({"listeners": [{"conditions": conditions(&[("Accepted", "True", ""), ("Conflicted", "False", "NoConflicts")])}]}), Current)]
#[case::what_was(json!({"conditions": conditions(&[("Ready", "Unknown", "")]), "history": [{"state": "Failed"}], "lastRuns": [{"state": "Failed"}]}), InProgress)]
fn parts_of_a_list(#[case] status: Value, #[case] expected: Readiness) {
    let told = told(&custom(&status), false).status;
    assert_eq!(told.readiness, expected, "{}", told.message);
}

/// States that are told in sentences.
#[rstest]
#[case(json!({"state": "All 3 members are healthy"}), Current)]
#[case(json!({"state": "2 of 3 members are ready"}), InProgress)]
#[case(json!({"phase": "2/3 shards online"}), InProgress)]
#[case(json!({"phase": "3/3 shards online"}), Current)]
#[case(json!({"status": "Waiting for the primary, which failed its probe"}), InProgress)]
#[case(json!({"status": "could not bind to port 80"}), Failed)]
#[case(json!({"status": "The cluster is running without errors"}), Current)]
#[case(json!({"message": "cannot find the secret db-password"}), Failed)]
#[case(json!({"message": "waiting for the secret db-password"}), InProgress)]
#[case(json!({"reason": "InvalidSpec", "message": "size has to be positive"}), Failed)]
#[case(json!({"message": "see the documentation"}), Current)]
#[case::the_whole_is_a_sentence(json!("Deployment failed: no disk"), Failed)]
#[case::the_whole_is_a_word(json!("Ready"), Current)]
#[case::a_message_beside_what_is_said(json!({"conditions": conditions(&[("Ready", "True", "")]), "message": "an upgrade failed earlier"}), Current)]
fn sentences(#[case] status: Value, #[case] expected: Readiness) {
    let told = told(&custom(&status), false).status;
    assert_eq!(told.readiness, expected, "{}", told.message);
}

/// Fields for errors count whatever phase stands beside them.
#[rstest]
#[case(json!({"phase": "Running", "error": "no disk"}), Failed)]
#[case(json!({"phase": "Running", "errors": ["no disk"]}), Failed)]
#[case(json!({"phase": "Running", "errors": []}), Current)]
#[case(json!({"phase": "Running", "errors": [{"message": "no disk"}]}), Failed)]
#[case(json!({"phase": "Running", "errorMsg": "no disk"}), Failed)]
#[case(json!({"phase": "Running", "errorReason": "NoDisk"}), Failed)]
#[case(json!({"phase": "Running", "validationError": "no disk"}), Failed)]
#[case(json!({"phase": "Pending", "reconcileError": {"message": "no disk"}}), Failed)]
#[case(json!({"phase": "Running", "error": ""}), Current)]
#[case(json!({"phase": "Running", "error": "none"}), Current)]
#[case(json!({"phase": "Running", "errorCount": 3, "failedTasks": {"a": 1}}), Current)]
#[case(json!({"phase": "Running", "errorRate": "0.1"}), Current)]
#[case(json!({"phase": "Running", "lastError": "no disk"}), Current)]
#[case(json!({"phase": "Pending", "lastErrorMessage": "no disk"}), Failed)]
#[case(json!({"conditions": conditions(&[("Ready", "True", "")]), "lastErrorMessage": "no disk"}), Current)]
fn errors_beside_a_phase(#[case] status: Value, #[case] expected: Readiness) {
    let told = told(&custom(&status), false).status;
    assert_eq!(told.readiness, expected, "{}", told.message);
}

/// A condition with a bad name tells of a part where the whole says that it is ready.
#[rstest]
#[case("OrphanedResources", Current)]
#[case("UnhealthyReplicas", Current)]
#[case("InsufficientCapacity", Current)]
#[case("Stalled", Failed)]
#[case("Failed", Failed)]
#[case("Degraded", Failed)]
#[case("ReconcileError", Failed)]
fn bad_names_beside_ready(#[case] kind: &str, #[case] expected: Readiness) {
    let status = json!({"conditions": conditions(&[(kind, "True", ""), ("Ready", "True", "")])});
    assert_eq!(told(&custom(&status), false).status.readiness, expected);
    let alone = json!({"conditions": conditions(&[(kind, "True", "")])});
    assert_eq!(told(&custom(&alone), false).status.readiness, Failed);
}
