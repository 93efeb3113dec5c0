//! The helm binary: the real [`HelmClient`](crate::HelmClient).
//!
//! In: requests, and what the process may know of the cluster and the machine ([`KubeAccess`]). Out: processes of helm 3 or helm 4, their
//! command lines and their answers. Imports `client`, `values` and `files`; nothing in this crate imports it.

mod access;
mod argv;
mod helm;
mod known_version;
mod repositories;
mod running;
mod scratch;

pub use helm::{Helm, HelmConfig};
pub use running::running_upgrades;
