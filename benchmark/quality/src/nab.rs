//! The score of the Numenta Anomaly Benchmark, v1.1 (Lavin and Ahmad, 2015,
//! <https://arxiv.org/abs/1510.03336>).
//!
//! A window counts once, by its best alarm; every alarm outside of all windows costs. Both are
//! weighted by a scaled sigmoid of the place relative to the window. The sum is put on a scale
//! where saying nothing is 0 and perfect is 100.

use std::ops::AddAssign;

use crate::data::Span;

/// The worth of a hit and the cost of errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Profile {
    /// As in the files of the benchmark.
    pub(crate) name: &'static str,
    hit: f64,
    miss: f64,
    false_alarm: f64,
}

/// The profile that single numbers are given in.
pub(crate) const STANDARD: Profile = Profile {
    name: "standard",
    hit: 1.0,
    miss: 1.0,
    false_alarm: 0.11,
};

/// The benchmark's three profiles.
pub(crate) const PROFILES: [Profile; 3] = [
    STANDARD,
    Profile {
        name: "reward_low_FP_rate",
        hit: 1.0,
        miss: 1.0,
        false_alarm: 0.22,
    },
    Profile {
        name: "reward_low_FN_rate",
        hit: 1.0,
        miss: 2.0,
        false_alarm: 0.11,
    },
];

/// The worth of an alarm at a row.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    window: Option<usize>,
    /// In a window from 1 at its start to near 0; outside from 0 right after one to -1.
    weight: f64,
}

/// The rows of one series that are scored.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    places: Vec<Place>,
    windows: usize,
}

/// The scaled sigmoid: 1 far before 0, -1 far after it.
fn sigmoid(y: f64) -> f64 {
    match y > 3.0 {
        true => -1.0,
        false => 2.0 / (1.0 + (5.0 * y).exp()) - 1.0,
    }
}

impl Timeline {
    /// Of a series of `n` points with these windows, in order, of which the first `train` points
    /// are not scored.
    pub(crate) fn new(n: usize, train: usize, windows: &[Span]) -> Self {
        let mut places = vec![
            Place {
                window: None,
                weight: -1.0,
            };
            n
        ];
        for (k, span) in windows.iter().enumerate() {
            let length = span.len() as f64;
            for (i, place) in places[span.first..=span.last].iter_mut().enumerate() {
                let y = -(length - i as f64) / length;
                place.window = Some(k);
                place.weight = sigmoid(y) / sigmoid(-1.0);
            }
            let next = windows.get(k + 1).map_or(n, |next| next.first);
            for (i, place) in places[span.last + 1..next].iter_mut().enumerate() {
                // A window of one row has no length to measure by: after it an alarm costs all at
                // once.
                place.weight = sigmoid((i + 1) as f64 / (length - 1.0));
            }
        }
        places.drain(..train);
        Self {
            places,
            windows: windows.len(),
        }
    }

    /// How many windows have a row that is scored.
    pub(crate) fn present(&self) -> usize {
        let mut seen = vec![false; self.windows];
        for window in self.places.iter().filter_map(|p| p.window) {
            seen[window] = true;
        }
        seen.iter().filter(|seen| **seen).count()
    }

    /// Scores a series whose rows alarm where `alarm` says, one entry for every row after the
    /// training.
    pub(crate) fn tally(&self, profile: Profile, alarm: impl Fn(usize) -> bool) -> Tally {
        let mut best = vec![None; self.windows];
        let mut tally = Tally::nothing(profile, self.present());
        let alarms = self.places.iter().enumerate().filter(|(i, _)| alarm(*i));
        for (_, place) in alarms {
            match place.window {
                Some(window) => {
                    let worth = place.weight * profile.hit;
                    best[window] = Some(worth.max(best[window].unwrap_or(-profile.miss)));
                }
                None => {
                    tally.false_alarms += 1;
                    tally.raw += place.weight * profile.false_alarm;
                }
            }
        }
        for worth in best.into_iter().flatten() {
            tally.hits += 1;
            tally.raw += worth + profile.miss;
        }
        tally
    }
}

/// The result of one or several series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    raw: f64,
    null: f64,
    perfect: f64,
    /// Windows that there are.
    pub(crate) windows: usize,
    /// Windows with an alarm.
    pub(crate) hits: usize,
    /// Alarms outside of windows.
    pub(crate) false_alarms: usize,
}

impl Tally {
    fn nothing(profile: Profile, windows: usize) -> Self {
        let null = -profile.miss * windows as f64;
        Self {
            raw: null,
            null,
            perfect: profile.hit * windows as f64,
            windows,
            ..Self::default()
        }
    }

    /// The score: 100 is perfect, 0 is the score of no alarms at all. `None` without a window.
    pub(crate) fn score(&self) -> Option<f64> {
        (self.windows > 0).then(|| 100.0 * (self.raw - self.null) / (self.perfect - self.null))
    }

    /// How much better than saying nothing, in units of a hit.
    pub(crate) fn gain(&self) -> f64 {
        self.raw - self.null
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.raw += other.raw;
        self.null += other.null;
        self.perfect += other.perfect;
        self.windows += other.windows;
        self.hits += other.hits;
        self.false_alarms += other.false_alarms;
    }
}

