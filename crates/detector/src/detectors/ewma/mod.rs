//! Level and trend that follow the series: an anomaly lies far from where they lead.
//!
//! Holt's double exponential smoothing with a damped trend (Gardner and McKenzie, 1985), each error
//! limited (Gelper, Fried and Croux, "Robust forecasting with exponential and Holt–Winters
//! smoothing", 2010). Finds jumps in series that drift; blind to slow changes and seasons. Where
//! several points in a row lie beyond the limit on one side, the level has shifted, and moves
//! there.

mod holt;

use contract::{DetectorName, Params, Point, Sides};
use holt::{HoltParams, HoltState};
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

/// The parameters of the smoothing, and the distribution of its errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ewma {
    #[serde(rename = "pace")]
    holt: HoltParams,
    /// Level and trend at the end of the training points.
    end: HoltState,
    /// The distribution of distances from the forecast.
    calibration: Box<Calibration>,
    /// The detector for a point without context.
    level: Box<Robust>,
    points: u64,
}

const ALPHA: Param = Param {
    name: "alpha",
    range: (0.001, 1.0),
    whole: false,
};
const BETA: Param = Param {
    name: "beta",
    range: (0.0, 1.0),
    whole: false,
};
const DAMPING: Param = Param {
    name: "damping",
    range: (0.0, 1.0),
    whole: false,
};

/// The values that are tried where a request names none.
const ALPHAS: [f64; 8] = [0.01, 0.03, 0.07, 0.15, 0.3, 0.5, 0.75, 1.0];
const BETAS: [f64; 3] = [0.0, 0.05, 0.2];
/// The damping where a request names none.
const USUAL_DAMPING: f64 = 0.95;

/// The number of last points on which parameters are chosen.
const CHOICE_POINTS: usize = 10_000;

/// The number of points of context that show the level.
const KNOWN: u64 = 8;

impl Detector for Ewma {
    type State = HoltState;
    type Online = ForecastMonitor<Self, HoltState>;
    const NAME: DetectorName = DetectorName::Ewma;
    const PARAMS: &'static [Param] = &[ALPHA, BETA, DAMPING];
    const FOLLOWS_TRENDS: bool = true;

    fn fit(points: &[Point], settings: &Settings, warnings: &mut Warnings) -> Self {
        let level = Robust::fit(points, &Settings::default(), warnings);
        let holt = choose(points, settings, level.scale());
        let mut end = HoltState::default();
        let mut distances = Vec::with_capacity(points.len());
        for point in points {
            let expected = end.next(&holt);
            distances.push((point.value - expected).abs().min(f64::MAX));
            end.follow(&holt, point.value, ERROR_LIMIT * level.scale());
        }
        // The first point is its own level, and the next few are compared with few points.
        let settled = settling(points.len());
        Self {
            holt,
            end,
            calibration: Box::new(Calibration::fit(&distances[settled..], level.scale())),
            level: Box::new(level),
            points: points.len() as u64,
        }
    }

    scores_by_forecast!();

    fn online(&self, _: &ScoringRule) -> Self::Online {
        let mut start = self.end;
        start.trust(KNOWN);
        ForecastMonitor::new(self.clone(), start, self.points as f64)
    }

    fn params(&self) -> Params {
        let HoltParams {
            alpha,
            beta,
            damping,
        } = self.holt;
        [(ALPHA, alpha), (BETA, beta), (DAMPING, damping)]
            .map(|(param, value)| (param.name.to_owned(), value))
            .into()
    }

    fn heap_bytes(&self) -> usize {
        size_of::<Calibration>() + size_of::<Robust>()
    }

    fn is_sound(&self) -> bool {
        let HoltParams {
            alpha,
            beta,
            damping,
        } = self.holt;
        ALPHA.takes(alpha)
            && BETA.takes(beta)
            && DAMPING.takes(damping)
            && self.end.is_sound()
            && self.calibration.is_sound()
            && self.level.is_sound()
    }
}

impl Forecasting for Ewma {
    fn forecast(&self, state: &HoltState, timestamp: i64) -> Forecast<'_> {
        if state.seen() < KNOWN {
            return self.level.forecast(&(), timestamp);
        }
        Forecast {
            expected: state.next(&self.holt),
            calibration: &self.calibration,
            sees: Sides::Both,
            own_limit: None,
            of_alarms: false,
        }
    }

    fn advance(&self, state: &mut HoltState, point: Point, limit: f64) {
        state.follow(&self.holt, point.value, limit);
    }

    fn learn(&mut self, state: &mut HoltState, point: Point, limit: f64) {
        self.advance(state, point, limit);
    }
}

