//! Verdicts on single values: what is expected of a point and how far from it normal values lie.

use contract::{DetectorName, Point, Sides};
use serde::{Deserialize, Serialize};

use super::{
    recorded::{ContextWindow, PointScorer},
    streaming::{Predictions, Stream},
};
use crate::{
    Band, Verdict,
    calibration::PValue,
    forecaster::{Context, Forecaster, Joined, Moment, Outlook},
    verdict::{DEFAULT_RATE, ScoringRule, on_its_side},
};

/// The part of a model that judges single values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Values {
    /// The forecaster.
    Forecaster(Box<Forecaster>),
    /// The predictors of models of formats 1 and 2.
    Recorded(Box<PointScorer>),
}

/// The last points before the one that is scored.
#[derive(Clone, Debug)]
pub(crate) enum Window {
    Forecaster(Box<Context>),
    Recorded(Box<ContextWindow>),
}

impl Values {
    /// Scores `point` by itself, or after the points of `window`.
    pub(super) fn score(
        &self,
        stream: &Stream,
        window: Option<&Window>,
        point: Point,
        rule: &ScoringRule,
    ) -> Verdict {
        match self {
            Self::Forecaster(forecaster) => match window {
                Some(Window::Forecaster(context)) => {
                    let rate = rule.rate.unwrap_or(DEFAULT_RATE);
                    let outlook = context.outlook(forecaster, point.timestamp, rate);
                    verdict(&outlook, point, rule)
                }
                _ => verdict_alone(&forecaster.outlook_alone(point.timestamp), point, rule),
            },
            Self::Recorded(scorer) => {
                let before = match window {
                    Some(Window::Recorded(window)) => Some(&**window),
                    _ => None,
                };
                let forecast = scorer.forecast(stream, before, point.timestamp);
                let nonconformity =
                    before.and_then(|window| window.nonconformity_with(stream, point));
                scorer.score(&forecast, nonconformity, point, rule)
            }
        }
    }

    /// Judges `point` in a session, and learns from it. `predictions` are those of the stream.
    pub(super) fn update(
        &mut self,
        stream: &Stream,
        predictions: &Predictions,
        point: Point,
        rule: &ScoringRule,
    ) -> Verdict {
        match self {
            Self::Forecaster(forecaster) => {
                let next = forecaster.next(point.timestamp);
                let verdict = verdict(&forecaster.outlook(&next), point, rule);
                forecaster.learn(&next, point.value);
                verdict
            }
            Self::Recorded(scorer) => {
                let forecast = scorer.best(stream, predictions);
                scorer.score(&forecast, None, point, rule)
            }
        }
    }

    /// The normal range at `timestamp` without knowledge of the points before it.
    pub(super) fn band(&self, stream: &Stream, timestamp: i64, rule: &ScoringRule) -> Band {
        match self {
            Self::Forecaster(forecaster) => {
                let outlook = forecaster.outlook_alone(timestamp);
                let range = outlook.range(rule.rate.unwrap_or(DEFAULT_RATE));
                band_within(outlook.expected(), range, rule)
            }
            Self::Recorded(scorer) => {
                let forecast = scorer.forecast(stream, None, timestamp);
                forecast.band(forecast.limit(rule), rule)
            }
        }
    }

    /// Takes `point` into the window.
    pub(super) fn advance(&self, stream: &Stream, window: &mut Option<Window>, point: Point) {
        let window = window.get_or_insert_with(|| match self {
            Self::Forecaster(forecaster) => Window::Forecaster(Box::new(Context::new(forecaster))),
            Self::Recorded(scorer) => {
                Window::Recorded(Box::new(ContextWindow::new(stream, scorer)))
            }
        });
        match (window, self) {
            (Window::Forecaster(context), Self::Forecaster(forecaster)) => {
                context.advance(forecaster, point.timestamp, point.value);
            }
            (Window::Recorded(window), _) => window.advance(stream, point),
            // A window belongs to one model.
            (Window::Forecaster(_), Self::Recorded(_)) => {}
        }
    }

    /// The length of the season in slots, if there is one.
    pub(super) fn period(&self, stream: &Stream) -> Option<usize> {
        match self {
            Self::Forecaster(forecaster) => forecaster.period(),
            Self::Recorded(_) => stream.params().season(),
        }
    }

