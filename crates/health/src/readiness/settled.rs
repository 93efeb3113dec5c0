//! Workloads that are ready by their own status, but whose pods have only just started: without a readiness probe, Kubernetes calls a
//! container ready as soon as its program runs, also one that ends a moment later. One that has ended badly may pass its probe once
//! before it ends again.

use crate::conventions::fields::{array, group_and_kind, text};
use jiff::{SignedDuration, Timestamp};
use pilothouse_core::{ObjectRef, ObjectStatus, Readiness};
use serde_json::Value;

/// The reason of what has only just started.
pub(crate) const JUST_STARTED: &str = "JustStarted";
/// The reason of what runs, of which a container has ended with an error and has not proven itself since.
pub(crate) const RESTARTED: &str = "RestartedAfterError";
/// How long a container without a readiness probe must have run.
const FIRST: SignedDuration = SignedDuration::from_secs(3);
/// The same for one that has ended before.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);
/// The longest time in which a container that has ended with an error must prove itself, while somebody waits for it.
const PROOF: SignedDuration = SignedDuration::from_mins(1);
/// The same where nobody waits. What has run for so long before it ended, and has not ended often, is no program that comes and goes: a
/// kubelet forgives it, too.
const MEMORY: SignedDuration = SignedDuration::from_mins(10);
/// As often as this only a program ends that comes and goes.
const OFTEN: i64 = 3;
/// How long after it was judged a container may be looked for.
const SEARCH: SignedDuration = SignedDuration::from_secs(10);

/// The label selector of the pods that tell whether a workload has settled; `None` where its own status is enough:
/// `minReadySeconds` asks for as long, it runs nothing, its last change is long ago, or nobody knows when that was and every
/// container has a readiness probe. One that has may have passed it between two of its ends.
pub fn unproven(workload: &Value, now: Timestamp) -> Option<String> {
    let number = |pointer: &str| workload.pointer(pointer).and_then(Value::as_i64);
    let patient = number("/spec/minReadySeconds").is_some_and(|seconds| seconds >= FIRST.as_secs());
    let idle = number("/spec/replicas") == Some(0);
    let settled = match last_change(workload) {
        Some(changed) => !is_within(changed, PROOF, now),
        None => unprobed(array(workload, "/spec/template/spec/containers")).is_empty(),
    };
    if patient || idle || settled { None } else { selector(workload) }
}

/// The label selector of a workload's pods; `None` where it has none, or is no workload.
pub fn selector(workload: &Value) -> Option<String> {
    if !is_workload(group_and_kind(workload)) {
        return None;
    }
    let labels = workload.pointer("/spec/selector/matchLabels").and_then(Value::as_object)?;
    let labels: Vec<String> =
        labels.iter().filter_map(|(label, value)| Some(format!("{label}={}", value.as_str()?))).collect();
    (!labels.is_empty()).then(|| labels.join(","))
}

fn is_workload(group_and_kind: (&str, &str)) -> bool {
    matches!(group_and_kind, ("apps", "Deployment" | "StatefulSet" | "DaemonSet"))
}

/// Whether an object is one whose pods [`restarted`] may be asked about.
pub fn runs_pods(object: &ObjectRef) -> bool {
    let of = (object.group().unwrap_or_default(), object.kind.as_str());
    is_workload(of) || of == ("", "Pod")
}

/// Why an object that is ready by its own status is not well, by the pods of its namespace: a container has ended with an error,
/// and the next run has not lasted as long as that one did. Between two ends of a program that comes and goes, nothing else tells.
pub fn restarted(object: &ObjectRef, pods: &[Value], now: Timestamp) -> Option<ObjectStatus> {
    let is_its_own = |pod: &&Value| {
        if !runs_pods(object) || object.namespace.as_deref() != Some(text(pod, "/metadata/namespace")) {
            return false;
        }
        let owner = controller(pod).map(|owner| (text(owner, "/kind"), text(owner, "/name")));
        match object.kind.as_str() {
            "Pod" => text(pod, "/metadata/name") == object.name,
            "Deployment" => owner.is_some_and(|owner| is_set_of(&object.name, pod, owner)),
            kind => owner == Some((kind, &object.name)),
        }
    };
    living(pods.iter().filter(is_its_own)).find_map(|container| restarted_after_error(container, MEMORY, now))
}

