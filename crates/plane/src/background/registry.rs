//! Planes that run in the background: who they are, and how they are ended.
//!
//! A background plane is owned by a supervisor, a process that calls [`crate::supervise`] and does nothing else. It says who
//! it is in `BASE/NAME/plane.json`. A process id alone says little: once its process is gone the number can be given
//! to another. So the file also holds when the process started (field 22 of `/proc/PID/stat`), and a supervisor
//! counts as running only if both agree.

use crate::component::Component;
use crate::error::PlaneError;
use crate::files::{LockedFile, private_folder, write_private};
use jiff::Timestamp;
use pilothouse_process::Signal;
use rustix::process::{Pid, kill_process};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const RECORD: &str = "plane.json";

/// The state folder of the plane itself.
pub(crate) const STATE: &str = "state";

/// Why a plane broke, in words.
const FAILURE: &str = "failure.txt";

/// The lock a supervisor holds as long as it lives; the operating system takes it back however it ends.
const LOCK: &str = "lock";

/// How often it is looked whether a supervisor has ended.
const POLL: Duration = Duration::from_millis(20);

/// How long a supervisor that was killed may take to be gone.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// How long a lock is tried for: those who only look hold it for microseconds.
const LOOKED_AT: Duration = Duration::from_millis(500);

/// How often it is tried in this time.
const RETRY: Duration = Duration::from_millis(2);

/// What a supervisor says about its plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaneRecord {
    /// The name it can be ended by.
    pub name: String,
    /// The process that owns it.
    pub supervisor: ProcessIdentity,
    /// The address of its API server.
    pub url: String,
    /// Its kubeconfig.
    pub kubeconfig: PathBuf,
    /// Since when it can be used.
    pub started_at: Timestamp,
    /// Its components' processes.
    pub components: Vec<ComponentProcess>,
}

/// A component's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentProcess {
    /// Which component.
    pub component: Component,
    /// Its process id.
    pub pid: u32,
}

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Its id.
    pub pid: u32,
    /// When it started, in clock ticks since the machine was started.
    pub start_ticks: u64,
}

/// How a background plane is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaneStatus {
    /// Its supervisor runs and says so.
    Up(PlaneRecord),
    /// Its supervisor is starting or stopping it.
    Changing,
    /// Its supervisor is gone without having tidied up (it was killed, or the machine was). The processes ended
    /// with it; [`down`] removes what is left.
    Dead(Option<PlaneRecord>),
    /// Something broke; this is why. [`down`] removes what is left, with its logs.
    Failed(String),
}

/// Background planes cannot be looked at or ended.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A plane of this name is up, or another process is just starting or stopping one.
    #[error("a plane named {name} is up already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// There is none of this name.
    #[error("there is no plane named {name}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The name cannot be a folder's.
    #[error("{name:?} cannot be the name of a plane: use letters, digits, - and _, at most 63")]
    BadName {
        /// The name.
        name: String,
    },
    /// The registry cannot be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A record is damaged.
    #[error("{} is not the record of a plane: {problem}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// What a real node has left on the machine cannot be taken away.
    #[error("cannot clear away what the real node of {} has left", folder.display())]
    Clear {
        /// The state folder of its plane.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: Box<PlaneError>,
    },
    /// The supervisor does not end.
    #[error("plane {name} is not down after {} s", waited.as_secs())]
    StillUp {
        /// The name.
        name: String,
        /// The deadline.
        waited: Duration,
    },
}

/// What is known of the background planes of one base folder.
///
/// # Errors
/// When a folder or record cannot be read.
pub fn list(base: &Path) -> Result<Vec<(String, PlaneStatus)>, RegistryError> {
    let entries = match std::fs::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(RegistryError::Io { path: base.to_owned(), source }),
    };
    let mut planes = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| RegistryError::Io { path: base.to_owned(), source })?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if is_name(&name) && entry.path().is_dir() {
            planes.push((name.clone(), status(base, &name)?));
        }
    }
    planes.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(planes)
}

