//! Jobs and hooks.

use super::{Of, ago};
use crate::diagnosis::line::Line;
use rstest::rstest;
use serde_json::{Value, json};

fn job(hook: Option<&str>, condition: Option<(&str, &str)>) -> Of {
    let conditions: Vec<Value> = condition
        .iter()
        .map(|(reason, message)| json!({"type": "Failed", "status": "True", "reason": reason, "message": message}))
        .collect();
    let mut annotations = json!({});
    if let Some(hook) = hook {
        annotations["helm.sh/hook"] = json!(hook);
    }
    Of::object(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "namespace": "web", "annotations": annotations},
        "spec": {"backoffLimit": 2}, "status": {"conditions": conditions},
    }))
}

fn with_pod(of: Of) -> Of {
    let status = json!({"phase": "Failed", "containerStatuses": [{"name": "migrate", "restartCount": 0, "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}]});
    of.pod_since(9, &json!({"restartPolicy": "Never"}), &status).log("web-1", "migrate", &["table is locked"])
}

const BACKOFF: Option<(&str, &str)> = Some(("BackoffLimitExceeded", "Job has reached the specified backoff limit"));

#[rstest]
#[case::hook_failed(Some("pre-upgrade"), BACKOFF, Line::HookFailed, "the hook (pre-upgrade)")]
#[case::hook_fails(Some("pre-upgrade"), None, Line::HookFailing, "the hook (pre-upgrade)")]
#[case::job_failed(None, BACKOFF, Line::JobFailed, "the Job")]
#[case::job_fails(None, None, Line::JobFailing, "the Job")]
fn a_pod_that_ended(
    #[case] hook: Option<&str>,
    #[case] condition: Option<(&str, &str)>,
    #[case] line: Line,
    #[case] what: &str,
) {
    let of = with_pod(job(hook, condition));
    of.tells(line, &format!("{what} fails: container migrate ends with exit code 3: table is locked"));
    assert_eq!(of.roots(), ["Job web/migrate"]);
}

/// The pod is never started again, but the Job makes another one.
#[rstest]
#[case::tries_left(None, Line::InitFailingFew)]
#[case::failed(BACKOFF, Line::InitFailing)]
fn an_init_container_of_a_job(#[case] condition: Option<(&str, &str)>, #[case] line: Line) {
    let status = json!({
        "phase": "Failed", "initContainerStatuses": [{"name": "wait", "restartCount": 0, "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}],
    });
    let spec = json!({"restartPolicy": "Never", "initContainers": [{"name": "wait"}]});
    let mut of = job(None, condition).pod_since(9, &spec, &status);
    let live = std::sync::Arc::make_mut(of.0.live.as_mut().unwrap());
    live["spec"]["backoffLimit"] = json!(6);
    of.tells(line, "init container wait ends with exit code 1");
}

#[test]
fn a_hook_whose_pods_are_gone() {
    job(Some("pre-install"), BACKOFF)
        .tells(Line::HookFailed, "the hook (pre-install) failed: Job has reached the specified backoff limit");
    let late = job(Some("pre-install"), Some(("DeadlineExceeded", "Job was active longer than specified deadline")));
    late.tells(
        Line::HookFailed,
        "the hook (pre-install) ran out of time: Job was active longer than specified deadline",
    );
}

#[test]
fn a_hook_whose_image_is_not_there_says_so() {
    let status = json!({"phase": "Pending", "containerStatuses": [{"name": "m", "image": "r.example/m:1", "state": {"waiting": {"reason": "ErrImagePull", "message": "r.example/m:1: not found"}}}]});
    let of = job(Some("pre-install"), None).pod_since(2, &json!({}), &status);
    of.tells(Line::ImageAbsentOnce, "r.example/m:1 is not there: r.example says: r.example/m:1: not found");
}

#[test]
fn a_hook_that_ran_out_of_time_before_its_pod_found_a_node() {
    let status = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": ago(5),
        "message": "0/1 nodes are available: 1 Insufficient cpu. preemption: no",
    }]});
    let of = job(Some("pre-install"), Some(("DeadlineExceeded", "Job was active longer than specified deadline")))
        .pod_since(5, &json!({}), &status);
    of.tells(Line::HookFailed, "the hook (pre-install) ran out of time: none of 1 nodes takes the pod: it asks for 0 cpu, and no node has that free");
}

#[test]
fn out_of_memory_is_what_it_is_in_a_job_too() {
    let status = json!({"phase": "Failed", "containerStatuses": [{"name": "m", "restartCount": 0, "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]});
    let of = job(None, BACKOFF).pod_since(9, &json!({"restartPolicy": "Never"}), &status);
    of.tells(Line::Oom, "container m used up the memory of its node or pod and was killed");
}
