//! The rows of the overview, from what is stored of their series.

use std::collections::BTreeMap;

use contract::{
    Anomaly, CompiledSilence, LearnedPoint, Moment, OverviewRow, RowGroup, RowState, SeriesId,
    StreamState,
};
use store::{HotSeries, SeriesFacts, Store, StoreError};

use super::{
    DAY_MS,
    query::{OverviewQuery, Place, Rank},
    spark::{Window, minutes_in, spark},
};

/// The rows of `ranked` series. One that is gone meanwhile is left out.
pub(super) async fn of(
    store: &Store,
    ranked: Vec<(Rank, Option<HotSeries>)>,
    query: &OverviewQuery,
    now: Moment,
) -> Result<Vec<OverviewRow>, StoreError> {
    let ids: Vec<SeriesId> = ranked.iter().map(|(rank, _)| rank.id.clone()).collect();
    let facts = store.series_facts(&ids).await?;
    let silences = active(store, now).await?;
    let days = match query.sparks {
        true => Days::read(store, &facts, now).await?,
        false => Days::default(),
    };
    let row = |(rank, hot): (Rank, Option<HotSeries>)| {
        let facts = facts.get(&rank.id)?;
        let mut row = row(&rank, hot.as_ref(), facts, now);
        days.show(&mut row);
        silence(&mut row, &silences);
        Some(row)
    };
    Ok(ranked.into_iter().filter_map(row).collect())
}

/// The row of a series, without the figures of its points.
fn row(rank: &Rank, hot: Option<&HotSeries>, facts: &SeriesFacts, now: Moment) -> OverviewRow {
    let is_recent = hot.is_some_and(|hot| hot.last_alarm.0 >= now.0 - DAY_MS);
    let open = hot.filter(|hot| hot.open.is_some());
    let (state, since) = match (facts.stream, open) {
        (Some(StreamState::Silent), _) => (RowState::Silent, open.and_then(|hot| hot.open_since)),
        (_, Some(hot)) => (RowState::Open, hot.open_since),
        _ if is_recent => (RowState::Over, hot.and_then(|hot| hot.closed_at)),
        (Some(StreamState::Learning), _) => (RowState::Learning, None),
        _ => (RowState::Normal, None),
    };
    OverviewRow {
        series_id: rank.id.clone(),
        labels: facts.labels.clone(),
        group: match rank.place {
            Place::Open => RowGroup::Open,
            Place::Recent => RowGroup::Recent,
            Place::Quiet => RowGroup::Quiet,
        },
        state,
        severity: hot.map(|hot| hot.open.unwrap_or(hot.worst)),
        since,
        until: None,
        learning: None,
        value: None,
        expected: None,
        last_timestamp: facts.last_timestamp.or(facts.trained_until),
        last_alarm: hot.map(|hot| hot.last_alarm),
        serving: facts.serving,
        detector: facts.stream_detector.or(facts.detector),
        points_per_minute: None,
        spark: None,
    }
}

/// The silences that hold at the moment.
async fn active(store: &Store, now: Moment) -> Result<Vec<CompiledSilence>, StoreError> {
    let silences = store.silences().await?.into_iter();
    let active = silences.filter(|silence| silence.is_active(now));
    // The notifier tells of one that does not compile.
    Ok(active
        .filter_map(|silence| CompiledSilence::new(silence).ok())
        .collect())
}

fn silence(row: &mut OverviewRow, silences: &[CompiledSilence]) {
    let mut covering = silences
        .iter()
        .filter(|silence| silence.matches(&row.series_id, &row.labels));
    let Some(first) = covering.next() else { return };
    // The last one to end counts; one without an end is never over.
    let latest = covering.fold(first, |latest, other| {
        let is_longer = latest
            .silence
            .ends_at
            .is_some_and(|end| other.silence.ends_at.is_none_or(|other| other > end));
        if is_longer { other } else { latest }
    });
    row.state = RowState::Silenced;
    row.since = Some(latest.silence.starts_at);
    row.until = latest
        .silence
        .ends_at
        .filter(|_| latest.silence.intervals.is_empty());
}

/// The last day of each series, as it is stored.
#[derive(Default)]
struct Days {
    windows: BTreeMap<SeriesId, Window>,
    points: BTreeMap<SeriesId, Vec<LearnedPoint>>,
    anomalies: Vec<Anomaly>,
}

impl Days {
    async fn read(
        store: &Store,
        facts: &BTreeMap<SeriesId, SeriesFacts>,
        now: Moment,
    ) -> Result<Self, StoreError> {
        let window = |(id, facts): (&SeriesId, &SeriesFacts)| {
            let last = facts.last_timestamp?;
            Some((id.clone(), Window::up_to(last)))
        };
        let windows: BTreeMap<SeriesId, Window> = facts.iter().filter_map(window).collect();
        let from = windows.iter().map(|(id, window)| (id.clone(), window.from));
        let from: Vec<(SeriesId, i64)> = from.collect();
        let ids: Vec<SeriesId> = windows.keys().cloned().collect();
        Ok(Self {
            points: store.spark_points(&from).await?,
            anomalies: store.recent_anomalies(&ids, Moment(now.0 - DAY_MS)).await?,
            windows,
        })
    }

    /// Adds the points of its series to `row`.
    fn show(&self, row: &mut OverviewRow) {
        let (Some(window), Some(points)) = (
            self.windows.get(&row.series_id),
            self.points.get(&row.series_id),
        ) else {
            return;
        };
        let Some(last) = points.last() else { return };
        (row.value, row.expected) = (Some(last.value), last.expected);
        row.last_timestamp = Some(last.timestamp);
        row.points_per_minute = minutes_in(points);
        let anomalies = self.anomalies.iter();
        let of_it = anomalies.filter(|anomaly| anomaly.series_id == row.series_id);
        row.spark = Some(spark(*window, points, of_it));
    }
}
