//! Connections to the backends of one service, and the choice of a backend.
//!
//! Idle connections belong to the thread that they were used on: a worker's connections live on its
//! own runtime, need no lock, and wake no other thread.

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

use crate::{
    backend::Backend,
    connection::Connection,
    members::Members,
    metrics::Metrics,
    origin::Origins,
    owners::Owners,
    pipelined::PipelinedConnection,
    watch::{self, Watched},
};

/// The most idle connections a thread keeps to one backend.
const MAX_IDLE: usize = 512;

/// How long a backend has for a pipelined request before another is asked.
const ATTEMPT: Duration = Duration::from_millis(400);

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
    /// The one with the least to do; each in turn where that does not decide.
    LeastBusy,
    /// This one, then those after it.
    From(&'a Arc<Backend>),
    /// Those after this one, then it.
    After(&'a Arc<Backend>),
}

/// The backends of one service and the connections to them.
pub(super) struct Pool {
    /// The index of this pool's connections among those of a thread.
    id: usize,
    pub(super) members: Members,
    pub(super) watched: Watched,
    pub(super) owners: Owners,
    pub(super) metrics: Metrics,
}

thread_local! {
    /// This thread's connections, by the id of their pool.
    static LANES: RefCell<Vec<Lanes>> = const { RefCell::new(Vec::new()) };
}

/// The connections of one thread to the backends of one service.
#[derive(Default)]
struct Lanes {
    /// The backends that `all` has; see [`Members::generation`].
    generation: u64,
    /// The index of the backend that was asked last.
    turn: usize,
    all: Vec<Lane>,
}

/// The connections of one thread to one backend.
struct Lane {
    backend: Arc<Backend>,
    /// The longest idle connection is in front.
    idle: VecDeque<Connection>,
    /// `None` until the first pipelined request.
    pipelined: Option<Arc<PipelinedConnection>>,
}

impl Pool {
    pub(super) fn new(origins: Origins, metrics: Metrics) -> Self {
        static POOLS: AtomicUsize = AtomicUsize::new(0);
        Self {
            id: POOLS.fetch_add(1, Ordering::Relaxed),
            members: Members::new(origins),
            watched: Watched::default(),
            owners: Owners::default(),
            metrics,
        }
    }

    /// A connection to the first backend that accepts one, in the order of `pick`. Backends that
    /// are ejected come later, and `last` is asked only if all others refuse.
    ///
    /// # Errors
    /// Why the last backend asked did not accept.
    pub(super) async fn take(
        self: &Arc<Self>,
        pick: Pick<'_>,
        reuse: Reuse,
        last: Option<&Arc<Backend>>,
    ) -> io::Result<Connection> {
        watch::begin(self);
        let mut order = self.order(pick);
        let is_last = |backend: &Arc<Backend>| last.is_some_and(|last| Arc::ptr_eq(last, backend));
        order.sort_by_key(|backend| (is_last(backend), backend.is_ejected()));
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for backend in order {
            match self.take_of(&backend, reuse).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// All backends, in the order in which `pick` wants them.
    fn order(&self, pick: Pick<'_>) -> Vec<Arc<Backend>> {
        let (mut all, turn) = self.with_lanes(|lanes| {
            let backends = lanes.all.iter().map(|lane| Arc::clone(&lane.backend));
            let all: Vec<_> = backends.collect();
            if let Pick::LeastBusy = pick {
                lanes.turn = (lanes.turn + 1) % all.len();
            }
            (all, lanes.turn)
        });
        // One that is gone from the list has no place in it.
        let place = |all: &[Arc<Backend>], wanted: &Arc<Backend>| {
            let place = all.iter().position(|backend| Arc::ptr_eq(backend, wanted));
            place.unwrap_or_default()
        };
        match pick {
            Pick::LeastBusy => {
                all.rotate_left(turn);
                all.sort_by_key(|backend| backend.busy());
            }
            Pick::From(first) => {
                let first = place(&all, first);
                all.rotate_left(first);
            }
            Pick::After(last) => {
                let next = (place(&all, last) + 1) % all.len();
                all.rotate_left(next);
            }
        }
        all
    }

    /// This thread's pipelined connection to the backend with the fewest requests on it, among those
    /// that are not ejected, and the timeout for a request on it. If there is none yet, one is
    /// opened. `None` when all backends are ejected.
    ///
    /// With others to ask, a backend has [`ATTEMPT`] at most.
    pub(super) fn pipelined(
        self: &Arc<Self>,
        timeout: Duration,
    ) -> Option<(Arc<PipelinedConnection>, Duration)> {
        watch::begin(self);
        self.with_lanes(|lanes| {
            let number = lanes.all.len();
            let timeout = match number {
                1 => timeout,
                _ => timeout.min(ATTEMPT),
            };
            let turns = (1..=number).map(|step| (lanes.turn + step) % number);
            let accepting = turns.filter(|index| !lanes.all[*index].backend.is_ejected());
            // The first of several with as few.
            let index = accepting.min_by_key(|index| match number {
                1 => 0,
                _ => lanes.all[*index].waiting(),
            })?;
            lanes.turn = index;
            let lane = &mut lanes.all[index];
            let known = lane.pipelined.as_ref();
            if let Some(open) = known.filter(|connection| connection.takes(timeout)) {
                return Some((Arc::clone(open), timeout));
            }
            let (pool, backend) = (Arc::clone(self), Arc::clone(&lane.backend));
            let connecting = async move { pool.open(&backend).await };
            let opened = PipelinedConnection::open(Arc::clone(&lane.backend), timeout, connecting);
            Some((Arc::clone(lane.pipelined.insert(opened)), timeout))
        })
    }

    /// The backends that are not ejected, in the order of `pick`.
    pub(super) fn accepting(self: &Arc<Self>, pick: Pick<'_>) -> Vec<Arc<Backend>> {
        watch::begin(self);
        let mut order = self.order(pick);
        order.retain(|backend| !backend.is_ejected());
        order
    }

    /// All backends.
    pub(super) fn all(self: &Arc<Self>) -> Arc<[Arc<Backend>]> {
        watch::begin(self);
        self.members.now().1
    }

    pub(super) async fn take_of(
        &self,
        backend: &Arc<Backend>,
        reuse: Reuse,
    ) -> io::Result<Connection> {
        match self.idle(backend, reuse) {
            Some(connection) => Ok(connection),
            None => self.connect(backend).await,
        }
    }

    /// Keeps `connection` for the next request on this thread, unless it sent more than the reply.
    pub(super) fn give_back(&self, mut connection: Connection) {
        if !connection.input.is_empty() {
            return;
        }
        connection.rest();
        self.with_lanes(|lanes| {
            // None if its backend is no longer one of the service.
            let Some(lane) = lanes.of(&connection.backend) else {
                return;
            };
            let too_old = |connection: &Connection| {
                Some(connection.idle_for()) > Reuse::Any.idle_for_at_most()
            };
            if lane.idle.len() == MAX_IDLE || lane.idle.front().is_some_and(too_old) {
                lane.idle.pop_front();
            }
            lane.idle.push_back(connection);
        });
    }

    /// A new connection to `backend`, which is about to carry a request.
    pub(super) async fn connect(&self, backend: &Arc<Backend>) -> io::Result<Connection> {
        let stream = self.open(backend).await?;
        Ok(Connection::new(stream, Arc::clone(backend)))
    }

    async fn open(&self, backend: &Backend) -> io::Result<TcpStream> {
        self.metrics.connects.inc();
        backend.connect().await.map_err(|error| {
            self.metrics.connect_errors.inc();
            io::Error::new(error.kind(), format!("{backend}: {error}"))
        })
    }

    /// The idle connection used last, if it is still open.
    fn idle(&self, backend: &Arc<Backend>, reuse: Reuse) -> Option<Connection> {
        let limit = reuse.idle_for_at_most()?;
        self.with_lanes(|lanes| {
            let connections = &mut lanes.of(backend)?.idle;
            while let Some(mut connection) = connections.pop_back() {
                // The others have been idle for longer still.
                if connection.idle_for() > limit {
                    match reuse {
                        Reuse::Any => connections.clear(),
                        Reuse::Recent | Reuse::Never => connections.push_back(connection),
                    }
                    return None;
                }
                if connection.is_open() {
                    connection.begin();
                    return Some(connection);
                }
            }
            None
        })
    }

    fn with_lanes<T>(&self, work: impl FnOnce(&mut Lanes) -> T) -> T {
        LANES.with_borrow_mut(|pools| {
            if pools.len() <= self.id {
                pools.resize_with(self.id + 1, Lanes::default);
            }
            let lanes = &mut pools[self.id];
            if lanes.generation != self.members.generation() {
                lanes.follow(&self.members);
            }
            work(lanes)
        })
    }
}

impl Lanes {
    /// Has a lane for each of `members` from now on. A pipelined connection to one that is gone ends
    /// when its replies have come.
    fn follow(&mut self, members: &Members) {
        let (generation, backends) = members.now();
        let mut before = std::mem::take(&mut self.all);
        self.generation = generation;
        self.all = backends
            .iter()
            .map(|backend| {
                let known = before
                    .iter()
                    .position(|lane| Arc::ptr_eq(&lane.backend, backend));
                known.map_or_else(|| Lane::to(backend), |known| before.swap_remove(known))
            })
            .collect();
        self.turn %= self.all.len();
    }

    fn of(&mut self, backend: &Arc<Backend>) -> Option<&mut Lane> {
        let mut lanes = self.all.iter_mut();
        lanes.find(|lane| Arc::ptr_eq(&lane.backend, backend))
    }
}

impl Lane {
    fn to(backend: &Arc<Backend>) -> Self {
        Self {
            backend: Arc::clone(backend),
            idle: VecDeque::new(),
            pipelined: None,
        }
    }

    /// How many requests of this thread wait for a reply on the pipelined connection.
    fn waiting(&self) -> usize {
        let connection = self.pipelined.as_ref();
        connection.map_or(0, |connection| connection.waiting())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ReservedPort;

    /// A pool of backends at these ports.
    fn pool_at(ports: [&ReservedPort; 2]) -> anyhow::Result<Arc<Pool>> {
        let [one, other] = ports.map(ReservedPort::addr);
        let origins = format!("http://{one},http://{other}").parse()?;
        Ok(Arc::new(Pool::new(origins, Metrics::unread())))
    }

    /// The backend of `port`.
    fn at(pool: &Pool, port: &ReservedPort) -> Arc<Backend> {
        let (_, backends) = pool.members.now();
        let wanted = port.addr().to_string();
        let mut found = backends
            .iter()
            .filter(|backend| backend.authority() == wanted);
        Arc::clone(found.next().expect("is in the pool"))
    }

    /// The authority of the backend that is asked.
    async fn asked(pool: &Arc<Pool>) -> io::Result<String> {
        let connection = pool.take(Pick::LeastBusy, Reuse::Never, None).await?;
        Ok(connection.backend.authority().to_owned())
    }

    #[tokio::test]
    async fn a_backend_that_is_back_is_asked_when_the_others_are_gone() -> anyhow::Result<()> {
        let (one, other) = (ReservedPort::new()?, ReservedPort::new()?);
        let pool = pool_at([&one, &other])?;
        let listener = other.listen()?;
        for _ in 0..2 {
            assert_eq!(asked(&pool).await?, other.addr().to_string());
        }
        assert!(at(&pool, &one).is_ejected());

        let _listener = one.listen()?;
        drop(listener);
        for _ in 0..2 {
            assert_eq!(asked(&pool).await?, one.addr().to_string());
        }
        Ok(())
    }

    #[tokio::test]
    async fn one_that_gave_no_answer_is_asked_again_only_when_all_others_are_gone()
    -> anyhow::Result<()> {
        let (one, other) = (ReservedPort::new()?, ReservedPort::new()?);
        let pool = pool_at([&one, &other])?;
        let _other = other.listen()?;
        assert_eq!(elsewhere(&pool, &other).await?, other.addr().to_string());

        // It is back sooner than it is looked for again.
        let _one = one.listen()?;
        assert!(at(&pool, &one).is_ejected());
        assert_eq!(elsewhere(&pool, &other).await?, one.addr().to_string());
        Ok(())
    }

    /// The authority of the backend that is asked after `asked` gave no answer.
    async fn elsewhere(pool: &Arc<Pool>, asked: &ReservedPort) -> io::Result<String> {
        let asked = at(pool, asked);
        let pick = Pick::After(&asked);
        let connection = pool.take(pick, Reuse::Never, Some(&asked)).await?;
        Ok(connection.backend.authority().to_owned())
    }

    #[tokio::test]
    async fn the_backend_with_the_least_to_do_is_asked() -> anyhow::Result<()> {
        let (one, other) = (ReservedPort::new()?, ReservedPort::new()?);
        let pool = pool_at([&one, &other])?;
        let _listeners = (one.listen()?, other.listen()?);
        let take = || pool.take(Pick::LeastBusy, Reuse::Any, None);
        let (first, second) = (take().await?, take().await?);
        assert!(!Arc::ptr_eq(&first.backend, &second.backend));
        let free = Arc::clone(&second.backend);
        drop(second);
        for _ in 0..3 {
            assert!(Arc::ptr_eq(&take().await?.backend, &free));
        }
        // Nor does one count as busy whose request is over.
        pool.give_back(first);
        let both = (take().await?, take().await?);
        assert!(!Arc::ptr_eq(&both.0.backend, &both.1.backend));
        Ok(())
    }

    #[tokio::test]
    async fn pipelined_requests_avoid_a_backend_that_hangs_or_lags() -> anyhow::Result<()> {
        let (one, other) = (ReservedPort::new()?, ReservedPort::new()?);
        let pool = pool_at([&one, &other])?;
        let _listeners = (one.listen()?, other.listen()?);
        let patience = Duration::from_secs(20);
        let join = || {
            let (connection, timeout) = pool.pipelined(patience).expect("one is there");
            assert_eq!(timeout, ATTEMPT);
            connection.join(timeout, |_| ()).expect("there is room")
        };
        let waiting = [join(), join()];
        assert!(!Arc::ptr_eq(waiting[0].backend(), waiting[1].backend()));
        at(&pool, &one).set_hangs(true);
        for _ in 0..3 {
            assert!(Arc::ptr_eq(join().backend(), &at(&pool, &other)));
        }
        Ok(())
    }
}
