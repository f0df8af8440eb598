//! The public entry: it routes requests, limits them, and sheds load. Bodies are passed through,
//! not parsed.

mod access;
mod arrival;
mod config;
mod cors;
mod encoding;
mod events;
mod exceptional;
mod failure;
mod healthcheck;
mod limits;
mod metrics;
mod overview;
mod proxy;
mod revisions;
mod routes;
mod session;
mod system;
mod throttle;

use std::{convert::Infallible, future::pending, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use http_server::{Handler, Listener, ServerConfig, Tls};
use service::{
    admin::Admin,
    health::{Health, Need},
};
use tokio_util::sync::CancellationToken;

use access::Access;
pub use access::AccessSettings;
pub use config::{Config, Settings};
pub use cors::{AllowedOrigins, InvalidOrigin};
pub use http_client::{InvalidOrigins, Origins, Upstream};
use proxy::Proxy;

/// How long a service may take to show that it is alive.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// The services behind the door.
#[derive(Clone)]
pub struct Backends {
    /// Fits and plots.
    pub trainer: Upstream,
    /// Predicts.
    pub predictor: Upstream,
    /// Observes.
    pub observer: Upstream,
}

impl Backends {
    /// The services at the addresses in `config`.
    ///
    /// # Errors
    /// When the token for them cannot be read.
    pub fn of(config: &Config) -> anyhow::Result<Self> {
        let token = config.token.read()?;
        let upstream = |url: &Origins| upstream(url.clone().with_token(token.as_ref()));
        Ok(Self {
            trainer: upstream(&config.trainer_url),
            predictor: upstream(&config.predictor_url),
            observer: upstream(&config.observer_url),
        })
    }
}

/// A service at `origins`, over HTTP/1.1. The calls to it are counted in this process's metrics.
pub fn upstream(origins: Origins) -> Upstream {
    Upstream::http(origins, metrics::of_upstreams())
}

/// The gateway, bound to its port and not serving yet.
pub struct Gateway {
    listener: Listener,
    server: ServerConfig,
    proxy: Arc<Proxy>,
}

/// Serves the gateway that `config` describes until `shutdown` is cancelled.
///
/// # Errors
/// When a port cannot be bound or served, or everyone could reach it without a key.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    config.settings.access.check(config.listen.app_host)?;
    let backends = Backends::of(&config)?;
    let addr = config.listen.app_addr(config.app_port);
    let admin_addr = config.listen.admin_addr();
    let tls = Tls::load(&config.tls)?;
    let gateway = Gateway::bind(addr, config.server, config.settings, backends).await?;
    let gateway = gateway.with_tls(tls);
    let admin = Admin::bind(admin_addr, gateway.health(&shutdown)).await?;
    tracing::info!(
        addr = %gateway.addr(),
        admin = %admin.addr(),
        trainer = %config.trainer_url,
        predictor = %config.predictor_url,
        observer = %config.observer_url,
        "listening"
    );
    admin.serve_beside(gateway.serve(shutdown)).await?;
    Ok(())
}

impl Gateway {
    /// Reads the API keys and binds `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address is taken or not ours, or the keys cannot be read.
    pub async fn bind(
        addr: SocketAddr,
        server: ServerConfig,
        settings: Settings,
        backends: Backends,
    ) -> anyhow::Result<Self> {
        metrics::register();
        let access = Access::open(&settings.access).await?;
        let proxy = Proxy::new(settings, access, backends);
        Ok(Self {
            listener: Listener::bind(addr)?,
            server,
            proxy: Arc::new(proxy),
        })
    }

    /// Serves clients over TLS, if `tls` is given.
    #[must_use]
    pub fn with_tls(self, tls: Option<Tls>) -> Self {
        if tls.is_some() {
            self.proxy.sessions.use_tls();
        }
        let listener = self.listener.with_tls(tls);
        Self { listener, ..self }
    }

    /// The address for clients.
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// The routes for clients, without those about health: [`Self::serve`] adds them.
    pub fn router(&self) -> Router {
        routes::routes(Arc::clone(&self.proxy))
    }

    /// The handler for clients, with the routes about `health`.
    pub fn handler(&self, health: &Health) -> Handler {
        routes::handler(Arc::clone(&self.proxy), health)
    }

    /// Ready while the predictor answers and `shutdown` is not cancelled. Without the trainer only
    /// fits, plots and changes fail, without the observer only streams, and they say so.
    pub fn health(&self, shutdown: &CancellationToken) -> Health {
        let Proxy {
            trainer,
            predictor,
            observer,
            ..
        } = &*self.proxy;
        let health = Health::new(shutdown.clone());
        let health = reachable(health, "trainer", Need::Optional, trainer.clone());
        let health = reachable(health, "predictor", Need::Required, predictor.clone());
        reachable(health, "observer", Need::Optional, observer.clone())
    }

    /// Serves until `shutdown` is cancelled, then ends what is in flight.
    ///
    /// # Errors
    /// When a worker cannot be started.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let health = self.health(&shutdown);
        self.serve_with(health, shutdown).await
    }

    /// As [`Self::serve`], with `health` on the public port: for one that knows of more than the
    /// gateway does.
    ///
    /// # Errors
    /// When a worker cannot be started.
    pub async fn serve_with(
        self,
        health: Health,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let app = self.handler(&health);
        let (events, stopped) = (self.proxy.events.clone(), shutdown.clone());
        let stopping = async move {
            // Streams of events would last as long as the server lets them.
            stopped.cancelled().await;
            events.stop();
            pending::<Infallible>().await
        };
        let served = http_server::serve(self.listener, app, self.server, shutdown);
        tokio::select! {
            served = served => served,
            never = self.proxy.access.watch() => match never {},
            never = self.proxy.system.keep_history(&self.proxy) => match never {},
            never = self.proxy.events.follow(&self.proxy.observer) => match never {},
            never = stopping => match never {},
        }
    }
}

fn reachable(health: Health, name: &'static str, need: Need, upstream: Upstream) -> Health {
    health.with(name, need, PROBE_TIMEOUT, move || {
        let upstream = upstream.clone();
        async move { upstream.reach(PROBE_TIMEOUT).await }
    })
}
