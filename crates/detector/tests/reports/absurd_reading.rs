//! One reading of a thousand is absurd. The others say what is normal.
//! Public reports: nurl-lang/nurl#1102, nurl-lang/nurl#1097.

use contract::{DetectorName, FitOptions, Point};

use crate::support::{MINUTE, MONDAY, SEEDS, alone, fit_with, online, white};

/// 1,000 values around 20 with a spread of 1, and more after them; reading 300 is `absurd`.
fn with_reading(absurd: f64, seed: u64) -> Vec<Point> {
    let mut points = white(MINUTE, 2_000, 20.0, 1.0, seed);
    points[300].value = absurd;
    points
}

/// 40, twenty spreads off, is an anomaly, and no limit is far from the values.
fn forty_is_found(detector: DetectorName, absurd: f64) {
    for seed in SEEDS {
        let points = with_reading(absurd, seed);
        let options = FitOptions {
            detector: Some(detector),
            ..FitOptions::default()
        };
        let (model, _) = fit_with(&points[..1_000], options);
        let verdict = alone(&model, MONDAY + 1_800 * MINUTE, 40.0);
        let what = format!("{detector}, {absurd:e}, seed {seed}: {}", verdict.reason);
        assert!(verdict.anomaly, "{what}");
        let bounds = [verdict.lower, verdict.upper, verdict.expected];
        assert!(
            bounds.iter().flatten().all(|b| b.abs() < 1_000.0),
            "{what}: {bounds:?}"
        );
    }
}

const ABSURD: [f64; 4] = [-1e6, 1e31, f32::MAX as f64, 1e200];

#[test]
fn auto_is_not_deaf_after_an_absurd_reading() {
    for absurd in ABSURD {
        forty_is_found(DetectorName::Auto, absurd);
    }
}

#[test]
fn robust_is_not_deaf_after_an_absurd_reading() {
    for absurd in ABSURD {
        forty_is_found(DetectorName::Robust, absurd);
    }
}

#[test]
fn seasonal_is_not_deaf_after_an_absurd_reading() {
    for absurd in ABSURD {
        forty_is_found(DetectorName::Seasonal, absurd);
    }
}

#[test]
fn ewma_is_not_deaf_after_an_absurd_reading() {
    for absurd in ABSURD {
        forty_is_found(DetectorName::Ewma, absurd);
    }
}

#[test]
fn online_the_forty_is_found() {
    for seed in SEEDS {
        let mut points = with_reading(1e200, seed);
        points[1_800].value = 40.0;
        let seen = online(&points, 1_000);
        assert!(!seen.alarms(1_800..1_810).is_empty(), "seed {seed}");
    }
}
