//! Stopping on a signal.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::task;

/// The exit code of a process that was told to stop twice: what a shell reports for one ended by
/// SIGINT.
const EXIT_AT_ONCE: i32 = 130;

/// A token that SIGTERM or SIGINT cancels; a second signal ends the process at once (exit code
/// 130).
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn on_signal() -> anyhow::Result<CancellationToken> {
    let install = |kind| signal(kind).context("cannot listen for signals");
    let mut terminate = install(SignalKind::terminate())?;
    let mut interrupt = install(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let stop = token.clone();
    task::spawn("signals", async move {
        next(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping; a second signal ends the process at once");
        stop.cancel();
        next(&mut terminate, &mut interrupt).await;
        tracing::warn!("second signal");
        std::process::exit(EXIT_AT_ONCE);
    });
    Ok(token)
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
