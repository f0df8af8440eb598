//! Scoring without learning: predictions and the shape of the last points, each calibrated by its
//! own errors in training (docs/design/auto.md, 10).

use contract::{DetectorName, Direction, Point, Sides};
use serde::{Deserialize, Serialize};

use super::streaming::{ContextView, Predictions, PredictorErrors, Stream, StreamParams};
use crate::{
    Reason, Verdict,
    calibration::Calibration,
    forecast::Forecast,
    parallel::join,
    reason::ReasonKind,
    series::quantile,
    text::Span,
    verdict::{DEFAULT_RATE, ScoringRule, at_least_above, readable, score, severity},
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

/// The smallest number of errors that can be calibrated.
const LEAST: usize = 10;
/// The number of points that must be known before their median counts.
const LOCAL: usize = 21;
/// The rate at whose limit predictors are compared.
const CHOICE: f64 = 0.01;

impl PointScorer {
    /// Calibrates on the training `points`, on the `params` of their stream and the `errors` of its
    /// predictors.
    pub(super) fn fit(points: &[Point], params: &StreamParams, errors: &PredictorErrors) -> Self {
        let scale = params.scaling().scale();
        let median = params.scaling().median();
        let calibrate =
            |scores: Vec<f64>| (scores.len() >= LEAST).then(|| Calibration::fit(&scores, scale));
        let calibrated = |slot: usize, factor: f64| {
            let known = errors[slot].iter().filter(|e| !e.is_nan());
            calibrate(known.map(|e| e.abs() * scale * factor).collect())
        };
        let level = || {
            let distance = |p: &Point| (p.value - median).abs().min(f64::MAX);
            let level: Vec<f64> = points.iter().map(distance).collect();
            Calibration::fit(&level, scale)
        };
        let season = || calibrate(params.out_of_sample_season_errors(points));
        let order = params.order() as f64;
        let autoregression = || {
            let n = points.len() as f64;
            // The weights were chosen to make these errors small: they have n − order degrees of
            // freedom, and later ones n + order.
            (order > 0.0)
                .then(|| calibrated(0, ((n + order) / (n - order)).sqrt()))
                .flatten()
        };
        let local = || calibrated(2, 1.0);
        let window = params.windows().max().unwrap_or(1);
        let shapes = || {
            let clip = clip_limit(points, params);
            let odd = nonconformity(points, params, clip);
            let calibration = (odd.len() >= LEAST)
                .then(|| Box::new(Calibration::fit_overlapping(&odd, 1.0, window)));
            (clip, calibration)
        };
        // Two parts of about the same size.
        let (((clip, shapes), season), (level, (autoregression, local))) = join(
            points.len(),
            || (shapes(), season()),
            || (level(), (autoregression(), local())),
        );
        Self {
            level,
            season,
            autoregression,
            local,
            shapes,
            clip,
            span: (points[0].timestamp, points[points.len() - 1].timestamp),
            points: points.len() as u64,
            window: window as u64,
        }
    }

    /// The best forecast for `timestamp` after the points of `window`.
    pub(super) fn forecast(
        &self,
        stream: &Stream,
        window: &Option<ContextWindow>,
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
        let p = readable((verdict.p_value / OF_DISTANCE).min(p_of_shape).min(1.0));
        // On the same side of the rate as the verdict, whatever the rounding.
        verdict.p_value = match is_far || p_of_shape <= rate {
            true => p.min(rate),
            false => at_least_above(p, rate),
        };
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

    /// The scorer for a session, where the stream judges shapes itself.
    pub(super) fn without_shapes(self) -> Self {
        Self {
            shapes: None,
            ..self
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
    /// Takes `point` into the window.
    pub(super) fn advance(
        window: &mut Option<Self>,
        stream: &Stream,
        scorer: &PointScorer,
        point: Point,
    ) {
        let params = stream.params();
        let window = window.get_or_insert_with(|| Self(ContextView::new(params, scorer.clip)));
        window.0.advance(params, point);
    }

    /// Takes `point` into the window. Returns the non-conformity of the shapes that end with it;
    /// `None` until all windows are full.
    pub(super) fn nonconformity_after(
        window: &mut Option<Self>,
        stream: &Stream,
        scorer: &PointScorer,
        point: Point,
    ) -> Option<f64> {
        Self::advance(window, stream, scorer, point);
        window.as_ref()?.0.nonconformity(stream.params())
    }
}

/// The number of last points on which the non-conformity of shapes is calibrated.
const SHAPE_POINTS: usize = 16_384;

/// The number of training points below which shapes fit them so closely that later ones will be
/// odder.
const CLOSE: usize = 4_000;

/// The non-conformity of the shapes of the last of `points`.
fn nonconformity(points: &[Point], params: &StreamParams, clip: f64) -> Vec<f64> {
    let tail = &points[points.len().saturating_sub(SHAPE_POINTS)..];
    let mut odd = params.nonconformity(tail, clip);
    if points.len() < CLOSE {
        let more = out_of_sample_inflation(points, params, clip);
        odd.iter_mut().for_each(|odd| *odd *= more);
    }
    odd
}

/// The factor by which the non-conformity of shapes grows that were not learned from. The last
/// third of the points is compared with shapes learned from the other two thirds, and with those
/// learned from all.
fn out_of_sample_inflation(points: &[Point], params: &StreamParams, clip: f64) -> f64 {
    let taught = points.len() - points.len() / 3;
    let Some(shapes) = params.relearned(&points[..taught]) else {
        return 1.0;
    };
    let mut view = ContextView::new(params, clip);
    let (mut known, mut strange) = (0.0, 0.0);
    for (i, point) in points.iter().enumerate() {
        view.advance(params, *point);
        if i >= taught {
            known += view.nonconformity(params).unwrap_or(0.0);
            strange += view.nonconformity_to(params, &shapes).unwrap_or(0.0);
        }
    }
    let more: f64 = strange / known;
    if more.is_finite() {
        more.clamp(1.0, 10.0)
    } else {
        1.0
    }
}

/// The fraction of the training values that keep their size in shapes, and the smallest clip in
/// scales.
const WHOLE: f64 = 0.995;
const LEAST_CLIP: f64 = 3.0;

/// The number of scales within which nearly all training values lie.
fn clip_limit(points: &[Point], params: &StreamParams) -> f64 {
    let tail = &points[points.len().saturating_sub(SHAPE_POINTS)..];
    let mut sizes: Vec<f64> = tail.iter().map(|p| params.standard(*p).abs()).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    quantile::quantile(&sizes, WHOLE).max(LEAST_CLIP)
}
