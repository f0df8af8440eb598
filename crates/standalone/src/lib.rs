//! The seven services in one process over the embedded backends: one folder instead of Kafka, Redis
//! and Postgres.
//!
//! They are the services of the distributed form, connected differently: the gateway calls trainer
//! and predictor in process. One SQLite file holds the log of events, another the models and
//! points, and a third the figures.

mod backup;
mod config;
mod erase;

use std::{net::SocketAddr, path::Path};

use anyhow::Context;
use bus::Bus;
pub use config::{Command, Config, Settings};
use gateway::{Gateway, Upstream};
use http_server::{Handler, ServerConfig, Tls};
use metrics_consumer::MetricsConsumer;
use notifier::Notifier;
use observer::Observer;
use predictor::Predictor;
use service::{admin::Admin, health::Health};
use sqlite::DataDir;
use stats::Stats;
use store::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trainer::{Exports, Trainer};
use training_data_consumer::TrainingDataConsumer;

/// The file in the data folder with the key that signs exports.
pub(crate) const EXPORT_KEY: &str = "export.key";

/// The whole platform, bound to its port and not serving yet.
pub struct Standalone {
    gateway: Gateway,
    trainer: Trainer,
    predictor: Predictor,
    observer: Observer,
    notifier: Notifier,
    metrics_consumer: MetricsConsumer,
    training_data_consumer: TrainingDataConsumer,
    store: Store,
    stats: Stats,
    /// Locked for as long as anything here uses the files in it.
    data_dir: DataDir,
}

/// Runs the platform in `config.data_dir` until `shutdown` is cancelled, or the command that
/// `config` names.
///
/// # Errors
/// When the command fails, when everyone could reach the port without a key, when the folder is in use
/// by another process or cannot be used, when a port cannot be bound, or when a service fails.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    match config.command {
        Some(Command::Backup { to }) => return backup::run(&config.data_dir, &to).await,
        Some(Command::Erase { series }) => return erase::run(&config.data_dir, &series).await,
        None => {}
    }
    config
        .settings
        .gateway
        .access
        .check(config.listen.app_host)?;
    let addr = config.listen.app_addr(config.app_port);
    let admin_addr = config.listen.admin_addr();
    let tls = Tls::load(&config.tls)?;
    let platform = Standalone::bind(addr, config.server, config.settings, &config.data_dir).await?;
    let platform = platform.with_tls(tls);
    let admin = Admin::bind(admin_addr, platform.health(&shutdown)).await?;
    tracing::info!(
        addr = %platform.addr(),
        admin = %admin.addr(),
        data = %config.data_dir.display(),
        "listening"
    );
    admin.serve_beside(platform.serve(shutdown)).await?;
    Ok(())
}

impl Standalone {
    /// Locks and opens `data_dir` and binds `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the folder is in use by another process or cannot be used, or the address cannot be
    /// bound.
    pub async fn bind(
        addr: SocketAddr,
        server: ServerConfig,
        settings: Settings,
        data_dir: &Path,
    ) -> anyhow::Result<Self> {
        let data_dir = DataDir::lock(data_dir)?;
        let (bus, store, stats) = open(&data_dir).await?;
        let exports = Exports::load(&settings.exports, Some(&data_dir.file(EXPORT_KEY)))?;
        let trainer = Trainer::embedded(
            settings.trainer(exports),
            trainer::Backends {
                bus: bus.clone(),
                store: store.clone(),
                stats: stats.clone(),
            },
        );
        let predictor = Predictor::embedded(
            settings.predictor(),
            predictor::Backends {
                bus: bus.clone(),
                store: store.clone(),
                stats: stats.clone(),
            },
        );
        let observer = Observer::embedded(
            settings.observer.clone(),
            observer::Backends {
                bus: bus.clone(),
                store: store.clone(),
            },
        )?;
        let tells = notifier::Backends {
            bus: bus.clone(),
            store: store.clone(),
        };
        let notifier = Notifier::new(&settings.notifier, tells)?;
        let upstreams = upstreams(&trainer, &predictor, &observer);
        Ok(Self {
            gateway: Gateway::bind(addr, server, settings.gateway, upstreams).await?,
            trainer,
            predictor,
            observer,
            notifier,
            metrics_consumer: MetricsConsumer::new(
                metrics_consumer::Settings::default(),
                metrics_consumer::Backends {
                    bus: bus.clone(),
                    stats: stats.clone(),
                },
            ),
            training_data_consumer: TrainingDataConsumer::new(
                training_data_consumer::Settings::default(),
                training_data_consumer::Backends {
                    bus,
                    store: store.clone(),
                },
            ),
            store,
            stats,
            data_dir,
        })
    }

