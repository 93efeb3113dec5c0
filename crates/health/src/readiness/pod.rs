//! Pods, and why their containers do not run.

use crate::conventions::fields::{array, condition, count, text};
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

/// A container that is not running as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerTrouble {
    /// Its name.
    pub container: String,
    /// Whether it is an init container.
    pub init: bool,
    /// Why it waits or how it ended (`CrashLoopBackOff`, `OOMKilled`).
    pub reason: String,
    /// The kubelet's words; may be empty.
    pub message: String,
    /// How its last run ended: reason and exit code.
    pub last: Option<(String, i64)>,
    /// How often it was started again.
    pub restarts: i64,
}

impl ContainerTrouble {
    /// One line.
    pub fn says(&self) -> String {
        let kind = if self.init { "init container" } else { "container" };
        let message = if self.message.is_empty() { String::new() } else { format!(": {}", self.message) };
        let last = match &self.last {
            Some((reason, code)) => format!("; last run ended with {reason}, exit code {code}"),
            None => String::new(),
        };
        let restarts = if self.restarts > 0 { format!("; {} restarts", self.restarts) } else { String::new() };
        format!("{kind} {}: {}{message}{last}{restarts}", self.container, self.reason)
    }
}

/// The containers of a pod that wait for something other than their turn, or ended badly; init containers first.
pub fn container_troubles(pod: &Value) -> Vec<ContainerTrouble> {
    let lists = [("/status/initContainerStatuses", true), ("/status/containerStatuses", false)];
    let statuses = lists.into_iter().flat_map(|(list, init)| array(pod, list).iter().map(move |one| (one, init)));
    statuses.filter_map(|(container, init)| container_trouble(container, init)).collect()
}

fn container_trouble(container: &Value, init: bool) -> Option<ContainerTrouble> {
    let last = container.pointer("/lastState/terminated");
    let last = last.map(|ended| (text(ended, "/reason").to_owned(), count(ended, "/exitCode")));
    let (reason, message) = if let Some(waiting) = container.pointer("/state/waiting") {
        let reason = text(waiting, "/reason");
        // These two are what a healthy start looks like.
        if matches!(reason, "ContainerCreating" | "PodInitializing" | "") {
            return None;
        }
        (reason.to_owned(), text(waiting, "/message"))
    } else if let Some(ended) = container.pointer("/state/terminated") {
        let code = count(ended, "/exitCode");
        if code == 0 {
            return None;
        }
        let reason = if text(ended, "/reason").is_empty() { "Error" } else { text(ended, "/reason") };
        (format!("{reason}, exit code {code}"), text(ended, "/message"))
    } else {
        return None;
    };
    Some(ContainerTrouble {
        container: text(container, "/name").to_owned(),
        init,
        reason,
        message: first_words(message).to_owned(),
        last,
        restarts: count(container, "/restartCount"),
    })
}

/// The first line of a kubelet's message, without the names of container and pod that it ends with.
fn first_words(message: &str) -> &str {
    let line = message.lines().next().unwrap_or_default();
    line.split(" failed container=").next().unwrap_or_default()
}

pub(super) fn pod(object: &Value) -> ObjectStatus {
    let troubles = container_troubles(object);
    match text(object, "/status/phase") {
        "Succeeded" => ObjectStatus::new(Readiness::Current, "it has run to its end"),
        "Failed" => failed(object, &troubles),
        phase => {
            if condition(object, "Ready").is_some_and(|ready| ready.is_true()) {
                return ObjectStatus::new(Readiness::Current, "it is ready");
            }
            if let Some(trouble) = troubles.first() {
                let reason = trouble.reason.split(',').next().unwrap_or_default();
                return ObjectStatus::new(Readiness::InProgress, trouble.says()).because(reason);
            }
            if let Some(scheduled) =
                condition(object, "PodScheduled").filter(crate::conventions::fields::Condition::is_false)
            {
                let message = format!("it cannot be scheduled: {}", scheduled.says());
                return ObjectStatus::new(Readiness::InProgress, message).because(scheduled.reason);
            }
            if phase == "Running" {
                let unready = condition(object, "ContainersReady").or_else(|| condition(object, "Ready"));
                let message = unready.map_or_else(|| "it is not ready".to_owned(), |unready| unready.says());
                return ObjectStatus::new(Readiness::InProgress, message);
            }
            ObjectStatus::new(Readiness::InProgress, "it is starting")
        }
    }
}

fn failed(object: &Value, troubles: &[ContainerTrouble]) -> ObjectStatus {
    let (reason, message) = (text(object, "/status/reason"), text(object, "/status/message"));
    let said = [message, reason].into_iter().find(|text| !text.is_empty()).map(str::to_owned);
    let message =
        said.or_else(|| troubles.first().map(ContainerTrouble::says)).unwrap_or_else(|| "it failed".to_owned());
    let status = ObjectStatus::new(Readiness::Failed, message);
    if reason.is_empty() { status } else { status.because(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Readiness::{Current, Failed, InProgress};
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"phase": "Succeeded"}), (Current, None, "it has run to its end"))]
    #[case(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}), (Current, None, "it is ready"))]
    #[case(json!({"phase": "Pending"}), (InProgress, None, "it is starting"))]
    #[case(json!({"phase": "Pending", "containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "ContainerCreating"}}}]}),
        (InProgress, None, "it is starting"))]
    #[case(json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu."}]}),
        (InProgress, Some("Unschedulable"), "it cannot be scheduled: 0/1 nodes are available: 1 Insufficient cpu."))]
    #[case(json!({"phase": "Pending", "containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"a\""}}}]}),
        (InProgress, Some("ImagePullBackOff"), "container web: ImagePullBackOff: Back-off pulling image \"a\""))]
    #[case(json!({"phase": "Pending", "initContainerStatuses": [{"name": "db", "restartCount": 2, "state": {"terminated": {"reason": "Error", "exitCode": 3}}}]}),
        (InProgress, Some("Error"), "init container db: Error, exit code 3; 2 restarts"))]
    #[case(json!({"phase": "Running", "containerStatuses": [{"name": "web", "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container=web pod=web_ns(1)\nmore"}}, "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]}),
        (InProgress, Some("CrashLoopBackOff"), "container web: CrashLoopBackOff: back-off 40s restarting; last run ended with OOMKilled, exit code 137; 4 restarts"))]
    #[case(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "False", "message": "containers with unready status: [web]"}]}),
        (InProgress, None, "containers with unready status: [web]"))]
    #[case(json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"}),
        (Failed, Some("Evicted"), "The node was low on memory"))]
    #[case(json!({"phase": "Failed", "containerStatuses": [{"name": "t", "state": {"terminated": {"reason": "Error", "exitCode": 1}}}]}),
        (Failed, None, "container t: Error, exit code 1"))]
    fn pods(#[case] status: Value, #[case] expected: (Readiness, Option<&'static str>, &'static str)) {
        let status = pod(&json!({"status": status}));
        assert_eq!((status.readiness, status.reason.as_deref(), status.message.as_str()), expected);
    }
}
