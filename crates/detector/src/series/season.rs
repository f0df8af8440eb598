//! Seasonal profiles: the usual value at each place of the period.
//!
//! One rule places slots and moves the usual value towards a new one; two forms hold it. [`Profile`]
//! is part of every session of `auto`, which may take 112 KiB, and of up to 2,048 slots: so it holds
//! values in 32 bits and a count in four, and learns from one point at a time. [`MedianProfile`]
//! holds values of any size and is fitted on medians, which need all points at once.

use serde::{Deserialize, Serialize};

use super::quantile;
use crate::bytes;

/// The fraction of the way by which a place of a [`MedianProfile`] moves towards a new value, at
/// least.
const LEAST_GAIN_OF_MEDIANS: f64 = 0.1;

/// The place of `slot` in the period, which is over 0.
fn place(slot: i64, period: usize) -> usize {
    slot.rem_euclid(period as i64) as usize
}

/// The step towards a value that lies `error` away, at a place that was `seen` before: to the mean
/// at first, then at a steady pace. The error counts as at most `limit`.
fn step(error: f64, seen: u32, least_gain: f64, limit: f64) -> f64 {
    let gain = least_gain.max(1.0 / (f64::from(seen) + 1.0));
    gain * error.clamp(-limit, limit)
}

/// A count for each slot, at most [`MOST`], two to a byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "StoredSeen", from = "StoredSeen")]
struct Seen {
    pairs: Vec<u8>,
    len: usize,
}

/// The count from which on the gain is the smallest one.
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

/// The usual value at each place of a period, as a distance from some fixed value, and how often
/// the place was seen. Empty without a season.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    #[serde(with = "bytes::vec")]
    usual: Vec<f32>,
    seen: Seen,
}

/// The stored form of the profile of a stream, whose values have another name.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Profile", deny_unknown_fields)]
pub(crate) struct StreamProfile {
    #[serde(rename = "profile", with = "bytes::vec")]
    usual: Vec<f32>,
    seen: Seen,
}

impl Profile {
    /// A profile of `period` places, none of them seen; 0 for no season.
    pub(crate) fn new(period: usize) -> Self {
        Self {
            usual: vec![0.0; period],
            seen: Seen::of(&vec![0; period]),
        }
    }

    /// The place of `slot`; `None` without a season.
    pub(crate) fn place(&self, slot: i64) -> Option<usize> {
        (!self.usual.is_empty()).then(|| place(slot, self.usual.len()))
    }

    /// The usual value at a place; `None` if it was never seen.
    pub(crate) fn usual(&self, place: usize) -> Option<f64> {
        (self.seen.at(place) > 0).then(|| f64::from(self.usual[place]))
    }

    /// The mean of the usual values; 0 without any.
    pub(crate) fn mean(&self) -> f64 {
        let known = (0..self.usual.len()).filter_map(|place| self.usual(place));
        let (sum, n) = known.fold((0.0, 0.0), |(sum, n), usual| (sum + usual, n + 1.0));
        sum / f64::max(n, 1.0)
    }

    /// Moves the usual value at a place towards `value`: to the mean at first, then at `pace`,
    /// which is a fifteenth or more. Once the place was seen, an error counts as at most `limit`.
    pub(crate) fn learn(&mut self, place: usize, value: f64, pace: f64, limit: f64) {
        let seen = self.seen.at(place);
        let limit = if seen == 0 { f64::INFINITY } else { limit };
        let usual = f64::from(self.usual[place]);
        self.usual[place] = (usual + step(value - usual, seen.into(), pace, limit)) as f32;
        self.seen.count(place);
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&self.usual[..]) + size_of_val(&self.seen.pairs[..])
    }

    /// Whether it has this period and no value is farther than `most` from the fixed one.
    pub(crate) fn is_sound(&self, period: usize, most: f32) -> bool {
        self.usual.len() == period
            && self.seen.len == period
            && self.usual.iter().all(|usual| usual.abs() <= most)
    }
}

/// The median at each place of the period, and the number of points that it is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MedianProfile {
    #[serde(with = "bytes::vec")]
    usual: Vec<f64>,
    #[serde(with = "bytes::vec")]
    seen: Vec<u32>,
}