/// How one background plane is.
///
/// # Errors
/// When there is none of this name, or its record cannot be read.
pub fn status(base: &Path, name: &str) -> Result<PlaneStatus, RegistryError> {
    let folder = folder(base, name)?;
    if !folder.is_dir() {
        return Err(RegistryError::Unknown { name: name.to_owned() });
    }
    let record = read_record(&folder)?;
    if is_locked(&folder)? {
        return Ok(match record {
            Some(record) if record.supervisor.is_running() => PlaneStatus::Up(record),
            _ => PlaneStatus::Changing,
        });
    }
    let reason = folder.join(FAILURE);
    match std::fs::read_to_string(&reason) {
        Ok(text) => Ok(PlaneStatus::Failed(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(PlaneStatus::Dead(record)),
        Err(source) => Err(RegistryError::Io { path: reason, source }),
    }
}

/// Ends a background plane: asks its supervisor with SIGTERM, waits until it is gone, and removes what is left. Can be
/// repeated. When the supervisor does not end within the deadline it is killed, which ends its components too.
///
/// # Errors
/// When there is none of this name, or it is still there after all that.
pub async fn down(base: &Path, name: &str, deadline: Duration) -> Result<(), RegistryError> {
    let folder = folder(base, name)?;
    if !folder.is_dir() {
        return Err(RegistryError::Unknown { name: name.to_owned() });
    }
    let begun = Instant::now();
    let mut asked = None;
    // One that is just starting says who it is only when it is ready.
    while is_locked(&folder)? && begun.elapsed() < deadline {
        if asked.is_none() {
            asked = read_record(&folder)?.map(|record| record.supervisor);
            asked.inspect(|supervisor| supervisor.signal(Signal::TERM));
        }
        sleep(POLL).await;
    }
    if let (true, Some(supervisor)) = (is_locked(&folder)?, asked) {
        supervisor.signal(Signal::KILL);
        while is_locked(&folder)? && begun.elapsed() < deadline + AFTER_KILL {
            sleep(POLL).await;
        }
    }
    if is_locked(&folder)? {
        return Err(RegistryError::StillUp { name: name.to_owned(), waited: deadline });
    }
    // Nobody may start one of this name while its folder is removed.
    let lock = Lock::take(&folder, name).await?;
    let state = folder.join(STATE);
    clear(&state).await?;
    remove(&state)?;
    remove(&folder)?;
    drop(lock);
    Ok(())
}

/// Clears away what a real node has left on the machine whose supervisor was killed.
pub(crate) async fn clear(state: &Path) -> Result<(), RegistryError> {
    let error = |error: PlaneError| RegistryError::Clear { folder: state.to_owned(), source: Box::new(error) };
    crate::real::clear(state).await.map_err(error)
}

/// The folder of a plane, if its name is one.
pub(crate) fn folder(base: &Path, name: &str) -> Result<PathBuf, RegistryError> {
    if is_name(name) { Ok(base.join(name)) } else { Err(RegistryError::BadName { name: name.to_owned() }) }
}

fn is_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&name.len()) && name.bytes().all(known)
}

fn read_record(folder: &Path) -> Result<Option<PlaneRecord>, RegistryError> {
    let path = folder.join(RECORD);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| RegistryError::Record { path, problem: error.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RegistryError::Io { path, source }),
    }
}

/// Writes the record in one step.
pub(crate) fn write_record(folder: &Path, record: &PlaneRecord) -> Result<(), RegistryError> {
    let path = folder.join(RECORD);
    let error = |source| RegistryError::Io { path: path.clone(), source };
    let text = serde_json::to_vec_pretty(record).map_err(|problem| error(problem.into()))?;
    write_private(&path, &text).map_err(error)
}

/// Removes what is said about a plane that runs no more: its record, and why it broke.
pub(crate) fn forget(folder: &Path) -> Result<(), RegistryError> {
    for path in [folder.join(RECORD), folder.join(FAILURE)] {
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(RegistryError::Io { path, source }),
            Ok(()) | Err(_) => (),
        }
    }
    Ok(())
}

/// Says why a plane broke.
pub(crate) fn write_failure(folder: &Path, why: &str) -> Result<(), RegistryError> {
    let path = folder.join(FAILURE);
    write_private(&path, why.as_bytes()).map_err(|source| RegistryError::Io { path, source })
}

