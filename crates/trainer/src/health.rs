//! The trainer's part of `/healthcheck`, and what its readiness depends on.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use contract::{Figures, ServiceRate, Status, TrainerHealth};
use service::{
    health::{Health, Need},
    system::Sampler,
    task::on_main,
};
use stats::Stats;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::Backends;

/// How long any of them is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The figures that a health check reports.
pub(crate) struct Healthcheck {
    stats: Stats,
    sampler: Sampler,
    last: Mutex<Figures>,
}

impl Healthcheck {
    pub(crate) fn new(stats: Stats) -> Self {
        Self {
            stats,
            sampler: Sampler::default(),
            last: Mutex::default(),
        }
    }

    /// The trainer's part of the health check: the figures as of now, or the last known ones.
    pub(crate) async fn report(&self) -> TrainerHealth {
        let stats = self.stats.clone();
        let asked = on_main(async move { timeout(ANSWER_WITHIN, stats.figures()).await }).await;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let status = match asked {
            Ok(Ok(figures)) => {
                *last = Figures {
                    model_usage: [].into(), // the predictor's to report
                    ..figures
                };
                Status::Ok
            }
            Ok(Err(_)) | Err(_) => Status::Degraded,
        };
        TrainerHealth {
            status,
            series_trained: last.series_trained,
            training_latency_ms: last.training.latency_ms,
            throughput: ServiceRate {
                avg_per_minute: last.training.per_minute,
            },
            system_metrics: self.sampler.sample(),
        }
    }
}

/// Ready while it can make a fit durable; without the figures it does all that matters.
pub(crate) fn readiness(backends: &Backends, shutdown: &CancellationToken) -> Health {
    let Backends { bus, store, stats } = backends.clone();
    Health::new(shutdown.clone())
        .with(store.name(), Need::Required, ANSWER_WITHIN, move || {
            let store = store.clone();
            async move { store.ping().await }
        })
        .with(bus.name(), Need::Required, ANSWER_WITHIN, move || {
            let bus = bus.clone();
            async move { bus.ping(ANSWER_WITHIN).await }
        })
        .with(stats.name(), Need::Optional, ANSWER_WITHIN, move || {
            let stats = stats.clone();
            async move { stats.ping().await }
        })
}