/// A series' rows beside a detector's strength of alarm at each of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marked<'a> {
    pub(crate) timeline: &'a Timeline,
    /// One for every row after the training.
    pub(crate) strengths: &'a [f64],
}

/// The result of all series with an alarm where the strength is at least `threshold`.
pub(crate) fn at(marked: &[Marked<'_>], profile: Profile, threshold: f64) -> Tally {
    let mut sum = Tally::default();
    for Marked {
        timeline,
        strengths,
    } in marked
    {
        sum += timeline.tally(profile, |i| strengths[i] >= threshold);
    }
    sum
}

/// The one threshold for all series with which the score is highest; infinite where saying nothing
/// is best.
pub(crate) fn best_threshold(marked: &[Marked<'_>], profile: Profile) -> f64 {
    let mut rows = Vec::new();
    let mut windows = 0;
    for Marked {
        timeline,
        strengths,
    } in marked
    {
        for (place, strength) in timeline.places.iter().zip(*strengths) {
            rows.push((*strength, place.window.map(|w| w + windows), place.weight));
        }
        windows += timeline.windows;
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut held = vec![-profile.miss; windows];
    let (mut gain, mut best, mut threshold) = (0.0, 0.0, f64::INFINITY);
    for (i, (strength, window, weight)) in rows.iter().enumerate() {
        match window {
            Some(window) => {
                let worth = (weight * profile.hit).max(held[*window]);
                gain += worth - held[*window];
                held[*window] = worth;
            }
            None => gain += weight * profile.false_alarm,
        }
        let last_of_its_strength = rows.get(i + 1).is_none_or(|next| next.0 != *strength);
        if last_of_its_strength && gain > best {
            (best, threshold) = (gain, *strength);
        }
    }
    threshold
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten rows, two of them for training, and a window on rows 4 to 6.
    fn timeline() -> Timeline {
        Timeline::new(10, 2, &[Span { first: 4, last: 6 }])
    }

    fn tally(alarms: &[usize], profile: Profile) -> Tally {
        timeline().tally(profile, |i| alarms.contains(&(i + 2)))
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn silence_is_zero_and_an_alarm_at_the_start_of_a_window_is_perfect() {
        assert_eq!(tally(&[], STANDARD).score(), Some(0.0));
        for profile in PROFILES {
            assert!(close(tally(&[4], profile).score().unwrap(), 100.0));
        }
    }

    #[test]
    fn a_window_counts_once_by_its_best_alarm_and_less_the_later_it_comes() {
        // sigmoid(-2/3) / sigmoid(-1) = (2 / (1 + e^(-10/3)) - 1) / (2 / (1 + e^-5) - 1)
        let second = 0.931_109_608_668_470_4 / 0.986_614_298_151_430_3;
        let late = tally(&[5, 6], STANDARD);
        assert!(close(late.score().unwrap(), 50.0 * (second + 1.0)));
        assert_eq!((late.hits, late.windows, late.false_alarms), (1, 1, 0));
        // A missed window costs two here, so that a hit is worth three of what is to be had.
        let low_fn = tally(&[5], PROFILES[2]).score().unwrap();
        assert!(close(low_fn, 100.0 * (second + 2.0) / 3.0));
    }

    #[test]
    fn a_false_alarm_costs_less_right_after_a_window() {
        let before = tally(&[3], STANDARD);
        assert!(close(before.score().unwrap(), -5.5));
        assert_eq!(before.false_alarms, 1);
        // One row after a window of three: sigmoid(1/2) = 2 / (1 + e^2.5) - 1.
        let after = tally(&[7], STANDARD).score().unwrap();
        assert!(close(after, -5.5 * 0.848_283_639_957_513));
        assert!(close(tally(&[3], PROFILES[1]).score().unwrap(), -11.0));
    }

    #[test]
    fn training_rows_and_series_without_windows_are_treated_as_such() {
        assert_eq!(timeline().places.len(), 8);
        let early = Timeline::new(10, 6, &[Span { first: 1, last: 3 }]);
        assert_eq!(early.present(), 0);
        let quiet = Timeline::new(4, 1, &[]).tally(STANDARD, |i| i == 0);
        assert_eq!(quiet.score(), None);
        assert!(close(quiet.gain(), -0.11));
    }

    #[test]
    fn the_best_threshold_takes_all_alarms_of_one_strength_or_none() {
        let timeline = timeline();
        let strengths = [0.2, 0.9, 0.0, 0.9, 0.3, 0.1, 0.0, 0.0];
        let marked = [Marked {
            timeline: &timeline,
            strengths: &strengths,
        }];
        assert_eq!(best_threshold(&marked, STANDARD), 0.9);
        let at_best = at(&marked, STANDARD, 0.9);
        assert_eq!((at_best.hits, at_best.false_alarms), (1, 1));
        let long = Timeline::new(30, 2, &[Span { first: 4, last: 6 }]);
        let nothing_right = [Marked {
            timeline: &long,
            strengths: &[0.0; 28],
        }];
        assert_eq!(best_threshold(&nothing_right, STANDARD), f64::INFINITY);
    }
}
