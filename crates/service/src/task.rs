//! Background tasks whose end is never silent.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::OnceLock,
};

use futures_util::FutureExt;
use tokio::{runtime::Handle, task::JoinHandle};

static MAIN: OnceLock<Handle> = OnceLock::new();

/// Runs `work` in the background; a panic in it is logged as an error with `name`.
pub fn spawn<F>(name: &'static str, work: F) -> JoinHandle<Option<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that watches the end"
    )]
    tokio::spawn(async move {
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        if ended.is_err() {
            tracing::error!(task = name, "background task panicked");
        }
        ended.ok()
    })
}

/// Remembers the current runtime as the main one. `main` calls it once, before any server starts;
/// later calls change nothing. Tests do not call it, because each has its own runtime.
pub fn init_main() {
    // Later calls have no effect.
    let _ = MAIN.set(Handle::current());
}

/// Runs `work` on the main runtime, or on this one if there is none, and waits for it. A panic in
/// `work` continues in the caller. Dropping the returned future does not stop `work`.
///
/// # Panics
/// When `work` does, or the main runtime has ended.
pub async fn on_main<F>(work: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let runtime = MAIN.get().cloned().unwrap_or_else(Handle::current);
    match runtime.spawn(work).await {
        Ok(output) => output,
        Err(ended) if ended.is_panic() => resume_unwind(ended.into_panic()),
        Err(_) => panic!("the main runtime has ended"),
    }
}
