//! Accepting and serving connections.

use std::net::SocketAddr;

use axum::Router;
use tokio_util::sync::CancellationToken;

/// Limits of an HTTP server. The same variables in every service.
#[derive(Clone, Debug, clap::Args)]
pub struct ServerConfig {
    /// Threads that serve requests, each with its own runtime; 0 means one a core.
    #[arg(long, env = "WORKER_THREADS", default_value_t = 0)]
    pub worker_threads: usize,
    /// Connections held at once; further ones wait to be accepted.
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 10_000)]
    pub max_connections: usize,
    /// Seconds a client has to send the head of a request, also the idle time of a kept connection.
    #[arg(long, env = "HEADER_TIMEOUT_SECONDS", default_value_t = 30)]
    pub header_timeout_seconds: u64,
}

/// A bound port that is not served yet.
pub struct Listener(std::net::TcpListener);

impl Listener {
    /// Binds `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub fn bind(addr: SocketAddr) -> anyhow::Result<Self> {
        todo!("{addr}")
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        todo!()
    }
}

/// Serves `app` until `shutdown` is cancelled, then ends what is in flight (at most 15 s) and returns.
///
/// Connections are accepted here and dealt in turn to worker threads. Each worker has a current-thread runtime, so a request
/// stays on one thread from its first byte to its last; handlers must not block it (see [`crate::http`]).
///
/// # Errors
/// When a worker cannot be started.
pub async fn serve(
    listener: Listener,
    app: Router,
    config: ServerConfig,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let _ = (listener, app, config, shutdown);
    todo!()
}
