//! The port of a service that also runs embedded in another process.

use std::net::SocketAddr;

use http_server::{Handler, Listener, ServerConfig, ServiceToken};
use tokio_util::sync::CancellationToken;

use crate::health;

/// A bound port, or none for an embedded service, which its process calls as a function.
#[derive(Default)]
pub struct Port {
    bound: Option<(Listener, ServerConfig)>,
    token: Option<ServiceToken>,
}

impl Port {
    /// Binds `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(addr: SocketAddr, server: ServerConfig) -> anyhow::Result<Self> {
        Ok(Self {
            bound: Some((Listener::bind(addr)?, server)),
            token: None,
        })
    }

    /// Answers nothing but health checks to callers without `token`, if there is one.
    #[must_use]
    pub fn with_token(self, token: Option<ServiceToken>) -> Self {
        Self { token, ..self }
    }

    /// The address it listens on.
    ///
    /// # Panics
    /// When the service is embedded.
    pub fn addr(&self) -> SocketAddr {
        let (listener, _) = self
            .bound
            .as_ref()
            .expect("an embedded service has no address");
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
        match self.bound {
            Some((listener, server)) => {
                let app = app.into().demanding(self.token, &health::PATHS);
                http_server::serve(listener, app, server, shutdown).await
            }
            None => {
                shutdown.cancelled().await;
                Ok(())
            }
        }
    }
}
