//! Lines of the log that clients can cause at any rate.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// The most lines per second.
const LINES: u64 = 10;

/// The origin of the seconds that are counted.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Lets at most [`LINES`] lines per second through.
pub(crate) struct Throttle {
    second: AtomicU64,
    lines: AtomicU64,
    left_out: AtomicU64,
}

impl Throttle {
    pub(crate) const fn new() -> Self {
        Self {
            second: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether a line may be written now, and how many were left out since the last one.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.pass_in(START.elapsed().as_secs())
    }

    fn pass_in(&self, second: u64) -> Option<u64> {
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.lines.store(0, Ordering::Relaxed);
        }
        if self.lines.fetch_add(1, Ordering::Relaxed) < LINES {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_failures_is_a_trickle_of_lines() {
        let throttle = Throttle::new();
        let written = (0..1000).filter_map(|_| throttle.pass_in(7)).count();
        assert_eq!(written, 10);
        assert_eq!(throttle.pass_in(8), Some(990));
        assert_eq!(throttle.pass_in(8), Some(0));
    }
}
