//! Connections to the backends of one service.
//!
//! Idle connections belong to the thread that they were used on: a worker's connections live on its own runtime, need no lock,
//! and wake no other thread.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::net::TcpStream;

use super::{
    backend::Backend, connection::Connection, lane::Lane, metrics::Metrics, origin::Origins,
};

/// The most idle connections a thread keeps to one backend.
const MAX_IDLE: usize = 512;

/// Which connections will do for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Any: the request can be repeated.
    Any,
    /// One that the backend has no reason to be closing right now: the request cannot be repeated.
    Lively,
    /// A new one.
    New,
}

impl Want {
    /// How long a connection may have been idle. Our services close theirs after 30 s.
    fn idle_for_at_most(self) -> Option<Duration> {
        match self {
            Self::Any => Some(Duration::from_secs(15)),
            Self::Lively => Some(Duration::from_secs(1)),
            Self::New => None,
        }
    }
}

/// The backends of one service and the connections to them.
pub(super) struct Pool {
    /// Which of a thread's pools is this one's.
    id: usize,
    backends: Vec<Backend>,
    pub(super) metrics: Metrics,
}

thread_local! {
    /// This thread's idle connections, by the id of their pool.
    static IDLE: RefCell<Vec<Idle>> = const { RefCell::new(Vec::new()) };
}

/// One thread's part of a pool.
#[derive(Default)]
struct Idle {
    /// Which backend is next.
    turn: usize,
    /// By backend; the longest idle connection is in front.
    connections: Vec<VecDeque<Connection>>,
    /// By backend, as far as there are any.
    lanes: Vec<Option<Arc<Lane>>>,
}

impl Pool {
    pub(super) fn new(origins: Origins, metrics: Metrics) -> Self {
        static POOLS: AtomicUsize = AtomicUsize::new(0);
        Self {
            id: POOLS.fetch_add(1, Ordering::Relaxed),
            backends: origins.0.into_iter().map(Backend::new).collect(),
            metrics,
        }
    }

    /// A connection to the backend whose turn it is, or to the next that is there.
    ///
    /// # Errors
    /// Why the last backend asked did not accept.
    pub(super) async fn take(&self, want: Want) -> io::Result<Connection> {
        let first = self.with_idle(|idle| {
            idle.turn = (idle.turn + 1) % self.backends.len();
            idle.turn
        });
        self.take_from(first, want).await
    }

