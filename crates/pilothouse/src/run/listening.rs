//! Working while the owner of the run listens.

use crate::context::Message;
use crate::run::owner::Owner;
use futures::future::BoxFuture;
use pilothouse_core::Event;
use tokio::sync::mpsc::UnboundedReceiver;

/// Awaits `work` while the owner takes what is said meanwhile; what was said last is taken before this returns.
pub(crate) async fn listening<T, F: FnMut(&Event)>(
    work: BoxFuture<'_, T>,
    owner: &mut Owner<F>,
    messages: &mut UnboundedReceiver<Message>,
) -> T {
    let mut work = work;
    let done = loop {
        tokio::select! {
            biased;
            Some(message) = messages.recv() => owner.take(message),
            done = &mut work => break done,
        }
    };
    while let Ok(message) = messages.try_recv() {
        owner.take(message);
    }
    done
}
