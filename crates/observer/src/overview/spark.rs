//! Sparklines: a day of a series in a few steps.

use contract::{Anomaly, LearnedPoint, SPARK_STEPS, Sparkline, TimeUnit};
use detector::usual_step;

const DAY_SECONDS: i64 = 86_400;

/// The part of a series that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The timestamp at which it begins.
    pub(super) from: i64,
    /// The length of a step. `None`: as the points come.
    step: Option<i64>,
}

impl Window {
    /// The day up to the point at `last`; the points of it come later in the last step. Without a
    /// unit of the timestamps, all points.
    pub(super) fn up_to(last: i64) -> Self {
        let step = TimeUnit::guess(last).map(|unit| {
            let seconds = DAY_SECONDS / SPARK_STEPS as i64;
            seconds * unit.per_second()
        });
        let length = step.map(|step| step * SPARK_STEPS as i64);
        Self {
            from: length.map_or(i64::MIN, |length| last - length + 1),
            step,
        }
    }
}

/// The points a minute, if the unit of the timestamps is known and points come at usual distances.
pub(super) fn minutes_in(points: &[LearnedPoint]) -> Option<f64> {
    let unit = TimeUnit::guess(points.last()?.timestamp)?;
    // The last ones are never left out.
    let newest = &points[points.len().saturating_sub(64)..];
    let timestamps: Vec<i64> = newest.iter().map(|point| point.timestamp).collect();
    let step = usual_step(&timestamps)?;
    unit.per_minute(i64::try_from(step).ok()?)
}

/// The sparkline of `points`, which are not empty and end in the window, with the peaks of
/// `anomalies`.
pub(super) fn spark<'a>(
    window: Window,
    points: &[LearnedPoint],
    anomalies: impl Iterator<Item = &'a Anomaly>,
) -> Sparkline {
    let last = points.last().map_or(0, |point| point.timestamp);
    let (from, step) = match window.step {
        // Points may have come since the end of the window was looked up.
        Some(step) => (last - step * SPARK_STEPS as i64 + 1, step),
        None => {
            let timestamps: Vec<i64> = points.iter().map(|point| point.timestamp).collect();
            let usual = usual_step(&timestamps).and_then(|step| i64::try_from(step).ok());
            let step = usual.unwrap_or(1);
            (
                last.saturating_sub(step.saturating_mul(SPARK_STEPS as i64))
                    .saturating_add(1),
                step,
            )
        }
    };
    let place = |timestamp: i64| {
        let steps = timestamp.checked_sub(from)?.div_euclid(step);
        usize::try_from(steps)
            .ok()
            .filter(|place| *place < SPARK_STEPS)
    };
    let mut shown: Vec<Option<LearnedPoint>> = vec![None; SPARK_STEPS];
    for point in points {
        let Some(place) = place(point.timestamp) else {
            continue;
        };
        let farthest = shown[place].map_or(f64::NEG_INFINITY, |known| distance(&known));
        if distance(point) >= farthest {
            shown[place] = Some(*point);
        }
    }
    let column = |of: fn(&LearnedPoint) -> Option<f64>| {
        shown
            .iter()
            .map(|point| point.as_ref().and_then(of))
            .collect()
    };
    let mut peaks: Vec<_> = anomalies
        .filter_map(|anomaly| Some((place(anomaly.peak)?, anomaly.severity, anomaly.direction)))
        .collect();
    peaks.sort_by_key(|(place, severity, _)| (*place, *severity));
    Sparkline {
        from,
        step,
        v: column(|point| Some(point.value)),
        lo: column(|point| point.lower),
        hi: column(|point| point.upper),
        a: peaks,
    }
}

/// How far a value is from what was expected.
fn distance(point: &LearnedPoint) -> f64 {
    point
        .expected
        .map_or(0.0, |expected| (point.value - expected).abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(timestamp: i64, value: f64) -> LearnedPoint {
        LearnedPoint {
            timestamp,
            value,
            expected: Some(10.0),
            lower: Some(8.0),
            upper: None,
            anomaly: false,
            alarm: false,
        }
    }

    #[test]
    fn a_day_has_the_value_that_was_farthest_off_in_each_step() {
        let last = 1_700_000_000;
        // A point a minute, for a little more than a day.
        let mut points: Vec<_> = (0..1_500)
            .map(|i| point(last - 60 * (1_499 - i), 10.5))
            .collect();
        points[1_490].value = 3.0;
        let spark = spark(Window::up_to(last), &points, [].into_iter());
        assert_eq!((spark.from, spark.step), (last - 86_400 + 1, 1_200));
        assert_eq!(spark.v.len(), SPARK_STEPS);
        let others = spark.v[..71].iter().all(|value| *value == Some(10.5));
        assert!(others && spark.v[71] == Some(3.0), "{:?}", spark.v);
        assert_eq!((spark.lo[0], spark.hi[0]), (Some(8.0), None));
        assert_eq!(minutes_in(&points), Some(1.0));
    }

    #[test]
    fn timestamps_without_a_unit_are_shown_step_by_step() {
        let points: Vec<_> = (0..100).map(|i| point(i, i as f64)).collect();
        let spark = spark(Window::up_to(99), &points, [].into_iter());
        assert_eq!((spark.from, spark.step, spark.v[0]), (28, 1, Some(28.0)));
        assert_eq!(minutes_in(&points), None);
        let far = [point(i64::MIN, 1.0), point(i64::MAX, 2.0)];
        let window = Window {
            from: i64::MIN,
            step: None,
        };
        assert!(
            super::spark(window, &far, [].into_iter())
                .v
                .iter()
                .any(Option::is_some)
        );
    }
}
