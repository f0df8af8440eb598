//! Periods that are reported in noise, and true ones that are found.

use anyhow::Result;
use contract::Point;

use super::{Part, Subject};
use crate::{
    chance::Chance,
    figure::{Figure, Goal},
    generated::{DAY, NOISE, START, every, wave},
    report::{Cell, Table},
    workers,
};

/// Lengths of the noise, and seconds between its points: each hour and each five minutes.
const LENGTHS: [usize; 4] = [200, 500, 1_000, 3_000];
const STEPS: [i64; 2] = [3_600, 300];
/// Series of a kind, length and step.
const SEEDS: u64 = 15;

/// A kind of series with a season.
struct Seasonal {
    name: &'static str,
    /// The periods, in points, that are right.
    periods: &'static [u64],
    make: fn(&mut Chance) -> Vec<Point>,
}

/// Series of a kind with a season.
const SEASONS: u64 = 30;

const SEASONAL: [Seasonal; 14] = [
    Seasonal {
        // A peak that is round and noisy can be a point off.
        name: "sine of 48 in noise",
        periods: &[47, 48, 49],
        make: |c| every(61, (0..1_000).map(|i| 1.5 * wave(i, 48) + c.normal())),
    },
    Seasonal {
        name: "saw of 50",
        periods: &[50],
        make: |c| every(60, (0..1_000).map(|i| (i % 50) as f64 + 8.0 * c.normal())),
    },
    Seasonal {
        name: "day of 96",
        periods: &[96],
        make: |c| every(900, (0..1_500).map(|i| day_value(i, 96, c))),
    },
    Seasonal {
        name: "day of 288",
        periods: &[288],
        make: |c| every(300, (0..3_000).map(|i| day_value(i, 288, c))),
    },
    Seasonal {
        name: "hourly counts, day and week",
        periods: &[24, 168],
        make: |c| {
            let quiet = |i| if i / 24 % 7 >= 5 { 0.4 } else { 1.0 };
            let count = |i| c.poisson((12.0 + 10.0 * wave(i, 24)) * quiet(i));
            every(3_600, (0..1_500).map(count))
        },
    },
    Seasonal {
        name: "week of 7 days",
        periods: &[7],
        make: |c| {
            let level = |i| if i % 7 >= 5 { 260.0 } else { 100.0 };
            every(DAY, (0..182).map(|i| level(i) + 8.0 * c.normal()))
        },
    },
    Seasonal {
        // By the clock it is a week of which two days are missing.
        name: "week of 5 working days",
        periods: &[5, 7],
        make: working_days,
    },
    Seasonal {
        name: "day of 6 points",
        periods: &[6],
        make: |c| {
            every(
                14_400,
                (0..360).map(|i| 10.0 + 4.0 * wave(i, 6) + c.normal()),
            )
        },
    },
    Seasonal {
        name: "day of 4 points",
        periods: &[4],
        make: |c| {
            let level = |i| if i % 4 == 2 { 14.0 } else { 10.0 };
            every(21_600, (0..240).map(|i| level(i) + c.normal()))
        },
    },
    Seasonal {
        name: "a pulse each 60 points",
        periods: &[60],
        make: |c| {
            let level = |i| if i % 60 < 4 { 10.0 } else { 0.0 };
            every(60, (0..1_500).map(|i| level(i) + c.normal()))
        },
    },
    Seasonal {
        name: "day of 96, 3 % missing",
        periods: &[96],
        make: |c| without(c, 0.03),
    },
    Seasonal {
        name: "day of 96, 10 % missing",
        periods: &[96],
        make: |c| without(c, 0.1),
    },
    Seasonal {
        name: "day of 96, 5 % twice",
        periods: &[96],
        make: |c| {
            let points = every(900, (0..1_500).map(|i| day_value(i, 96, c)));
            let times = |p: Point| vec![p; if c.even() < 0.05 { 2 } else { 1 }];
            points.into_iter().flat_map(times).collect()
        },
    },
    Seasonal {
        name: "day of 96, up to 60 s late",
        periods: &[96],
        make: |c| {
            let mut points = every(900, (0..1_500).map(|i| day_value(i, 96, c)));
            for point in &mut points {
                point.timestamp += c.below(60) as i64;
            }
            points
        },
    },
];

fn day_value(i: usize, slots: usize, chance: &mut Chance) -> f64 {
    100.0 + 40.0 * wave(i, slots) + 15.0 * chance.normal()
}

