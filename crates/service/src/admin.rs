//! The port for operators: `/metrics` in Prometheus text, `/livez`, `/readyz`. Never the public
//! port.

use std::{
    fmt::{Display, Write},
    fs,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use http_server::{Listener, ProblemReply, ServerConfig};
use prometheus::{TEXT_FORMAT, TextEncoder};
use tokio_util::sync::CancellationToken;

use crate::{health::Health, system::ProcessStat, task};

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
        let (served, ()) = tokio::try_join!(service, admin)?;
        Ok(served)
    }

    /// Serves until `shutdown` is cancelled. Begins with a check of every dependency.
    ///
    /// # Errors
    /// When serving fails.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        task::spawn("first-check", self.health.clone().first_check());
        let routes = Router::new()
            .route("/metrics", get(metrics))
            .merge(self.health.routes_for_operators())
            .fallback(http_server::not_found)
            .method_not_allowed_fallback(http_server::method_not_allowed);
        http_server::serve(self.listener, routes, SERVER, shutdown).await
    }
}

async fn metrics() -> Response {
    let mut text = String::with_capacity(8 * 1024);
    let families = prometheus::gather();
    if let Err(error) = TextEncoder::new().encode_utf8(&families, &mut text) {
        tracing::error!(%error, "cannot write the metrics out");
        return ProblemReply::internal().into_response();
    }
    write_process(&mut text);
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response()
}

/// Writes the metrics that Prometheus expects of every process, under the names it expects.
fn write_process(text: &mut String) {
    let Some(process) = ProcessStat::read() else {
        return;
    };
    let mut write = |name: &str, kind: &str, value: &dyn Display| {
        writeln!(text, "# TYPE {name} {kind}\n{name} {value}")
            .expect("writing to a String cannot fail");
    };
    write("process_cpu_seconds_total", "counter", &process.cpu_seconds);
    write(
        "process_resident_memory_bytes",
        "gauge",
        &process.resident_bytes,
    );
    write("process_threads", "gauge", &process.threads);
    if let Some(started) = started_at(&process) {
        write(
            "process_start_time_seconds",
            "gauge",
            &started.as_secs_f64(),
        );
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        write("process_open_fds", "gauge", &open.count());
    }
}

/// When the process started, since 1970.
fn started_at(process: &ProcessStat) -> Option<Duration> {
    let age = Duration::try_from_secs_f64(process.age_seconds()?).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    now.checked_sub(age)
}
