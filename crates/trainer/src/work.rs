//! Work that takes too long for a thread that serves requests.

use std::panic::resume_unwind;

/// Runs `work` on a thread for such work. A panic in it goes on in the caller.
pub(crate) async fn blocking<T, F>(work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(output) => output,
        // It is cancelled only when the runtime ends, and the caller with it.
        Err(ended) => resume_unwind(ended.into_panic()),
    }
}
