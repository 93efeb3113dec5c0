//! What can go wrong with a plane.

use crate::component::Component;
use crate::provision::{ProvisionError, Tool};
use crate::stages::StageError;
use pilothouse_process::SpawnError;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A plane cannot be started or used.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// The programs cannot be had.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// A program was not among those that were obtained.
    #[error("{0} is needed and was not obtained")]
    NotObtained(Tool),
    /// The state folder or a file in it cannot be made.
    #[error("cannot write {}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A log cannot be read.
    #[error("cannot read {}", path.display())]
    ReadLog {
        /// The log.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The state folder is that of another plane.
    #[error("another plane runs in {}", .0.display())]
    FolderInUse(PathBuf),
    /// No free ports.
    #[error("cannot find free ports on 127.0.0.1")]
    Ports(#[source] std::io::Error),
    /// No certificates.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
    /// A stage is not usable.
    #[error(transparent)]
    Stages(#[from] StageError),
    /// A program cannot be started at all.
    #[error("cannot start {component}")]
    Spawn {
        /// Which.
        component: Component,
        /// Why.
        #[source]
        source: SpawnError,
    },
    /// A real node cannot run on this machine.
    #[error(transparent)]
    RealNode(#[from] RealNodeMissing),
    /// More than one real node.
    #[error("a plane can have one real node, and {0} were asked for")]
    RealNodes(usize),
    /// An image cannot be given to the real node.
    #[error("cannot import the image {}: {why}", path.display())]
    Image {
        /// The archive.
        path: PathBuf,
        /// What was said about it.
        why: String,
    },
    /// A component is broken.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// A component does not become healthy in time.
    #[error("{component} is not ready after {} s ({last}); the end of its log:\n{log}", after.as_secs())]
    NotReady {
        /// Which.
        component: Component,
        /// The deadline.
        after: Duration,
        /// What the last look at it said.
        last: String,
        /// The end of its log.
        log: String,
    },
    /// The API server refused something the plane needs.
    #[error("cannot {what}")]
    Api {
        /// What was to be done.
        what: String,
        /// The answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// No client can be made from the plane's own kubeconfig.
    #[error("cannot make a client for the plane: {0}")]
    Client(String),
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// They could not be made.
    #[error("cannot make certificates")]
    Make(#[from] rcgen::Error),
    /// They could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
}

/// Something a real node needs is not here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RealNodeMissing(
    /// What is missing, each with what to do about it.
    pub Vec<String>,
);

impl fmt::Display for RealNodeMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a real node cannot run here; it needs {}", self.0.join(", "))
    }
}

/// What broke in a running plane.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A component ended.
    #[error("{component} ended ({status}); the end of its log:\n{log}")]
    Died {
        /// Which.
        component: Component,
        /// Its exit status in words.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// A component says that it cannot go on.
    #[error("{component} failed: {line}")]
    Fatal {
        /// Which.
        component: Component,
        /// The line of its log.
        line: String,
    },
    /// kwok could not do to an object what a stage says, so the object stays as it is.
    #[error("stage {stage} failed on {object}: {message}")]
    Stage {
        /// The stage, or `?` where kwok does not say.
        stage: String,
        /// The object as kwok names it.
        object: String,
        /// What went wrong.
        message: String,
    },
}

impl Failure {
    /// Whether a component lost a race for a port, so that another try with other ports may succeed.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Died { log, .. } | Self::Fatal { line: log, .. } if log.contains("address already in use"))
    }
}
