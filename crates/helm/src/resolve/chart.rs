//! A chart that was found, or why there is none.

use crate::chart::{ChartMetadata, TemplateUse};
use crate::client::HelmError;
use pilothouse_core::ConstraintError;
use std::io;
use std::path::PathBuf;

/// A chart that lies on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedChart {
    /// The folder or archive, for helm.
    pub path: PathBuf,
    /// What it is.
    pub kind: ResolvedKind,
    /// What it says about itself.
    pub metadata: ChartMetadata,
    /// SHA-256, in hex: of the archive, or of a folder's content.
    pub digest: String,
    /// What its templates, and those of its subcharts, depend on besides its content and the values.
    pub templates: TemplateUse,
    pub(super) missing: Vec<String>,
    pub(super) stale: Vec<String>,
}

impl ResolvedChart {
    /// The dependencies named in `Chart.yaml` that are not in its `charts/` folder. Helm refuses such a chart.
    pub fn missing_dependencies(&self) -> &[String] {
        &self.missing
    }

    /// What in its `charts/` folder and in its lock file is not what `Chart.yaml` asks for, in words. Helm deploys such a chart.
    pub fn stale_dependencies(&self) -> &[String] {
        &self.stale
    }
}

/// What a resolved chart is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolvedKind {
    /// The user's folder.
    Folder,
    /// The user's archive.
    Archive,
    /// An archive that was fetched.
    Fetched,
}

/// A chart that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// There is nothing there.
    #[error("there is no chart at {place}")]
    NotFound {
        /// Where it was looked for.
        place: String,
        /// What helm said, when it was asked.
        #[source]
        source: Option<HelmError>,
    },
    /// The repository or registry does not let us in.
    #[error("the repository or registry of {chart} refuses access: no credentials, or others than it wants")]
    AccessDenied {
        /// The chart.
        chart: String,
        /// What helm said.
        #[source]
        source: HelmError,
    },
    /// What is there cannot be used as a chart.
    #[error("{place} is not a usable chart: {why}")]
    Damaged {
        /// The file or folder; for one that was fetched, what was asked for.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file or folder cannot be read or written.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The version that was asked for is not a constraint.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// The chart is there, in another version.
    #[error("{} has version {found}, which does not fit {wanted}", path.display())]
    Version {
        /// The file or folder.
        path: PathBuf,
        /// Its version.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// It could not be fetched.
    #[error("cannot fetch {chart}")]
    Fetch {
        /// The chart.
        chart: String,
        /// What helm said.
        #[source]
        source: HelmError,
    },
}
