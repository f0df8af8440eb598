//! Short seasons: a week of days, of working days, and days of a few points.
//! Public reports: re-data/re-data#392, awslabs/gluonts#975, community.influxdata.com/t/6424.

use contract::Point;

use crate::support::{DAY, HOUR, MONDAY, Noise, SEEDS, alone, batch, every, fit, flagged, online};

/// Weekdays at 100, weekends at 260.
fn weekly(days: usize, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let value = |day| match day % 7 {
        5 | 6 => 260.0 + 10.0 * noise.normal(),
        _ => 100.0 + 4.0 * noise.normal(),
    };
    every(DAY, (0..days).map(value))
}

/// 112 days of training, and three days that are wrong after it.
fn with_wrong_days(seed: u64) -> Vec<Point> {
    let mut points = weekly(182, seed);
    points[115].value = 260.0; // a Thursday
    points[131].value = 100.0; // a Saturday
    points[145].value = 0.0; // a Sunday
    points
}

#[test]
fn a_value_of_another_day_of_the_week_is_an_anomaly_alone() {
    for seed in SEEDS {
        let model = fit(&weekly(112, seed));
        let on = |day: i64, value| alone(&model, MONDAY + day * DAY, value);
        for (day, value) in [(115, 260.0), (131, 100.0), (145, 0.0)] {
            let verdict = on(day, value);
            assert!(
                verdict.anomaly,
                "seed {seed}, day {day}: {}",
                verdict.reason
            );
        }
        for (day, value) in [(114, 101.0), (117, 262.0)] {
            let verdict = on(day, value);
            assert!(
                !verdict.anomaly,
                "seed {seed}, day {day}: {}",
                verdict.reason
            );
        }
    }
}

#[test]
fn eight_weeks_are_enough_for_most_values_of_another_day() {
    for weeks in [8, 12, 16, 20] {
        let days = 7 * weeks;
        let mut found = [0; 2];
        for seed in 0..20 {
            let mut noise = Noise::new(seed);
            let value = |day| match day % 7 {
                5 | 6 => 260.0 + 22.0 * noise.normal(),
                _ => 100.0 + 4.0 * noise.normal(),
            };
            let model = fit(&every(DAY, (0..days).map(value)));
            // The second Thursday and the second Saturday after.
            for (found, (day, value)) in found.iter_mut().zip([(10, 260.0), (12, 100.0)]) {
                let at = MONDAY + (days as i64 + day) * DAY;
                *found += usize::from(alone(&model, at, value).anomaly);
            }
        }
        assert!(
            found.iter().all(|found| *found >= 17),
            "{weeks} weeks, of 20: {found:?}"
        );
    }
}

#[test]
fn a_batch_finds_it_and_has_no_echo_a_week_later() {
    let mut found = [0; 3];
    for seed in SEEDS {
        let points = with_wrong_days(seed);
        let rows = flagged(&batch(&fit(&points[..112]), &points[112..]));
        let has = |day: usize| rows.contains(&(day - 112));
        for (found, day) in found.iter_mut().zip([115, 131, 145]) {
            *found += usize::from(has(day));
        }
        for day in [122, 132, 138, 146, 152] {
            assert!(!has(day), "seed {seed}: day {day} is an ordinary one");
        }
    }
    assert!(
        found.iter().all(|f| *f >= 3),
        "found in 4 series: {found:?}"
    );
}

#[test]
fn an_ordinary_half_year_is_normal() {
    let flagged_of = |seed| {
        let points = weekly(182, seed);
        flagged(&batch(&fit(&points[..112]), &points[112..])).len()
    };
    let all: usize = SEEDS.map(flagged_of).sum();
    assert!(all <= 2, "{all} of 280 days are flagged");
}

#[test]
fn online_the_period_is_seven_and_the_wrong_days_are_found() {
    for seed in SEEDS {
        let seen = online(&with_wrong_days(seed), 84);
        assert_eq!(seen.period, Some(7), "seed {seed}");
        for day in [115, 145] {
            let alarms = seen.alarms(day..day + 3);
            assert!(!alarms.is_empty(), "seed {seed}: nothing about day {day}");
        }
    }
}

/// Working days only: Fridays have twice as much.
fn working_days(weeks: i64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let mut points = Vec::new();
    for week in 0..weeks {
        for day in 0..5 {
            let level = if day == 4 { 200.0 } else { 100.0 };
            points.push(Point {
                timestamp: MONDAY + (7 * week + day) * DAY,
                value: level + 5.0 * noise.normal(),
            });
        }
    }
    points
}

#[test]
fn a_week_of_working_days_is_known() {
    for seed in SEEDS {
        let model = fit(&working_days(24, seed));
        // Seven slots of a day, of which two are always empty.
        assert_eq!(model.period(), Some(7), "seed {seed}");
        assert_eq!(model.period_time(), Some(7 * DAY), "seed {seed}");
    }
}

#[test]
fn a_quiet_friday_in_a_batch_of_working_days_is_an_anomaly() {
    for seed in SEEDS {
        let mut points = working_days(40, seed);
        points[154].value = 100.0; // a Friday
        let rows = flagged(&batch(&fit(&points[..120]), &points[120..]));
        assert!(rows.contains(&34), "seed {seed}: {rows:?}");
        assert!(rows.len() <= 2, "seed {seed}: {rows:?}");
    }
}

/// `slots` values a day (or a year, for quarters), one of them twice as high.
fn few_slots(step: i64, slots: usize, n: usize, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let level = |i| if i % slots == 2 { 200.0 } else { 100.0 };
    every(step, (0..n).map(|i| level(i) + 6.0 * noise.normal()))
}

#[test]
fn days_of_four_and_of_six_points_and_years_of_quarters_are_known() {
    let cases = [(6 * HOUR, 4, 240), (4 * HOUR, 6, 360), (91 * DAY, 4, 80)];
    for (step, slots, n) in cases {
        for seed in SEEDS {
            let model = fit(&few_slots(step, slots, n, seed));
            let found = model.period();
            assert_eq!(found, Some(slots as u64), "every {step} s, seed {seed}");
            let at = |slot: i64| MONDAY + step * (n as i64 + slot);
            let (low, high) = (alone(&model, at(2), 100.0), alone(&model, at(0), 200.0));
            assert!(low.anomaly, "every {step} s, seed {seed}: {}", low.reason);
            assert!(high.anomaly, "every {step} s, seed {seed}: {}", high.reason);
        }
    }
}
