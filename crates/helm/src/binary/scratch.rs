//! A folder for one run of helm, with the values it is given.

use crate::client::HelmError;
use crate::files::private_folder;
use crate::values::{Values, ValuesDocument};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Age from which the folder of a process that is gone is removed.
const OLD: Duration = Duration::from_secs(60 * 60);

/// What the name of such a folder begins with; the process that made it follows.
const PREFIX: &str = "run-";

/// A folder (0700) that is removed with what is in it when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Makes a folder below `home`, which is created if need be.
    pub(crate) fn new(home: &Path) -> Result<Self, HelmError> {
        let error = |source| HelmError::File { path: home.to_owned(), source };
        private_folder(home).map_err(error)?;
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(home).map_err(error)?;
        private_folder(folder.path()).map_err(error)?;
        Ok(Self { folder })
    }

    /// Removes the folders of processes that are gone: one that was killed could not remove its own, and values may be in
    /// it. Only old ones, since a process that is not seen here may run on another machine that shares the folder. What
    /// cannot be removed stays; it is for its owner only.
    pub(crate) fn sweep(home: &Path) {
        for entry in std::fs::read_dir(home).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner =
                name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
            let gone = owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists());
            let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
            if gone && age.is_some_and(|age| age > OLD) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the values (0600) and returns the files for helm, in order. A user's own file is named as it is.
    pub(crate) fn values(&self, values: &Values) -> Result<Vec<PathBuf>, HelmError> {
        let write = |(index, document): (usize, &ValuesDocument)| match document {
            ValuesDocument::File(path) => Ok(path.clone()),
            ValuesDocument::Text { name, text } => {
                let path = self.path().join(format!("{index}-{}.yaml", file_name(name)));
                let open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
                open.and_then(|mut file| file.write_all(text.expose().as_bytes()))
                    .map_err(|source| HelmError::File { path: path.clone(), source })?;
                Ok(path)
            }
        };
        values.documents().iter().enumerate().map(write).collect()
    }
}

/// What of a name can stand in a file's name, so that helm's messages tell which document they are about.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    name.chars().take(60).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_processes_that_are_gone_are_swept() {
        let home = tempfile::tempdir().unwrap();
        let mine = Scratch::new(home.path()).unwrap();
        // Larger than any process id of Linux.
        let stale = home.path().join("run-4194305-abc");
        let other = home.path().join("cache");
        let fresh = home.path().join("run-4194305-def");
        std::fs::create_dir(&stale).unwrap();
        std::fs::create_dir(&fresh).unwrap();
        let long_ago = std::time::SystemTime::now() - 2 * OLD;
        std::fs::File::open(&stale).unwrap().set_modified(long_ago).unwrap();
        std::fs::create_dir(&other).unwrap();
        Scratch::sweep(home.path());
        assert!(mine.path().is_dir() && other.is_dir() && fresh.is_dir() && !stale.exists());
    }
}
