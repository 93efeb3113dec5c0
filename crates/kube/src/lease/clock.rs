//! A moment from which time is counted whatever this process or its machine goes through.

#[cfg(target_os = "linux")]
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use tokio::time::Instant;

/// A moment. The time since then counts on while the process is stopped, and while the machine is suspended, which the
/// monotonic clock alone leaves out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    monotonic: Instant,
    since_boot: Duration,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { monotonic: Instant::now(), since_boot: since_boot() }
    }

    pub(super) fn elapsed(self) -> Duration {
        self.monotonic.elapsed().max(since_boot().saturating_sub(self.since_boot))
    }

    /// The moment for timers, which do not count while the machine is suspended.
    pub(super) fn instant(self) -> Instant {
        self.monotonic
    }
}

/// The time since the machine was started, suspended or not. Where the kernel has no such clock, zero.
fn since_boot() -> Duration {
    #[cfg(target_os = "linux")]
    let now = Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default();
    #[cfg(not(target_os = "linux"))]
    let now = Duration::ZERO;
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_that_got_further_counts() {
        let begun = Moment::now();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(begun.elapsed().as_secs(), 60);

        let now = Moment::now();
        let suspended = Moment { since_boot: now.since_boot.saturating_sub(Duration::from_secs(1)), ..now };
        assert_eq!(suspended.elapsed().as_secs(), 1);
    }
}
