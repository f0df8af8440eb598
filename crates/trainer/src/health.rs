//! The trainer's section of `/healthcheck`, and its readiness.

use std::time::Duration;

use contract::{ServiceRate, TrainerHealth};
use service::{
    figures::{FigureReader, Snapshot},
    health::{Health, LATEST, Need, Worked, chain},
};
use store::StoreError;
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

/// Ready while it can make a fit durable, of which `fitted` is proof. The figures are optional.
pub(crate) fn readiness(
    backends: &Backends,
    fitted: &Worked,
    shutdown: &CancellationToken,
) -> Health {
    let Backends { bus, store, stats } = backends.clone();
    let ping = move || {
        let store = store.clone();
        async move { store.ping().await }
    };
    Health::new(shutdown.clone())
        .proven_by(fitted)
        .with_contents(
            [backends.store.name(), "tables"],
            ANSWER_WITHIN,
            ping,
            StoreError::is_about_tables,
        )
        .with(bus.name(), Need::Required, ANSWER_WITHIN, move || {
            let bus = bus.clone();
            async move { bus.ping(LATEST).await.map_err(chain) }
        })
        .with(stats.name(), Need::Optional, ANSWER_WITHIN, move || {
            let stats = stats.clone();
            async move { stats.ping().await.map_err(chain) }
        })
}
