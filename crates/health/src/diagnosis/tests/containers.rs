//! Programs that end, are killed, or do not answer.

use super::{Of, Want, ago};
use crate::diagnosis::line::Line;
use rstest::rstest;
use serde_json::{Value, json};

fn crashing(restarts: i64, last: &Value) -> Value {
    json!({
        "restartCount": restarts, "ready": false, "lastState": {"terminated": last},
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container=web pod=web-1_web(1)"}},
    })
}

fn exit(code: i64) -> Value {
    json!({"exitCode": code, "reason": "Error"})
}

#[rstest]
#[case::first(1, Line::CrashingFew)]
#[case::third(3, Line::Crashing)]
fn a_program_that_ends(#[case] restarts: i64, #[case] line: Line) {
    let of = Of::web().container_since(60, &crashing(restarts, &exit(3))).log(
        "web-1",
        "web",
        &["starting", "no database at db:5432"],
    );
    of.tells(line, "container web ends with exit code 3: no database at db:5432");
    assert_eq!(of.roots(), ["Deployment web/web container web"]);
}

/// The trace of a crash is longer than what is shown of a log.
#[test]
fn a_program_that_panics_above_a_long_trace() {
    let mut lines = vec!["panic: flag redefined: metrics-bind-address", "goroutine 1 [running]:"];
    lines.resize(30, "main.run(...)");
    let of = Of::web().container_since(60, &crashing(3, &exit(2))).log("web-1", "web", &lines);
    of.tells(Line::Crashing, "container web ends with exit code 2: panic: flag redefined: metrics-bind-address");
    let cause = crate::causes(&of.0, super::now()).remove(0);
    assert!(
        cause.evidence.contains(&"log of web: panic: flag redefined: metrics-bind-address".to_owned()),
        "{cause:?}"
    );
    assert!(cause.evidence.contains(&"log of web: main.run(...)".to_owned()), "{cause:?}");
}

/// A waiting reason without a rule is reported too.
#[rstest]
#[case::of_a_hook("PreStartHookError", "the hook before the start has failed")]
#[case::new("EnclaveNotAttested", "the measurement of the enclave is not known")]
fn a_reason_that_is_not_known(#[case] reason: &str, #[case] message: &str) {
    let waiting = json!({"waiting": {"reason": reason, "message": message}});
    let of = Of::web().container_since(60, &json!({"restartCount": 0, "ready": false, "state": waiting}));
    of.tells(Line::ContainerNotMade, &format!("container web: {message}"));
    let says_nothing = json!({"waiting": {"reason": reason}});
    let of = Of::web().container_since(5, &json!({"restartCount": 0, "ready": false, "state": says_nothing}));
    assert_eq!(of.told()[0].0, Line::Unknown);
}

/// Between two of its ends a program runs and says that it is ready. That it will end for good is not certain then, and what an old
/// pod has done long ago says nothing of an object that is not ready for another reason.
#[rstest]
#[case::comes_and_goes("RestartedAfterError", 1, Some((Line::CrashingFew, "container web ends with exit code 1: lost connection to broker")))]
#[case::often("RestartedAfterError", 7, Some((Line::CrashingFew, "container web ends with exit code 1: lost connection to broker")))]
#[case::something_else_is_wrong("Other", 1, None)]
fn a_program_that_comes_and_goes(#[case] reason: &str, #[case] restarts: i64, #[case] expected: Option<(Line, &str)>) {
    let status = json!({
        "restartCount": restarts, "ready": true, "state": {"running": {"startedAt": ago(5)}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": ago(27), "finishedAt": ago(6)}},
    });
    let mut of =
        Of::web().container_since(90, &status).log("web-1", "web", &["listening", "lost connection to broker"]);
    let mut pod = (*of.0.owned[0]).clone();
    pod["status"]["conditions"].as_array_mut().unwrap().push(json!({"type": "Ready", "status": "True"}));
    of.0.owned[0] = std::sync::Arc::new(pod);
    of.0.status = of.0.status.because(reason);
    let told = of.told();
    let crash = told.iter().find(|(line, _)| line.rule().code == "CRASH_LOOP");
    assert_eq!(crash.map(|(line, why)| (*line, why.as_str())), expected, "{told:?}");
}

/// Of several that have ended with an error at some time, the one that has not run for long since is what the object waits for.
#[rstest]
#[case::in_another_pod(true)]
#[case::in_the_same_pod(false)]
fn what_ended_long_ago_is_not_what_ends_now(#[case] apart: bool) {
    let status = |name: &str, ended: i64, lasted: i64| {
        json!({
            "name": name, "restartCount": 1, "ready": true, "state": {"running": {"startedAt": ago(ended - 1)}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": ago(ended + lasted), "finishedAt": ago(ended)}},
        })
    };
    let (old, new) = (status("old", 260_000, 30), status("new", 6, 20));
    let pod = |name: &str, containers: &[&Value]| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "web", "uid": name},
            "status": {"phase": "Running", "containerStatuses": containers, "conditions": [{"type": "Ready", "status": "True"}]}})
    };
    let mut of = if apart {
        Of::web().owns(pod("web-1", &[&old])).owns(pod("web-2", &[&new]))
    } else {
        Of::web().owns(pod("web-1", &[&old, &new]))
    };
    of.0.status = of.0.status.because("RestartedAfterError");
    of.tells(Line::CrashingFew, "container new ends with exit code 1");
    let is_log_of_old = |want: &Want| matches!(want, Want::Log { container, .. } if container == "old");
    // Of a pod that is looked at, the log of each container that was started again is read.
    assert_eq!(crate::wanted(&of.0, super::now()).iter().any(is_log_of_old), !apart);
}

