//! Whether a file is still the one that was read; files and folders that are ours alone.

use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What changes when a file is written or replaced. Writing can leave the first three as they were, but not the time of
/// the last change of the inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileIdentity {
    len: u64,
    modified: (i64, i64),
    inode: u64,
    device: u64,
    changed: (i64, i64),
}

impl FileIdentity {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Writes a file (0600) that is never seen half-written.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // Made for its owner only.
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_was_written_again_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let identity = || FileIdentity::of(&fs::metadata(&path).unwrap());
        write_private(&path, b"1").unwrap();
        let first = identity();
        assert_eq!(identity(), first);
        write_private(&path, b"2").unwrap();
        assert_ne!(identity(), first);
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
