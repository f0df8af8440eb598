//! Puts points together.

use contract::{LearnedPoint, SeriesId, SeriesPoints, ShownAlarm};
use detector::{is_gap, usual_step};

/// The points by which the usual step is told, unless it is known.
const FIRST: usize = 512;

/// Puts points together, each by itself or in buckets.
pub(super) struct Chart {
    shown: SeriesPoints,
    width: Option<i64>,
    bucket: Vec<LearnedPoint>,
    /// The first timestamps, until the usual step is known.
    first: Vec<i64>,
    last: Option<i64>,
}

impl Chart {
    /// With buckets of `width` and points at the usual distance `step`, as far as these are given.
    pub(super) fn new(series_id: SeriesId, width: Option<i64>, step: Option<i64>) -> Self {
        Self {
            shown: SeriesPoints {
                series_id,
                version: None,
                unit: None,
                step,
                bucket: width,
                timestamp: Vec::new(),
                value: Vec::new(),
                low: width.map(|_| Vec::new()),
                high: width.map(|_| Vec::new()),
                expected: Vec::new(),
                lower: Vec::new(),
                upper: Vec::new(),
                outside: Vec::new(),
                alarms: Vec::new(),
                anomalies: Vec::new(),
                change_points: Vec::new(),
                gaps: Vec::new(),
                fits: Vec::new(),
                learned_until: None,
            },
            width,
            bucket: Vec::new(),
            first: Vec::new(),
            last: None,
        }
    }

    /// Adds a point that is not earlier than those before.
    pub(super) fn add(&mut self, point: &LearnedPoint) {
        self.look_for_gap(point.timestamp);
        let bucket = |timestamp: i64| self.width.map(|width| timestamp.div_euclid(width));
        let is_other = |first: &LearnedPoint| {
            self.width.is_none() || bucket(first.timestamp) != bucket(point.timestamp)
        };
        if self.bucket.first().is_some_and(is_other) {
            self.close();
        }
        self.bucket.push(*point);
        if point.anomaly {
            self.shown.outside.push(point.timestamp);
        }
        if point.alarm {
            self.shown.alarms.push(ShownAlarm {
                timestamp: point.timestamp,
                about: point.timestamp,
                severity: None,
                direction: None,
                reason: None,
                cause: None,
            });
        }
    }

    fn look_for_gap(&mut self, timestamp: i64) {
        match self.shown.step {
            Some(step) => {
                let usual = step.unsigned_abs();
                let gap = self.last.map(|last| (last, timestamp));
                let gap = gap.filter(|(from, to)| is_gap(*from, *to, usual));
                self.shown.gaps.extend(gap);
            }
            None => {
                self.first.push(timestamp);
                if self.first.len() == FIRST {
                    self.learn_step();
                }
            }
        }
        self.last = Some(timestamp);
    }

    /// Learns the usual step from the first points, and looks for gaps among them.
    fn learn_step(&mut self) {
        let first = std::mem::take(&mut self.first);
        let step = usual_step(&first).and_then(|step| i64::try_from(step).ok());
        if let Some(step) = step {
            let pairs = first.windows(2).map(|pair| (pair[0], pair[1]));
            let gaps = pairs.filter(|(from, to)| is_gap(*from, *to, step.unsigned_abs()));
            self.shown.gaps.extend(gaps);
        }
        self.shown.step = step;
    }

    fn close(&mut self) {
        let Some(first) = self.bucket.first() else {
            return;
        };
        let shown = &mut self.shown;
        shown.timestamp.push(first.timestamp);
        let values = || self.bucket.iter().map(|point| point.value);
        shown.value.push(mean(values()).unwrap_or(first.value));
        if let Some(low) = &mut shown.low {
            low.push(values().fold(f64::INFINITY, f64::min));
        }
        if let Some(high) = &mut shown.high {
            high.push(values().fold(f64::NEG_INFINITY, f64::max));
        }
        let known =
            |limit: fn(&LearnedPoint) -> Option<f64>| mean(self.bucket.iter().filter_map(limit));
        shown.expected.push(known(|point| point.expected));
        shown.lower.push(known(|point| point.lower));
        shown.upper.push(known(|point| point.upper));
        self.bucket.clear();
    }

