//! How soon the normal range holds a new level.

use anyhow::Result;

use super::{Part, Subject, at_rate, quantile};
use crate::{
    agreement::is_outside,
    chance::Chance,
    figure::{Figure, Goal},
    generated::every,
    report::{Cell, Table},
    workers,
};

/// Sizes of the step, in standard deviations of the noise.
const SIZES: [f64; 4] = [3.0, 5.0, 10.0, 20.0];
const SEEDS: u64 = 40;
/// Points before the step, of which the first [`TRAIN`] are fitted on, and after it.
const BEFORE: usize = 800;
const TRAIN: usize = 500;
const AFTER: usize = 500;
/// A level is held where this many points in a row lie in their range.
const IN_A_ROW: usize = 8;
const RATE: f64 = 0.01;
/// The number of points that is soon.
const SOON: f64 = 30.0;

/// The points until the range of an online session holds the new level.
pub(crate) fn measure(subject: &Subject) -> Result<Part> {
    let columns = [
        "step, in standard deviations",
        "median",
        "95 %",
        "largest",
        "never in 500",
        "within 30, %",
    ];
    let note = format!(
        "Points until {IN_A_ROW} in a row lie in their normal range at a rate of {RATE}, online; {SEEDS} series of each."
    );
    let mut table = Table::new("Points until the range holds a new level", note, columns);
    let mut cases = Vec::new();
    for size in SIZES {
        cases.extend((0..SEEDS).map(|seed| (size, seed)));
    }
    let waits = workers::map(subject.threads, "new levels", &cases, |(size, seed)| {
        until_held(subject, *size, *seed)
    })?;
    let within = |waits: &[f64]| {
        let soon = waits.iter().filter(|wait| **wait <= SOON).count();
        100.0 * soon as f64 / waits.len() as f64
    };
    for (size, waits) in SIZES.iter().zip(waits.chunks(SEEDS as usize)) {
        let mut sorted = waits.to_vec();
        let never = waits.iter().filter(|wait| wait.is_infinite()).count();
        table.row(vec![
            Cell::Number(*size, 0),
            Cell::Number(quantile(&mut sorted, 0.5), 0),
            Cell::Number(quantile(&mut sorted, 0.95), 0),
            Cell::Number(quantile(&mut sorted, 1.0), 0),
            never.into(),
            Cell::Number(within(waits), 1),
        ]);
    }
    Ok(Part {
        tables: vec![table],
        figures: vec![Figure::new(
            "range holds a new level within 30 points, % of series",
            within(&waits),
            Goal::AtLeast(95.0),
        )],
    })
}

fn until_held(subject: &Subject, size: f64, seed: u64) -> Result<f64> {
    let mut chance = Chance::of(&format!("step of {size}, {seed}"));
    let level = |i| if i < BEFORE { 50.0 } else { 50.0 + 2.0 * size };
    let values = (0..BEFORE + AFTER + IN_A_ROW).map(|i| level(i) + 2.0 * chance.normal());
    let points = every(60, values);
    let mut session = subject.fit(&points[..TRAIN])?.session(&at_rate(RATE));
    let mut inside = Vec::new();
    for point in &points[TRAIN..] {
        inside.push(!is_outside(&session.update(*point).verdict, point.value));
    }
    let mut after = inside[BEFORE - TRAIN..].windows(IN_A_ROW);
    let held = after.position(|row| row.iter().all(|inside| *inside));
    Ok(held.map_or(f64::INFINITY, |wait| wait as f64))
}
