//! Ctrl-C, SIGTERM and a closed terminal.

use crate::exit::Exit;
use crate::printer;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Fires the token at the first signal. What runs then ends by itself: helm gets SIGTERM and its grace, so that the
/// release is not left pending. A second signal ends this program at once; what it started gets SIGTERM (helm) or is
/// killed, since everything it starts dies with it.
///
/// A terminal that is closed (SIGHUP) counts too, unless `outlives_terminal` is set.
pub(crate) fn watch(cancel: &CancellationToken, outlives_terminal: bool) -> std::io::Result<()> {
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
        hangup: signal(SignalKind::hangup())?,
        outlives_terminal,
    };
    let cancel = cancel.clone();
    tokio::spawn(async move {
        signals.next().await;
        cancel.cancel();
        printer::err("interrupted: stopping what runs; once more to end at once");
        signals.next().await;
        end_now();
    });
    Ok(())
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

#[expect(clippy::exit, clippy::disallowed_methods, reason = "the user does not want to wait for anything any more")]
fn end_now() -> ! {
    std::process::exit(Exit::Interrupted.number().into())
}
