//! Accepts connections and deals them to worker threads.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    num::NonZeroUsize,
    ops::RangeInclusive,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use socket2::{Domain, Socket, Type};
use tokio::{runtime::Runtime, sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::Protocol,
    connections::{Connections, Place},
    handler::Handler,
    read_timeout::Timeouts,
    tls::{Acceptor, Tls},
};

/// Connections that wait to be accepted. The standard library's 128 is too few for a load test,
/// whose clients connect all at once: one that finds the queue full tries again only after a
/// second.
const BACKLOG: i32 = 4096;
/// How long requests in flight may take to end after a shutdown.
const DRAIN: Duration = Duration::from_secs(15);
/// The pause after an `accept` that failed for lack of file descriptors or memory.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Limits of an HTTP server. The same variables in every service.
#[derive(Clone, Debug, clap::Args)]
pub struct ServerConfig {
    /// Threads that serve requests, each with its own runtime; 0 means one per core.
    #[arg(long, env = "WORKER_THREADS", default_value_t = 0, value_parser = number(0..=1024))]
    pub worker_threads: usize,
    /// Connections held at once. For a further one the longest idle gives way; while none is idle,
    /// it waits.
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 10_000, value_parser = number(1..=1_000_000))]
    pub max_connections: usize,
    /// Seconds a client has to send the head of a request; also the longest pause in its body and in
    /// reading the reply.
    #[arg(long, env = "HEADER_TIMEOUT_SECONDS", default_value_t = 30, value_parser = seconds(1..=3600))]
    pub header_timeout_seconds: u64,
    /// Seconds that a connection may be idle between two requests. It must exceed the idle timeout of
    /// a load balancer in front.
    #[arg(long, env = "KEEP_ALIVE_SECONDS", default_value_t = 75, value_parser = seconds(1..=86_400))]
    pub keep_alive_seconds: u64,
    /// Seconds after a shutdown for which requests are still accepted and served, because load
    /// balancers go on sending them.
    #[arg(long, env = "SHUTDOWN_DELAY_SECONDS", default_value_t = 0, value_parser = seconds(0..=3600))]
    pub shutdown_delay_seconds: u64,
}

fn seconds(range: RangeInclusive<u64>) -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(range)
}

fn number(range: RangeInclusive<u64>) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(range)
}

impl ServerConfig {
    fn workers(&self) -> usize {
        match self.worker_threads {
            0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
            n => n,
        }
    }
}

/// A bound port that is not served yet. No other process can bind it.
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
    tls: Option<Tls>,
}

