//! Learns what is normal for a series and judges points: fit, score, and models as data.
//!
//! No I/O, no async, no clock, no chance: the same points give the same model and the same verdicts, bit for bit.
//! A detector is one module with a type that implements `Detector`, and one line in `detectors/mod.rs`.

mod bytes;
mod calibration;
mod detector;
mod detectors;
mod forecast;
mod model;
mod online;
mod parallel;
mod params;
mod reason;
mod series;
mod session;
mod text;
mod verdict;
mod warning;

pub use detectors::auto::streaming;
pub use model::format::{BadModel, FORMAT};
pub use model::{Fitted, FixedScorer, MIN_POINTS, Model, Unfit};
pub use params::BadParam;
pub use reason::Reason;
pub use session::{ChangePoint, Detection, Episode, Judged, Session, detect};
pub use verdict::{Band, DEFAULT_RATE, Verdict};
pub use warning::Warning;

#[cfg(test)]
mod tests;