fn without(chance: &mut Chance, share: f64) -> Vec<Point> {
    let mut points = every(900, (0..1_500).map(|i| day_value(i, 96, chance)));
    points.retain(|_| chance.even() > share);
    points
}

fn working_days(chance: &mut Chance) -> Vec<Point> {
    let point = |i: usize| {
        let level = if i % 5 == 4 { 200.0 } else { 100.0 };
        Point {
            timestamp: START + (i / 5 * 7 + i % 5) as i64 * DAY,
            value: level + 8.0 * chance.normal(),
        }
    };
    (0..160).map(point).collect()
}

/// Both measurements.
pub(crate) fn measure(subject: &Subject) -> Result<Part> {
    let (noise, reported) = in_noise(subject)?;
    let (seasons, found) = true_ones(subject)?;
    Ok(Part {
        tables: vec![noise, seasons],
        figures: vec![
            Figure::new(
                "period reported in noise, % of series",
                reported,
                Goal::AtMost(2.0),
            ),
            Figure::new(
                "true periods found, % of series",
                found,
                Goal::AtLeast(98.0),
            ),
        ],
    })
}

fn in_noise(subject: &Subject) -> Result<(Table, f64)> {
    let mut columns = vec!["noise".to_owned()];
    columns.extend(LENGTHS.map(|n| format!("{n} points")));
    let note = format!(
        "Share of series, in %, for which a period is reported; {} of each kind and length.",
        SEEDS as usize * STEPS.len()
    );
    let mut table = Table::new("Periods in noise", note, columns);
    let counts = workers::map(subject.threads, "periods in noise", &NOISE, |kind| {
        let mut counts = [0; LENGTHS.len()];
        for (n, count) in LENGTHS.iter().zip(&mut counts) {
            for step in STEPS {
                for seed in 0..SEEDS {
                    let model = subject.fit(&kind.series(seed, *n, step))?;
                    *count += u32::from(model.period().is_some());
                }
            }
        }
        Ok(counts)
    })?;
    let each = (SEEDS as usize * STEPS.len()) as f64;
    for (kind, counts) in NOISE.iter().zip(&counts) {
        let mut row: Vec<Cell> = vec![kind.name.into()];
        row.extend(counts.map(|count| Cell::Number(100.0 * f64::from(count) / each, 1)));
        table.row(row);
    }
    let all: u32 = counts.iter().flatten().sum();
    let series = each * (NOISE.len() * LENGTHS.len()) as f64;
    Ok((table, 100.0 * f64::from(all) / series))
}

fn true_ones(subject: &Subject) -> Result<(Table, f64)> {
    let columns = ["series", "true", "found, %", "most often found instead"];
    let mut table = Table::new(
        "True periods",
        format!("{SEASONS} series of each kind."),
        columns,
    );
    let found = workers::map(subject.threads, "true periods", &SEASONAL, |kind| {
        let mut found = Vec::new();
        for seed in 0..SEASONS {
            let mut chance = Chance::of(&format!("{} {seed}", kind.name));
            found.push(subject.fit(&(kind.make)(&mut chance))?.period());
        }
        Ok(found)
    })?;
    let mut hits = 0;
    for (kind, found) in SEASONAL.iter().zip(found) {
        let is_right = |p: &Option<u64>| p.is_some_and(|p| kind.periods.contains(&p));
        let right = found.iter().filter(|p| is_right(p)).count();
        hits += right;
        let wrong: Vec<_> = found.into_iter().filter(|p| !is_right(p)).collect();
        let truth: Vec<String> = kind.periods.iter().map(u64::to_string).collect();
        table.row(vec![
            kind.name.into(),
            Cell::Text(truth.join(" or ")),
            Cell::Number(100.0 * right as f64 / SEASONS as f64, 1),
            most_often(&wrong),
        ]);
    }
    let all = SEASONS as f64 * SEASONAL.len() as f64;
    Ok((table, 100.0 * hits as f64 / all))
}

/// The wrong period that was found most often.
fn most_often(wrong: &[Option<u64>]) -> Cell {
    let count = |period: &Option<u64>| wrong.iter().filter(|w| *w == period).count();
    match wrong.iter().max_by_key(|period| count(period)) {
        Some(Some(period)) => Cell::Text(period.to_string()),
        Some(None) => "nothing".into(),
        None => "".into(),
    }
}
