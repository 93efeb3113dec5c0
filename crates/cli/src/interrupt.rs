//! Ctrl-C and SIGTERM.

use crate::exit::Exit;
use crate::printer;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Fires the token at the first signal. What runs then ends by itself: helm gets SIGTERM and its grace, so that the
/// release is not left pending. A second signal ends this program at once; what it started gets SIGTERM (helm) or is
/// killed, since everything it starts dies with it.
pub(crate) fn watch(cancel: &CancellationToken) -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cancel = cancel.clone();
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        cancel.cancel();
        printer::err("interrupted: stopping what runs; once more to end at once");
        either(&mut interrupt, &mut terminate).await;
        end_now();
    });
    Ok(())
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[expect(clippy::exit, clippy::disallowed_methods, reason = "the user does not want to wait for anything any more")]
fn end_now() -> ! {
    std::process::exit(Exit::Interrupted.number().into())
}
