//! A throwaway real Kubernetes control plane as plain processes.

mod audit;
mod certificates;
mod component;
mod config;
mod error;
mod files;
mod health;
mod kubeconfig;
mod logscan;
mod monitor;
mod node;
mod plane;
mod ports;
pub mod provision;
mod registry;
mod seed;
mod simulation;
mod stages;
mod supervise;
mod user;

pub use audit::{AuditError, AuditEvent, AuditLog, AuditStage};
pub use certificates::CertificateError;
pub use component::{Binaries, Component};
pub use config::{PlaneConfig, Tools};
pub use error::{Failure, PlaneError};
pub use node::{Node, SimulatedNode, Taint, TaintEffect};
pub use plane::{Health, Plane};
pub use registry::{ComponentProcess, PlaneRecord, PlaneStatus, ProcessIdentity, RegistryError, down, list, status};
pub use stages::{Fault, FaultKind, FaultMatch, Pattern, PodLogs, PodPort, PodSelector, StageError, StageSet};
pub use supervise::{SuperviseError, supervise};
pub use user::for_current_user;
