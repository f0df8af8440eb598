//! The last value: an anomaly lies far from the one before. The example of
//! docs/adding-a-detector.md.

use contract::{DetectorName, Params, Point, Sides};
use serde::{Deserialize, Serialize};

use crate::{
    Band, Verdict,
    calibration::Calibration,
    detector::{Detector, Forecasting, scores_by_forecast},
    detectors::robust::Robust,
    forecast::Forecast,
    online::ForecastMonitor,
    params::{Param, Settings},
    verdict::ScoringRule,
    warning::Warnings,
};

/// How far values lie from the one before; and for a first one, from the median.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Last {
    steps: Calibration,
    level: Robust,
    /// The last training value.
    end: f64,
    points: u64,
}

impl Detector for Last {
    /// The value before, if one is known.
    type State = Option<f64>;
    type Online = ForecastMonitor<Self, Option<f64>>;
    const NAME: DetectorName = DetectorName::Robust; // its own word, once the contract has it
    const PARAMS: &'static [Param] = &[];

    fn fit(points: &[Point], _: &Settings, warnings: &mut Warnings) -> Self {
        let level = Robust::fit(points, &Settings::default(), warnings);
        let step = |pair: &[Point]| (pair[1].value - pair[0].value).abs().min(f64::MAX);
        let steps: Vec<f64> = points.windows(2).map(step).collect();
        Self {
            steps: Calibration::fit(&steps, level.scale()),
            level,
            end: points[points.len() - 1].value,
            points: points.len() as u64,
        }
    }

    scores_by_forecast!();

    fn online(&self, _: &ScoringRule) -> Self::Online {
        ForecastMonitor::new(self.clone(), Some(self.end), self.points as f64)
    }

    fn params(&self) -> Params {
        Params::new()
    }

    fn is_sound(&self) -> bool {
        self.steps.is_sound() && self.level.is_sound() && self.end.is_finite()
    }
}

impl Forecasting for Last {
    fn forecast(&self, before: &Option<f64>, timestamp: i64) -> Forecast<'_> {
        let Some(expected) = *before else {
            return self.level.forecast(&(), timestamp);
        };
        Forecast {
            expected,
            calibration: &self.steps,
            sees: Sides::Both,
            own_limit: None,
            of_alarms: false,
        }
    }

    fn advance(&self, before: &mut Option<f64>, point: Point, _limit: f64) {
        *before = Some(point.value);
    }

    fn learn(&mut self, before: &mut Option<f64>, point: Point, limit: f64) {
        self.advance(before, point, limit);
    }
}

#[test]
fn a_jump_is_an_anomaly_and_where_it_leads_is_not() {
    use contract::JudgeOptions;

    let value = |i: i64| i as f64 + ((i * 7919) % 101) as f64 / 101.0;
    let points: Vec<Point> = (0..500)
        .map(|timestamp| Point {
            timestamp,
            value: value(timestamp),
        })
        .collect();
    let last = Last::fit(&points, &Settings::default(), &mut Warnings::default());
    let rule = ScoringRule::new(None, None, &JudgeOptions::default());
    let mut before = Some(900.0);
    let jump = Point {
        timestamp: 901,
        value: 950.0,
    };
    assert!(last.score(&mut before, jump, &rule).anomaly);
    assert!(!last.score(&mut before, jump, &rule).anomaly);
}

#[test]
fn the_guide_shows_this_file() {
    let guide = include_str!("../../../../docs/adding-a-detector.md");
    let code = include_str!("last.rs").split("\n#[test]").next();
    assert!(guide.contains(code.unwrap().trim_end()));
}
