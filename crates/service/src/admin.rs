//! The port for operators: `/metrics` in Prometheus text, `/livez`, `/readyz`. Never the public
//! port.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use http_server::{Listener, ProblemReply, ServerConfig};
use prometheus::TEXT_FORMAT;
use tokio_util::sync::CancellationToken;

use crate::{exposition, health::Health, task};

/// One thread and a few connections: the only clients are a scraper and a prober.
const SERVER: ServerConfig = ServerConfig {
    worker_threads: 1,
    max_connections: 64,
    header_timeout_seconds: 30,
    keep_alive_seconds: 75,
    shutdown_delay_seconds: 0,
};

/// The admin server of one process: the default Prometheus registry and `health`.
pub struct Admin {
    listener: Listener,
    health: Health,
}

impl Admin {
    /// Binds `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(addr: SocketAddr, health: Health) -> anyhow::Result<Self> {
        let listener = Listener::bind(addr)?;
        Ok(Self { listener, health })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// Serves until `service` has ended, and returns its result.
    ///
    /// # Errors
    /// When either fails; the other one is dropped then.
    pub async fn serve_beside<T>(
        self,
        service: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let stop = CancellationToken::new();
        let admin = self.serve(stop.clone());
        let service = async {
            let served = service.await;
            stop.cancel();
            served
        };
        let ended = tokio::try_join!(service, admin);
        // What has ended by now is in no batch yet.
        let _ = tokio::task::spawn_blocking(trace::stop).await;
        Ok(ended?.0)
    }

    /// Serves until `shutdown` is cancelled. Begins with a check of every dependency.
    ///
    /// # Errors
    /// When serving fails.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        task::spawn("first-check", self.health.clone().first_check());
        let routes = Router::new()
            .route("/metrics", get(metrics))
            .with_state(self.health.clone())
            .merge(self.health.routes_for_operators())
            .fallback(http_server::not_found)
            .method_not_allowed_fallback(http_server::method_not_allowed);
        http_server::serve(self.listener, routes, SERVER, shutdown).await
    }
}

async fn metrics(State(health): State<Health>) -> Response {
    match exposition::text(&health.standing().await) {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write the metrics out");
            ProblemReply::internal().into_response()
        }
    }
}
