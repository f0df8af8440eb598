//! One connection to Redis that one caller at a time has for itself, and that is replaced when anything goes wrong.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use tokio::sync::{Mutex, MutexGuard};

use crate::StatsError;

/// How long a call may take, waiting for its turn and connecting included.
const BOUND: Duration = Duration::from_secs(2);

/// How long connecting may take, so that a name with a dead address leaves time to ask again.
const CONNECT: Duration = Duration::from_millis(1_500);

/// A connection unused for so long is asked whether it still lives: Redis may have been restarted meanwhile.
const STALE: Duration = Duration::from_millis(500);

/// A connection and whose turn it is.
pub(super) struct Connection {
    client: Client,
    idle: Mutex<Option<Idle>>,
}

struct Idle {
    connection: MultiplexedConnection,
    since: Instant,
}

/// A connection in use. Unless it is given back it is closed: a call that was cut off may have left a `WATCH`, or replies that the
/// next one would take for its own.
pub(super) struct Lease<'a> {
    /// The connection.
    pub(super) connection: MultiplexedConnection,
    turn: MutexGuard<'a, Option<Idle>>,
}

impl Connection {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            idle: Mutex::new(None),
        }
    }

    /// Waits for its turn, and connects if need be.
    pub(super) async fn lease(&self) -> Result<Lease<'_>, StatsError> {
        let mut turn = self.idle.lock().await;
        let connection = match turn.take() {
            Some(idle) => self.revive(idle).await?,
            None => self.connect().await?,
        };
        Ok(Lease { connection, turn })
    }

    async fn revive(&self, mut idle: Idle) -> Result<MultiplexedConnection, StatsError> {
        if idle.since.elapsed() > STALE && ping(&mut idle.connection).await.is_err() {
            return self.connect().await;
        }
        Ok(idle.connection)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, StatsError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            // Calls are bounded as a whole.
            .set_response_timeout(None);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        Ok(connecting.await?)
    }
}

impl Lease<'_> {
    /// Keeps the connection for the next caller; only when nothing is left open on it.
    pub(super) fn give_back(mut self) {
        *self.turn = Some(Idle {
            connection: self.connection,
            since: Instant::now(),
        });
    }
}

/// Asks whether Redis answers.
pub(super) async fn ping(connection: &mut MultiplexedConnection) -> Result<(), StatsError> {
    Ok(redis::cmd("PING").exec_async(connection).await?)
}

/// Gives `call` two seconds.
pub(super) async fn bounded<T>(
    call: impl Future<Output = Result<T, StatsError>>,
) -> Result<T, StatsError> {
    let answered = tokio::time::timeout(BOUND, call).await;
    answered.unwrap_or(Err(StatsError::TimedOut))
}
