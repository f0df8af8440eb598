//! The trainer's section of `/healthcheck`, and its readiness.

use std::time::Duration;

use contract::{ServiceRate, TrainerHealth};
use service::{
    figures::{FigureReader, Snapshot},
    health::{Health, Need, chain},
};
use tokio_util::sync::CancellationToken;

use crate::Backends;

/// How long a dependency may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The trainer's section of the health check.
pub(crate) async fn report(figures: &FigureReader) -> TrainerHealth {
    let Snapshot {
        status,
        figures,
        system,
    } = figures.latest().await;
    TrainerHealth {
        status,
        series_trained: figures.series_trained,
        training_latency_ms: figures.training.latency_ms,
        throughput: ServiceRate {
            avg_per_minute: figures.training.per_minute,
        },
        system_metrics: system,
    }
}

/// Ready while it can make a fit durable. The figures are optional.
pub(crate) fn readiness(backends: &Backends, shutdown: &CancellationToken) -> Health {
    let Backends { bus, store, stats } = backends.clone();
    let tables = store.clone();
    Health::new(shutdown.clone())
        .with(store.name(), Need::Required, ANSWER_WITHIN, move || {
            let store = store.clone();
            async move { store.reach().await.map_err(chain) }
        })
        .with("tables", Need::Required, ANSWER_WITHIN, move || {
            let tables = tables.clone();
            async move { tables.ping().await.map_err(chain) }
        })
        .with(bus.name(), Need::Required, ANSWER_WITHIN, move || {
            let bus = bus.clone();
            async move { bus.ping(ANSWER_WITHIN).await.map_err(chain) }
        })
        .with(stats.name(), Need::Optional, ANSWER_WITHIN, move || {
            let stats = stats.clone();
            async move { stats.ping().await.map_err(chain) }
        })
}
