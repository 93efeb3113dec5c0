//! Ending the process at a chosen place, to try out that a run can be killed anywhere.

use pilothouse_process::kill_self;

/// Counts the places at which a run can be killed with a difference (before and after each intent and each outcome is
/// written), and kills the process with SIGKILL at one of them.
#[derive(Debug, Default)]
pub(crate) struct KillPoint {
    at: Option<u64>,
    pub(super) passed: u64,
}

impl KillPoint {
    /// Kills at the place with this number, from 1; never without one.
    pub(crate) fn new(at: Option<u64>) -> Self {
        Self { at, passed: 0 }
    }

    /// Passes a place, or does not.
    pub(crate) fn pass(&mut self) {
        self.passed += 1;
        if self.at == Some(self.passed) {
            kill_self();
        }
    }
}
