//! Which points count: timestamps that rise, and what becomes of those that do not.

use std::collections::VecDeque;

use contract::{AnomalyId, Point, PointStatus};
use serde::{Deserialize, Serialize};

use crate::given::{Given, Remembered};

/// The number of verdicts that are kept, for points that are sent again.
const REMEMBERED: usize = 8;

/// The number of points that are kept, for people to look at and for the usual step.
const KEPT: usize = 64;

/// How many usual steps ahead a point may be.
const MAX_STEPS: i64 = 1_000_000;

/// The number of steps from which on the usual one is known.
const KNOWN: usize = 8;

/// The last points, and the verdicts on the newest of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clock {
    /// The last point as it was sent.
    last: Option<Point>,
    /// The last points as they were judged, the oldest first.
    #[serde(with = "crate::points")]
    points: VecDeque<Point>,
    given: VecDeque<Remembered>,
    /// By how much the last late point was late.
    pub(crate) latest_by: Option<i64>,
    /// The number of points in a row that were refused.
    pub(crate) refused: u64,
    /// Points may go back to before the last one, once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    rewound: bool,
}

/// What the clock says of a point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// It follows the last one.
    Next,
    /// It is one of the last points again.
    Again(Box<Given>),
    /// It does not count.
    Refused(PointStatus),
}

impl Clock {
    /// The place of `point` among those before.
    pub(crate) fn place(&self, point: Point) -> Place {
        let Some(last) = self.last.filter(|_| !self.rewound) else {
            return Place::Next;
        };
        if point.timestamp > last.timestamp {
            return match self.is_implausible(last.timestamp, point.timestamp) {
                true => Place::Refused(PointStatus::Implausible),
                false => Place::Next,
            };
        }
        let mut newest = self.given.iter().rev();
        match newest.find(|known| known.sent().timestamp == point.timestamp) {
            // Bits, so that 0 and -0 are two values, as they are everywhere else.
            Some(known) if known.sent().value.to_bits() == point.value.to_bits() => {
                Place::Again(Box::new(known.given()))
            }
            Some(_) => Place::Refused(PointStatus::Conflict),
            None => Place::Refused(PointStatus::Late),
        }
    }

    /// Notes that a point was refused.
    pub(crate) fn refuse(&mut self, point: Point, status: PointStatus) {
        self.refused = self.refused.saturating_add(1);
        if status == PointStatus::Late
            && let Some(last) = self.last
        {
            self.latest_by = Some(last.timestamp.saturating_sub(point.timestamp));
        }
    }

    /// Takes a point that counts, with its verdict.
    pub(crate) fn take(&mut self, given: Given) {
        let judged = Point {
            timestamp: given.sent.timestamp,
            value: given.value,
        };
        if self.points.len() == KEPT {
            self.points.pop_front();
        }
        if self.given.len() == REMEMBERED {
            self.given.pop_front();
        }
        self.points.push_back(judged);
        self.last = Some(given.sent);
        self.given.push_back(given.into());
        self.refused = 0;
        self.rewound = false;
    }

    /// Notes the anomaly that the last point belongs to.
    pub(crate) fn belongs(&mut self, anomaly: Option<AnomalyId>) {
        if let (Some(_), Some(newest)) = (anomaly, self.given.back_mut()) {
            *newest = Remembered::from(Given {
                anomaly_id: anomaly,
                ..newest.given()
            });
        }
    }

    /// Lets the next point be before the last one; what was before it is forgotten.
    pub(crate) fn rewind(&mut self) {
        *self = Self {
            rewound: true,
            last: self.last,
            ..Self::default()
        };
    }

    /// Lets the next point be any number of steps ahead.
    pub(crate) fn forget_steps(&mut self) {
        self.points.clear();
    }

    /// The last point as it was sent.
    pub(crate) fn last(&self) -> Option<Point> {
        self.last
    }

    /// The last points as they were judged, the oldest first; at most 64.
    pub(crate) fn points(&self) -> impl Iterator<Item = Point> {
        self.points.iter().copied()
    }

    /// The verdict that was given last, if one is remembered.
    pub(crate) fn newest(&self) -> Option<Given> {
        self.given.back().map(Remembered::given)
    }

    /// The verdict that was given at `timestamp`, if it is remembered.
    pub(crate) fn given_at(&self, timestamp: i64) -> Option<Given> {
        let mut newest = self.given.iter().rev();
        let known = newest.find(|known| known.sent().timestamp == timestamp)?;
        Some(known.given())
    }

    /// The usual distance of two timestamps: the median of the last ones. `None` before the second
    /// point.
    pub(crate) fn usual_step(&self) -> Option<i64> {
        let mut steps: Vec<i64> = self.steps().collect();
        let middle = steps.len() / 2;
        match steps.is_empty() {
            true => None,
            false => Some(*steps.select_nth_unstable(middle).1),
        }
    }

    fn steps(&self) -> impl Iterator<Item = i64> {
        let after = self.points.iter().skip(1);
        let pairs = self.points.iter().zip(after);
        pairs.map(|(before, after)| after.timestamp.saturating_sub(before.timestamp))
    }

    fn is_implausible(&self, last: i64, timestamp: i64) -> bool {
        let gap = timestamp.saturating_sub(last) / MAX_STEPS;
        // Most gaps are short, which is cheap to see.
        gap > 0
            && self.points.len() > KNOWN
            && self.steps().min().is_some_and(|least| gap > least)
            && self.usual_step().is_some_and(|usual| gap > usual)
    }

    /// Whether a stream could have reached this state.
    pub(crate) fn is_sound(&self) -> bool {
        let finite = |point: &Point| point.value.is_finite();
        self.points.len() <= KEPT
            && self.given.len() <= REMEMBERED
            && self.points.iter().all(finite)
            && self.given.iter().all(Remembered::is_sound)
            && self.last.as_ref().is_none_or(finite)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.points.capacity() * size_of::<Point>()
            + self.given.capacity() * size_of::<Remembered>()
            + self.given.iter().map(Remembered::heap_bytes).sum::<usize>()
    }
}