    /// A new connection, to the backend `asked` only if no other is there: one that stops may accept a connection, and not its
    /// request, while another that was away a moment ago is back.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(super) async fn take_elsewhere(&self, asked: usize) -> io::Result<Connection> {
        self.take_first(asked + 1, Want::New, Some(asked)).await
    }

    /// This thread's lane to the backend whose turn it is, or to the next that is there; a new one, for calls with `patience`, if
    /// there is none. `None` when all backends are away.
    pub(super) fn lane(self: &Arc<Self>, patience: Duration) -> Option<Arc<Lane>> {
        self.with_idle(|idle| {
            let number = self.backends.len();
            let turns = (1..=number).map(|step| (idle.turn + step) % number);
            let mut there = turns.filter(|index| !self.backends[*index].is_away());
            let index = there.next()?;
            idle.turn = index;
            let open = idle.lanes[index].as_ref().filter(|lane| lane.is_open());
            if let Some(lane) = open {
                return Some(Arc::clone(lane));
            }
            let pool = Arc::clone(self);
            let connecting = async move { pool.open(index).await };
            let lane = Lane::open(index, patience, connecting);
            Some(Arc::clone(idle.lanes[index].insert(lane)))
        })
    }

    /// Whether there is more than one backend.
    pub(super) fn has_others(&self) -> bool {
        self.backends.len() > 1
    }

    /// As [`Self::take`], from the backend `first` on: each is asked once, and those last that were away a moment ago. They may be
    /// back, and the others gone.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(super) async fn take_from(&self, first: usize, want: Want) -> io::Result<Connection> {
        self.take_first(first, want, None).await
    }

    /// As [`Self::take_from`], from `last` only if none else accepts.
    async fn take_first(
        &self,
        first: usize,
        want: Want,
        last: Option<usize>,
    ) -> io::Result<Connection> {
        let number = self.backends.len();
        let mut turns: Vec<_> = (0..number).map(|step| (first + step) % number).collect();
        turns.sort_by_key(|index| (last == Some(*index), self.backends[*index].is_away()));
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for index in turns {
            match self.take_of(index, want).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn take_of(&self, index: usize, want: Want) -> io::Result<Connection> {
        match self.idle(index, want) {
            Some(connection) => Ok(connection),
            None => self.connect(index).await,
        }
    }

    /// Keeps `connection` for the next request on this thread, unless more came on it than the reply.
    pub(super) fn give_back(&self, mut connection: Connection) {
        if !connection.input.is_empty() {
            return;
        }
        connection.rest();
        self.with_idle(|idle| {
            let connections = &mut idle.connections[connection.backend];
            let too_old = |connection: &Connection| {
                Some(connection.idle_for()) > Want::Any.idle_for_at_most()
            };
            if connections.len() == MAX_IDLE || connections.front().is_some_and(too_old) {
                connections.pop_front();
            }
            connections.push_back(connection);
        });
    }

    /// Host and port of a backend.
    pub(super) fn authority(&self, backend: usize) -> &str {
        self.backends[backend].authority()
    }

    async fn connect(&self, index: usize) -> io::Result<Connection> {
        let stream = self.open(index).await?;
        Ok(Connection::new(stream, index))
    }

    async fn open(&self, index: usize) -> io::Result<TcpStream> {
        self.metrics.connects.inc();
        self.backends[index].connect().await.map_err(|error| {
            self.metrics.connect_errors.inc();
            let place = self.backends[index].authority();
            io::Error::new(error.kind(), format!("{place}: {error}"))
        })
    }

    /// The idle connection used last, if it is still open.
    fn idle(&self, index: usize, want: Want) -> Option<Connection> {
        let limit = want.idle_for_at_most()?;
        self.with_idle(|idle| {
            let connections = &mut idle.connections[index];
            while let Some(connection) = connections.pop_back() {
                // The others have been idle for longer still.
                if connection.idle_for() > limit {
                    match want {
                        Want::Any => connections.clear(),
                        Want::Lively | Want::New => connections.push_back(connection),
                    }
                    return None;
                }
                if connection.is_open() {
                    return Some(connection);
                }
            }
            None
        })
    }

    fn with_idle<T>(&self, work: impl FnOnce(&mut Idle) -> T) -> T {
        IDLE.with_borrow_mut(|pools| {
            if pools.len() <= self.id {
                pools.resize_with(self.id + 1, Idle::default);
            }
            let idle = &mut pools[self.id];
            if idle.connections.is_empty() {
                idle.connections
                    .resize_with(self.backends.len(), VecDeque::new);
                idle.lanes.resize_with(self.backends.len(), || None);
            }
            work(idle)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_backend_that_is_back_is_asked_when_the_others_are_gone() -> anyhow::Result<()> {
        let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
        let one = TcpListener::bind("127.0.0.1:0")?;
        let other = TcpListener::bind("127.0.0.1:0")?;
        let (port_one, port_other) = (port(&one)?, port(&other)?);
        let origins = format!("http://127.0.0.1:{port_one},http://127.0.0.1:{port_other}");
        let pool = Pool::new(origins.parse()?, Metrics::unread());
        drop(one);
        for _ in 0..2 {
            assert_eq!(pool.take(Want::New).await?.backend, 1);
        }
        assert!(pool.backends[0].is_away());

        let _one = TcpListener::bind(("127.0.0.1", port_one))?;
        drop(other);
        for _ in 0..2 {
            assert_eq!(pool.take(Want::New).await?.backend, 0);
        }
        Ok(())
    }

    #[tokio::test]
    async fn one_that_gave_no_answer_is_asked_again_only_when_all_others_are_gone()
    -> anyhow::Result<()> {
        let one = TcpListener::bind("127.0.0.1:0")?;
        let other = TcpListener::bind("127.0.0.1:0")?;
        let (one_at, other_at) = (one.local_addr()?, other.local_addr()?);
        let pool = Pool::new(
            format!("http://{one_at},http://{other_at}").parse()?,
            Metrics::unread(),
        );
        drop(one);
        assert_eq!(pool.take_elsewhere(1).await?.backend, 1);

        // It is back sooner than it is looked for again.
        let _one = TcpListener::bind(one_at)?;
        assert!(pool.backends[0].is_away());
        assert_eq!(pool.take_elsewhere(1).await?.backend, 0);
        Ok(())
    }
}
