//! From a pod that is not ready to its causes.

use super::containers::{self, Container};
use super::draft::Draft;
use super::evidence::{Evidence, Want};
use super::line::Line;
use super::read::{Seen, condition, events_about, name, namespace, one_line, text, waiting_since};
use super::reasons::{self, Means};
use super::references::{self, Absent};
use super::{images, rejected, revisions, runtime, scheduling, storage};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashMap;

/// Pods whose logs and references are looked at, of one object: they all suffer from the same.
const MOST_PODS: usize = 3;
/// Pods in the same state whose causes are found: restarts and events differ.
const MOST_ALIKE: usize = 20;
/// Pods whose causes are found in all.
const MOST_LOOKED_AT: usize = 200;

/// A few of the pods that suffer from the same, as their status has it: hundreds of them tell no more.
pub(super) fn alike(pods: Vec<&Value>) -> Vec<&Value> {
    let mut seen: HashMap<Vec<&str>, usize> = HashMap::new();
    pods.into_iter()
        .filter(|pod| {
            let scheduled = condition(pod, "PodScheduled").map_or("", |scheduled| text(scheduled, "/message"));
            let mut marks = vec![text(pod, "/status/phase"), text(pod, "/status/reason"), scheduled];
            for container in Container::all(pod) {
                marks.extend([container.name(), container.waiting().map_or("", |(reason, _)| reason)]);
                marks.push(container.ended().map_or("", |ended| text(ended, "/reason")));
            }
            let count = seen.entry(marks).or_default();
            *count += 1;
            *count <= MOST_ALIKE
        })
        .take(MOST_LOOKED_AT)
        .collect()
}

/// Whether it is neither ready, nor done, nor on its way out.
pub(super) fn is_suspect(pod: &Value) -> bool {
    let ready = condition(pod, "Ready").is_some_and(|ready| text(ready, "/status") == "True");
    !ready && !is_deleted(pod) && text(pod, "/status/phase") != "Succeeded"
}

/// Whether one of its containers has ended with an error, and has not run for as long since.
pub(super) fn comes_and_goes(pod: &Value, now: Timestamp) -> bool {
    Container::all(pod).iter().any(|container| container.comes_and_goes(now))
}

pub(super) fn is_deleted(pod: &Value) -> bool {
    !text(pod, "/metadata/deletionTimestamp").is_empty()
}

/// Why one pod is not ready, by all that is at work.
pub(super) fn causes(evidence: &Evidence, pod: &Value, now: Timestamp) -> Vec<Draft> {
    found(evidence, pod, now).into_iter().map(|draft| draft.weighed(evidence)).collect()
}

fn found(evidence: &Evidence, pod: &Value, now: Timestamp) -> Vec<Draft> {
    if let Some(scheduled) = condition(pod, "PodScheduled").filter(|scheduled| text(scheduled, "/status") == "False") {
        return scheduling::causes(evidence, pod, scheduled, now);
    }
    let events = events_about(evidence, pod);
    if let Some(rejected) = rejected::cause(evidence, pod) {
        return vec![rejected];
    }
    let mut drafts: Vec<Draft> = Container::all(pod)
        .into_iter()
        .filter_map(|container| of_container(evidence, container, &events, now))
        .collect();
    // Before its containers are made, only events tell what a pod waits for.
    if drafts.is_empty() && is_being_made(pod) {
        drafts.extend(storage::mounting(evidence, pod, &events, now));
        if drafts.is_empty() {
            drafts.extend(sandbox(pod, &events));
        }
    }
    drafts
}

fn of_container(evidence: &Evidence, container: Container<'_>, events: &[Seen<'_>], now: Timestamp) -> Option<Draft> {
    match container.waiting() {
        Some((reason, _)) if images::is_pull(reason) => images::pull(evidence, container, now),
        Some(("PostStartHookError", _)) => containers::post_start_failed(evidence, container),
        Some(("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError", message)) => {
            Some(not_made(evidence, container, message, events, now))
        }
        Some(("" | "ContainerCreating" | "PodInitializing", _)) => None,
        Some((_, message)) => containers::ended(evidence, container)
            // A reason that is new, or a runtime's own: it says why all the same.
            .or_else(|| (!message.is_empty()).then(|| not_made(evidence, container, message, events, now))),
        None => {
            let ended = container.status.pointer("/state/terminated");
            let failed = ended.is_some_and(|ended| ended.get("exitCode") != Some(&Value::from(0)));
            // A program that ends by itself, where it is to run on, is started again at once.
            let is_over = ended.is_some() && !container.init && text(container.pod, "/spec/restartPolicy") == "Always";
            let is_ready = container.status.get("ready") == Some(&Value::Bool(true));
            // It is ready until it ends again.
            let comes_and_goes = is_ready && revisions::is_restarted(evidence) && container.comes_and_goes(now);
            if failed || is_over || comes_and_goes {
                containers::ended(evidence, container)
            } else if ended.is_some() || is_ready {
                None
            } else if container.init {
                (container.restarts() > 0).then(|| containers::ended(evidence, container)).flatten()
            } else {
                containers::unready(evidence, container)
            }
        }
    }
}

