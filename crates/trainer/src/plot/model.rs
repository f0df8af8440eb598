//! Makes a chart of what a model says of points.

use chart::{Chart, Mark, Normal, Period};
use contract::{DetectorName, FitOptions, JudgeOptions, Point, SeriesId, Train, Version};
use detector::{Band, Model, Verdict, detect};

/// At most this many points are searched for changes of the level. Each takes some microseconds.
const MAX_SEARCHED: usize = 50_000;

/// The points that a model was fitted on, with its verdict on each of them alone. The band is what
/// is normal at that time if nothing is known of the points before; the marks are the verdicts of
/// `/predict` without context.
pub(super) fn chart_of(
    series: &SeriesId,
    version: Version,
    model: &Model,
    points: Vec<Point>,
) -> Chart {
    let judge = JudgeOptions::default();
    let band_at = |point: &Point| band_of(model.band(point.timestamp, &judge));
    let normal: Vec<Normal> = points.iter().map(band_at).collect();
    let marks = points.iter().zip(&normal).filter_map(|(point, normal)| {
        // The verdict turns at the edge of the band, which is cheaper to look at.
        let suspicious = !normal.contains(point.value);
        suspicious.then(|| mark_of(*point, &model.score(&[], *point, &judge)))?
    });
    Chart {
        version: Some(version),
        period: period_of(model),
        marks: marks.collect(),
        normal,
        ..Chart::new(series.as_str().to_owned(), model.detector(), points)
    }
}

/// The timestamps at which the level of `points`, which are sorted, changed: what `/v1/detect`
/// finds by default. The model itself is not asked, because it was fitted on all of these points.
/// Empty where there are more points than can be searched in the time that a plot takes; a part can
/// be searched.
pub(crate) fn changes_in(points: &[Point]) -> Vec<i64> {
    if points.len() > MAX_SEARCHED {
        return Vec::new();
    }
    let train = Train::default();
    let fitted = train.of(points.len());
    let detection = detect(
        points,
        train,
        &FitOptions::default(),
        DetectorName::Auto,
        None,
    );
    let Ok(mut detection) = detection else {
        return Vec::new(); // There are too few points.
    };
    for point in &points[fitted..] {
        detection.update(*point);
    }
    let changes = detection.change_points();
    changes.iter().map(|change| change.timestamp).collect()
}

/// The normal range of `band`.
fn band_of(band: Band) -> Normal {
    Normal {
        expected: Some(band.expected),
        lower: band.lower,
        upper: band.upper,
    }
}

/// The normal range of `verdict`.
pub(super) fn normal_of(verdict: &Verdict) -> Normal {
    Normal {
        expected: verdict.expected,
        lower: verdict.lower,
        upper: verdict.upper,
    }
}

/// A mark at `point` if `verdict`, which is on it, calls it an anomaly.
pub(super) fn mark_of(point: Point, verdict: &Verdict) -> Option<Mark> {
    verdict.anomaly.then(|| Mark {
        point,
        severity: verdict.severity,
        within: normal_of(verdict).contains(point.value),
    })
}

/// The season of `model`, if it has one.
pub(super) fn period_of(model: &Model) -> Option<Period> {
    let time = model.period_time();
    model.period().map(|points| Period { points, time })
}

#[cfg(test)]
mod tests {
    use contract::Sides;

    use super::*;

    /// A daily wave with noise, and here and there a value that is far off.
    fn wave(n: i64) -> Vec<Point> {
        let mut chance = fastrand::Rng::with_seed(7);
        let mut value = |i: i64| {
            let off = if chance.f64() < 0.01 { 30.0 } else { 1.0 };
            (i as f64 / 24.0 * std::f64::consts::TAU).sin() * 5.0 + (chance.f64() - 0.5) * off
        };
        (0..n)
            .map(|i| Point {
                timestamp: 1_693_459_200 + i * 3_600,
                value: value(i),
            })
            .collect()
    }

    fn version() -> Version {
        Version::new(1).unwrap()
    }

    fn fitted(points: &[Point], options: &FitOptions) -> Model {
        Model::fit(points, options, DetectorName::Auto)
            .unwrap()
            .model
    }

    #[test]
    fn marks_are_the_anomalies_and_lie_outside_of_the_band() {
        let series = SeriesId::new("s").unwrap();
        let points = wave(1_000);
        for detector in DetectorName::ALL {
            for direction in [None, Some(Sides::Above), Some(Sides::Below)] {
                let options = FitOptions {
                    detector: Some(*detector),
                    false_alarm_rate: Some(0.01),
                    direction,
                    ..FitOptions::default()
                };
                let model = fitted(&points, &options);
                let chart = chart_of(&series, version(), &model, points.clone());
                let judged = |point: &&Point| {
                    let verdict = model.score(&[], **point, &JudgeOptions::default());
                    verdict.anomaly
                };
                let anomalies: Vec<Point> = points.iter().filter(judged).copied().collect();
                let marked: Vec<Point> = chart.marks.iter().map(|mark| mark.point).collect();
                assert_eq!(marked, anomalies, "{options:?}");
                // The recorded rule knows nothing that is too low.
                let blind = *detector == DetectorName::Sigma && direction == Some(Sides::Below);
                assert_eq!(marked.is_empty(), blind, "{options:?}");
                assert!(chart.marks.iter().all(|mark| !mark.within), "{options:?}");
                let marks_at = |point: &Point| marked.contains(point);
                let mut drawn = chart.points.iter().zip(&chart.normal);
                assert!(
                    drawn.all(|(point, normal)| normal.contains(point.value) != marks_at(point)),
                    "{options:?}"
                );
            }
        }
    }

    #[test]
    fn the_title_knows_version_detector_and_period() {
        let options = FitOptions {
            detector: Some(DetectorName::Sigma),
            ..FitOptions::default()
        };
        let model = fitted(&wave(100), &options);
        let chart = chart_of(&SeriesId::new("s").unwrap(), version(), &model, wave(100));
        assert_eq!(chart.version, Some(version()));
        assert_eq!(chart.detector, DetectorName::Sigma);
        assert_eq!(chart.period, None);
        assert_eq!((chart.total, chart.subject.as_str()), (100, "s"));
    }

    #[test]
    fn a_change_of_level_is_found_where_it_is_and_only_there() {
        let mut points = wave(1_000);
        assert!(changes_in(&points).is_empty());
        for point in &mut points[600..] {
            point.value += 100.0;
        }
        assert_eq!(changes_in(&points), [points[600].timestamp]);
        assert!(changes_in(&points[..2]).is_empty());
    }
}
