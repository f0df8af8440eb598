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

/// The least and the median of several times.
#[derive(Clone, Copy)]
struct Times {
    least: f64,
    median: f64,
}

impl Times {
    fn of(mut times: Vec<f64>) -> Self {
        Self {
            median: quantile(&mut times, 0.5),
            least: times[0],
        }
    }
}

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
    let fits = (0..FITS).map(|_| 1e3 * time(|| drop(black_box(subject.fit(train)))));
    let fit = Times::of(fits.collect());
    let note = format!(
        "Updates and verdicts on one thread, {CHUNK} at a time; {FITS} fits on all. The medians of \
         the first two and the least of the fits are the key figures."
    );
    let mut table = Table::new("Cost", note, ["what", "least", "median"]);
    let mut figures = Vec::new();
    for (what, times, value, most) in [
        ("update of a session, µs", update, update.median, 3.0),
        ("verdict on a point alone, µs", alone, alone.median, 1.0),
        ("fit of 10,000 points, ms", fit, fit.least, 35.0),
    ] {
        let numbers = [times.least, times.median].map(|time| Cell::Number(time, 3));
        table.row([what.into()].into_iter().chain(numbers).collect());
        figures.push(Figure::new(what, value, Goal::AtMost(most)));
    }
    for (n, most) in [(200, 24.0), (2_000, 24.0), (10_000, 64.0)] {
        let size = subject.fit(&series(n))?.to_json().len() as f64 / 1_024.0;
        let what = format!("model of {n} points, stored, KiB");
        let number = || Cell::Number(size, 2);
        table.row(vec![what.as_str().into(), number(), number()]);
        figures.push(Figure::new(&what, size, Goal::AtMost(most)));
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
fn each(points: &[Point], mut work: impl FnMut(Point)) -> Times {
    let of_chunk = |chunk: &[Point]| {
        let seconds = time(|| chunk.iter().for_each(|p| work(*p)));
        1e6 * seconds / CHUNK as f64
    };
    Times::of(points.chunks_exact(CHUNK).map(of_chunk).collect())
}