/// The number of scales that an error in training counts as at most.
const ERROR_LIMIT: f64 = 5.0;

/// The number of `n` points that are compared with too few to be calibrated on; less than `n`.
fn settling(n: usize) -> usize {
    (n / 10).clamp(1, 100)
}

/// The parameters of the request. For those that it does not name, the values that would have made
/// the mean error of the last points smallest.
fn choose(points: &[Point], settings: &Settings, scale: f64) -> HoltParams {
    let tail = &points[points.len().saturating_sub(CHOICE_POINTS)..];
    let damping = settings.get(DAMPING.name).unwrap_or(USUAL_DAMPING);
    let one = |asked: Option<f64>, usual: &[f64]| asked.map_or(usual.to_vec(), |asked| vec![asked]);
    let alphas = one(settings.get(ALPHA.name), &ALPHAS);
    let betas = one(settings.get(BETA.name), &BETAS);
    let mut best = (
        f64::INFINITY,
        HoltParams {
            alpha: alphas[0],
            beta: betas[0],
            damping,
        },
    );
    for &alpha in &alphas {
        for &beta in &betas {
            let holt = HoltParams {
                alpha,
                beta,
                damping,
            };
            let error = summed_error(tail, &holt, scale);
            // A faster one must be clearly better.
            if error < best.0 * 0.999 {
                best = (error, holt);
            }
        }
    }
    best.1
}

/// The sum of the errors that level and trend would have made, each at most [`ERROR_LIMIT`]
/// scales.
fn summed_error(points: &[Point], holt: &HoltParams, scale: f64) -> f64 {
    let mut state = HoltState::default();
    let clip = ERROR_LIMIT * scale;
    let mut sum = 0.0;
    for point in points {
        let error = point.value / scale - state.next(holt) / scale;
        sum += error.abs().min(ERROR_LIMIT);
        state.follow(holt, point.value, clip);
    }
    sum
}

#[cfg(test)]
mod tests {
    use contract::JudgeOptions;

    use super::*;

    fn fit(values: impl IntoIterator<Item = f64>) -> Ewma {
        Ewma::fit(
            &points(values),
            &Settings::default(),
            &mut Warnings::default(),
        )
    }

    fn points(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
        (0..)
            .zip(values)
            .map(|(timestamp, value)| Point { timestamp, value })
            .collect()
    }

    fn noise(i: usize) -> f64 {
        ((i * 7919) % 101) as f64 / 101.0 - 0.5
    }

    fn rule() -> ScoringRule {
        ScoringRule::new(None, None, &JudgeOptions::default())
    }

    #[test]
    fn a_level_that_wanders_far_off_is_followed() {
        let mut level = 0.0;
        let walk = (0..3_000).map(|i| {
            level += noise(i);
            level
        });
        let walk: Vec<f64> = walk.collect();
        let ewma = fit(walk[..1_000].iter().copied());
        assert!(ewma.holt.alpha >= 0.5, "{:?}", ewma.holt);
        let mut state = HoltState::default();
        for (i, point) in points(walk[1_000..].iter().copied())
            .into_iter()
            .enumerate()
        {
            let verdict = ewma.score(&mut state, point, &rule());
            assert!(i < 10 || !verdict.anomaly, "{i}: {verdict:?}");
        }
        let jump = state.next(&ewma.holt) + 5.0;
        let verdict = ewma.score(
            &mut state,
            Point {
                timestamp: 0,
                value: jump,
            },
            &rule(),
        );
        assert!(verdict.anomaly);
    }

    #[test]
    fn noise_is_followed_slowly() {
        let ewma = fit((0..1_000).map(noise));
        assert!(
            ewma.holt.alpha <= 0.07 && ewma.holt.beta <= 0.05,
            "{:?}",
            ewma.holt
        );
    }

    #[test]
    fn without_context_the_level_of_training_is_expected() {
        let ewma = fit((0..100).map(|i| f64::from(i) + noise(i as usize)));
        let expected = ewma.band(0, &rule()).expected;
        assert!((45.0..55.0).contains(&expected), "{expected}");
        let mut state = HoltState::default();
        for point in points((200..220).map(f64::from)) {
            ewma.take_context(&mut state, point, &rule());
        }
        let expected = ewma.forecast(&state, 0).expected;
        assert!((215.0..225.0).contains(&expected), "{expected}");
    }
}
