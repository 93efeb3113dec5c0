//! When something could first be seen in the cluster, by whoever watched it.

use futures::TryStreamExt;
use jiff::Timestamp;
use kube::Client;
use kube::core::WatchEvent;
use serde_json::Value;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How soon a watch that has ended is begun again.
const AGAIN: Duration = Duration::from_millis(150);

const WATCHED: [&str; 7] = [
    "/api/v1/pods",
    "/api/v1/events",
    "/apis/apps/v1/deployments",
    "/apis/batch/v1/jobs",
    "/api/v1/services",
    "/api/v1/persistentvolumeclaims",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
];

/// What was first seen when, by namespace. The watching ends with the process.
#[derive(Clone, Default)]
pub(crate) struct Symptoms {
    seen: Arc<Mutex<HashMap<(String, String), Timestamp>>>,
}

impl Symptoms {
    /// Begins to watch. Lists in turns would cost more than all the cases, with everything that these leave behind.
    pub(crate) fn watch(config: kube::Config) -> Self {
        let symptoms = Self::default();
        let seen = symptoms.clone();
        std::thread::spawn(move || {
            crate::world::in_runtime(async move {
                let client = Client::try_from(config).unwrap();
                futures::future::join_all(WATCHED.map(|path| seen.watch_all(&client, path))).await;
            });
        });
        symptoms
    }

    async fn watch_all(&self, client: &Client, path: &str) {
        loop {
            // What is there already comes first; what was seen before keeps its time.
            let request = hyper::Request::get(format!("{path}?watch=1&resourceVersion=0")).body(Vec::new()).unwrap();
            if let Ok(events) = client.request_events::<Value>(request).await {
                let mut events = pin!(events);
                while let Ok(Some(event)) = events.try_next().await {
                    if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
                        self.see(path, &object, Timestamp::now());
                    }
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The first of these symptoms.
    pub(crate) fn first(&self, namespace: &str, symptoms: &[&str]) -> Option<Timestamp> {
        let seen = self.seen.lock().unwrap();
        symptoms.iter().filter_map(|symptom| seen.get(&(namespace.to_owned(), (*symptom).to_owned())).copied()).min()
    }

    fn see(&self, path: &str, object: &Value, now: Timestamp) {
        let namespace = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => namespace.to_owned(),
            // Definitions of the cases have a group of their own: NAMES.NAMESPACE.example.com.
            None => object["spec"]["group"]
                .as_str()
                .and_then(|group| group.split('.').next())
                .unwrap_or_default()
                .to_owned(),
        };
        let mut seen = self.seen.lock().unwrap();
        for symptom in symptoms(path, object) {
            seen.entry((namespace.clone(), symptom)).or_insert(now);
        }
    }
}

/// What an object shows.
fn symptoms(path: &str, object: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let status = &object["status"];
    let conditions = list(&status["conditions"]);
    let has = |kind: &str, value: &str| conditions.iter().any(|c| c["type"] == kind && c["status"] == value);
    let mut all = Vec::new();
    if path.contains("/events") {
        all.push(format!("event {}", text(&object["reason"])));
        // Every old pod that is stopped is killed, too.
        let message = text(&object["message"]);
        if object["reason"] == "Killing" && message.contains("failed") && message.contains("probe") {
            all.push("event Killing by a probe".to_owned());
        }
    } else if path.contains("/pods") {
        for (field, what) in [("initContainerStatuses", "init"), ("containerStatuses", "container")] {
            for container in list(&status[field]) {
                all.push(format!("{what} {}", text(&container["state"]["waiting"]["reason"])));
                for state in ["state", "lastState"] {
                    let ended = &container[state]["terminated"];
                    all.push(format!("{what} ended {}", text(&ended["reason"])));
                }
            }
        }
        if has("PodScheduled", "False") {
            all.push("unscheduled".to_owned());
        }
        if status["phase"] == "Failed" {
            all.push("pod failed".to_owned());
        }
    } else if path.contains("/deployments") && has("Progressing", "False") {
        all.push("deployment stuck".to_owned());
    } else if path.contains("/jobs") && has("Failed", "True") {
        all.push("job failed".to_owned());
    } else if path.contains("/services") && object["spec"]["type"] == "LoadBalancer" {
        all.push("load balancer".to_owned());
    } else if path.contains("/customresourcedefinitions") && has("NamesAccepted", "False") {
        all.push("names".to_owned());
    }
    all
}

/// What shows a cause in the cluster. Empty for what only helm's end, or nothing but the program itself, shows.
pub(crate) fn of(code: &str) -> &'static [&'static str] {
    match code {
        "IMAGE_NOT_FOUND" | "IMAGE_PULL_DENIED" => {
            &["container ErrImagePull", "container ImagePullBackOff", "container ErrImageNeverPull"]
        }
        "IMAGE_NAME_INVALID" => &["container InvalidImageName"],
        "SECRET_MISSING" | "SECRET_KEY_MISSING" | "CONFIGMAP_MISSING" | "CONFIGMAP_KEY_MISSING" => {
            &["container CreateContainerConfigError", "event FailedMount"]
        }
        "VOLUME_MOUNT_FAILED" => {
            &["event FailedMount", "event FailedAttachVolume", "event FailedMapVolume", "unscheduled"]
        }
        "CRASH_LOOP" => &["container CrashLoopBackOff", "container RunContainerError"],
        "OOM_KILLED" => &["container ended OOMKilled"],
        "PROBE_FAILING" => &["event Unhealthy", "event Killing by a probe"],
        "INIT_FAILED" => &["init ended Error", "init CrashLoopBackOff"],
        "UNSCHEDULABLE_RESOURCES" | "UNSCHEDULABLE_SELECTOR" | "UNSCHEDULABLE_TAINT" | "UNSCHEDULABLE_AFFINITY" => {
            &["unscheduled"]
        }
        "PVC_UNBOUND" => &["event ProvisioningFailed", "unscheduled"],
        "QUOTA_EXCEEDED"
        | "LIMIT_RANGE"
        | "POD_SECURITY"
        | "SERVICE_ACCOUNT_MISSING"
        | "WEBHOOK_UNREACHABLE"
        | "WEBHOOK_DENIED"
        | "POLICY_DENIED" => &["event FailedCreate"],
        "CRD_NAMES_CONFLICT" => &["names"],
        "HOOK_FAILED" => &["job failed"],
        "ROLLOUT_STUCK" => &["deployment stuck"],
        "LOAD_BALANCER_PENDING" => &["load balancer"],
        _ => &[],
    }
}
