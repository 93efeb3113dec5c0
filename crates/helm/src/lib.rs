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
mod file_identity;
mod folder;
mod helm;
mod key_path;
mod known_version;
mod metadata;
mod noise;
mod pin;
mod record;
mod rendered;
mod request;
mod resolve;
mod running;
mod same_result;
mod scalar;
mod scratch;
mod shelf;
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
pub use resolve::{ChartError, Fetch, ResolvedChart, ResolvedKind, resolve_chart, resolve_chart_shared};
pub use running::running_upgrades;
pub use same_result::{SameResult, Volatile, VolatileObject, same_result, same_result_except, volatile_fields};
pub use shelf::ChartShelf;
pub use template_use::TemplateUse;
pub use values::{Values, ValuesDocument, ValuesError, values_documents};
pub use version::{HelmVersion, VersionError};
pub use yaml::YamlError;
