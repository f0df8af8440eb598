//! One backend: its address, and whether it accepts connections and answers.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        LazyLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, time::timeout};

use crate::origin::Origin;

/// How long a backend that did not accept is asked only after the others.
const EJECTED_FOR: Duration = Duration::from_millis(500);

/// How long a backend has to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a backend with requests may be silent before it is suspected to hang.
const SUSPICIOUS_SILENCE: Duration = Duration::from_secs(1);

/// The origin of the times in [`Backend`].
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// One process that answers for a service.
pub(super) struct Backend {
    origin: Origin,
    /// Its address; `None` for a name that was not looked up yet.
    address: Option<SocketAddr>,
    /// Milliseconds after [`START`] until which it counts as ejected, because it did not accept.
    ejected_until: AtomicU64,
    /// It accepts, but did not answer in time. It counts as ejected until a probe is answered.
    hangs: AtomicBool,
    /// Connections of their own that carry a request to it.
    busy: AtomicUsize,
    /// Milliseconds after [`START`] when the last of these requests was answered, or the first of
    /// them began.
    answered: AtomicU64,
}

impl Backend {
    pub(super) fn new(origin: Origin, address: Option<SocketAddr>) -> Self {
        Self {
            origin,
            address,
            ejected_until: AtomicU64::new(0),
            hangs: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
        }
    }

    /// Host and port as they were configured.
    pub(super) fn authority(&self) -> &str {
        &self.origin.authority
    }

    /// The value of the `host` header of a request to it, and the header lines that follow.
    pub(super) fn host_lines(&self) -> &str {
        &self.origin.host_lines
    }

    /// Whether it is the backend of `origin` at `address`.
    pub(super) fn is_at(&self, origin: &Origin, address: SocketAddr) -> bool {
        self.address == Some(address) && self.origin == *origin
    }

    /// Whether it is one of those of `origin`.
    pub(super) fn is_of(&self, origin: &Origin) -> bool {
        self.origin == *origin
    }

    /// Whether it did not accept a moment ago, or hangs.
    pub(super) fn is_ejected(&self) -> bool {
        // The clock is read only for a backend that was ejected at some time.
        let until = self.ejected_until.load(Relaxed);
        self.hangs() || (until != 0 && now_millis() < until)
    }

    /// Whether it accepts connections and does not answer.
    pub(super) fn hangs(&self) -> bool {
        self.hangs.load(Relaxed)
    }

    /// Notes whether it hangs.
    pub(super) fn set_hangs(&self, hangs: bool) {
        if self.hangs.swap(hangs, Relaxed) != hangs {
            match hangs {
                true => tracing::warn!(backend = %self, "does not answer and is left out"),
                false => tracing::info!(backend = %self, "answers again"),
            }
        }
    }

    /// How many requests it has on connections of their own.
    pub(super) fn busy(&self) -> usize {
        self.busy.load(Relaxed)
    }

    /// A request on a connection of its own begins.
    pub(super) fn begins(&self) {
        if self.busy.fetch_add(1, Relaxed) == 0 {
            self.answers();
        }
    }

    /// A request on a connection of its own ends.
    pub(super) fn ends(&self) {
        self.busy.fetch_sub(1, Relaxed);
    }

    /// It has answered.
    pub(super) fn answers(&self) {
        self.answered.store(now_millis(), Relaxed);
    }

    /// Whether a probe has to tell if it hangs: it is thought to, or has been silent for long.
    pub(super) fn is_suspicious(&self) -> bool {
        let silent = now_millis().saturating_sub(self.answered.load(Relaxed));
        self.hangs() || (self.busy() > 0 && silent > millis(SUSPICIOUS_SILENCE))
    }

    /// A new connection, within a second. A backend that does not accept is ejected for a while.
    ///
    /// # Errors
    /// Why it, or the last of the addresses of its name, gave no connection.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let host = (self.origin.host.as_str(), self.origin.port);
        let connecting = async {
            match self.address {
                Some(address) => TcpStream::connect(address).await,
                None => TcpStream::connect(host).await,
            }
        };
        let result = match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(result) => result,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        let until = match &result {
            Ok(_) => 0,
            Err(_) => now_millis() + millis(EJECTED_FOR),
        };
        self.ejected_until.store(until, Relaxed);
        let stream = result?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Host and port as they were configured, and the address if that says something else.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.authority())?;
        match self.address {
            Some(address) if self.origin.address().is_none() => write!(f, " ({address})"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
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

    fn backend(host: &str, port: u16) -> Backend {
        let origin = Origin {
            host: host.to_owned(),
            port,
            authority: format!("{host}:{port}"),
            host_lines: String::new(),
        };
        let address = origin.address();
        Backend::new(origin, address)
    }

    #[tokio::test]
    async fn a_backend_is_ejected_from_a_refusal_to_the_next_connection() -> anyhow::Result<()> {
        let port = ReservedPort::new()?;
        let backend = backend("127.0.0.1", port.addr().port());
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
        assert!(backend("no-such-host.invalid", 1).connect().await.is_err());
    }

    #[test]
    fn one_is_suspected_while_it_has_requests_and_is_silent() {
        let backend = backend("127.0.0.1", 1);
        backend.begins();
        assert!(!backend.is_suspicious());
        // As if that had been long ago.
        backend.answered.store(0, Relaxed);
        let long = millis(SUSPICIOUS_SILENCE) + 1;
        assert_eq!(backend.is_suspicious(), now_millis() > long);
        backend.ends();
        assert!(!backend.is_suspicious());
        backend.set_hangs(true);
        assert!(backend.is_suspicious() && backend.is_ejected());
    }
}
