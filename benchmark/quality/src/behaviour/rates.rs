//! The share of normal points that are flagged, and rows that contradict themselves.

use std::ops::AddAssign;

use anyhow::Result;
use contract::{JudgeOptions, Point};
use detector::{DEFAULT_RATE, Model, Verdict};

use super::{Part, Subject};
use crate::{
    agreement::Contradictions,
    figure::{Figure, Goal},
    generated::{Kind, STATIONARY},
    report::{Cell, Table},
    workers,
};

/// The rates that are asked for.
const RATES: [f64; 3] = [0.05, 0.01, DEFAULT_RATE];
/// Series of a kind; points that are fitted on, and judged.
const SERIES: u64 = 10;
const TRAIN: usize = 2_000;
const POINTS: usize = 10_000;
/// Seconds between points: a day has 288.
const STEP: i64 = 300;
/// Points before each as its context, and how many points are passed over, since a context makes
/// a call as dear as all its points.
const CONTEXT: usize = 50;
const EVERY: usize = 2;

const WAYS: [&str; 4] = ["alone", "with 50 points of context", "batch", "online"];

/// The flagged points of one way.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    judged: u64,
    flagged: [u64; RATES.len()],
    contradictions: Contradictions,
}

impl Count {
    fn note(&mut self, verdict: &Verdict, value: f64) {
        self.judged += 1;
        for (rate, flagged) in RATES.iter().zip(&mut self.flagged) {
            *flagged += u64::from(verdict.p_value <= *rate);
        }
        self.contradictions.note(verdict, value, DEFAULT_RATE);
    }

    /// Flagged points of a thousand at the last rate.
    fn per_mille(&self) -> f64 {
        1_000.0 * self.flagged[RATES.len() - 1] as f64 / self.judged as f64
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.judged += other.judged;
        for (sum, flagged) in self.flagged.iter_mut().zip(other.flagged) {
            *sum += flagged;
        }
        self.contradictions += other.contradictions;
    }
}

/// Flagged shares of every stationary kind in all ways.
pub(crate) fn measure(subject: &Subject) -> Result<Part> {
    let mut cases = Vec::new();
    for kind in STATIONARY {
        cases.extend((0..SERIES).map(|number| (kind, number)));
    }
    let counts = workers::map(
        subject.threads,
        "normal points",
        &cases,
        |(kind, number)| {
            let points = kind.series(*number, TRAIN + POINTS, STEP);
            let (train, rest) = points.split_at(TRAIN);
            Ok(count(&subject.fit(train)?, rest))
        },
    )?;
    let mut by_kind = Vec::new();
    for (kind, counts) in STATIONARY.iter().zip(counts.chunks(SERIES as usize)) {
        let mut sums = [Count::default(); WAYS.len()];
        for counts in counts {
            sums.iter_mut()
                .zip(counts)
                .for_each(|(sum, count)| *sum += *count);
        }
        by_kind.push((*kind, sums));
    }
    Ok(Part {
        tables: vec![share_table(&by_kind), contradiction_table(&by_kind)],
        figures: figures(&by_kind),
    })
}

/// The counts of each way of asking.
fn count(model: &Model, points: &[Point]) -> [Count; WAYS.len()] {
    let judge = JudgeOptions::default();
    let mut counts = [Count::default(); WAYS.len()];
    let [alone, context, batch, online] = &mut counts;
    let mut scorer = model.fixed_scorer(&[]);
    let mut session = model.session(&judge);
    for (i, point) in points.iter().enumerate() {
        alone.note(&model.score(&[], *point, &judge), point.value);
        batch.note(&scorer.score(*point, &judge), point.value);
        online.note(&session.update(*point).verdict, point.value);
        if i >= CONTEXT && i % EVERY == 0 {
            let verdict = model.score(&points[i - CONTEXT..i], *point, &judge);
            context.note(&verdict, point.value);
        }
    }
    counts
}

fn share_table(by_kind: &[(Kind, [Count; WAYS.len()])]) -> Table {
    let mut columns = vec!["series".to_owned()];
    for way in WAYS {
        columns.extend(RATES.map(|rate| format!("{way}, {rate}")));
    }
    let note = format!(
        "Share of points with a p-value of at most the rate, over the rate. {SERIES} series of each kind, {POINTS} points each, fitted on \
         {TRAIN} more. Counts and other whole numbers can lie below 1 by nature, never above."
    );
    let mut table = Table::new("Normal points that are flagged", note, columns);
    for (kind, counts) in by_kind {
        let mut row: Vec<Cell> = vec![kind.name.into()];
        for count in counts {
            for (rate, flagged) in RATES.iter().zip(count.flagged) {
                let share = flagged as f64 / count.judged as f64;
                row.push(Cell::Number(share / rate, 2));
            }
        }
        table.row(row);
    }
    table
}

fn contradiction_table(by_kind: &[(Kind, [Count; WAYS.len()])]) -> Table {
    let columns = ["way", "rows", "p ≤ rate, no anomaly", "outside, no anomaly"];
    let note = "On the series above, at the default rate.";
    let mut table = Table::new(
        "Rows that contradict themselves: generated series",
        note,
        columns,
    );
    for (w, way) in WAYS.iter().enumerate() {
        let mut sum = Contradictions::default();
        by_kind
            .iter()
            .for_each(|(_, counts)| sum += counts[w].contradictions);
        table.row(vec![
            (*way).into(),
            Cell::Count(sum.rows),
            Cell::Count(sum.under_the_rate),
            Cell::Count(sum.outside),
        ]);
    }
    table
}

fn figures(by_kind: &[(Kind, [Count; WAYS.len()])]) -> Vec<Figure> {
    let shares = |lattice: bool| {
        let kinds = by_kind
            .iter()
            .filter(move |(kind, _)| kind.lattice == lattice);
        kinds.flat_map(|(_, counts)| counts.iter().map(Count::per_mille))
    };
    let largest = |shares: &mut dyn Iterator<Item = f64>| shares.fold(0.0, f64::max);
    let mut sum = Contradictions::default();
    for (_, counts) in by_kind {
        counts.iter().for_each(|count| sum += count.contradictions);
    }
    let within = Goal::Within(0.5, 2.0);
    vec![
        Figure::new(
            "normal points flagged at 0.001, ‰: continuous kinds, least",
            shares(false).fold(f64::INFINITY, f64::min),
            within,
        ),
        Figure::new(
            "normal points flagged at 0.001, ‰: continuous kinds, most",
            largest(&mut shares(false)),
            within,
        ),
        Figure::new(
            "normal points flagged at 0.001, ‰: counts and events, most",
            largest(&mut shares(true)),
            Goal::AtMost(2.0),
        ),
        Figure::new(
            "rows that contradict themselves, of a million: generated series",
            sum.per_million(),
            Goal::AtMost(0.0),
        ),
    ]
}
