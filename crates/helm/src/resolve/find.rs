//! From a reference to a chart that lies on this machine.

use super::chart::{ChartError, ResolvedChart, ResolvedKind};
use super::pin::Pin;
use super::shelf::ChartShelf;
use crate::chart::{Described, FolderError, MAX_CHART, describe_archive, describe_folder};
use crate::client::{HelmClient, Kind, PullRequest};
use pilothouse_core::{ChartRef, ChartSource, VersionConstraint, hex, lenient_version};
use pilothouse_process::{Named, Scratch, private_folder, read_input};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long fetching a chart may take.
const PULL_LIMIT: Duration = Duration::from_secs(300);

/// When a chart that does not lie on this machine is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    /// Each time, since what a version or constraint stands for may change: tags are moved, versions are published again.
    Always,
    /// Not when its version is exact and it was fetched before. Neither helm nor a network is needed then.
    UnlessPinned,
    /// Never: without helm and a network.
    Never,
}

/// Finds a chart, fetching it into `cache` when it does not lie on this machine.
///
/// Fetched archives are kept as `CACHE/SHA256/FILE`, so that runs side by side never write to the same file; they are
/// fetched anew each time, since what a version or constraint stands for may change.
///
/// # Errors
/// When there is no such chart or version, or what is there is damaged; see [`ChartError`].
pub async fn resolve_chart(
    chart: &ChartRef,
    helm: &dyn HelmClient,
    cache: &Path,
    cancel: &CancellationToken,
) -> Result<ResolvedChart, ChartError> {
    let resolved = resolve_chart_shared(chart, helm, cache, &ChartShelf::default(), Fetch::Always, cancel).await?;
    Ok(Arc::unwrap_or_clone(resolved))
}

/// As [`resolve_chart`], for the releases of a run that share a shelf: what lies on this machine is read once.
///
/// # Errors
/// As [`resolve_chart`].
pub async fn resolve_chart_shared(
    chart: &ChartRef,
    helm: &dyn HelmClient,
    cache: &Path,
    shelf: &ChartShelf,
    fetch: Fetch,
    cancel: &CancellationToken,
) -> Result<Arc<ResolvedChart>, ChartError> {
    let constraint = chart.version.as_deref().map(VersionConstraint::parse).transpose()?;
    let ChartSource::Path(path) = &chart.source else {
        return match fetch {
            Fetch::Always => fetched(chart, helm, cache, cancel).await.map(Arc::new),
            Fetch::UnlessPinned => match pinned(chart, cache, shelf).await {
                Some(found) => Ok(Arc::new(found)),
                None => fetched(chart, helm, cache, cancel).await.map(Arc::new),
            },
            Fetch::Never => {
                let found = pinned(chart, cache, shelf).await.map(Arc::new);
                found.ok_or_else(|| ChartError::NotFound { place: chart.to_string(), source: None })
            }
        };
    };
    let resolved = shelf.chart(path, blocking_local).await?;
    let fits = |constraint: &VersionConstraint| {
        lenient_version(&resolved.metadata.version).is_some_and(|version| constraint.matches(&version))
    };
    match constraint {
        Some(constraint) if !fits(&constraint) => Err(ChartError::Version {
            path: path.clone(),
            found: resolved.metadata.version.clone(),
            wanted: constraint.to_string(),
        }),
        Some(_) | None => Ok(resolved),
    }
}

/// A chart of an exact version that was fetched before, if the archive is still what it was then.
async fn pinned(chart: &ChartRef, cache: &Path, shelf: &ChartShelf) -> Option<ResolvedChart> {
    let pin = Pin::read(cache, chart)?;
    match shelf.chart(&pin.archive(cache), blocking_local).await {
        Ok(found) if found.digest == pin.digest => {
            Some(ResolvedChart { kind: ResolvedKind::Fetched, ..found.as_ref().clone() })
        }
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(%error, "the archive that was fetched before cannot be used");
            None
        }
    }
}

