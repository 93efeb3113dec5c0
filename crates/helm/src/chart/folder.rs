//! Chart folders.

use super::contents::{Contents, Described, MAX_CHART, MAX_FILE};
use super::packaged;
use super::scan::ChartScan;
use pilothouse_core::hex;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How deep folders are followed; more is a loop of symbolic links.
const MAX_DEPTH: usize = 40;

/// A folder that could not be read.
#[derive(Debug)]
pub(crate) enum FolderError {
    Io { path: PathBuf, source: io::Error },
    Chart(String),
}

/// Reads a chart folder: what it is, and the SHA-256 of its content (paths and bytes, in the order of the paths).
/// Symbolic links are followed, as by Helm; `.helmignore` is not looked at, so the digest may differ without need.
pub(crate) fn describe_folder(root: &Path) -> Result<(Described, String), FolderError> {
    let mut files = Vec::new();
    walk(root, "", 0, &mut files)?;
    files.sort();
    let (mut contents, mut scan) = (Contents::default(), ChartScan::default());
    let (mut digest, mut total) = (Sha256::new(), 0);
    for inner in files {
        let path = root.join(&inner);
        let bytes = fs::read(&path).map_err(|source| FolderError::Io { path, source })?;
        total += bytes.len() as u64;
        if total > MAX_CHART {
            return Err(FolderError::Chart(format!("it holds more than {} MiB", MAX_CHART / 1024 / 1024)));
        }
        for part in [inner.as_bytes(), bytes.as_slice()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        scan.add(&inner, &bytes);
        if Contents::wants(&inner) {
            if bytes.len() as u64 > MAX_FILE {
                return Err(FolderError::Chart(format!("{inner} is larger than {} MiB", MAX_FILE / 1024 / 1024)));
            }
            contents.insert(&inner, bytes);
        }
    }
    let described = contents.describe(packaged::metadata).map_err(FolderError::Chart)?;
    Ok((Described { templates: scan.finish(), ..described }, hex(&digest.finalize())))
}

fn walk(root: &Path, inner: &str, depth: usize, files: &mut Vec<String>) -> Result<(), FolderError> {
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
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(FolderError::Chart(format!("the name of {} is not UTF-8", entry.path().display())));
        };
        // It changes with every commit and says nothing about the chart.
        if name == ".git" {
            continue;
        }
        let path = if inner.is_empty() { name.to_owned() } else { format!("{inner}/{name}") };
        let metadata = fs::metadata(entry.path()).map_err(io(&entry.path()))?;
        if metadata.is_dir() {
            walk(root, &path, depth + 1, files)?;
        } else if metadata.is_file() {
            files.push(path);
        }
    }
    Ok(())
}
