//! Events of known kind and place: does an online session raise an alarm, and how many does it
//! raise where nothing is wrong?

use anyhow::Result;
use contract::{JudgeOptions, Point};

use super::{Part, Subject};
use crate::{
    chance::Chance,
    figure::{Figure, Goal},
    generated::{DAILY_JUMPS, Kind, STATIONARY, every, walk},
    report::{Cell, Table},
    workers,
};

const SERIES: u64 = 4;
const PLACES: usize = 10;
const TRAIN: usize = 1_000;
const POINTS: usize = 8_000;
/// An alarm may come this many points after the end of an event.
const LATE: usize = 12;

/// A series without an event.
type Base = fn(&mut Chance, usize) -> Vec<f64>;
/// Changes the values from a row on; returns the length of the event.
type Event = fn(&mut [f64]) -> usize;

struct Case {
    name: &'static str,
    base: Base,
    event: Event,
    goal: Option<f64>,
}

/// Noise of standard deviation 1 on a slope.
fn trend(chance: &mut Chance, n: usize) -> Vec<f64> {
    (0..n).map(|i| 0.01 * i as f64 + chance.normal()).collect()
}

fn white(chance: &mut Chance, n: usize) -> Vec<f64> {
    (0..n).map(|_| chance.normal()).collect()
}

fn raise(values: &mut [f64], points: usize, by: f64) -> usize {
    values[..points].iter_mut().for_each(|v| *v += by);
    points
}

fn stick(values: &mut [f64]) -> usize {
    let stuck = values[0];
    values[..60].fill(stuck);
    60
}

const CASES: [Case; 10] = [
    Case {
        name: "random walk: spike of 8 σ",
        base: walk,
        event: |v| raise(v, 1, 8.0),
        goal: Some(70.0),
    },
    Case {
        name: "random walk: spike of 15 σ",
        base: walk,
        event: |v| raise(v, 1, 15.0),
        goal: None,
    },
    Case {
        name: "random walk: 30 points 6 σ lower",
        base: walk,
        event: |v| raise(v, 30, -6.0),
        goal: None,
    },
    Case {
        name: "random walk: stuck for 60 points",
        base: walk,
        event: stick,
        goal: None,
    },
    Case {
        name: "trend: spike of 8 σ",
        base: trend,
        event: |v| raise(v, 1, 8.0),
        goal: None,
    },
    Case {
        name: "trend: 30 points 6 σ lower",
        base: trend,
        event: |v| raise(v, 30, -6.0),
        goal: None,
    },
    Case {
        name: "trend: stuck for 60 points",
        base: trend,
        event: stick,
        goal: None,
    },
    Case {
        name: "white noise: spike of 8 σ",
        base: white,
        event: |v| raise(v, 1, 8.0),
        goal: None,
    },
    Case {
        name: "white noise: 30 points 6 σ lower",
        base: white,
        event: |v| raise(v, 30, -6.0),
        goal: None,
    },
    Case {
        name: "white noise: stuck for 60 points",
        base: white,
        event: stick,
        goal: None,
    },
];

/// Ten spikes of one height in one series, without a pause that would let it be forgotten.
const SPIKES: [f64; 2] = [8.0, 15.0];

pub(crate) fn measure(subject: &Subject) -> Result<Part> {
    let (mut part, repeats) = (single(subject)?, repeated(subject)?);
    part.tables.extend(repeats.tables);
    part.figures.extend(repeats.figures);
    part.tables.push(quiet(subject)?);
    Ok(part)
}

/// The rows at which an online session raises an alarm, and those that are anomalies.
fn judge(subject: &Subject, points: &[Point]) -> Result<(Vec<bool>, Vec<bool>)> {
    let mut session = subject
        .fit(&points[..TRAIN])?
        .session(&JudgeOptions::default());
    let (mut alarms, mut anomalies) = (vec![false; TRAIN], vec![false; TRAIN]);
    for point in &points[TRAIN..] {
        let judged = session.update(*point);
        alarms.push(judged.alarm);
        anomalies.push(judged.verdict.anomaly);
    }
    Ok((alarms, anomalies))
}

fn place(k: usize) -> usize {
    // Not on one grid of blocks: the distances are no multiple of their length.
    TRAIN + 500 + 617 * k
}

