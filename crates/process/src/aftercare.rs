//! Something that is done when this process is gone, however it ends.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a dropped aftercare is waited for.
const DROPPED: Duration = Duration::from_secs(30);

/// How often it is looked whether it is done.
const POLL: Duration = Duration::from_millis(5);

/// A POSIX shell script that waits until this value is used up, or this process is gone, and runs then. What a kernel does not
/// take back by itself when processes die (interfaces, control groups) is cleared away so in one place, whatever the
/// end was.
#[derive(Debug)]
pub struct Aftercare {
    shell: Option<(Child, ChildStdin)>,
}

impl Aftercare {
    /// Starts the shell that waits. The script gets `args` as `$1` and so on, exactly the environment `env`, and `log` for both
    /// its outputs. It runs in a process group of its own.
    ///
    /// # Errors
    /// When the shell cannot be started.
    pub fn start<A: AsRef<OsStr>>(
        script: &str,
        args: impl IntoIterator<Item = A>,
        env: &BTreeMap<OsString, OsString>,
        log: &File,
    ) -> io::Result<Self> {
        // `read` returns when the other end of the pipe closes, however this process ends. The signals that end it may be sent to
        // all processes of a service.
        let mut shell = Command::new("/bin/sh")
            .args(["-c", &format!("trap '' HUP INT TERM\nread -r _ || :\n{script}"), "pilothouse-aftercare"])
            .args(args)
            .env_clear()
            .envs(env)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .spawn()?;
        let pipe = shell.stdin.take().ok_or_else(|| io::Error::other("no pipe"))?;
        Ok(Self { shell: Some((shell, pipe)) })
    }

    /// Lets the script run now, and waits for it.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn run(mut self) -> io::Result<ExitStatus> {
        let Some((mut shell, pipe)) = self.shell.take() else { return Ok(ExitStatus::default()) };
        drop(pipe);
        tokio::task::spawn_blocking(move || shell.wait()).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Drop for Aftercare {
    fn drop(&mut self) {
        let Some((mut shell, pipe)) = self.shell.take() else { return };
        drop(pipe);
        let begun = Instant::now();
        while begun.elapsed() < DROPPED {
            if !matches!(shell.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL);
        }
        // It goes on by itself; somebody has to reap it.
        std::thread::spawn(move || shell.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting() -> (tempfile::TempDir, File, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let done = folder.path().join("done");
        (folder, log, done)
    }

    const SCRIPT: &str = r#"echo "$WORD" >"$1"; echo said; exit 3"#;

    fn env() -> BTreeMap<OsString, OsString> {
        BTreeMap::from([("WORD".into(), "after".into())])
    }

    #[tokio::test]
    async fn runs_when_it_is_told_to_and_not_before() {
        let (folder, log, done) = setting();
        let aftercare = Aftercare::start(SCRIPT, [&done], &env(), &log).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(!done.exists());
        assert_eq!(aftercare.run().await.unwrap().code(), Some(3));
        assert_eq!(std::fs::read_to_string(done).unwrap(), "after\n");
        assert_eq!(std::fs::read_to_string(folder.path().join("log")).unwrap(), "said\n");
    }

    #[tokio::test]
    async fn what_ends_a_whole_service_does_not_end_it() {
        let (_folder, log, done) = setting();
        let aftercare = Aftercare::start(SCRIPT, [&done], &env(), &log).unwrap();
        let pid = aftercare.shell.as_ref().map(|(shell, _)| shell.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
        // It has set its trap when it reads; before that it would die.
        std::thread::sleep(Duration::from_millis(300));
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(aftercare.run().await.unwrap().code(), Some(3));
        assert!(done.exists());
    }

    #[test]
    fn a_dropped_one_has_run_when_drop_returns() {
        let (_folder, log, done) = setting();
        drop(Aftercare::start(SCRIPT, [&done], &env(), &log).unwrap());
        assert!(done.exists());
    }
}