/// A container that the kubelet cannot make of what its spec says.
fn not_made(
    evidence: &Evidence,
    container: Container<'_>,
    message: &str,
    events: &[Seen<'_>],
    now: Timestamp,
) -> Draft {
    let root = format!("{} {}", evidence.object, container.label());
    if let Some(absent) = references::absent(message, |_| None) {
        let since = references::first_said(events, message).or_else(|| waiting_since(container.pod));
        let draft = references::missing(evidence, namespace(container.pod), &absent, since, now);
        if let Some(draft) = draft {
            return draft.seen(container.says());
        }
        // What was missing has come, and the kubelet has not looked yet.
        let why = format!("{} {} is there now; the node has not tried again yet", absent.kind, absent.name);
        return Draft::new(Line::ContainerNotMade, root, why).seen(container.says());
    }
    let refused =
        ["runAsNonRoot", "non-numeric user", "no command specified"].iter().any(|sign| message.contains(sign));
    if !refused && container.waiting().is_some_and(|(reason, _)| reason == "RunContainerError")
        || runtime::is_about_program(message)
    {
        let (line, why, next) = runtime::start_error(container, message);
        return Draft::new(line, root, why).seen(container.says()).next(next);
    }
    let line = if refused { Line::ContainerRefused } else { Line::ContainerNotMade };
    let draft = Draft::new(line, root, format!("{}: {}", container.label(), one_line(message))).seen(container.says());
    if message.contains("runAsNonRoot") || message.contains("non-numeric user") {
        draft.next("set securityContext.runAsUser to a number other than 0, or use an image that names such a user")
    } else {
        draft.next(format!("kubectl describe pod -n {} {}", namespace(container.pod), name(container.pod)))
    }
}

/// Whether none of its containers has got anywhere yet.
fn is_being_made(pod: &Value) -> bool {
    let waits = |container: &Container<'_>| {
        matches!(container.waiting(), Some(("ContainerCreating" | "PodInitializing" | "", _)))
    };
    text(pod, "/status/phase") == "Pending" && Container::all(pod).iter().all(waits)
}

fn sandbox(pod: &Value, events: &[Seen<'_>]) -> Option<Draft> {
    let seen = events.iter().rev().find(|seen| reasons::means(seen.reason) == Means::Sandbox)?;
    let node = text(pod, "/spec/nodeName");
    if let Some(class) = seen.message.split_once("RuntimeHandler").map(|_| one_line(seen.message)) {
        return Some(Draft::new(Line::SandboxFailing, format!("node {node}"), class).seen(seen.says()));
    }
    let message = one_line(seen.message);
    let why = message.rsplit_once("desc = ").map_or(message.as_str(), |(_, end)| end);
    Some(
        Draft::new(Line::SandboxFailing, format!("node {node}"), format!("node {node} cannot set up the pod: {why}"))
            .seen(seen.says())
            .next(format!("kubectl describe node {node}, and look at the pods of the network plugin in kube-system")),
    )
}

/// What would tell more about the pods.
pub(super) fn wanted(evidence: &Evidence, now: Timestamp) -> Vec<Want> {
    let mut wants = Vec::new();
    for pod in revisions::suspects(evidence, now).into_iter().take(MOST_PODS) {
        let scheduled = condition(pod, "PodScheduled").is_none_or(|scheduled| text(scheduled, "/status") != "False");
        if !scheduled {
            wants.extend(scheduling::wanted(pod));
            continue;
        }
        let events = events_about(evidence, pod);
        for container in Container::all(pod) {
            wants.extend(containers::wanted_log(container));
            match container.waiting() {
                Some((reason, _)) if images::is_pull(reason) => wants.extend(images::wanted(evidence, pod)),
                Some(("CreateContainerConfigError", message)) => {
                    let absent = references::absent(message, |_| None);
                    wants.extend(absent.iter().flat_map(|absent| references::wanted(evidence, namespace(pod), absent)));
                }
                _ => {}
            }
        }
        if is_being_made(pod) {
            let absent: Vec<Absent> = storage::absent(pod, &events);
            wants.extend(absent.iter().flat_map(|absent| references::wanted(evidence, namespace(pod), absent)));
        }
    }
    wants
}