/// Whether a container is one of those for which [`restarted`] or [`unsettled`] has just called an object not well.
pub(crate) fn comes_and_goes(container: &Value, now: Timestamp) -> bool {
    has_to_run(container, MEMORY).is_some_and(|proof| runs_less_than(container, proof + SEARCH, now))
}

/// Whether a container has ended with an error; one of several programs in it that used up its memory leaves no exit code.
fn is_failure(ended: &Value) -> bool {
    let failed = ended.get("exitCode").and_then(Value::as_i64).is_some_and(|code| code != 0);
    failed || text(ended, "/reason") == "OOMKilled"
}

/// The containers of those pods that are neither over nor being deleted, with those that are started before them and run beside them.
fn living<'a>(pods: impl Iterator<Item = &'a Value>) -> impl Iterator<Item = &'a Value> {
    // Evicted pods stay behind as failed ones.
    let ended = |pod: &Value| matches!(text(pod, "/status/phase"), "Failed" | "Succeeded");
    let living = pods.filter(move |pod| pod.pointer("/metadata/deletionTimestamp").is_none() && !ended(pod));
    living.flat_map(|pod| {
        let runs_beside = |status: &&Value| {
            let mut specs = array(pod, "/spec/initContainers").iter();
            specs.any(|spec| spec.get("name") == status.get("name") && text(spec, "/restartPolicy") == "Always")
        };
        let beside = array(pod, "/status/initContainerStatuses").iter().filter(runs_beside);
        beside.chain(array(pod, "/status/containerStatuses"))
    })
}

/// Why a workload cannot be called ready yet, by the pods of its selector.
pub fn unsettled(workload: &Value, pods: &[Value], now: Timestamp) -> Option<ObjectStatus> {
    let names = unprobed(array(workload, "/spec/template/spec/containers"));
    living(pods.iter().filter(|pod| is_its_pod(workload, pod))).find_map(|container| {
        restarted_after_error(container, PROOF, now).or_else(|| {
            let message = "its containers have only just started or ended, and no readiness probe vouches for them";
            let is_new = names.contains(&text(container, "/name")) && is_young(container, now);
            is_new.then(|| ObjectStatus::new(Readiness::InProgress, message).because(JUST_STARTED))
        })
    })
}

/// Where a container ended with an error, and the run after it has not lasted as long: a probe that it passes says little then.
fn restarted_after_error(container: &Value, at_most: SignedDuration, now: Timestamp) -> Option<ObjectStatus> {
    let proof = has_to_run(container, at_most).filter(|proof| runs_less_than(container, *proof, now))?;
    let (name, seconds) = (text(container, "/name"), proof.as_secs());
    let message = format!("container {name} has ended with an error and has not run for {seconds} s since");
    Some(ObjectStatus::new(Readiness::InProgress, message).because(RESTARTED))
}

/// For how long a container has to run that has ended with an error: as long as it did before.
fn has_to_run(container: &Value, at_most: SignedDuration) -> Option<SignedDuration> {
    let ended = ["/state/terminated", "/lastState/terminated"].into_iter().filter_map(|at| container.pointer(at));
    let ended = ended.into_iter().find(|ended| is_failure(ended))?;
    let time = |at: &str| text(ended, at).parse::<Timestamp>().ok();
    let lasted = time("/startedAt").zip(time("/finishedAt")).map_or(AGAIN, |(from, to)| to.duration_since(from));
    // What ends every quarter of an hour for want of memory comes and goes, too.
    let is_rare = container.get("restartCount").and_then(Value::as_i64).unwrap_or_default() < OFTEN;
    Some(if lasted >= MEMORY && is_rare { AGAIN } else { lasted.clamp(AGAIN, at_most) })
}

/// Whether a container has run for less than that, or does not run.
fn runs_less_than(container: &Value, span: SignedDuration, now: Timestamp) -> bool {
    let started = text(container, "/state/running/startedAt").parse::<Timestamp>();
    started.map_or(true, |started| is_within(started, span, now))
}

/// Whether the workload has made the pod. Others may have the same labels, a Job's for one.
fn is_its_pod(workload: &Value, pod: &Value) -> bool {
    let Some(owner) = controller(pod) else { return false };
    if group_and_kind(workload).1 == "Deployment" {
        return is_set_of(text(workload, "/metadata/name"), pod, (text(owner, "/kind"), text(owner, "/name")));
    }
    let uid = text(workload, "/metadata/uid");
    !uid.is_empty() && text(owner, "/uid") == uid
}

