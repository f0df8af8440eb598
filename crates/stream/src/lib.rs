//! One series as a fold over the records of its log: points in, verdicts and anomalies out.
//!
//! The crate is pure computation: no I/O, no async, no clock, no randomness. A [`Stream`] that has
//! taken the same inputs has the same bits, whichever process computed it. So any process may be
//! killed, doubled or moved, and a replay of the log finds the same verdicts and the same anomalies
//! under the same ids.
//!
//! ```
//! use contract::{Point, PointStatus, SeriesId, StreamOptions};
//! use stream::{Arrival, Beginning, Findings, Stream};
//!
//! let series = SeriesId::new("sensor_01").expect("a valid id");
//! let mut stream = Stream::begin(series, StreamOptions::default(), Beginning::Nothing, 0);
//! let mut findings = Findings::default();
//! for i in 0..100 {
//!     let point = Point { timestamp: 60 * i, value: 10.0 + (i * 7_919 % 101) as f64 / 100.0 };
//!     let arrival = Arrival { at_ms: 60_000 * i, watched_ms: 60_000 * i, quiet: false };
//!     let observed = stream.observe(arrival, &[point], &mut findings);
//!     let status = if i < 2 { PointStatus::Learning } else { PointStatus::Judged };
//!     assert_eq!(observed[0].status, status);
//! }
//! let again = Point { timestamp: 60 * 99, value: 10.0 + (99 * 7_919 % 101) as f64 / 100.0 };
//! let arrival = Arrival { at_ms: 0, watched_ms: 0, quiet: false };
//! let observed = stream.observe(arrival, &[again], &mut findings);
//! assert_eq!(observed[0].status, PointStatus::Duplicate);
//!
//! // A stream is bytes too, and goes on from them as if nothing had happened.
//! assert_eq!(Stream::from_bytes(&stream.to_bytes()).expect("unchanged bytes"), stream);
//! ```
//!
//! # Rules
//!
//! - **Clock.** A point counts if its timestamp is above the last one. One of the last eight points
//!   again is a duplicate and gets its verdict again; with another value it is a conflict. Anything
//!   else that is not above the last timestamp is late. More than a million usual steps ahead is
//!   implausible. None of these is learned.
//! - **Warm-up.** Verdicts begin at the third point, or at the tenth if all values are equal. The
//!   session is fitted anew on all points so far at 10, 30, 90 and 270 points, and for the last time
//!   at the warm-up's end. From then on verdicts are those of `detector::detect` on the whole series
//!   with that many training points, bit for bit.
//! - **Silence.** A series is missing when no point has come for five usual gaps, at least a minute.

mod anomalies;
mod arrivals;
mod clock;
mod given;
mod learner;
mod points;
mod reorder;
mod stored;
mod stream;
mod timeline;

pub use anomalies::{Finding, Findings};
pub use learner::Beginning;
pub use stored::{BadStream, FORMAT};
pub use stream::{Arrival, Observed, Stream};
pub use timeline::{Timeline, TimelineState};

#[cfg(test)]
mod tests;