    pub(super) fn finish(mut self) -> SeriesPoints {
        self.close();
        if self.shown.step.is_none() {
            self.learn_step();
        }
        self.shown.unit = super::unit_of(&self.shown.timestamp);
        self.shown
    }
}

/// The mean; `None` of nothing. One that cannot overflow.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, mean) = values.fold((0.0, 0.0), |(n, mean), value: f64| {
        let n = n + 1.0;
        (n, mean + (value / n - mean / n))
    });
    (n > 0.0).then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(timestamp: i64, value: f64) -> LearnedPoint {
        LearnedPoint {
            timestamp,
            value,
            expected: (timestamp > 2).then_some(1.0),
            lower: None,
            upper: Some(value + 1.0),
            anomaly: value > 8.0,
            alarm: value > 9.0,
        }
    }

    fn chart(width: Option<i64>) -> SeriesPoints {
        let mut chart = Chart::new(SeriesId::new("s").expect("valid"), width, None);
        for (timestamp, value) in [(-1, 1.0), (0, 2.0), (2, 4.0), (3, 9.0), (9, 10.0)] {
            chart.add(&point(timestamp, value));
        }
        chart.finish()
    }

    #[test]
    fn a_few_points_are_shown_as_they_are() {
        let shown = chart(None);
        assert_eq!(shown.timestamp, [-1, 0, 2, 3, 9]);
        assert_eq!(shown.value, [1.0, 2.0, 4.0, 9.0, 10.0]);
        assert_eq!((&shown.low, shown.bucket), (&None, None));
        assert_eq!(shown.expected, [None, None, None, Some(1.0), Some(1.0)]);
        let alarms: Vec<i64> = shown.alarms.iter().map(|alarm| alarm.timestamp).collect();
        assert_eq!((shown.outside, alarms), (vec![3, 9], vec![9]));
    }

    #[test]
    fn many_are_put_together_but_no_anomaly_is_left_out() {
        let shown = chart(Some(4));
        assert_eq!(shown.timestamp, [-1, 0, 9]);
        assert_eq!(shown.value, [1.0, 5.0, 10.0]);
        assert_eq!(shown.low, Some(vec![1.0, 2.0, 10.0]));
        assert_eq!(shown.high, Some(vec![1.0, 9.0, 10.0]));
        assert_eq!(shown.expected, [None, Some(1.0), Some(1.0)]);
        assert_eq!(shown.upper, [Some(2.0), Some(6.0), Some(11.0)]);
        let alarms: Vec<i64> = shown.alarms.iter().map(|alarm| alarm.timestamp).collect();
        assert_eq!((shown.outside, alarms), (vec![3, 9], vec![9]));
    }

    #[test]
    fn gaps_are_found_with_and_without_a_known_step() {
        let chart = |step, n: i64| {
            let mut chart = Chart::new(SeriesId::new("s").expect("valid"), Some(50), step);
            for timestamp in (0..n).chain([n + 2, n + 5, n + 6]) {
                chart.add(&point(timestamp, 1.0));
            }
            chart.finish()
        };
        for (step, n) in [(None, 20), (Some(1), 20), (None, 1_000)] {
            let shown = chart(step, n);
            assert_eq!(
                (shown.step, shown.gaps),
                (Some(1), vec![(n - 1, n + 2), (n + 2, n + 5)])
            );
        }
        assert!(chart(Some(2), 20).gaps.is_empty());
    }

    #[test]
    fn means_do_not_overflow() {
        assert_eq!(mean([f64::MAX, f64::MAX].into_iter()), Some(f64::MAX));
        assert_eq!(mean(std::iter::empty()), None);
    }
}
