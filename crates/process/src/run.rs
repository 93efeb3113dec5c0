//! Run a program to its end, within limits.

use crate::child::Child;
use crate::spawn::{Spawn, SpawnError};
use rustix::process::Signal;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// What is kept of each stream, in bytes; the rest is read, counted and dropped.
const CAPTURE_LIMIT: usize = 256 * 1024 * 1024;

/// How long streams are still read once the child has ended: something it started may hold them open.
const DRAIN: Duration = Duration::from_secs(2);

/// How long a program may run.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Wall-clock time until it gets SIGTERM.
    pub timeout: Duration,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// Why a program's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Exited,
    /// It was stopped because its time was over.
    TimedOut,
    /// It was stopped because the caller cancelled.
    Cancelled,
}

/// One captured stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The bytes, from the beginning.
    pub bytes: Vec<u8>,
    /// How many bytes more there were than are kept.
    pub dropped: u64,
}

impl Captured {
    /// The bytes as text, with replacement characters for what is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A program that has run.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Who ended it.
    pub ended: Ended,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// Wall-clock time from start to end.
    pub elapsed: Duration,
}

/// Runs a program to its end. When the time is over or `cancel` fires its group gets SIGTERM and, after the
/// grace, SIGKILL. Dropping the future kills the group at once.
///
/// # Errors
/// When the program cannot be started. A non-zero exit is not an error here: see [`Finished::status`].
pub async fn run(spawn: Spawn, limits: Limits, cancel: &CancellationToken) -> Result<Finished, SpawnError> {
    let begun = Instant::now();
    let program = spawn.program.clone();
    let mut child = spawn.start().await?;
    let (out, err) = child.take_streams().map_err(|source| SpawnError { program, source })?;
    let (out, err) = (tokio::spawn(read(out)), tokio::spawn(read(err)));
    let ended = tokio::select! {
        _ = child.wait() => Ended::Exited,
        () = tokio::time::sleep(limits.timeout) => Ended::TimedOut,
        () = cancel.cancelled() => Ended::Cancelled,
    };
    if ended != Ended::Exited {
        child.signal(Signal::TERM);
        if timeout(limits.grace, child.wait()).await.is_err() {
            child.signal(Signal::KILL);
        }
    }
    let status = child.wait().await;
    let drained = async { (out.await.unwrap_or_default(), err.await.unwrap_or_default()) };
    let (stdout, stderr) = timeout(DRAIN, drained).await.unwrap_or_default();
    Ok(Finished { status, ended, stdout, stderr, elapsed: begun.elapsed() })
}

impl Child {
    fn take_streams(
        &mut self,
    ) -> std::io::Result<(Option<tokio::process::ChildStdout>, Option<tokio::process::ChildStderr>)> {
        let out = self.stdout.take().map(tokio::process::ChildStdout::from_std).transpose()?;
        let err = self.stderr.take().map(tokio::process::ChildStderr::from_std).transpose()?;
        Ok((out, err))
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> Captured {
    let mut captured = Captured::default();
    let Some(mut stream) = stream else { return captured };
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = stream.read(&mut chunk).await {
        let kept = n.min(CAPTURE_LIMIT - captured.bytes.len());
        captured.bytes.extend_from_slice(&chunk[..kept]);
        captured.dropped += (n - kept) as u64;
    }
    captured
}
