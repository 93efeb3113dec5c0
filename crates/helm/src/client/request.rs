//! What helm can be asked to do.

use crate::values::Values;
use pilothouse_core::ReleaseKey;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// `helm upgrade --install`: makes a release what it should be, whether it exists or not.
#[derive(Debug, Clone)]
pub struct UpgradeRequest {
    /// The release.
    pub release: ReleaseKey,
    /// The chart: a folder or an archive.
    pub chart: PathBuf,
    /// All values. What an earlier revision was given is never used again.
    pub values: Values,
    /// Whether the values are taken without asking the chart's schema.
    pub skip_schema_validation: bool,
    /// Whether a missing namespace is created.
    pub create_namespace: bool,
    /// How many revisions Helm keeps; 0 means all.
    pub max_history: u32,
    /// Replace objects instead of patching them.
    pub force: bool,
    /// Take over fields that other field managers own. Only helm 4 applies server-side and can conflict at all; helm 3
    /// ignores this. On a first install it matters for adopted objects only: the others are new. Not for a release whose
    /// last revision was applied client-side (by helm 3, or with `force`): helm 4 then fails after it has written a
    /// failed revision. Ignored together with `force`, with which helm 4 refuses it.
    pub force_conflicts: bool,
    /// The description of the new revision; Helm's own when `None`.
    pub description: Option<String>,
    /// Labels of Helm's record of the release.
    pub labels: BTreeMap<String, String>,
    /// Wall-clock time until helm is stopped.
    pub timeout: Duration,
}

impl UpgradeRequest {
    /// An upgrade with Helm's defaults.
    pub fn new(release: ReleaseKey, chart: impl Into<PathBuf>, values: Values, timeout: Duration) -> Self {
        Self {
            release,
            chart: chart.into(),
            values,
            skip_schema_validation: false,
            create_namespace: false,
            max_history: 10,
            force: false,
            force_conflicts: false,
            description: None,
            labels: BTreeMap::new(),
            timeout,
        }
    }
}

/// `helm uninstall`. Whether the release exists must be known beforehand: helm's `--ignore-not-found` takes every error
/// in reading for "not found" (`pkg/action/uninstall.go`, up to v4.2) and is never used.
#[derive(Debug, Clone)]
pub struct UninstallRequest {
    /// The release.
    pub release: ReleaseKey,
    /// Whether Helm's records stay, with the status `uninstalled`.
    pub keep_history: bool,
    /// Whether the chart's hooks are left out.
    pub no_hooks: bool,
    /// Wall-clock time until helm is stopped.
    pub timeout: Duration,
}

impl UninstallRequest {
    /// Uninstalls with hooks, and with all records.
    pub fn new(release: ReleaseKey, timeout: Duration) -> Self {
        Self { release, keep_history: false, no_hooks: false, timeout }
    }
}

/// `helm rollback`. Helm does not handle signals there: one that is stopped leaves the release `pending-rollback`.
#[derive(Debug, Clone)]
pub struct RollbackRequest {
    /// The release.
    pub release: ReleaseKey,
    /// The revision to go back to.
    pub revision: u32,
    /// Replace objects instead of patching them.
    pub force: bool,
    /// Whether the chart's hooks are left out.
    pub no_hooks: bool,
    /// How many revisions Helm keeps; 0 means all.
    pub max_history: u32,
    /// Wall-clock time until helm is stopped.
    pub timeout: Duration,
}

impl RollbackRequest {
    /// Goes back to a revision, with hooks.
    pub fn new(release: ReleaseKey, revision: u32, timeout: Duration) -> Self {
        Self { release, revision, force: false, no_hooks: false, max_history: 10, timeout }
    }
}

/// `helm template --include-crds`: renders without talking to a cluster, unless it is to look something up there.
#[derive(Debug, Clone)]
pub struct TemplateRequest {
    /// The release.
    pub release: ReleaseKey,
    /// The chart: a folder or an archive.
    pub chart: PathBuf,
    /// All values.
    pub values: Values,
    /// Whether the values are taken without asking the chart's schema.
    pub skip_schema_validation: bool,
    /// The Kubernetes version to render for, as `v1.36.2`; helm's own default when `None`. Helm 3 drops what follows
    /// the numbers, and both majors do so for the check of `kubeVersion`: see `pilothouse_core::KubeVersionFrom`.
    pub kube_version: Option<String>,
    /// The API versions (`apps/v1`) and kinds (`apps/v1/Deployment`) the cluster serves, besides those helm knows.
    pub api_versions: Vec<String>,
    /// Whether to render as an upgrade (`.Release.IsUpgrade`) or as an install.
    pub is_upgrade: bool,
    /// The revision that templates are told they are (`.Release.Revision`). Helm itself tells them 1: for any other number it is
    /// given a copy of the chart that says so.
    pub revision: u32,
    /// Whether `lookup` finds what is in the cluster, instead of nothing. Helm 4 then takes the cluster's version and what
    /// it serves from the cluster alone, and fails when a kind of the release is not served.
    pub lookup: bool,
    /// Wall-clock time until helm is stopped.
    pub timeout: Duration,
}

impl TemplateRequest {
    /// Renders as an install, for helm's own default Kubernetes version, without a cluster.
    pub fn new(release: ReleaseKey, chart: impl Into<PathBuf>, values: Values, timeout: Duration) -> Self {
        Self {
            release,
            chart: chart.into(),
            values,
            skip_schema_validation: false,
            kube_version: None,
            api_versions: Vec::new(),
            is_upgrade: false,
            revision: 1,
            lookup: false,
            timeout,
        }
    }
}

/// `helm test`.
#[derive(Debug, Clone)]
pub struct TestRequest {
    /// The release.
    pub release: ReleaseKey,
    /// Whether the logs of the test pods are fetched. A log that cannot be read makes helm fail.
    pub logs: bool,
    /// `name=X` runs only that test, `!name=X` leaves it out.
    pub filters: Vec<String>,
    /// Wall-clock time until helm is stopped.
    pub timeout: Duration,
}

impl TestRequest {
    /// All tests, with their logs.
    pub fn new(release: ReleaseKey, timeout: Duration) -> Self {
        Self { release, logs: true, filters: Vec::new(), timeout }
    }
}

/// `helm pull`: fetches one chart archive.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// Where it comes from. A local path is refused: there is nothing to fetch.
    pub chart: pilothouse_core::ChartRef,
    /// The folder to put the archive into. It must exist, be empty, and be used by nobody else.
    pub destination: PathBuf,
    /// Wall-clock time until helm is stopped.
    pub timeout: Duration,
}

/// Which revision of a release is asked about.
#[derive(Debug, Clone)]
pub struct GetRequest {
    /// The release.
    pub release: ReleaseKey,
    /// The revision; the newest when `None`.
    pub revision: Option<u32>,
    /// Wall-clock time until helm is stopped.
    pub timeout: Duration,
}

impl GetRequest {
    /// Asks about the newest revision.
    pub fn new(release: ReleaseKey, timeout: Duration) -> Self {
        Self { release, revision: None, timeout }
    }
}
