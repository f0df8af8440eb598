//! Counters that calls over HTTP keep up to date.

use prometheus::IntCounter;

/// Counters of calls over HTTP. Whoever makes them registers them, under names of its choice.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Connections that were tried.
    pub connects: IntCounter,
    /// Connections that were tried and failed.
    pub connect_errors: IntCounter,
    /// Calls repeated because a used connection had ended.
    pub retries: IntCounter,
    /// Calls repeated on a connection of their own because the service had to load something first.
    pub misses: IntCounter,
}

#[cfg(test)]
impl Metrics {
    /// Counters that nobody reads.
    pub(crate) fn unread() -> Self {
        let counter = |name| IntCounter::new(name, name).expect("a valid name");
        Self {
            connects: counter("connects"),
            connect_errors: counter("connect_errors"),
            retries: counter("retries"),
            misses: counter("misses"),
        }
    }
}
