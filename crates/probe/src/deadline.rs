//! When a probe must have ended.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// When a probe must have ended. It is shown as the time it was given: `10 s`.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
    within: Duration,
}

impl Deadline {
    /// From now on.
    pub fn after(within: Duration) -> Self {
        Self { at: Instant::now() + within, within }
    }

    /// What comes of something, if it ends in time; else it is dropped.
    pub async fn bound<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.at, work).await.ok()
    }
}

impl Display for Deadline {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.within.as_secs())
    }
}
