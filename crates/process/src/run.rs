//! Run a program to its end, within limits.

use crate::child::Child;
use crate::spawn::{Spawn, SpawnError};
use rustix::process::Signal;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// What is kept of each stream, in bytes: its end. What comes before is read, counted and dropped.
const LAST: usize = 64 * 1024;

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
    /// The bytes: the last 64 KiB, or, where the whole was asked for ([`Spawn::whole_stdout`]), those from the beginning.
    pub bytes: Vec<u8>,
    /// How many bytes more there were than are kept.
    pub dropped: u64,
    /// Whether the end of the stream was seen. It is not when reading failed, or when something the program left
    /// behind still held the stream open a while (2 s) after the program had ended: then more may have been written.
    /// A stream that was not to be captured is complete.
    pub complete: bool,
}

impl Captured {
    /// The bytes as text, with replacement characters for what is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn keep_last(&mut self) {
        let first = self.bytes.len().saturating_sub(LAST);
        self.bytes.drain(..first);
        self.dropped += first as u64;
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
    let (program, whole) = (spawn.program.clone(), spawn.whole_stdout);
    let mut child = spawn.start().await?;
    let (out, err) = child.take_streams().map_err(|source| SpawnError { program, source })?;
    let (mut stdout, mut stderr) = (Captured::default(), Captured::default());
    // Borrowed, so that what was read is there also when the end never comes.
    let reading = async { tokio::join!(read(out, &mut stdout, whole), read(err, &mut stderr, None)) };
    let (ended, status) = end_while(reading, end(&mut child, limits, cancel)).await;
    stderr.keep_last();
    if whole.is_none() {
        stdout.keep_last();
    }
    Ok(Finished { status, ended, stdout, stderr, elapsed: begun.elapsed() })
}

/// Reads while the child runs and, once it has ended, at most [`DRAIN`] longer; whether that was enough is told by
/// [`Captured::complete`].
async fn end_while<T>(reading: impl Future, ending: impl Future<Output = T>) -> T {
    tokio::pin!(reading, ending);
    tokio::select! {
        ended = &mut ending => {
            let _ = timeout(DRAIN, reading).await;
            ended
        }
        _ = &mut reading => ending.await,
    }
}

/// Waits for the end of a child, or ends it.
async fn end(child: &mut Child, limits: Limits, cancel: &CancellationToken) -> (Ended, ExitStatus) {
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
    (ended, child.wait().await)
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

/// Reads a stream to its end: all of it up to `whole` bytes, or its last ones.
async fn read(stream: Option<impl AsyncRead + Unpin>, captured: &mut Captured, whole: Option<usize>) {
    let Some(mut stream) = stream else {
        captured.complete = true;
        return;
    };
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(n) = stream.read(&mut chunk).await {
        if n == 0 {
            captured.complete = true;
            return;
        }
        let kept = whole.map_or(n, |most| n.min(most.saturating_sub(captured.bytes.len())));
        captured.bytes.extend_from_slice(&chunk[..kept]);
        captured.dropped += (n - kept) as u64;
        // Now and then, so that moving the end to the front is no work.
        if whole.is_none() && captured.bytes.len() >= 2 * LAST {
            captured.keep_last();
        }
    }
}
