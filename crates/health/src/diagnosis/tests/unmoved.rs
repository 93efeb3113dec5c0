//! What is told where nothing is known to be wrong, and nothing moves.

use super::{Line, Of, ago, drafts, in_progress, json, now};
use pilothouse_core::{ObjectStatus, Readiness};
use rstest::rstest;
use serde_json::Value;

fn spec() -> Value {
    json!({"containers": [{"name": "web"}], "nodeName": "node-1"})
}

fn running(seconds: i64) -> Value {
    json!({"running": {"startedAt": ago(seconds)}})
}

#[test]
fn an_init_container_that_runs_on() {
    let waits = |seconds| {
        let status = json!({"phase": "Pending",
            "initContainerStatuses": [{"name": "wait-for-db", "ready": false, "restartCount": 0, "state": running(seconds)}],
            "containerStatuses": [{"name": "web", "ready": false, "state": {"waiting": {"reason": "PodInitializing"}}}]});
        Of::web().pod_since(60, &spec(), &status).log(
            "web-1",
            "wait-for-db",
            &["waiting for postgres.data.svc:5432 ..."],
        )
    };
    waits(58).tells(
        Line::Waiting,
        "init container wait-for-db has run for 58 s, and the others wait for its end: waiting for postgres.data.svc:5432 ...",
    );
    assert_eq!(waits(10).told()[0].0, Line::Unknown, "that may be what a healthy start looks like");
    let read = format!("{:?}", super::super::wanted(&waits(58).0, now()));
    assert!(read.contains("wait-for-db"), "{read}");
}

#[test]
fn a_readiness_gate_that_nobody_sets() {
    let mut spec = spec();
    spec["readinessGates"] = json!([{"conditionType": "target-health.elbv2.k8s.aws/web"}]);
    let status = json!({"phase": "Running", "containerStatuses": [{"name": "web", "ready": true, "state": running(60)}], "conditions": [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(61)},
        {"type": "ContainersReady", "status": "True", "lastTransitionTime": ago(58)},
        {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": "the status of pod readiness gate \"target-health.elbv2.k8s.aws/web\" is not \"True\", but False", "lastTransitionTime": ago(61)}]});
    let of = Of::web().pod_since(61, &spec, &status);
    of.tells(
        Line::Waiting,
        "its containers are ready, and its readiness gate target-health.elbv2.k8s.aws/web has not been set",
    );
    let evidence = drafts(&of.0, now())[0].evidence.join("\n");
    assert!(evidence.contains("ReadinessGatesNotReady"), "{evidence}");
}

#[test]
fn a_scheduling_gate() {
    let spec = json!({"containers": [], "schedulingGates": [{"name": "example.com/quota"}]});
    let status = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates"}]});
    let of = Of::web().pod_since(60, &spec, &status);
    of.tells(Line::Waiting, "pod web-1 is not scheduled before its scheduling gates are taken off: example.com/quota");
}

#[test]
fn an_old_pod_that_takes_its_time() {
    let old = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "node-1"}, "status": {"phase": "Running"},
        "metadata": {"name": "web-0", "namespace": "web", "uid": "old", "creationTimestamp": ago(900),
            "deletionTimestamp": ago(-240), "deletionGracePeriodSeconds": 300}});
    Of::web().owns(old).tells(
        Line::Waiting,
        "pod web-0 was asked to end 60 s ago and has 240 s more (grace 300 s); the new one comes after it",
    );
}

#[test]
fn a_sidecar_that_keeps_a_job_from_its_end() {
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "namespace": "web", "uid": "job"}, "status": {"active": 1}});
    let spec = json!({"containers": [{"name": "migrate"}, {"name": "mesh-proxy"}], "restartPolicy": "Never", "nodeName": "node-1"});
    let status = json!({"phase": "Running", "containerStatuses": [
        {"name": "migrate", "ready": false, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
        {"name": "mesh-proxy", "ready": true, "state": running(55)}]});
    Of::object(job)
        .pod_since(60, &spec, &status)
        .tells(Line::Waiting, "container migrate has completed, and container mesh-proxy still runs, after 55 s");
}

