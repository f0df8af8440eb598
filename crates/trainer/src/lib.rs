//! Fits models, numbers their versions, keeps the registry, draws plots.
//!
//! A fit that is acknowledged is durable: the model in the store, its training points on the bus. A
//! version becomes visible when both are, never before, and its number is given once. A fit that
//! has begun is finished, whether or not the client waits for it.

mod config;
mod context;
mod error;
mod exports;
mod fit;
mod health;
mod metrics;
mod notify;
mod once;
mod plot;
mod publish;
mod registry;
mod reply;
mod room;
mod routes;
mod sweep;

use std::{mem, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use bus::Bus;
pub use config::{Config, Settings};
pub use exports::{ExportSettings, Exports, InvalidKey, TrustedKeys};
use http_server::{ServerConfig, ServiceToken};
use service::{
    admin::Admin, admission::Admission, figures::FigureReader, health::Health, port::Port,
};
use stats::Stats;
use store::Store;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    fit::Fitter, once::InProgress, plot::Plotter, publish::Publisher, registry::Registry,
    room::Room,
};

/// How long fits without a client may take when the service stops, and then the delivery of
/// metrics.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

/// The memory that a fit by `auto`, the costliest detector, takes for each number of its body.
const BYTES_PER_NUMBER: usize = 60;

/// The backends of the trainer. Cheap to clone.
#[derive(Clone)]
pub struct Backends {
    /// Takes training points, changes of models and metrics.
    pub bus: Bus,
    /// Keeps models and training points.
    pub store: Store,
    /// The figures that the health check reports.
    pub stats: Stats,
}

/// The service that fits models.
pub struct Trainer {
    port: Port,
    backends: Backends,
    app: Arc<App>,
}

/// The state that request handlers share.
struct App {
    /// For the question whether they answer.
    backends: Backends,
    max_body_bytes: usize,
    admission: Admission,
    publisher: Arc<Publisher>,
    room: Arc<Room>,
    fitter: Fitter,
    registry: Registry,
    exports: Exports,
    /// Fits and imports in progress that have a key.
    keyed: InProgress,
    /// Fits and changes in progress.
    in_flight: TaskTracker,
    plotter: Plotter,
    figures: FigureReader,
}

/// Runs the trainer over Kafka, Postgres and Redis until `shutdown` is cancelled.
///
/// # Errors
/// When the configuration is not valid, a port cannot be bound, or serving fails. Not when a
/// backend is down.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let backends = Backends {
        bus: Bus::kafka(&config.kafka)?,
        store: Store::postgres(&config.postgres)?,
        stats: Stats::redis(&config.redis)?,
    };
    let (store, token) = (backends.store.clone(), config.token.read()?);
    let addr = config.listen.app_addr(config.app_port);
    let settings = Settings {
        exports: Exports::load(&config.exports, None)?,
        ..config.settings
    };
    let trainer = Trainer::bind(addr, config.server, settings, backends).await?;
    let trainer = trainer.with_token(token);
    let admin_addr = config.listen.admin_addr();
    let admin = Admin::bind(admin_addr, trainer.health(&shutdown)).await?;
    tracing::info!(addr = %trainer.addr(), admin = %admin.addr(), "listening");

    let served = admin.serve_beside(trainer.serve(shutdown)).await;
    store.close().await;
    served
}

impl Trainer {
    /// Binds `addr`; port 0 takes any free one. Connections are accepted from now on and answered
    /// once it serves.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(
        addr: SocketAddr,
        server: ServerConfig,
        settings: Settings,
        backends: Backends,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            port: Port::bind(addr, server)?,
            ..Self::embedded(settings, backends)
        })
    }

    /// A trainer without a port, for a caller in the same process that uses [`Self::router`].
    pub fn embedded(settings: Settings, backends: Backends) -> Self {
        metrics::register();
        let Backends { bus, store, stats } = backends.clone();
        let in_flight = TaskTracker::new();
        let keep = settings.keep_versions;
        let publisher = Publisher::new(store.clone(), bus.clone(), keep, in_flight.clone());
        let publisher = Arc::new(publisher);
        let room = Arc::new(Room {
            store: store.clone(),
            quotas: settings.quotas,
            keep_versions: keep,
            min_free_bytes: settings.min_free_bytes,
        });
        let app = App {
            backends: backends.clone(),
            max_body_bytes: settings.max_body_bytes,
            admission: Admission::new(
                settings.max_inflight_fit_bytes,
                settings.max_body_bytes,
                BYTES_PER_NUMBER,
            ),
            fitter: Fitter::new(
                Arc::clone(&publisher),
                Arc::clone(&room),
                store.clone(),
                bus.clone(),
                settings.default_detector,
            ),
            publisher,
            room,
            registry: Registry::new(store.clone(), bus),
            exports: settings.exports,
            keyed: InProgress::default(),
            in_flight,
            plotter: Plotter::new(store, settings.default_detector),
            figures: FigureReader::new(move || {
                let stats = stats.clone();
                async move { stats.figures().await }
            }),
        };
        Self {
            port: Port::default(),
            backends,
            app: Arc::new(app),
        }
    }

    /// Answers nothing but health checks to callers without `token`, if there is one. Calls within
    /// the process need none.
    #[must_use]
    pub fn with_token(self, token: Option<ServiceToken>) -> Self {
        let port = self.port.with_token(token);
        Self { port, ..self }
    }

    /// The address that it listens on.
    ///
    /// # Panics
    /// When it is embedded, and so does not listen.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// `/fit/{series_id}`, `/v1/series`, `/plot` and `/healthcheck`, without
    /// [`http_server::with_context`].
    pub fn router(&self) -> Router {
        routes::router(Arc::clone(&self.app))
    }

    /// Ready while store and bus answer, until `shutdown` is cancelled.
    pub fn health(&self, shutdown: &CancellationToken) -> Health {
        health::readiness(&self.backends, self.app.publisher.fitted(), shutdown)
    }

    /// Serves HTTP, if bound, and sweeps until `shutdown` is cancelled. Then it finishes fits and
    /// changes in progress, even those whose client is gone. Cancel an embedded trainer after its
    /// last request was answered.
    ///
    /// # Errors
    /// When serving or background work fails.
    pub async fn serve(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut background = JoinSet::new();
        let sweeping = sweep::run(self.backends.store.clone(), shutdown.clone());
        background.spawn(sweeping);
        background.spawn(room::measure(self.backends.store.clone(), shutdown.clone()));
        let served = self.serve_http(shutdown).await;
        while let Some(ended) = background.join_next().await {
            ended.context("background work panicked")?;
        }
        self.app.in_flight.close();
        if timeout(FINISH_WITHIN, self.app.in_flight.wait())
            .await
            .is_err()
        {
            tracing::warn!("stopped in the middle of fits or changes that no one was told of");
        }
        self.backends.bus.flush(FINISH_WITHIN).await;
        served
    }

    async fn serve_http(&mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let routes = self.router().merge(self.health(&shutdown).routes());
        mem::take(&mut self.port).serve(routes, shutdown).await
    }
}
