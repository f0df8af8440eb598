//! Charts of several columns: one above the other, those that matter most.

use chart::{Chart, Fitted, Mark, Normal};
use contract::{ColumnsDetectRequest, DetectorName, SeriesId, Table, Version};
use detector::{Column, JointVerdict, MultivariateModel, Row, detect_columns};

use super::model::{normal_of, period_of};
use crate::error::Error;

/// The most columns in one picture.
const MAX_PANELS: usize = 3;
/// The height in pixels, at a scale of 1, that a chart needs to be read.
const PANEL_HEIGHT: u32 = 130;
/// An anomaly is marked in the columns that have at least this share of its evidence.
const MARKED: f64 = 0.2;

/// A column with what is known of its points.
struct Panel {
    column: Column,
    normal: Vec<Normal>,
    marks: Vec<Mark>,
    /// The evidence against this column, summed over all anomalies.
    weight: f64,
}

struct Panels(Vec<Panel>);

/// The rows that a model was fitted on, with its verdict on each of them alone. `points` are those
/// of all columns, one column after the other.
pub(super) fn charts_of(
    series: &SeriesId,
    version: Version,
    model: &MultivariateModel,
    points: &[contract::Point],
) -> Vec<Chart> {
    let rows = usize::try_from(model.points()).unwrap_or(usize::MAX).max(1);
    let parts = model.columns().zip(points.chunks(rows));
    let columns = parts.map(|(name, points)| Column {
        name: name.to_owned(),
        points: points.to_vec(),
    });
    let mut panels = Panels::new(columns.collect());
    for at in 0..panels.rows() {
        let row = panels.row(at);
        panels.note(&row, &model.score(&[], &row, None));
    }
    let periods: Vec<_> = model.models().map(period_of).collect();
    let charts = panels.0.into_iter().zip(periods).map(|(panel, period)| {
        let title = format!("{series} {}", panel.column.name);
        let chart = Chart {
            version: Some(version),
            period,
            ..Chart::new(title, model.detector(), panel.column.points)
        };
        (panel.weight, with(chart, panel.normal, panel.marks))
    });
    by_weight(charts.collect())
}

/// The rows of a request to `/v1/detect`, judged as it does.
pub(super) fn judged(
    request: ColumnsDetectRequest,
    title: Option<String>,
    default: DetectorName,
) -> Result<Vec<Chart>, Error> {
    let ColumnsDetectRequest { table, train, fit } = request;
    let fitted = train.of(table.rows());
    let Table { timestamps, values } = table;
    let named = values.into_vec().into_iter();
    let columns: Vec<Column> = named
        .map(|(name, values)| Column::new(name, &timestamps, values))
        .collect();
    let mut detection = detect_columns(&columns, train, &fit, default)?;
    let mut panels = Panels::new(columns);
    for panel in &mut panels.0 {
        panel.normal = vec![Normal::UNKNOWN; fitted];
    }
    for at in fitted..panels.rows() {
        let row = panels.row(at);
        let judged = detection.update(&row);
        panels.note(&row, &judged.verdict);
    }
    let episodes: Vec<_> = detection
        .episodes()
        .iter()
        .map(|e| (e.start, e.end))
        .collect();
    let model = &detection.model;
    let title = title.unwrap_or_else(|| "Detection".to_owned());
    let periods: Vec<_> = model.models().map(period_of).collect();
    let charts = panels.0.into_iter().zip(periods).map(|(panel, period)| {
        let title = format!("{title} {}", panel.column.name);
        let chart = Chart {
            period,
            episodes: episodes.clone(),
            fitted: Some(Fitted {
                points: fitted,
                until: timestamps[fitted.saturating_sub(1)],
            }),
            ..Chart::new(title, model.detector(), panel.column.points)
        };
        (panel.weight, with(chart, panel.normal, panel.marks))
    });
    Ok(by_weight(charts.collect()))
}

/// The number of charts that fit into a picture of this height.
pub(super) fn fitting(height: u32) -> usize {
    (height / PANEL_HEIGHT).clamp(1, MAX_PANELS as u32) as usize
}

fn with(chart: Chart, normal: Vec<Normal>, marks: Vec<Mark>) -> Chart {
    Chart {
        normal,
        marks,
        ..chart
    }
}

/// The charts of the columns with the most evidence against them first; else in their order.
fn by_weight(mut charts: Vec<(f64, Chart)>) -> Vec<Chart> {
    charts.sort_by(|a, b| b.0.total_cmp(&a.0));
    charts.truncate(MAX_PANELS);
    charts.into_iter().map(|(_, chart)| chart).collect()
}

impl Panels {
    fn new(columns: Vec<Column>) -> Self {
        let panel = |column| Panel {
            column,
            normal: Vec::new(),
            marks: Vec::new(),
            weight: 0.0,
        };
        Self(columns.into_iter().map(panel).collect())
    }

    fn rows(&self) -> usize {
        self.0[0].column.points.len()
    }

    fn row(&self, at: usize) -> Row {
        Row {
            timestamp: self.0[0].column.points[at].timestamp,
            values: self
                .0
                .iter()
                .map(|panel| panel.column.points[at].value)
                .collect(),
        }
    }

    /// Takes the verdict on a row into all columns.
    fn note(&mut self, row: &Row, verdict: &JointVerdict) {
        for (i, panel) in self.0.iter_mut().enumerate() {
            let normal = normal_of(&verdict.columns[i]);
            panel.normal.push(normal);
            if !verdict.anomaly {
                continue;
            }
            panel.weight += verdict.contributions[i];
            if verdict.contributions[i] >= MARKED {
                let (timestamp, value) = (row.timestamp, row.values[i]);
                panel.marks.push(Mark {
                    point: contract::Point { timestamp, value },
                    severity: verdict.severity,
                    within: normal.contains(value),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::{FitOptions, Point};

    use super::*;

    #[test]
    fn the_column_that_is_off_comes_first_and_is_marked() {
        let mut chance = fastrand::Rng::with_seed(3);
        let mut columns: Vec<Column> = ["a", "b", "c", "d"]
            .map(|name| Column {
                name: name.to_owned(),
                points: Vec::new(),
            })
            .into();
        for timestamp in 0..300 {
            let common = chance.f64();
            for (i, column) in columns.iter_mut().enumerate() {
                let off = if i == 2 && timestamp == 200 { 5.0 } else { 0.0 };
                let value = common + 0.1 * chance.f64() + off;
                column.points.push(Point { timestamp, value });
            }
        }
        let fitted = MultivariateModel::fit(&columns, &FitOptions::default(), DetectorName::Robust);
        let model = fitted.unwrap().model;
        let points: Vec<Point> = columns
            .into_iter()
            .flat_map(|column| column.points)
            .collect();
        let series = SeriesId::new("s").unwrap();
        let charts = charts_of(&series, Version::new(1).unwrap(), &model, &points);
        let subjects: Vec<&str> = charts.iter().map(|chart| chart.subject.as_str()).collect();
        assert_eq!(subjects.len(), MAX_PANELS);
        assert_eq!(subjects[0], "s c");
        let marked: Vec<i64> = charts[0]
            .marks
            .iter()
            .map(|mark| mark.point.timestamp)
            .collect();
        assert!(marked.contains(&200), "{marked:?}");
        assert!(charts.iter().all(|chart| chart.normal.len() == 300));
        assert_eq!((fitting(400), fitting(200), fitting(4_000)), (3, 1, 3));
    }
}
