//! Kubelets, schedulers and controllers that are not there: what they would say is said in their place, in the status of objects
//! and by events. The pods of such a case are on a node that nobody has, or left to a scheduler that nobody runs.

use crate::case::Act;
use crate::world::in_runtime;
use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often it is looked whether there is something to say.
const EVERY: Duration = Duration::from_millis(300);

/// Somebody who acts until this is dropped.
pub(crate) struct Acting(Arc<AtomicBool>);

impl Drop for Acting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Acting {
    /// Begins, if there is anything to do.
    pub(crate) fn begin(config: kube::Config, namespace: &str, acts: &[Act]) -> Option<Self> {
        if acts.is_empty() {
            return None;
        }
        let (over, namespace, acts) = (Arc::new(AtomicBool::new(false)), namespace.to_owned(), acts.to_vec());
        let ends = over.clone();
        std::thread::spawn(move || {
            in_runtime(async move {
                let stage = Stage { client: Client::try_from(config).unwrap(), namespace };
                let mut done = HashSet::new();
                while !ends.load(Ordering::Relaxed) {
                    for (number, act) in acts.iter().enumerate() {
                        stage.play(number, act, &mut done).await;
                    }
                    tokio::time::sleep(EVERY).await;
                }
            });
        });
        Some(Self(over))
    }
}

struct Stage {
    client: Client,
    namespace: String,
}

impl Stage {
    /// Does this for all objects it is meant for, once for each.
    async fn play(&self, number: usize, act: &Act, done: &mut HashSet<(usize, String)>) {
        let pods = format!("/api/v1/namespaces/{}/pods", self.namespace);
        let found: Vec<(String, Value)> = if let Some(path) = &act.path {
            self.get(path).await.map(|object| (path.clone(), object)).into_iter().collect()
        } else {
            let all = self.get(&pods).await.unwrap_or_default();
            let all = all["items"].as_array().cloned().unwrap_or_default();
            let path = |pod: &Value| format!("{pods}/{}", pod["metadata"]["name"].as_str().unwrap_or_default());
            all.into_iter().map(|pod| (path(&pod), pod)).collect()
        };
        for (path, object) in found {
            let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            let made = object["metadata"]["creationTimestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            let age = made.map_or(0, |made| Timestamp::now().duration_since(made).as_secs());
            let acted = done.iter().filter(|(of, _)| *of == number).count();
            let enough = act.at_most.is_some_and(|most| acted >= most);
            if enough || age < act.after_in_seconds || done.contains(&(number, uid.clone())) {
                continue;
            }
            // What cannot be said now is said at the next look.
            if self.say(&path, &object, act).await.is_ok() {
                done.insert((number, uid));
            }
        }
    }

    async fn get(&self, path: &str) -> Option<Value> {
        self.client.request(hyper::Request::get(path).body(Vec::new()).unwrap()).await.ok()
    }

    async fn say(&self, path: &str, object: &Value, act: &Act) -> Result<(), kube::Error> {
        let now = format!("{:.0}", Timestamp::now());
        if !act.status.is_null() {
            let status = act.status.to_string().replace("\"NOW\"", &format!("\"{now}\""));
            let body = format!("{{\"status\":{status}}}");
            let request = hyper::Request::patch(format!("{path}/status"))
                .header("Content-Type", "application/merge-patch+json")
                .body(body.into_bytes())
                .unwrap();
            self.client.request::<Value>(request).await?;
        }
        let Some((reason, message)) = &act.warns else { return Ok(()) };
        let (kind, name) = match &act.path {
            Some(_) => (object["kind"].clone(), object["metadata"]["name"].clone()),
            None => (json!("Pod"), object["metadata"]["name"].clone()),
        };
        let about = json!({
            "apiVersion": object.get("apiVersion").cloned().unwrap_or_else(|| json!("v1")),
            "kind": kind,
            "name": name,
            "namespace": self.namespace,
            "uid": object["metadata"]["uid"],
        });
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": { "generateName": "said-", "namespace": self.namespace },
            "involvedObject": about,
            "type": "Warning",
            "reason": reason,
            "message": message,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "source": { "component": "corpus" },
        });
        let request = hyper::Request::post(format!("/api/v1/namespaces/{}/events", self.namespace))
            .header("Content-Type", "application/json")
            .body(event.to_string().into_bytes())
            .unwrap();
        self.client.request::<Value>(request).await.map(|_| ())
    }
}
