//! Starts components one by one, and waits until each is ready.

use super::layout::Layout;
use super::monitor::{LOG_LINES, Monitor};
use crate::component::Component;
use crate::error::PlaneError;
use crate::files::{log_file, tail};
use pilothouse_process::{Sink, Spawn};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often a component that starts is asked whether it is ready.
const POLL: Duration = Duration::from_millis(25);

/// One try to start a plane.
pub(super) struct Start<'a> {
    pub(super) layout: &'a Layout,
    pub(super) monitor: &'a Monitor,
    pub(super) deadline: Instant,
    pub(super) allowed: Duration,
}

impl Start<'_> {
    /// Starts one component; what it writes goes to the end of its log. Gives its process id.
    pub(super) async fn launch(&self, component: Component, spawn: Spawn) -> Result<u32, PlaneError> {
        let path = self.layout.log(component);
        let open = || {
            let file = log_file(&path)?;
            let length = file.metadata()?.len();
            Ok::<_, std::io::Error>((file.try_clone()?, file, length))
        };
        let (out, err, length) = open().map_err(|source| PlaneError::Folder { path: path.clone(), source })?;
        let spawn = spawn.stdout(Sink::File(out)).stderr(Sink::File(err));
        let child = spawn.start().await.map_err(|source| PlaneError::Spawn { component, source })?;
        let pid = child.id();
        self.monitor.add(component, child, path, length);
        Ok(pid)
    }

    /// Asks until the answer is good, something breaks, or the deadline is over.
    pub(super) async fn ready<F: Future<Output = Result<(), String>>>(
        &self,
        component: Component,
        ask: impl Fn() -> F,
    ) -> Result<(), PlaneError> {
        loop {
            let answer = ask().await;
            // Also after a good answer: it may have come from another program that has the port.
            if let Some(failure) = self.monitor.look() {
                return Err(failure.into());
            }
            let Err(last) = answer else { return Ok(()) };
            if Instant::now() >= self.deadline {
                let log = tail(&self.layout.log(component), LOG_LINES);
                return Err(PlaneError::NotReady { component, after: self.allowed, last, log });
            }
            sleep(POLL).await;
        }
    }
}
