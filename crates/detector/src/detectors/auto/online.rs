//! The streaming detector online: all of it, and alarms by its own level or at a rate that was asked for.

use contract::{DetectorName, Direction, Point, Severity, Sides};
use serde::{Deserialize, Serialize};

use super::{
    ENOUGH, Enough,
    cold_start::Few,
    level::Level,
    streaming::{self, Observation, parameters::FATIGUE},
};
use crate::{
    Band, Reason, Verdict,
    detectors::sigma::Sigma,
    online::{Follower, Gate, Online, Step},
    reason::Cause,
    text::Span,
    verdict::{Ask, DEFAULT_RATE},
};

/// A session of `auto`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AutoOnline {
    /// The recorded rule, until there are enough points.
    Few(Box<FewOnline>),
    /// The streaming detector.
    Enough(Box<EnoughOnline>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FewOnline {
    rule: Follower<Sigma>,
    points: Vec<Point>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnoughOnline {
    enough: Enough,
    gate: Gate,
    /// The points of the last block, oldest first.
    block: Vec<Seen>,
    /// Timestamp of the first alarm of the episode that runs, or ran last.
    since: i64,
    /// Points so far, those of training included.
    points: u64,
}

/// A point, and what was expected of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    point: Point,
    expected: f64,
    /// How far from that is usual.
    usual: f64,
}

/// What becomes of the evidence at a point.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    strength: f64,
    emitted: f64,
    running: bool,
}

impl Online for AutoOnline {
    fn update(&mut self, point: Point, ask: &Ask) -> Step {
        let few = match self {
            Self::Enough(enough) => return enough.update(point, ask),
            Self::Few(few) => few,
        };
        let mut step = few.rule.update(point, ask);
        step.verdict.detector = DetectorName::Auto;
        few.points.push(point);
        if few.points.len() >= ENOUGH
            && let Some(enough) = Enough::fit(&few.points)
        {
            *self = Self::enough(enough);
        }
        step
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Few(few) => size_of::<FewOnline>() + size_of_val(&few.points[..]),
            Self::Enough(enough) => {
                let stream = &enough.enough.stream;
                let block = enough.block.capacity() * size_of::<Seen>();
                size_of::<EnoughOnline>() + stream.memory() - size_of_val(stream)
                    + block
                    + Level::MEMORY
            }
        }
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::Few(few) => {
                let finite = few.points.iter().all(|p| p.value.is_finite());
                few.rule.is_sound() && finite && few.points.len() < ENOUGH
            }
            Self::Enough(enough) => enough.is_sound(),
        }
    }
}

impl AutoOnline {
    /// Of a model of few points.
    pub(super) fn few(few: &Few) -> Self {
        let points = few.points().to_vec();
        let rule = Follower::new(few.rule(), (), points.len() as f64);
        Self::Few(Box::new(FewOnline { rule, points }))
    }

    /// Of a model of enough.
    pub(super) fn enough(enough: Enough) -> Self {
        let fixed = enough.stream.fixed();
        Self::Enough(Box::new(EnoughOnline {
            gate: Gate::new(fixed.horizon() as f64),
            block: Vec::with_capacity(3 * fixed.cell()),
            since: 0,
            points: fixed.prefix(),
            enough: Enough {
                pure: enough.pure.without_shapes(),
                ..enough
            },
        }))
    }
}

impl EnoughOnline {
    fn update(&mut self, point: Point, ask: &Ask) -> Step {
        let (fixed, learned, moving) = self.enough.stream.parts();
        let seen = streaming::observe(fixed, learned, moving, point);
        streaming::learn(learned, &seen);
        let block = 3 * fixed.cell();
        let cell_ended = seen.output.ratio > 0.0;
        self.points += 1;
        if self.block.len() >= block {
            self.block.remove(0);
        }
        self.block.push(Seen {
            point,
            expected: seen.output.expected,
            usual: seen.output.upper - seen.output.expected,
        });
        let peak = self.peak();
        let counts = peak.counts(ask);
        let outcome = self.outcome(&seen, counts, cell_ended, ask);
        let alarm = outcome.emitted >= 1.0;
        if alarm && !outcome.running {
            self.since = point.timestamp;
        }
        Step {
            verdict: self.verdict(&seen, &peak, &outcome, (point, ask)),
            strength: outcome.strength,
            emitted: outcome.emitted,
            escalation: alarm && outcome.running,
            peak: if alarm {
                peak.point.timestamp
            } else {
                point.timestamp
            },
            reach: self.gate.reach,
            season: seen.predictions.season.unwrap_or(0.0)
                * self.enough.stream.fixed().scaling().scale(),
        }
    }

    /// The point of the last block that deviates most from what was expected.
    fn peak(&self) -> Seen {
        let mut peak = self.block[0];
        for seen in &self.block[1..] {
            if seen.error().abs() > peak.error().abs() {
                peak = *seen;
            }
        }
        peak
    }

