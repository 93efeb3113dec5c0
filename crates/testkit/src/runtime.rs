//! Async work in tests that are not.

/// Runs something on a runtime of its own, in a thread of its own: it can be called from anywhere.
///
/// # Panics
/// When no runtime can be made, or the work panics.
pub fn in_runtime<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|threads| {
        let work = threads.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap_or_else(|error| panic!("no runtime can be made: {error}")).block_on(work)
        });
        work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
