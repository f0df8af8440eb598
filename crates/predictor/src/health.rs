//! The predictor's part of `/healthcheck`, and what its readiness depends on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use contract::{Figures, PredictorHealth, ServiceRate, Status};
use service::{
    health::{Health, Need},
    system::Sampler,
    task::on_main,
};
use stats::Stats;
use tokio::{sync::Mutex, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::Backends;

/// For how long figures are up to date.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// How long figures are waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The figures that a health check reports.
pub(crate) struct Healthcheck {
    stats: Stats,
    sampler: Sampler,
    last: Mutex<Last>,
}

/// What was last known, and how old that is.
#[derive(Default)]
struct Last {
    asked: Option<Instant>,
    status: Status,
    figures: Arc<Figures>,
}

impl Healthcheck {
    /// Reports the figures of `stats`.
    pub(crate) fn new(stats: Stats) -> Self {
        Self {
            stats,
            sampler: Sampler::default(),
            last: Mutex::default(),
        }
    }

    /// The predictor's part of the health check; figures up to a second old, or the last known ones.
    pub(crate) async fn report(&self) -> PredictorHealth {
        let (status, figures) = self.figures().await;
        let usage = figures.model_usage.iter();
        PredictorHealth {
            status,
            inference_latency_ms: figures.inference.latency_ms,
            throughput: ServiceRate {
                avg_per_minute: figures.inference.per_minute,
            },
            model_usage: usage.map(|(id, n)| (id.clone(), n.to_string())).collect(),
            system_metrics: self.sampler.sample(),
        }
    }

    /// Asks at most once a second, however many want to know, and whether or not there is an answer.
    async fn figures(&self) -> (Status, Arc<Figures>) {
        let mut last = self.last.lock().await;
        if last.asked.is_none_or(|asked| asked.elapsed() >= FRESH_FOR) {
            let stats = self.stats.clone();
            let asked = on_main(async move { timeout(ANSWER_WITHIN, stats.figures()).await });
            match asked.await {
                Ok(Ok(figures)) => {
                    last.figures = Arc::new(figures);
                    last.status = Status::Ok;
                }
                Ok(Err(_)) | Err(_) => last.status = Status::Degraded,
            }
            last.asked = Some(Instant::now());
        }
        (last.status, Arc::clone(&last.figures))
    }
}

/// Ready as long as it runs: with all three away it still judges points of the series that it holds.
pub(crate) fn readiness(backends: &Backends, shutdown: &CancellationToken) -> Health {
    let Backends { bus, store, stats } = backends.clone();
    Health::new(shutdown.clone())
        .with(bus.name(), Need::Optional, ANSWER_WITHIN, move || {
            let bus = bus.clone();
            async move { bus.ping(ANSWER_WITHIN).await }
        })
        .with(store.name(), Need::Optional, ANSWER_WITHIN, move || {
            let store = store.clone();
            async move { store.ping().await }
        })
        .with(stats.name(), Need::Optional, ANSWER_WITHIN, move || {
            let stats = stats.clone();
            async move { stats.ping().await }
        })
}
