//! What a plane is to be.

use crate::component::Binaries;
use crate::node::{Node, SimulatedNode};
use crate::provision::ProvisionConfig;
use crate::stages::{Fault, PodLogs, PodPort, StageSet};
use std::path::PathBuf;
use std::time::Duration;

/// What a plane is to be. `PlaneConfig::default()` is good for most tests: one large node, the standard stages,
/// a temporary folder.
#[derive(Debug, Clone)]
pub struct PlaneConfig {
    /// Where the programs come from.
    pub tools: Tools,
    /// The state folder (made 0700): certificates, kubeconfig, logs. `None` is a temporary folder that is removed
    /// when the plane is stopped or dropped; a folder given here stays, with its logs.
    pub folder: Option<PathBuf>,
    /// The name of the context in the kubeconfig.
    pub name: String,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// What happens to pods, claims, Services and Ingresses.
    pub stages: StageSet,
    /// Pods that break. More can be added while the plane runs: [`crate::Plane::inject`].
    pub faults: Vec<Fault>,
    /// Logs of pods. The log of a fault comes first.
    pub logs: Vec<PodLogs>,
    /// Ports of pods.
    pub ports: Vec<PodPort>,
    /// Write the API server's audit log, to count requests: one line per request, without bodies.
    pub audit: bool,
    /// Call admission webhooks. Off by default: no container runs here, so a chart's webhook has no backend and
    /// with `failurePolicy: Fail` it would block every later write.
    pub webhooks: bool,
    /// How long the start may take.
    pub deadline: Duration,
}

/// Where the programs of a plane come from.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Tools {
    /// From this user's cache, and obtained into it where they are missing, which takes minutes. The one place where
    /// this library reads the environment: see [`crate::for_current_user`].
    #[default]
    ForCurrentUser,
    /// From a cache, and obtained into it where they are missing, in the way described.
    Provision(ProvisionConfig),
    /// Exactly these.
    Binaries(Binaries),
}

impl Default for PlaneConfig {
    fn default() -> Self {
        Self {
            tools: Tools::default(),
            folder: None,
            name: "plane".to_owned(),
            nodes: vec![SimulatedNode::new("node-1").into()],
            stages: StageSet::default(),
            faults: Vec::new(),
            logs: Vec::new(),
            ports: Vec::new(),
            audit: false,
            webhooks: false,
            deadline: Duration::from_secs(60),
        }
    }
}
