//! Connections to the backends of one service, and the choice of a backend.
//!
//! Idle connections belong to the thread that they were used on: a worker's connections live on its
//! own runtime, need no lock, and wake no other thread.

use std::{
    cell::RefCell,
    cmp::Reverse,
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::net::TcpStream;

use crate::{
    backend::Backend, connection::Connection, metrics::Metrics, origin::Origins,
    pipelined::PipelinedConnection,
};

/// The most idle connections a thread keeps to one backend.
const MAX_IDLE: usize = 512;

/// Which connections may carry a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// Any: the request can be repeated.
    Any,
    /// One that was used a moment ago, so that the backend is not about to close it: the request
    /// cannot be repeated.
    Recent,
    /// Only a new one.
    Never,
}

impl Reuse {
    /// How long a connection may have been idle. Our services close theirs after 75 s
    /// (`KEEP_ALIVE_SECONDS`).
    fn idle_for_at_most(self) -> Option<Duration> {
        match self {
            Self::Any => Some(Duration::from_secs(15)),
            Self::Recent => Some(Duration::from_secs(1)),
            Self::Never => None,
        }
    }
}

/// Which backend is asked first, and which ones after it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pick<'a> {
    /// Each in turn.
    InTurn,
    /// This one, then those after it.
    From(usize),
    /// The owner of a series, then those that would own it if the ones before did not exist.
    BySeries(&'a str),
}

impl Pick<'_> {
    /// The order for asking again what the backend `asked` has not answered.
    pub(super) fn after(self, asked: usize) -> Self {
        match self {
            Self::InTurn | Self::From(_) => Self::From(asked + 1),
            Self::BySeries(_) => self,
        }
    }
}

