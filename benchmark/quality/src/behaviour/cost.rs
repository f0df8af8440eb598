//! What a verdict, an update, a fit and a stored model cost.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::Result;
use contract::{JudgeOptions, Point};

use super::{Part, Subject};
use crate::{
    chance::Chance,
    figure::{Figure, Goal},
    generated::{every, wave},
    report::{Cell, Table},
};

/// Points that are fitted on, and that verdicts are asked about.
const TRAIN: usize = 10_000;
const POINTS: usize = 5_000;
/// The least of so many runs counts: others are slower only because something else ran too.
const RUNS: usize = 9;

fn series(n: usize) -> Vec<Point> {
    let mut chance = Chance::of("cost");
    let value = |i| 100.0 + 30.0 * wave(i, 288) + 5.0 * chance.normal();
    every(300, (0..n).map(value))
}

/// Times of one thread, and sizes of stored models.
pub(crate) fn measure(subject: &Subject) -> Result<Part> {
    let points = series(TRAIN + POINTS);
    let (train, rest) = points.split_at(TRAIN);
    let model = subject.fit(train)?;
    let judge = JudgeOptions::default();
    let each = |time: Duration| time.as_secs_f64() * 1e6 / POINTS as f64;
    let update = each(least(|| {
        let mut session = model.session(&judge);
        for point in rest {
            black_box(session.update(*point));
        }
    }));
    let alone = each(least(|| {
        for point in rest {
            black_box(model.score(&[], *point, &judge));
        }
    }));
    let fit = 1e3 * least(|| drop(black_box(subject.fit(train)))).as_secs_f64();
    let mut table = Table::new(
        "Cost",
        format!("The least of {RUNS} runs on one thread."),
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

fn least(mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let started = Instant::now();
        run();
        started.elapsed()
    };
    (0..RUNS).map(time).min().unwrap_or_default()
}
