//! What does not move although nothing is known to be wrong: the chain from an object down to a container or a condition, and since
//! when.

use super::containers::{Container, log_lines};
use super::draft::Draft;
use super::evidence::{Evidence, Want};
use super::line::{Line, PATIENCE};
use super::pods::is_deleted;
use super::read::{condition, events, list, name, namespace, number, one_line, seconds_since, text, time};
use super::revisions::{all_pods, present_pods, suspects};
use super::{Seen, jobs, read};
use crate::readiness::SUSPENDED;
use jiff::Timestamp;
use pilothouse_core::Readiness;
use serde_json::Value;

/// Pods that are told of: they mostly wait for the same.
const MOST_PODS: usize = 3;
/// Warnings that are told of.
const MOST_WARNINGS: usize = 8;

/// What the object waits for, if that has not moved for a while.
pub(super) fn waiting(evidence: &Evidence, now: Timestamp) -> Option<Draft> {
    let hook = evidence.live.as_deref().and_then(jobs::hook);
    let unready = suspects(evidence, now);
    let of_pods = unready.iter().take(MOST_PODS).find_map(|pod| of_pod(evidence, pod, now));
    // Where a pod of the present revision is the trouble, no other one is.
    let draft = match of_pods {
        None if unready.is_empty() => old_pod(evidence, now).or_else(|| min_ready(evidence, now)),
        of_pods => of_pods,
    };
    match hook {
        Some(events) => {
            let draft = draft.or_else(|| not_ended(evidence, &unready, now))?;
            let why = format!("the hook ({}): {}", one_line(events), draft.why);
            let line = if evidence.out_of_time { Line::HookOutOfTime } else { draft.line };
            Some(Draft { line, why, ..draft })
        }
        None => draft,
    }
}

/// A hook that has not ended when helm stops waiting, however short its own time was, or after a while.
fn not_ended(evidence: &Evidence, pods: &[&Value], now: Timestamp) -> Option<Draft> {
    let live = evidence.live.as_deref().filter(|live| matches!(text(live, "/kind"), "Job" | "Pod"))?;
    let since = seconds_since(time(live, "/metadata/creationTimestamp"), now);
    // While helm waits, one that has only just begun is nothing to speak of.
    if !evidence.out_of_time && since < PATIENCE {
        return None;
    }
    let (what, root) = (text(live, "/kind").to_lowercase(), evidence.object.to_string());
    let mut containers = pods.iter().flat_map(|pod| Container::all(pod));
    let running = containers.find(|container| container.status.pointer("/state/running").is_some());
    let draft = if let Some(container) = running {
        let words = log_lines(evidence, container).last().map(|line| format!(": {line}")).unwrap_or_default();
        let why = format!("{} still runs, {since} s after the {what} was made{words}", container.label());
        let (namespace, pod) = (namespace(container.pod), name(container.pod));
        Draft::new(Line::Waiting, root, why)
            .seen(container.says())
            .next(format!("kubectl logs -n {namespace} {pod} -c {}", container.name()))
    } else {
        let why = format!("it has not ended {since} s after the {what} was made: {}", evidence.status.message);
        Draft::new(Line::Waiting, root, why)
    };
    Some(draft.next(format!(
        "kubectl describe {}; give the release more time (timeout_in_seconds) if it needs that",
        read::kubectl_name(&evidence.object)
    )))
}

