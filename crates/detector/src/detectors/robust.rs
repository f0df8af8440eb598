//! Median and scale: an anomaly lies farther from the median than normal points do, on either side.
//!
//! Finds values that are too high or too low; blind to seasons and drift. A few anomalies among the
//! training points hardly move the median, but they widen the limit. The parameter `contamination`
//! leaves out that fraction of the farthest points.

use contract::{DetectorName, Params, Point, Sides};
use serde::{Deserialize, Serialize};

use crate::{
    Band, Verdict,
    calibration::Calibration,
    detector::{Detector, Forecasting, scores_by_forecast},
    forecast::Forecast,
    online::ForecastMonitor,
    params::{Param, Settings},
    series::{
        quantile,
        scale::{self, STANDARD_LIMIT},
    },
    verdict::ScoringRule,
    warning::Warnings,
};

/// Median and scale of the training values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Robust {
    median: f64,
    scale: f64,
    contamination: f64,
    points: u64,
    /// The distribution of distances from the median.
    calibration: Calibration,
}

/// The fraction of the training points that is taken for anomalies.
pub(crate) const CONTAMINATION: Param = Param {
    name: "contamination",
    range: (0.0, 0.4),
    whole: false,
};

/// The step of the median in a session, as a fraction of the scale.
const PACE: f64 = 0.01;

impl Detector for Robust {
    type State = ();
    type Online = ForecastMonitor<Self>;
    const NAME: DetectorName = DetectorName::Robust;
    const PARAMS: &'static [Param] = &[CONTAMINATION];

    fn fit(points: &[Point], settings: &Settings, _: &mut Warnings) -> Self {
        let values: Vec<f64> = points.iter().map(|p| p.value).collect();
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let contamination = settings.get(CONTAMINATION.name).unwrap_or(0.0);
        let mut distances = quantile::distances_from_others(&values, &sorted);
        let farthest = largest_kept(&distances, contamination);
        let mut kept = distances.iter().map(|distance| *distance <= farthest);
        let mut normal = values;
        normal.retain(|_| kept.next().unwrap_or(true));
        distances.retain(|distance| *distance <= farthest);
        let scale = scale::of_any(&normal);
        Self {
            median: quantile::median(&sorted),
            scale,
            contamination,
            points: points.len() as u64,
            calibration: Calibration::fit(&distances, scale),
        }
    }

    scores_by_forecast!();

    fn online(&self, _: &ScoringRule) -> ForecastMonitor<Self> {
        ForecastMonitor::new(*self, (), self.points as f64)
    }

    fn params(&self) -> Params {
        Params::from([(CONTAMINATION.name.to_owned(), self.contamination)])
    }

    fn is_sound(&self) -> bool {
        self.median.is_finite()
            && self.scale.is_finite()
            && self.scale > 0.0
            && CONTAMINATION.takes(self.contamination)
            && self.calibration.is_sound()
    }
}

impl Forecasting for Robust {
    fn forecast(&self, (): &(), _: i64) -> Forecast<'_> {
        Forecast {
            expected: self.median,
            calibration: &self.calibration,
            sees: Sides::Both,
            own_limit: None,
            of_alarms: false,
        }
    }

    /// The median moves towards the point by a step that depends on the side only, not on the
    /// distance of the point.
    fn learn(&mut self, (): &mut (), point: Point, _: f64) {
        let step = PACE * self.scale;
        let moved = self.median + (point.value - self.median).clamp(-step, step);
        self.median = moved.clamp(-f64::MAX, f64::MAX);
    }
}

/// The largest of `distances` if a fraction `contamination` of the farthest is left out.
fn largest_kept(distances: &[f64], contamination: f64) -> f64 {
    let kept = ((1.0 - contamination) * distances.len() as f64).ceil() as usize;
    let mut sorted = distances.to_vec();
    *sorted
        .select_nth_unstable_by(kept.max(1) - 1, f64::total_cmp)
        .1
}

impl Robust {
    /// The scale of the training values; over 0.
    pub(crate) fn scale(&self) -> f64 {
        self.scale
    }

    /// The median.
    pub(crate) fn median(&self) -> f64 {
        self.median
    }

    /// `value` in scales from the median, at most [`STANDARD_LIMIT`] of them.
    pub(crate) fn standard(&self, value: f64) -> f64 {
        // In halves, so that no difference overflows.
        let scales = 2.0 * ((value / 2.0 - self.median / 2.0) / self.scale);
        scales.clamp(-STANDARD_LIMIT, STANDARD_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use contract::JudgeOptions;

    use super::*;

    fn fit(values: impl IntoIterator<Item = f64>, contamination: Option<f64>) -> Robust {
        let points: Vec<Point> = (0..)
            .zip(values)
            .map(|(timestamp, value)| Point { timestamp, value })
            .collect();
        let params = contamination.map(|share| (CONTAMINATION.name.to_owned(), share));
        let params = Params::from_iter(params);
        let settings = Settings::new(&params, Robust::PARAMS).unwrap();
        Robust::fit(&points, &settings, &mut Warnings::default())
    }

    fn limits(robust: &Robust) -> (f64, f64) {
        let rule = ScoringRule::new(None, None, &JudgeOptions::default());
        let band = robust.band(0, &rule);
        (band.lower.unwrap(), band.upper.unwrap())
    }

    /// 0, 1, … 9, over and over.
    fn digits(n: usize) -> impl Iterator<Item = f64> {
        (0..n).map(|i| (i % 10) as f64)
    }

    #[test]
    fn what_lies_far_on_either_side_is_an_anomaly() {
        let (lower, upper) = limits(&fit(digits(1_000), None));
        assert!((-5.0..0.0).contains(&lower), "{lower}");
        assert!((9.0..14.0).contains(&upper), "{upper}");
    }

    #[test]
    fn anomalies_in_training_count_unless_they_are_left_out() {
        let spoilt = || digits(990).chain([1e6; 10]);
        assert!(limits(&fit(spoilt(), None)).1 > 1e5);
        assert!(limits(&fit(spoilt(), Some(0.01))).1 < 14.0);
    }

    #[test]
    fn three_points_are_enough() {
        let (lower, upper) = limits(&fit([12.0, 12.5, 13.0], None));
        assert!(
            lower < 12.0 && upper > 13.0 && upper < 30.0,
            "{lower} {upper}"
        );
    }
}
