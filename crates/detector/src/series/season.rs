//! The seasonal profile: what is usual at each place of the period.

use serde::{Deserialize, Serialize};

use crate::{
    detectors::auto::streaming::constants::{SEASON_GAIN, SEASON_STEP, WINSOR_LIMIT},
    model::bytes,
};

/// A standardised value for each slot of the period, and how often the slot was seen. Empty without a season.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Season {
    #[serde(with = "bytes::vec")]
    profile: Vec<f32>,
    seen: Seen,
}

/// A number for each slot, at most [`MOST`]: two to a byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "StoredSeen", from = "StoredSeen")]
struct Seen {
    pairs: Vec<u8>,
    len: usize,
}

/// From so many on it makes no difference.
const MOST: u8 = 15;

impl Seen {
    fn of(numbers: &[u8]) -> Self {
        let pair = |pair: &[u8]| pair[0].min(MOST) | pair.get(1).map_or(0, |n| n.min(&MOST) << 4);
        Self {
            pairs: numbers.chunks(2).map(pair).collect(),
            len: numbers.len(),
        }
    }

    fn at(&self, place: usize) -> u8 {
        self.pairs[place / 2] >> (place % 2 * 4) & MOST
    }

    fn count(&mut self, place: usize) {
        if self.at(place) < MOST {
            self.pairs[place / 2] += 1 << (place % 2 * 4);
        }
    }
}

/// The stored form: a byte each.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct StoredSeen(#[serde(with = "bytes::vec")] Vec<u8>);

impl From<Seen> for StoredSeen {
    fn from(seen: Seen) -> Self {
        Self((0..seen.len).map(|place| seen.at(place)).collect())
    }
}

impl From<StoredSeen> for Seen {
    fn from(StoredSeen(numbers): StoredSeen) -> Self {
        Self::of(&numbers)
    }
}

/// What a point teaches the profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SeasonUpdate {
    place: usize,
    winsorized: f64,
}

impl Season {
    /// A profile of `period` slots, none of them seen; 0: no season.
    pub(crate) fn new(period: usize) -> Self {
        Self {
            profile: vec![0.0; period],
            seen: Seen::of(&vec![0; period]),
        }
    }

    /// Length in slots; 0: no season.
    pub(crate) fn period(&self) -> usize {
        self.profile.len()
    }

    /// What is usual at `slot`; `None` if there is no season or the slot was never seen.
    pub(crate) fn usual(&self, slot: i64) -> Option<f64> {
        let place = self.place(slot)?;
        (self.seen.at(place) > 0).then(|| f64::from(self.profile[place]))
    }

    /// What the value `tamed` at `slot` teaches.
    pub(crate) fn update(&self, slot: i64, winsorized: f64) -> Option<SeasonUpdate> {
        let place = self.place(slot)?;
        Some(SeasonUpdate { place, winsorized })
    }

    pub(crate) fn learn(&mut self, update: SeasonUpdate) {
        let usual = &mut self.profile[update.place];
        let seen = self.seen.at(update.place);
        if seen == 0 {
            *usual = update.winsorized as f32;
        } else {
            let gain = SEASON_GAIN.max(1.0 / (f64::from(seen) + 1.0));
            let error = update.winsorized - f64::from(*usual);
            *usual += (gain * error.clamp(-SEASON_STEP, SEASON_STEP)) as f32;
        }
        self.seen.count(update.place);
    }

    fn place(&self, slot: i64) -> Option<usize> {
        let period = self.period() as i64;
        (period > 0).then(|| slot.rem_euclid(period) as usize)
    }

    pub(crate) fn check(&self, period: usize) -> Result<(), &'static str> {
        let lengths = self.profile.len() == period && self.seen.len == period;
        let in_range = |usual: &f32| f64::from(usual.abs()) <= WINSOR_LIMIT;
        let sound = lengths && self.profile.iter().all(in_range);
        sound.then_some(()).ok_or("season")
    }

    /// Bytes on the heap.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&self.profile[..]) + size_of_val(&self.seen.pairs[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_learns_the_mean_first_and_then_forgets() {
        let mut season = Season::new(8);
        let teach = |season: &mut Season, slot, value| {
            season.learn(season.update(slot, value).unwrap());
        };
        assert_eq!(season.usual(3), None);
        for value in [1.0, 2.0, 3.0] {
            teach(&mut season, 3, value);
        }
        assert_eq!(season.usual(3 - 8), Some(2.0));
        for _ in 0..100 {
            teach(&mut season, i64::MIN + 3, 20.0);
        }
        assert!((season.usual(3).unwrap() - 20.0).abs() < 1e-3);
        assert_eq!(season.usual(4), None);
        assert_eq!(season.check(8), Ok(()));
    }

    #[test]
    fn how_often_a_slot_was_seen_is_told_from_its_neighbours() {
        let mut seen = Seen::of(&[0, 1, 2, 255, 4]);
        for _ in 0..20 {
            seen.count(1);
        }
        seen.count(0);
        let stored = StoredSeen::from(seen.clone());
        assert_eq!(stored.0, [1, 15, 2, 15, 4]);
        assert_eq!(Seen::from(stored), seen);
    }

    #[test]
    fn one_value_moves_a_profile_by_little() {
        let mut season = Season::new(8);
        for value in [0.0, 20.0] {
            season.learn(season.update(0, value).unwrap());
        }
        assert_eq!(season.usual(0), Some(1.5));
    }

    #[test]
    fn without_a_period_there_is_nothing_to_learn() {
        assert_eq!(Season::new(0).update(5, 1.0), None);
        assert_eq!(Season::new(0).usual(5), None);
    }
}
