//! The folder programs are kept in.

use super::catalogue::Platform;
use super::digest;
use super::error::ProvisionError;
use super::installed::{Installed, Source};
use super::tool::Tool;
use crate::files::private_folder;
use pilothouse_process::check_folder;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

const RECEIPT: &str = "receipt.json";

/// Programs whose digest was compared in this process, as they were then.
static SEEN: LazyLock<Mutex<HashSet<(PathBuf, String, Stat)>>> = LazyLock::new(Mutex::default);

/// The cache, for one platform.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
    platform: Platform,
}

/// What is written down when a program is put into the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Receipt {
    tool: Tool,
    version: String,
    source: Source,
    sha256: String,
    #[serde(flatten)]
    stat: Stat,
}

/// What tells, without reading it, that a file is still the one that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Stat {
    size: u64,
    mtime_ns: i64,
    ctime_ns: i64,
    inode: u64,
}

/// What the cache has of a tool.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) installed: Option<Installed>,
    /// Entries that must not be used, and why.
    pub(crate) bad: Vec<(PathBuf, String)>,
}

/// A finished program that is to be put into the cache.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Where it is: below the tool's work folder.
    pub(crate) file: PathBuf,
    pub(crate) version: String,
    pub(crate) source: Source,
    pub(crate) sha256: String,
}

impl Cache {
    pub(crate) fn new(root: PathBuf, platform: Platform) -> Self {
        Self { root, platform }
    }

    /// The folder of a tool.
    pub(crate) fn folder(&self, tool: Tool) -> PathBuf {
        self.root.join(tool.name())
    }

    /// Where a tool is built or unpacked. Used only by the holder of the tool's lock.
    pub(crate) fn work(&self, tool: Tool) -> PathBuf {
        self.folder(tool).join("work")
    }

    /// Where an unfinished download is kept.
    pub(crate) fn part(&self, tool: Tool) -> PathBuf {
        self.folder(tool).join(format!("{}.part", self.prefix(tool)))
    }

    fn prefix(&self, tool: Tool) -> String {
        format!("{}-{}", tool.version(), self.platform)
    }

    /// Creates the folder of a tool, for its owner only.
    pub(crate) fn create_folder(&self, tool: Tool) -> Result<PathBuf, ProvisionError> {
        let folder = self.folder(tool);
        private_folder(&folder).map_err(|source| ProvisionError::Cache { path: folder.clone(), source })?;
        Ok(folder)
    }

    /// Empties the work folder, which only a process that was killed leaves behind, and drops downloads of other
    /// versions. To be called with the lock held.
    pub(crate) fn clean(&self, tool: Tool) -> Result<(), ProvisionError> {
        let (folder, work, part) = (self.folder(tool), self.work(tool), self.part(tool));
        let failed = |path: &Path, source| ProvisionError::Cache { path: path.to_owned(), source };
        remove(&work).map_err(|source| failed(&work, source))?;
        for path in list(&folder).map_err(|source| failed(&folder, source))? {
            if path.extension().is_some_and(|extension| extension == "part") && path != part {
                remove(&path).map_err(|source| failed(&path, source))?;
            }
        }
        private_folder(&work).map_err(|source| failed(&work, source))
    }

    /// What there is of a tool, in the catalogue's version. A program is read and its digest compared before it is used for the
    /// first time in a process: with `pinned`, that of the catalogue, or with what was written down when it was built or unpacked here.
    pub(crate) async fn find(&self, tool: Tool, pinned: Option<&str>) -> Result<Found, ProvisionError> {
        let (folder, prefix) = (self.folder(tool), format!("{}-", self.prefix(tool)));
        let mut found = Found::default();
        if self.root.as_os_str().is_empty() {
            let why = "neither HOME nor XDG_CACHE_HOME is set, so there is no folder that is this user's only";
            return Err(ProvisionError::Cache { path: self.root.clone(), source: io::Error::other(why) });
        }
        // A receipt proves nothing where somebody else may have written it.
        for folder in [&self.root, &folder] {
            check_folder(folder).map_err(|source| ProvisionError::Cache { path: folder.clone(), source })?;
        }
        let entries = list(&folder).map_err(|source| ProvisionError::Cache { path: folder.clone(), source })?;
        for entry in entries {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(content) = name.strip_prefix(&prefix) else { continue };
            match check(tool, &entry, content, pinned).await {
                Ok(installed) => {
                    found.installed.get_or_insert(installed);
                }
                Err(Unusable::Why(why)) => found.bad.push((entry, why)),
                Err(Unusable::Unreadable(path, source)) => return Err(ProvisionError::Cache { path, source }),
            }
        }
        Ok(found)
    }

