//! The files that one run of helm is given.

use super::access::KUBE_CACHE;
use crate::client::HelmError;
use crate::values::{Values, ValuesDocument};
use pilothouse_process::Scratch;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Where client-go keeps answers below `KUBECACHEDIR` (`k8s.io/cli-runtime/pkg/genericclioptions/config_flags.go`).
const HTTP_CACHE: &str = "http";

/// Makes a folder for one run of helm below `home`.
pub(crate) fn scratch(home: &Path) -> Result<Scratch, HelmError> {
    Scratch::new(home).map_err(|source| HelmError::File { path: home.to_owned(), source })
}

/// Lets a run of helm keep the API server's answers in a folder that is shared with others. client-go keeps there, with a checksum and by
/// files that take each other's place, what the server allows to be kept: the schemas, whose address has their digest. What the cluster
/// serves is in another folder, and no other run's: helm would believe it for six hours.
pub(crate) fn share_answers(scratch: &Scratch, shared: &Path) -> Result<(), HelmError> {
    let own = scratch.path().join(KUBE_CACHE);
    let file = |source| HelmError::File { path: own.clone(), source };
    match std::fs::create_dir(&own) {
        // Two runs may have one folder.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        made => made.map_err(file)?,
    }
    symlink(shared, own.join(HTTP_CACHE)).map_err(file)
}

/// Writes the values (0600) and returns the files for helm, in order. A user's own file is named as it is.
pub(crate) fn write_values(scratch: &Scratch, values: &Values) -> Result<Vec<PathBuf>, HelmError> {
    let write = |(index, document): (usize, &ValuesDocument)| match document {
        ValuesDocument::File(path) => Ok(path.clone()),
        ValuesDocument::Text { name, text } => {
            write(scratch, &format!("{index}-{}.yaml", file_name(name)), text.expose())
        }
    };
    values.documents().iter().enumerate().map(write).collect()
}

/// Writes one file (0600).
pub(crate) fn write(scratch: &Scratch, name: &str, text: &str) -> Result<PathBuf, HelmError> {
    scratch.write(name, text).map_err(|source| HelmError::File { path: scratch.path().join(name), source })
}

/// What of a name can stand in a file's name, so that helm's messages tell which document they are about.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    name.chars().take(60).map(plain).collect()
}
