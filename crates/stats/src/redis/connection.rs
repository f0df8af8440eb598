//! One connection to Redis that one caller at a time has for itself. It is replaced when anything
//! goes wrong.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use tokio::sync::{Mutex, MutexGuard};

use crate::StatsError;

/// How long a call may take, including the wait for its turn and connecting.
const BOUND: Duration = Duration::from_secs(2);

/// How long connecting may take. A name with a dead address leaves time for a second attempt.
const CONNECT: Duration = Duration::from_millis(1_500);

/// A connection that was unused for longer is checked first: Redis may have been restarted
/// meanwhile.
const STALE: Duration = Duration::from_millis(500);

/// A connection, and the turn to use it.
pub(super) struct Connection {
    client: Client,
    idle: Mutex<Option<Idle>>,
}

struct Idle {
    connection: MultiplexedConnection,
    since: Instant,
}

/// A connection in use. It is closed unless it is given back: a call that was cut off may have left
/// a `WATCH`, or replies that the next call would take for its own.
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

    /// Waits for its turn, and connects if necessary.
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
            // The call as a whole has a time limit.
            .set_response_timeout(None);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        Ok(connecting.await?)
    }
}

impl Lease<'_> {
    /// Keeps the connection for the next caller. Nothing may be left open on it.
    pub(super) fn give_back(mut self) {
        *self.turn = Some(Idle {
            connection: self.connection,
            since: Instant::now(),
        });
    }
}

/// Checks that Redis answers.
pub(super) async fn ping(connection: &mut MultiplexedConnection) -> Result<(), StatsError> {
    Ok(redis::cmd("PING").exec_async(connection).await?)
}

/// Limits `call` to two seconds.
pub(super) async fn bounded<T>(
    call: impl Future<Output = Result<T, StatsError>>,
) -> Result<T, StatsError> {
    let answered = tokio::time::timeout(BOUND, call).await;
    answered.unwrap_or(Err(StatsError::TimedOut))
}