fn controller(pod: &Value) -> Option<&Value> {
    array(pod, "/metadata/ownerReferences").iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))
}

/// Whether a pod's owner is a ReplicaSet of the Deployment of this name: theirs are made of its name and of what the pods are
/// labelled with.
fn is_set_of(deployment: &str, pod: &Value, (kind, name): (&str, &str)) -> bool {
    let hash = text(pod, "/metadata/labels/pod-template-hash");
    !hash.is_empty() && kind == "ReplicaSet" && name == format!("{deployment}-{hash}")
}

fn unprobed(containers: &[Value]) -> Vec<&str> {
    let without = containers.iter().filter(|container| container.get("readinessProbe").is_none());
    without.map(|container| text(container, "/name")).collect()
}

/// Whether a container has not run for long enough, or does not run: the workload's status is a moment behind.
fn is_young(container: &Value, now: Timestamp) -> bool {
    let ended_before = container.pointer("/lastState/terminated").is_some();
    runs_less_than(container, if ended_before { AGAIN } else { FIRST }, now)
}

/// When the workload's status last changed. Only Deployments tell.
fn last_change(workload: &Value) -> Option<Timestamp> {
    let times = array(workload, "/status/conditions")
        .iter()
        .flat_map(|condition| ["/lastUpdateTime", "/lastTransitionTime"].map(|key| text(condition, key)));
    times.filter_map(|time| time.parse().ok()).max()
}

