//! Anomaly detection for series of numbers: fit a model, score points against it, or follow a
//! series in a session that keeps learning.
//!
//! The crate is pure computation: no I/O, no async, no clock, no randomness.
//!
//! # Fit and score
//!
//! A [`Model`] is fitted once and never changes. [`Model::score`] judges one point, with the points
//! before it as `context` if there are any.
//!
//! ```
//! use contract::{DetectorName, Direction, FitOptions, JudgeOptions, Point};
//! use detector::Model;
//!
//! // Three weeks of hourly values with a daily rhythm and a little noise.
//! let hour = |i: i64| Point {
//!     timestamp: 1_700_000_000 + 3_600 * i,
//!     value: 100.0 + 40.0 * (i as f64 * std::f64::consts::TAU / 24.0).sin()
//!         + (i * 7_919 % 101) as f64 / 20.0,
//! };
//! let weeks: Vec<Point> = (0..504).map(hour).collect();
//! let fitted = Model::fit(&weeks, &FitOptions::default(), DetectorName::Auto)?;
//! let model = fitted.model;
//! assert_eq!(model.period(), Some(24));
//!
//! let options = JudgeOptions::default();
//! let usual = model.score(&[], hour(504), &options);
//! assert!(!usual.anomaly && usual.p_value > 0.001);
//!
//! let outlier = Point { value: 300.0, ..hour(504) };
//! let verdict = model.score(&[], outlier, &options);
//! assert!(verdict.anomaly && verdict.p_value <= 0.001);
//! assert_eq!(verdict.direction, Direction::Above);
//! println!("{}", verdict.reason); // 300 is … above the … expected (limit …)
//!
//! // A model is text that brings back the same model, bit by bit.
//! assert_eq!(Model::from_json(&model.to_json())?, model);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Several points in a row are judged by [`Model::fixed_scorer`], which takes each as context of
//! the next and still learns nothing.
//!
//! # Follow a series
//!
//! A [`Session`] learns from every point and raises one alarm for each episode.
//!
//! ```
//! # use contract::{DetectorName, FitOptions, JudgeOptions, Point};
//! # use detector::{Model, Session};
//! # let hour = |i: i64| Point {
//! #     timestamp: 1_700_000_000 + 3_600 * i,
//! #     value: 100.0 + 40.0 * (i as f64 * std::f64::consts::TAU / 24.0).sin()
//! #         + (i * 7_919 % 101) as f64 / 20.0,
//! # };
//! # let weeks: Vec<Point> = (0..504).map(hour).collect();
//! # let model = Model::fit(&weeks, &FitOptions::default(), DetectorName::Auto)?.model;
//! let mut session = model.session(&JudgeOptions::default());
//! let mut alarms = Vec::new();
//! for i in 504..700 {
//!     // An outage of six hours.
//!     let value = if (600..606).contains(&i) { 0.0 } else { hour(i).value };
//!     let judged = session.update(Point { value, ..hour(i) });
//!     if judged.alarm && !judged.escalation {
//!         alarms.push(judged.peak_timestamp);
//!     }
//! }
//! assert!(alarms.iter().any(|at| (hour(600).timestamp..=hour(606).timestamp).contains(at)));
//! assert_eq!(session.episodes().len(), alarms.len());
//!
//! // A session is data too, and goes on from it as if nothing had happened.
//! let mut bytes = Vec::new();
//! ciborium::into_writer(&session, &mut bytes)?;
//! assert_eq!(ciborium::from_reader::<Session, _>(&bytes[..])?, session);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`detect`] does both for a whole series: it fits on the beginning and judges the rest.
//!
//! # What a verdict means
//!
//! | field of [`Verdict`] | meaning |
//! |---|---|
//! | `expected` | the value the detector expected at this point |
//! | `lower`, `upper` | the normal range: the last values that would still have been normal. `None` where a side cannot be an anomaly |
//! | `p_value` | the probability that a normal point is at least as unusual as this one |
//! | `anomaly` | whether `p_value` is at most the false-alarm rate in force, by default [`DEFAULT_RATE`] |
//! | `score` | a ranking in `[0, 1)`: the larger, the more unusual. 0.5 is a p-value of 0.001 |
//! | `severity` | how far the p-value lies below the rate: `low`, from a tenth of it `medium`, from a thousandth `high`, from a millionth `critical` |
//! | `direction` | whether an anomaly lies above or below, or only its pattern is unusual |
//! | `reason` | the same in a sentence with numbers |
//!
//! P-values come from the errors of the training points: the conformal rank `(1 + #{≥})/(n + 1)`,
//! continued beyond the largest few per cent by a generalised Pareto tail. So a rate means the same
//! for every detector. One exception: the detector `sigma`, and `auto` under ten points, decide by
//! `mean + 3·std` where no rate was asked for. A session adds alarms ([`Judged::alarm`]), and a
//! point with an alarm is an anomaly too; the `score` of `auto` there is its own.
//!
//! # Numbers
//!
//! - Values may be any finite numbers. Sums and squares are scaled so that none overflows; results
//!   are clamped to finite numbers. `auto` first clamps values to ±1e150.
//! - The same points give the same model and the same verdicts, bit for bit, on one machine: no sum
//!   depends on the number of threads. `exp`, `ln` and `pow` are those of the platform's
//!   mathematical library, so another platform or processor may differ in the last bits.
//! - P-values are rounded to ten significant digits. Rounding never moves a p-value across the
//!   false-alarm rate: `anomaly` and `p_value` agree. Scores are not rounded, so that no two points
//!   become equal in a ranking.
//! - Nothing panics on any finite values, timestamps, or stored text; text that no fit could have
//!   written is refused.
//!
//! # Sources
//!
//! - Conformal ranks: Vovk, Gammerman and Shafer, *Algorithmic Learning in a Random World*, 2005.
//! - Tails: Pickands, 1975; Hosking and Wallis, 1987; Zhang and Stephens, 2009; for anomalies
//!   Siffer et al., 2017. Clusters of extremes: Ferro and Segers, 2003.
//! - Quantiles: Hyndman and Fan, 1996. Robust scale: Hampel, 1974.
//! - `ewma`: Holt, 1957; Gardner and McKenzie, 1985; Gelper, Fried and Croux, 2010.
//! - `auto` is this project's own: `docs/design/auto.md` is its specification.
//!
//! A further detector is a type that implements `Detector` and a line in `detectors/mod.rs`:
//! `docs/adding-a-detector.md` walks through one.

mod bytes;
mod calibration;
pub mod decomposition;
mod detector;
mod detectors;
mod forecast;
mod forecaster;
mod model;
mod multivariate;
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
pub use model::stored::StoredModel;
pub use model::{Fitted, FixedScorer, MIN_CONSTANT_POINTS, MIN_POINTS, Model, Unfit, WrongUnit};
pub use multivariate::{
    Column, JointDetection, JointEpisode, JointJudged, JointScorer, JointVerdict, JointlyFitted,
    MIN_ROWS, MultivariateModel, Row, detect_columns,
};
pub use params::BadParam;
pub use reason::Reason;
pub use series::gaps::{gaps, is_gap, usual_step};
pub use session::{ChangePoint, Detection, Episode, Judged, Session, ShortJudged, detect};
pub use verdict::{Band, DEFAULT_RATE, Verdict};
pub use warning::Warning;

#[cfg(test)]
mod tests;
