//! The helm binary as a typed client, release records and chart archives.

mod access;
mod answer;
mod argv;
mod classify;
mod client;
mod error;
mod helm;
mod key_path;
mod noise;
mod request;
mod scratch;
mod values;
mod version;

pub use access::{Driver, KubeAccess};
pub use answer::{HistoryEntry, Metadata};
pub use classify::{Kind, classify};
pub use client::HelmClient;
pub use error::HelmError;
pub use helm::{Helm, HelmConfig};
pub use noise::HelmText;
pub use request::{
    GetRequest, PullRequest, RollbackRequest, TemplateRequest, TestRequest, UninstallRequest, UpgradeRequest,
};
pub use values::{Values, ValuesDocument, ValuesError, values_documents};
pub use version::{HelmVersion, VersionError};
