//! The streaming detector in a session, with alarms by its own level or at the rate that was asked
//! for.

use contract::{DetectorName, Direction, Point, Severity};
use serde::{Deserialize, Serialize};

use super::{
    ENOUGH, FittedStream,
    cold_start::ColdStart,
    judged_point::{self, JudgedPoint},
    level::EvidenceQuantile,
    streaming::{self, Observation, constants::FATIGUE},
};
use crate::{
    Band, Reason, Verdict,
    detectors::sigma::Sigma,
    online::{EpisodeGate, ForecastMonitor, Online, Step},
    reason::ReasonKind,
    text::Span,
    verdict::{DEFAULT_RATE, LARGEST_SCORE, ScoringRule},
};

/// A session of `auto`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum AutoOnline {
    /// The recorded rule, until there are enough points.
    #[serde(rename = "few")]
    ColdStart(Box<ColdStartOnline>),
    /// The streaming detector.
    #[serde(rename = "enough")]
    Fitted(Box<StreamOnline>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColdStartOnline {
    rule: ForecastMonitor<Sigma>,
    points: Vec<Point>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamOnline {
    #[serde(rename = "enough")]
    fitted: FittedStream,
    gate: EpisodeGate,
    /// The points of the last block, the oldest first.
    block: Vec<JudgedPoint>,
    /// The timestamp of the first alarm of the last episode.
    since: i64,
    /// The number of points so far, training included.
    points: u64,
}

/// The outcome of the evidence at a point.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    strength: f64,
    emitted: f64,
    running: bool,
}

impl Online for AutoOnline {
    fn update(&mut self, point: Point, rule: &ScoringRule) -> Step {
        let cold = match self {
            Self::Fitted(stream) => return stream.update(point, rule),
            Self::ColdStart(cold) => cold,
        };
        let mut step = cold.rule.update(point, rule);
        step.verdict.detector = DetectorName::Auto;
        cold.points.push(point);
        if cold.points.len() >= ENOUGH
            && let Some(fitted) = FittedStream::fit(&cold.points)
        {
            *self = Self::fitted(fitted);
        }
        step
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::ColdStart(cold) => size_of::<ColdStartOnline>() + size_of_val(&cold.points[..]),
            Self::Fitted(fitted) => {
                let stream = &fitted.fitted.stream;
                let block = fitted.block.capacity() * size_of::<JudgedPoint>();
                size_of::<StreamOnline>() + stream.memory_bytes() - size_of_val(stream)
                    + block
                    + EvidenceQuantile::HEAP_BYTES
            }
        }
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::ColdStart(cold) => {
                let finite = cold.points.iter().all(|p| p.value.is_finite());
                cold.rule.is_sound() && finite && cold.points.len() < ENOUGH
            }
            Self::Fitted(fitted) => fitted.is_sound(),
        }
    }
}

impl AutoOnline {
    /// Starts from a model of few points.
    pub(super) fn cold(cold: &ColdStart) -> Self {
        let points = cold.points().to_vec();
        let rule = ForecastMonitor::new(cold.rule(), (), points.len() as f64);
        Self::ColdStart(Box::new(ColdStartOnline { rule, points }))
    }

    /// Starts from a model of enough points.
    pub(super) fn fitted(fitted: FittedStream) -> Self {
        let params = fitted.stream.params();
        Self::Fitted(Box::new(StreamOnline {
            gate: EpisodeGate::new(params.horizon() as f64),
            block: Vec::with_capacity(3 * params.cell()),
            since: 0,
            points: params.prefix(),
            fitted: FittedStream {
                scorer: fitted.scorer.without_shapes(),
                ..fitted
            },
        }))
    }
}

impl StreamOnline {
    fn update(&mut self, point: Point, rule: &ScoringRule) -> Step {
        let (params, memory, state) = self.fitted.stream.parts();
        let seen = streaming::observe(params, memory, state, point);
        streaming::learn(memory, &seen);
        let block = 3 * params.cell();
        let cell_ended = seen.output.ratio > 0.0;
        self.points += 1;
        if self.block.len() >= block {
            self.block.remove(0);
        }
        self.block.push(JudgedPoint {
            point,
            expected: seen.output.expected,
            usual: seen.output.upper - seen.output.expected,
        });
        let peak = self.peak();
        let counts = peak.counts(rule);
        let outcome = self.outcome(&seen, counts, cell_ended, rule);
        let alarm = outcome.emitted >= 1.0;
        if alarm && !outcome.running {
            self.since = point.timestamp;
        }
        Step {
            verdict: self.verdict(&seen, &peak, &outcome, point, rule),
            strength: outcome.strength,
            emitted: outcome.emitted,
            escalation: alarm && outcome.running,
            peak: if alarm {
                peak.point.timestamp
            } else {
                point.timestamp
            },
            quiet_limit: self.gate.quiet_limit,
            season: seen.predictions.season.unwrap_or(0.0)
                * self.fitted.stream.params().scaling().scale(),
        }
    }

    /// The point of the last block that deviates most from what was expected.
    fn peak(&self) -> JudgedPoint {
        let mut peak = self.block[0];
        for seen in &self.block[1..] {
            if seen.error().abs() > peak.error().abs() {
                peak = *seen;
            }
        }
        peak
    }