/// What was judged a moment before is looked for a moment later.
#[test]
fn what_has_just_run_for_long_enough_is_still_found() {
    let status = json!({
        "restartCount": 1, "ready": true, "state": {"running": {"startedAt": ago(22)}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": ago(43), "finishedAt": ago(23)}},
    });
    let mut of = Of::web().container_since(90, &status);
    let mut pod = (*of.0.owned[0]).clone();
    pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    of.0.owned[0] = std::sync::Arc::new(pod);
    of.0.status = of.0.status.because("RestartedAfterError");
    of.tells(Line::CrashingFew, "container web ends with exit code 1");
}

#[rstest]
#[case::a_database_is_starting(3, Line::CrashingFew)]
#[case::had_its_time(5, Line::Crashing)]
fn a_program_beside_another_that_is_starting(#[case] restarts: i64, #[case] line: Line) {
    let of = Of::web().container_since(60, &crashing(restarts, &exit(1))).beside("apps/v1", "StatefulSet/web/db");
    of.tells(line, "container web ends with exit code 1");
}

#[test]
fn nobody_has_looked_at_what_is_beside() {
    let mut of = Of::web().container_since(60, &crashing(4, &exit(1)));
    of.0.beside = None;
    of.tells(Line::CrashingFew, "container web ends with exit code 1");
}

#[test]
fn a_program_that_ends_without_error() {
    let ended = json!({"exitCode": 0, "reason": "Completed"});
    Of::web()
        .container_since(60, &crashing(1, &ended))
        .tells(Line::CrashingFew, "container web ends by itself, with exit code 0");
}

#[rstest]
#[case::not_there(json!({"exitCode": 128, "reason": "StartError",
    "message": "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: \"serv\": executable file not found in $PATH"}),
    "container web cannot be started: exec: \"serv\": executable file not found in $PATH")]
#[case::permission(json!({"exitCode": 128, "reason": "StartError",
    "message": "runc create failed: unable to start container process: exec: \"/app\": permission denied: unknown"}),
    "container web cannot be started: exec: \"/app\": permission denied")]
fn a_program_that_cannot_be_started(#[case] ended: Value, #[case] why: &str) {
    Of::web().container_since(2, &crashing(1, &ended)).tells(Line::CannotStart, why);
}

#[test]
fn a_program_for_another_processor() {
    let of = Of::web().container_since(2, &crashing(1, &exit(255))).log(
        "web-1",
        "web",
        &["exec /bin/app: exec format error"],
    );
    of.tells(Line::CannotStart, "container web: the program is made for another processor: exec format error");
}

#[rstest]
#[case(1, Line::OomFew)]
#[case(3, Line::Oom)]
fn out_of_memory(#[case] restarts: i64, #[case] line: Line) {
    let mut container = crashing(restarts, &json!({"exitCode": 137, "reason": "OOMKilled"}));
    container["name"] = json!("web");
    let of = Of::web().pod_since(
        60,
        &json!({"containers": [{"name": "web", "resources": {"limits": {"memory": "16Mi"}}}]}),
        &json!({"phase": "Running", "containerStatuses": [container]}),
    );
    of.tells(line, "container web used more than its memory limit of 16Mi and was killed");
}

fn running(restarts: i64) -> Value {
    json!({"restartCount": restarts, "ready": false, "state": {"running": {"startedAt": super::ago(30)}}})
}

/// How the last run ended decides nothing while the next one goes on.
#[rstest]
#[case::ended(exit(1), Line::CrashingFew, "container web ends with exit code 1")]
#[case::out_of_memory(json!({"exitCode": 137, "reason": "OOMKilled"}), Line::OomFew, "container web used up the memory of its node or pod and was killed")]
#[case::not_started(json!({"exitCode": 128, "reason": "StartError", "message": "exec: \"/app\": permission denied"}), Line::CrashingFew,
    "container web cannot be started: exec: \"/app\": permission denied")]
