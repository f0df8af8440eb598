//! The labelled series that detectors are measured on, read from a folder that the project does not
//! hold.
//!
//! `nab/data/CATEGORY/FILE.csv` with `nab/windows.json`, and `tuning/` and `extra/` with
//! `SOURCE_…_tr_N.csv.gz`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Cursor, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use chrono::NaiveDateTime;
use contract::Point;
use flate2::read::MultiGzDecoder;

/// Rows of a series, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: usize,
    pub(crate) last: usize,
}

impl Span {
    pub(crate) fn len(self) -> usize {
        self.last - self.first + 1
    }
}

/// A series with what is known to be anomalous in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// Its file: `CATEGORY/FILE` of NAB, `tuning/FILE` or `extra/FILE`.
    pub(crate) name: String,
    /// The category of NAB, or where a series of the other folders comes from.
    pub(crate) group: String,
    pub(crate) points: Vec<Point>,
    /// The number of points at the start that are fitted on and not scored.
    pub(crate) train: usize,
    /// In order, apart from each other.
    pub(crate) spans: Vec<Span>,
}

impl Series {
    /// Whether a point is in a span, for every point.
    pub(crate) fn labels(&self) -> Vec<bool> {
        let mut labels = vec![false; self.points.len()];
        for span in &self.spans {
            labels[span.first..=span.last].fill(true);
        }
        labels
    }

    pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = f64> {
        self.points.iter().map(|p| p.value)
    }
}

/// Points that NAB gives for fitting: 15 %, at most 750.
pub(crate) fn probation(points: usize) -> usize {
    (points * 15 / 100).min(750)
}

/// The given series of the Numenta Anomaly Benchmark, by name.
pub(crate) fn nab(data: &Path) -> Result<Vec<Series>> {
    let root = data.join("nab");
    let text = read(&root.join("windows.json"))?;
    let windows: BTreeMap<String, Vec<[String; 2]>> =
        serde_json::from_str(&text).context("nab/windows.json")?;
    windows
        .into_iter()
        .map(|(name, windows)| nab_series(&root, &name, &windows).context(name))
        .collect()
}

fn nab_series(root: &Path, name: &str, windows: &[[String; 2]]) -> Result<Series> {
    let path = root.join("data").join(name);
    let mut points = Vec::new();
    for (time, value) in column(&path, "timestamp")?
        .into_iter()
        .zip(numbers(&path, "value")?)
    {
        points.push(Point {
            timestamp: seconds(&time)?,
            value,
        });
    }
    let row = |time: &String| -> Result<usize> {
        let timestamp = seconds(time)?;
        let found = points.iter().position(|p| p.timestamp == timestamp);
        found.with_context(|| format!("no row at {time}"))
    };
    let mut spans = Vec::new();
    for [first, last] in windows {
        spans.push(Span {
            first: row(first)?,
            last: row(last)?,
        });
    }
    let (group, _) = name.split_once('/').context("no category")?;
    Ok(Series {
        name: name.to_owned(),
        group: group.to_owned(),
        train: probation(points.len()),
        points,
        spans,
    })
}

/// The series of `tuning` or `extra`, by name. They have no times: their rows are counted.
pub(crate) fn labelled(data: &Path, collection: &str) -> Result<Vec<Series>> {
    let folder = data.join(collection);
    let listing = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut names = BTreeSet::new();
    for entry in listing {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".csv.gz") {
            names.insert(name);
        }
    }
    names
        .into_iter()
        .map(|name| {
            let mut series = labelled_series(&folder, &name).with_context(|| name.clone())?;
            series.name = format!("{collection}/{}", series.name);
            Ok(series)
        })
        .collect()
}

fn labelled_series(folder: &Path, name: &str) -> Result<Series> {
    let stem = name.trim_end_matches(".csv.gz");
    let (_, train) = stem.rsplit_once("_tr_").context("no _tr_N in the name")?;
    let (group, _) = name.split_once('_').context("no source in the name")?;
    let path = folder.join(name);
    let values = numbers(&path, "value")?;
    let labels: Vec<bool> = numbers(&path, "label")?.iter().map(|l| *l > 0.0).collect();
    let point = |(i, value): (usize, f64)| Point {
        timestamp: i as i64,
        value,
    };
    let train = train.parse().context("the number in the name")?;
    ensure!(train < values.len(), "nothing is left after {train} points");
    Ok(Series {
        name: name.to_owned(),
        group: group.to_owned(),
        points: values.into_iter().enumerate().map(point).collect(),
        train,
        spans: spans(&labels),
    })
}

/// The runs of `true`.
pub(crate) fn spans(labels: &[bool]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (i, _) in labels.iter().enumerate().filter(|(_, label)| **label) {
        match spans.last_mut() {
            Some(span) if span.last + 1 == i => span.last = i,
            _ => spans.push(Span { first: i, last: i }),
        }
    }
    spans
}

/// The column `name` of a CSV file, as numbers; empty cells are not a number.
pub(crate) fn numbers(path: &Path, name: &str) -> Result<Vec<f64>> {
    let cells = column(path, name)?;
    let number = |cell: &String| match cell.as_str() {
        "" => Ok(f64::NAN),
        text => text.parse::<f64>(),
    };
    let numbers: Result<_, _> = cells.iter().map(number).collect();
    numbers.with_context(|| format!("column {name} of {}", path.display()))
}

/// Whether the CSV file, packed or not, has a column `name`.
pub(crate) fn has_column(path: &Path, name: &str) -> Result<bool> {
    Ok(table(path)?.headers()?.iter().any(|found| found == name))
}

fn column(path: &Path, name: &str) -> Result<Vec<String>> {
    let mut table = table(path)?;
    let Some(index) = table.headers()?.iter().position(|found| found == name) else {
        bail!("no column {name} in {}", path.display());
    };
    let mut cells = Vec::new();
    for row in table.records() {
        cells.push(row?.get(index).unwrap_or_default().to_owned());
    }
    Ok(cells)
}

fn table(path: &Path) -> Result<csv::Reader<Cursor<Vec<u8>>>> {
    let beside = PathBuf::from(format!("{}.gz", path.display()));
    let path = if path.exists() {
        path
    } else {
        beside.as_path()
    };
    let mut bytes = fs::read(path).with_context(|| path.display().to_string())?;
    if path.extension().is_some_and(|e| e == "gz") {
        let packed = std::mem::take(&mut bytes);
        MultiGzDecoder::new(packed.as_slice())
            .read_to_end(&mut bytes)
            .with_context(|| path.display().to_string())?;
    }
    Ok(csv::Reader::from_reader(Cursor::new(bytes)))
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

fn seconds(time: &str) -> Result<i64> {
    let date = NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S%.f");
    Ok(date
        .with_context(|| format!("{time:?} is not a time"))?
        .and_utc()
        .timestamp())
}
