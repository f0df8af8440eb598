//! Room for further models: asked before anything of a fit or an import is written.

use std::time::Duration;

use contract::SeriesId;
use service::telemetry::with_sources;
use store::{Quotas, Store};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{error::Error, metrics};

/// How often the size of the store is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(10);

/// Knows how much may be stored.
pub(crate) struct Room {
    pub(crate) store: Store,
    pub(crate) quotas: Quotas,
    /// The number of versions of a series that are kept. 0 keeps all.
    pub(crate) keep_versions: u32,
    pub(crate) min_free_bytes: Option<u64>,
}

impl Room {
    /// Checks that there is room for a further model of `series`.
    pub(crate) async fn check(&self, series: &SeriesId) -> Result<(), Error> {
        let Self {
            store,
            quotas,
            keep_versions,
            min_free_bytes,
        } = self;
        let no_room = store.no_room(series, quotas, *keep_versions, *min_free_bytes);
        match no_room.await {
            Ok(None) => Ok(()),
            Ok(Some(lack)) => Err(Error::NoRoom(lack)),
            Err(error) => Err(Error::NotStored(error)),
        }
    }
}

/// Measures the size of `store` until `stop` is cancelled.
pub(crate) async fn measure(store: Store, stop: CancellationToken) {
    loop {
        match store.size().await {
            Ok(size) => {
                metrics::STORE_BYTES.set(size.used_bytes.cast_signed());
                if let Some(free) = size.free_bytes {
                    metrics::STORE_FREE_BYTES.set(free.cast_signed());
                }
            }
            Err(error) => {
                tracing::debug!(error = with_sources(&error), "the store has no size");
            }
        }
        if stop
            .run_until_cancelled(sleep(MEASURE_EVERY))
            .await
            .is_none()
        {
            return;
        }
    }
}
