//! A series that is always the same: any other value is an anomaly, and nothing else is.
//! Public reports: twitter/AnomalyDetection#36, #67 and #18, getsentry/seer#1186.

use contract::Point;

use crate::support::{MINUTE, default_train, every, online};

fn constant(n: usize, value: f64) -> Vec<Point> {
    every(MINUTE, std::iter::repeat_n(value, n))
}

#[test]
fn online_the_same_value_is_normal() {
    for value in [1.0, 0.0, -3.5, 1e9] {
        let points = constant(1_000, value);
        let seen = online(&points, default_train(&points));
        assert!(seen.all_alarms().is_empty(), "{value}");
        let odd = seen.rows.iter().filter(|row| row.verdict.anomaly).count();
        assert_eq!(odd, 0, "{value}");
    }
}

#[test]
fn online_another_value_is_one_episode() {
    for (usual, other, at) in [
        (0.0, 10.0, 4_900),
        (0.0, -5.0, 2_900),
        (200.0, 230.0, 4_000),
    ] {
        let mut points = constant(5_000, usual);
        points[at].value = other;
        let seen = online(&points, default_train(&points));
        assert_eq!(
            seen.episodes.len(),
            1,
            "{other} among {usual}: {:?}",
            seen.episodes
        );
        assert_eq!(seen.episodes_about(at..at + 1), 1, "{other} among {usual}");
        assert!(seen.row(at).verdict.anomaly, "{other} among {usual}");
    }
}

#[test]
fn ten_equal_points_are_enough_to_go_by() {
    let mut points = constant(40, 7.0);
    points[30].value = 9.0;
    let seen = online(&points, 10);
    assert!(seen.row(30).verdict.anomaly);
    let before = (10..30).filter(|i| seen.row(*i).verdict.anomaly).count();
    assert_eq!(before, 0);
}

#[test]
fn noise_of_one_around_a_billion_is_not_constant() {
    for level in [1e9, 1.7e9] {
        let mut points = crate::support::white(MINUTE, 2_000, level, 1.0, 3);
        points[1_500].value = level + 30.0;
        let seen = online(&points, 750);
        assert!(
            !seen.alarms(1_500..1_510).is_empty(),
            "{level}: nothing is found"
        );
        let width = seen.row(1_400).verdict.upper.unwrap() - level;
        assert!(width < 20.0, "{level}: the band reaches {width} up");
    }
}
