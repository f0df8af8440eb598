//! The port for operators: `/metrics` in Prometheus text, `/livez`, `/readyz`. Never the public port.

use std::net::SocketAddr;

use tokio_util::sync::CancellationToken;

use crate::{health::Health, http::Listener};

/// The admin server of one process: the default Prometheus registry and `health`.
pub struct Admin(Listener, Health);

impl Admin {
    /// Binds `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(addr: SocketAddr, health: Health) -> anyhow::Result<Self> {
        todo!("{addr}{:?}", std::any::type_name_of_val(&health))
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// Serves until `shutdown` is cancelled.
    ///
    /// # Errors
    /// When serving fails.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        todo!("{shutdown:?} {:?}", std::any::type_name_of_val(&self.1))
    }
}