/// Everything a person would look at first, a line each: pods with their containers and conditions, ends of logs, warnings.
pub(super) fn chain(evidence: &Evidence, now: Timestamp) -> Vec<String> {
    let mut lines: Vec<String> = evidence.live.iter().flat_map(|live| conditions(live, now)).collect();
    let mut pods: Vec<&Value> = all_pods(evidence).filter(|pod| is_deleted(pod)).collect();
    pods.extend(suspects(evidence, now));
    for pod in pods.into_iter().take(MOST_PODS) {
        lines.push(says(pod, now));
        lines.extend(conditions(pod, now).into_iter().map(|line| format!("pod {}: {line}", name(pod))));
        for container in Container::all(pod) {
            if container.status.get("ready") == Some(&Value::Bool(true)) && container.restarts() == 0 {
                continue;
            }
            lines.push(container.says());
            let log = log_lines(evidence, container);
            lines.extend(log.iter().map(|line| format!("log of {}: {line}", container.name())));
        }
    }
    let warnings = events(evidence).filter(|seen| text(seen.event, "/type") == "Warning");
    let mut warnings: Vec<String> = warnings.map(|seen: Seen<'_>| seen.says()).collect();
    lines.extend(warnings.split_off(warnings.len().saturating_sub(MOST_WARNINGS)));
    lines
}

/// `pod web-1 is Running on node a, since 58 s`, with its deletion.
fn says(pod: &Value, now: Timestamp) -> String {
    let node = match text(pod, "/spec/nodeName") {
        "" => String::new(),
        node => format!(" on node {node}"),
    };
    let since = seconds_since(time(pod, "/metadata/creationTimestamp"), now);
    let deleted = is_deleted(pod).then(|| {
        let grace = number(pod, "/metadata/deletionGracePeriodSeconds");
        format!(", and is being deleted: grace {grace} s{}", finalizers(pod))
    });
    let phase = text(pod, "/status/phase");
    format!("pod {} is {phase}{node}, made {since} s ago{}", name(pod), deleted.unwrap_or_default())
}

fn finalizers(object: &Value) -> String {
    let names: Vec<&str> = list(object, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
    if names.is_empty() { String::new() } else { format!(", finalizers {}", names.join(", ")) }
}

/// The conditions that do not hold, with their reason, words and age. What follows from others is left out.
fn conditions(object: &Value, now: Timestamp) -> Vec<String> {
    let follows = |condition: &&Value| {
        let (kind, reason) = (text(condition, "/type"), text(condition, "/reason"));
        matches!(kind, "ContainersReady" | "Initialized") || reason == "ContainersNotReady" || reason == "PodCompleted"
    };
    let holds = |condition: &&Value| text(condition, "/status") != "True";
    let failing = list(object, "/status/conditions").iter().filter(|one| holds(one) && !follows(one));
    failing
        .map(|condition| {
            let parts = ["/reason", "/message"].map(|at| one_line(text(condition, at)));
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            let age = time(condition, "/lastTransitionTime");
            let since = age.map_or(String::new(), |at| format!(" for {} s", seconds_since(Some(at), now)));
            format!("{} is {}{since}: {}", text(condition, "/type"), text(condition, "/status"), parts.join(": "))
        })
        .collect()
}

/// What one pod that is not ready waits for.
fn of_pod(evidence: &Evidence, pod: &Value, now: Timestamp) -> Option<Draft> {
    let root = |what: &str| format!("{} {what}", evidence.object);
    let containers = Container::all(pod);
    if let Some(gate) = readiness_gate(pod) {
        let since = condition(pod, "Ready").and_then(|ready| time(ready, "/lastTransitionTime"));
        let ready_since = condition(pod, "ContainersReady").and_then(|ready| time(ready, "/lastTransitionTime"));
        return (seconds_since(ready_since.or(since), now) >= PATIENCE).then(|| {
            let why = format!("its containers are ready, and its readiness gate {gate} has not been set");
            Draft::new(Line::Waiting, root(&format!("readiness gate {gate}")), why)
                .next(format!("look at the controller that sets {gate}, or leave readinessGates out in the values"))
        });
    }
    let still = containers.iter().find(|container| {
        let ready = container.status.get("ready") == Some(&Value::Bool(true));
        (container.init || !ready || ends_by_itself(pod)) && runs_on(container, now)
    });
    if let Some(container) = still {
        return Some(still_running(evidence, pod, *container, now));
    }
    let since = time(pod, "/status/startTime").or_else(|| time(pod, "/metadata/creationTimestamp"));
    let begins = containers
        .iter()
        .find(|container| container.waiting().is_some())
        .filter(|_| containers.iter().all(|one| one.status.pointer("/state/running").is_none()));
    begins.filter(|_| seconds_since(since, now) >= PATIENCE).map(|container| {
        let reason = container.waiting().map_or("", |(reason, _)| reason);
        let why = format!("{} has not been begun for {} s ({reason})", container.label(), seconds_since(since, now));
        Draft::new(Line::Waiting, root(&container.label()), why).next(format!(
            "kubectl describe pod -n {} {}",
            namespace(pod),
            name(pod)
        ))
    })
}

/// A container that runs on while something waits for its end, or for it to be ready.
fn still_running(evidence: &Evidence, pod: &Value, container: Container<'_>, now: Timestamp) -> Draft {
    let since = seconds_since(time(container.status, "/state/running/startedAt"), now);
    let label = container.label();
    let done: Vec<&str> = Container::all(pod)
        .into_iter()
        .filter(|other| {
            number(other.status, "/state/terminated/exitCode") == 0
                && other.status.pointer("/state/terminated").is_some()
        })
        .filter(|other| !other.init)
        .map(|other| other.name())
        .collect();
    let words = log_lines(evidence, container).last().map(|line| format!(": {line}")).unwrap_or_default();
    let why = if container.init {
        format!("{label} has run for {since} s, and the others wait for its end{words}")
    } else if ends_by_itself(pod) && !done.is_empty() {
        format!("container {} has completed, and {label} still runs, after {since} s", done.join(", "))
    } else if ends_by_itself(pod) {
        format!("{label} still runs, after {since} s{words}")
    } else if container.status.get("started") == Some(&Value::Bool(false)) {
        format!("{label} has run for {since} s, and its startup probe has not passed{words}")
    } else {
        format!("{label} has run for {since} s and is not ready{words}")
    };
    let follow = format!("kubectl logs -n {} {} -c {}", namespace(pod), name(pod), container.name());
    let draft = Draft::new(Line::Waiting, format!("{} {label}", evidence.object), why).next(follow);
    if ends_by_itself(pod) && !done.is_empty() {
        draft.next(format!(
            "make {} an init container with restartPolicy Always, so that it ends with the pod",
            container.name()
        ))
    } else {
        draft
    }
}

/// Whether the container has run for a while.
fn runs_on(container: &Container<'_>, now: Timestamp) -> bool {
    seconds_since(time(container.status, "/state/running/startedAt"), now) >= PATIENCE
}

/// Whether the pod is to come to an end by itself: that of a Job, or a hook.
fn ends_by_itself(pod: &Value) -> bool {
    matches!(text(pod, "/spec/restartPolicy"), "Never" | "OnFailure")
}

/// The first readiness gate that does not hold, where the containers are ready.
fn readiness_gate(pod: &Value) -> Option<&str> {
    let holds = |kind: &str| condition(pod, kind).is_some_and(|condition| text(condition, "/status") == "True");
    let mut gates = list(pod, "/spec/readinessGates").iter().map(|gate| text(gate, "/conditionType"));
    gates.find(|gate| !holds(gate)).filter(|_| holds("ContainersReady"))
}

/// An old pod that takes its time to end.
fn old_pod(evidence: &Evidence, now: Timestamp) -> Option<Draft> {
    let pod = all_pods(evidence).find(|pod| is_deleted(pod))?;
    let grace = number(pod, "/metadata/deletionGracePeriodSeconds");
    // The timestamp is when the grace is over.
    let left = -elapsed(time(pod, "/metadata/deletionTimestamp"), now);
    if grace - left < PATIENCE {
        return None;
    }
    let asked = format!("pod {} was asked to end {} s ago", name(pod), grace - left);
    let why = match (left > 0, finalizers(pod)) {
        (true, _) => format!("{asked} and has {left} s more (grace {grace} s); the new one comes after it"),
        (false, held) if !held.is_empty() => format!("{asked} and is kept{held}"),
        (false, _) => format!("{asked}, its grace of {grace} s is over, and its node has not removed it"),
    };
    Some(Draft::new(Line::Waiting, format!("pod {}/{}", namespace(pod), name(pod)), why).next(
        "lower terminationGracePeriodSeconds or the preStop hook's time in the values, or give the release more time",
    ))
}

fn elapsed(moment: Option<Timestamp>, now: Timestamp) -> i64 {
    moment.map_or(0, |moment| now.as_second() - moment.as_second())
}

/// Pods that are ready, and are to stay so for a while.
fn min_ready(evidence: &Evidence, now: Timestamp) -> Option<Draft> {
    let live = evidence.live.as_deref()?;
    let seconds = number(live, "/spec/minReadySeconds");
    let mut own = present_pods(evidence).peekable();
    if seconds == 0 || own.peek().is_none() {
        return None;
    }
    let since = own.filter_map(|pod| time(condition(pod, "Ready")?, "/lastTransitionTime")).max();
    let why = format!(
        "its pods are ready for {} s, and count as available after minReadySeconds of {seconds} s",
        seconds_since(since, now)
    );
    Some(
        Draft::new(Line::Waiting, format!("{} minReadySeconds", evidence.object), why)
            .next("give the release more time than minReadySeconds (timeout_in_seconds), or lower it in the values"),
    )
}

/// Logs of containers that have run on for a while.
pub(super) fn wanted(evidence: &Evidence, now: Timestamp) -> Vec<Want> {
    let mut wants = Vec::new();
    for pod in suspects(evidence, now).into_iter().take(MOST_PODS) {
        for container in Container::all(pod) {
            let is_of_hook = evidence.live.as_deref().and_then(jobs::hook).is_some();
            let runs = runs_on(&container, now) || is_of_hook && container.status.pointer("/state/running").is_some();
            if runs && (container.init || ends_by_itself(pod)) {
                wants.push(Want::Log {
                    namespace: namespace(pod).to_owned(),
                    pod: name(pod).to_owned(),
                    container: container.name().to_owned(),
                    previous: false,
                });
            }
        }
    }
    wants
}

/// A rollout that somebody has paused, or a Job that somebody has suspended.
pub(super) fn suspended(evidence: &Evidence) -> Option<Draft> {
    if evidence.status.readiness != Readiness::Failed || evidence.status.reason.as_deref() != Some(SUSPENDED) {
        return None;
    }
    // A hook is helm's to run and to delete.
    if evidence.live.as_deref().and_then(jobs::hook).is_some() {
        return None;
    }
    let object = &evidence.object;
    let namespace = object.namespace.as_deref().unwrap_or_default();
    let go_on = match object.kind.as_str() {
        "Deployment" => format!("kubectl rollout resume -n {namespace} deployment {}", object.name),
        _ => {
            format!("kubectl patch {} --type=merge -p '{{\"spec\":{{\"suspend\":false}}}}'", read::kubectl_name(object))
        }
    };
    Some(Draft::new(Line::Suspended, object.to_string(), &evidence.status.message).next(go_on))
}
