//! Labelled series as incidents: each labelled segment becomes a window in which an alarm is in
//! time.

use crate::data::{Series, Span};

/// The windows together are this share of the scored points, as they are in the Numenta Anomaly
/// Benchmark.
const SHARE: f64 = 0.10;

/// The series with every labelled segment widened on both sides by one and the same number of
/// points, the smallest with which all windows make [`SHARE`] of the scored points. Windows that
/// meet are one. Labels in the training points are left out.
pub(crate) fn widened(series: &Series) -> Series {
    let mut copy = series.clone();
    let scored = Span {
        first: series.train,
        last: series.points.len() - 1,
    };
    copy.spans.retain(|span| span.last >= scored.first);
    let wanted = (SHARE * scored.len() as f64).ceil() as usize;
    let covered = |by: usize| -> usize {
        let windows = widen(&copy.spans, scored, by);
        windows.iter().map(|w| w.len()).sum()
    };
    let (mut low, mut high) = (0, scored.len());
    while low < high {
        let middle = (low + high) / 2;
        match covered(middle) < wanted {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    copy.spans = widen(&copy.spans, scored, low);
    copy
}

fn widen(spans: &[Span], within: Span, by: usize) -> Vec<Span> {
    let mut windows: Vec<Span> = Vec::new();
    for span in spans {
        let window = Span {
            first: span.first.saturating_sub(by).max(within.first),
            last: (span.last + by).min(within.last),
        };
        match windows.last_mut() {
            Some(before) if before.last + 1 >= window.first => before.last = window.last,
            _ => windows.push(window),
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use contract::Point;

    use super::*;

    fn windows(spans: &[(usize, usize)]) -> Vec<(usize, usize)> {
        let point = |timestamp| Point {
            timestamp,
            value: 0.0,
        };
        let series = Series {
            name: "a".to_owned(),
            group: "g".to_owned(),
            points: (0..1200).map(point).collect(),
            train: 200,
            spans: spans
                .iter()
                .map(|(first, last)| Span {
                    first: *first,
                    last: *last,
                })
                .collect(),
        };
        widened(&series)
            .spans
            .iter()
            .map(|w| (w.first, w.last))
            .collect()
    }

    #[test]
    fn windows_make_a_tenth_of_the_scored_points() {
        assert_eq!(windows(&[(600, 600)]), [(550, 650)]);
        assert_eq!(windows(&[(600, 609), (900, 909)]), [(580, 629), (880, 929)]);
    }

    #[test]
    fn windows_that_meet_are_one_and_edges_hold() {
        assert_eq!(windows(&[(600, 600), (610, 610)]), [(555, 655)]);
        assert_eq!(windows(&[(1199, 1199)]), [(1100, 1199)]);
        assert_eq!(windows(&[(150, 160), (205, 210)]), [(200, 299)]);
    }

    #[test]
    fn long_segments_stay_as_they_are() {
        assert_eq!(windows(&[(400, 599)]), [(400, 599)]);
        assert!(windows(&[]).is_empty());
    }
}