#[test]
fn a_hook_that_runs_on() {
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "status": {"active": 1},
        "metadata": {"name": "migrate", "namespace": "web", "annotations": {"helm.sh/hook": "pre-install"}}});
    let spec = json!({"containers": [{"name": "migrate"}], "restartPolicy": "Never", "nodeName": "node-1"});
    let status =
        json!({"phase": "Running", "containerStatuses": [{"name": "migrate", "ready": true, "state": running(59)}]});
    Of::object(job).pod_since(60, &spec, &status).log("web-1", "migrate", &["waiting for advisory lock 4711"]).tells(
        Line::Waiting,
        "the hook (pre-install): container migrate still runs, after 59 s: waiting for advisory lock 4711",
    );
}

/// Helm may stop waiting long before anything has stood still for long: the release's own objects have taken the time.
#[rstest]
#[case::its_program_runs(json!([{"name": "migrate", "ready": true, "state": running(4)}]),
    "the hook (post-install): container migrate still runs, 6 s after the job was made: waiting for advisory lock 4711")]
#[case::it_is_being_made(json!([{"name": "migrate", "ready": false, "state": {"waiting": {"reason": "ContainerCreating"}}}]),
    "the hook (post-install): it has not ended 6 s after the job was made: 0 of 1 pods are ready")]
#[case::it_has_no_pod(
    Value::Null,
    "the hook (post-install): it has not ended 6 s after the job was made: 0 of 1 pods are ready"
)]
fn a_hook_that_has_had_little_time(#[case] containers: Value, #[case] why: &str) {
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "status": {"active": 1}, "metadata": {
        "name": "migrate", "namespace": "web", "creationTimestamp": ago(6), "annotations": {"helm.sh/hook": "post-install"}}});
    let spec = json!({"containers": [{"name": "migrate"}], "restartPolicy": "Never", "nodeName": "node-1"});
    let mut of = Of::object(job);
    if !containers.is_null() {
        let status = json!({"phase": "Running", "containerStatuses": containers});
        of = of.pod_since(6, &spec, &status).log("web-1", "migrate", &["waiting for advisory lock 4711"]);
    }
    assert_eq!(of.told()[0].0, Line::Unknown, "it may well go on");
    of.0.out_of_time = true;
    of.tells(Line::HookOutOfTime, why);
}

#[test]
fn min_ready_seconds() {
    let live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "web"}, "spec": {"minReadySeconds": 120}});
    let status =
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": ago(57)}]});
    Of::object(live)
        .pod_since(60, &spec(), &status)
        .tells(Line::Waiting, "its pods are ready for 57 s, and count as available after minReadySeconds of 120 s");
}

/// A status that says reason and message is told with them.
#[rstest]
#[case::failed(Readiness::Failed)]
#[case::in_progress(Readiness::InProgress)]
fn a_status_that_says_why(#[case] readiness: Readiness) {
    let mut of = Of::object(
        json!({"apiVersion": "acme.example/v1", "kind": "Cluster", "metadata": {"name": "db", "namespace": "web"}}),
    );
    of.0.status = ObjectStatus::new(readiness, "no backup bucket named b1").because("BucketMissing");
    of.tells(Line::ConditionNotMet, "BucketMissing: no backup bucket named b1");
    of.0.status = in_progress();
    assert_eq!(of.told()[0].0, Line::Unknown);
}

/// A condition that should hold and does not is evidence, also without a reason and where the whole says nothing of it.
#[rstest]
#[case::it_says_what_is_missing(json!({"health": "unknown", "phase": "ApplyingChanges", "conditions": [
    {"type": "ElasticsearchIsReachable", "status": "False", "message": "Service web/es has no endpoint"},
    {"type": "RunningDesiredVersion", "status": "True", "message": "All nodes are running version 8"}]}),
    "ElasticsearchIsReachable is False: Service web/es has no endpoint")]