    /// Serves clients over TLS, if `tls` is given.
    #[must_use]
    pub fn with_tls(self, tls: Option<Tls>) -> Self {
        let gateway = self.gateway.with_tls(tls);
        Self { gateway, ..self }
    }

    /// The address for clients.
    pub fn addr(&self) -> SocketAddr {
        self.gateway.addr()
    }

    /// Ready while `shutdown` is not cancelled and the trainer is ready, which needs store and log.
    pub fn health(&self, shutdown: &CancellationToken) -> Health {
        self.trainer.health(shutdown)
    }

    /// The handler for clients, for a caller in the same process. Work in the background needs
    /// [`Self::serve`].
    pub fn handler(&self) -> Handler {
        self.gateway
            .handler(&self.health(&CancellationToken::new()))
    }

    /// Serves until `shutdown` is cancelled or a service ends, then stops the services in the order
    /// in which work flows: the gateway ends the requests in flight, trainer and predictor hand
    /// over the events they hold, and the consumers go last.
    ///
    /// # Errors
    /// When a service fails.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let health = self.health(&shutdown);
        let (door, services, consumers) = (
            shutdown.child_token(),
            CancellationToken::new(),
            CancellationToken::new(),
        );

        let mut first = JoinSet::new();
        first.spawn(self.gateway.serve_with(health, door.clone()));
        let mut second = JoinSet::new();
        second.spawn(self.trainer.serve(services.clone()));
        second.spawn(self.predictor.serve(services.clone()));
        second.spawn(self.observer.serve(services.clone()));
        let mut third = JoinSet::new();
        third.spawn(self.metrics_consumer.serve(consumers.clone()));
        third.spawn(self.training_data_consumer.serve(consumers.clone()));
        third.spawn(self.notifier.serve(consumers.clone()));

        // The first to end, in any way, stops the rest.
        let early = tokio::select! {
            ended = next_end(&mut first) => ended,
            ended = next_end(&mut second) => ended,
            ended = next_end(&mut third) => ended,
        };
        let mut outcome = early;
        for (stop, stage) in [(door, first), (services, second), (consumers, third)] {
            stop.cancel();
            outcome = outcome.and(all_ends(stage).await);
        }
        self.store.close().await;
        self.stats.close().await;
        drop(self.data_dir);
        outcome
    }
}

/// The services that the gateway calls, in this process.
fn upstreams(trainer: &Trainer, predictor: &Predictor, observer: &Observer) -> gateway::Backends {
    gateway::Backends {
        trainer: Upstream::local(trainer.router()),
        predictor: Upstream::local(predictor.handler()),
        observer: Upstream::local(observer.router()),
    }
}

/// Opens the databases in `data_dir`.
async fn open(data_dir: &DataDir) -> anyhow::Result<(Bus, Store, Stats)> {
    let bus = Bus::sqlite(&data_dir.file("events.db"))
        .await
        .context("opening events.db")?;
    let store = Store::sqlite(&data_dir.file("store.db"))
        .await
        .context("opening store.db")?;
    let stats = Stats::sqlite(&data_dir.file("stats.db"))
        .await
        .context("opening stats.db")?;
    Ok((bus, store, stats))
}

/// Waits until one of `stage` ends, and returns its outcome.
async fn next_end(stage: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    match stage.join_next().await {
        Some(ended) => ended.context("a service panicked")?,
        None => Ok(()),
    }
}

/// Waits until all of `stage` have ended; the first failure counts.
async fn all_ends(mut stage: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    while let Some(ended) = stage.join_next().await {
        outcome = outcome.and(ended.context("a service panicked").and_then(|ended| ended));
    }
    outcome
}
