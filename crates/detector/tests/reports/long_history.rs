//! Months of minutes: a loss is found, and there is hardly a false alarm.
//! Public reports: twitter/AnomalyDetection#75 and #57, SeldonIO/alibi-detect#290.

use contract::Point;

use crate::support::{DAY, HOUR, MINUTE, Noise, default_train, every, online};

/// Bytes a second of a site with a day, a week and some noise.
fn traffic(n: i64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let value = |i: i64| {
        let at = i * MINUTE;
        let hour = (at % DAY) as f64 / HOUR as f64;
        let day = 0.4 + 0.6 * (-((hour - 14.0) / 5.0).powi(2)).exp();
        let week = if at / DAY % 7 >= 5 { 0.7 } else { 1.0 };
        (8e8 * day * week * (1.0 + 0.04 * noise.normal())).round()
    };
    every(MINUTE, (0..n).map(value))
}

#[test]
fn online_a_loss_in_months_of_minutes_is_found() {
    let mut points = traffic(60_000, 1);
    points[57_000..57_020]
        .iter_mut()
        .for_each(|p| p.value *= 0.1);
    let seen = online(&points, default_train(&points));
    assert!(!seen.alarms(57_000..57_012).is_empty());
    let alarms = seen.all_alarms().len();
    assert!(alarms <= 60, "{alarms} alarms in 59,250 points");
}
