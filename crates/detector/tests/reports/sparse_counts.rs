//! Counts of rare events: most hours have none, a few have one, two or three.
//! Public report: business-science/anomalize#12.

use contract::Point;

use crate::support::{HOUR, Noise, SEEDS, batch, every, fit, flagged, online};

const TRAIN: usize = 400;
const BURST: usize = 1_700;

/// Nine of ten hours have no event; one hour in a hundred has two, one in five hundred three.
fn rare(seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    let count = |_| match noise.even() {
        e if e < 0.002 => 3.0,
        e if e < 0.012 => 2.0,
        e if e < 0.1 => 1.0,
        _ => 0.0,
    };
    let mut points = every(HOUR, (0..2_000).map(count));
    points[BURST].value = 12.0;
    points
}

fn poisson(mean: f64, seed: u64) -> Vec<Point> {
    let mut noise = Noise::new(seed);
    every(HOUR, (0..2_000).map(|_| noise.poisson(mean)))
}

/// Flagged rows after the training, as rows of the series.
fn flagged_rows(points: &[Point]) -> Vec<usize> {
    let model = fit(&points[..TRAIN]);
    let rows = flagged(&batch(&model, &points[TRAIN..]));
    rows.iter().map(|i| i + TRAIN).collect()
}

#[test]
fn usual_counts_are_no_anomalies_and_a_burst_is_one() {
    let (mut others, mut twos) = (0, 0);
    for seed in 0..5 {
        let points = rare(seed);
        let rows = flagged_rows(&points);
        assert!(rows.contains(&BURST), "seed {seed}: the burst is not found");
        others += rows.len() - 1;
        twos += rows.iter().filter(|i| points[**i].value <= 2.0).count();
    }
    assert!(
        others <= 32,
        "{others} of 7,995 usual points are flagged, 0.4 % is right"
    );
    assert!(
        twos <= 5,
        "{twos} counts of 2 are flagged, which training had several times"
    );
}

#[test]
fn counts_of_any_mean_are_flagged_at_the_rate_that_is_asked_for() {
    for mean in [0.1, 0.5, 1.0, 2.5, 4.5, 30.0] {
        let flagged: usize = (0..6).map(|s| flagged_rows(&poisson(mean, s)).len()).sum();
        let share = flagged as f64 / (6.0 * 1_600.0);
        assert!(
            share <= 0.004,
            "Poisson of {mean}: {share:.4} of points are flagged"
        );
    }
}

#[test]
fn online_the_burst_is_an_episode_and_there_are_few_others() {
    for seed in SEEDS {
        let seen = online(&rare(seed), TRAIN);
        assert_eq!(
            seen.episodes_about(BURST..BURST + 1),
            1,
            "seed {seed}: the burst"
        );
        let all = seen.episodes.len();
        assert!(all <= 5, "seed {seed}: {all} episodes");
    }
}