impl Listener {
    /// Binds `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub fn bind(addr: SocketAddr) -> anyhow::Result<Self> {
        let bind = || {
            let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
            // A restart must not wait for connections of the last run to time out. (Not
            // SO_REUSEPORT, which shares a port.)
            socket.set_reuse_address(true)?;
            socket.bind(&addr.into())?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            let socket = TcpListener::from(socket);
            let addr = socket.local_addr()?;
            let tls = None;
            Ok::<_, io::Error>(Self { socket, addr, tls })
        };
        bind().with_context(|| format!("cannot listen on {addr}"))
    }

    /// Serves clients over TLS, if `tls` is given.
    #[must_use]
    pub fn with_tls(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// Serves `app` until `shutdown` is cancelled, then ends what is in flight (at most 15 s) and
/// returns. During the shutdown delay of `config` it goes on as before, except that each reply is
/// the last on its connection and says so.
///
/// Every request gets its context here (see [`with_context`](crate::with_context)). Connections are
/// accepted here and dealt in turn to worker threads. Each worker has a current-thread runtime, so
/// a request stays on one thread from its first byte to its last; handlers must not block it.
///
/// # Errors
/// When a worker cannot be started.
pub async fn serve(
    listener: Listener,
    app: impl Into<Handler>,
    config: ServerConfig,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let delay = Duration::from_secs(config.shutdown_delay_seconds);
    let stop = CancellationToken::new();
    let draining = match delay.is_zero() {
        true => stop.clone(),
        false => shutdown.clone(),
    };
    // Dropping this future ends the connections too.
    let _stop_on_drop = stop.clone().drop_guard();
    let app = app.into();
    let workers = (0..config.workers())
        .map(|n| {
            let stopping = Stopping {
                draining: draining.child_token(),
                stop: stop.child_token(),
            };
            let acceptor = listener.tls.as_ref().map(Tls::acceptor);
            Worker::start(n, app.clone(), &config, acceptor, stopping)
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let socket = tokio::net::TcpListener::from_std(listener.socket)?;
    let connections = Connections::new(config.max_connections);
    let told_to_stop = async {
        shutdown.cancelled().await;
        tokio::time::sleep(delay).await;
    };
    tokio::select! {
        () = told_to_stop => {}
        () = accept(&socket, &connections, &workers) => {}
        () = follow(listener.tls) => {}
    }
    drop(socket);
    stop.cancel();
    let threads: Vec<_> = workers.into_iter().map(Worker::close).collect();
    for thread in threads {
        let ended = tokio::task::spawn_blocking(|| thread.join()).await?;
        ended.map_err(|_| anyhow::anyhow!("an HTTP worker panicked"))?;
    }
    Ok(())
}

/// Keeps the certificate of `tls` as its files are.
async fn follow(tls: Option<Tls>) {
    match tls {
        Some(tls) => tls.follow().await,
        None => std::future::pending().await,
    }
}

/// Accepts connections, and deals those that have a place among `connections` to `workers` in turn.
async fn accept(
    socket: &tokio::net::TcpListener,
    connections: &Arc<Connections>,
    workers: &[Worker],
) {
    for worker in workers.iter().cycle() {
        let (stream, peer) = next_connection(socket).await;
        let place = connections.place(peer.ip().to_canonical()).await;
        let accepted = Accepted { stream, place };
        if worker.connections.send(accepted).is_err() {
            return; // workers end after this loop, unless one panicked
        }
    }
}

/// The next connection, ready to be moved to another thread.
async fn next_connection(socket: &tokio::net::TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        let accepted = socket.accept().await;
        match accepted.and_then(|(stream, peer)| {
            stream.set_nodelay(true)?;
            Ok((stream.into_std()?, peer))
        }) {
            Ok(accepted) => return accepted,
            Err(error) if is_clients_fault(&error) => {}
            Err(error) => {
                // Waiting connections stay queued; the next one may find a descriptor free.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// Whether `accept` failed because of the connection, and not for lack of resources.
fn is_clients_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected
    )
}

/// A connection, and its place among those open at once.
struct Accepted {
    stream: TcpStream,
    place: Place,
}

/// The two stages of the end of a server.
#[derive(Clone)]
pub(crate) struct Stopping {
    /// Requests are still served, and each reply is the last on its connection.
    pub(crate) draining: CancellationToken,
    /// Only what is in flight is ended.
    pub(crate) stop: CancellationToken,
}

/// A thread that serves a share of the connections.
struct Worker {
    connections: mpsc::UnboundedSender<Accepted>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start(
        number: usize,
        app: Handler,
        config: &ServerConfig,
        tls: Option<Acceptor>,
        stopping: Stopping,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start an HTTP worker")?;
        let timeouts = Timeouts {
            silence: Duration::from_secs(config.header_timeout_seconds),
            keep_alive: Duration::from_secs(config.keep_alive_seconds),
        };
        let protocol = Arc::new(Protocol::new(timeouts, tls));
        // Bounded by the places: an accepted connection holds one.
        let (connections, incoming) = mpsc::unbounded_channel();
        let thread = thread::Builder::new()
            .name(format!("http-{number}"))
            .spawn(move || work(runtime, incoming, app, protocol, stopping))
            .context("cannot start an HTTP worker")?;
        Ok(Self {
            connections,
            thread,
        })
    }

    /// Lets the worker end once its connections have.
    fn close(self) -> JoinHandle<()> {
        self.thread
    }
}

/// Serves `incoming` connections until there are no more, and then lets the open ones end.
fn work(
    runtime: Runtime,
    mut incoming: mpsc::UnboundedReceiver<Accepted>,
    app: Handler,
    protocol: Arc<Protocol>,
    stopping: Stopping,
) {
    runtime.block_on(async {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                accepted = incoming.recv() => match accepted {
                    Some(accepted) => {
                        let (app, protocol) = (app.clone(), Arc::clone(&protocol));
                        let task = Arc::clone(&accepted.place.task);
                        let serving = serve_accepted(accepted, app, protocol, stopping.clone());
                        let _ = task.set(open.spawn(serving));
                    }
                    None => break,
                },
                Some(_) = open.join_next() => {}
            }
        }
        let drained =
            tokio::time::timeout(DRAIN, async { while open.join_next().await.is_some() {} });
        if drained.await.is_err() {
            tracing::warn!(
                connections = open.len(),
                "requests did not end in time and are dropped"
            );
        }
    });
    // Work on the blocking pool must not hold up the end of the process.
    runtime.shutdown_background();
}

async fn serve_accepted(
    accepted: Accepted,
    app: Handler,
    protocol: Arc<Protocol>,
    stopping: Stopping,
) {
    match tokio::net::TcpStream::from_std(accepted.stream) {
        Ok(stream) => {
            let Some(stream) = protocol.open(stream, &stopping).await else {
                return;
            };
            let status = Arc::clone(&accepted.place.status);
            protocol.serve(stream, status, app, stopping).await;
        }
        Err(error) => tracing::warn!(%error, "cannot serve a connection"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Config {
        #[command(flatten)]
        server: ServerConfig,
    }

    #[test]
    fn limits_that_would_let_no_one_in_are_refused() {
        for refused in [
            ["x", "--max-connections", "0"],
            ["x", "--max-connections", "18446744073709551615"],
            ["x", "--header-timeout-seconds", "0"],
            ["x", "--worker-threads", "-1"],
        ] {
            let error = Config::try_parse_from(refused).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
        }
        let defaults = Config::try_parse_from(["x"]).unwrap().server;
        assert!(defaults.workers() >= 1);
    }
}
