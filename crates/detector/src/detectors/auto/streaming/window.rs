//! The last standardised values of a series: sums over any number of them, the values of the last
//! few, and their median.

use serde::{Deserialize, Serialize};

use super::constants::{MAX_PERIOD, MEDIAN};
use crate::{bytes, series::scale::STANDARD_LIMIT};

/// Sums over the last values, and the last [`MEDIAN`] values themselves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "StoredWindow", try_from = "StoredWindow")]
pub(super) struct Window {
    sums: Sums,
    /// The last values, oldest first.
    last: Vec<f64>,
    /// The same in order of size.
    sorted: Vec<f64>,
}

/// Sums over the last `keep` values or fewer.
///
/// The means of many segments of a window are then a difference each, whatever the length of the
/// window.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    /// Running sums up to each of the last values. When the end is reached, those that count are
    /// moved to the front, so that any number of the last ones is one slice.
    sums: Vec<f64>,
    /// The index behind the newest sum.
    end: usize,
    keep: usize,
    seen: u64,
}

impl Sums {
    /// Sums over the last `keep` values, before the first one.
    pub(super) fn new(keep: usize) -> Self {
        let ring = keep + 1;
        Self {
            sums: vec![0.0; ring + ring / SPARE + 1],
            end: ring,
            keep,
            seen: 0,
        }
    }

    /// The number of sums that count.
    fn ring(&self) -> usize {
        self.keep + 1
    }

    /// The sums that count, the oldest first.
    fn ringed(&self) -> &[f64] {
        &self.sums[self.end - self.ring()..self.end]
    }

    /// The number of values that they are of, at most `keep`.
    fn len(&self) -> usize {
        self.seen.min(self.keep as u64) as usize
    }

    /// Sums up to each of the last `count` values and to the one before them; `None` if fewer were
    /// seen or are kept.
    pub(super) fn of_last(&self, count: usize) -> Option<&[f64]> {
        (count <= self.len()).then(|| &self.sums[self.end - count - 1..self.end])
    }

    /// Adds a value.
    pub(super) fn push(&mut self, value: f64) {
        let sum = self.sums[self.end - 1] + value;
        if self.end == self.sums.len() {
            self.sums.copy_within(self.end - self.keep.., 0);
            self.end = self.keep;
        }
        self.sums[self.end] = sum;
        self.end += 1;
        self.seen += 1;
        if self.place() == 0 {
            // Sums start anew with each round, so that they stay exact for ever.
            self.sums.iter_mut().for_each(|earlier| *earlier -= sum);
        }
    }

    /// The place of the newest sum in a ring of those that count, which is the stored form.
    fn place(&self) -> usize {
        (self.seen % self.ring() as u64) as usize
    }
}

impl Window {
    /// A window over the last `keep` values, at least [`MEDIAN`], before the first one.
    pub(super) fn new(keep: usize) -> Self {
        Self {
            sums: Sums::new(keep),
            last: Vec::with_capacity(MEDIAN),
            sorted: Vec::with_capacity(MEDIAN),
        }
    }

    /// The largest number of values that it holds.
    pub(super) fn keep(&self) -> usize {
        self.sums.keep
    }

    /// The number of values seen, at most [`Self::keep`].
    pub(super) fn len(&self) -> usize {
        self.sums.len()
    }

    /// The last `count` values, at most [`MEDIAN`], oldest first; `None` if fewer were seen.
    pub(super) fn last(&self, count: usize) -> Option<&[f64]> {
        let start = self.last.len().checked_sub(count)?;
        Some(&self.last[start..])
    }

    /// Sums up to each of the last `count` values and to the one before them; `None` if fewer were
    /// seen or are kept.
    pub(super) fn sums(&self, count: usize) -> Option<&[f64]> {
        self.sums.of_last(count)
    }

    /// The median of the last [`MEDIAN`] values, or of fewer at the start.
    pub(super) fn median(&self) -> Option<f64> {
        let middle = self.sorted.len() / 2;
        let &high = self.sorted.get(middle)?;
        if self.sorted.len() % 2 == 1 {
            return Some(high);
        }
        Some((self.sorted[middle - 1] + high) / 2.0)
    }

    /// Adds a value.
    pub(super) fn push(&mut self, value: f64) {
        if self.last.len() == MEDIAN {
            let oldest = self.last.remove(0);
            self.sorted.remove(place_in(&self.sorted, oldest));
        }
        self.last.push(value);
        self.sorted.insert(place_in(&self.sorted, value), value);
        self.sums.push(value);
    }

    /// Bytes on the heap.
    pub(super) fn memory_bytes(&self) -> usize {
        let numbers = self.sums.sums.len() + self.last.capacity() + self.sorted.capacity();
        numbers * size_of::<f64>()
    }
}

impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.sums, &other.sums);
        (a.seen, a.ringed(), &self.last) == (b.seen, b.ringed(), &other.last)
    }
}

