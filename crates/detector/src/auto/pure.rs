//! What the streaming detector can say of a point without learning: predictions, and the shape of the last points, each calibrated by
//! its own errors in training.

use contract::{DetectorName, Direction, Point, Severity, Sides};
use serde::{Deserialize, Serialize};

use crate::{
    Reason, Verdict,
    calibration::Calibration,
    forecast::Forecast,
    reason::Cause,
    stream::{Glance, Predictions, Replay, Stream},
    text::Span,
    verdict::{Ask, DEFAULT_RATE, score, severity},
};

/// How far points lie from each prediction, and how odd shapes are. What does not exist for a series is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pure {
    /// From the median of the training points.
    level: Calibration,
    /// From what is usual at the place in the season.
    season: Option<Calibration>,
    /// From what follows from the last few.
    autoregression: Option<Calibration>,
    /// From the median of the last ones.
    local: Option<Calibration>,
    /// Joint oddness of the three shapes.
    shapes: Option<Calibration>,
    /// The training points.
    span: (i64, i64),
    points: u64,
    /// The longest shape, in points.
    window: u64,
}

/// The last few points of a walk.
#[derive(Clone, Debug)]
pub(crate) struct Near(Glance);

/// From so many errors on they are calibrated.
const LEAST: usize = 10;
/// So many points must be known before their median says something.
const LOCAL: usize = 21;
/// The predictor is chosen by the limit of this rate.
const CHOICE: f64 = 0.01;

impl Pure {
    /// Calibrates on what the fit of `stream` saw of `points`.
    pub(super) fn fit(points: &[Point], stream: &Stream, replay: &Replay) -> Self {
        let fixed = stream.fixed();
        let scale = fixed.scaling().scale();
        let median = fixed.scaling().median();
        let calibrate =
            |scores: Vec<f64>| (scores.len() >= LEAST).then(|| Calibration::fit(&scores, scale));
        let errors = |slot: usize, factor: f64| {
            let known = replay.errors[slot].iter().filter(|e| !e.is_nan());
            calibrate(known.map(|e| e.abs() * scale * factor).collect())
        };
        let distance = |p: &Point| (p.value - median).abs().min(f64::MAX);
        let level: Vec<f64> = points.iter().map(distance).collect();
        let order = fixed.order() as f64;
        let n = points.len() as f64;
        Self {
            level: Calibration::fit(&level, scale),
            season: calibrate(fixed.frozen_season_errors(points)),
            // The weights were chosen to make these errors small: they are of n - order freedoms, and those to come of n + order.
            autoregression: (order > 0.0)
                .then(|| errors(0, ((n + order) / (n - order)).sqrt()))
                .flatten(),
            local: errors(2, 1.0),
            shapes: oddness(points, stream, replay)
                .filter(|scores| scores.len() >= LEAST)
                .map(|scores| Calibration::fit(&scores, 1.0)),
            span: (points[0].timestamp, points[points.len() - 1].timestamp),
            points: points.len() as u64,
            window: fixed.windows().max().unwrap_or(0) as u64,
        }
    }

