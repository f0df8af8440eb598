//! One backend: its addresses, and whether it accepted connections a moment ago.

use std::{
    io,
    net::SocketAddr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, sync::Mutex, time::timeout};

use crate::origin::Origin;

/// How long a backend that did not accept is asked only after the others.
const EJECTED_FOR: Duration = Duration::from_millis(500);

/// How long a backend has to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the addresses of a name are used before it is looked up again.
const ADDRESSES_LAST: Duration = Duration::from_secs(5);

/// The origin of [`Backend::ejected_until`].
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// One process that answers for a service.
pub(super) struct Backend {
    origin: Origin,
    /// Milliseconds after [`START`] until which it counts as ejected.
    ejected_until: AtomicU64,
    addresses: Mutex<Option<Addresses>>,
    /// The address that is tried first next time.
    turn: AtomicUsize,
}

struct Addresses {
    found: Vec<SocketAddr>,
    at: Instant,
}

impl Backend {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            origin,
            ejected_until: AtomicU64::new(0),
            addresses: Mutex::new(None),
            turn: AtomicUsize::new(0),
        }
    }

    /// Host and port as they were configured.
    pub(super) fn authority(&self) -> &str {
        &self.origin.authority
    }

    /// Whether it did not accept a moment ago.
    pub(super) fn is_ejected(&self) -> bool {
        // The clock is read only for a backend that was ejected at some time.
        let until = self.ejected_until.load(Ordering::Relaxed);
        until != 0 && now_millis() < until
    }

    /// A new connection, within a second. A backend that does not accept is ejected for a while.
    ///
    /// # Errors
    /// Why the last of its addresses, or its name, gave no connection.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let result = match timeout(CONNECT_TIMEOUT, self.try_addresses()).await {
            Ok(result) => result,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        let until = match &result {
            Ok(_) => 0,
            Err(_) => now_millis() + millis(EJECTED_FOR),
        };
        self.ejected_until.store(until, Ordering::Relaxed);
        let stream = result?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn try_addresses(&self) -> io::Result<TcpStream> {
        let addresses = self.addresses().await?;
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "name has no address");
        for step in 0..addresses.len() {
            let address = addresses[first.wrapping_add(step) % addresses.len()];
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        // The name may belong to another machine by now.
        *self.addresses.lock().await = None;
        Err(failure)
    }

    /// The addresses of the host. There is one lookup at a time, because each takes a thread.
    async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let mut known = self.addresses.lock().await;
        if let Some(addresses) = &*known
            && addresses.at.elapsed() < ADDRESSES_LAST
        {
            return Ok(addresses.found.clone());
        }
        let host = (self.origin.host.as_str(), self.origin.port);
        let found: Vec<_> = tokio::net::lookup_host(host).await?.collect();
        *known = Some(Addresses {
            found: found.clone(),
            at: Instant::now(),
        });
        Ok(found)
    }
}

fn now_millis() -> u64 {
    millis(START.elapsed())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ReservedPort;

    fn backend(port: u16) -> Backend {
        Backend::new(Origin {
            host: "127.0.0.1".to_owned(),
            port,
            authority: format!("127.0.0.1:{port}"),
        })
    }

    #[tokio::test]
    async fn a_backend_is_ejected_from_a_refusal_to_the_next_connection() -> anyhow::Result<()> {
        let port = ReservedPort::new()?;
        let backend = backend(port.addr().port());
        assert!(!backend.is_ejected());
        assert!(backend.connect().await.is_err());
        assert!(backend.is_ejected());
        let _listener = port.listen()?;
        backend.connect().await?;
        assert!(!backend.is_ejected());
        Ok(())
    }

    #[tokio::test]
    async fn a_name_without_address_is_an_error() {
        let mut backend = backend(1);
        backend.origin.host = "no-such-host.invalid".to_owned();
        assert!(backend.connect().await.is_err());
    }
}
