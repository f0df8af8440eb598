//! The recorded rule: an anomaly lies above the mean by more than three population standard
//! deviations.
//!
//! If a rate is named, the calibrated limit decides instead. Finds values that are too high; blind
//! to drops, seasons and drift.

use contract::{DetectorName, Params, Point, Sides};
use serde::{Deserialize, Serialize};

use crate::{
    Band, Verdict,
    calibration::Calibration,
    detector::{Detector, Forecasting, scores_by_forecast},
    forecast::Forecast,
    online::ForecastMonitor,
    params::{Param, Settings},
    series::scale,
    verdict::ScoringRule,
    warning::Warnings,
};

/// Mean and standard deviation of the training values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sigma {
    mean: f64,
    std: f64,
    /// Standard deviations above the mean at which normal ends.
    sigmas: f64,
    /// The number of points behind mean and deviation.
    weight: f64,
    /// The distribution of signed distances from the mean.
    calibration: Calibration,
}

/// Standard deviations above the mean at which normal ends.
const LIMIT: f64 = 3.0;

const SIGMAS: Param = Param {
    name: "sigmas",
    range: (0.5, 100.0),
    whole: false,
};

/// The largest number of points behind mean and deviation in a session: older ones fade.
const MEMORY: f64 = 10_000.0;

impl Detector for Sigma {
    type State = ();
    type Online = ForecastMonitor<Self>;
    const NAME: DetectorName = DetectorName::Sigma;
    const PARAMS: &'static [Param] = &[SIGMAS];

    fn fit(points: &[Point], settings: &Settings, _: &mut Warnings) -> Self {
        let (mean, std) = mean_and_deviation(points);
        let n = points.len() as f64;
        // Measured from the mean of the other points, as a new point is: each has drawn the mean
        // towards itself.
        let alone = n / (n - 1.0);
        let distance = |p: &Point| ((p.value - mean) * alone).clamp(-f64::MAX, f64::MAX);
        let distances: Vec<f64> = points.iter().map(distance).collect();
        let scale = if std > 0.0 {
            std
        } else {
            scale::of_constant(mean)
        };
        Self {
            mean,
            std,
            sigmas: settings.get(SIGMAS.name).unwrap_or(LIMIT),
            weight: n,
            calibration: Calibration::fit(&distances, scale),
        }
    }

    scores_by_forecast!();

    fn online(&self, _: &ScoringRule) -> ForecastMonitor<Self> {
        ForecastMonitor::new(*self, (), self.weight)
    }

    fn params(&self) -> Params {
        Params::from([(SIGMAS.name.to_owned(), self.sigmas)])
    }

    fn is_sound(&self) -> bool {
        self.mean.is_finite()
            && self.std.is_finite()
            && self.std >= 0.0
            && SIGMAS.takes(self.sigmas)
            && self.weight >= 1.0
            && self.weight.is_finite()
            && self.calibration.is_sound()
    }
}

impl Forecasting for Sigma {
    fn forecast(&self, (): &(), _: i64) -> Forecast<'_> {
        Forecast {
            expected: self.mean,
            calibration: &self.calibration,
            sees: Sides::Above,
            own_limit: Some(self.sigmas * self.std),
            of_alarms: false,
        }
    }

    fn learn(&mut self, (): &mut (), point: Point, limit: f64) {
        let clip = limit.max(self.sigmas * self.std);
        let distance = (point.value - self.mean).clamp(-clip, clip);
        let part = 1.0 / (self.weight.min(MEMORY) + 1.0);
        self.weight += 1.0;
        self.mean = (self.mean + part * distance).clamp(-f64::MAX, f64::MAX);
        // Welford's update in the unit of the deviation, so that no square overflows.
        if self.std > 0.0 {
            let ratio = distance / self.std;
            let grown = ((1.0 - part) * (1.0 + part * ratio * ratio)).sqrt();
            self.std = (self.std * grown).clamp(f64::MIN_POSITIVE, f64::MAX);
        }
    }
}

impl Sigma {
    /// A model of storage format 1, which kept mean and deviation only: its p-values are those of a
    /// normal distribution.
    pub(crate) fn recorded(mean: f64, std: f64, points: u64) -> Self {
        let distances: Vec<f64> = (1..NORMAL_POINTS)
            .map(|i| {
                std.min(f64::MAX / 8.0) * normal_quantile(f64::from(i) / f64::from(NORMAL_POINTS))
            })
            .collect();
        Self {
            mean,
            std,
            sigmas: LIMIT,
            weight: points.max(1) as f64,
            calibration: Calibration::fit(&distances, std),
        }
    }
}

