//! What the caller decides.

use super::catalogue::Download;
use super::tool::Tool;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where programs may come from. Nothing here is read from the environment: the caller resolves it.
#[derive(Clone)]
pub struct ProvisionConfig {
    /// The folder programs are kept in. Created, for its owner only, when it is not there.
    pub cache: PathBuf,
    /// Paths the user named for a tool. They are used as they are, or it is an error.
    pub explicit: BTreeMap<Tool, PathBuf>,
    /// Files, or folders with files, that may be used if their version fits: the value of `KUBEBUILDER_ASSETS`, those
    /// of `TEST_ASSET_KUBE_APISERVER` and its like, the folders of `PATH`.
    pub candidates: Vec<PathBuf>,
    /// The `go` to build with.
    pub go: Option<PathBuf>,
    /// The environment of every program started. A build needs `HOME` or `GOCACHE` and `GOMODCACHE`, and honours
    /// `GOPROXY` and the like. `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are honoured by downloads too.
    pub base_env: BTreeMap<OsString, OsString>,
    /// Whether the network may be asked for finished programs.
    pub allow_download: bool,
    /// Whether programs may be built.
    pub allow_build: bool,
    /// Other places to download from than the official ones: a mirror, a server in a test.
    pub downloads: BTreeMap<Tool, Download>,
    /// How long the download of one tool, or its build, may take.
    pub timeout: Duration,
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for ProvisionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ProvisionConfig");
        shown.field("cache", &self.cache).field("explicit", &self.explicit).field("candidates", &self.candidates);
        shown.field("go", &self.go).field("base_env", &self.base_env.keys()).finish_non_exhaustive()
    }
}

impl ProvisionConfig {
    /// Downloads and builds into `cache`, with half an hour for each tool; nothing else is set.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            explicit: BTreeMap::new(),
            candidates: Vec::new(),
            go: None,
            base_env: BTreeMap::new(),
            allow_download: true,
            allow_build: true,
            downloads: BTreeMap::new(),
            timeout: Duration::from_secs(30 * 60),
        }
    }
}
