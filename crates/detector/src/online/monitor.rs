//! The form that detectors with a forecast take in a session.

use contract::{Point, Sides};
use serde::{Deserialize, Serialize};

use super::{Alarm, Online, Step, episode::EpisodeGate};
use crate::{
    detector::{Detector, Forecasting},
    forecast::Forecast,
    verdict::ScoringRule,
};

/// A detector, its state, and its alarms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForecastMonitor<D, P = ()> {
    learned: D,
    #[serde(rename = "place")]
    state: P,
    gate: EpisodeGate,
}

impl<D: Detector> ForecastMonitor<D, D::State> {
    /// Follows a series from `state` on, with a detector that was fitted on this number of
    /// `points`.
    pub(crate) fn new(learned: D, state: D::State, points: f64) -> Self {
        Self {
            learned,
            state,
            gate: EpisodeGate::new(points),
        }
    }
}

impl<D> Online for ForecastMonitor<D, D::State>
where
    D: Forecasting,
    D::State: PartialEq + Serialize + serde::de::DeserializeOwned,
{
    fn update(&mut self, point: Point, rule: &ScoringRule) -> Step {
        let of_values = self.learned.forecast(&self.state, point.timestamp);
        let of_value = of_values.score(point, rule, D::NAME);
        let forecast = Forecast {
            of_alarms: true,
            ..of_values
        };
        let of_alarm = forecast.score(point, rule, D::NAME);
        let limit = forecast.limit(rule);
        let strength = strength(&forecast, point.value, rule);
        let passed = self.gate.pass(if of_alarm.anomaly {
            strength.max(1.0)
        } else {
            strength.min(1.0_f64.next_down())
        });
        let alarm = (passed.emitted >= 1.0).then_some(Alarm {
            severity: of_alarm.severity,
            reason: of_alarm.reason.0,
            escalation: passed.running,
            about: point,
            expected: forecast.expected,
            direction: of_alarm.direction,
        });
        let season = self.learned.season(&self.state, point.timestamp);
        self.learned.learn(&mut self.state, point, limit);
        Step {
            of_value,
            alarm,
            strength: if of_alarm.anomaly {
                strength.max(1.0)
            } else {
                0.0
            },
            emitted: passed.emitted,
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

/// The evidence of a value: its distance over the limit; 0 on a side that was not asked for.
fn strength(forecast: &Forecast<'_>, value: f64, rule: &ScoringRule) -> f64 {
    let counts = match rule.sides {
        Sides::Both => true,
        Sides::Above => value >= forecast.expected,
        Sides::Below => value <= forecast.expected,
    };
    if !counts {
        return 0.0;
    }
    let limit = forecast.limit(rule).max(rule.min_deviation);
    (forecast.distance(value) / limit.max(f64::MIN_POSITIVE)).clamp(0.0, STRONGEST)
}

/// The largest strength.
const STRONGEST: f64 = 1e8;
