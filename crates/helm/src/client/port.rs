//! The port to helm.

use super::answer::{HistoryEntry, Metadata};
use super::error::HelmError;
use super::request::{
    GetRequest, PullRequest, RollbackRequest, TemplateRequest, TestRequest, UninstallRequest, UpgradeRequest,
};
use super::version::HelmVersion;
use async_trait::async_trait;
use pilothouse_core::Sensitive;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What Pilothouse wants of helm. Each call is one run of helm, ends within the request's timeout plus a grace, and
/// stops helm in an orderly way when `cancel` fires.
///
/// # Errors
/// Every method fails with a [`HelmError`]; `kind()` tells what went wrong as far as helm's text tells.
#[async_trait]
pub trait HelmClient: Send + Sync {
    /// Which helm it is.
    fn version(&self) -> &HelmVersion;

    /// The same helm, for the cluster of the current context of this kubeconfig. Each process gets a private copy of its own
    /// that goes when it ends, so that nobody who changes a file sends a later one, or this one, elsewhere.
    fn for_cluster(self: Arc<Self>, kubeconfig: &Sensitive<String>) -> Arc<dyn HelmClient>;

    /// Installs or upgrades. Returns what helm printed. Writes a new revision each time, also when nothing changes.
    /// Stopped half-way it marks the revision failed, if it is given the time.
    async fn upgrade_install(&self, request: &UpgradeRequest, cancel: &CancellationToken) -> Result<String, HelmError>;

    /// Uninstalls. Returns what helm printed. Repeatable until it succeeded; then the release is not found.
    /// Helm does not wait until the objects are gone.
    async fn uninstall(&self, request: &UninstallRequest, cancel: &CancellationToken) -> Result<String, HelmError>;

    /// Rolls back, as a new revision. Returns what helm printed. Stopped half-way it leaves the release
    /// `pending-rollback`.
    async fn rollback(&self, request: &RollbackRequest, cancel: &CancellationToken) -> Result<String, HelmError>;

    /// Renders: manifests, then hooks; definitions of `crds/` folders first. Reads nothing but files, and the cluster
    /// if the request says so.
    async fn template(&self, request: &TemplateRequest, cancel: &CancellationToken) -> Result<String, HelmError>;

    /// Runs the chart's tests. Returns what helm printed, logs included. Writes the results into the release's record.
    async fn test(&self, request: &TestRequest, cancel: &CancellationToken) -> Result<String, HelmError>;

    /// Fetches a chart archive. Returns its path.
    async fn pull(&self, request: &PullRequest, cancel: &CancellationToken) -> Result<PathBuf, HelmError>;

    /// The values a revision was given, as JSON; null when none.
    async fn get_values(
        &self,
        request: &GetRequest,
        cancel: &CancellationToken,
    ) -> Result<serde_json::Value, HelmError>;

    /// The manifest of a revision, without hooks.
    async fn get_manifest(&self, request: &GetRequest, cancel: &CancellationToken) -> Result<String, HelmError>;

    /// What a revision is.
    async fn get_metadata(&self, request: &GetRequest, cancel: &CancellationToken) -> Result<Metadata, HelmError>;

    /// The revisions of a release, oldest first; the request's revision is ignored.
    async fn history(&self, request: &GetRequest, cancel: &CancellationToken) -> Result<Vec<HistoryEntry>, HelmError>;
}
