//! Copies of series that a detector should judge like the original: what is worth less on them was
//! fitted to the files as they are.

use contract::Point;

use crate::{
    chance::Chance,
    data::{Series, probation},
};

/// A change to a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    /// This number of the first points is left out.
    Drop(usize),
    /// A share of the points, at the start, is left out.
    DropShare(f64),
    /// Each two points become one, their mean.
    Pairs,
    /// The series is resampled at this distance in points, with straight lines between points.
    Step(f64),
    /// Normal noise is added, of this number of standard deviations of the training points.
    Noise(f64),
}

/// The copies that are measured on, with their names.
pub(crate) const COPIES: [(&str, Change); 6] = [
    ("first 37 points dropped", Change::Drop(37)),
    ("first 5 % dropped", Change::DropShare(0.05)),
    ("pairs averaged", Change::Pairs),
    ("5 points for 4", Change::Step(0.8)),
    ("noise of 3 %", Change::Noise(0.03)),
    ("noise of 10 %", Change::Noise(0.10)),
];

impl Change {
    /// The changed series. Probation is counted anew, as for a series that came this way.
    pub(crate) fn apply(self, series: &Series) -> Series {
        let mut copy = match self {
            Self::Drop(points) => drop_first(series, points),
            Self::DropShare(share) => {
                drop_first(series, (share * series.points.len() as f64) as usize)
            }
            Self::Pairs => pairs(series),
            Self::Step(step) => resample(series, step),
            Self::Noise(share) => noise(series, share),
        };
        copy.train = probation(copy.points.len());
        copy
    }
}

fn drop_first(series: &Series, points: usize) -> Series {
    let mut copy = series.clone();
    copy.points.drain(..points);
    copy.spans.retain(|span| span.last >= points);
    for span in &mut copy.spans {
        span.first = span.first.saturating_sub(points);
        span.last -= points;
    }
    copy
}

fn pairs(series: &Series) -> Series {
    let mut copy = series.clone();
    let mean = |pair: &[Point]| Point {
        timestamp: pair[0].timestamp,
        value: (pair[0].value + pair[1].value) / 2.0,
    };
    copy.points = series.points.chunks_exact(2).map(mean).collect();
    let last = copy.points.len() - 1;
    for span in &mut copy.spans {
        span.first = (span.first / 2).min(last);
        span.last = (span.last / 2).min(last);
    }
    copy
}

fn resample(series: &Series, step: f64) -> Series {
    let mut copy = series.clone();
    let old = &series.points;
    let count = ((old.len() - 1) as f64 / step) as usize + 1;
    let between = |j: usize| {
        let place = j as f64 * step;
        let (left, share) = (place as usize, place.fract());
        let right = (left + 1).min(old.len() - 1);
        let mix = |a: f64, b: f64| a + share * (b - a);
        let start = old[left].timestamp;
        let ahead = (old[right].timestamp - start) as f64;
        Point {
            timestamp: start + mix(0.0, ahead).round() as i64,
            value: mix(old[left].value, old[right].value),
        }
    };
    copy.points = (0..count).map(between).collect();
    for span in &mut copy.spans {
        span.first = (span.first as f64 / step).ceil() as usize;
        span.last = ((span.last as f64 / step) as usize).clamp(span.first, count - 1);
    }
    copy
}

fn noise(series: &Series, share: f64) -> Series {
    let mut copy = series.clone();
    let n = series.train as f64;
    let training = || series.values().take(series.train);
    let mean = training().sum::<f64>() / n;
    let variance = training().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let mut chance = Chance::of(&series.name);
    for point in &mut copy.points {
        point.value += share * variance.sqrt() * chance.normal();
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Span;

    fn series() -> Series {
        Series {
            name: "a".to_owned(),
            group: "g".to_owned(),
            points: (0..100)
                .map(|i| Point {
                    timestamp: i * 300,
                    value: i as f64,
                })
                .collect(),
            train: 15,
            spans: vec![
                Span {
                    first: 40,
                    last: 49,
                },
                Span {
                    first: 80,
                    last: 99,
                },
            ],
        }
    }

    #[test]
    fn windows_stay_on_the_points_that_they_were_on() {
        for (_, change) in COPIES {
            let (original, copy) = (series(), change.apply(&series()));
            assert_eq!(copy.train, probation(copy.points.len()), "{change:?}");
            for (old, new) in original.spans.iter().zip(&copy.spans) {
                let time = |s: &Series, row: usize| s.points[row].timestamp;
                for (a, b) in [
                    (time(&original, old.first), time(&copy, new.first)),
                    (time(&original, old.last), time(&copy, new.last)),
                ] {
                    assert!((a - b).abs() <= 300, "{change:?}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn each_change_does_what_it_says() {
        let values = |change: Change| -> Vec<f64> { change.apply(&series()).values().collect() };
        assert_eq!(values(Change::Drop(37))[..2], [37.0, 38.0]);
        assert_eq!(values(Change::DropShare(0.05)).len(), 95);
        assert_eq!(values(Change::Pairs)[..2], [0.5, 2.5]);
        let finer = values(Change::Step(0.8));
        assert_eq!(finer.len(), 124);
        assert!((finer[3] - 2.4).abs() < 1e-12);
        let noisy = values(Change::Noise(0.1));
        assert_eq!(noisy, values(Change::Noise(0.1)), "the same each time");
        let off: Vec<f64> = noisy
            .iter()
            .enumerate()
            .map(|(i, v)| v - i as f64)
            .collect();
        assert!(off.iter().all(|d| *d != 0.0 && d.abs() < 3.0), "{off:?}");
    }

    #[test]
    fn a_window_that_is_dropped_whole_is_gone() {
        let copy = drop_first(&series(), 45);
        assert_eq!(copy.spans[0], Span { first: 0, last: 4 });
        assert_eq!(drop_first(&series(), 50).spans.len(), 1);
    }
}