/// The number of quantiles that stand for a normal distribution.
const NORMAL_POINTS: u32 = 2_000;

/// The standard normal quantile, to about 0.005 (Shore, "Simple approximations for the inverse
/// cumulative function", 1982).
fn normal_quantile(p: f64) -> f64 {
    if p < 0.5 {
        return -normal_quantile(1.0 - p);
    }
    5.5556 * (1.0 - ((1.0 - p) / p).powf(0.1186))
}

/// Mean and population standard deviation of `points` (at least one, all finite), in two passes.
///
/// Values are scaled by a power of two first, which costs no precision, so that neither squares nor
/// sums overflow or vanish.
fn mean_and_deviation(points: &[Point]) -> (f64, f64) {
    let value = points[0].value;
    if points.iter().all(|p| p.value == value) {
        // Exactly: the mean of many equal values would be rounded.
        return (value, 0.0);
    }
    let largest = points.iter().fold(0.0_f64, |max, p| max.max(p.value.abs()));
    let unit = scale::power_of_two_near(largest);
    let n = points.len() as f64;
    let mean = points.iter().map(|p| p.value / unit).sum::<f64>() / n;
    let squares = points.iter().map(|p| (p.value / unit - mean).powi(2));
    let variance = squares.sum::<f64>() / n;
    (
        (mean * unit).clamp(-f64::MAX, f64::MAX),
        (variance.sqrt() * unit).min(f64::MAX),
    )
}

#[cfg(test)]
mod tests {
    use contract::JudgeOptions;

    use super::*;

    const PLAIN: JudgeOptions = JudgeOptions {
        false_alarm_rate: None,
        direction: None,
        min_deviation: None,
    };

    fn fit(values: &[f64]) -> Sigma {
        let points: Vec<Point> = values
            .iter()
            .map(|&value| Point {
                timestamp: 0,
                value,
            })
            .collect();
        Sigma::fit(&points, &Settings::default(), &mut Warnings::default())
    }

    fn anomalous(sigma: &Sigma, value: f64) -> bool {
        let point = Point {
            timestamp: 0,
            value,
        };
        let rule = ScoringRule::new(None, None, &PLAIN);
        sigma.score(&mut (), point, &rule).anomaly
    }

    #[test]
    fn the_limit_itself_is_normal() {
        let sigma = fit(&[1.0, 1.0, 3.0, 3.0]);
        assert_eq!((sigma.mean, sigma.std), (2.0, 1.0));
        assert!(!anomalous(&sigma, 5.0));
        assert!(anomalous(&sigma, 5.0_f64.next_up()));
    }

    #[test]
    fn the_deviation_is_that_of_the_population() {
        let sigma = fit(&[1.0, 2.0, 3.0]);
        assert!(!anomalous(&sigma, 4.4494) && anomalous(&sigma, 4.4496));
    }

    #[test]
    fn drops_are_normal_whatever_their_depth() {
        assert!(!anomalous(&fit(&[1.0, 2.0, 3.0]), -1e300));
    }

    #[test]
    fn the_largest_and_smallest_values_neither_overflow_nor_vanish() {
        let large = fit(&[f64::MAX, -f64::MAX, f64::MAX]);
        assert!(large.is_sound() && large.std > 1e307 && !anomalous(&large, f64::MAX));
        let small = fit(&[1e-320, 2e-320, 3e-320]);
        assert!(small.std > 0.0 && anomalous(&small, 9e-320) && !anomalous(&small, 3e-320));
    }

    #[test]
    fn what_is_learned_of_normal_points_changes_little_and_of_far_ones_no_more() {
        let mut sigma = fit(&[1.0, 1.0, 3.0, 3.0]);
        sigma.weight = 100.0;
        let before = sigma;
        let mut far = sigma;
        sigma.learn(
            &mut (),
            Point {
                timestamp: 0,
                value: 5.0,
            },
            3.0,
        );
        far.learn(
            &mut (),
            Point {
                timestamp: 0,
                value: 1e300,
            },
            3.0,
        );
        assert_eq!(sigma, far);
        assert!(sigma.mean > before.mean && sigma.mean < 2.05 && sigma.std < 1.1);
    }
}
