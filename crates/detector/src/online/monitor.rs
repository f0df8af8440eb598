//! The form that detectors with a forecast take in a session.

use contract::{Direction, Point, Severity, Sides};
use serde::{Deserialize, Serialize};

use super::{Online, Step, episode::EpisodeGate};
use crate::{
    Reason, detector::Detector, forecast::Forecast, reason::ReasonKind, verdict::ScoringRule,
};

/// A detector, its state, and its alarms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForecastMonitor<D, P = ()> {
    learned: D,
    #[serde(rename = "place")]
    state: P,
    gate: EpisodeGate,
    /// The timestamp of the first alarm of the last episode.
    since: i64,
}

impl<D: Detector> ForecastMonitor<D, D::State> {
    /// Follows a series from `state` on, with a detector that was fitted on this number of
    /// `points`.
    pub(crate) fn new(learned: D, state: D::State, points: f64) -> Self {
        Self {
            learned,
            state,
            gate: EpisodeGate::new(points),
            since: 0,
        }
    }
}

impl<D> Online for ForecastMonitor<D, D::State>
where
    D: Detector,
    D::State: PartialEq + Serialize + serde::de::DeserializeOwned,
{
    fn update(&mut self, point: Point, rule: &ScoringRule) -> Step {
        let forecast = Forecast {
            of_alarms: true,
            ..self.learned.forecast(&self.state, point.timestamp)
        };
        let limit = forecast.limit(rule);
        let mut verdict = forecast.score(point, rule, D::NAME);
        let counts = match rule.sides {
            Sides::Both => true,
            Sides::Above => point.value >= forecast.expected,
            Sides::Below => point.value <= forecast.expected,
        };
        let strength =
            forecast.distance(point.value) / limit.max(rule.min_deviation).max(f64::MIN_POSITIVE);
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
            verdict.reason = Reason(ReasonKind::Ongoing {
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
        let season = self.learned.season(&self.state, point.timestamp);
        self.learned.learn(&mut self.state, point, limit);
        Step {
            verdict,
            strength: if evidence { strength.max(1.0) } else { 0.0 },
            emitted: passed.emitted,
            escalation: alarm && passed.running,
            peak: point.timestamp,
            quiet_limit: self.gate.quiet_limit,
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

/// The largest strength.
const STRONGEST: f64 = 1e8;
