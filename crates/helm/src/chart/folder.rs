//! Chart folders.

use super::contents::{Contents, Described, MAX_CHART, MAX_FILE};
use super::packaged;
use super::scan::ChartScan;
use pilothouse_core::hex;
use pilothouse_process::{Named, read_input};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How many files and folders are looked at; more is no chart, but the folder above it, or a link to one.
const MAX_ENTRIES: usize = 50_000;

/// How deep folders are followed; more is a loop of symbolic links.
const MAX_DEPTH: usize = 40;

/// A folder that could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{0}")]
    Chart(String),
}

/// Reads a chart folder: what it is, and the SHA-256 of its content (paths and bytes, in the order of the paths).
/// Symbolic links are followed, as by Helm, but to no place outside; `.helmignore` is not looked at, so the digest may differ
/// without need.
pub(crate) fn describe_folder(root: &Path) -> Result<(Described, String), FolderError> {
    let files = files_of(root)?;
    let (mut contents, mut scan) = (Contents::default(), ChartScan::default());
    let mut digest = Sha256::new();
    for (inner, size) in files {
        let path = root.join(&inner);
        digest.update((inner.len() as u64).to_be_bytes());
        digest.update(&inner);
        if size > MAX_FILE {
            // Helm takes it only where `.helmignore` names it.
            if Contents::wants(&inner) {
                return Err(FolderError::Chart(format!("{inner} is larger than {} MiB", MAX_FILE / 1024 / 1024)));
            }
            digest.update(size.to_be_bytes());
            fs::File::open(&path)
                .and_then(|file| io::copy(&mut io::Read::take(file, size), &mut Hashing(&mut digest)))
                .map_err(|source| FolderError::Io { path, source })?;
            scan.add_unread(&inner);
            continue;
        }
        let bytes = read_input(&path, Named::File, MAX_FILE).map_err(|source| FolderError::Io { path, source })?;
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(&bytes);
        scan.add(&inner, &bytes);
        if Contents::wants(&inner) {
            contents.insert(&inner, bytes);
        }
    }
    let described = contents.describe(packaged::metadata).map_err(FolderError::Chart)?;
    Ok((Described { templates: scan.finish(), ..described }, hex(&digest.finalize())))
}

/// The files of a chart folder by their paths below it, in order, with their sizes.
pub(super) fn files_of(root: &Path) -> Result<Vec<(String, u64)>, FolderError> {
    let bounds = Bounds::of(root).map_err(|source| FolderError::Io { path: root.to_owned(), source })?;
    let mut found = Found { bounds, files: Vec::new(), entries: 0, total: 0 };
    found.walk(root, "", 0)?;
    found.files.sort();
    Ok(found.files)
}

/// What is written goes into a digest.
struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where the links of a chart may lead. Helm follows them to any file of this machine and puts what is there into objects, which
/// is not meant by who deploys a chart that somebody else has written. Files that the charts of one repository share by links are
/// common, so that is where they may lead, but for git's own folder, which may hold credentials. A chart that is in no repository
/// is all that is known to belong together.
struct Bounds {
    folder: PathBuf,
    is_repository: bool,
}

impl Bounds {
    fn of(root: &Path) -> io::Result<Self> {
        let root = fs::canonicalize(root)?;
        match root.ancestors().find(|folder| folder.join(".git").exists()) {
            Some(repository) => Ok(Self { folder: repository.to_owned(), is_repository: true }),
            None => Ok(Self { folder: root, is_repository: false }),
        }
    }

    /// Why a link with this name must not be followed to `target`, if so.
    fn check(&self, name: &str, target: &Path) -> Result<(), FolderError> {
        let is_inside = |inner: &Path| !inner.components().any(|part| part.as_os_str() == ".git");
        if target.strip_prefix(&self.folder).is_ok_and(is_inside) {
            return Ok(());
        }
        let of_what = if self.is_repository { "the repository that the chart is in" } else { "the chart's folder" };
        Err(FolderError::Chart(format!("{name} is a link to {}, outside of {of_what}", target.display())))
    }
}

/// The files of a chart, with their sizes, before any of them is read.
struct Found {
    bounds: Bounds,
    files: Vec<(String, u64)>,
    entries: usize,
    total: u64,
}

impl Found {
    fn walk(&mut self, root: &Path, inner: &str, depth: usize) -> Result<(), FolderError> {
        let folder = root.join(inner);
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderError::Io { path, source }
        };
        if depth > MAX_DEPTH {
            return Err(FolderError::Chart(format!("folders are nested more than {MAX_DEPTH} levels deep")));
        }
        for entry in fs::read_dir(&folder).map_err(io(&folder))? {
            let entry = entry.map_err(io(&folder))?;
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(FolderError::Chart(format!("it holds more than {MAX_ENTRIES} files")));
            }
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(FolderError::Chart(format!("the name of {} is not UTF-8", entry.path().display())));
            };
            let path = if inner.is_empty() { name.to_owned() } else { format!("{inner}/{name}") };
            if entry.file_type().map_err(io(&entry.path()))?.is_symlink() {
                let target = fs::canonicalize(entry.path()).map_err(io(&entry.path()))?;
                self.bounds.check(&path, &target)?;
            }
            // It changes with every commit and says nothing about the chart.
            if name == ".git" {
                continue;
            }
            let metadata = fs::metadata(entry.path()).map_err(io(&entry.path()))?;
            if metadata.is_dir() {
                self.walk(root, &path, depth + 1)?;
            } else if metadata.is_file() {
                self.total = self.total.saturating_add(metadata.len());
                if self.total > MAX_CHART {
                    return Err(FolderError::Chart(format!("it holds more than {} MiB", MAX_CHART / 1024 / 1024)));
                }
                self.files.push((path, metadata.len()));
            }
        }
        Ok(())
    }
}
