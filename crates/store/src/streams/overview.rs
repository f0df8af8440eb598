//! All series at a glance: which need attention, what is known of each, and their last day.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    Anomaly, DetectorName, Labels, LearnedPoint, Moment, SeriesId, Severity, StreamState, Version,
};
use futures_util::{FutureExt, future::BoxFuture};

use super::{
    effects::severity,
    history,
    query::{Parameter, Select},
};
use crate::{
    Backend, Store, StoreError,
    columns::{unreadable, unsigned, version},
    registry::{
        prefix::range,
        rows::{parse, row},
        sql as registry,
    },
};

/// A series with an anomaly that is open or began not long ago. Neither silenced anomalies nor moves
/// of the level count.
#[derive(Clone, Debug, PartialEq)]
pub struct HotSeries {
    /// The series.
    pub series_id: SeriesId,
    /// The labels of its stream.
    pub labels: Labels,
    /// The severity of its worst open anomaly; `None` if none is open.
    pub open: Option<Severity>,
    /// When its first open anomaly began.
    pub open_since: Option<Moment>,
    /// The severity of its worst anomaly.
    pub worst: Severity,
    /// When its last anomaly began.
    pub last_alarm: Moment,
    /// When its last anomaly that is over ended.
    pub closed_at: Option<Moment>,
    /// How many of them began not long ago.
    pub alarms: u64,
}

/// What is stored of a series: in the registry, and of its stream as of its last checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesFacts {
    /// The labels of its stream.
    pub labels: Labels,
    /// The state of its stream; `None` without one.
    pub stream: Option<StreamState>,
    /// The detector of its stream.
    pub stream_detector: Option<DetectorName>,
    /// The timestamp of the last point of its stream.
    pub last_timestamp: Option<i64>,
    /// The version that serves.
    pub serving: Option<Version>,
    /// The detector of that version.
    pub detector: Option<DetectorName>,
    /// The timestamp of its last training point.
    pub trained_until: Option<i64>,
}

/// The number of a step, a severity, and the number of anomalies of it.
pub type StepCount = (usize, Severity, u64);

/// The most blocks of a series whose points are all read for a sparkline.
const WHOLE_BLOCKS: i64 = 24;
/// The most blocks of a series of which a point is read.
const SAMPLED_BLOCKS: i64 = 144;

/// Columns of a [`HotRow`]: per series, with what is the same for all its anomalies.
const HOT: &str = "
    SELECT a.series_id, a.open_severity, a.open_since, a.severity, a.last_alarm, a.closed_at, a.alarms, t.labels
    FROM (
        SELECT series_id,
            max(CASE WHEN is_open THEN severity END) AS open_severity,
            min(CASE WHEN is_open THEN opened_at END) AS open_since,
            max(severity) AS severity, max(opened_at) AS last_alarm, max(closed_at) AS closed_at,
            count(CASE WHEN opened_at >= ? THEN 1 END) AS alarms
        FROM anomalies WHERE NOT silenced AND kind <> 'level' AND (is_open OR opened_at >= ?)
        GROUP BY series_id
    ) a LEFT JOIN stream_sessions t ON t.series_id = a.series_id";

const HISTOGRAM: &str = "
    SELECT (opened_at - ?) / ? AS step, severity, count(*) AS n
    FROM anomalies WHERE NOT silenced AND kind <> 'level'";

/// The blocks of the series in `asked`, each with its place among them and their number. Of many,
/// only some are read, and of each only the first point; the last block is whole.
macro_rules! sparks {
    ($asked:literal) => {
        concat!(
            "WITH asked AS (",
            $asked,
            "), chosen AS (SELECT p.series_id, p.first, ",
            "row_number() OVER (PARTITION BY p.series_id ORDER BY p.first) AS place, ",
            "count(*) OVER (PARTITION BY p.series_id) AS n ",
            "FROM asked JOIN stream_points p ON p.series_id = asked.series_id AND p.last >= asked.since) ",
            "SELECT c.series_id, CASE WHEN c.n > $2 AND c.place < c.n ",
            "THEN substr(p.points, 1, CAST($4 AS integer)) ELSE p.points END AS points ",
            "FROM chosen c JOIN stream_points p ON p.series_id = c.series_id AND p.first = c.first ",
            "WHERE c.n <= $2 OR c.place = c.n OR c.place % ((c.n + $3 - 1) / $3) = 0 ",
            "ORDER BY c.series_id, c.first"
        )
    };
}

macro_rules! postgres_sparks {
    () => {
        sparks!("SELECT e->>0 AS series_id, CAST(e->>1 AS bigint) AS since FROM json_array_elements($1::json) e")
    };
}

macro_rules! sqlite_sparks {
    () => {
        sparks!("SELECT json_extract(value, '$[0]') AS series_id, json_extract(value, '$[1]') AS since FROM json_each($1)")
    };
}