    /// Whether there is an alarm: by the stream's own level, or at the rate that was asked for.
    fn outcome(
        &mut self,
        seen: &Observation,
        counts: bool,
        cell_ended: bool,
        ask: &Ask,
    ) -> Outcome {
        let output = &seen.output;
        let Some(rate) = ask.rate else {
            let running = output.escalation || (output.ratio >= 1.0 && !output.alarm);
            return Outcome {
                strength: if counts { output.ratio } else { 0.0 },
                emitted: if counts { output.emitted } else { 0.0 },
                running,
            };
        };
        // The stream's level rises where alarms are common; a rate that was asked for is to be kept.
        let recent = self.enough.stream.recent_alarms() - f64::from(u8::from(output.alarm));
        let evidence = output.ratio * (1.0 + FATIGUE * recent.max(0.0));
        let cell = self.enough.stream.fixed().cell() as f64;
        let level = self.enough.level.at((rate * cell).min(0.5));
        let strength = if counts { evidence / level } else { 0.0 };
        let passed = self.gate.pass(strength);
        if cell_ended {
            // Of an episode its first alarm counts once, as if it had just reached the level; nothing else is learned of it.
            if evidence < level {
                self.enough.level.learn(evidence);
            } else if passed.emitted >= 1.0 && !passed.running {
                self.enough.level.learn(level);
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
        peak: &Seen,
        outcome: &Outcome,
        (point, ask): (Point, &Ask),
    ) -> Verdict {
        let output = &seen.output;
        let pure = &self.enough.pure;
        let forecast = pure.best(&self.enough.stream, &seen.predictions);
        // Of shapes the evidence says enough.
        let by_itself = pure.judge(&forecast, None, point, ask);
        let alarm = outcome.emitted >= 1.0;
        let direction = match alarm {
            true => peak.direction(),
            false => Direction::None,
        };
        let band = match ask.rate {
            None => band(output.expected, output.upper - output.expected, ask),
            Some(_) => forecast.band(forecast.limit(ask), ask),
        };
        let p_value = match alarm {
            true => by_itself.p_value.min(ask.rate.unwrap_or(DEFAULT_RATE)),
            false => by_itself.p_value,
        };
        Verdict {
            anomaly: alarm,
            score: output.score.clamp(0.0, crate::verdict::LARGEST_SCORE),
            severity: if alarm {
                severity(outcome.emitted)
            } else {
                Severity::None
            },
            p_value,
            expected: Some(band.expected),
            lower: band.lower,
            upper: band.upper,
            direction,
            reason: Reason(self.cause(seen, peak, outcome, (point, &band))),
            detector: DetectorName::Auto,
        }
    }

    /// What there is to say of a point.
    fn cause(
        &self,
        seen: &Observation,
        peak: &Seen,
        outcome: &Outcome,
        (point, band): (Point, &Band),
    ) -> Cause {
        let (value, expected) = (point.value, band.expected);
        if outcome.emitted >= 1.0 {
            return self.cause_of_alarm(seen, peak, point);
        }
        if outcome.strength >= 1.0 {
            let since = self.since;
            return Cause::Ongoing {
                value,
                expected,
                since,
            };
        }
        if band.side(value) == Direction::None {
            let (lower, upper) = (band.lower, band.upper);
            return Cause::Within {
                value,
                lower,
                upper,
            };
        }
        let strength = outcome.strength;
        Cause::Watched {
            value,
            expected,
            strength,
        }
    }

    fn cause_of_alarm(&self, seen: &Observation, peak: &Seen, point: Point) -> Cause {
        if peak.direction() == Direction::Pattern {
            let fixed = self.enough.stream.fixed();
            let points = match seen.output.cause {
                streaming::Cause::Novelty { scale } => 3 * scale * fixed.cell(),
                _ => fixed.windows().max().unwrap_or(3 * fixed.cell()),
            };
            let (from, to) = (self.enough.first, point.timestamp);
            let points = (points as u64).min(self.points);
            let history = Span {
                from,
                to,
                points: self.points,
            };
            return Cause::Unseen { points, history };
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
            Cause::Beyond {
                value,
                expected,
                limit,
            }
        } else {
            Cause::BeyondBefore {
                value,
                expected,
                limit,
                ago,
            }
        }
    }

    fn is_sound(&self) -> bool {
        let finite = |seen: &Seen| {
            [seen.point.value, seen.expected, seen.usual]
                .iter()
                .all(|v| v.is_finite())
        };
        self.enough.pure.is_sound()
            && self.enough.level.is_sound()
            && self.gate.is_sound()
            && self.block.len() <= 3 * self.enough.stream.fixed().cell()
            && self.block.iter().all(finite)
    }
}

impl Seen {
    fn error(&self) -> f64 {
        (self.point.value - self.expected).clamp(-f64::MAX, f64::MAX)
    }

    /// Where an alarm about it lies: on a side if it is farther than usual from what was expected, else only its shape is odd.
    fn direction(&self) -> Direction {
        if self.error().abs() <= self.usual {
            Direction::Pattern
        } else if self.error() > 0.0 {
            Direction::Above
        } else {
            Direction::Below
        }
    }

    /// Whether an alarm about it is wanted.
    fn counts(&self, ask: &Ask) -> bool {
        let side = match (ask.sides, self.direction()) {
            (Sides::Both, _) => true,
            (Sides::Above, direction) => direction == Direction::Above,
            (Sides::Below, direction) => direction == Direction::Below,
        };
        side && self.error().abs() >= ask.min_deviation
    }
}

/// The usual range around what was expected, on the sides that are asked for.
fn band(expected: f64, usual: f64, ask: &Ask) -> Band {
    let reach = usual.max(ask.min_deviation);
    let bound = |bound: f64, not: Sides| (bound.is_finite() && ask.sides != not).then_some(bound);
    Band {
        expected,
        lower: bound(expected - reach, Sides::Above),
        upper: bound(expected + reach, Sides::Below),
    }
}

/// How severe an alarm of a strength of at least 1 is.
fn severity(strength: f64) -> Severity {
    match strength {
        strength if strength >= 8.0 => Severity::Critical,
        strength if strength >= 4.0 => Severity::High,
        strength if strength >= 2.0 => Severity::Medium,
        _ => Severity::Low,
    }
}
