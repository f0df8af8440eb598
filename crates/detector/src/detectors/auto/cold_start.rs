//! The recorded rule for a handful of points, which it keeps until there are enough for more.

use contract::Point;
use serde::{Deserialize, Serialize};

use super::ENOUGH;
use crate::{
    detector::{Detector, Forecasting},
    detectors::sigma::Sigma,
    forecast::Forecast,
    params::Settings,
    warning::Warnings,
};

/// The recorded rule, and fewer than [`ENOUGH`] points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColdStart {
    rule: Sigma,
    points: Vec<Point>,
}

impl ColdStart {
    /// Fits the rule to three or more points.
    pub(super) fn fit(points: &[Point]) -> Self {
        Self {
            rule: Sigma::fit(points, &Settings::default(), &mut Warnings::default()),
            points: points.to_vec(),
        }
    }

    /// The forecast of the rule.
    pub(super) fn forecast(&self, timestamp: i64) -> Forecast<'_> {
        self.rule.forecast(&(), timestamp)
    }

    pub(super) fn rule(&self) -> Sigma {
        self.rule
    }

    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&self.points[..])
    }

    pub(super) fn is_sound(&self) -> bool {
        let finite = self.points.iter().all(|p| p.value.is_finite());
        self.rule.is_sound() && finite && (1..ENOUGH).contains(&self.points.len())
    }
}