fn a_program_that_runs_again(#[case] last: Value, #[case] line: Line, #[case] why: &str) {
    let mut container = running(9);
    container["lastState"] = json!({"terminated": last});
    Of::web().container_since(600, &container).tells(line, why);
}

#[test]
fn a_program_that_a_probe_killed_and_that_runs_again() {
    let of = Of::web()
        .container_since(600, &running(9))
        .events("Pod/web-1", "Killing", "Container web failed liveness probe, will be restarted", 9, 500)
        .events("Pod/web-1", "Unhealthy", REFUSED, 9, 500);
    of.tells(Line::ProbeFailing, &format!("container web: {REFUSED}"));
}

#[test]
fn an_init_container_that_runs_again() {
    let init =
        json!({"name": "wait", "restartCount": 4, "state": {"running": {}}, "lastState": {"terminated": exit(1)}});
    let spec = json!({"initContainers": [{"name": "wait"}]});
    let status = json!({"phase": "Pending", "initContainerStatuses": [init]});
    Of::web().pod_since(600, &spec, &status).tells(Line::InitFailingFew, "init container wait ends with exit code 1");
}

const REFUSED: &str =
    "Readiness probe failed: Get \"http://10.1.0.5:8080/readyz\": dial tcp 10.1.0.5:8080: connect: connection refused";

#[test]
fn a_readiness_probe_that_fails() {
    let of = Of::web().container_since(40, &running(0)).events("Pod/web-1", "Unhealthy", REFUSED, 9, 25);
    of.tells(Line::ProbeFailing, &format!("container web: {REFUSED}"));
}

#[test]
fn a_probe_that_failed_before_the_last_start_is_old_news() {
    let mut of = Of::web().container_since(40, &running(0)).events("Pod/web-1", "Unhealthy", REFUSED, 1, 40);
    let event = std::sync::Arc::make_mut(of.0.events.iter_mut().next().unwrap());
    event["lastTimestamp"] = json!(super::ago(35));
    of.tells(Line::Waiting, "container web has run for 30 s and is not ready");
}

#[rstest]
#[case::once(1, Line::ProbeFailing)]
#[case::restarted_for_other_reasons_too(2, Line::ProbeFailing)]
#[case::each_time(3, Line::ProbeKills)]
fn a_liveness_probe_that_kills(#[case] kills: i64, #[case] line: Line) {
    let of = Of::web()
        .container_since(90, &crashing(3, &exit(137)))
        .event("Pod/web-1", "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500")
        .events("Pod/web-1", "Killing", "Container web failed liveness probe, will be restarted", kills, 80);
    of.tells(
        line,
        "container web: Liveness probe failed: HTTP probe failed with statuscode: 500; the kubelet kills it for that",
    );
}

#[test]
fn an_init_container_that_fails() {
    let status = |restarts: i64| {
        let mut init = crashing(restarts, &exit(1));
        init["name"] = json!("wait");
        json!({
            "phase": "Pending", "initContainerStatuses": [init],
            "containerStatuses": [{"name": "web", "ready": false, "state": {"waiting": {"reason": "PodInitializing"}}}],
        })
    };
    let spec = json!({"initContainers": [{"name": "wait"}], "containers": [{"name": "web"}]});
    let of = Of::web().pod_since(60, &spec, &status(1)).log("web-1", "wait", &["cannot reach db"]);
    of.tells(Line::InitFailingFew, "init container wait ends with exit code 1: cannot reach db");
    Of::web().pod_since(60, &spec, &status(3)).tells(Line::InitFailing, "init container wait ends with exit code 1");
}

#[test]
fn a_sidecar_is_a_container() {
    let mut sidecar = crashing(1, &exit(2));
    sidecar["name"] = json!("proxy");
    let spec = json!({"initContainers": [{"name": "proxy", "restartPolicy": "Always"}], "containers": []});
    let status = json!({"phase": "Pending", "initContainerStatuses": [sidecar]});
    Of::web().pod_since(60, &spec, &status).tells(Line::CrashingFew, "container proxy ends with exit code 2");
}

#[test]
fn a_pod_that_is_never_started_again() {
    let status = json!({"phase": "Failed", "containerStatuses": [{"name": "web", "restartCount": 0, "state": {"terminated": exit(4)}}]});
    let of = Of::web().pod_since(60, &json!({"restartPolicy": "Never"}), &status);
    of.tells(Line::EndedForGood, "container web ends with exit code 4");
    let mut owned = of;
    std::sync::Arc::make_mut(&mut owned.0.owned[0])["metadata"]["ownerReferences"] = json!([{"kind": "Workflow"}]);
    // Its owner may make another one.
    owned.tells(Line::CrashingFew, "container web ends with exit code 4");
}

