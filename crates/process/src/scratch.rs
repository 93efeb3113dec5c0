//! A folder for the files that one child process is given, some of them with secrets.

use crate::identity::ProcessIdentity;
use crate::own_folder::check_folder;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Age from which a folder is removed whose process is not seen here.
const OLD: Duration = Duration::from_secs(60 * 60);

/// What the name of such a folder begins with; the id of the process that made it follows.
const PREFIX: &str = "run-";

/// The file that says which process made the folder.
const OWNER: &str = ".owner";

/// A folder (0700) that is removed with what is in it when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    /// Locked as long as this process uses the folder: whoever gets the lock knows that nobody does, of whatever boot and
    /// container the owner was.
    _owner: Option<File>,
}

impl Scratch {
    /// Makes a folder below `home`, which is created (0700) if need be.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(home: &Path) -> io::Result<Self> {
        private_folder(home)?;
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(home)?;
        private_folder(folder.path())?;
        let owner = ProcessIdentity::current().ok().map(|owner| lock_for(&owner, folder.path())).transpose()?;
        Ok(Self { folder, _owner: owner })
    }

    /// Removes the folders of processes that are gone: one that was killed could not remove its own. A folder that cannot be locked
    /// belongs to a process that lives; one that a child of a killed process still uses, which has it in its environment, is left.
    /// What cannot be removed stays; it is for its owner only.
    pub fn sweep(home: &Path) {
        for entry in std::fs::read_dir(home).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner =
                name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
            let Some(pid) = owner else { continue };
            let is_gone = is_left(&entry.path().join(OWNER)).unwrap_or_else(|| {
                let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
                !Path::new(&format!("/proc/{pid}")).exists() && age.is_some_and(|age| age > OLD)
            });
            if is_gone && !is_in_use(&entry.path()) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a new file (0600) and tells where it is.
    ///
    /// # Errors
    /// When it cannot be written, or there is one of that name.
    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.path().join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }
}

impl Drop for Scratch {
    /// What a killed process has left may have been in use by its children when this one began.
    fn drop(&mut self) {
        if let Some(home) = self.folder.path().parent() {
            Self::sweep(home);
        }
    }
}

/// Says who uses a folder, in a file that is never seen without its lock.
fn lock_for(owner: &ProcessIdentity, folder: &Path) -> io::Result<File> {
    let new = folder.join(".owner.new");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    // Where there are no locks, the process's identity has to do.
    let _ = file.try_lock();
    file.write_all(owner.to_string().as_bytes())?;
    std::fs::rename(new, folder.join(OWNER))?;
    Ok(file)
}

/// Whether the owner of a folder is gone; `None` when nothing tells.
fn is_left(owner: &Path) -> Option<bool> {
    let identity = std::fs::read_to_string(owner).ok()?.parse::<ProcessIdentity>().ok()?;
    let lock = OpenOptions::new().write(true).open(owner).ok()?;
    match (identity.is_gone(), lock.try_lock()) {
        (Some(is_gone), _) => Some(is_gone),
        (None, Ok(())) => Some(true),
        (None, Err(TryLockError::WouldBlock)) => Some(false),
        (None, Err(TryLockError::Error(_))) => None,
    }
}

/// Whether a process here has a variable with this path. That a process is not readable means that it is somebody else's.
fn is_in_use(path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    let mut processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.any(|process| {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        environment.windows(path.len()).any(|part| part == path)
    })
}

/// Creates a folder that only its owner can look into, with the folders above it. One that is there already must not be
/// somebody else's: see [`check_folder`](crate::check_folder).
///
/// # Errors
/// When it cannot be created, or others can write to it.
pub fn private_folder(path: &Path) -> io::Result<()> {
    check_folder(path)?;
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn it_is_for_its_owner_only_and_goes_with_what_is_in_it() {
        let home = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(&home.path().join("a/b")).unwrap();
        let file = scratch.write("kubeconfig", "secret").unwrap();
        assert_eq!((mode(scratch.path()), mode(&file)), (0o700, 0o600));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "secret");
        assert!(scratch.write("kubeconfig", "another").is_err());
        drop(scratch);
        assert_eq!(std::fs::read_dir(home.path().join("a/b")).unwrap().count(), 0);
    }

    #[test]
    fn folders_of_processes_that_are_gone_are_swept() {
        let home = tempfile::tempdir().unwrap();
        let mine = Scratch::new(home.path()).unwrap();
        let folder = |name: &str, owner: Option<&str>| {
            let path = home.path().join(name);
            std::fs::create_dir(&path).unwrap();
            if let Some(owner) = owner {
                std::fs::write(path.join(OWNER), owner).unwrap();
            }
            path
        };
        let here = ProcessIdentity::current().unwrap().to_string();
        let (before_pid, _) = here.rsplit_once('/').unwrap().0.rsplit_once('/').unwrap();
        // Larger than any process id of Linux.
        let gone_here = folder("run-4194305-a", Some(&format!("{before_pid}/4194305/1")));
        let used_here = folder("run-4194305-e", Some(&format!("{before_pid}/4194305/1")));
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .env("KUBECONFIG", used_here.join("kubeconfig"))
            .spawn()
            .unwrap();
        let elsewhere = folder("run-4194305-b", Some("another-boot/1/4194305/1"));
        let locked_elsewhere = folder("run-1-b", Some("another-boot/1/1/1"));
        let held = OpenOptions::new().write(true).open(locked_elsewhere.join(OWNER)).unwrap();
        held.lock().unwrap();
        let unknown = folder("run-4194305-c", None);
        let old = folder("run-4194305-d", None);
        let other = folder("cache", None);
        let long_ago = std::time::SystemTime::now() - 2 * OLD;
        std::fs::File::open(&old).unwrap().set_modified(long_ago).unwrap();
        Scratch::sweep(home.path());
        assert!(mine.path().is_dir() && locked_elsewhere.is_dir() && unknown.is_dir() && other.is_dir());
        assert!(!gone_here.exists() && !old.exists() && !elsewhere.exists());
        assert!(used_here.is_dir());
        child.kill().unwrap();
        child.wait().unwrap();
        Scratch::sweep(home.path());
        assert!(!used_here.exists());
    }
}