impl MedianProfile {
    /// The medians of `values` by place of the period, and the distance of each value from the
    /// median of the others at its place; NaN where there are none.
    pub(crate) fn fit(values: &[f64], slots: &[i64], period: usize) -> (Self, Vec<f64>) {
        let placed = (0..)
            .zip(slots)
            .map(|(i, slot)| (place(*slot, period) as u32, i));
        let mut order: Vec<(u32, u32)> = placed.collect();
        order.sort_unstable();
        let mut profile = Self {
            usual: vec![0.0; period],
            seen: vec![0; period],
        };
        let mut distances = vec![f64::NAN; values.len()];
        for group in order.chunk_by(|a, b| a.0 == b.0) {
            let place = group[0].0 as usize;
            let mut here: Vec<(f64, u32)> = group
                .iter()
                .map(|(_, i)| (values[*i as usize], *i))
                .collect();
            here.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            let sorted: Vec<f64> = here.iter().map(|(value, _)| *value).collect();
            profile.usual[place] = quantile::median(&sorted);
            profile.seen[place] = sorted.len() as u32;
            if sorted.len() > 1 {
                for (distance, (_, i)) in quantile::distances_from_others(&sorted, &sorted)
                    .into_iter()
                    .zip(here)
                {
                    distances[i as usize] = distance;
                }
            }
        }
        (profile, distances)
    }

    /// The length of the period in slots.
    pub(crate) fn period(&self) -> usize {
        self.usual.len()
    }

    /// The usual value at `slot`; `None` if its place was never seen.
    pub(crate) fn usual(&self, slot: i64) -> Option<f64> {
        let place = place(slot, self.period());
        (self.seen[place] > 0).then(|| self.usual[place])
    }

    /// Moves the usual value at `slot` towards `value`, which counts as at most `limit` away.
    pub(crate) fn learn(&mut self, slot: i64, value: f64, limit: f64) {
        let place = place(slot, self.period());
        let (usual, seen) = (&mut self.usual[place], &mut self.seen[place]);
        if *seen == 0 {
            *usual = value;
        } else {
            let moved = *usual + step(value - *usual, *seen, LEAST_GAIN_OF_MEDIANS, limit);
            *usual = moved.clamp(-f64::MAX, f64::MAX);
        }
        *seen = seen.saturating_add(1);
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&self.usual[..]) + size_of_val(&self.seen[..])
    }

    pub(crate) fn is_sound(&self) -> bool {
        let lengths = !self.usual.is_empty() && self.usual.len() == self.seen.len();
        lengths && self.usual.iter().all(|usual| usual.is_finite())
    }
}

/// The mean of the sizes of `distances`. It runs along, so that no sum overflows; NaN is left out.
pub(crate) fn mean_distance(distances: impl Iterator<Item = f64>) -> f64 {
    let mut mean = 0.0;
    let mut n = 0.0;
    for distance in distances.filter(|d| !d.is_nan()) {
        n += 1.0;
        mean += (distance.abs().min(f64::MAX) - mean) / n;
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_learns_the_mean_first_and_then_forgets() {
        let mut season = Profile::new(8);
        let place = season.place(3).unwrap();
        assert_eq!(season.usual(place), None);
        for value in [1.0, 2.0, 3.0] {
            season.learn(place, value, 0.2, 3.0);
        }
        assert_eq!(season.usual(place), Some(2.0));
        for slot in [3 - 8, i64::MIN + 3] {
            assert_eq!(season.place(slot), Some(place));
        }
        for _ in 0..100 {
            season.learn(place, 20.0, 0.2, 3.0);
        }
        assert!((season.usual(place).unwrap() - 20.0).abs() < 1e-3);
        assert_eq!(season.usual(place + 1), None);
        assert!(season.is_sound(8, 20.0) && !season.is_sound(8, 19.0) && !season.is_sound(7, 20.0));
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
        let mut season = Profile::new(8);
        for value in [-7.0, 20.0] {
            season.learn(0, value, 0.2, 3.0);
        }
        assert_eq!(season.usual(0), Some(-5.5));
        assert_eq!(season.mean(), -5.5);
    }

    #[test]
    fn without_a_period_there_is_nothing_to_learn() {
        assert_eq!(Profile::new(0).place(5), None);
        assert_eq!(Profile::new(0).mean(), 0.0);
    }

    #[test]
    fn a_profile_is_the_median_of_each_place() {
        let values = [1.0, 10.0, 2.0, 20.0, 9.0, 30.0, 100.0];
        let slots = [0, 1, 2, 3, 4, 5, 7];
        let (profile, distances) = MedianProfile::fit(&values, &slots, 2);
        assert_eq!(
            (profile.usual(0), profile.usual(-1)),
            (Some(2.0), Some(25.0))
        );
        assert_eq!(distances[0], 4.5);
        assert_eq!(distances[6], 80.0);
        assert_eq!(MedianProfile::fit(&values[..1], &[0], 2).0.usual(1), None);
    }

    #[test]
    fn a_place_follows_what_is_new_at_a_steady_pace() {
        let (mut profile, _) = MedianProfile::fit(&[0.0; 20], &[0; 20], 2);
        profile.learn(0, 100.0, 10.0);
        assert_eq!(profile.usual(0), Some(1.0));
        profile.learn(1, 7.0, 1.0);
        assert_eq!(profile.usual(1), Some(7.0));
    }
}