#[test]
fn a_container_that_must_not_run_as_root() {
    let message = "container has runAsNonRoot and image will run as root (pod: \"web-1_web(1)\", container: web)";
    let waiting = json!({"state": {"waiting": {"reason": "CreateContainerConfigError", "message": message}}});
    Of::web().container_since(2, &waiting).tells(Line::ContainerRefused, &format!("container web: {message}"));
}

#[test]
fn a_container_that_the_node_does_not_make() {
    let waiting =
        json!({"state": {"waiting": {"reason": "CreateContainerError", "message": "context deadline exceeded"}}});
    Of::web().container_since(2, &waiting).tells(Line::ContainerNotMade, "container web: context deadline exceeded");
}

#[test]
fn evicted() {
    let status = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
    Of::web()
        .pod_since(60, &json!({"nodeName": "node-1"}), &status)
        .tells(Line::Evicted, "pod Evicted: The node was low on resource: memory.");
}

#[test]
fn a_node_without_network() {
    let waiting = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
    let message = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox \"1\": plugin type=\"calico\" failed (add): error getting ClusterInformation: connection is unauthorized";
    let of = Of::web().container_since(9, &waiting).event("Pod/web-1", "FailedCreatePodSandBox", message);
    of.tells(
        Line::SandboxFailing,
        "node node-1 cannot set up the pod: failed to setup network for sandbox \"1\": plugin type=\"calico\" failed (add): error getting ClusterInformation: connection is unauthorized",
    );
}

#[rstest]
#[case("NetworkNotReady", "network is not ready: container runtime network not ready")]
#[case("FailedPodSandBoxStatus", "unable to get the status of the sandbox")]
#[case(
    "FailedCreatePodContainer",
    "unable to ensure pod container exists: failed to create container for [kubepods pod1]"
)]
#[case("FailedPrepareDynamicResources", "Failed to prepare dynamic resources: no driver gpu.example.com")]
fn what_a_node_cannot_set_up(#[case] reason: &str, #[case] message: &str) {
    let waiting = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
    let of = Of::web().container_since(9, &waiting).event("Pod/web-1", reason, message);
    of.tells(Line::SandboxFailing, &format!("node node-1 cannot set up the pod: {message}"));
}

fn log(previous: bool) -> Want {
    Want::Log { namespace: "web".to_owned(), pod: "web-1".to_owned(), container: "web".to_owned(), previous }
}

#[rstest]
#[case::waits_for_its_restart(crashing(2, &exit(1)), true)]
#[case::has_just_ended(json!({"restartCount": 1, "state": {"terminated": {"exitCode": 1}}}), false)]
#[case::first_run_ended(json!({"restartCount": 0, "state": {"terminated": {"exitCode": 1}}}), false)]
#[case::does_not_answer(running(0), false)]
fn the_log_that_is_read(#[case] container: Value, #[case] previous: bool) {
    Of::web().container_since(9, &container).wants(&[log(previous)]);
}

#[test]
fn a_want_that_was_read_is_not_wanted_again() {
    Of::web().container_since(9, &crashing(2, &exit(1))).read(log(true)).wants(&[]);
}

#[test]
fn pods_of_old_replica_sets_do_not_count() {
    let set = |uid: &str, revision: &str| {
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": uid, "namespace": "web", "uid": uid, "annotations": {"deployment.kubernetes.io/revision": revision}},
        })
    };
    let pod = |name: &str, set: &str, code: i64| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "web", "uid": name, "ownerReferences": [{"uid": set}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": name, "restartCount": 1, "state": {"terminated": exit(code)}}]},
        })
    };
    let of = Of::web().owns(set("old", "9")).owns(set("new", "10")).owns(pod("a", "old", 1)).owns(pod("b", "new", 2));
    of.tells(Line::CrashingFew, "container b ends with exit code 2");
}

#[test]
fn equal_pods_are_one_cause() {
    let mut of = Of::web().container_since(60, &crashing(1, &exit(1)));
    let mut second = of.0.owned[0].as_ref().clone();
    second["metadata"]["name"] = json!("web-2");
    second["metadata"]["uid"] = json!("pod-2");
    second["status"]["containerStatuses"][0]["restartCount"] = json!(3);
    of = of.owns(second);
    of.tells(Line::Crashing, "container web ends with exit code 1");
}

/// Restarts from before the run do not count until it has ended once more: what it waits for may have come.
#[rstest]
#[case::before(20, 30, false)]
#[case::since(20, 10, true)]
fn a_crash_from_before_the_run(#[case] since: i64, #[case] ended: i64, #[case] certain: bool) {
    let crashing = json!({
        "restartCount": 6, "ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 2, "finishedAt": ago(ended)}},
    });
    let of = Of::web().container_since(700, &crashing).since(since);
    assert_eq!((of.told()[0].0, of.certain()), (Line::Crashing, certain));
}
