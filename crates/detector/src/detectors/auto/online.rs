//! The streaming detector in a session, with alarms by its own level or at the rate that was asked
//! for.

use std::collections::VecDeque;

use contract::{DetectorName, Point, Sides};
use serde::{Deserialize, Serialize};

use super::{
    ENOUGH, FittedStream,
    cold_start::ColdStart,
    judged_point::{self, JudgedPoint},
    level::EvidenceQuantile,
    streaming::{self, BLOCK_CELLS, Observation, constants::FATIGUE},
    stuck::{EqualValues, Stuck},
    value_evidence::ValueEvidence,
};
use crate::{
    Verdict,
    detectors::sigma::Sigma,
    online::{Alarm, EpisodeGate, ForecastMonitor, Online, Step},
    params::Settings,
    reason::ReasonKind,
    text::Span,
    verdict::{LARGEST_SCORE, ScoringRule},
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
    value_evidence: ValueEvidence,
    equal_values: EqualValues,
    /// The oddest points of the last cells of a block, and of the one that has not ended, the oldest
    /// first.
    peaks: VecDeque<JudgedPoint>,
    /// Whether the last point has ended a cell.
    cell_ended: bool,
    /// The direction of the stream's last alarm, whether or not it counts: 1 for above.
    side: i8,
    /// The mean of the season.
    season_mean: f64,
    /// The number of points when the last alarm was raised.
    last_alarm: Option<u64>,
    /// The number of points so far, training included.
    points: u64,
}

/// The factor by which values may raise the evidence of the stream. Where nothing of a series looks
/// new, a value far out is most often of its kind; more than twice loses on published series, and
/// less misses spikes on a random walk.
const RAISED: f64 = 2.0;

/// The outcome of the evidence at a point.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    strength: f64,
    emitted: f64,
    running: bool,
    /// The run of equal values that is the evidence, if one is.
    stuck: Option<Stuck>,
}

impl Online for AutoOnline {
    fn update(&mut self, point: Point, rule: &ScoringRule) -> Step {
        let cold = match self {
            Self::Fitted(stream) => return stream.update(point, rule),
            Self::ColdStart(cold) => cold,
        };
        let mut step = cold.rule.update(point, rule);
        step.of_value.detector = DetectorName::Auto;
        cold.points.push(point);
        if cold.points.len() >= ENOUGH
            && let Some(fitted) = FittedStream::fit(&cold.points, &Settings::default())
        {
            *self = Self::fitted(fitted);
        }
        step
    }

    fn update_last(&mut self, point: Point, rule: &ScoringRule) -> Step {
        match self {
            Self::Fitted(stream) => {
                let (params, memory, state) = stream.fitted.stream.parts();
                let seen = streaming::observe_last(params, memory, state, point);
                stream.judge(&seen, point, rule)
            }
            Self::ColdStart(_) => self.update(point, rule),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::ColdStart(cold) => size_of::<ColdStartOnline>() + size_of_val(&cold.points[..]),
            Self::Fitted(fitted) => {
                let stream = &fitted.fitted.stream;
                let peaks = fitted.peaks.capacity() * size_of::<JudgedPoint>();
                size_of::<StreamOnline>() + stream.memory_bytes() - size_of_val(stream)
                    + peaks
                    + fitted.value_evidence.heap_bytes()
                    + fitted.fitted.values.heap_bytes()
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
            value_evidence: ValueEvidence::new(),
            equal_values: EqualValues::after(fitted.longest_run),
            peaks: VecDeque::with_capacity(BLOCK_CELLS),
            cell_ended: true,
            side: 0,
            season_mean: fitted.values.season_mean(&fitted.stream),
            points: params.prefix(),
            last_alarm: None,
            fitted,
        }))
    }
}

impl StreamOnline {
    fn update(&mut self, point: Point, rule: &ScoringRule) -> Step {
        let (params, memory, state) = self.fitted.stream.parts();
        let seen = streaming::observe(params, memory, state, point);
        streaming::learn(memory, &seen);
        self.judge(&seen, point, rule)
    }

    /// The outcome of `point`, which the stream has `seen`.
    fn judge(&mut self, seen: &Observation, point: Point, rule: &ScoringRule) -> Step {
        let FittedStream { stream, values, .. } = &mut self.fitted;
        // The range, the p-value, and whether the value lies outside. Blocks and shapes have no part
        // in it.
        let of_value = values.update(stream, &seen.predictions, point, rule);
        let moment = values.last_moment();
        self.value_evidence.note(
            point.value,
            &of_value,
            moment,
            stream.params().scaling().scale(),
            rule,
        );
        // A filter asks for values on one side, or for large deviations.
        let filters = rule.sides != Sides::Both || rule.min_deviation > 0.0;
        let stuck = self.equal_values.note(point.value).filter(|_| !filters);
        let last = JudgedPoint::new(point, self.points, &of_value);
        let peak = self.peak(last);
        self.points += 1;
        self.cell_ended = seen.ends_cell();
        let counts = self.is_on_side(seen, rule.sides) && peak.counts(rule);
        let outcome = self.outcome(seen, counts, &peak, stuck, rule);
        let alarm = (outcome.emitted >= 1.0).then(|| {
            let (about, reason) = match outcome.stuck {
                Some(stuck) => (last, stuck.reason(point.value)),
                None => (peak, self.cause_of_alarm(seen, &peak, point)),
            };
            Alarm {
                severity: judged_point::severity(outcome.emitted),
                reason,
                escalation: outcome.running,
                about: about.point,
                expected: about.expected,
                direction: about.direction(),
            }
        });
        Step {
            of_value: Verdict {
                score: seen.output.score.clamp(0.0, LARGEST_SCORE),
                ..of_value
            },
            alarm,
            strength: outcome.strength,
            emitted: outcome.emitted,
            quiet_limit: self.gate.quiet_limit,
            season: self.season(seen, point),
        }
    }

