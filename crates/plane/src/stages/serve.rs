//! Logs and ports of pods that have no containers.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

/// Which pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodSelector {
    /// Pods in these namespaces; empty means all.
    pub namespaces: Vec<String>,
    /// Pods of these names; empty means all.
    pub names: Vec<String>,
}

/// What `kubectl logs` shows. The first entry that fits a pod and container counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodLogs {
    /// Which pods.
    pub pods: PodSelector,
    /// Containers of these names; empty means all.
    pub containers: Vec<String>,
    /// What the container wrote on standard output, line by line.
    pub lines: Vec<String>,
    /// What it wrote before its last restart (`--previous`).
    pub previous: Vec<String>,
}

/// A port of pods that leads to a port of this machine, through the API server, as `kubectl port-forward` does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodPort {
    /// Which pods.
    pub pods: PodSelector,
    /// The port of the pod.
    pub pod_port: u16,
    /// The port on 127.0.0.1 that answers in its place.
    pub local_port: u16,
}

impl PodSelector {
    /// All pods of one namespace.
    pub fn namespace(namespace: impl Into<String>) -> Self {
        Self { namespaces: vec![namespace.into()], names: Vec::new() }
    }

    fn json(&self) -> Value {
        json!({ "matchNamespaces": self.namespaces, "matchNames": self.names })
    }
}

/// kwok's `ClusterLogs` for the entries; `file(index, previous)` is where the lines of an entry lie.
pub(crate) fn log_objects(logs: &[PodLogs], file: impl Fn(usize, bool) -> std::path::PathBuf) -> Vec<Value> {
    let object = |(index, entry): (usize, &PodLogs)| {
        json!({
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterLogs",
            "metadata": { "name": format!("logs-{}", index + 1) },
            "spec": {
                "selector": entry.pods.json(),
                "logs": [{
                    "containers": entry.containers,
                    "logsFile": path(&file(index, false)),
                    "previousLogsFile": path(&file(index, true)),
                }],
            },
        })
    };
    logs.iter().enumerate().map(object).collect()
}

/// kwok's `ClusterPortForward` for the entries.
pub(crate) fn port_objects(ports: &[PodPort]) -> Vec<Value> {
    let object = |(index, entry): (usize, &PodPort)| {
        json!({
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterPortForward",
            "metadata": { "name": format!("port-{}", index + 1) },
            "spec": {
                "selector": entry.pods.json(),
                "forwards": [{
                    "ports": [entry.pod_port],
                    "target": { "address": "127.0.0.1", "port": entry.local_port },
                }],
            },
        })
    };
    ports.iter().enumerate().map(object).collect()
}

/// Lines in the format in which a container runtime keeps them: time, stream, whether the line is full, text.
pub(crate) fn cri_log(lines: &[String], at: jiff::Timestamp) -> String {
    // A line break would end the entry, so a text with several becomes several lines.
    let lines = lines.iter().flat_map(|text| text.lines());
    lines.fold(String::new(), |log, line| log + &format!("{at:.9} stdout F {line}\n"))
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_in_cri_format() {
        let at: jiff::Timestamp = "2026-11-21T08:21:07Z".parse().unwrap();
        let lines = ["starting".to_owned(), "two\nlines".to_owned()];
        let expected = "2026-11-21T08:21:07.000000000Z stdout F starting\n\
                        2026-11-21T08:21:07.000000000Z stdout F two\n\
                        2026-11-21T08:21:07.000000000Z stdout F lines\n";
        assert_eq!(cri_log(&lines, at), expected);
    }
}
