//! The trainer's section of `/healthcheck`, and its readiness.

use std::time::{Duration, Instant};

use contract::{DependencyFigures, ServiceRate, TrainerHealth};
use service::{
    figures::{FigureReader, Snapshot},
    health::{Health, LATEST, Need, Worked, chain},
};
use store::StoreError;
use tokio::time::timeout;
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

/// Asks everything that the platform depends on whether it answers.
pub(crate) async fn dependencies(backends: Backends) -> Vec<DependencyFigures> {
    let Backends { bus, store, stats } = backends;
    let store = asked("store", store.name(), store.ping());
    let events = asked("events", bus.name(), bus.ping(ANSWER_WITHIN));
    let figures = asked("figures", stats.name(), stats.ping());
    let (store, events, figures) = tokio::join!(store, events, figures);
    vec![store, events, figures]
}

/// Waits for an `answer` of the part `name`, which health checks call `known_as`.
async fn asked<E>(
    name: &str,
    known_as: &str,
    answer: impl Future<Output = Result<(), E>>,
) -> DependencyFigures {
    let since = Instant::now();
    let ok = matches!(timeout(ANSWER_WITHIN, answer).await, Ok(Ok(())));
    let kind = match known_as {
        "postgres" => "Postgres",
        "kafka" => "Kafka",
        "redis" => "Redis",
        _ => "SQLite",
    };
    DependencyFigures {
        name: name.to_owned(),
        kind: kind.to_owned(),
        ok,
        ms: ok.then(|| (since.elapsed().as_secs_f64() * 1e6).round() / 1e3),
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
