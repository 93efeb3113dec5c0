//! One installation of a tool at a time, over all processes.

use super::error::ProvisionError;
use super::tool::Tool;
use crate::files::LockedFile;
use std::fs::{OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a held lock is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// Takes the lock on `tool`'s folder; calls `waiting` once if somebody else has it.
///
/// # Errors
/// When the file cannot be locked, the time is over, or the caller cancels.
pub(crate) async fn take(
    tool: Tool,
    folder: &Path,
    patience: Duration,
    cancel: &CancellationToken,
    waiting: impl FnOnce(),
) -> Result<LockedFile, ProvisionError> {
    let path = folder.join("lock");
    let failed = |source| ProvisionError::Cache { path: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed)?;
    let until = tokio::time::Instant::now() + patience;
    let mut waiting = Some(waiting);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(LockedFile(file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        if let Some(waiting) = waiting.take() {
            waiting();
        }
        if tokio::time::Instant::now() >= until {
            return Err(ProvisionError::Locked { tool, path: path.clone(), minutes: patience.as_secs() / 60 });
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = cancel.cancelled() => return Err(ProvisionError::Cancelled { tool }),
        }
    }
}