#[case::a_complaint_first(json!({"conditions": [
    {"type": "Ready", "status": "False", "message": "not all parts are there"},
    {"type": "BackupsConfigured", "status": "False", "message": "access to the bucket is denied"}]}),
    "BackupsConfigured is False: access to the bucket is denied")]
#[case::a_bad_one_that_holds(json!({"conditions": [
    {"type": "Available", "status": "True"}, {"type": "DiskFault", "status": "True", "message": "2 disks are worn out"}]}),
    "DiskFault is True: 2 disks are worn out")]
#[case::a_phase(json!({"phase": "Unable to create required cluster objects", "phaseReason": "persistentvolumeclaims \"web-1\" is forbidden",
    "conditions": [{"type": "Ready", "status": "False", "reason": "ClusterIsNotReady", "message": "Cluster Is Not Ready"}]}),
    "phase is Unable to create required cluster objects: persistentvolumeclaims \"web-1\" is forbidden")]
fn a_status_without_a_reason(#[case] status: Value, #[case] why: &str) {
    let mut of = Of::object(
        json!({"apiVersion": "acme.example/v1", "kind": "Cluster", "metadata": {"name": "db", "namespace": "web"}, "status": status}),
    );
    of.0.status = crate::Rules::default().judge(of.0.live.as_ref().unwrap(), super::now()).status;
    if of.0.status.reason.is_some() || of.0.status.readiness == Readiness::Unknown {
        of.0.status = in_progress();
    }
    of.tells(Line::ConditionNotMet, why);
}

#[test]
fn a_rollout_that_somebody_has_paused() {
    let mut of = Of::web();
    of.0.status =
        ObjectStatus::new(Readiness::Failed, "the rollout is paused, by kubectl-rollout").because("Suspended");
    of.tells(Line::Suspended, "the rollout is paused, by kubectl-rollout");
}

#[rstest]
#[case::nobody(true, 40, Line::ApiServiceNobody)]
#[case::nobody_yet(true, 10, Line::ApiServiceDown)]
#[case::not_looked(false, 40, Line::ApiServiceDown)]
fn an_api_that_nobody_answers_for(#[case] looked: bool, #[case] seconds: i64, #[case] line: Line) {
    let api = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {"service": {"name": "metrics", "namespace": "kube-system"}},
        "status": {"conditions": [{"type": "Available", "status": "False", "reason": "ServiceNotFound", "message": "service/metrics in \"kube-system\" is not present", "lastTransitionTime": ago(seconds)}]}});
    let service = super::object("v1", "Service/kube-system/metrics");
    let of = Of::object(api);
    of.wants(&[super::Want::Object(service.clone())]);
    let of = if looked { of.read(super::Want::Object(service)) } else { of };
    of.tells(line, "its API is not available: ServiceNotFound: service/metrics in \"kube-system\" is not present");
}

/// What is not understood does not lose to a rule that half fits.
#[test]
fn a_refusal_that_is_not_understood() {
    let scheduling = |message: &str| {
        let status = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": ago(60)}]});
        let spec = json!({"nodeSelector": {"pilothouse.dev/node": "simulated"}, "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]});
        Of::web().pod_since(60, &spec, &status).told()
    };
    let used = scheduling(
        "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 2 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod. preemption: 0/3 nodes are available",
    );
    assert_eq!(used[0].0, Line::MountFailing, "{used:?}");
    assert!(used[0].1.contains("PersistentVolumeClaim web/data is used by another pod"), "{used:?}");
    let odd = scheduling(
        "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 2 node(s) are on holiday.",
    );
    assert_eq!(odd, [(Line::Unknown, "none of 3 nodes takes the pod: are on holiday".to_owned())]);
}