/// One in this many sums is room beyond those that count.
const SPARE: usize = 8;

/// Where `value` is or belongs in `sorted`.
fn place_in(sorted: &[f64], value: f64) -> usize {
    sorted.partition_point(|v| v.total_cmp(&value).is_lt())
}

/// The stored form, from which the rest follows.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredWindow {
    #[serde(with = "bytes::vec")]
    sums: Vec<f64>,
    seen: u64,
    #[serde(with = "bytes::vec")]
    last: Vec<f64>,
}

impl From<Window> for StoredWindow {
    fn from(window: Window) -> Self {
        let mut sums = window.sums.ringed().to_vec();
        sums.rotate_right((window.sums.place() + 1) % window.sums.ring());
        Self {
            sums,
            seen: window.sums.seen,
            last: window.last,
        }
    }
}

impl TryFrom<StoredWindow> for Window {
    type Error = &'static str;

    fn try_from(stored: StoredWindow) -> Result<Self, Self::Error> {
        let ring = stored.sums.len();
        let in_range = |limit: f64| move |number: &f64| number.abs() <= limit;
        let sound = (MEDIAN..=MAX_PERIOD).contains(&ring.saturating_sub(1))
            && stored.seen < 1 << 53
            && stored.last.len() as u64 == stored.seen.min(MEDIAN as u64)
            && stored.last.iter().all(in_range(STANDARD_LIMIT))
            && stored
                .sums
                .iter()
                .all(in_range(2.0 * STANDARD_LIMIT * ring as f64));
        if !sound {
            return Err("window");
        }
        let mut window = Self::new(ring - 1);
        window.sums.seen = stored.seen;
        let oldest = (window.sums.place() + 1) % ring;
        let sums = &mut window.sums.sums[..ring];
        sums.copy_from_slice(&stored.sums);
        sums.rotate_left(oldest);
        window.last.extend(&stored.last);
        window.sorted.extend(&stored.last);
        window.sorted.sort_by(f64::total_cmp);
        Ok(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_one_slice_wherever_the_end_is() {
        let mut window = Window::new(30);
        assert_eq!((window.last(1), window.sums(1)), (None, None));
        assert_eq!(window.median(), None);
        for i in 0..100_u32 {
            window.push(f64::from(i));
            let count = 30.min(i + 1) as usize;
            let sums = window.sums(count).unwrap();
            let values: Vec<f64> = sums.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let expected = (i + 1 - count as u32..=i).map(f64::from);
            assert!(values.into_iter().eq(expected), "{i}");
            assert_eq!(window.sums(count + 1), None);
            assert_eq!(window.last(1), Some(&[f64::from(i)][..]));
        }
        assert_eq!(window.last(3), Some(&[97.0, 98.0, 99.0][..]));
        assert_eq!(window.last(MEDIAN + 1), None);
    }

    #[test]
    fn sums_stay_exact() {
        let mut window = Window::new(MEDIAN);
        for _ in 0..100_000 {
            window.push(1000.0 / 3.0);
        }
        let sums = window.sums(MEDIAN).unwrap();
        let mean = (sums[MEDIAN] - sums[0]) / MEDIAN as f64;
        assert!((mean - 1000.0 / 3.0).abs() < 1e-11);
    }

    #[test]
    fn the_median_is_that_of_the_last_values() {
        let mut window = Window::new(25);
        let mut all = Vec::new();
        for i in 0..200_u32 {
            let value = f64::from(i.wrapping_mul(2_654_435_761) >> 22) / 8.0 - 20.0;
            all.push(value);
            window.push(value);
            let mut last = all[all.len().saturating_sub(MEDIAN)..].to_vec();
            last.sort_by(f64::total_cmp);
            let middle = (last[(last.len() - 1) / 2] + last[last.len() / 2]) / 2.0;
            assert_eq!(window.median(), Some(middle));
        }
    }

    #[test]
    fn a_window_comes_back_the_same_and_a_false_one_is_refused() {
        let mut window = Window::new(22);
        for i in 0..50 {
            window.push(f64::from(i * 7 % 11));
            let json = serde_json::to_string(&window).unwrap();
            assert_eq!(serde_json::from_str::<Window>(&json).unwrap(), window);
        }
        let stored = || StoredWindow::from(window.clone());
        assert!(Window::try_from(stored()).is_ok());
        let is_refused = |change: fn(&mut StoredWindow)| {
            let mut changed = stored();
            change(&mut changed);
            Window::try_from(changed).is_err()
        };
        assert!(is_refused(|stored| stored.sums.truncate(20)));
        assert!(is_refused(|stored| stored.sums[3] = f64::NAN));
        assert!(is_refused(|stored| stored.last[3] = 1001.0));
        assert!(is_refused(|stored| stored.seen = 5));
        assert!(is_refused(|stored| stored.seen = u64::MAX));
    }
}