fn single(subject: &Subject) -> Result<Part> {
    let columns = ["event", "alarms, %", "rows of it that are anomalies, %"];
    let note = format!(
        "One event in a series, at {PLACES} places in {SERIES} series. Found by an alarm: one is raised at it, or at most {LATE} points after \
         it, where the series without it has none. σ: of the noise, or of the steps of the walk."
    );
    let mut table = Table::new("Events, online", note, columns);
    let mut figures = Vec::new();
    let found = workers::map(subject.threads, "events", &CASES, |case| {
        let (mut found, mut rows, mut all) = (0, 0, 0);
        for seed in 0..SERIES {
            let plain = (case.base)(&mut Chance::of(&format!("events {seed}")), POINTS);
            let (before, _) = judge(subject, &every(60, plain.iter().copied()))?;
            for k in 0..PLACES {
                let at = place(k);
                let mut values = plain.clone();
                let length = (case.event)(&mut values[at..]);
                let end = at + length + LATE;
                let (alarms, anomalies) = judge(subject, &every(60, values[..end].to_vec()))?;
                let new = (at..end).any(|i| alarms[i] && !before[i]);
                found += usize::from(new);
                rows += anomalies[at..at + length].iter().filter(|a| **a).count();
                all += length;
            }
        }
        Ok((found, rows as f64 / all as f64))
    })?;
    for (case, (found, rows)) in CASES.iter().zip(found) {
        let share = 100.0 * found as f64 / (PLACES as f64 * SERIES as f64);
        table.row(vec![
            case.name.into(),
            Cell::Number(share, 1),
            Cell::Number(100.0 * rows, 1),
        ]);
        if let Some(goal) = case.goal {
            let what = format!("{}: found, %", case.name);
            figures.push(Figure::new(what, share, Goal::AtLeast(goal)));
        }
    }
    Ok(Part {
        tables: vec![table],
        figures,
    })
}

fn repeated(subject: &Subject) -> Result<Part> {
    let columns = ["height", "first, %", "second to tenth, %"];
    let note =
        "Ten spikes in one series of white noise, each 617 points after the last; 10 series.";
    let mut table = Table::new("Spikes that come again, online", note, columns);
    let mut figures = Vec::new();
    for height in SPIKES {
        let seeds: Vec<u64> = (0..10).collect();
        let found = workers::map(subject.threads, "spikes", &seeds, |seed| {
            let mut values = white(&mut Chance::of(&format!("spikes {seed}")), POINTS);
            (0..PLACES).for_each(|k| values[place(k)] += height);
            let (alarms, _) = judge(subject, &every(60, values))?;
            let is_found = |k| (place(k)..place(k) + LATE).any(|i| alarms[i]);
            let again = (1..PLACES).filter(|k| is_found(*k)).count();
            Ok((usize::from(is_found(0)), again))
        })?;
        let first: usize = found.iter().map(|(first, _)| first).sum();
        let again: usize = found.iter().map(|(_, again)| again).sum();
        let series = seeds.len() as f64;
        let again = 100.0 * again as f64 / (series * (PLACES - 1) as f64);
        table.row(vec![
            Cell::Text(format!("{height} σ")),
            Cell::Number(100.0 * first as f64 / series, 1),
            Cell::Number(again, 1),
        ]);
        if height == SPIKES[0] {
            let what = "white noise: second to tenth spike of 8 σ found, %";
            figures.push(Figure::new(what, again, Goal::AtLeast(95.0)));
        }
    }
    Ok(Part {
        tables: vec![table],
        figures,
    })
}

/// Alarms where nothing is wrong.
fn quiet(subject: &Subject) -> Result<Table> {
    let columns = ["series", "alarms of 10,000 points"];
    let note = "Online, 10 series of 10,000 points after those that are fitted on.";
    let mut table = Table::new("Alarms in normal series, online", note, columns);
    let kinds: Vec<Kind> = STATIONARY.into_iter().chain([DAILY_JUMPS]).collect();
    let counts = workers::map(subject.threads, "quiet series", &kinds, |kind| {
        let mut alarms = 0;
        for number in 0..10 {
            let (raised, _) = judge(subject, &kind.series(number, TRAIN + 10_000, 300))?;
            alarms += raised.iter().filter(|raised| **raised).count();
        }
        Ok(alarms as f64 / 10.0)
    })?;
    for (kind, alarms) in kinds.iter().zip(counts) {
        table.row(vec![kind.name.into(), Cell::Number(alarms, 1)]);
    }
    Ok(table)
}
