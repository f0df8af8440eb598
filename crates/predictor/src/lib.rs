//! Scores points by models in memory, and series that are not kept.
//!
//! `/predict` waits for the store only if the series is not in memory, and never for Kafka or
//! Redis: with all three away it goes on for the series in memory. It does not change any model.
//! Metrics are counted by thread and reported in batches; those that cannot be sent are dropped and
//! counted.

mod azure;
mod batch;
mod columnar;
mod columns;
mod config;
mod detect;
mod error;
mod health;
mod metrics;
mod models;
mod open_inference;
mod output;
mod predict;
mod query;
mod recorder;
mod reply;
mod report;
mod routes;
mod table;

use std::{mem, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use axum::Router;
use bus::Bus;
pub use config::{CacheSettings, Config, DetectSettings, Settings};
use contract::DetectorName;
use http_server::{Handler, ServerConfig, ServiceToken};
use service::{
    admin::Admin, admission::Admission, figures::FigureReader, health::Health, port::Port,
    work::CorePool,
};
use stats::Stats;
use store::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    models::{Models, entry::Capacity, invalidate::Invalidator},
    recorder::Recorder,
    report::Reporter,
};

/// How long the last metrics may take to be delivered when the service stops.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// The memory of all batches and detections in progress, in bytes; further ones are refused.
const MAX_BULK_BYTES: usize = 512 << 20;
/// The memory that they take for each number of their bodies.
const BYTES_PER_NUMBER: usize = 20;

/// The backends of a predictor. Cheap to clone.
#[derive(Clone)]
pub struct Backends {
    /// Takes metrics, and gives changes of models.
    pub bus: Bus,
    /// Gives models.
    pub store: Store,
    /// The figures that the health check reports.
    pub stats: Stats,
}

impl Backends {
    /// Kafka, Postgres and Redis. They are connected to when first used.
    ///
    /// # Errors
    /// When their configuration is not valid.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            bus: Bus::kafka(&config.kafka)?,
            store: Store::postgres(&config.postgres)?,
            stats: Stats::redis(&config.redis)?,
        })
    }
}

/// The service that scores points.
pub struct Predictor {
    port: Port,
    backends: Backends,
    app: Arc<App>,
}

/// The state that request handlers share.
struct App {
    models: Models,
    recorder: Arc<Recorder>,
    figures: FigureReader,
    /// Batches and detections in progress.
    admission: Admission,
    max_body_bytes: usize,
    default_detector: DetectorName,
    cores: CorePool,
}

/// Runs the predictor over Kafka, Postgres and Redis until `shutdown` is cancelled.
///
/// # Errors
/// When the configuration is not valid, a port cannot be bound, or serving fails. Not when a
/// backend is away.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let (backends, token) = (Backends::open(&config)?, config.token.read()?);
    let addr = config.listen.app_addr(config.app_port);
    let predictor = Predictor::bind(addr, config.server, config.settings, backends).await?;
    let predictor = predictor.with_token(token);
    let admin_addr = config.listen.admin_addr();
    let admin = Admin::bind(admin_addr, predictor.health(&shutdown)).await?;
    tracing::info!(addr = %predictor.addr(), admin = %admin.addr(), "listening");

    admin.serve_beside(predictor.serve(shutdown)).await?;
    Ok(())
}

impl Predictor {
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

    /// A predictor without a port, for a caller in the same process that uses [`Self::router`].
    pub fn embedded(settings: Settings, backends: Backends) -> Self {
        metrics::register();
        let Settings { cache, detect } = settings;
        let capacity = Capacity {
            entries: cache.model_cache_entries.get(),
            bytes: cache.model_cache_bytes,
        };
        let stats = backends.stats.clone();
        let app = App {
            models: Models::new(backends.store.clone(), capacity),
            recorder: Arc::new(Recorder::new()),
            figures: FigureReader::new(move || {
                let stats = stats.clone();
                async move { stats.figures().await }
            }),
            admission: Admission::new(MAX_BULK_BYTES, detect.max_body_bytes, BYTES_PER_NUMBER),
            max_body_bytes: detect.max_body_bytes,
            default_detector: detect.default_detector,
            cores: CorePool::new(),
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

    /// The address it listens on.
    ///
    /// # Panics
    /// When it is embedded.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// `/predict/{series_id}`, its batch, `/v1/detect` and `/healthcheck`, without
    /// [`http_server::with_context`].
    pub fn router(&self) -> Router {
        routes::router(Arc::clone(&self.app))
    }

    /// As [`Self::router`], with a fast path for predictions: for a caller in the same process.
    pub fn handler(&self) -> Handler {
        routes::with_fast_path(self.router(), Arc::clone(&self.app))
    }

    /// Whether it can take requests: until `shutdown` is cancelled, whatever is away.
    pub fn health(&self, shutdown: &CancellationToken) -> Health {
        health::readiness(&self.backends, shutdown)
    }

    /// Follows changes and reports metrics until `shutdown` is cancelled, and serves HTTP if bound.
    /// Requests in flight end first, then the last metrics are delivered. If embedded, cancel it
    /// after the last request was answered.
    ///
    /// # Errors
    /// When serving or background work fails.
    pub async fn serve(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let (stop_http, stop_background) = (shutdown.child_token(), CancellationToken::new());
        let mut background = self.start_background(&stop_background);
        let server = self.serve_http(stop_http.clone());
        tokio::pin!(server);
        let served = tokio::select! {
            served = &mut server => served,
            ended = background.join_next() => {
                tracing::error!(?ended, "background work ended early");
                stop_http.cancel();
                server.await.and(Err(anyhow!("background work ended early")))
            }
        };
        stop_background.cancel();
        while let Some(ended) = background.join_next().await {
            ended.context("background work panicked")?;
        }
        self.backends.bus.flush(FLUSH_WITHIN).await;
        served
    }

    /// Starts what goes on beside requests; it ends when `stop` is cancelled.
    fn start_background(&self, stop: &CancellationToken) -> JoinSet<()> {
        let Backends { bus, store, .. } = self.backends.clone();
        let models = self.app.models.clone();
        let invalidator = Invalidator::new(models.clone(), bus.clone(), store);
        let reporter = Reporter::new(Arc::clone(&self.app.recorder), models, bus);
        let mut background = JoinSet::new();
        background.spawn(invalidator.follow(stop.clone()));
        background.spawn(reporter.run(stop.clone()));
        background
    }

    /// Serves HTTP until `stop` is cancelled, if bound.
    fn serve_http(
        &mut self,
        stop: CancellationToken,
    ) -> impl Future<Output = anyhow::Result<()>> + use<> {
        let routes = self.router().merge(self.health(&stop).routes());
        let app = routes::with_fast_path(routes, Arc::clone(&self.app));
        mem::take(&mut self.port).serve(app, stop)
    }
}