impl Store {
    /// The series with anomalies that are open or began at `since` or later, in any order.
    ///
    /// # Errors
    /// When the database does not answer, or a row cannot be read.
    pub fn hot_series(&self, since: Moment) -> BoxFuture<'_, Result<Vec<HotSeries>, StoreError>> {
        async move {
            let mut select = Select::of("");
            let since = || Parameter::Number(since.0);
            select.add(HOT, [since(), since()]);
            let rows: Vec<HotRow> = self.list(&select).await?;
            rows.into_iter().map(HotRow::read).collect()
        }
        .boxed()
    }

    /// The series with anomalies that began from `from` up to before `to`. Neither silenced anomalies
    /// nor moves of the level count.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn series_with_anomalies(
        &self,
        from: Moment,
        to: Moment,
    ) -> BoxFuture<'_, Result<BTreeSet<SeriesId>, StoreError>> {
        async move {
            const SELECT: &str = "
                SELECT DISTINCT series_id FROM anomalies
                WHERE NOT silenced AND kind <> 'level' AND opened_at >= $1 AND opened_at < $2";
            let rows: Vec<(String,)> = self.select(SELECT, &[from.0.into(), to.0.into()]).await?;
            rows.into_iter().map(|(id,)| parse(&id)).collect()
        }
        .boxed()
    }

    /// At most `limit` series with a model or a stream whose id begins with `prefix` and comes after
    /// `after`, by the bytes of the id, with the labels of their streams.
    ///
    /// # Errors
    /// When the database does not answer, or a row cannot be read.
    pub fn labelled_series<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a SeriesId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<(SeriesId, Labels)>, StoreError>> {
        async move {
            if prefix.contains(char::is_control) {
                return Ok(Vec::new());
            }
            let (from, to) = range(prefix, after);
            let page = [
                from.as_str().into(),
                to.as_str().into(),
                i64::from(limit).into(),
            ];
            let rows: Vec<(String, Option<String>)> =
                self.select(registry::LABELLED, &page).await?;
            let read = |(id, labels): (String, Option<String>)| {
                Ok((parse(&id)?, labels_of(&id, labels.as_deref())?))
            };
            rows.into_iter().map(read).collect()
        }
        .boxed()
    }

    /// The number of series with a model or a stream, whose id begins with one of `prefixes` if these
    /// are given.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn series_count<'a>(
        &'a self,
        prefixes: Option<&'a [String]>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        async move {
            let mut select = Select::of(registry::ALL_SERIES);
            if let Some(prefixes) = prefixes {
                select.and_prefixed(prefixes);
            }
            let rows: Vec<(i64,)> = self.list(&select).await?;
            unsigned(rows.first().map_or(0, |(count,)| *count))
        }
        .boxed()
    }

    /// What is stored of each of `series` that has a model or a stream.
    ///
    /// # Errors
    /// When the database does not answer, or a row cannot be read.
    pub fn series_facts<'a>(
        &'a self,
        series: &'a [SeriesId],
    ) -> BoxFuture<'a, Result<BTreeMap<SeriesId, SeriesFacts>, StoreError>> {
        async move {
            let statement = match &self.0 {
                Backend::Postgres(_) => registry::POSTGRES.facts_of,
                Backend::Sqlite(_) => registry::SQLITE.facts_of,
            };
            let ids = ids_of(series)?;
            let rows: Vec<FactsRow> = self.select(statement, &[ids.as_str().into()]).await?;
            rows.into_iter().map(FactsRow::read).collect()
        }
        .boxed()
    }

    /// The points of each series from a timestamp on, in order: enough of them for a sparkline, and
    /// the last ones always.
    ///
    /// # Errors
    /// When the database does not answer, or a block cannot be read.
    pub fn spark_points<'a>(
        &'a self,
        from: &'a [(SeriesId, i64)],
    ) -> BoxFuture<'a, Result<BTreeMap<SeriesId, Vec<LearnedPoint>>, StoreError>> {
        async move {
            let statement = match &self.0 {
                Backend::Postgres(_) => postgres_sparks!(),
                Backend::Sqlite(_) => sqlite_sparks!(),
            };
            let asked = serde_json::to_string(from).map_err(|why| unreadable(why.to_string()))?;
            let values = [
                asked.as_str().into(),
                WHOLE_BLOCKS.into(),
                SAMPLED_BLOCKS.into(),
                history::POINT_BYTES.into(),
            ];
            let rows: Vec<(String, Vec<u8>)> = self.select(statement, &values).await?;
            let mut points: BTreeMap<SeriesId, Vec<LearnedPoint>> = BTreeMap::new();
            for (id, block) in rows {
                let known = points.entry(parse(&id)?).or_default();
                let last = known.last().map(|point| point.timestamp);
                let block = history::read(&block)?.into_iter();
                known.extend(block.filter(|point| last < Some(point.timestamp)));
            }
            Ok(points)
        }
        .boxed()
    }

    /// The anomalies of `series` about values that began at `since` or later or are open, and are not
    /// silenced; at most 1,000, the latest first.
    ///
    /// # Errors
    /// When the database does not answer, or a row cannot be read.
    pub fn recent_anomalies<'a>(
        &'a self,
        series: &'a [SeriesId],
        since: Moment,
    ) -> BoxFuture<'a, Result<Vec<Anomaly>, StoreError>> {
        async move {
            let of = match &self.0 {
                Backend::Postgres(_) => {
                    "series_id = ANY (ARRAY(SELECT json_array_elements_text(?::json)))"
                }
                Backend::Sqlite(_) => "series_id IN (SELECT value FROM json_each(?))",
            };
            let mut select = Select::of(super::reads::ANOMALIES);
            select.and(of, [Parameter::Text(ids_of(series)?)]);
            select.and("NOT silenced AND kind = 'value'", []);
            select.and("(is_open OR opened_at >= ?)", [Parameter::Number(since.0)]);
            select.add(" ORDER BY opened_at DESC, anomaly_id DESC LIMIT 1000", []);
            super::reads::anomalies(self.list(&select).await?)
        }
        .boxed()
    }

    /// The number of anomalies that began in each of `steps` steps of `step_ms` from `from` on, by
    /// step and severity, those that are none left out; of series with this label and prefixes.
    /// Neither silenced ones nor moves of the level are counted.
    ///
    /// # Errors
    /// When the database does not answer, or a row cannot be read.
    pub fn alarm_histogram<'a>(
        &'a self,
        from: Moment,
        step_ms: i64,
        steps: usize,
        label: Option<&'a (String, String)>,
        prefixes: Option<&'a [String]>,
    ) -> BoxFuture<'a, Result<Vec<StepCount>, StoreError>> {
        async move {
            let mut select = Select::of("");
            let (first, step) = (Parameter::Number(from.0), Parameter::Number(step_ms));
            select.add(HISTOGRAM, [first, step]);
            select.and("opened_at >= ?", [Parameter::Number(from.0)]);
            let length = step_ms.saturating_mul(i64::try_from(steps).unwrap_or(i64::MAX));
            let end = from.0.saturating_add(length);
            select.and("opened_at < ?", [Parameter::Number(end)]);
            if let Some((name, value)) = label {
                self.has_label()(&mut select, name, value);
            }
            if let Some(prefixes) = prefixes {
                select.and_prefixed(prefixes);
            }
            select.add(" GROUP BY 1, 2", []);
            let rows: Vec<(i64, i32, i64)> = self.list(&select).await?;
            let read = |(step, rank, n): (i64, i32, i64)| {
                let step = usize::try_from(step).map_err(|why| unreadable(why.to_string()))?;
                Ok((step, severity(rank)?, unsigned(n)?))
            };
            rows.into_iter().map(read).collect()
        }
        .boxed()
    }
}

