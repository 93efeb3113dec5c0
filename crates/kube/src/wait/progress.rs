//! How far a wait is, and how it ended.

use pilothouse_core::{ObjectRef, ObjectStatus};
use std::fmt;

/// How far a wait is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// How many objects are waited for.
    pub total: usize,
    /// Those that are not there yet, in the order they were given.
    pub pending: Vec<(ObjectRef, ObjectStatus)>,
}

impl Progress {
    /// How many objects are there.
    pub fn done(&self) -> usize {
        self.total - self.pending.len()
    }
}

/// Why a wait ended without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The time was up.
    Deadline,
    /// At least one object will certainly not become ready, or cannot be read for good.
    Failed,
    /// The user stopped it.
    Cancelled,
}

/// What is not ready, and why the wait for it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// The objects that are not ready (or not gone), with how each was last seen.
    pub objects: Vec<(ObjectRef, ObjectStatus)>,
    /// Why the wait ended.
    pub ended: Ended,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ended {
            Ended::Deadline => f.write_str("the time is up")?,
            Ended::Failed => f.write_str("waiting longer is of no use")?,
            Ended::Cancelled => f.write_str("the wait was stopped")?,
        }
        for (index, (object, status)) in self.objects.iter().enumerate() {
            let separator = if index == 0 { ": " } else { "; " };
            write!(f, "{separator}{object} is {}: {}", status.readiness, status.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for NotReady {}
