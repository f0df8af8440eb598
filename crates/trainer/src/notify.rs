//! Notifies predictors and observers of changes.

use std::time::Duration;

use bus::{Bus, TraceParent};
use contract::{ModelEvent, PointsRecord, SeriesId, StreamControl};
use service::telemetry::with_sources;
use tokio::time::timeout;

use crate::error::Error;

/// How long a reply waits until predictors are notified. They also look for changes every five
/// seconds.
const NOTIFY_WITHIN: Duration = Duration::from_secs(2);

/// Notifies predictors of `events`, all of one series. The changes are durable in any case: if this
/// fails, predictors find them later.
pub(crate) async fn notify(bus: &Bus, events: Vec<ModelEvent>, trace: TraceParent) {
    let Some(first) = events.first() else {
        return;
    };
    let series = first.series_id().clone();
    match timeout(NOTIFY_WITHIN, bus.publish(events, trace)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(error = with_sources(&error), %series, "predictors were not told");
        }
        Err(_) => tracing::warn!(%series, "predictors were not told in time"),
    }
}

/// Ends the stream of `series`, which was deleted, and has what it has found removed.
///
/// # Errors
/// When that is not certain.
pub(crate) async fn end_stream(
    bus: &Bus,
    series: &SeriesId,
    trace: TraceParent,
) -> Result<(), Error> {
    let end = PointsRecord::Control {
        series_id: series.clone(),
        control: Box::new(StreamControl::End { forget: true }),
    };
    match timeout(NOTIFY_WITHIN, bus.publish([end], trace)).await {
        Ok(ended) => ended.map_err(|error| Error::NotEnded(Some(error))),
        Err(_) => Err(Error::NotEnded(None)),
    }
}
