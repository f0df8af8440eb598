//! Each row's range, p-value and verdict on the labelled series, online and of a frozen model.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use contract::DetectorName;
use serde_json::Value;

use super::{RESULTS, wanted};
use crate::{
    agreement::Contradictions,
    args::RunArgs,
    data::{self, Series},
    evaluation::Evaluation,
    figure::{Figure, Goal},
    frozen::{Seen, Way, first_after, see},
    judged::Judged,
    report::{Cell, Report, Table},
    workers,
};

/// Of extra/ each third series is taken, which leaves as many as tuning/ has.
const OF_EXTRA: usize = 3;
/// Rows without an anomaly after which one is the first of its kind.
const QUIET: usize = 24;
/// The same run at an earlier commit, below the results.
const BEFORE: &str = "before/verdicts.json";
const SERIES_TABLE: &str = "Series";

/// The collections, and the goals for them: of the ranges online, and of those of a frozen model
/// alone and with context over those before.
const COLLECTIONS: [(&str, [f64; 3]); 3] = [
    ("NAB", [0.90, 0.75, 0.55]),
    ("tuning", [0.70, 0.85, 0.65]),
    ("extra", [0.66, 1.0, 0.85]),
];

struct Row<'a> {
    series: &'a Series,
    seen: Seen,
}

impl Row<'_> {
    fn collection(&self) -> &'static str {
        match self.series.name.split_once('/') {
            Some(("tuning", _)) => "tuning",
            Some(("extra", _)) => "extra",
            _ => "NAB",
        }
    }

    /// The simple forecast with the best ranges.
    fn best(&self) -> (&'static str, f64) {
        let simple = self.seen.simple.iter();
        let best = simple.min_by(|a, b| a.1.total_cmp(&b.1));
        *best.expect("there are three")
    }

    /// The score of the ranges online over that of the best simple forecast.
    fn over_best(&self) -> f64 {
        self.seen.ways[Way::Online as usize].wide.mean() / self.best().1
    }

    /// The score of the ranges of a frozen model.
    fn frozen(&self, way: Way) -> f64 {
        self.seen.ways[way as usize].narrow.mean()
    }
}

/// The name of its files.
pub(super) const NAME: &str = "verdicts";

pub(super) fn run(args: &RunArgs) -> Result<Report> {
    let mut series = data::nab(&args.data)?;
    series.extend(data::labelled(&args.data, "tuning")?);
    let extra = data::labelled(&args.data, "extra")?;
    series.extend(extra.into_iter().step_by(OF_EXTRA));
    let series = wanted(args, series)?;
    let seen = workers::map(args.output.threads, "verdicts", &series, |s| {
        see(s, DetectorName::Auto).with_context(|| s.name.clone())
    })?;
    let rows = series.iter().zip(seen);
    let rows: Vec<_> = rows.map(|(series, seen)| Row { series, seen }).collect();
    let mut report = Report {
        name: NAME,
        ..Report::default()
    };
    ranges(&rows, &mut report);
    frozen_ranges(&rows, &before()?, &mut report);
    benchmark(&rows, &mut report);
    contradictions(&rows, &mut report);
    report.details.push(series_table(&rows));
    Ok(report)
}

/// The mean of `values`, or of their logarithms; none without values.
fn means(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let of_logs = values.iter().map(|v| v.ln()).sum::<f64>() / n;
    (mean, of_logs.exp())
}

