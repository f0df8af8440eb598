//! The time of a partition, which its records tell, and the series that are watched by it.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use contract::SeriesId;
use serde::{Deserialize, Serialize};

/// A gap between two records that was an outage of ours, in milliseconds: a partition that is
/// watched has a record every ten seconds.
const OUTAGE_MS: i64 = 60_000;

/// The time of a partition as data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineState {
    /// The largest time of a record so far, in milliseconds since 1970; 0 before the first.
    pub now_ms: i64,
    /// The length of all outages so far, in milliseconds.
    pub outage_ms: i64,
}

impl TimelineState {
    /// The time without outages.
    pub fn watched_ms(self) -> i64 {
        self.now_ms.saturating_sub(self.outage_ms)
    }

    /// The state after a record of time `at_ms`. Time never goes back. What lies beyond a minute
    /// between two records was an outage.
    #[must_use]
    pub fn after(self, at_ms: i64) -> Self {
        if self.now_ms == 0 {
            return Self {
                now_ms: at_ms.max(0),
                ..self
            };
        }
        let gap = at_ms.saturating_sub(self.now_ms).max(0);
        let outage = if gap > OUTAGE_MS { gap } else { 0 };
        Self {
            now_ms: self.now_ms + gap,
            outage_ms: self.outage_ms + outage,
        }
    }
}

/// The time of a partition, and when its series are due.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    state: TimelineState,
    watched: HashMap<SeriesId, Watched>,
    /// The times at which series are looked at, one for each that is watched and some that no longer
    /// hold.
    looks: BinaryHeap<Reverse<(i64, SeriesId)>>,
}

/// A series that is watched.
#[derive(Clone, Copy, Debug)]
struct Watched {
    /// When it is due.
    due: i64,
    /// When it is looked at, which is no later.
    look: i64,
}

impl Timeline {
    /// A timeline that goes on from `state`.
    pub fn new(state: TimelineState) -> Self {
        Self {
            state,
            ..Self::default()
        }
    }

    /// The time now.
    pub fn state(&self) -> TimelineState {
        self.state
    }

    /// Takes the time of the next record. Returns the series that are due by then, in the order of
    /// their ids. They are no longer watched.
    pub fn advance(&mut self, at_ms: i64) -> Vec<SeriesId> {
        self.state = self.state.after(at_ms);
        let now = self.state.watched_ms();
        let mut due = Vec::new();
        while let Some(Reverse((look, _))) = self.looks.peek()
            && *look <= now
            && let Some(Reverse((look, series))) = self.looks.pop()
        {
            match self.watched.get_mut(&series) {
                Some(watched) if watched.look != look => {}
                Some(watched) if watched.due > look => {
                    // Points have come since.
                    watched.look = watched.due;
                    self.looks.push(Reverse((watched.due, series)));
                }
                Some(_) => {
                    self.watched.remove(&series);
                    due.push(series);
                }
                None => {}
            }
        }
        // Which were due when does not matter, and may differ from one replay to the next.
        due.sort_unstable();
        due
    }

    /// The series that may be due by a record of time `at_ms`, in any order.
    pub fn due_by(&self, at_ms: i64) -> impl Iterator<Item = SeriesId> {
        let by = self.state.after(at_ms).watched_ms();
        let is_near = self
            .looks
            .peek()
            .is_some_and(|Reverse((look, _))| *look <= by);
        // Most records find nothing due.
        let looks = self.looks.iter().filter(move |_| is_near);
        let due = looks.filter(move |Reverse((look, _))| *look <= by);
        due.map(|Reverse((_, series))| series.clone())
    }

    /// Watches `series` until `due`, in watched milliseconds; `None`: no longer.
    pub fn watch(&mut self, series: &SeriesId, due: Option<i64>) {
        let Some(due) = due else {
            self.watched.remove(series);
            return;
        };
        if let Some(watched) = self.watched.get_mut(series) {
            watched.due = due;
            if due >= watched.look {
                return;
            }
        }
        self.watched
            .insert(series.clone(), Watched { due, look: due });
        self.looks.push(Reverse((due, series.clone())));
    }

    /// Whether any series is watched.
    pub fn is_watching(&self) -> bool {
        !self.watched.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SeriesId {
        SeriesId::new(text).unwrap()
    }

    #[test]
    fn an_outage_of_ours_is_no_silence_of_theirs() {
        let state = TimelineState::default().after(1_000).after(61_000);
        assert_eq!((state.watched_ms(), state.outage_ms), (61_000, 0));
        let state = state.after(200_000);
        assert_eq!((state.now_ms, state.watched_ms()), (200_000, 61_000));
        assert_eq!(state.after(150_000), state);
        assert_eq!(state.after(200_500).watched_ms(), 61_500);
    }

    #[test]
    fn a_series_is_due_once_and_only_if_no_point_came() {
        let mut timeline = Timeline::default();
        timeline.advance(1);
        timeline.watch(&id("b"), Some(30));
        timeline.watch(&id("a"), Some(30));
        timeline.watch(&id("c"), Some(20));
        timeline.watch(&id("c"), Some(40));
        timeline.watch(&id("d"), Some(25));
        timeline.watch(&id("d"), None);
        assert_eq!(timeline.advance(35), [id("a"), id("b")]);
        assert_eq!(timeline.advance(39), []);
        timeline.watch(&id("e"), Some(1_000));
        timeline.watch(&id("e"), Some(39));
        assert_eq!(timeline.advance(50), [id("c"), id("e")]);
        assert!(!timeline.is_watching());
    }

    #[test]
    fn many_points_of_a_series_leave_one_look() {
        let mut timeline = Timeline::default();
        for at in 1..1_000 {
            timeline.advance(at);
            timeline.watch(&id("a"), Some(at + 60_000));
        }
        assert_eq!(timeline.looks.len(), 1);
    }
}
