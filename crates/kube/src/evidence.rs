//! What tells why objects are not ready: container states, scheduling, events, the end of a log.
//!
//! What is shown are states, reasons and messages written by Kubernetes, and lines a container printed; never the
//! content of Secrets or the environment of a container.

use crate::client::{ClusterClient, LogQuery};
use crate::error::ClusterError;
use crate::read::in_one_line;
use crate::workload::{event_time, uid};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use pilothouse_core::{Cause, ObjectRef, ObjectStatus};
use pilothouse_health::{ContainerTrouble, container_troubles};
use serde_json::Value;
use std::collections::HashMap;

/// Objects whose evidence is collected at a time.
const SIDE_BY_SIDE: usize = 4;
/// Lines about pods and their containers, per object.
const POD_LINES: usize = 6;
/// Lines of events, per object.
const EVENT_LINES: usize = 8;
/// Lines of a log, per object.
const LOG_LINES: u32 = 10;

/// Collects the evidence for objects that are not ready, one cause each, in their order. What cannot be read is said
/// in a line of its own; this never fails.
pub async fn causes(client: &dyn ClusterClient, objects: &[(ObjectRef, ObjectStatus)]) -> Vec<Cause> {
    let events = events_by_namespace(client, objects).await;
    // A list instead of `map`: with a closure over references the compiler cannot tell that this may change threads.
    let mut each: Vec<BoxFuture<'_, Cause>> = Vec::new();
    for (object, status) in objects {
        each.push(cause(client, object, status, &events).boxed());
    }
    futures::stream::iter(each).buffered(SIDE_BY_SIDE).collect().await
}

type Events = HashMap<String, Result<Vec<Value>, ClusterError>>;

/// Where the events about an object are.
fn events_namespace(object: &ObjectRef) -> &str {
    object.namespace.as_deref().unwrap_or("default")
}

async fn events_by_namespace(client: &dyn ClusterClient, objects: &[(ObjectRef, ObjectStatus)]) -> Events {
    let mut events = Events::new();
    for (object, _) in objects {
        let namespace = events_namespace(object);
        if !events.contains_key(namespace) {
            events.insert(namespace.to_owned(), client.events(namespace, &[]).await);
        }
    }
    events
}

async fn cause(client: &dyn ClusterClient, object: &ObjectRef, status: &ObjectStatus, events: &Events) -> Cause {
    let mut evidence = Vec::new();
    let unreadable = |what: &str, error: &ClusterError| format!("{what} cannot be read: {}", in_one_line(error));
    let pods = match client.pods_of(object).await {
        Ok(pods) => pods,
        // A kind that is not served has no pods; its status says so already.
        Err(ClusterError::NotServed { .. }) => Vec::new(),
        Err(error) => {
            evidence.push(unreadable("its pods", &error));
            Vec::new()
        }
    };
    // Of a pod itself the status has told already what its first container says.
    evidence.extend(lines_of_pods(&pods).into_iter().filter(|line| !line.ends_with(&status.message)));
    match events.get(events_namespace(object)) {
        Some(Ok(events)) => evidence.extend(event_lines(&about(object, &pods, events))),
        Some(Err(error)) => evidence.push(unreadable("events", error)),
        None => {}
    }
    if let Some(log) = pods.iter().find_map(log_worth_reading) {
        evidence.extend(log_lines(client, log).await);
    }
    Cause { evidence, ..Cause::unknown(object.clone(), status.clone()) }
}

