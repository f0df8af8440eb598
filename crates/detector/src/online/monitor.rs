//! The online form of detectors that expect a value.

use contract::{Direction, Point, Severity, Sides};
use serde::{Deserialize, Serialize};

use super::{Online, Step, episode::Gate};
use crate::{Reason, detector::Detector, forecast::Forecast, reason::Cause, verdict::Ask};

/// A detector, where it is, and which alarms it raised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Follower<D, P = ()> {
    learned: D,
    place: P,
    gate: Gate,
    /// Timestamp of the first alarm of the episode that runs, or ran last.
    since: i64,
}

impl<D: Detector> Follower<D, D::Place> {
    /// Goes on from `place` with what a fit on so many `points` gave.
    pub(crate) fn new(learned: D, place: D::Place, points: f64) -> Self {
        Self {
            learned,
            place,
            gate: Gate::new(points),
            since: 0,
        }
    }
}

impl<D> Online for Follower<D, D::Place>
where
    D: Detector,
    D::Place: PartialEq + Serialize + serde::de::DeserializeOwned,
{
    fn update(&mut self, point: Point, ask: &Ask) -> Step {
        let forecast = Forecast {
            of_alarms: true,
            ..self.learned.forecast(&self.place, point.timestamp)
        };
        let limit = forecast.limit(ask);
        let mut verdict = forecast.judge(point, ask, D::NAME);
        let counts = match ask.sides {
            Sides::Both => true,
            Sides::Above => point.value >= forecast.expected,
            Sides::Below => point.value <= forecast.expected,
        };
        let strength =
            forecast.distance(point.value) / limit.max(ask.min_deviation).max(f64::MIN_POSITIVE);
        let strength = if counts {
            strength.clamp(0.0, STRONGEST)
        } else {
            0.0
        };
        let passed = self.gate.pass(if verdict.anomaly {
            strength.max(1.0)
        } else {
            strength.min(1.0_f64.next_down())
        });
        let alarm = passed.emitted >= 1.0;
        if verdict.anomaly && !alarm {
            verdict.reason = Reason(Cause::Ongoing {
                value: point.value,
                expected: forecast.expected,
                since: self.since,
            });
            verdict.severity = Severity::None;
            verdict.direction = Direction::None;
        }
        let evidence = verdict.anomaly;
        verdict.anomaly = alarm;
        if alarm && !passed.running {
            self.since = point.timestamp;
        }
        let season = self.learned.season(&self.place, point.timestamp);
        self.learned.learn(&mut self.place, point, limit);
        Step {
            verdict,
            strength: if evidence { strength.max(1.0) } else { 0.0 },
            emitted: passed.emitted,
            escalation: alarm && passed.running,
            peak: point.timestamp,
            reach: self.gate.reach,
            season,
        }
    }

    fn heap_bytes(&self) -> usize {
        self.learned.heap_bytes()
    }

    fn is_sound(&self) -> bool {
        self.learned.is_sound() && self.gate.is_sound()
    }
}

/// No strength is more than this.
const STRONGEST: f64 = 1e8;