    /// The length of the season in the unit of the timestamps, if there is one and the clock is
    /// regular.
    pub(super) fn period_time(&self, stream: &Stream) -> Option<i64> {
        let clock = match self {
            Self::Forecaster(forecaster) => forecaster.clock(),
            Self::Recorded(_) => stream.params().clock(),
        };
        Some((self.period(stream)? as f64 * clock.step()?) as i64)
    }

    /// The mean of the season, in a unit of its own.
    pub(super) fn season_mean(&self, stream: &Stream) -> f64 {
        match self {
            Self::Forecaster(forecaster) => forecaster.season_mean(),
            Self::Recorded(_) => stream.memory().season_mean(),
        }
    }

    /// The length of the season in points, at least 1.
    pub(super) fn cycle(&self, stream: &Stream) -> u64 {
        match self {
            Self::Forecaster(forecaster) => forecaster.cycle(),
            Self::Recorded(_) => stream.params().season().unwrap_or(1) as u64,
        }
    }

    /// The amount that the season adds to the `value` of the last point of a session, where `mean` is
    /// [`Self::season_mean`]. `predictions` are those of the stream.
    pub(super) fn season(
        &self,
        stream: &Stream,
        predictions: &Predictions,
        value: f64,
        mean: f64,
    ) -> f64 {
        match self {
            Self::Forecaster(forecaster) => forecaster.season(value, mean),
            Self::Recorded(_) => predictions.season.map_or(0.0, |season| {
                (season - mean) * stream.params().scaling().scale()
            }),
        }
    }

    /// The moment of the last point of a session; `None` for models of formats 1 and 2, whose values
    /// give no evidence of their own.
    pub(super) fn last_moment(&self) -> Option<Moment> {
        match self {
            Self::Forecaster(forecaster) => Some(forecaster.last_moment()),
            Self::Recorded(_) => None,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Forecaster(forecaster) => size_of::<Forecaster>() + forecaster.heap_bytes(),
            Self::Recorded(scorer) => size_of::<PointScorer>() + scorer.heap_bytes(),
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        match self {
            Self::Forecaster(forecaster) => forecaster.is_sound(),
            Self::Recorded(scorer) => scorer.is_sound(),
        }
    }
}

/// The normal range on the sides that are asked for, at least `min_deviation` wide on each.
fn band_within(expected: f64, (lower, upper): (f64, f64), rule: &ScoringRule) -> Band {
    let bound = |bound: f64, not: Sides| (bound.is_finite() && rule.sides != not).then_some(bound);
    Band {
        expected,
        lower: bound(lower.min(expected - rule.min_deviation), Sides::Above),
        upper: bound(upper.max(expected + rule.min_deviation), Sides::Below),
    }
}

/// The verdict on a value by an outlook.
pub(super) fn verdict(outlook: &Joined<'_>, point: Point, rule: &ScoringRule) -> Verdict {
    let range = outlook.range(rule.rate.unwrap_or(DEFAULT_RATE));
    let p = outlook.p_value(point.value);
    verdict_within(outlook.expected(), range, p, point, rule)
}

/// The same by a single forecast, which costs less.
fn verdict_alone(outlook: &Outlook<'_>, point: Point, rule: &ScoringRule) -> Verdict {
    let range = outlook.range(rule.rate.unwrap_or(DEFAULT_RATE));
    let p = outlook.p_value(point.value);
    verdict_within(outlook.expected(), range, p, point, rule)
}

/// The verdict on a value whose p-value is `p`.
fn verdict_within(
    expected: f64,
    (lower, upper): (f64, f64),
    p: f64,
    point: Point,
    rule: &ScoringRule,
) -> Verdict {
    // Where the range has no width, rounding must not put what is expected outside.
    let (lower, upper) = (lower.min(expected), upper.max(expected));
    let rate = rule.rate.unwrap_or(DEFAULT_RATE);
    let is_outside = point.value < lower || point.value > upper;
    let read = PValue {
        p: on_its_side(p, rate, is_outside),
        ln: p.ln(),
    };
    let band = band_within(expected, (lower, upper), rule);
    band.verdict(point.value, read, rate, DetectorName::Auto)
}
