//! A folder for one run of helm, with the values it is given.

use crate::access::private_folder;
use crate::error::HelmError;
use crate::values::{Values, ValuesDocument};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

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
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(home).map_err(error)?;
        private_folder(folder.path()).map_err(error)?;
        Ok(Self { folder })
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
