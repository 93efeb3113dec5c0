//! The programs that can be obtained.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A program a plane or a release needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// The Kubernetes API server.
    KubeApiserver,
    /// The Kubernetes controllers.
    KubeControllerManager,
    /// The Kubernetes scheduler.
    KubeScheduler,
    /// The store: etcd's protocol over memory.
    Kine,
    /// Plays the kubelet's part.
    Kwok,
    /// The kubelet of a real node.
    Kubelet,
    /// Helm, version 3.
    Helm3,
    /// Helm, version 4.
    Helm4,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 8] = [
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Kine,
        Self::Kwok,
        Self::Kubelet,
        Self::Helm3,
        Self::Helm4,
    ];

    /// What a plane of simulated nodes runs.
    pub const PLANE: [Self; 5] =
        [Self::KubeApiserver, Self::KubeControllerManager, Self::KubeScheduler, Self::Kine, Self::Kwok];

    /// What a plane with a real node runs, beside what the distribution has.
    pub const PLANE_WITH_REAL_NODE: [Self; 6] =
        [Self::KubeApiserver, Self::KubeControllerManager, Self::KubeScheduler, Self::Kine, Self::Kwok, Self::Kubelet];

    /// What a plane runs, with a real node or without.
    pub fn of_plane(real_node: bool) -> &'static [Self] {
        if real_node { &Self::PLANE_WITH_REAL_NODE } else { &Self::PLANE }
    }

    /// Both versions of helm.
    pub const HELM: [Self; 2] = [Self::Helm3, Self::Helm4];

    /// Its name here: also the name of its folder in the cache.
    pub fn name(self) -> &'static str {
        match self {
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kine => "kine",
            Self::Kwok => "kwok",
            Self::Kubelet => "kubelet",
            Self::Helm3 => "helm3",
            Self::Helm4 => "helm4",
        }
    }

    /// The name of its file, as it is called wherever it is installed.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Helm3 | Self::Helm4 => "helm",
            Self::KubeApiserver
            | Self::KubeControllerManager
            | Self::KubeScheduler
            | Self::Kine
            | Self::Kwok
            | Self::Kubelet => self.name(),
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
