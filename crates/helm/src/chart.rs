//! Charts: from a reference to a folder or archive on this machine.

use crate::client::HelmClient;
use crate::error::HelmError;
use crate::request::PullRequest;
use flate2::read::GzDecoder;
use pilothouse_core::{ChartRef, ChartSource, ConstraintError, VersionConstraint, lenient_version};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Helm's own limits (`pkg/chart/loader/archive/archive.go`): bytes of a whole chart and of one file, unpacked.
const LARGEST_CHART: u64 = 100 * 1024 * 1024;
const LARGEST_FILE: u64 = 5 * 1024 * 1024;

/// How long fetching one chart may take.
const FETCH: Duration = Duration::from_secs(180);

/// A chart on this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedChart {
    /// Its folder or archive.
    pub path: PathBuf,
    /// Its `Chart.yaml`.
    pub metadata: ChartMetadata,
    /// The names of the charts in its `charts/`.
    pub vendored: BTreeSet<String>,
}

/// What is read of a `Chart.yaml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartMetadata {
    /// The chart's name.
    pub name: String,
    /// The chart's version.
    pub version: String,
    /// The version of what it deploys.
    #[serde(default)]
    pub app_version: Option<String>,
    /// The Kubernetes versions it is for, as a constraint.
    #[serde(default)]
    pub kube_version: Option<String>,
    /// `application` or `library`.
    #[serde(default, rename = "type")]
    pub chart_type: Option<String>,
    /// Its subcharts.
    #[serde(default)]
    pub dependencies: Vec<Dependency>,
}

/// A subchart, as `Chart.yaml` lists it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Dependency {
    /// Its name.
    pub name: String,
}

/// A chart that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// It is not where the reference says.
    #[error("chart {reference} is not there")]
    NotFound {
        /// The reference.
        reference: String,
        /// What was said.
        #[source]
        source: Option<Box<HelmError>>,
    },
    /// A file of it cannot be read.
    #[error("chart {} cannot be read", path.display())]
    Read {
        /// The chart.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The archive is cut off or not an archive.
    #[error("chart archive {} is damaged: {why}", path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is no usable `Chart.yaml`.
    #[error("{} is not a chart: {why}", path.display())]
    NotAChart {
        /// The folder or archive.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The constraint is not one.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// A local chart has another version than asked for.
    #[error("chart {} has version {found}, wanted is {wanted}", path.display())]
    Version {
        /// The chart.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The constraint.
        wanted: String,
    },
    /// It could not be fetched.
    #[error("chart {reference} cannot be fetched")]
    Fetch {
        /// The reference.
        reference: String,
        /// What helm said.
        #[source]
        source: Box<HelmError>,
    },
}

impl ResolvedChart {
    /// The dependencies of `Chart.yaml` that are not in `charts/`. Helm refuses to install then, whatever their
    /// conditions say (`pkg/action/dependency.go`).
    pub fn missing_dependencies(&self) -> Vec<String> {
        let missing = self.metadata.dependencies.iter().filter(|dependency| !self.vendored.contains(&dependency.name));
        missing.map(|dependency| dependency.name.clone()).collect()
    }
}

/// Finds a chart: local ones where they are, others fetched by helm into `cache`, in a folder of their own for each fetch.
///
/// # Errors
/// Why it cannot be used.
pub async fn resolve_chart(
    chart: &ChartRef,
    helm: &dyn HelmClient,
    cache: &Path,
    cancel: &CancellationToken,
) -> Result<ResolvedChart, ChartError> {
    let path = match &chart.source {
        ChartSource::Path(path) => path.clone(),
        ChartSource::Repo { .. } | ChartSource::Oci(_) => {
            let destination = fetch_folder(cache).map_err(|source| ChartError::Read { path: cache.to_owned(), source })?;
            let request = PullRequest { chart: chart.clone(), destination, timeout: FETCH };
            helm.pull(&request, cancel).await.map_err(|source| {
                let reference = chart.to_string();
                let source = Box::new(source);
                if source.is_chart_not_found() {
                    ChartError::NotFound { reference, source: Some(source) }
                } else {
                    ChartError::Fetch { reference, source }
                }
            })?
        }
    };
    let read = path.clone();
    let resolved = tokio::task::spawn_blocking(move || read_chart(&read)).await;
    let resolved =
        resolved.map_err(|error| ChartError::Read { path: path.clone(), source: io::Error::other(error) })??;
    if let Some(wanted) = &chart.version {
        fits(&resolved, wanted)?;
    }
    Ok(resolved)
}

fn fits(chart: &ResolvedChart, wanted: &str) -> Result<(), ChartError> {
    let constraint = VersionConstraint::parse(wanted)?;
    let found = &chart.metadata.version;
    match lenient_version(found) {
        Some(version) if constraint.matches(&version) => Ok(()),
        _ => Err(ChartError::Version { path: chart.path.clone(), found: found.clone(), wanted: wanted.to_owned() }),
    }
}

fn read_chart(path: &Path) -> Result<ResolvedChart, ChartError> {
    let read = |source| ChartError::Read { path: path.to_owned(), source };
    let found = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ChartError::NotFound { reference: path.display().to_string(), source: None });
        }
        found => found.map_err(read)?,
    };
    let (text, vendored) = if found.is_dir() { from_folder(path)? } else { from_archive(path)? };
    let not_a_chart = |why: String| ChartError::NotAChart { path: path.to_owned(), why };
    let text = text.ok_or_else(|| not_a_chart("it has no Chart.yaml".to_owned()))?;
    let metadata: ChartMetadata =
        serde_saphyr::from_str(&text).map_err(|error| not_a_chart(format!("Chart.yaml: {error}")))?;
    if lenient_version(&metadata.version).is_none() {
        return Err(not_a_chart(format!("Chart.yaml: `{}` is not a version", metadata.version)));
    }
    Ok(ResolvedChart { path: path.to_owned(), metadata, vendored })
}

