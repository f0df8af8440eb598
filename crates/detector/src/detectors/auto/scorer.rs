//! What the streaming detector can say of a point without learning: predictions, and the shape of the last points, each calibrated by
//! its own errors in training.

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

/// How far points lie from each prediction, and how odd shapes are. What does not exist for a series is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PointScorer {
    /// From the median of the training points.
    level: Calibration,
    /// From what is usual at the place in the season.
    season: Option<Calibration>,
    /// From what follows from the last few.
    autoregression: Option<Calibration>,
    /// From the median of the last ones.
    local: Option<Calibration>,
    /// Joint oddness of the three shapes, in which values farther than `reach` scales from the median count as if they were there.
    shapes: Option<Box<Calibration>>,
    #[serde(rename = "reach")]
    clip: f64,
    /// The training points.
    span: (i64, i64),
    points: u64,
    /// The longest shape, in points.
    window: u64,
}

/// The last few points of a walk.
#[derive(Clone, Debug)]
pub(crate) struct ContextWindow(ContextView);

/// The parts of a rate that a distance and an odd shape have.
const OF_DISTANCE: f64 = 0.75;
const OF_SHAPE: f64 = 1.0 - OF_DISTANCE;

/// From so many errors on they are calibrated.
const LEAST: usize = 10;
/// So many points must be known before their median says something.
const LOCAL: usize = 21;
/// The predictor is chosen by the limit of this rate.
const CHOICE: f64 = 0.01;

impl PointScorer {
    /// Calibrates on what the fit of a stream saw of `points`: what is `fixed` of it, and the `errors` of its predictors.
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
            // The weights were chosen to make these errors small: they are of n - order freedoms, and those to come of n + order.
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
        // Two of about the same size.
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

    /// The best of what can be predicted at `timestamp` from `near`.
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
            // Where in the season the first point of the context was is not known.
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

    /// Judges `point` by its distance from the forecast and by the oddness of the shape that it completes: the less probable of the
    /// two counts. Both have a part of the rate (Bonferroni, weighted), the shape the smaller one: it is seldom alone in being odd.
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
        // On the side of the rate on which the verdict is, whatever the rounding.
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

    /// For a session, where the stream has its own view of shapes.
    pub(super) fn without_shapes(self) -> Self {
        Self {
            shapes: None,
            ..self
        }
    }

    /// Bytes in memory beyond its own size.
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
    /// Moves on past `point`.
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

    /// Moves on past `point`, and says how odd the shapes are that end with it; `None` until all of them are known.
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

/// The oddness of shapes is known well enough from so many of the last points.
const SHAPE_POINTS: usize = 16_384;

/// Of fewer points than this the shapes were learned so closely that others will be odder.
const CLOSE: usize = 4_000;

/// How odd the shapes of the last of `points` are.
fn nonconformity(points: &[Point], params: &StreamParams, clip: f64) -> Vec<f64> {
    let tail = &points[points.len().saturating_sub(SHAPE_POINTS)..];
    let mut odd = params.nonconformity(tail, clip);
    if points.len() < CLOSE {
        let more = out_of_sample_inflation(points, params, clip);
        odd.iter_mut().for_each(|odd| *odd *= more);
    }
    odd
}

/// So many times as odd are shapes that were not learned from: those of the last third to shapes learned from the other two, compared
/// with those learned from all.
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

/// The part of the training values that keep their size in shapes, and the least reach, in scales.
const WHOLE: f64 = 0.995;
const LEAST_CLIP: f64 = 3.0;

/// Within so many scales of the median nearly all of the training values lie.
fn clip_limit(points: &[Point], params: &StreamParams) -> f64 {
    let tail = &points[points.len().saturating_sub(SHAPE_POINTS)..];
    let mut sizes: Vec<f64> = tail.iter().map(|p| params.standard(*p).abs()).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    quantile::quantile(&sizes, WHOLE).max(LEAST_CLIP)
}