/// The weight of a backend for a series. The backend with the greatest weight owns the series
/// (rendezvous hashing, Thaler and Ravishankar 1998): when a backend is added or removed, only its
/// own series move. All gateways agree as long as they name the backends alike.
fn weight(authority: &str, series: &str) -> u64 {
    // FNV-1a, and the finalizer of splitmix64. The standard library's hashes may change between
    // releases, and with them the owners.
    let text = authority.bytes().chain([0]).chain(series.bytes());
    let mut hash = text.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The backends of one service and the connections to them.
pub(super) struct Pool {
    /// The index of this pool's connections among those of a thread.
    id: usize,
    backends: Vec<Backend>,
    pub(super) metrics: Metrics,
}

thread_local! {
    /// This thread's idle connections, by the id of their pool.
    static IDLE: RefCell<Vec<Idle>> = const { RefCell::new(Vec::new()) };
}

/// The connections of one thread.
#[derive(Default)]
struct Idle {
    /// The backend that was asked last.
    turn: usize,
    /// By backend; the longest idle connection is in front.
    connections: Vec<VecDeque<Connection>>,
    /// By backend; `None` until the first pipelined request.
    pipelined: Vec<Option<Arc<PipelinedConnection>>>,
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

    /// A connection to the first backend that accepts one, in the order of `pick`. Backends that
    /// did not accept a moment ago come later, and `last` is asked only if all others refuse.
    ///
    /// # Errors
    /// Why the last backend asked did not accept.
    pub(super) async fn take(
        &self,
        pick: Pick<'_>,
        reuse: Reuse,
        last: Option<usize>,
    ) -> io::Result<Connection> {
        let mut order = self.order(pick);
        order.sort_by_key(|index| (last == Some(*index), self.backends[*index].is_ejected()));
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for index in order {
            match self.take_of(index, reuse).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// All backends, in the order in which `pick` wants them.
    fn order(&self, pick: Pick<'_>) -> Vec<usize> {
        let number = self.backends.len();
        let from = |first: usize| (0..number).map(|step| (first + step) % number).collect();
        match pick {
            Pick::InTurn => from(self.with_idle(|idle| {
                idle.turn = (idle.turn + 1) % number;
                idle.turn
            })),
            Pick::From(first) => from(first),
            Pick::BySeries(series) => {
                let mut order: Vec<usize> = (0..number).collect();
                order.sort_by_cached_key(|index| Reverse(weight(self.authority(*index), series)));
                order
            }
        }
    }

    /// This thread's pipelined connection to the next backend that is not ejected. If there is none
    /// yet, one is opened for calls with `timeout` or more. `None` when all backends are ejected.
    pub(super) fn pipelined(
        self: &Arc<Self>,
        timeout: Duration,
    ) -> Option<Arc<PipelinedConnection>> {
        self.with_idle(|idle| {
            let number = self.backends.len();
            let turns = (1..=number).map(|step| (idle.turn + step) % number);
            let mut accepting = turns.filter(|index| !self.backends[*index].is_ejected());
            let index = accepting.next()?;
            idle.turn = index;
            let known = idle.pipelined[index].as_ref();
            if let Some(open) = known.filter(|connection| connection.is_open()) {
                return Some(Arc::clone(open));
            }
            let pool = Arc::clone(self);
            let connecting = async move { pool.open(index).await };
            let opened = PipelinedConnection::open(index, timeout, connecting);
            Some(Arc::clone(idle.pipelined[index].insert(opened)))
        })
    }

    /// Whether there is more than one backend.
    pub(super) fn has_others(&self) -> bool {
        self.backends.len() > 1
    }

    async fn take_of(&self, index: usize, reuse: Reuse) -> io::Result<Connection> {
        match self.idle(index, reuse) {
            Some(connection) => Ok(connection),
            None => self.connect(index).await,
        }
    }

    /// Keeps `connection` for the next request on this thread, unless it sent more than the reply.
    pub(super) fn give_back(&self, mut connection: Connection) {
        if !connection.input.is_empty() {
            return;
        }
        connection.rest();
        self.with_idle(|idle| {
            let connections = &mut idle.connections[connection.backend];
            let too_old = |connection: &Connection| {
                Some(connection.idle_for()) > Reuse::Any.idle_for_at_most()
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
    fn idle(&self, index: usize, reuse: Reuse) -> Option<Connection> {
        let limit = reuse.idle_for_at_most()?;
        self.with_idle(|idle| {
            let connections = &mut idle.connections[index];
            while let Some(connection) = connections.pop_back() {
                // The others have been idle for longer still.
                if connection.idle_for() > limit {
                    match reuse {
                        Reuse::Any => connections.clear(),
                        Reuse::Recent | Reuse::Never => connections.push_back(connection),
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
                idle.pipelined.resize_with(self.backends.len(), || None);
            }
            work(idle)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ReservedPort;

    /// A pool of backends at these ports.
    fn pool_at(ports: [&ReservedPort; 2]) -> anyhow::Result<Pool> {
        let [one, other] = ports.map(ReservedPort::addr);
        let origins = format!("http://{one},http://{other}").parse()?;
        Ok(Pool::new(origins, Metrics::unread()))
    }

    #[tokio::test]
    async fn a_backend_that_is_back_is_asked_when_the_others_are_gone() -> anyhow::Result<()> {
        let (one, other) = (ReservedPort::new()?, ReservedPort::new()?);
        let pool = pool_at([&one, &other])?;
        let listener = other.listen()?;
        for _ in 0..2 {
            assert_eq!(
                pool.take(Pick::InTurn, Reuse::Never, None).await?.backend,
                1
            );
        }
        assert!(pool.backends[0].is_ejected());

        let _listener = one.listen()?;
        drop(listener);
        for _ in 0..2 {
            assert_eq!(
                pool.take(Pick::InTurn, Reuse::Never, None).await?.backend,
                0
            );
        }
        Ok(())
    }

    #[tokio::test]
    async fn one_that_gave_no_answer_is_asked_again_only_when_all_others_are_gone()
    -> anyhow::Result<()> {
        let (one, other) = (ReservedPort::new()?, ReservedPort::new()?);
        let pool = pool_at([&one, &other])?;
        let _other = other.listen()?;
        assert_eq!(elsewhere(&pool).await?.backend, 1);

        // It is back sooner than it is looked for again.
        let _one = one.listen()?;
        assert!(pool.backends[0].is_ejected());
        assert_eq!(elsewhere(&pool).await?.backend, 0);
        Ok(())
    }

    async fn elsewhere(pool: &Pool) -> io::Result<Connection> {
        pool.take(Pick::InTurn.after(1), Reuse::Never, Some(1))
            .await
    }

    fn pool_of(names: &[&str]) -> Pool {
        let origins: Vec<_> = names.iter().map(|name| format!("http://{name}")).collect();
        let origins = origins.join(",").parse().expect("valid");
        Pool::new(origins, Metrics::unread())
    }

    /// The name of the backend that owns each of a thousand series.
    fn owners(pool: &Pool) -> Vec<String> {
        let series = (0..1_000).map(|number| format!("sensor_{number:03}"));
        let owner = |series: String| pool.order(Pick::BySeries(&series))[0];
        series
            .map(|s| pool.authority(owner(s)).to_owned())
            .collect()
    }

    #[test]
    fn a_series_has_one_owner_wherever_that_stands_in_the_list() {
        let owned = owners(&pool_of(&["a:1", "b:1", "c:1"]));
        assert_eq!(owners(&pool_of(&["c:1", "a:1", "b:1"])), owned);
        for name in ["a:1", "b:1", "c:1"] {
            let share = owned.iter().filter(|owner| *owner == name).count();
            assert!((250..=420).contains(&share), "{name} owns {share}");
        }
    }

    #[test]
    fn only_the_series_of_a_backend_that_goes_find_another_owner() {
        let three = pool_of(&["a:1", "b:1", "c:1"]);
        let before = owners(&three);
        let after = owners(&pool_of(&["a:1", "b:1"]));
        for (number, (before, after)) in before.iter().zip(&after).enumerate() {
            if before == "c:1" {
                // The next in its order, so that calls go there while the owner does not accept.
                let order = three.order(Pick::BySeries(&format!("sensor_{number:03}")));
                assert_eq!(three.authority(order[1]), after);
            } else {
                assert_eq!(before, after);
            }
        }
    }

    #[test]
    fn owners_stay_the_same_from_release_to_release() {
        let order = pool_of(&["a:1", "b:1", "c:1"]).order(Pick::BySeries("sensor_01"));
        assert_eq!(order, [2, 0, 1]);
    }
}