/// A new folder of its own for one fetch: helm's pulls must not share one.
fn fetch_folder(cache: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(cache)?;
    Ok(tempfile::Builder::new().prefix("fetch-").tempdir_in(cache)?.keep())
}

type Parts = (Option<String>, BTreeSet<String>);

fn from_folder(path: &Path) -> Result<Parts, ChartError> {
    let read = |source| ChartError::Read { path: path.to_owned(), source };
    let text = match std::fs::read_to_string(path.join("Chart.yaml")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        text => Some(text.map_err(read)?),
    };
    let mut vendored = BTreeSet::new();
    if let Ok(entries) = std::fs::read_dir(path.join("charts")) {
        for entry in entries {
            let entry = entry.map_err(read)?.path();
            let inner = if entry.is_dir() {
                from_folder(&entry)?.0
            } else if entry.extension().is_some_and(|extension| extension == "tgz") {
                from_archive(&entry)?.0
            } else {
                None
            };
            vendored.extend(inner.and_then(|text| name_of(&text)));
        }
    }
    Ok((text, vendored))
}

fn name_of(chart_yaml: &str) -> Option<String> {
    serde_saphyr::from_str::<ChartMetadata>(chart_yaml).ok().map(|metadata| metadata.name)
}

/// Reads the whole archive once, so that one that is cut off is found here and not in the middle of a deploy.
fn from_archive(path: &Path) -> Result<Parts, ChartError> {
    let damaged = |why: String| ChartError::Damaged { path: path.to_owned(), why };
    let file = std::fs::File::open(path).map_err(|source| ChartError::Read { path: path.to_owned(), source })?;
    let unpacked = GzDecoder::new(io::BufReader::new(file)).take(LARGEST_CHART + 1);
    let mut archive = tar::Archive::new(unpacked);
    let (mut text, mut vendored, mut total) = (None, BTreeSet::new(), 0);
    for entry in archive.entries().map_err(|error| damaged(error.to_string()))? {
        let mut entry = entry.map_err(|error| damaged(error.to_string()))?;
        let name = entry.path().map_err(|error| damaged(error.to_string()))?.into_owned();
        if name.components().any(|part| matches!(part, Component::ParentDir | Component::RootDir)) {
            return Err(damaged(format!("`{}` points out of the chart", name.display())));
        }
        let is_file = entry.header().entry_type().is_file();
        let size = entry.size();
        if is_file && size > LARGEST_FILE {
            return Err(damaged(format!("`{}` has {size} bytes, more than helm takes", name.display())));
        }
        total += size;
        if total > LARGEST_CHART {
            return Err(damaged("it unpacks to more than helm takes".to_owned()));
        }
        let parts: Vec<&str> = name.iter().filter_map(|part| part.to_str()).collect();
        let mut content = String::new();
        match parts[..] {
            [_, "Chart.yaml"] => {
                entry.read_to_string(&mut content).map_err(|error| damaged(error.to_string()))?;
                text = Some(content);
            }
            [_, "charts", _, "Chart.yaml"] => {
                entry.read_to_string(&mut content).map_err(|error| damaged(error.to_string()))?;
                vendored.extend(name_of(&content));
            }
            [_, "charts", archive] if archive.ends_with(".tgz") => {
                vendored.extend(packed_name(&mut entry).map_err(|error| damaged(error.to_string()))?);
            }
            _ => {
                io::copy(&mut entry, &mut io::sink()).map_err(|error| damaged(error.to_string()))?;
            }
        }
    }
    if text.is_none() && total == 0 {
        return Err(damaged("it is empty".to_owned()));
    }
    Ok((text, vendored))
}

/// The name of a subchart that is packed itself.
fn packed_name(archive: &mut impl Read) -> io::Result<Option<String>> {
    for entry in tar::Archive::new(GzDecoder::new(archive).take(LARGEST_CHART)).entries()? {
        let mut entry = entry?;
        let is_chart_yaml = entry.path()?.iter().nth(1).is_some_and(|name| name == "Chart.yaml");
        if is_chart_yaml && entry.path()?.iter().count() == 2 {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            return Ok(name_of(&text));
        }
    }
    Ok(None)
}
