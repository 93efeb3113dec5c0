//! Awaiting several at once.

use futures::StreamExt;
use futures::future::BoxFuture;

/// Awaits all of these, at most `most` at once (0 counts as 1). Gives their answers in their order.
///
/// It takes them boxed, and holds no closure while it waits: with a closure over references in what is awaited, the compiler cannot tell
/// that it may change threads, and nobody could `tokio::spawn` it.
pub(crate) fn side_by_side<'f, T: Send + 'f>(
    each: impl IntoIterator<Item = BoxFuture<'f, T>>,
    most: usize,
) -> BoxFuture<'f, Vec<T>> {
    let each: Vec<_> = each.into_iter().collect();
    Box::pin(async move { futures::stream::iter(each).buffered(most.max(1)).collect().await })
}
