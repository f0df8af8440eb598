//! Background tasks whose end is never silent.

use std::future::Future;

use tokio::task::JoinHandle;

/// Runs `work` in the background; a panic in it is logged as an error with `name`.
pub fn spawn<F>(name: &'static str, work: F) -> JoinHandle<Option<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let _ = (name, work);
    todo!()
}

/// Remembers the current runtime as the main one. Called once, by `main` (or a test), before any server starts; later calls
/// change nothing.
pub fn init_main() {
    todo!()
}

/// Runs `work` on the main runtime and waits for it; without a main runtime, here. A panic in `work` goes on in the caller.
/// Dropping the returned future does not stop `work`.
pub async fn on_main<F>(work: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let _ = work;
    todo!()
}