    /// Whether what happens is on the side that counts. During a fall that was not asked for, and for
    /// a while after it, a rise is but the return to what was usual.
    fn is_on_side(&mut self, seen: &Observation, sides: Sides) -> bool {
        if seen.output.alarm && seen.output.direction != 0 {
            self.side = seen.output.direction;
        }
        match sides {
            Sides::Both => true,
            Sides::Above => self.side >= 0 || !self.fitted.stream.is_in_episode(),
            Sides::Below => self.side <= 0 || !self.fitted.stream.is_in_episode(),
        }
    }

    /// The amount that the season adds to the level at `point`, in the unit of the values.
    fn season(&mut self, seen: &Observation, point: Point) -> f64 {
        let FittedStream { stream, values, .. } = &self.fitted;
        // The profile learns a new level too, which is no part of its shape. A mean once in a
        // period costs nothing.
        if self.points.is_multiple_of(values.cycle(stream)) {
            self.season_mean = values.season_mean(stream);
        }
        values.season(stream, &seen.predictions, point.value, self.season_mean)
    }

    /// The oddest point of the last block, which `last` is part of; the first of equally odd ones.
    fn peak(&mut self, last: JudgedPoint) -> JudgedPoint {
        match self.peaks.back_mut().filter(|_| !self.cell_ended) {
            Some(cell) => *cell = cell.odder(last),
            None => {
                if self.peaks.len() == BLOCK_CELLS {
                    self.peaks.pop_front();
                }
                self.peaks.push_back(last);
            }
        }
        self.peaks
            .iter()
            .copied()
            .fold(self.peaks[0], JudgedPoint::odder)
    }

    /// Decides about an alarm: by the stream's own level, or at the rate that was asked for.
    fn outcome(
        &mut self,
        seen: &Observation,
        counts: bool,
        peak: &JudgedPoint,
        stuck: Option<Stuck>,
        rule: &ScoringRule,
    ) -> Outcome {
        let output = &seen.output;
        // The stream's level rises where alarms are common. Clear values, and a rate that was asked
        // for, are held to the level where none are.
        let recent = self.fitted.stream.recent_alarms() - f64::from(u8::from(output.alarm));
        let rested = output.ratio * (1.0 + FATIGUE * recent.max(0.0));
        let raised = self.raised(seen, rested);
        let (evidence, level) = match rule.rate {
            None => (output.ratio.max(raised), 1.0),
            Some(rate) => {
                let cell = self.fitted.stream.params().cell() as f64;
                let level = self.fitted.level.at((rate * cell).min(0.5));
                (rested.max(raised), level)
            }
        };
        let of_evidence = match counts {
            // It prolongs an episode, and raises no alarm.
            true if self.is_echo(seen, peak) => self.gate.prolonging((evidence / level).min(1.0)),
            true => evidence / level,
            false => 0.0,
        };
        let stuck = stuck.filter(|_| of_evidence < 1.0);
        // Enough for an alarm, and not for a second one.
        let strength = if stuck.is_some() { 1.0 } else { of_evidence };
        let passed = self.gate.pass(strength);
        if passed.emitted >= 1.0 {
            self.last_alarm = Some(self.points);
        }
        if rule.rate.is_some() && output.ratio > 0.0 {
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
            stuck,
        }
    }

    /// Whether the evidence is that of an alarm that was raised: no value of the last block lies
    /// outside its range, and the blocks that look new still hold the change, or are the first ones
    /// without what was before it.
    fn is_echo(&self, seen: &Observation, peak: &JudgedPoint) -> bool {
        let (Some(last), streaming::Cause::Novelty { scale }) =
            (self.last_alarm, seen.output.cause)
        else {
            return false;
        };
        let blocks = scale + scale / 2 + 1;
        let window = blocks * BLOCK_CELLS * self.fitted.stream.params().cell();
        peak.limit.is_none() && self.points - last <= window as u64
    }

    /// The stream's evidence where values raise it; 0 inside a cell.
    fn raised(&mut self, seen: &Observation, evidence: f64) -> f64 {
        match seen.ends_cell() {
            true => self.value_evidence.end_cell().min(RAISED * evidence),
            false => 0.0,
        }
    }

    fn cause_of_alarm(&self, seen: &Observation, peak: &JudgedPoint, point: Point) -> ReasonKind {
        let (value, expected) = (peak.point.value, peak.expected);
        let Some(limit) = peak.limit else {
            return self.unseen(seen, point);
        };
        let ago = self.points - 1 - peak.index;
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

    /// The reason for an alarm about points none of which lies outside its range.
    fn unseen(&self, seen: &Observation, point: Point) -> ReasonKind {
        let params = self.fitted.stream.params();
        let points = match seen.output.cause {
            streaming::Cause::Novelty { scale } => BLOCK_CELLS * scale * params.cell(),
            _ => params
                .windows()
                .max()
                .unwrap_or(BLOCK_CELLS * params.cell()),
        };
        let (from, to) = (self.fitted.first, point.timestamp);
        let history = Span {
            from,
            to,
            points: self.points,
        };
        let points = (points as u64).min(self.points);
        ReasonKind::Unseen { points, history }
    }

    fn is_sound(&self) -> bool {
        self.fitted.values.is_sound()
            && self.fitted.level.is_sound()
            && self.gate.is_sound()
            && self.value_evidence.is_sound()
            && self.equal_values.is_sound()
            && self.peaks.len() <= BLOCK_CELLS
            && self
                .peaks
                .iter()
                .all(|peak| peak.is_sound() && peak.index < self.points)
    }
}
