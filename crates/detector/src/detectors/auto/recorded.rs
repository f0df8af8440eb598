//! Scoring by the models of formats 1 and 2, which have no forecaster: predictions and the shape of
//! the last points, each calibrated by its own errors in training. No fit makes them any more.

use contract::{DetectorName, Direction, Point, Sides};
use serde::{Deserialize, Serialize};

use super::streaming::{ContextView, Predictions, Stream};
use crate::{
    Reason, Verdict,
    calibration::Calibration,
    forecast::Forecast,
    reason::ReasonKind,
    text::Span,
    verdict::{DEFAULT_RATE, ScoringRule, on_its_side, score, severity},
};

/// The distributions of the distances from each prediction and of the non-conformity of shapes. A
/// part that does not exist for a series is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PointScorer {
    /// Distances from the median of the training points.
    level: Calibration,
    /// Distances from the usual value at the place in the season.
    season: Option<Calibration>,
    /// Distances from the autoregression.
    autoregression: Option<Calibration>,
    /// Distances from the median of the last points.
    local: Option<Calibration>,
    /// The joint non-conformity of the three shapes, in which values farther than `clip` scales
    /// from the median count as if they were there.
    shapes: Option<Box<Calibration>>,
    #[serde(rename = "reach")]
    clip: f64,
    /// The first and the last timestamp of the training points.
    span: (i64, i64),
    points: u64,
    /// The longest window of a shape, in points.
    window: u64,
}

/// The last points before the one that is scored.
#[derive(Clone, Debug)]
pub(crate) struct ContextWindow(ContextView);

/// The shares of the rate that distance and shape have.
const OF_DISTANCE: f64 = 0.75;
const OF_SHAPE: f64 = 1.0 - OF_DISTANCE;

/// The number of points that must be known before their median counts.
const LOCAL: usize = 21;
/// The rate at whose limit predictors are compared.
const CHOICE: f64 = 0.01;

impl PointScorer {
    /// The best forecast for `timestamp` after the points of `window`.
    pub(super) fn forecast(
        &self,
        stream: &Stream,
        window: Option<&ContextWindow>,
        timestamp: i64,
    ) -> Forecast<'_> {
        let (params, memory) = (stream.params(), stream.memory());
        let Some(ContextWindow(view)) = window else {
            let season = params.usual(memory, timestamp);
            let predictions = Predictions {
                season,
                ..Predictions::default()
            };
            return self.best(stream, &predictions);
        };
        let mut predictions = view.predict(params, memory, timestamp);
        if params.clock().step().is_none() {
            // The place of the context in the season is not known.
            predictions.season = None;
        }
        predictions.local = predictions.local.filter(|_| view.known() >= LOCAL);
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
        let expected = stream.params().scaling().value(best.0);
        Forecast {
            expected: expected.clamp(-f64::MAX, f64::MAX),
            calibration: best.1,
            sees: Sides::Both,
            own_limit: None,
            of_alarms: false,
        }
    }

    /// Scores `point` by its distance from the forecast and by the `nonconformity` of the shapes
    /// that end with it: the less probable of the two counts. They share the rate (Bonferroni,
    /// weighted). The shape has the smaller share, as it is seldom odd alone.
    pub(super) fn score(
        &self,
        forecast: &Forecast<'_>,
        nonconformity: Option<f64>,
        point: Point,
        rule: &ScoringRule,
    ) -> Verdict {
        let shape = self.shapes.as_ref().zip(nonconformity);
        let Some((calibration, nonconformity)) = shape else {
            return forecast.score(point, rule, DetectorName::Auto);
        };
        let rate = rule.rate.unwrap_or(DEFAULT_RATE);
        let part = ScoringRule {
            rate: Some(rate * OF_DISTANCE),
            ..*rule
        };
        let mut verdict = forecast.score(point, &part, DetectorName::Auto);
        let of_shape = calibration.p_value(nonconformity);
        let of_distance = forecast.calibration.ln_p(forecast.distance(point.value));
        let ln_p = (of_distance - OF_DISTANCE.ln()).min(of_shape.ln - OF_SHAPE.ln());
        let ln_p = ln_p.min(0.0);
        let p_of_shape = of_shape.p / OF_SHAPE;
        let is_far = verdict.p_value <= rate * OF_DISTANCE;
        let p = (verdict.p_value / OF_DISTANCE).min(p_of_shape).min(1.0);
        verdict.p_value = on_its_side(p, rate, is_far || p_of_shape <= rate);
        verdict.score = score(ln_p);
        let deviation = (point.value - forecast.expected).abs();
        let counts = rule.sides == Sides::Both && deviation >= rule.min_deviation;
        if p_of_shape <= rate && counts && !verdict.anomaly {
            verdict.anomaly = true;
            verdict.direction = Direction::Pattern;
            verdict.reason = Reason(self.unseen());
        }
        if verdict.anomaly {
            verdict.severity = severity(ln_p, rate);
        }
        verdict
    }

    fn unseen(&self) -> ReasonKind {
        let (from, to) = self.span;
        let points = self.points;
        ReasonKind::Unseen {
            points: self.window,
            history: Span { from, to, points },
        }
    }

    /// The size of the heap memory in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.shapes.as_deref().map_or(0, size_of_val)
    }

    pub(super) fn is_sound(&self) -> bool {
        let optional = [
            self.season.as_ref(),
            self.autoregression.as_ref(),
            self.local.as_ref(),
            self.shapes.as_deref(),
        ];
        self.clip.is_finite()
            && self.clip > 0.0
            && self.level.is_sound()
            && optional.into_iter().flatten().all(Calibration::is_sound)
    }
}

impl ContextWindow {
    /// A window without points.
    pub(super) fn new(stream: &Stream, scorer: &PointScorer) -> Self {
        Self(ContextView::new(stream.params(), scorer.clip))
    }

    /// Takes `point` into the window.
    pub(super) fn advance(&mut self, stream: &Stream, point: Point) {
        self.0.advance(stream.params(), point);
    }

    /// The non-conformity of the shapes that would end with `point`; `None` unless all windows would
    /// be full.
    pub(super) fn nonconformity_with(&self, stream: &Stream, point: Point) -> Option<f64> {
        let mut after = self.clone();
        after.advance(stream, point);
        after.0.nonconformity(stream.params())
    }
}