/// Removes the folder of a plane.
pub(crate) fn remove(folder: &Path) -> Result<(), RegistryError> {
    match std::fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(RegistryError::Io { path: folder.to_owned(), source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The right to start, own and remove the plane of a name.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held, and given back when dropped")] LockedFile);

impl Lock {
    /// Takes the lock, creating the folder if needed. Whoever looks whether a plane is up holds the lock for a moment,
    /// so that it is tried again for a while ([`LOOKED_AT`]) before the name counts as taken.
    pub(crate) async fn take(folder: &Path, name: &str) -> Result<Self, RegistryError> {
        let path = folder.join(LOCK);
        let error = |source| RegistryError::Io { path: path.clone(), source };
        let deadline = Instant::now() + LOOKED_AT;
        loop {
            private_folder(folder).map_err(error)?;
            let file = crate::files::log_file(&path).map_err(error)?;
            loop {
                match file.try_lock() {
                    Ok(()) => break,
                    Err(std::fs::TryLockError::WouldBlock) if Instant::now() < deadline => sleep(RETRY).await,
                    Err(std::fs::TryLockError::WouldBlock) => {
                        return Err(RegistryError::NameTaken { name: name.to_owned() });
                    }
                    Err(std::fs::TryLockError::Error(source)) => return Err(error(source)),
                }
            }
            // Whoever had the lock may have removed the folder; then this is the lock of nothing.
            if is_at(&file, &path).map_err(error)? {
                return Ok(Self(LockedFile(file)));
            }
        }
    }
}

/// Whether a file still is the one of this path.
fn is_at(file: &std::fs::File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_locked(folder: &Path) -> Result<bool, RegistryError> {
    let path = folder.join(LOCK);
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(RegistryError::Io { path, source }),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(std::fs::TryLockError::WouldBlock) => Ok(true),
        Err(std::fs::TryLockError::Error(source)) => Err(RegistryError::Io { path, source }),
    }
}

impl ProcessIdentity {
    /// This process.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn current() -> io::Result<Self> {
        let pid = std::process::id();
        let start_ticks = start_ticks(pid).ok_or_else(|| io::Error::other(format!("cannot read /proc/{pid}/stat")))?;
        Ok(Self { pid, start_ticks })
    }

    /// Whether exactly this process still runs. A zombie does not.
    pub fn is_running(&self) -> bool {
        start_ticks(self.pid) == Some(self.start_ticks)
    }

    fn signal(&self, signal: Signal) {
        if let (true, Some(pid)) = (self.is_running(), Pid::from_raw(self.pid.cast_signed())) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// When a process started; `None` when there is none of this id, or only a zombie.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, field 2, stands in parentheses and may itself contain spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    // Field 3 was taken, so field 22 is the 19th from here.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    #[test]
    fn a_reused_pid_is_not_mistaken() {
        let me = ProcessIdentity::current().unwrap();
        assert!(me.is_running());
        assert!(!ProcessIdentity { start_ticks: me.start_ticks + 1, ..me }.is_running());
    }

    #[test]
    fn names_cannot_leave_the_base_folder() {
        for bad in ["", ".", "..", "a/b", "a b", &"x".repeat(64)] {
            assert!(matches!(folder(Path::new("/base"), bad), Err(RegistryError::BadName { .. })), "{bad}");
        }
        assert_eq!(folder(Path::new("/base"), "my_plane-1").unwrap(), Path::new("/base/my_plane-1"));
    }

    #[tokio::test]
    async fn looking_does_not_keep_a_name_from_being_taken() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("a");
        let (looks, done) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let looking = std::thread::spawn({
            let (looks, done, folder) = (Arc::clone(&looks), Arc::clone(&done), folder.clone());
            move || {
                while !done.load(Ordering::Relaxed) {
                    is_locked(&folder).unwrap();
                    looks.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let mut taken = 0;
        // Until both have come in each other's way often.
        while taken < 200 || looks.load(Ordering::Relaxed) < 2_000 {
            drop(Lock::take(&folder, "a").await.unwrap());
            taken += 1;
        }
        let held = Lock::take(&folder, "a").await.unwrap();
        let refused = Lock::take(&folder, "a").await;
        drop(held);
        done.store(true, Ordering::Relaxed);
        looking.join().unwrap();
        assert!(matches!(refused, Err(RegistryError::NameTaken { .. })), "one that is held stays refused");
    }

    #[tokio::test]
    async fn a_look_at_the_very_moment_is_waited_for() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("a");
        drop(Lock::take(&folder, "a").await.unwrap());
        // What `is_locked` does, in slow motion.
        let look = std::fs::File::open(folder.join(LOCK)).unwrap();
        look.try_lock_shared().unwrap();
        let (taken, ()) = tokio::join!(Lock::take(&folder, "a"), async { drop(look) });
        taken.unwrap();
    }

    #[tokio::test]
    async fn the_lock_of_a_removed_folder_is_none() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("a");
        let first = Lock::take(&folder, "a").await.unwrap();
        let removal = async {
            tokio::task::yield_now().await;
            remove(&folder).unwrap();
            drop(first);
        };
        let (second, ()) = tokio::join!(Lock::take(&folder, "a"), removal);
        assert!(is_locked(&folder).unwrap());
        drop(second.unwrap());
        assert!(!is_locked(&folder).unwrap());
    }
}
