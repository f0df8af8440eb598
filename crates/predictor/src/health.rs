//! The predictor's part of `/healthcheck`, and what its readiness depends on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use contract::{PredictorHealth, ServiceRate};
use service::{
    figures::{FigureReader, Snapshot},
    health::{Health, LATEST, Need, chain},
};
use tokio_util::sync::CancellationToken;

use crate::Backends;

/// How long a dependency is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The predictor's part of the health check.
pub(crate) async fn report(figures: &FigureReader) -> PredictorHealth {
    let Snapshot {
        status,
        figures,
        system,
    } = figures.latest().await;
    let usage = figures.model_usage.iter();
    PredictorHealth {
        status,
        inference_latency_ms: figures.inference.latency_ms,
        throughput: ServiceRate {
            avg_per_minute: figures.inference.per_minute,
        },
        model_usage: usage.map(|(id, n)| (id.clone(), n.to_string())).collect(),
        system_metrics: system,
    }
}

/// Ready once it has met its store, and from then on as long as it runs: with all three away it
/// still scores points of the series that it holds.
pub(crate) fn readiness(backends: &Backends, shutdown: &CancellationToken) -> Health {
    let Backends { bus, store, stats } = backends.clone();
    let (first, met) = (store.clone(), Arc::new(AtomicBool::new(false)));
    Health::new(shutdown.clone())
        .with("models", Need::Required, ANSWER_WITHIN, move || {
            let (store, met) = (first.clone(), Arc::clone(&met));
            async move {
                if !met.load(Ordering::Relaxed) {
                    store.ping().await.map_err(chain)?;
                    met.store(true, Ordering::Relaxed);
                }
                Ok::<_, String>(())
            }
        })
        .with(bus.name(), Need::Optional, ANSWER_WITHIN, move || {
            let bus = bus.clone();
            async move { bus.ping(LATEST).await.map_err(chain) }
        })
        .with(store.name(), Need::Optional, ANSWER_WITHIN, move || {
            let store = store.clone();
            async move { store.reach().await.map_err(chain) }
        })
        .with(stats.name(), Need::Optional, ANSWER_WITHIN, move || {
            let stats = stats.clone();
            async move { stats.ping().await.map_err(chain) }
        })
}
