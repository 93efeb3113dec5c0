//! The state folder of a plane: made for it, locked by it, and swept when its plane was killed.

use crate::config::PlaneConfig;
use crate::error::PlaneError;
use crate::files::{LockedFile, log_file, private_folder};
use crate::real::clear;
use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// What the names of temporary folders begin with.
const PREFIX: &str = "pilothouse-plane-";

/// Age up to which a temporary folder may be one whose plane is just starting.
const NEW: Duration = Duration::from_secs(120);

/// The state folder, made where there is none. A temporary one is gone with what is given beside it.
pub(super) async fn folder(config: &PlaneConfig) -> Result<(PathBuf, Option<TempDir>), PlaneError> {
    let (path, temporary) = if let Some(path) = &config.folder {
        (path.clone(), None)
    } else {
        sweep(&std::env::temp_dir()).await;
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir();
        let temporary = made.map_err(|source| PlaneError::Folder { path: std::env::temp_dir(), source })?;
        (temporary.path().to_owned(), Some(temporary))
    };
    let error = |source| PlaneError::Folder { path: path.clone(), source };
    private_folder(&path).map_err(error)?;
    // The programs are started inside it, so it must not depend on the current folder.
    let path = path.canonicalize().map_err(error)?;
    Ok((path, temporary))
}

/// Removes temporary folders of planes whose process was killed: nobody holds their lock any more. Only those that are not
/// new, since a plane makes its folder before it locks it.
async fn sweep(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) && is_own(&entry.path());
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
        if !ours || age.is_none_or(|age| age < NEW) {
            continue;
        }
        // Opening does not create: a folder without a lock is not one of a plane that ran.
        let lock = std::fs::OpenOptions::new().write(true).open(entry.path().join("lock"));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) && clear(&entry.path()).await.is_ok() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether it is a folder, not a link to one, of this user, in which nobody else can put anything.
fn is_own(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let meta = path.symlink_metadata();
    meta.is_ok_and(|meta| {
        meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0
    })
}

/// The folder is one plane's as long as the file is open.
pub(super) fn lock(folder: &Path) -> Result<LockedFile, PlaneError> {
    let path = folder.join("lock");
    let file = log_file(&path).map_err(|source| PlaneError::Folder { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(LockedFile(file)),
        Err(TryLockError::WouldBlock) => Err(PlaneError::FolderInUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(PlaneError::Folder { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[tokio::test]
    async fn only_folders_nobody_holds_are_swept() {
        let base = tempfile::tempdir().unwrap();
        let long_ago = std::time::SystemTime::now() - 2 * NEW;
        let made = |name: &str, old: bool| {
            let path = base.path().join(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("lock"), "").unwrap();
            if old {
                File::open(&path).unwrap().set_modified(long_ago).unwrap();
            }
            path
        };
        let (dead, held) = (made("pilothouse-plane-dead", true), made("pilothouse-plane-held", true));
        let (fresh, other) = (made("pilothouse-plane-fresh", false), made("something-else", true));
        let holder = lock(&held).unwrap();
        // Writing into a folder makes it new.
        File::open(&held).unwrap().set_modified(long_ago).unwrap();
        sweep(base.path()).await;
        assert!(!dead.exists() && held.exists() && fresh.exists() && other.exists());
        drop(holder);
    }
}
