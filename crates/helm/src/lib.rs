//! The helm binary as a typed client, release records and chart archives.

mod access;
mod answer;
mod archive;
mod argv;
mod chart_scan;
mod classify;
mod client;
mod contents;
mod error;
mod folder;
mod helm;
mod key_path;
mod metadata;
mod noise;
mod record;
mod rendered;
mod request;
mod resolve;
mod running;
mod scalar;
mod scratch;
mod template_text;
mod template_use;
mod values;
mod version;
mod yaml;

pub use access::{Driver, KubeAccess};
pub use answer::{HistoryEntry, Metadata};
pub use classify::{Kind, classify};
pub use client::HelmClient;
pub use error::HelmError;
pub use helm::{Helm, HelmConfig};
pub use metadata::{ChartKind, ChartMetadata, Dependency};
pub use noise::HelmText;
pub use record::{DecodeError, HookRecord, HookRun, ReleaseInfo, ReleaseRecord, decode_release, mark_failed};
pub use rendered::{Origin, RenderedDoc, parse_documents, split_manifests};
pub use request::{
    GetRequest, PullRequest, RollbackRequest, TemplateRequest, TestRequest, UninstallRequest, UpgradeRequest,
};
pub use resolve::{ChartError, ResolvedChart, ResolvedKind, resolve_chart};
pub use running::running_upgrades;
pub use template_use::TemplateUse;
pub use values::{Values, ValuesDocument, ValuesError, values_documents};
pub use version::{HelmVersion, VersionError};
pub use yaml::YamlError;
