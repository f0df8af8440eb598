//! Learns what is normal for a series and judges points: fit, score, and models as data.
//!
//! No I/O, no async, no clock, no chance: the same points give the same model and the same verdicts, bit for bit.
//! A detector is one module with a type that implements `Detector`, and one line in `learned.rs`.

mod auto;
mod calibration;
mod detector;
mod ewma;
mod forecast;
mod format;
mod learned;
mod model;
mod order;
mod parallel;
mod params;
mod reason;
mod robust;
mod seasonal;
mod session;
mod sigma;
pub mod stream;
mod text;
mod verdict;
mod warning;

pub use format::{BadModel, FORMAT};
pub use model::{Fitted, Frozen, MIN_POINTS, Model, Unfit};
pub use params::BadParam;
pub use reason::Reason;
pub use session::{ChangePoint, Detection, Episode, Judged, Session, detect};
pub use verdict::{Band, DEFAULT_RATE, Verdict};
pub use warning::Warning;

#[cfg(test)]
mod tests;