/// Times have whole seconds. One that is farther in the future than that is of a clock that goes wrong: nothing is concluded.
fn is_within(time: Timestamp, span: SignedDuration, now: Timestamp) -> bool {
    let age = now.duration_since(time);
    age < span && age > SignedDuration::from_secs(-2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    const NOW: &str = "2026-11-21T12:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn ago(seconds: i64) -> String {
        now().checked_sub(SignedDuration::from_secs(seconds)).unwrap().to_string()
    }

    fn deployment(changed: i64) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "uid": "web-uid"},
            "spec": {
                "replicas": 1, "selector": {"matchLabels": {"app": "web", "tier": "front"}},
                "template": {"spec": {"containers": [{"name": "web"}, {"name": "side", "readinessProbe": {}}]}},
            },
            "status": {"conditions": [{"type": "Available", "lastUpdateTime": ago(changed), "lastTransitionTime": ago(500)}]},
        })
    }

    /// That of a pod which the Deployment has made.
    fn owned() -> Value {
        json!({"labels": {"pod-template-hash": "6d4"}, "ownerReferences": [{"kind": "ReplicaSet", "name": "web-6d4", "uid": "set-uid", "controller": true}]})
    }

    fn pod(container: &str, started: i64) -> Value {
        json!({"metadata": owned(), "status": {"containerStatuses": [{"name": container, "state": {"running": {"startedAt": ago(started)}}}]}})
    }

    #[rstest]
    #[case::as_it_is("", json!(null), true)]
    #[case::other_kinds("/kind", json!("ReplicaSet"), false)]
    #[case::of_another_group("/apiVersion", json!("example.com/v1"), false)]
    #[case::runs_nothing("/spec/replicas", json!(0), false)]
    #[case::its_probes_have_just_passed("/spec/template/spec/containers", json!([{"name": "a", "readinessProbe": {}}]), true)]
    #[case::no_labels("/spec/selector/matchLabels", json!({}), false)]
    #[case::a_moment_ago("/status/conditions", json!([{"lastUpdateTime": ago(59)}]), true)]
    #[case::long_ago("/status/conditions", json!([{"lastUpdateTime": ago(61)}]), false)]
    #[case::no_times("/status/conditions", json!([{"type": "Available"}]), true)]
    fn what_needs_a_look_at_its_pods(#[case] pointer: &str, #[case] value: Value, #[case] expected: bool) {
        let mut workload = deployment(1);
        if !pointer.is_empty() {
            *workload.pointer_mut(pointer).unwrap() = value;
        }
        assert_eq!(unproven(&workload, now()), expected.then(|| "app=web,tier=front".to_owned()));
    }

    /// A probe vouches for its container where nobody knows when something has changed.
    #[test]
    fn probes_vouch_where_no_times_are_told() {
        let mut workload = deployment(1);
        workload["spec"]["template"]["spec"]["containers"] = json!([{"name": "a", "readinessProbe": {}}]);
        workload["status"]["conditions"] = json!([]);
        assert_eq!(unproven(&workload, now()), None);
    }

    #[rstest]
    #[case(json!({"minReadySeconds": 2}), true)]
    #[case(json!({"minReadySeconds": 3}), false)]
    fn patience_of_its_own(#[case] spec: Value, #[case] expected: bool) {
        let mut workload = deployment(1);
        workload["spec"]["minReadySeconds"] = spec["minReadySeconds"].clone();
        assert_eq!(unproven(&workload, now()).is_some(), expected);
    }

    #[rstest]
    #[case::just_started(pod("web", 2), true)]
    #[case::started(pod("web", 3), false)]
    #[case::one_with_a_probe(pod("side", 0), false)]
    #[case::one_from_elsewhere(pod("injected", 0), false)]
    #[case::a_clock_that_goes_wrong(pod("web", -100), false)]
    #[case::clocks_that_differ_a_little(pod("web", -1), true)]
    fn pods(#[case] pod: Value, #[case] expected: bool) {
        assert_eq!(unsettled(&deployment(0), &[pod], now()).is_some(), expected);
    }

    #[rstest]
    #[case::its_own("Deployment", json!([{"kind": "ReplicaSet", "name": "web-6d4", "controller": true}]), true)]
    #[case::of_a_set_of_another_name("Deployment", json!([{"kind": "ReplicaSet", "name": "web-other-6d4", "controller": true}]), false)]
    #[case::of_a_job("Deployment", json!([{"kind": "Job", "name": "web-6d4", "uid": "web-uid", "controller": true}]), false)]
    #[case::of_nobody("Deployment", json!([]), false)]
    #[case::of_a_stateful_set("StatefulSet", json!([{"kind": "StatefulSet", "name": "web", "uid": "web-uid", "controller": true}]), true)]
    #[case::of_an_earlier_stateful_set("StatefulSet", json!([{"kind": "StatefulSet", "name": "web", "uid": "old-uid", "controller": true}]), false)]
    fn only_its_own_pods_count(#[case] kind: &str, #[case] owners: Value, #[case] expected: bool) {
        let (mut workload, mut pod) = (deployment(0), pod("web", 0));
        workload["kind"] = json!(kind);
        pod["metadata"]["ownerReferences"] = owners;
        assert_eq!(unsettled(&workload, &[pod], now()).is_some(), expected);
    }

    #[rstest]
    #[case::it_has_ended(json!({"terminated": {"exitCode": 1}}), "Running", true)]
    #[case::it_waits_to_be_started_again(json!({"waiting": {"reason": "CrashLoopBackOff"}}), "Running", true)]
    #[case::one_that_was_evicted(json!({"terminated": {"exitCode": 137}}), "Failed", false)]
    fn one_that_does_not_run(#[case] state: Value, #[case] phase: &str, #[case] expected: bool) {
        let pod = json!({"metadata": owned(), "status": {"phase": phase, "containerStatuses": [{"name": "web", "state": state}]}});
        assert_eq!(unsettled(&deployment(0), &[pod], now()).is_some(), expected);
    }

    #[test]
    fn one_that_has_ended_before_is_watched_for_longer() {
        let mut again = pod("web", 9);
        again["status"]["containerStatuses"][0]["lastState"] = json!({"terminated": {"exitCode": 1}});
        let status = unsettled(&deployment(0), std::slice::from_ref(&again), now()).unwrap();
        assert_eq!((status.readiness, status.reason.as_deref()), (Readiness::InProgress, Some(RESTARTED)));
        let long_ago = pod("web", 11);
        assert_eq!(unsettled(&deployment(0), &[long_ago], now()), None);
        again["metadata"]["deletionTimestamp"] = json!(NOW);
        assert_eq!(unsettled(&deployment(0), &[again], now()), None, "it goes away");
    }

    /// One passed probe says little of a program that has ended with an error a moment ago.
    #[rstest]
    #[case::a_moment_ago(json!({"running": {"startedAt": ago(9)}}), json!({"exitCode": 137}), true)]
    #[case::long_ago(json!({"running": {"startedAt": ago(11)}}), json!({"exitCode": 137}), false)]
    #[case::well(json!({"running": {"startedAt": ago(1)}}), json!({"exitCode": 0}), false)]
    #[case::out_of_memory(json!({"running": {"startedAt": ago(1)}}), json!({"exitCode": 0, "reason": "OOMKilled"}), true)]
    #[case::never(json!({"running": {"startedAt": ago(1)}}), json!(null), false)]
    #[case::between(json!({"waiting": {"reason": "CrashLoopBackOff"}}), json!({"exitCode": 1}), true)]
    #[case::now(json!({"terminated": {"exitCode": 1}}), json!(null), true)]
    fn one_with_a_probe_that_has_ended_badly(#[case] state: Value, #[case] last: Value, #[case] expected: bool) {
        let mut pod = pod("side", 1);
        pod["status"]["containerStatuses"][0] =
            json!({"name": "side", "state": state, "lastState": {"terminated": last}});
        assert_eq!(unsettled(&deployment(0), &[pod], now()).is_some(), expected);
    }

    /// What is started before the others and runs beside them ends like any other; what they wait for is over.
    #[rstest]
    #[case::runs_beside(json!([{"name": "proxy", "restartPolicy": "Always"}]), true)]
    #[case::is_over(json!([{"name": "proxy"}]), false)]
    fn a_sidecar_that_has_ended_badly(#[case] init: Value, #[case] expected: bool) {
        let mut pod = pod("side", 100);
        pod["spec"] = json!({"initContainers": init});
        pod["status"]["initContainerStatuses"] = json!([{"name": "proxy", "state": {"running": {"startedAt": ago(1)}},
            "lastState": {"terminated": {"exitCode": 1}}}]);
        assert_eq!(unsettled(&deployment(0), &[pod], now()).is_some(), expected);
    }

    /// A program that comes and goes is not well between two of its ends; nor is it while somebody waits, for a minute. One that
    /// has ended once after days does neither.
    #[rstest]
    #[case::as_long_as_before(1, 20, 15, true, true)]
    #[case::longer_than_before(1, 20, 21, false, false)]
    #[case::short_before(1, 1, 9, true, true)]
    #[case::ran_for_minutes(1, 599, 59, true, true)]
    #[case::nobody_waits_so_long(1, 599, 61, false, true)]
    #[case::as_long_as_that(1, 599, 600, false, false)]
    #[case::once_after_days(1, 200_000, 9, true, true)]
    #[case::well_again_after_days(1, 200_000, 11, false, false)]
    #[case::kubelets_forgive_that(1, 600, 11, false, false)]
    #[case::kubelets_forgive_that_twice(2, 720, 11, false, false)]
    #[case::every_quarter_of_an_hour(40, 720, 11, true, true)]
    #[case::every_quarter_of_an_hour_and_a_minute_later(3, 720, 61, false, true)]
    fn one_that_comes_and_goes(
        #[case] restarts: i64,
        #[case] lasted: i64,
        #[case] runs: i64,
        #[case] waited_for: bool,
        #[case] looked_at: bool,
    ) {
        let mut pod = pod("side", runs);
        pod["metadata"]["namespace"] = json!("web");
        let ended = json!({"exitCode": 1, "startedAt": ago(runs + 5 + lasted), "finishedAt": ago(runs + 5)});
        pod["status"]["containerStatuses"][0]["lastState"] = json!({"terminated": ended});
        pod["status"]["containerStatuses"][0]["restartCount"] = json!(restarts);
        let pods = [pod];
        assert_eq!(unsettled(&deployment(0), &pods, now()).is_some(), waited_for);
        let object = |text: &str, version: &str| ObjectRef {
            api_version: Some(version.to_owned()),
            ..ObjectRef::parse(text).unwrap()
        };
        let found = restarted(&object("Deployment/web/web", "apps/v1"), &pods, now());
        assert_eq!(found.map(|status| status.reason), looked_at.then(|| Some(RESTARTED.to_owned())));
        for other in [
            object("Deployment/web/other", "apps/v1"),
            object("Deployment/elsewhere/web", "apps/v1"),
            object("Deployment/web/web", "example.com/v1"),
            object("DaemonSet/web/web", "apps/v1"),
        ] {
            assert_eq!(restarted(&other, &pods, now()), None, "{other}");
        }
    }
}
