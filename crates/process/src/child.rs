//! A running child.

use crate::guard::Guard;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::process::{ChildStderr, ChildStdout, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// A running child process. Dropping it kills its process group; it is reaped in any case.
#[derive(Debug)]
pub struct Child {
    group: Arc<Group>,
    exit: watch::Receiver<Option<ExitStatus>>,
    pub(crate) stdout: Option<ChildStdout>,
    pub(crate) stderr: Option<ChildStderr>,
}

/// The process group of a child; signals are sent only while its leader is not reaped, so never to a stranger.
#[derive(Debug)]
struct Group {
    pid: u32,
    alive: Mutex<bool>,
}

pub(crate) struct Reaper {
    group: Arc<Group>,
    exit: watch::Sender<Option<ExitStatus>>,
}

impl Child {
    pub(crate) fn new(process: &mut std::process::Child) -> (Self, Reaper) {
        let group = Arc::new(Group { pid: process.id(), alive: Mutex::new(true) });
        let (tx, exit) = watch::channel(None);
        let child = Self { group: group.clone(), exit, stdout: process.stdout.take(), stderr: process.stderr.take() };
        (child, Reaper { group, exit: tx })
    }

    /// The process id, which is also the id of its group.
    pub fn id(&self) -> u32 {
        self.group.pid
    }

    /// Sends a signal to the child and everything in its group. Does nothing once the child has ended.
    pub fn signal(&self, signal: Signal) {
        self.group.signal(signal);
    }

    /// How it ended, if it has.
    pub fn exited(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Waits for the child to end. Can be called again, and can be cancelled.
    pub async fn wait(&mut self) -> ExitStatus {
        match self.exit.wait_for(Option::is_some).await.map(|status| *status) {
            Ok(Some(status)) => status,
            // The reaper sends before it ends; without it the child cannot be waited for any more.
            Ok(None) | Err(_) => ExitStatus::default(),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.group.signal(Signal::KILL);
    }
}

impl Group {
    fn signal(&self, signal: Signal) {
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        if let (true, Some(pid)) = (*alive, Pid::from_raw(self.pid.cast_signed())) {
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Reaper {
    /// Waits for the child, kills what is left of its group, reaps it, and tells the [`Child`].
    pub(crate) fn wait(self, mut process: std::process::Child, guard: Option<Guard>) {
        if let Some(pid) = Pid::from_raw(self.group.pid.cast_signed()) {
            let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(pid), look), Err(rustix::io::Errno::INTR)) {}
        }
        if let Some(guard) = guard {
            guard.stand_down();
        }
        {
            // The dead leader still holds the group's number here, so this cannot hit a stranger.
            self.group.signal(Signal::KILL);
            *self.group.alive.lock().unwrap_or_else(PoisonError::into_inner) = false;
        }
        let status = process.wait().unwrap_or_default();
        let _ = self.exit.send(Some(status));
    }
}
