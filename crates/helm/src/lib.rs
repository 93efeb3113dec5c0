//! The helm binary as a typed client, release records and chart archives.

mod binary;
mod chart;
mod client;
mod files;
mod release;
mod resolve;
mod values;
mod yaml;

pub use binary::{Helm, HelmConfig, running_upgrades};
pub use chart::{ChartKind, ChartMetadata, Dependency, TemplateUse};
pub use client::{
    GetRequest, HelmClient, HelmError, HelmText, HelmVersion, HistoryEntry, Kind, Metadata, PullRequest,
    RollbackRequest, TemplateRequest, TestRequest, UninstallRequest, UpgradeRequest, VersionError, classify,
};
pub use release::{
    DecodeError, Document, HookRecord, HookRun, Origin, ReleaseInfo, ReleaseRecord, RenderedDoc, SameResult, Volatile,
    VolatileObject, decode_release, mark_failed, parse_by_document, parse_documents, same_result, same_result_except,
    split_manifests, volatile_fields, volatile_since,
};
pub use resolve::{ChartError, ChartShelf, Fetch, ResolvedChart, ResolvedKind, resolve_chart, resolve_chart_shared};
pub use values::{Values, ValuesDocument, ValuesError, value_at};
pub use yaml::{YamlError, has_more_documents};
