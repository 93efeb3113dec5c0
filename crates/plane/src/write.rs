//! Writes files of a plane.

use crate::error::PlaneError;
use crate::files::write_private;
use std::path::Path;

/// Writes a file of a plane with mode 0600.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), PlaneError> {
    write_private(path, text.as_bytes()).map_err(|source| PlaneError::Folder { path: path.to_owned(), source })
}