    /// The best of what can be predicted at `timestamp` from `near`.
    pub(super) fn forecast(
        &self,
        stream: &Stream,
        near: &Option<Near>,
        timestamp: i64,
    ) -> Forecast<'_> {
        let (fixed, learned) = (stream.fixed(), stream.learned());
        let Some(Near(glance)) = near else {
            let season = fixed.usual(learned, timestamp);
            let predictions = Predictions {
                season,
                ..Predictions::default()
            };
            return self.best(stream, &predictions);
        };
        let mut predictions = glance.predict(fixed, learned, timestamp);
        if fixed.clock().step().is_none() {
            // Where in the season the first point of the context was is not known.
            predictions.season = None;
        }
        predictions.local = predictions.local.filter(|_| glance.known() >= LOCAL);
        self.best(stream, &predictions)
    }

    /// The prediction whose errors were smallest.
    pub(super) fn best(&self, stream: &Stream, predictions: &Predictions) -> Forecast<'_> {
        let candidates = [
            (predictions.season, self.season.as_ref()),
            (predictions.autoregression, self.autoregression.as_ref()),
            (predictions.local, self.local.as_ref()),
        ];
        let mut best = (0.0, &self.level);
        let mut least = self.level.limit(CHOICE);
        for (prediction, calibration) in candidates {
            if let (Some(prediction), Some(calibration)) = (prediction, calibration) {
                let limit = calibration.limit(CHOICE);
                if limit < least {
                    least = limit;
                    best = (prediction, calibration);
                }
            }
        }
        let expected = stream.fixed().scaling().value(best.0);
        Forecast {
            expected: expected.clamp(-f64::MAX, f64::MAX),
            calibration: best.1,
            sees: Sides::Both,
            rule: None,
            of_alarms: false,
        }
    }

    /// The logarithm of the p-value of an oddness of shapes.
    pub(super) fn ln_p_of_shape(&self, oddness: Option<f64>) -> Option<f64> {
        Some(self.shapes.as_ref()?.ln_p(oddness?))
    }

    /// Judges `point` by its distance from the forecast and by the oddness of the shape that it completes: the less probable of the
    /// two counts, at twice its p-value, since there are two (Bonferroni).
    pub(super) fn judge(
        &self,
        forecast: &Forecast<'_>,
        oddness: Option<f64>,
        point: Point,
        ask: &Ask,
    ) -> Verdict {
        let Some(of_shape) = self.ln_p_of_shape(oddness) else {
            return forecast.judge(point, ask, DetectorName::Auto);
        };
        let rate = ask.rate.unwrap_or(DEFAULT_RATE);
        let half = Ask {
            rate: Some(rate / 2.0),
            ..*ask
        };
        let mut verdict = forecast.judge(point, &half, DetectorName::Auto);
        let p_of_shape = 2.0 * of_shape.exp();
        let ln_p = of_shape.min(forecast.calibration.ln_p(forecast.distance(point.value)));
        let ln_p = (ln_p + std::f64::consts::LN_2).min(0.0);
        let p = (2.0 * verdict.p_value).min(p_of_shape);
        verdict.p_value = p.clamp(f64::MIN_POSITIVE, 1.0);
        verdict.score = score(ln_p);
        let deviation = (point.value - forecast.expected).abs();
        let counts = ask.sides == Sides::Both && deviation >= ask.min_deviation;
        if p_of_shape <= rate && counts && !verdict.anomaly {
            verdict.anomaly = true;
            verdict.direction = Direction::Pattern;
            verdict.reason = Reason(self.unseen());
        }
        if verdict.anomaly {
            verdict.severity = severity(ln_p, rate);
        } else {
            verdict.severity = Severity::None;
        }
        verdict
    }

    fn unseen(&self) -> Cause {
        let (from, to) = self.span;
        let points = self.points;
        Cause::Unseen {
            points: self.window,
            history: Span { from, to, points },
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        let optional = [
            &self.season,
            &self.autoregression,
            &self.local,
            &self.shapes,
        ];
        self.level.is_sound() && optional.into_iter().flatten().all(Calibration::is_sound)
    }
}

impl Near {
    /// Moves on past `point`.
    pub(super) fn pass(near: &mut Option<Self>, stream: &Stream, point: Point) {
        let fixed = stream.fixed();
        let near = near.get_or_insert_with(|| Self(Glance::new(fixed)));
        near.0.pass(fixed, point);
    }

    /// Moves on past `point`; how odd the shapes are that it completes.
    pub(super) fn oddness_with(
        near: &mut Option<Self>,
        stream: &Stream,
        point: Point,
    ) -> Option<f64> {
        Self::pass(near, stream, point);
        near.as_ref()?.0.oddness(stream.fixed())
    }
}

/// Of fewer points than this the shapes were learned so closely that they say little of how odd others will be.
const CLOSE: usize = 4_000;

/// How odd shapes are that were not learned from: of many points simply those of training; of fewer, those of the last third to a
/// detector that was fitted on the others.
fn oddness(points: &[Point], stream: &Stream, replay: &Replay) -> Option<Vec<f64>> {
    let fixed = stream.fixed();
    let longest = fixed.windows().max()?;
    if points.len() >= CLOSE {
        let odd = |i: usize| {
            let distances = [0, 1, 2].map(|shape: usize| replay.shapes[shape][i]);
            fixed.join_shapes(&distances)
        };
        return Some((longest - 1..points.len()).map(odd).collect());
    }
    let first = points.len() - points.len() / 3;
    let mut glance = Glance::new(fixed);
    let shapes = fixed.relearned(&points[..first])?;
    let mut found = Vec::with_capacity(points.len() - first);
    for (i, point) in points.iter().enumerate() {
        glance.pass(fixed, *point);
        if i >= first {
            found.extend(glance.oddness_to(fixed, &shapes));
        }
    }
    Some(found)
}