    /// Puts a finished program into the cache, whole or not at all. To be called with the lock held.
    pub(crate) async fn publish(&self, tool: Tool, finished: Finished) -> Result<Installed, ProvisionError> {
        let stage = self.work(tool).join("entry");
        let name = format!("{}-{}", self.prefix(tool), &finished.sha256[..finished.sha256.len().min(12)]);
        let entry = self.folder(tool).join(name);
        let (folder, to) = (self.folder(tool), entry.clone());
        let written = digest::blocking(move || write(tool, finished, &folder, &stage, &to)).await;
        written.map_err(|source| ProvisionError::Cache { path: entry, source })
    }
}

enum Unusable {
    Why(String),
    Unreadable(PathBuf, io::Error),
}

/// Checks one entry of the cache. `content` is the part of its name that stands for the content.
async fn check(tool: Tool, entry: &Path, content: &str, pinned: Option<&str>) -> Result<Installed, Unusable> {
    let why = |why: &str| Unusable::Why(why.to_owned());
    check_folder(entry).map_err(|source| Unusable::Unreadable(entry.to_owned(), source))?;
    let receipt_path = entry.join(RECEIPT);
    let text = match fs::read(&receipt_path) {
        Ok(text) => text,
        Err(error) if is_absent(&error) => return Err(why("it has no receipt, so it may be half-written")),
        Err(error) => return Err(Unusable::Unreadable(receipt_path, error)),
    };
    let mut receipt: Receipt =
        serde_json::from_slice(&text).map_err(|error| Unusable::Why(format!("its receipt is damaged: {error}")))?;
    if receipt.tool != tool || content.len() < 12 || !receipt.sha256.starts_with(content) {
        return Err(why("its receipt is that of another file"));
    }
    let is_the_catalogues = matches!(receipt.source, Source::Download { pinned: true, .. });
    if let Some(pinned) = pinned.filter(|pinned| is_the_catalogues && **pinned != receipt.sha256) {
        return Err(Unusable::Why(format!(
            "its receipt has the SHA-256 {}, and the catalogue {pinned}",
            receipt.sha256
        )));
    }
    let path = entry.join(tool.file_name());
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if is_absent(&error) => return Err(why("the file is missing")),
        Err(error) => return Err(Unusable::Unreadable(path, error)),
    };
    if !metadata.is_file() {
        return Err(why("it is not a regular file"));
    }
    if metadata.permissions().mode() & 0o100 == 0 {
        return Err(why("it is not executable"));
    }
    let now = stat(&metadata);
    let seen = (path.clone(), receipt.sha256.clone(), now);
    if !SEEN.lock().unwrap_or_else(PoisonError::into_inner).contains(&seen) {
        let sha256 = match digest::of_file(&path).await {
            Ok(sha256) => sha256,
            Err(error) => return Err(Unusable::Unreadable(path, error)),
        };
        if sha256 != receipt.sha256 {
            return Err(Unusable::Why(format!(
                "its content has changed: its SHA-256 is {sha256}, and {} was written",
                receipt.sha256
            )));
        }
        receipt.stat = now;
        SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(seen);
    }
    Ok(installed(receipt, path))
}

fn installed(receipt: Receipt, path: PathBuf) -> Installed {
    Installed {
        tool: receipt.tool,
        path,
        version: receipt.version,
        source: receipt.source,
        size_bytes: receipt.stat.size,
        sha256: Some(receipt.sha256),
        cached: true,
    }
}

fn write(tool: Tool, finished: Finished, folder: &Path, stage: &Path, entry: &Path) -> io::Result<Installed> {
    remove(stage)?;
    private_folder(stage)?;
    let path = stage.join(tool.file_name());
    fs::rename(&finished.file, &path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    let file = File::open(&path)?;
    file.sync_all()?;
    let receipt = Receipt {
        tool,
        version: finished.version,
        source: finished.source,
        sha256: finished.sha256,
        stat: stat(&file.metadata()?),
    };
    write_receipt(stage, &receipt)?;
    remove(entry)?;
    fs::rename(stage, entry)?;
    File::open(folder)?.sync_all()?;
    Ok(installed(receipt, entry.join(tool.file_name())))
}

/// Writes a receipt, whole or not at all.
fn write_receipt(entry: &Path, receipt: &Receipt) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(entry)?;
    serde_json::to_writer_pretty(&mut file, receipt)?;
    file.flush()?;
    file.as_file().sync_all()?;
    file.persist(entry.join(RECEIPT)).map_err(|error| error.error)?;
    File::open(entry)?.sync_all()
}

fn stat(metadata: &Metadata) -> Stat {
    let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
    Stat {
        size: metadata.size(),
        mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
        ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The paths in a folder, sorted; none when there is no such folder.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// Removes a file or a folder with all that is in it, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