async fn log_lines(client: &dyn ClusterClient, log: LogQuery) -> Vec<String> {
    let mut text = client.pod_log_tail(&log).await;
    if log.previous && text.as_ref().is_ok_and(|text| text.trim().is_empty()) {
        text = client.pod_log_tail(&LogQuery { previous: false, ..log.clone() }).await;
    }
    match text {
        Ok(text) => text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| format!("log of {}: {line}", log.container))
            .collect(),
        // A node that is gone has no logs; that is not news.
        Err(error) => vec![format!("the log of container {} cannot be read: {}", log.container, in_one_line(&error))],
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What the pods say, each thing once, with the number of pods it holds for.
fn lines_of_pods(pods: &[Value]) -> Vec<String> {
    let mut told: Vec<(String, String, usize)> = Vec::new();
    for pod in pods {
        for line in pod_lines(pod) {
            match told.iter_mut().find(|(known, _, _)| *known == line) {
                Some((_, _, count)) => *count += 1,
                None => told.push((line, text(pod, "/metadata/name").to_owned(), 1)),
            }
        }
    }
    told.truncate(POD_LINES);
    told.into_iter()
        .map(|(line, pod, count)| match count {
            1 => format!("pod {pod}: {line}"),
            more => format!("{more} pods: {line}"),
        })
        .collect()
}

/// What one pod says: each container in trouble, or why it is not scheduled, or how it ended.
fn pod_lines(pod: &Value) -> Vec<String> {
    let mut lines: Vec<String> = container_troubles(pod).iter().map(ContainerTrouble::says).collect();
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    for condition in conditions.into_iter().flatten().filter(|condition| text(condition, "/status") == "False") {
        match text(condition, "/type") {
            "PodScheduled" => lines.push(format!("not scheduled: {}", text(condition, "/message"))),
            "ContainersReady" if lines.is_empty() && text(pod, "/status/phase") == "Running" => {
                lines.push(text(condition, "/message").to_owned());
            }
            _ => {}
        }
    }
    if text(pod, "/status/phase") == "Failed" && lines.is_empty() {
        lines.push(
            format!("failed: {} {}", text(pod, "/status/reason"), text(pod, "/status/message")).trim_end().to_owned(),
        );
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// The events about an object, its pods, and the ReplicaSets of a Deployment.
fn about<'a>(object: &ObjectRef, pods: &[Value], events: &'a [Value]) -> Vec<&'a Value> {
    let of_pod = |event: &Value| {
        let uid_of_event = text(event, "/involvedObject/uid");
        !uid_of_event.is_empty() && pods.iter().any(|pod| uid(pod) == Some(uid_of_event))
    };
    let of_object = |event: &Value| {
        let (kind, name) = (text(event, "/involvedObject/kind"), text(event, "/involvedObject/name"));
        // A ReplicaSet is named after its Deployment and a hash without a hyphen.
        let set = || name.strip_prefix(object.name.as_str()).and_then(|rest| rest.strip_prefix('-'));
        (kind == object.kind && name == object.name)
            || (object.kind == "Deployment" && kind == "ReplicaSet" && set().is_some_and(|hash| !hash.contains('-')))
    };
    events.iter().filter(|event| of_pod(event) || of_object(event)).collect()
}

/// Warnings as lines, each said once with how often it came, newest last.
fn event_lines(events: &[&Value]) -> Vec<String> {
    let mut told: Vec<(String, u64, String)> = Vec::new();
    for event in events.iter().filter(|event| text(event, "/type") == "Warning") {
        let message = text(event, "/message").lines().next().unwrap_or_default().trim();
        let kind = text(event, "/involvedObject/kind");
        let line = format!("event on {kind}: {}: {message}", text(event, "/reason"));
        let count = event.pointer("/count").or_else(|| event.pointer("/series/count")).and_then(Value::as_u64);
        let (count, time) = (count.unwrap_or(1), event_time(event));
        match told.iter_mut().find(|(known, _, _)| *known == line) {
            Some((_, all, newest)) => {
                *all += count;
                *newest = time.max(std::mem::take(newest));
            }
            None => told.push((line, count, time)),
        }
    }
    told.sort_by(|a, b| a.2.cmp(&b.2));
    let oldest = told.len().saturating_sub(EVENT_LINES);
    let line =
        |(line, count, _): (String, u64, String)| if count > 1 { format!("{line} ({count} times)") } else { line };
    told.into_iter().skip(oldest).map(line).collect()
}

/// The log that may tell why a container ended: of its previous run when it was started again.
fn log_worth_reading(pod: &Value) -> Option<LogQuery> {
    let trouble = container_troubles(pod).into_iter().find(|trouble| {
        trouble.reason == "CrashLoopBackOff" || trouble.last.is_some() || trouble.reason.contains("exit code")
    })?;
    Some(LogQuery {
        namespace: text(pod, "/metadata/namespace").to_owned(),
        pod: text(pod, "/metadata/name").to_owned(),
        container: trouble.container,
        previous: trouble.restarts > 0,
        lines: LOG_LINES,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn pod(name: &str, status: &Value) -> Value {
        json!({"metadata": {"name": name, "namespace": "web", "uid": name}, "status": status})
    }

    fn crashing(restarts: u32) -> Value {
        json!({"phase": "Running", "containerStatuses": [{
            "name": "main", "restartCount": restarts, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "Error", "exitCode": 3}},
        }]})
    }

    #[rstest]
    #[case(json!({"phase": "Running"}), &[])]
    #[case(json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]}), &["not scheduled: 0/1 nodes"])]
    #[case(json!({"phase": "Running", "conditions": [{"type": "ContainersReady", "status": "False", "message": "containers with unready status: [main]"}]}),
        &["containers with unready status: [main]"])]
    #[case(json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}), &["failed: Evicted low on memory"])]
    #[case(json!({"phase": "Pending", "initContainerStatuses": [{"name": "wait", "state": {"terminated": {"exitCode": 1}}}],
            "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}]}),
        &["init container wait: Error, exit code 1"])]
    fn what_a_pod_says(#[case] status: Value, #[case] expected: &[&str]) {
        assert_eq!(pod_lines(&pod("a", &status)), expected);
    }

    #[test]
    fn equal_pods_are_told_once() {
        let same = "container main: CrashLoopBackOff; last run ended with Error, exit code 3; 2 restarts";
        let pods = [pod("a", &crashing(2)), pod("b", &crashing(2)), pod("c", &crashing(1))];
        let other = "pod c: container main: CrashLoopBackOff; last run ended with Error, exit code 3; 1 restarts";
        assert_eq!(lines_of_pods(&pods), [format!("2 pods: {same}"), other.to_owned()]);
    }

    #[test]
    fn the_log_of_the_run_that_ended_is_read() {
        let query = |pod: &Value| log_worth_reading(pod).map(|log| (log.container, log.previous));
        assert_eq!(query(&pod("a", &crashing(2))), Some(("main".to_owned(), true)));
        let ended = json!({"phase": "Failed", "containerStatuses": [{"name": "job", "state": {"terminated": {"exitCode": 9}}}]});
        assert_eq!(query(&pod("a", &ended)), Some(("job".to_owned(), false)));
        let pulling =
            json!({"containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]});
        assert_eq!(query(&pod("a", &pulling)), None);
    }

    fn event(kind: &str, name: &str, message: &str, second: u32, count: u64) -> Value {
        json!({
            "type": "Warning", "reason": "Failed", "message": message, "count": count,
            "lastTimestamp": format!("2026-11-21T08:00:{second:02}Z"),
            "involvedObject": {"kind": kind, "name": name, "uid": name},
        })
    }

    #[test]
    fn events_are_told_once_and_newest_last() {
        let mut normal = event("Pod", "a", "all is well", 9, 1);
        normal["type"] = json!("Normal");
        let events = [
            event("Pod", "a", "second\nmore", 2, 1),
            event("Pod", "a", "first", 1, 1),
            event("Pod", "b", "second", 3, 4),
            normal,
        ];
        let all: Vec<&Value> = events.iter().collect();
        assert_eq!(event_lines(&all), ["event on Pod: Failed: first", "event on Pod: Failed: second (5 times)"]);

        let many: Vec<Value> = (0..12).map(|second| event("Pod", "a", &format!("m{second}"), second, 1)).collect();
        let lines = event_lines(&many.iter().collect::<Vec<_>>());
        assert_eq!(
            (lines.len(), lines[0].as_str(), lines[7].as_str()),
            (8, "event on Pod: Failed: m4", "event on Pod: Failed: m11")
        );
    }

    #[test]
    fn events_of_an_object_are_its_own_its_pods_and_its_replica_sets() {
        let web = ObjectRef {
            api_version: Some("apps/v1".to_owned()),
            kind: "Deployment".to_owned(),
            namespace: Some("web".to_owned()),
            name: "web".to_owned(),
        };
        let events = [
            event("Deployment", "web", "own", 1, 1),
            event("ReplicaSet", "web-5d4f", "set", 1, 1),
            event("ReplicaSet", "web-admin-5d4f", "another's set", 1, 1),
            event("Pod", "web-5d4f-abcde", "pod", 1, 1),
            event("Pod", "other", "another's pod", 1, 1),
            event("Service", "web", "another kind", 1, 1),
        ];
        let pods = [pod("web-5d4f-abcde", &json!({}))];
        let messages: Vec<&str> =
            about(&web, &pods, &events).into_iter().map(|event| text(event, "/message")).collect();
        assert_eq!(messages, ["own", "set", "pod"]);
    }
}