    /// Decides about an alarm: by the stream's own level, or at the rate that was asked for.
    fn outcome(
        &mut self,
        seen: &Observation,
        counts: bool,
        cell_ended: bool,
        rule: &ScoringRule,
    ) -> Outcome {
        let output = &seen.output;
        let Some(rate) = rule.rate else {
            let running = output.escalation || (output.ratio >= 1.0 && !output.alarm);
            return Outcome {
                strength: if counts { output.ratio } else { 0.0 },
                emitted: if counts { output.emitted } else { 0.0 },
                running,
            };
        };
        // The stream's level rises where alarms are common, but a rate that was asked for must be
        // kept.
        let recent = self.fitted.stream.recent_alarms() - f64::from(u8::from(output.alarm));
        let evidence = output.ratio * (1.0 + FATIGUE * recent.max(0.0));
        let cell = self.fitted.stream.params().cell() as f64;
        let level = self.fitted.level.at((rate * cell).min(0.5));
        let strength = if counts { evidence / level } else { 0.0 };
        let passed = self.gate.pass(strength);
        if cell_ended {
            // The first alarm of an episode counts once, as if it had just reached the level. The
            // rest of the episode is not learned.
            if evidence < level {
                self.fitted.level.learn(evidence);
            } else if passed.emitted >= 1.0 && !passed.running {
                self.fitted.level.learn(level);
            }
        }
        Outcome {
            strength,
            emitted: passed.emitted,
            running: passed.running,
        }
    }

    fn verdict(
        &self,
        seen: &Observation,
        peak: &JudgedPoint,
        outcome: &Outcome,
        point: Point,
        rule: &ScoringRule,
    ) -> Verdict {
        let output = &seen.output;
        let scorer = &self.fitted.scorer;
        let forecast = scorer.best(&self.fitted.stream, &seen.predictions);
        // The evidence covers shapes already.
        let by_itself = scorer.score(&forecast, None, point, rule);
        let alarm = outcome.emitted >= 1.0;
        let direction = match alarm {
            true => peak.direction(),
            false => Direction::None,
        };
        let band = match rule.rate {
            None => judged_point::band(output.expected, output.upper - output.expected, rule),
            Some(_) => forecast.band(forecast.limit(rule), rule),
        };
        let p_value = match alarm {
            true => by_itself.p_value.min(rule.rate.unwrap_or(DEFAULT_RATE)),
            false => by_itself.p_value,
        };
        Verdict {
            anomaly: alarm,
            score: output.score.clamp(0.0, LARGEST_SCORE),
            severity: if alarm {
                judged_point::severity(outcome.emitted)
            } else {
                Severity::None
            },
            p_value,
            expected: Some(band.expected),
            lower: band.lower,
            upper: band.upper,
            direction,
            reason: Reason(self.cause(seen, peak, outcome, point, &band)),
            detector: DetectorName::Auto,
        }
    }

    /// The reason for the verdict on a point.
    fn cause(
        &self,
        seen: &Observation,
        peak: &JudgedPoint,
        outcome: &Outcome,
        point: Point,
        band: &Band,
    ) -> ReasonKind {
        let (value, expected) = (point.value, band.expected);
        if outcome.emitted >= 1.0 {
            return self.cause_of_alarm(seen, peak, point);
        }
        if outcome.strength >= 1.0 {
            let since = self.since;
            return ReasonKind::Ongoing {
                value,
                expected,
                since,
            };
        }
        if band.side(value) == Direction::None {
            let (lower, upper) = (band.lower, band.upper);
            return ReasonKind::Within {
                value,
                lower,
                upper,
            };
        }
        let strength = outcome.strength;
        ReasonKind::Watched {
            value,
            expected,
            strength,
        }
    }

    fn cause_of_alarm(&self, seen: &Observation, peak: &JudgedPoint, point: Point) -> ReasonKind {
        if peak.direction() == Direction::Pattern {
            let params = self.fitted.stream.params();
            let points = match seen.output.cause {
                streaming::Cause::Novelty { scale } => 3 * scale * params.cell(),
                _ => params.windows().max().unwrap_or(3 * params.cell()),
            };
            let (from, to) = (self.fitted.first, point.timestamp);
            let points = (points as u64).min(self.points);
            let history = Span {
                from,
                to,
                points: self.points,
            };
            return ReasonKind::Unseen { points, history };
        }
        let (value, expected) = (peak.point.value, peak.expected);
        let limit = match peak.direction() {
            Direction::Below => expected - peak.usual,
            _ => expected + peak.usual,
        };
        let ago = self
            .block
            .iter()
            .rev()
            .take_while(|seen| *seen != peak)
            .count() as u64;
        if ago == 0 {
            ReasonKind::Beyond {
                value,
                expected,
                limit,
            }
        } else {
            ReasonKind::BeyondBefore {
                value,
                expected,
                limit,
                ago,
            }
        }
    }

    fn is_sound(&self) -> bool {
        let finite = |seen: &JudgedPoint| {
            [seen.point.value, seen.expected, seen.usual]
                .iter()
                .all(|v| v.is_finite())
        };
        self.fitted.scorer.is_sound()
            && self.fitted.level.is_sound()
            && self.gate.is_sound()
            && self.block.len() <= 3 * self.fitted.stream.params().cell()
            && self.block.iter().all(finite)
    }
}
