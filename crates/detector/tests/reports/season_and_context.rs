//! What a season says beside the points just before: a jump at its hour is normal, and a season that
//! has gone out of step says nothing.

use contract::{JudgeOptions, Point};
use detector::Model;

use crate::support::{Noise, SEEDS, every, fit};

/// The number of anomalies among the last points, each asked with the 50 points before it.
fn flagged_with_context(model: &Model, points: &[Point], from: usize) -> usize {
    let judge = JudgeOptions::default();
    let is_anomaly = |i: &usize| model.score(&points[i - 50..*i], points[*i], &judge).anomaly;
    (from..points.len()).filter(is_anomaly).count()
}

/// Four days of training and four more, in which people come at nine and leave at six.
#[test]
fn the_jump_of_every_morning_is_normal() {
    for seed in SEEDS {
        let mut noise = Noise::new(seed);
        let value = |i: usize| {
            let level = if (108..216).contains(&(i % 288)) {
                80.0
            } else {
                20.0
            };
            level + 0.2 * noise.normal()
        };
        let points = every(300, (0..8 * 288).map(value));
        let model = fit(&points[..4 * 288]);
        let flagged = flagged_with_context(&model, &points, 4 * 288);
        assert!(flagged <= 8, "seed {seed}: {flagged} of 1,152");
    }
}

/// No breath takes as long as the one before, and after training they take longer.
#[test]
fn a_smooth_course_that_goes_out_of_step_is_normal() {
    for seed in SEEDS {
        let mut noise = Noise::new(seed);
        let (mut phase, mut period) = (0.0, 120.0);
        let value = |i: usize| {
            phase += std::f64::consts::TAU / period;
            if phase > std::f64::consts::TAU {
                phase -= std::f64::consts::TAU;
                period = if i < 3_000 { 118.0 } else { 128.0 } + 4.0 * noise.even();
            }
            1_000.0 * f64::sin(phase) + 2.0 * noise.normal()
        };
        let points = every(7, (0..5_000).map(value));
        let model = fit(&points[..3_000]);
        let flagged = flagged_with_context(&model, &points, 4_000);
        assert!(flagged <= 20, "seed {seed}: {flagged} of 1,000");
    }
}
