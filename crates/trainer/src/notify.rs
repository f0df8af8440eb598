//! Telling predictors what changed.

use std::time::Duration;

use bus::{Bus, TraceParent};
use contract::ModelEvent;
use tokio::time::timeout;

/// How long a reply waits for predictors to be told. They look by themselves every five seconds.
const TELL_WITHIN: Duration = Duration::from_secs(2);

/// Tells predictors of `events`, all of one series. What they tell of is durable whether or not that works, and predictors find
/// it later if it does not.
pub(crate) async fn tell(bus: &Bus, events: Vec<ModelEvent>, trace: TraceParent) {
    let Some(first) = events.first() else {
        return;
    };
    let series = first.series_id().clone();
    match timeout(TELL_WITHIN, bus.publish(events, trace)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, %series, "predictors were not told");
        }
        Err(_) => tracing::warn!(%series, "predictors were not told in time"),
    }
}
