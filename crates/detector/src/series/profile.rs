//! What is usual at each place of a period.

use serde::{Deserialize, Serialize};

use super::quantile;
use crate::model::bytes;

/// A value for each place; and how many points stand behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    #[serde(with = "bytes::vec")]
    usual: Vec<f64>,
    #[serde(with = "bytes::vec")]
    seen: Vec<u32>,
}

/// In a session a place moves towards a new value by at least this part of the way.
const PACE: f64 = 0.1;

impl Profile {
    /// The medians of `values` by place of the period, and of each value the distance from the median of the others at its place; NaN
    /// where there are none.
    pub(crate) fn fit(values: &[f64], slots: &[i64], period: usize) -> (Self, Vec<f64>) {
        let place = |slot: &i64| slot.rem_euclid(period as i64) as u32;
        let mut order: Vec<(u32, u32)> =
            (0..).zip(slots).map(|(i, slot)| (place(slot), i)).collect();
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
            profile.usual[place] = quantile::middle(&sorted);
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

    /// What is usual at `slot`; `None` if its place was never seen.
    pub(crate) fn usual(&self, slot: i64) -> Option<f64> {
        let place = self.place(slot);
        (self.seen[place] > 0).then(|| self.usual[place])
    }

    /// Moves what is usual at `slot` towards `value`, which counts as at most `limit` away.
    pub(crate) fn learn(&mut self, slot: i64, value: f64, limit: f64) {
        let place = self.place(slot);
        let (usual, seen) = (&mut self.usual[place], &mut self.seen[place]);
        if *seen == 0 {
            *usual = value;
        } else {
            let gain = PACE.max(1.0 / (f64::from(*seen) + 1.0));
            let moved = *usual + gain * (value - *usual).clamp(-limit, limit);
            *usual = moved.clamp(-f64::MAX, f64::MAX);
        }
        *seen = seen.saturating_add(1);
    }

    fn place(&self, slot: i64) -> usize {
        slot.rem_euclid(self.period() as i64) as usize
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&self.usual[..]) + size_of_val(&self.seen[..])
    }

    pub(crate) fn is_sound(&self) -> bool {
        let lengths = !self.usual.is_empty() && self.usual.len() == self.seen.len();
        lengths && self.usual.iter().all(|usual| usual.is_finite())
    }
}

/// The mean of the sizes of `distances`, in halves so that no sum overflows; those that are not finite do not count.
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
    fn a_profile_is_the_median_of_each_place() {
        let values = [1.0, 10.0, 2.0, 20.0, 9.0, 30.0, 100.0];
        let slots = [0, 1, 2, 3, 4, 5, 7];
        let (profile, distances) = Profile::fit(&values, &slots, 2);
        assert_eq!(
            (profile.usual(0), profile.usual(-1)),
            (Some(2.0), Some(25.0))
        );
        assert_eq!(distances[0], 4.5);
        assert_eq!(distances[6], 80.0);
        assert_eq!(Profile::fit(&values[..1], &[0], 2).0.usual(1), None);
    }

    #[test]
    fn a_place_follows_what_is_new_at_a_steady_pace() {
        let (mut profile, _) = Profile::fit(&[0.0; 20], &[0; 20], 2);
        profile.learn(0, 100.0, 10.0);
        assert_eq!(profile.usual(0), Some(1.0));
        profile.learn(1, 7.0, 1.0);
        assert_eq!(profile.usual(1), Some(7.0));
    }
}
