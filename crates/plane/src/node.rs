//! The nodes of a plane.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A node pods can be scheduled to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Node {
    /// A node without machine: kwok says what a kubelet would say, no container ever runs.
    Simulated(SimulatedNode),
    /// This machine: a kubelet with real containers. A plane can have one. Needs root and a few programs
    /// ([`crate::real_node_missing`]).
    Real(RealNode),
}

/// The label that tells the kinds of nodes apart, for pods that are to run on one of them: `real` or `simulated`.
const KIND: &str = "pilothouse.dev/node";

/// What a real node is to be. Its size is the machine's.
#[derive(Debug, Clone, PartialEq)]
pub struct RealNode {
    /// Its name, also its `kubernetes.io/hostname`.
    pub name: String,
    /// How many pods fit.
    pub pods: u32,
    /// More labels. A kubelet refuses some with `kubernetes.io` in them.
    pub labels: BTreeMap<String, String>,
    /// What keeps pods away.
    pub taints: Vec<Taint>,
    /// Its `topology.kubernetes.io/zone`.
    pub zone: Option<String>,
    /// Archives of images it has from the start beside [`crate::WORKLOAD_IMAGE`], as `docker save` or an OCI tool makes them.
    /// Other images are pulled.
    pub images: Vec<PathBuf>,
}

/// The annotation of nodes kwok plays the kubelet of.
pub(crate) const SIMULATED: (&str, &str) = ("kwok.x-k8s.io/node", "fake");

/// What a simulated node claims to be.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedNode {
    /// Its name, also its `kubernetes.io/hostname`.
    pub name: String,
    /// Allocatable processor time, as a Kubernetes quantity.
    pub cpu: String,
    /// Allocatable memory, as a Kubernetes quantity.
    pub memory: String,
    /// How many pods fit.
    pub pods: u32,
    /// More labels.
    pub labels: BTreeMap<String, String>,
    /// What keeps pods away.
    pub taints: Vec<Taint>,
    /// Its `topology.kubernetes.io/zone`.
    pub zone: Option<String>,
}

/// A taint of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Option<String>,
    /// What it does to pods that don't tolerate it.
    pub effect: TaintEffect,
}

/// What a taint does to pods that don't tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaintEffect {
    /// They are not scheduled here.
    NoSchedule,
    /// They are scheduled here last.
    PreferNoSchedule,
    /// They are not scheduled here, and those that are here are evicted.
    NoExecute,
}

impl SimulatedNode {
    /// A node with 8 CPUs, 32 GiB of memory and room for 110 pods.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            cpu: "8".to_owned(),
            memory: "32Gi".to_owned(),
            pods: 110,
            labels: BTreeMap::new(),
            taints: Vec::new(),
            zone: None,
        }
    }

    /// The Node object as it is created; kwok adds the rest of the status.
    pub(crate) fn object(&self, kubelet_version: &str) -> Value {
        let mut labels = self.labels.clone();
        let fixed = [
            ("kubernetes.io/hostname", self.name.as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
        ];
        for (key, value) in fixed {
            labels.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
        labels.entry(KIND.to_owned()).or_insert_with(|| "simulated".to_owned());
        if let Some(zone) = &self.zone {
            labels.insert("topology.kubernetes.io/zone".to_owned(), zone.clone());
        }
        let sizes = json!({
            "cpu": self.cpu, "memory": self.memory, "pods": self.pods.to_string(), "ephemeral-storage": "100Gi",
        });
        let taints: Vec<Value> = self.taints.iter().map(Taint::object).collect();
        let (key, value) = SIMULATED;
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": self.name, "labels": labels, "annotations": { key: value } },
            "spec": { "taints": taints },
            "status": { "capacity": sizes, "allocatable": sizes, "nodeInfo": { "kubeletVersion": kubelet_version } },
        })
    }
}

impl RealNode {
    /// A node with room for 110 pods and no images but the workload's.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            pods: 110,
            labels: BTreeMap::new(),
            taints: Vec::new(),
            zone: None,
            images: Vec::new(),
        }
    }

    /// All labels the kubelet is to register it with.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        labels.entry(KIND.to_owned()).or_insert_with(|| "real".to_owned());
        if let Some(zone) = &self.zone {
            labels.insert("topology.kubernetes.io/zone".to_owned(), zone.clone());
        }
        labels
    }
}

impl Taint {
    /// As it stands in an object.
    pub(crate) fn object(&self) -> Value {
        json!({ "key": self.key, "value": self.value, "effect": format!("{:?}", self.effect) })
    }
}

impl From<RealNode> for Node {
    fn from(node: RealNode) -> Self {
        Self::Real(node)
    }
}

impl From<SimulatedNode> for Node {
    fn from(node: SimulatedNode) -> Self {
        Self::Simulated(node)
    }
}
