//! Judges and learns points as they come, and keeps what it finds.
//!
//! A point is appended to the log first, and judged when it is read back: the state of a series is a
//! fold over its records ([`stream`]). So any observer may be killed at any moment, and another one
//! goes on with the same bits. What is found, the states of streams and the place in the log are
//! stored in one transaction, which names the place that it was computed from.

mod alerts;
mod anomalies;
mod ask;
mod config;
mod error;
mod feedback;
mod header;
mod health;
mod history;
mod live;
mod metrics;
mod observe;
mod overview;
mod reader;
mod routes;
mod silences;
mod streams;
mod waiters;
mod worker;
mod write;

use std::{
    mem,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicI64},
    time::Duration,
};

use anyhow::Context;
use axum::Router;
use bus::Bus;
pub use config::{Config, Settings};
use contract::Moment;
use http_server::{ServerConfig, ServiceToken};
use service::{
    admin::Admin, admission::Admission, clock::now, health::Health, port::Port, system::Sampler,
};
use store::Store;
use tokio::{runtime::Handle, sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    live::Pace,
    overview::Counted,
    reader::{Owned, PARTITIONS, Reader},
    waiters::Waiters,
    worker::{Shared, Work},
    write::Writer,
};

/// The memory of all appends in progress, in bytes; further ones are refused.
const MAX_APPEND_BYTES: usize = 64 << 20;
/// The longest body of an append, in bytes.
const MAX_APPEND_BODY: usize = 16 << 20;
/// The memory that it takes for each number of its body.
const BYTES_PER_NUMBER: usize = 24;

/// The batches that may wait for a worker.
const WAITING_BATCHES: usize = 4;

/// How often points that are kept no longer are removed.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
const DAY_MS: i64 = 86_400_000;

/// How often the streams are counted.
const COUNT_EVERY: Duration = Duration::from_secs(30);

/// The backends of an observer. Cheap to clone.
#[derive(Clone)]
pub struct Backends {
    /// Keeps the log of points.
    pub bus: Bus,
    /// Keeps the states of streams and what was found.
    pub store: Store,
}

/// The service that judges points as they come.
pub struct Observer {
    port: Port,
    backends: Backends,
    app: Arc<App>,
    reader: Mutex<Option<Reader>>,
}

/// The state that request handlers share.
pub(crate) struct App {
    shared: Arc<Shared>,
    owned: Arc<Owned>,
    workers: Vec<mpsc::Sender<Work>>,
    admission: Admission,
    writer: Writer,
    /// Whether there is no other observer.
    is_only: bool,
    sampler: Sampler,
    pace: Pace,
    /// The number of all series, as they were counted last.
    counted: Arc<Counted>,
}

/// Runs the observer over Kafka and Postgres until `shutdown` is cancelled.
///
/// # Errors
/// When the configuration is not valid, a port cannot be bound, the topic has another number of
/// partitions than is known, or reading can never continue. Not when a backend is away.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let backends = Backends {
        bus: Bus::kafka(&config.kafka)?,
        store: Store::postgres(&config.postgres)?,
    };
    let (store, token) = (backends.store.clone(), config.token.read()?);
    let addr = config.listen.app_addr(config.app_port);
    let observer = Observer::bind(addr, config.server, config.settings, backends)?;
    let observer = observer.with_token(token);
    let admin_addr = config.listen.admin_addr();
    let admin = Admin::bind(admin_addr, observer.health(&shutdown)).await?;
    tracing::info!(addr = %observer.addr(), admin = %admin.addr(), "listening");

    let served = admin.serve_beside(observer.serve(shutdown)).await;
    store.close().await;
    served
}

impl Observer {
    /// Binds `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be bound, or no thread can be started.
    pub fn bind(
        addr: SocketAddr,
        server: ServerConfig,
        settings: Settings,
        backends: Backends,
    ) -> anyhow::Result<Self> {
        let port = Port::bind(addr, server)?;
        Ok(Self {
            port,
            ..Self::new(settings, backends, false)?
        })
    }

