//! The port to helm: what it can be asked, what it answers, and how it fails.
//!
//! In: requests. Out: answers, or a [`HelmError`] that says what went wrong as far as helm's text tells. Imports `values` only; `release`,
//! `binary` and `resolve` import it.

mod answer;
mod classify;
mod error;
mod noise;
mod port;
mod request;
mod version;

pub use answer::{HistoryEntry, Metadata};
pub(crate) use answer::{lenient_time, status};
pub use classify::{Kind, classify};
pub use error::HelmError;
pub(crate) use error::redacted;
pub use noise::HelmText;
pub use port::HelmClient;
pub use request::{
    GetRequest, PullRequest, RollbackRequest, TemplateRequest, TestRequest, UninstallRequest, UpgradeRequest,
};
pub use version::{HelmVersion, VersionError};
