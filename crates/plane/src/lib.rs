//! A throwaway real Kubernetes control plane as plain processes: kube-apiserver, controllers and scheduler over an
//! in-memory store, with [kwok](https://kwok.sigs.k8s.io) in the kubelet's place. No containers, no root, no network
//! (unless asked for: a [real node](RealNode)).
//! Deployments become available, Jobs complete, claims are bound, helm runs its hooks; nothing of it is pretended
//! except that no container ever runs.
//!
//! ```no_run
//! use k8s_openapi::api::core::v1::Namespace;
//! use kube::{Api, api::PostParams};
//! use pilothouse_plane::{Plane, PlaneConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let plane = Plane::start(PlaneConfig::default()).await?;
//! let namespaces: Api<Namespace> = Api::all(plane.client());
//! let shop = serde_json::from_value(serde_json::json!({ "metadata": { "name": "shop" } }))?;
//! namespaces.create(&PostParams::default(), &shop).await?;
//! plane.check()?;
//! plane.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! The first start obtains the programs ([`provision`]), which takes minutes where they must be built; every later
//! one takes about three seconds until pods run. A plane costs about 630 MB of memory. Its processes listen on
//! 127.0.0.1 only, the store on a socket in the state folder, and end with the process that started them, however that ends.
//!
//! # Faults
//! Pods can be broken from outside, by image, namespace or name, and then look as a kubelet would have them look:
//!
//! ```
//! use pilothouse_plane::{Fault, FaultKind, PlaneConfig};
//!
//! let message = "couldn't find key password in Secret shop/credentials".to_owned();
//! let config = PlaneConfig {
//!     faults: vec![
//!         Fault::by_namespace("shop", FaultKind::ConfigError { message }),
//!         Fault::by_image("postgres", FaultKind::CrashLoop { exit_code: 1, log: vec!["no space left".to_owned()] }),
//!     ],
//!     ..PlaneConfig::default()
//! };
//! # assert_eq!(config.faults.len(), 2);
//! ```
//!
//! # Background planes
//! [`supervise`] owns a plane for as long as its process lives; [`list`], [`status`] and [`down`] find and end it from
//! other processes.
//!
//! # A real node
//! [`RealNode`] among [`PlaneConfig::nodes`] makes this machine a node: a kubelet, containerd and runc, with
//! [`WORKLOAD_IMAGE`], images from files and from registries. It needs root and a few programs of the distribution
//! ([`real_node_missing`]). Nothing of it is left on the machine, whatever its end was. Pods choose between the kinds of nodes by
//! the label `pilothouse.dev/node`. Services' addresses and DNS do not work inside its pods, since there is no kube-proxy.
//!
//! # What it cannot show
//! On simulated nodes no container runs: images are not pulled, probes not made, nothing answers on a Service. Admission webhooks and
//! aggregated APIs of charts have no backend, so the webhook admission plugins are off ([`PlaneConfig::webhooks`]).

mod audit;
mod background;
mod certificates;
mod component;
mod config;
mod control_plane;
mod error;
mod files;
mod kubeconfig;
mod node;
pub mod provision;
mod real;
mod stages;
mod user;
mod write;

pub use audit::{AuditError, AuditEvent, AuditLog, AuditStage};
pub use background::{
    ComponentProcess, PlaneRecord, PlaneStatus, ProcessIdentity, RegistryError, SuperviseError, down, list, status,
    supervise,
};
pub use component::{Binaries, Component};
pub use config::{PlaneConfig, Tools};
pub use control_plane::{Health, Plane, VOLUME_PROVISIONER};
pub use error::{CertificateError, Failure, PlaneError, RealNodeMissing};
pub use node::{Node, RealNode, SimulatedNode, Taint, TaintEffect};
pub use real::{WORKLOAD_IMAGE, real_node_missing};
pub use stages::{Fault, FaultKind, FaultMatch, Pattern, PodLogs, PodPort, PodSelector, StageError, StageSet};
pub use user::for_current_user;
