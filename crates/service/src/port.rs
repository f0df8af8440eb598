//! The port of a service that also runs embedded in another process.

use std::net::SocketAddr;

use http_server::{Handler, Listener, ServerConfig};
use tokio_util::sync::CancellationToken;

/// A bound port, or none for an embedded service, which its process calls as a function.
#[derive(Default)]
pub struct Port(Option<(Listener, ServerConfig)>);

impl Port {
    /// Binds `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(addr: SocketAddr, server: ServerConfig) -> anyhow::Result<Self> {
        Ok(Self(Some((Listener::bind(addr)?, server))))
    }

    /// The address it listens on.
    ///
    /// # Panics
    /// When the service is embedded.
    pub fn addr(&self) -> SocketAddr {
        let (listener, _) = self.0.as_ref().expect("an embedded service has no address");
        listener.addr()
    }

    /// Serves `app` until `shutdown` is cancelled. Without a port it only waits for that.
    ///
    /// # Errors
    /// When a worker cannot be started.
    pub async fn serve(
        self,
        app: impl Into<Handler>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        match self.0 {
            Some((listener, server)) => http_server::serve(listener, app, server, shutdown).await,
            None => {
                shutdown.cancelled().await;
                Ok(())
            }
        }
    }
}
