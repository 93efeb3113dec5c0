//! A process that kills a group when we are gone.

use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A shell that waits for the end of a pipe only this process holds open, then kills the group.
pub(crate) struct Guard(Child);

impl Guard {
    /// Starts a guard over the process group `group`.
    pub(crate) fn start(group: u32) -> io::Result<Option<Self>> {
        // `read` returns when the other end of the pipe closes, however this process ends.
        // No `--` before the group: dash's kill does not know it.
        let script = r#"read -r _; kill -KILL "-$1""#;
        Command::new("/bin/sh")
            .args(["-c", script, "pilothouse-guard", &group.to_string()])
            .env_clear()
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(|child| Some(Self(child)))
    }

    /// Ends the guard without effect. To be called before the group's leader is reaped, so that the group's
    /// number cannot have been given to anyone else.
    pub(crate) fn stand_down(mut self) {
        if let Some(pid) = Pid::from_raw(self.0.id().cast_signed()) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}
