//! Ctrl-C, SIGTERM and a closed terminal: each signal asks more urgently than the one before.

use crate::terminal::exit::Exit;
use crate::terminal::printer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long the program may take to let go of everything before it ends without.
const LAST_GRACE: Duration = Duration::from_secs(5);

/// How long a command that is no run may take to end by itself: it may be in a call that nothing can interrupt.
const SOON: Duration = Duration::from_secs(2);

/// What the user has asked for so far. Each stage includes those before it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stages {
    /// Whether a run is under way, which has to come to a safe point.
    running: Arc<AtomicBool>,
    /// Nothing new is begun; what runs goes on to a safe point.
    pub(crate) drain: CancellationToken,
    /// What runs gets SIGTERM.
    pub(crate) terminate: CancellationToken,
    /// Everything is dropped, and what was started dies with it.
    pub(crate) kill: CancellationToken,
}

/// How the program ends when it is asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// While a run is under way: in three stages.
    Run,
    /// Everything else: at the first signal by itself and soon, at the second at once.
    Other,
}

/// What a signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Drain,
    Terminate,
    Kill,
}

/// Fires the stages, one at each signal. What is no run ends soon after the first one, whatever holds it up. What works in the
/// `background` may take its time: it has something to clear away; and it outlives the terminal, whose end (SIGHUP) counts too
/// otherwise.
///
/// # Errors
/// When the signals cannot be listened to.
pub(crate) fn watch(stages: &Stages, background: bool) -> std::io::Result<()> {
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
        hangup: signal(SignalKind::hangup())?,
        outlives_terminal: background,
    };
    let stages = stages.clone();
    tokio::spawn(async move {
        for nth in 0.. {
            signals.next().await;
            let manner = stages.manner();
            let (stage, says) = meaning(manner, nth);
            printer::err(says);
            stages.fire(stage);
            if stage == Stage::Kill {
                tokio::time::sleep(LAST_GRACE).await;
                end_now();
            }
            if manner == Manner::Other && !background {
                tokio::spawn(async {
                    tokio::time::sleep(SOON).await;
                    end_now();
                });
            }
        }
    });
    Ok(())
}

/// What the nth signal (from 0) means, and what is said about it: what happens now, and what the next one does.
fn meaning(manner: Manner, nth: usize) -> (Stage, &'static str) {
    match (manner, nth) {
        (Manner::Run, 0) => {
            (Stage::Drain, "interrupted: nothing new is begun, what runs goes on to a safe point; once more to stop it")
        }
        (Manner::Run, 1) => (
            Stage::Terminate,
            "interrupted again: helm and programs of steps are asked to end (SIGTERM); once more to kill them",
        ),
        (Manner::Run, _) => (Stage::Kill, "interrupted a third time: everything is killed"),
        (Manner::Other, 0) => (Stage::Terminate, "interrupted: stopping; once more to end at once"),
        (Manner::Other, _) => (Stage::Kill, "interrupted again: everything is killed"),
    }
}

impl Stages {
    /// A run is begun: from now on it decides when it can end.
    pub(crate) fn begin_run(&self) {
        self.running.store(true, Ordering::Release);
    }

    fn manner(&self) -> Manner {
        if self.running.load(Ordering::Acquire) { Manner::Run } else { Manner::Other }
    }

    fn fire(&self, stage: Stage) {
        self.drain.cancel();
        if stage != Stage::Drain {
            self.terminate.cancel();
        }
        if stage == Stage::Kill {
            self.kill.cancel();
        }
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    outlives_terminal: bool,
}

impl Signals {
    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hangup.recv() => if !self.outlives_terminal { return },
            }
        }
    }
}

/// Something holds the program up that cannot be dropped. What it has started dies with it.
#[expect(clippy::exit, clippy::disallowed_methods, reason = "the user does not want to wait for anything any more")]
fn end_now() -> ! {
    std::process::exit(Exit::Interrupted.number().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Manner::Run, &[(true, false, false), (true, true, false), (true, true, true), (true, true, true)])]
    #[case(Manner::Other, &[(true, true, false), (true, true, true)])]
    fn each_signal_asks_for_more(#[case] manner: Manner, #[case] expected: &[(bool, bool, bool)]) {
        let stages = Stages::default();
        for (nth, expected) in expected.iter().enumerate() {
            stages.fire(meaning(manner, nth).0);
            let fired = [&stages.drain, &stages.terminate, &stages.kill].map(CancellationToken::is_cancelled);
            assert_eq!(fired, [expected.0, expected.1, expected.2], "after signal {nth}");
        }
    }
}
