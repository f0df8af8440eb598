//! Waiting for a condition, never for a time.

use std::{future::Future, time::Duration};

use anyhow::Context;

/// How long [`eventually`] waits before it gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Repeats `condition` until it holds.
///
/// # Errors
/// The last error of `condition`, once two minutes have passed.
pub async fn eventually<F, Fut, T>(what: &str, mut condition: F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<T>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match condition().await {
            Ok(value) => return Ok(value),
            Err(error) if tokio::time::Instant::now() >= deadline => {
                return Err(error).with_context(|| format!("waited for: {what}"));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
