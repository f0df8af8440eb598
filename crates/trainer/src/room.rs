//! Room for further models: asked before anything of a fit or an import is written.

use std::time::{Duration, Instant};

use contract::SeriesId;
use service::telemetry::with_sources;
use store::{Quotas, Store, StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{error::Error, metrics};

/// How often the size of the store is measured, unless that takes long.
const MEASURE_EVERY: Duration = Duration::from_secs(10);
/// It rests this many times as long as it has measured: counting a million series takes a while.
const REST: u32 = 100;

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
        let began = Instant::now();
        if let Err(error) = measure_once(&store).await {
            tracing::debug!(error = with_sources(&error), "the store has no size");
        }
        let rest = MEASURE_EVERY.max(began.elapsed() * REST);
        if stop.run_until_cancelled(sleep(rest)).await.is_none() {
            return;
        }
    }
}

async fn measure_once(store: &Store) -> Result<(), StoreError> {
    let size = store.size().await?;
    metrics::STORE_BYTES.set(size.used_bytes.cast_signed());
    if let Some(free) = size.free_bytes {
        metrics::STORE_FREE_BYTES.set(free.cast_signed());
    }
    let series = store.fitted_series().await?;
    metrics::STORE_SERIES.set(series.cast_signed());
    Ok(())
}
