//! What to start, and the one place that starts it.

use crate::child::Child;
use crate::guard::Guard;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Where a stream of the child goes.
#[derive(Debug, Default)]
pub enum Sink {
    /// Nowhere.
    Null,
    /// Into memory, to be read from the [`Child`].
    #[default]
    Pipe,
    /// Into this file.
    File(File),
}

/// A program to start, with everything it is given.
pub struct Spawn {
    pub(crate) program: PathBuf,
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    cwd: Option<PathBuf>,
    stdin: Option<Vec<u8>>,
    stdin_file: Option<File>,
    stdout: Sink,
    stderr: Sink,
    parent_death: Signal,
    guarded: bool,
    pub(crate) whole_stdout: Option<usize>,
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for Spawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Spawn");
        shown.field("program", &self.program).field("args", &format_args!("{} of them", self.args.len()));
        shown.field("env", &self.env.keys()).field("cwd", &self.cwd).finish_non_exhaustive()
    }
}

/// The program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {}", program.display())]
pub struct SpawnError {
    /// The program that was to be started.
    pub program: PathBuf,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

impl SpawnError {
    /// Whether the program is not there at all (as opposed to: not executable, out of memory).
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

impl Spawn {
    /// A program with no arguments, an empty environment, no input, and both outputs captured.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: None,
            stdin: None,
            stdin_file: None,
            stdout: Sink::Pipe,
            stderr: Sink::Pipe,
            parent_death: Signal::KILL,
            guarded: false,
            whole_stdout: None,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets one variable of the child's environment.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(key.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Sets several variables of the child's environment.
    #[must_use]
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(mut self, vars: impl IntoIterator<Item = (K, V)>) -> Self {
        self.env.extend(vars.into_iter().map(|(k, v)| (k.as_ref().to_owned(), v.as_ref().to_owned())));
        self
    }

    /// The folder the child starts in (by default the parent's).
    #[must_use]
    pub fn cwd(mut self, folder: impl AsRef<Path>) -> Self {
        self.cwd = Some(folder.as_ref().to_owned());
        self
    }

    /// Bytes for the child's standard input (by default it is `/dev/null`).
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// A file for the child's standard input, instead of bytes.
    #[must_use]
    pub fn stdin_file(mut self, file: File) -> Self {
        self.stdin_file = Some(file);
        self
    }

    /// Where standard output goes.
    #[must_use]
    pub fn stdout(mut self, sink: Sink) -> Self {
        self.stdout = sink;
        self
    }

    /// Where standard error goes.
    #[must_use]
    pub fn stderr(mut self, sink: Sink) -> Self {
        self.stderr = sink;
        self
    }

    /// The signal the child gets when this process dies, SIGKILL unless said otherwise.
    #[must_use]
    pub fn on_parent_death(mut self, signal: Signal) -> Self {
        self.parent_death = signal;
        self
    }

    /// Also kill what the child itself started when this process dies. `PR_SET_PDEATHSIG` reaches only the
    /// direct child; a guard process (a POSIX shell waiting on a pipe) kills the whole group. Needed for
    /// programs that start others: a user's shell command, a helm with a post-renderer.
    #[must_use]
    pub fn guard_descendants(mut self) -> Self {
        self.guarded = true;
        self
    }

    /// Keeps standard output from its beginning, up to so many bytes, and not its end alone: for answers that are read by
    /// programs. Whether that was all is told by [`Captured::dropped`](crate::Captured::dropped).
    #[must_use]
    pub fn whole_stdout(mut self, most: usize) -> Self {
        self.whole_stdout = Some(most);
        self
    }

    /// Starts the program.
    ///
    /// # Errors
    /// The operating system's, when the program is missing, not executable, or cannot be forked.
    pub async fn start(self) -> Result<Child, SpawnError> {
        let program = self.program.clone();
        let (tx, rx) = oneshot::channel();
        // PR_SET_PDEATHSIG fires when the *thread* that forked ends, so each child has a thread that forks it,
        // waits for it and reaps it: a runtime's worker threads come and go.
        let thread = std::thread::Builder::new().name("pilothouse-child".to_owned());
        thread
            .stack_size(128 * 1024)
            .spawn(move || self.fork_and_wait(tx))
            .map_err(|source| SpawnError { program: program.clone(), source })?;
        match rx.await {
            Ok(Ok(child)) => Ok(child),
            Ok(Err(source)) => Err(SpawnError { program, source }),
            Err(_) => Err(SpawnError { program, source: io::Error::other("the thread that starts it ended") }),
        }
    }

    fn fork_and_wait(self, started: oneshot::Sender<io::Result<Child>>) {
        let (guarded, stdin) = (self.guarded, self.stdin.clone());
        let mut process = match spawned(self.command()) {
            Ok(process) => process,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let guard = if guarded { Guard::start(process.id()) } else { Ok(None) };
        let guard = match guard {
            Ok(guard) => guard,
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                let _ = started.send(Err(error));
                return;
            }
        };
        if let (Some(bytes), Some(mut pipe)) = (stdin, process.stdin.take()) {
            // A child that closes its input early is no error of ours.
            std::thread::spawn(move || pipe.write_all(&bytes));
        }
        let (child, reaper) = Child::new(&mut process);
        // If nobody waits any more, the Child was dropped here and has killed its group.
        let _ = started.send(Ok(child));
        reaper.wait(process, guard);
    }

    #[expect(unsafe_code, reason = "pre_exec is the only way to set the parent-death signal")]
    fn command(self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.args).env_clear().envs(self.env).process_group(0);
        if let Some(cwd) = self.cwd {
            command.current_dir(cwd);
        }
        command.stdin(match self.stdin_file {
            Some(file) => file.into(),
            None if self.stdin.is_some() => Stdio::piped(),
            None => Stdio::null(),
        });
        command.stdout(self.stdout.into_stdio()).stderr(self.stderr.into_stdio());
        let (parent, signal) = (rustix::process::getpid(), self.parent_death);
        // SAFETY: between fork and exec only two async-signal-safe system calls are made; nothing is allocated.
        unsafe {
            command.pre_exec(move || {
                set_parent_process_death_signal(Some(signal))?;
                // The parent may have died before the line above took effect.
                if getppid() != Some(parent) {
                    return Err(io::Error::from_raw_os_error(rustix::io::Errno::SRCH.raw_os_error()));
                }
                Ok(())
            });
        }
        command
    }
}

/// How long a program that is being written is waited for.
const BUSY: Duration = Duration::from_secs(1);

/// Starts it. A program that was written just now can be "busy" (ETXTBSY) for a moment after its file is closed: what another
/// thread is starting has the open file too, until it becomes its program.
fn spawned(mut command: Command) -> io::Result<std::process::Child> {
    let begun = Instant::now();
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && begun.elapsed() < BUSY => {
                std::thread::sleep(Duration::from_millis(5));
            }
            started => return started,
        }
    }
}

impl Sink {
    fn into_stdio(self) -> Stdio {
        match self {
            Self::Null => Stdio::null(),
            Self::Pipe => Stdio::piped(),
            Self::File(file) => file.into(),
        }
    }
}
