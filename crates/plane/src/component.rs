//! The programs of a plane.

use std::fmt;
use std::path::PathBuf;

/// One of the programs that make up a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// kine with its in-memory store: speaks etcd's protocol.
    Kine,
    /// The API server.
    KubeApiserver,
    /// The controllers: Deployments, Jobs, garbage collection and so on.
    KubeControllerManager,
    /// The scheduler.
    KubeScheduler,
    /// kwok, which plays the kubelet's part on simulated nodes.
    Kwok,
    /// containerd, which runs the containers of a real node.
    Containerd,
    /// The kubelet of a real node.
    Kubelet,
}

impl Component {
    /// Those of every plane, in the order in which they are started.
    pub const CONTROL_PLANE: [Self; 5] =
        [Self::Kine, Self::KubeApiserver, Self::KubeControllerManager, Self::KubeScheduler, Self::Kwok];

    /// Those a plane with a real node has beside them, in the order in which they are started.
    pub const REAL_NODE: [Self; 2] = [Self::Containerd, Self::Kubelet];

    /// The name of its program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kine => "kine",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kwok => "kwok",
            Self::Containerd => "containerd",
            Self::Kubelet => "kubelet",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The programs of a plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// `kube-apiserver`.
    pub kube_apiserver: PathBuf,
    /// `kube-controller-manager`.
    pub kube_controller_manager: PathBuf,
    /// `kube-scheduler`.
    pub kube_scheduler: PathBuf,
    /// `kine`.
    pub kine: PathBuf,
    /// `kwok`.
    pub kwok: PathBuf,
    /// `kubelet`, where a plane is to have a real node. Its other programs are the distribution's.
    pub kubelet: Option<PathBuf>,
}