    /// An observer without a port, for a caller in the same process that uses [`Self::router`]. There
    /// is no other one.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn embedded(settings: Settings, backends: Backends) -> anyhow::Result<Self> {
        Self::new(settings, backends, true)
    }

    fn new(settings: Settings, backends: Backends, is_only: bool) -> anyhow::Result<Self> {
        metrics::register();
        let (reread, rereads) = mpsc::unbounded_channel();
        let (safe, safes) = mpsc::unbounded_channel();
        let threads = settings.workers();
        let shared = Arc::new(Shared {
            bus: backends.bus.clone(),
            store: backends.store.clone(),
            waiters: Waiters::new(),
            settings,
            runtime: Handle::current(),
            reread,
            safe,
            streams: AtomicI64::new(0),
        });
        let owned = Arc::new(Owned::default());
        let mut workers = Vec::with_capacity(threads);
        for _ in 0..threads {
            let (sender, work) = mpsc::channel(WAITING_BATCHES);
            worker::start(Arc::clone(&shared), work).context("starting a worker")?;
            workers.push(sender);
        }
        let reader = Reader {
            shared: Arc::clone(&shared),
            owned: Arc::clone(&owned),
            workers: workers.clone(),
            reread: rereads,
            safe: safes,
        };
        Ok(Self {
            port: Port::default(),
            backends,
            app: Arc::new(App {
                shared,
                owned,
                workers,
                admission: Admission::new(MAX_APPEND_BYTES, MAX_APPEND_BODY, BYTES_PER_NUMBER),
                writer: Writer::default(),
                is_only,
                sampler: Sampler::default(),
                pace: Pace::default(),
                counted: Arc::default(),
            }),
            reader: Mutex::new(Some(reader)),
        })
    }

    /// Answers nothing but health checks to callers without `token`, if there is one.
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

    /// Its calls, without [`http_server::with_context`].
    pub fn router(&self) -> Router {
        routes::router(Arc::clone(&self.app))
    }

    /// Ready while the log takes points, until `shutdown` is cancelled.
    pub fn health(&self, shutdown: &CancellationToken) -> Health {
        health::readiness(&self.backends, shutdown)
    }

    /// Serves HTTP, if bound, and judges until `shutdown` is cancelled. Then it stores the states of
    /// its streams, as far as ten seconds reach. Cancel an embedded observer after its last request
    /// was answered.
    ///
    /// # Errors
    /// When serving or reading fails.
    pub async fn serve(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        self.check_layout(&shutdown).await?;
        let reader = self.reader.get_mut();
        let reader = reader.unwrap_or_else(PoisonError::into_inner).take();
        let reader = reader.context("an observer serves once")?;
        let (stop_http, stop_reading) = (shutdown.child_token(), CancellationToken::new());
        let routes = self.router().merge(self.health(&shutdown).routes());
        let mut http = JoinSet::new();
        http.spawn(mem::take(&mut self.port).serve(routes, stop_http.clone()));
        let mut reading = JoinSet::new();
        reading.spawn(reader.run(stop_reading.clone()));
        let (counting, forgetting) = (self.count_streams(), self.forget_points());
        let early = tokio::select! {
            ended = http.join_next() => ended,
            ended = reading.join_next() => ended,
            never = counting => match never {},
            never = forgetting => match never {},
        };
        let mut outcome = flat(early);
        for (stop, mut stage) in [(stop_http, http), (stop_reading, reading)] {
            stop.cancel();
            outcome = outcome.and(flat(stage.join_next().await));
        }
        self.backends.bus.flush(Duration::from_secs(3)).await;
        outcome
    }

    /// Refuses to work on another number of partitions than before.
    async fn check_layout(&self, shutdown: &CancellationToken) -> anyhow::Result<()> {
        let (bus, store) = (&self.backends.bus, &self.backends.store);
        let looking = service::retry::retry_forever("looking at the topic of points", || async {
            bus.partition_count(<contract::PointsRecord as contract::Event>::TOPIC)
                .await
        });
        let Some(partitions) = shutdown.run_until_cancelled(looking).await else {
            return Ok(());
        };
        anyhow::ensure!(
            partitions == PARTITIONS,
            "topic points has {partitions} partitions instead of {PARTITIONS}, so series would be \
             judged in the wrong ones"
        );
        let noting = service::retry::retry_forever("noting the number of partitions", || async {
            match store.stream_layout(partitions).await {
                Err(error) if !error.is_transient() => Ok(Err(error)),
                noted => noted.map(Ok),
            }
        });
        match shutdown.run_until_cancelled(noting).await {
            Some(noted) => Ok(noted?),
            None => Ok(()),
        }
    }

    /// Removes points that are kept no longer, now and then.
    async fn forget_points(&self) -> std::convert::Infallible {
        let settings = &self.app.shared.settings;
        let keep = i64::from(settings.keep_points_days) * DAY_MS;
        let most = i64::from(settings.keep_points_mb) << 20;
        loop {
            let before = Moment(now().0.saturating_sub(keep));
            // Without an answer, the next time will do as well.
            let _ = self.backends.store.forget_old_points(before, most).await;
            tokio::time::sleep(FORGET_EVERY).await;
        }
    }

    /// Counts the streams now and then.
    async fn count_streams(&self) -> std::convert::Infallible {
        loop {
            if let Ok(count) = self.backends.store.streams_count().await {
                let counted = &self.app.shared.streams;
                counted.store(count, std::sync::atomic::Ordering::Relaxed);
                metrics::STREAMS.set(count);
            }
            tokio::time::sleep(COUNT_EVERY).await;
        }
    }
}

impl App {
    /// The worker of a partition.
    pub(crate) fn worker_of(&self, partition: i32) -> &mpsc::Sender<Work> {
        &self.workers[self.number_of_worker(partition)]
    }

    fn number_of_worker(&self, partition: i32) -> usize {
        usize::try_from(partition).unwrap_or(0) % self.workers.len()
    }
}

fn flat(ended: Option<Result<anyhow::Result<()>, tokio::task::JoinError>>) -> anyhow::Result<()> {
    match ended {
        Some(ended) => ended.context("a part of the observer panicked")?,
        None => Ok(()),
    }
}
