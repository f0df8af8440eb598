//! The readiness of the observer.

use std::time::Duration;

use service::health::{Health, Need, chain};
use tokio_util::sync::CancellationToken;

use crate::Backends;

/// How long a dependency may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Ready while the log takes points. Without the database it goes on with the streams in memory.
pub(crate) fn readiness(backends: &Backends, shutdown: &CancellationToken) -> Health {
    let Backends { bus, store } = backends.clone();
    Health::new(shutdown.clone())
        .with(bus.name(), Need::Required, ANSWER_WITHIN, move || {
            let bus = bus.clone();
            async move { bus.ping(ANSWER_WITHIN).await.map_err(chain) }
        })
        .with(store.name(), Need::Optional, ANSWER_WITHIN, move || {
            let store = store.clone();
            async move { store.ping().await.map_err(chain) }
        })
}
