//! The cost of a verdict, an update, a fit and a stored model.

use std::{hint::black_box, time::Instant};

use anyhow::Result;
use contract::{JudgeOptions, Point};

use super::{Part, Subject, quantile};
use crate::{
    chance::Chance,
    figure::{Figure, Goal},
    generated::{every, wave},
    report::{Cell, Table},
};

/// Points that are fitted on, and that verdicts are asked about.
const TRAIN: usize = 10_000;
const POINTS: usize = 5_000;
/// Points that are timed together. The median of their times counts: where something else ran too,
/// a few of them are longer.
const CHUNK: usize = 100;
/// Fits, of which the fastest counts.
const FITS: usize = 15;

fn series(n: usize) -> Vec<Point> {
    let mut chance = Chance::of("cost");
    let value = |i| 100.0 + 30.0 * wave(i, 288) + 5.0 * chance.normal();
    every(300, (0..n).map(value))
}

/// Times, and sizes of stored models.
pub(crate) fn measure(subject: &Subject) -> Result<Part> {
    let points = series(TRAIN + POINTS);
    let (train, rest) = points.split_at(TRAIN);
    let model = subject.fit(train)?;
    let judge = JudgeOptions::default();
    let mut session = model.session(&judge);
    let update = each(rest, |point| {
        black_box(session.update(point));
    });
    let alone = each(rest, |point| {
        black_box(model.score(&[], point, &judge));
    });
    let fits = (0..FITS).map(|_| time(|| drop(black_box(subject.fit(train)))));
    let fit = 1e3 * fits.fold(f64::INFINITY, f64::min);
    let mut table = Table::new(
        "Cost",
        "Updates and verdicts on one thread, a fit on all.",
        ["what", "cost"],
    );
    let mut figures = Vec::new();
    let mut add = |what: &str, value: f64, goal: Goal| {
        table.row(vec![what.into(), Cell::Number(value, 2)]);
        figures.push(Figure::new(what, value, goal));
    };
    add("update of a session, µs", update, Goal::AtMost(3.0));
    add("verdict on a point alone, µs", alone, Goal::AtMost(1.0));
    add("fit of 10,000 points, ms", fit, Goal::AtMost(35.0));
    for (n, most) in [(200, 24.0), (2_000, 24.0), (10_000, 64.0)] {
        let size = subject.fit(&series(n))?.to_json().len() as f64 / 1_024.0;
        add(
            &format!("model of {n} points, stored, KiB"),
            size,
            Goal::AtMost(most),
        );
    }
    Ok(Part {
        tables: vec![table],
        figures,
    })
}

/// Seconds that `work` takes.
fn time(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

/// Microseconds that `work` takes on each of `points`.
fn each(points: &[Point], mut work: impl FnMut(Point)) -> f64 {
    let of_chunk = |chunk: &[Point]| time(|| chunk.iter().for_each(|p| work(*p)));
    let mut times: Vec<f64> = points.chunks_exact(CHUNK).map(of_chunk).collect();
    1e6 * quantile(&mut times, 0.5) / CHUNK as f64
}