/// The ids as a JSON array.
fn ids_of(series: &[SeriesId]) -> Result<String, StoreError> {
    serde_json::to_string(series).map_err(|why| unreadable(why.to_string()))
}

/// The labels of the stream of `series`; none without one.
fn labels_of(series: &str, labels: Option<&str>) -> Result<Labels, StoreError> {
    let labels = labels.map(serde_json::from_str).transpose();
    let labels = labels.map_err(|why| unreadable(format!("labels of {series}: {why}")))?;
    Ok(labels.unwrap_or_default())
}

row! {
    /// A row of `HOT`.
    HotRow {
        series_id: String,
        open_severity: Option<i32>,
        open_since: Option<i64>,
        severity: i32,
        last_alarm: i64,
        closed_at: Option<i64>,
        alarms: i64,
        labels: Option<String>,
    }
}

impl HotRow {
    fn read(self) -> Result<HotSeries, StoreError> {
        Ok(HotSeries {
            labels: labels_of(&self.series_id, self.labels.as_deref())?,
            series_id: parse(&self.series_id)?,
            open: self.open_severity.map(severity).transpose()?,
            open_since: self.open_since.map(Moment),
            worst: severity(self.severity)?,
            last_alarm: Moment(self.last_alarm),
            closed_at: self.closed_at.map(Moment),
            alarms: unsigned(self.alarms)?,
        })
    }
}

row! {
    /// A row of `facts_of`.
    FactsRow {
        series_id: String,
        labels: Option<String>,
        phase: Option<String>,
        stream_detector: Option<String>,
        last_timestamp: Option<i64>,
        serving: Option<i64>,
        detector: Option<String>,
        trained_until: Option<i64>,
    }
}

impl FactsRow {
    fn read(self) -> Result<(SeriesId, SeriesFacts), StoreError> {
        let facts = SeriesFacts {
            labels: labels_of(&self.series_id, self.labels.as_deref())?,
            stream: self.phase.as_deref().map(parse).transpose()?,
            stream_detector: self.stream_detector.as_deref().map(parse).transpose()?,
            last_timestamp: self.last_timestamp,
            serving: self.serving.map(version).transpose()?,
            detector: self.detector.as_deref().map(parse).transpose()?,
            trained_until: self.trained_until,
        };
        Ok((parse(&self.series_id)?, facts))
    }
}
