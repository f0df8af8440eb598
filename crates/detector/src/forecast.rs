//! From a forecast to a verdict: the part that detectors with an expected value share.

use contract::{DetectorName, Direction, Point, Severity, Sides};

use crate::{
    Band, Reason, Verdict,
    calibration::{Calibration, PValue},
    reason::ReasonKind,
    verdict::{DEFAULT_RATE, ScoringRule, on_its_side, readable, score, severity},
};

/// A forecast of the next point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forecast<'a> {
    /// The expected value; finite.
    pub(crate) expected: f64,
    /// The distribution of the distances of normal points from it.
    pub(crate) calibration: &'a Calibration,
    /// The sides on which the detector can find anomalies. For [`Sides::Above`] the calibration is
    /// of signed distances.
    pub(crate) sees: Sides,
    /// The limit of the detector's own rule, if it has one. It decides where nobody asked for a
    /// rate.
    pub(crate) own_limit: Option<f64>,
    /// Whether a rate counts alarms, of which a cluster of far points raises one, rather than
    /// points.
    pub(crate) of_alarms: bool,
}

impl Forecast<'_> {
    /// The distance from the expected value at which normal ends, before filters.
    pub(crate) fn limit(&self, rule: &ScoringRule) -> f64 {
        match (rule.rate, self.own_limit) {
            (None, Some(own_limit)) => own_limit,
            (rate, _) => {
                let rate = rate.unwrap_or(DEFAULT_RATE);
                match self.of_alarms {
                    true => self.calibration.limit_of_alarm(rate),
                    false => self.calibration.limit(rate),
                }
            }
        }
    }

    /// The distance of a value from the expected one as the calibration measures it; finite.
    pub(crate) fn distance(&self, value: f64) -> f64 {
        let distance = (value - self.expected).clamp(-f64::MAX, f64::MAX);
        match self.sees {
            Sides::Above => distance,
            Sides::Below => -distance,
            Sides::Both => distance.abs(),
        }
    }

    /// The normal range if normal ends `limit` away.
    pub(crate) fn band(&self, limit: f64, rule: &ScoringRule) -> Band {
        let half_width = limit.max(rule.min_deviation);
        let counts = |side: Sides| {
            let other = if side == Sides::Above {
                Sides::Below
            } else {
                Sides::Above
            };
            self.sees != other && rule.sides != other
        };
        let bound = |bound: f64| Some(bound).filter(|bound| bound.is_finite());
        Band {
            expected: self.expected,
            lower: counts(Sides::Below)
                .then(|| bound(self.expected - half_width))
                .flatten(),
            upper: counts(Sides::Above)
                .then(|| bound(self.expected + half_width))
                .flatten(),
        }
    }

    /// Scores a point by its distance from the expected value.
    pub(crate) fn score(
        &self,
        point: Point,
        rule: &ScoringRule,
        detector: DetectorName,
    ) -> Verdict {
        let limit = self.limit(rule);
        let distance = self.distance(point.value);
        let found = match self.of_alarms {
            true => self.calibration.p_value_of_alarm(distance),
            false => self.calibration.p_value(distance),
        };
        let p = PValue {
            p: self.p_value(point.value, found.p, limit, rule),
            ..found
        };
        let rate = rule.rate.unwrap_or(DEFAULT_RATE);
        self.band(limit, rule)
            .verdict(point.value, p, rate, detector)
    }

    /// The p-value as people read it, on the side of the rate on which the value is of the limit:
    /// rounding must not make them disagree.
    fn p_value(&self, value: f64, p: f64, limit: f64, rule: &ScoringRule) -> f64 {
        if self.own_limit.is_some() && rule.rate.is_none() {
            return readable(p);
        }
        let above = self.sees != Sides::Below && value > self.expected + limit;
        let below = self.sees != Sides::Above && value < self.expected - limit;
        on_its_side(p, rule.rate.unwrap_or(DEFAULT_RATE), above || below)
    }
}

impl Band {
    /// The verdict on a value of which people read `p`: an anomaly if it lies outside.
    pub(crate) fn verdict(
        &self,
        value: f64,
        p: PValue,
        rate: f64,
        detector: DetectorName,
    ) -> Verdict {
        let side = self.side(value);
        let anomaly = side != Direction::None;
        Verdict {
            anomaly,
            score: score(p.ln),
            severity: if anomaly {
                severity(p.ln, rate)
            } else {
                Severity::None
            },
            p_value: p.p,
            expected: Some(self.expected),
            lower: self.lower,
            upper: self.upper,
            direction: side,
            reason: self.reason(value),
            detector,
        }
    }

    /// The side of the band on which a value lies.
    pub(crate) fn side(&self, value: f64) -> Direction {
        if self.upper.is_some_and(|upper| value > upper) {
            Direction::Above
        } else if self.lower.is_some_and(|lower| value < lower) {
            Direction::Below
        } else {
            Direction::None
        }
    }

    /// The sentence that explains a value.
    pub(crate) fn reason(&self, value: f64) -> Reason {
        let limit = match self.side(value) {
            Direction::Above => self.upper,
            Direction::Below => self.lower,
            _ => None,
        };
        Reason(match limit {
            Some(limit) => ReasonKind::Beyond {
                value,
                expected: self.expected,
                limit,
            },
            None => ReasonKind::Within {
                value,
                lower: self.lower,
                upper: self.upper,
            },
        })
    }
}