fn ranges(rows: &[Row<'_>], report: &mut Report) {
    let columns = [
        "series",
        "number",
        "mean",
        "geometric mean",
        "worse than the best",
    ];
    let note = "The interval score of online ranges at a rate of 0.01, over that of the best of `ewma`, `seasonal` and the value one season \
                ago, for each series.";
    let mut table = Table::new("Ranges, online", note, columns);
    for (name, [goal, ..]) in COLLECTIONS {
        let of_it = rows.iter().filter(|r| r.collection() == name);
        let ratios: Vec<f64> = of_it.map(Row::over_best).collect();
        let (mean, geometric) = means(&ratios);
        table.row(vec![
            name.into(),
            ratios.len().into(),
            Cell::Number(mean, 3),
            Cell::Number(geometric, 3),
            ratios.iter().filter(|r| **r > 1.0).count().into(),
        ]);
        let what = format!("interval score at 0.01 over the best simple forecast, mean: {name}");
        report
            .goals
            .push(Figure::new(what, mean, Goal::AtMost(goal)));
    }
    report.summary.push(table);
}

/// The scores of each series at an earlier commit, alone and with context.
type Before = BTreeMap<String, [f64; 2]>;

fn before() -> Result<Before> {
    let path = Path::new(RESULTS).join(BEFORE);
    if !path.exists() {
        return Ok(Before::new());
    }
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let value: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let tables = value["tables"].as_array().into_iter().flatten();
    let of_series = tables.filter(|table| table["title"] == SERIES_TABLE);
    let rows = of_series.flat_map(|table| table["rows"].as_array().into_iter().flatten());
    let score = |row: &Value, way: Way| row[way.name()].as_f64();
    Ok(rows
        .filter_map(|row| {
            let scores = [score(row, Way::Alone)?, score(row, Way::Context)?];
            Some((row["series"].as_str()?.to_owned(), scores))
        })
        .collect())
}

fn frozen_ranges(rows: &[Row<'_>], before: &Before, report: &mut Report) {
    let columns = [
        "series",
        "way",
        "over before, geometric mean",
        "over before, mean",
        "outside, mean of files, %",
        "outside, median, %",
    ];
    let note = "The interval score of a frozen model's ranges at the default rate of 0.001, over the same before, for each series; and the \
                values outside of them.";
    let mut table = Table::new("Ranges of a frozen model", note, columns);
    for (name, [_, alone, context]) in COLLECTIONS {
        for (w, way, goal) in [(0, Way::Alone, alone), (1, Way::Context, context)] {
            let of_it: Vec<_> = rows.iter().filter(|r| r.collection() == name).collect();
            let ratio = |r: &&Row<'_>| Some(r.frozen(way) / before.get(&r.series.name)?[w]);
            let ratios: Vec<f64> = of_it.iter().filter_map(ratio).collect();
            let (mean, geometric) = means(&ratios);
            let outside = |r: &&Row<'_>| r.seen.ways[way as usize].narrow.outside();
            let mut outside: Vec<f64> = of_it.iter().map(outside).collect();
            let known = |value: f64| Some(value).filter(|v| v.is_finite());
            table.row(vec![
                name.into(),
                way.name().into(),
                Cell::of(known(geometric), 3),
                Cell::of(known(mean), 3),
                Cell::of(known(means(&outside).0), 2),
                Cell::Number(median(&mut outside), 2),
            ]);
            let what = format!(
                "interval score of a frozen model over before, {}: {name}",
                way.name()
            );
            report
                .goals
                .push(Figure::new(what, geometric, Goal::AtMost(goal)));
        }
    }
    report.summary.push(table);
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The Numenta Anomaly Benchmark by rows that are anomalies.
fn benchmark(rows: &[Row<'_>], report: &mut Report) {
    let nab: Vec<_> = rows.iter().filter(|r| r.collection() == "NAB").collect();
    let series: Vec<Series> = nab.iter().map(|r| r.series.clone()).collect();
    let columns = [
        "way",
        "every anomaly",
        "first after 24 rows",
        "hits",
        "windows",
        "false",
    ];
    let note = "Numenta Anomaly Benchmark, standard profile, with rows that are anomalies at the default rate in place of alarms: every one, or \
                those that come after 24 rows without one (hits and false ones are of these). A frozen model is fitted on the same points, \
                and learns nothing since. *Online, alarms* are what `/v1/detect` raises.";
    let mut table = Table::new("Rows that are anomalies, on the benchmark", note, columns);
    let scores = |rows_of: &dyn Fn(&Row<'_>) -> Vec<bool>| {
        let judged: Vec<Judged> = nab.iter().map(|r| Judged::of_alarms(rows_of(r))).collect();
        Evaluation::new(&series, &judged).verdicts()[0]
    };
    for way in Way::ALL {
        let of = |r: &Row<'_>| r.seen.ways[way as usize].anomalies.clone();
        let every = scores(&of).score();
        let first = scores(&|r| first_after(&of(r), QUIET));
        table.row(vec![
            way.name().into(),
            Cell::of(every, 1),
            Cell::of(first.score(), 1),
            first.hits.into(),
            first.windows.into(),
            first.false_alarms.into(),
        ]);
        let score = |score: Option<f64>| score.unwrap_or(f64::NAN);
        let mut goal = |what: &str, value, least| {
            let what = format!("NAB by rows, {}: {what}", way.name());
            report
                .goals
                .push(Figure::new(what, score(value), Goal::AtLeast(least)));
        };
        if matches!(way, Way::Context | Way::Batch) {
            goal("every anomaly", every, 0.0);
        }
        if way != Way::Online {
            goal("first after 24", first.score(), 45.0);
        }
    }
    let alarms = scores(&|r| r.seen.ways[Way::Online as usize].alarms.clone());
    table.row(vec![
        "online, alarms".into(),
        Cell::of(alarms.score(), 1),
        Cell::None,
        alarms.hits.into(),
        alarms.windows.into(),
        alarms.false_alarms.into(),
    ]);
    report.summary.push(table);
}

fn contradictions(rows: &[Row<'_>], report: &mut Report) {
    let columns = [
        "way",
        "rows",
        "p ≤ rate, no anomaly",
        "outside, no anomaly",
        "either, of a million",
    ];
    let note = "At the default rate.";
    let mut table = Table::new(
        "Rows that contradict themselves: labelled series",
        note,
        columns,
    );
    for way in Way::ALL {
        let mut sum = Contradictions::default();
        rows.iter()
            .for_each(|r| sum += r.seen.ways[way as usize].contradictions);
        table.row(vec![
            way.name().into(),
            Cell::Count(sum.rows),
            Cell::Count(sum.under_the_rate),
            Cell::Count(sum.outside),
            Cell::Number(sum.per_million(), 0),
        ]);
        let what = format!(
            "rows that contradict themselves, of a million: labelled series, {}",
            way.name()
        );
        report
            .goals
            .push(Figure::new(what, sum.per_million(), Goal::AtMost(0.0)));
    }
    report.summary.push(table);
}

fn series_table(rows: &[Row<'_>]) -> Table {
    let mut columns = vec!["series", "rows", "online", "best simple", "its score"];
    columns.extend([Way::Alone, Way::Context].map(Way::name));
    let note = "Interval scores: online and of the best simple forecast at a rate of 0.01, of a frozen model at 0.001.";
    let mut table = Table::new(SERIES_TABLE, note, columns);
    for row in rows {
        let (best, score) = row.best();
        let online = &row.seen.ways[Way::Online as usize];
        let mut cells = vec![
            row.series.name.as_str().into(),
            online.anomalies.len().into(),
            Cell::Number(online.wide.mean(), 4),
            best.into(),
            Cell::Number(score, 4),
        ];
        cells.extend([Way::Alone, Way::Context].map(|way| Cell::Number(row.frozen(way), 4)));
        table.row(cells);
    }
    table
}