/// Reading and hashing a chart takes a moment, in which nothing else should have to wait.
async fn blocking_local(path: PathBuf) -> Result<ResolvedChart, ChartError> {
    let task = tokio::task::spawn_blocking({
        let path = path.clone();
        move || local(&path)
    });
    task.await.unwrap_or_else(|error| Err(ChartError::Io { what: "read", path, source: io::Error::other(error) }))
}

fn local(path: &Path) -> Result<ResolvedChart, ChartError> {
    let read_error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ChartError::NotFound { place: path.display().to_string(), source: None },
        _ => ChartError::Io { what: "read", path: path.to_owned(), source },
    };
    let metadata = std::fs::metadata(path).map_err(read_error)?;
    if metadata.is_dir() {
        let (described, digest) = describe_folder(path).map_err(|error| match error {
            FolderError::Io { path, source } => ChartError::Io { what: "read", path, source },
            FolderError::Chart(why) => ChartError::Damaged { place: path.display().to_string(), why },
        })?;
        return Ok(resolved(path, ResolvedKind::Folder, described, digest));
    }
    if metadata.len() > MAX_CHART {
        let why = format!("it is larger than {} MiB", MAX_CHART / 1024 / 1024);
        return Err(ChartError::Damaged { place: path.display().to_string(), why });
    }
    let bytes = read_input(path, Named::File, MAX_CHART).map_err(read_error)?;
    let described =
        describe_archive(&bytes).map_err(|why| ChartError::Damaged { place: path.display().to_string(), why })?;
    Ok(resolved(path, ResolvedKind::Archive, described, hex(&Sha256::digest(&bytes))))
}

fn resolved(path: &Path, kind: ResolvedKind, described: Described, digest: String) -> ResolvedChart {
    let (missing, stale) = (described.missing(), described.stale());
    let Described { metadata, templates, .. } = described;
    ResolvedChart { path: path.to_owned(), kind, metadata, digest, templates, missing, stale }
}

async fn fetched(
    chart: &ChartRef,
    helm: &dyn HelmClient,
    cache: &Path,
    cancel: &CancellationToken,
) -> Result<ResolvedChart, ChartError> {
    let write_error = |path: &Path| {
        let path = path.to_owned();
        move |source| ChartError::Io { what: "write", path, source }
    };
    private_folder(cache).map_err(write_error(cache))?;
    // What a killed one has left.
    Scratch::sweep(cache);
    let folder = Scratch::new(cache).map_err(write_error(cache))?;
    let request = PullRequest { chart: chart.clone(), destination: folder.path().to_owned(), timeout: PULL_LIMIT };
    let archive = helm.pull(&request, cancel).await.map_err(|source| match source.kind() {
        Some(Kind::ChartNotFound | Kind::VersionNotFound) => {
            ChartError::NotFound { place: chart.to_string(), source: Some(source) }
        }
        Some(Kind::AccessDenied) => ChartError::AccessDenied { chart: chart.to_string(), source },
        _ => ChartError::Fetch { chart: chart.to_string(), source },
    })?;
    let found = blocking_local(archive.clone()).await.map_err(|error| match error {
        ChartError::Damaged { why, .. } => ChartError::Damaged { place: chart.to_string(), why },
        other => other,
    })?;
    let kept = cache.join(&found.digest);
    private_folder(&kept).map_err(write_error(&kept))?;
    let path = kept.join(archive.file_name().unwrap_or_default());
    std::fs::rename(&archive, &path).map_err(write_error(&path))?;
    if let Some(file) = path.file_name().and_then(|name| name.to_str()) {
        let pin = Pin { digest: found.digest.clone(), file: file.to_owned() };
        if let Err(error) = pin.write(cache, chart) {
            // It only spares fetching it again.
            tracing::debug!(%error, "where the chart lies is not kept");
        }
    }
    Ok(ResolvedChart { path, kind: ResolvedKind::Fetched, ..found })
}
