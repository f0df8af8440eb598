//! Points that wait for earlier ones.

use std::collections::BTreeMap;

use contract::{Point, PointStatus};
use serde::{Deserialize, Serialize};

/// The most points that wait; beyond them the oldest goes on.
const MAX: usize = 256;

/// Points by timestamp, each until points come that are later by more than the lateness.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Reorder(BTreeMap<i64, f64>);

impl Reorder {
    /// Takes `point`, which follows the points that have gone on. Returns what became of it.
    pub(crate) fn hold(&mut self, point: Point) -> PointStatus {
        match self.0.get(&point.timestamp) {
            None => {
                self.0.insert(point.timestamp, point.value);
                PointStatus::Accepted
            }
            Some(value) if value.to_bits() == point.value.to_bits() => PointStatus::Duplicate,
            Some(_) => PointStatus::Conflict,
        }
    }

    /// The next point that need not wait any longer.
    pub(crate) fn release(&mut self, lateness: i64) -> Option<Point> {
        let newest = *self.0.last_key_value()?.0;
        let oldest = *self.0.first_key_value()?.0;
        let is_over = newest.saturating_sub(oldest) >= lateness || self.0.len() > MAX;
        is_over.then(|| self.pop()).flatten()
    }

    /// The oldest point, whether or not it should still wait.
    pub(crate) fn pop(&mut self) -> Option<Point> {
        let (timestamp, value) = self.0.pop_first()?;
        Some(Point { timestamp, value })
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.0.len() <= MAX && self.0.values().all(|value| value.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_goes_on_once_later_ones_have_passed_it_by_the_lateness() {
        let mut reorder = Reorder::default();
        let mut released = Vec::new();
        for timestamp in [10, 40, 20, 30, 71, 70] {
            let point = Point {
                timestamp,
                value: 0.0,
            };
            assert_eq!(reorder.hold(point), PointStatus::Accepted);
            while let Some(point) = reorder.release(30) {
                released.push(point.timestamp);
            }
        }
        assert_eq!(released, [10, 20, 30, 40]);
        let again = Point {
            timestamp: 71,
            value: 0.0,
        };
        assert_eq!(reorder.hold(again), PointStatus::Duplicate);
        assert_eq!(
            reorder.hold(Point {
                value: 1.0,
                ..again
            }),
            PointStatus::Conflict
        );
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let mut reorder = Reorder::default();
        for timestamp in 0..=256 {
            reorder.hold(Point {
                timestamp,
                value: 0.0,
            });
        }
        assert_eq!(reorder.release(i64::MAX).map(|p| p.timestamp), Some(0));
        assert_eq!(reorder.release(i64::MAX), None);
    }
}
