//! Watches over the running components: whether they live, and what their logs say.

use super::logscan::failure_in;
use crate::component::Component;
use crate::error::Failure;
use crate::files::tail;
use pilothouse_process::{Child, Signal};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How much of a log goes into an error, in lines.
pub(crate) const LOG_LINES: usize = 20;

/// How often logs and exits are looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// The components of a plane, and the first thing that broke.
#[derive(Debug)]
pub(crate) struct Monitor {
    state: Mutex<State>,
    broken: watch::Sender<Broken>,
}

/// What broke first.
#[derive(Debug, Default)]
struct Broken {
    /// Anything.
    first: Option<Failure>,
    /// A component that ended.
    death: Option<Failure>,
}

#[derive(Debug, Default)]
struct State {
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    component: Component,
    child: Child,
    log: PathBuf,
    read: u64,
    partial: Vec<u8>,
}

impl Monitor {
    /// Nothing to watch yet. Looks by itself until the last reference to it is gone.
    pub(crate) fn start() -> Arc<Self> {
        let monitor = Arc::new(Self { state: Mutex::default(), broken: watch::Sender::default() });
        let weak = Arc::downgrade(&monitor);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            loop {
                ticks.tick().await;
                let Some(monitor) = weak.upgrade() else { return };
                monitor.look();
            }
        });
        monitor
    }

    /// Adds a component that has been started; `log` is read from the byte `read`.
    pub(crate) fn add(&self, component: Component, child: Child, log: PathBuf, read: u64) {
        self.state().running.push(Running { component, child, log, read, partial: Vec::new() });
    }

    /// Looks at all exits and new log lines now, and says what broke first, ever.
    pub(crate) fn look(&self) -> Option<Failure> {
        let (said, death) = {
            let mut state = self.state();
            // A line that tells why comes before the exit that follows from it.
            let said = state.running.iter_mut().find_map(Running::failure_in_log);
            (said, state.running.iter().find_map(Running::death))
        };
        self.broken.send_if_modified(|broken| {
            let new = (broken.first.is_none() && (said.is_some() || death.is_some()))
                || (broken.death.is_none() && death.is_some());
            broken.first = broken.first.take().or(said).or_else(|| death.clone());
            broken.death = broken.death.take().or(death);
            new
        });
        self.broken.borrow().first.clone()
    }

    /// Waits until anything breaks.
    pub(crate) async fn broken(&self) -> Failure {
        self.wait_for(|broken| &broken.first).await
    }

    /// Waits until a component ends.
    pub(crate) async fn died(&self) -> Failure {
        self.wait_for(|broken| &broken.death).await
    }

    async fn wait_for(&self, what: impl Fn(&Broken) -> &Option<Failure>) -> Failure {
        let mut receiver = self.broken.subscribe();
        match receiver.wait_for(|broken| what(broken).is_some()).await.map(|broken| what(&broken).clone()) {
            Ok(Some(failure)) => failure,
            // The sender is ours, so it is there as long as this future is.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// The process ids.
    pub(crate) fn pids(&self) -> Vec<(Component, u32)> {
        self.state().running.iter().map(|running| (running.component, running.child.id())).collect()
    }

    /// Kills all components and waits for at most half a second, blocking the thread.
    pub(crate) fn kill_and_wait_briefly(&self) {
        let running = std::mem::take(&mut self.state().running);
        for running in running.iter().rev() {
            running.child.signal(Signal::KILL);
        }
        for _ in 0..250 {
            if running.iter().all(|running| running.child.exited().is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Takes a component out of the watch, so that its end is not reported.
    pub(crate) fn take(&self, component: Component) -> Option<Child> {
        let mut state = self.state();
        let index = state.running.iter().position(|running| running.component == component)?;
        Some(state.running.swap_remove(index).child)
    }

    /// Kills all components, the last started first, and waits until they are gone.
    pub(crate) async fn kill_all(&self) {
        let running = std::mem::take(&mut self.state().running);
        for running in running.iter().rev() {
            running.child.signal(Signal::KILL);
        }
        for mut running in running {
            running.child.wait().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // Nobody may still write into a folder that is about to be removed. Killed processes end within milliseconds.
        self.kill_and_wait_briefly();
    }
}

impl Running {
    fn death(&self) -> Option<Failure> {
        let status = self.child.exited()?;
        let log = tail(&self.log, LOG_LINES);
        Some(Failure::Died { component: self.component, status: status.to_string(), log })
    }

    /// Reads what the log has grown by and looks at every full line of it.
    fn failure_in_log(&mut self) -> Option<Failure> {
        let mut new = Vec::new();
        let mut read = || -> std::io::Result<()> {
            let mut file = File::open(&self.log)?;
            file.seek(SeekFrom::Start(self.read))?;
            file.read_to_end(&mut new)?;
            Ok(())
        };
        // A log that cannot be read now is read at the next look.
        read().ok()?;
        self.read += new.len() as u64;
        self.partial.append(&mut new);
        let end = self.partial.iter().rposition(|&byte| byte == b'\n')? + 1;
        let lines: Vec<u8> = self.partial.drain(..end).collect();
        String::from_utf8_lossy(&lines).lines().find_map(|line| failure_in(self.component, line))
    }
}
