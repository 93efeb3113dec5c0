//! Ctrl-C and SIGTERM.

use crate::printer;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Fires the token at the first signal. What runs then ends by itself: helm gets SIGTERM and its grace, so that the
/// release is not left pending. A second signal changes nothing; the grace has an end.
pub(crate) fn watch(cancel: &CancellationToken) -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cancel = cancel.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        printer::err("interrupted: stopping what runs, then this ends");
        cancel.cancel();
    });
    Ok(())
}
