//! Whether what lies in a folder is from us.

use rustix::process::{getegid, geteuid};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Makes sure that nobody else can have put something into a folder, if it is there: it is ours or root's, and others may not write
/// to it, nor put another one in its place. Programs are run from such folders, and passwords written there.
///
/// Who owns the folders above it is not looked at: in containers the home folder often is somebody else's, who can put another
/// folder in its place, but not one that is ours.
///
/// # Errors
/// With the folder and what is wrong with it; or when it cannot be looked at.
pub fn check_folder(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    for (above, folder) in path.ancestors().enumerate() {
        // A link that somebody else has made may lead anywhere tomorrow.
        for look in [std::fs::symlink_metadata, std::fs::metadata] {
            match look(folder) {
                Ok(metadata) => trusted(&metadata, above == 0).map_err(|why| refused(folder, &why))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn refused(folder: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{} is not to be trusted: {why}", folder.display()))
}

/// What is wrong with the owner or the mode of a folder, which is the one meant or one above it.
fn trusted(folder: &Metadata, is_meant: bool) -> Result<(), String> {
    const STICKY: u32 = 0o1000;
    let (owner, mode) = (folder.uid(), folder.permissions().mode());
    if is_meant && owner != geteuid().as_raw() && owner != 0 {
        return Err(format!("it belongs to the user with the number {owner}"));
    }
    // The mode of a link says nothing.
    if folder.is_symlink() {
        return Ok(());
    }
    // In a folder like /tmp nobody can put anything in the place of what is somebody else's.
    let is_kept_apart = mode & STICKY != 0 && !is_meant;
    let by_group = is_meant && mode & 0o020 != 0 && folder.gid() != getegid().as_raw() && folder.gid() != 0;
    if !is_kept_apart && (mode & 0o002 != 0 || by_group) {
        return Err(format!("others can write to it (mode {:03o})", mode & 0o777));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use std::fs::{Permissions, create_dir, set_permissions};
    use std::path::PathBuf;

    fn folder(parent: &Path, name: &str, mode: u32) -> PathBuf {
        let path = parent.join(name);
        create_dir(&path).unwrap();
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn our_own_folders_are_trusted_and_those_that_are_not_there_yet() {
        let home = tempfile::tempdir().unwrap();
        for mode in [0o700, 0o755, 0o775] {
            let path = folder(home.path(), &format!("{mode:o}"), mode);
            check_folder(&path).unwrap();
            check_folder(&path.join("not/there")).unwrap();
        }
        let shared = folder(home.path(), "tmp", 0o1777);
        check_folder(&folder(&shared, "mine", 0o700)).unwrap();
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not() {
        let home = tempfile::tempdir().unwrap();
        let open = folder(home.path(), "open", 0o777);
        let why = check_folder(&open).unwrap_err();
        assert_eq!(
            why.to_string(),
            format!("{} is not to be trusted: others can write to it (mode 777)", open.display())
        );
        assert_eq!(why.kind(), io::ErrorKind::PermissionDenied);
        let below = folder(&open, "mine", 0o700);
        assert_eq!(check_folder(&below).unwrap_err().to_string(), why.to_string());
        // The folder that is meant is not one that is shared.
        let shared = folder(home.path(), "shared", 0o1777);
        check_folder(&shared).unwrap_err();
    }

    /// Only root can give folders away.
    #[test]
    fn a_folder_of_somebody_else_is_not() {
        let home = tempfile::tempdir().unwrap();
        let theirs = folder(home.path(), "theirs", 0o755);
        if std::os::unix::fs::chown(&theirs, Some(65534), None).is_err() {
            let root = std::fs::metadata("/").unwrap().uid();
            assert_eq!(root, 0, "and what is root's is trusted");
            check_folder(Path::new("/usr")).unwrap();
            return;
        }
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&theirs, &link).unwrap();
        for path in [theirs.clone(), link] {
            let why = check_folder(&path).unwrap_err().to_string();
            assert!(why.ends_with("is not to be trusted: it belongs to the user with the number 65534"), "{why}");
        }
        // Below it, ours is ours.
        check_folder(&folder(&theirs, "ours", 0o700)).unwrap();
    }
}
