//! The last standardised values of a series, and the median of the last few.

use serde::{Deserialize, Serialize};

use super::{
    bytes,
    parameters::{MAX_PERIOD, MEDIAN, STANDARD_LIMIT},
};

/// The last `keep` values. They lie twice in memory, so that any number of the last ones is one slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub(super) struct Window {
    values: Vec<f64>,
    seen: u64,
    /// The last [`MEDIAN`] values in order of size.
    sorted: Vec<f64>,
}

impl Window {
    /// A window over the last `keep` values, at least [`MEDIAN`], that has seen none.
    pub(super) fn new(keep: usize) -> Self {
        Self {
            values: vec![0.0; 2 * keep],
            seen: 0,
            sorted: Vec::with_capacity(MEDIAN),
        }
    }

    /// How many values it holds at most.
    pub(super) fn keep(&self) -> usize {
        self.values.len() / 2
    }

    /// How many values it has seen, at most [`Self::keep`].
    pub(super) fn len(&self) -> usize {
        self.seen.min(self.keep() as u64) as usize
    }

    /// The last `count` values, oldest first; `None` if fewer were seen or are kept.
    pub(super) fn last(&self, count: usize) -> Option<&[f64]> {
        if count > self.len() {
            return None;
        }
        let end = if self.seen < self.keep() as u64 {
            self.seen as usize
        } else {
            self.place() + self.keep()
        };
        Some(&self.values[end - count..end])
    }

    /// The median of the last [`MEDIAN`] values, or of as many as were seen.
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
        if self.sorted.len() == MEDIAN {
            let oldest = self.last(MEDIAN).map_or(value, |last| last[0]);
            let place = self
                .sorted
                .partition_point(|v| v.total_cmp(&oldest).is_lt());
            self.sorted.remove(place);
        }
        let place = self.sorted.partition_point(|v| v.total_cmp(&value).is_lt());
        self.sorted.insert(place, value);
        let (place, keep) = (self.place(), self.keep());
        self.values[place] = value;
        self.values[place + keep] = value;
        self.seen += 1;
    }

    /// Where the next value goes.
    fn place(&self) -> usize {
        (self.seen % self.keep() as u64) as usize
    }

    /// Bytes on the heap.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&self.values[..]) + self.sorted.capacity() * size_of::<f64>()
    }
}

/// The stored form: what the rest follows from.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(with = "bytes::vec")]
    values: Vec<f64>,
    seen: u64,
}

impl From<Window> for Stored {
    fn from(mut window: Window) -> Self {
        window.values.truncate(window.keep());
        Self {
            values: window.values,
            seen: window.seen,
        }
    }
}

impl TryFrom<Stored> for Window {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let in_range = |value: &f64| value.abs() <= STANDARD_LIMIT;
        let keep = stored.values.len();
        let sound = (MEDIAN..=MAX_PERIOD).contains(&keep) && stored.seen < 1 << 53;
        if !sound || !stored.values.iter().all(in_range) {
            return Err("window");
        }
        let mut window = Self::new(keep);
        window.values[..keep].copy_from_slice(&stored.values);
        window.values[keep..].copy_from_slice(&stored.values);
        window.seen = stored.seen;
        let sorted = window.last(MEDIAN.min(window.len())).unwrap_or_default();
        let mut sorted = sorted.to_vec();
        sorted.sort_by(f64::total_cmp);
        window.sorted.extend(sorted);
        Ok(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_values_are_one_slice_wherever_the_ring_begins() {
        let mut window = Window::new(30);
        assert_eq!((window.last(1), window.median()), (None, None));
        for i in 0..100 {
            window.push(f64::from(i));
            let count = 30.min(i + 1) as usize;
            let last = window.last(count).unwrap();
            assert_eq!(last[count - 1], f64::from(i));
            assert_eq!(last[0], f64::from(i + 1) - count as f64);
            assert_eq!(window.last(count + 1), None);
        }
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
        let mut short = Stored::from(window);
        short.values.truncate(20);
        assert!(Window::try_from(short).is_err());
        let values = vec![f64::NAN; 22];
        assert!(Window::try_from(Stored { values, seen: 3 }).is_err());
    }
}
