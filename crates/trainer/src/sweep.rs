//! Removes versions that crashes left behind, which never became ready, and old receipts.

use std::time::Duration;

use service::telemetry::with_sources;
use store::Store;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// The mean pause between two sweeps. It is random, so that trainers that started together drift
/// apart.
const EVERY: Duration = Duration::from_secs(60);

/// A version that has been pending for longer belongs to no fit any more.
const PENDING_FOR: Duration = Duration::from_secs(600);

/// Sweeps until `stop` is cancelled.
pub(crate) async fn run(store: Store, stop: CancellationToken) {
    loop {
        let pause = EVERY.mul_f64(0.5 + fastrand::f64());
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
        match store.sweep_pending(PENDING_FOR).await {
            Ok(0) => {}
            Ok(versions) => {
                metrics::VERSIONS_SWEPT.inc_by(versions);
                tracing::info!(versions, "removed versions that never became ready");
            }
            Err(error) => {
                tracing::warn!(
                    error = with_sources(&error),
                    "could not look for versions that never became ready"
                );
            }
        }
        if let Err(error) = store.forget_receipts().await {
            tracing::warn!(
                error = with_sources(&error),
                "could not remove old receipts"
            );
        }
    }
}
