//! The stored states of streams.

use std::{borrow::Cow, collections::BTreeMap};

use contract::{Labels, Moment, SeriesId};
use futures_util::{FutureExt, future::BoxFuture};

use super::{EndedStream, PartitionCommit, StoredStream, StreamState, bulk::Bulk, sql};
use crate::{
    Backend, Store, StoreError,
    columns::{number, unreadable, version},
    registry::{
        connection::Connection,
        rows::{parse, row},
    },
};

/// The time of storing is that of the database, as in a new row.
const NEWER: &str = "
    ON CONFLICT (series_id) DO UPDATE SET partition = excluded.partition, next_offset = excluded.next_offset,
        run = excluded.run, points = excluded.points, last_timestamp = excluded.last_timestamp,
        last_arrival = excluded.last_arrival, due = excluded.due, begun_from = excluded.begun_from,
        labels = excluded.labels, detector = excluded.detector, phase = excluded.phase, format = excluded.format,
        has_ended = excluded.has_ended, stored_at = excluded.stored_at, state = excluded.state
    WHERE stream_sessions.next_offset <= excluded.next_offset";

impl Store {
    /// The stored states of those of `series` that have one, in any order.
    ///
    /// # Errors
    /// When the database does not answer, or a row cannot be read.
    pub fn stream_states<'a>(
        &'a self,
        series: &'a [SeriesId],
    ) -> BoxFuture<'a, Result<Vec<StoredStream>, StoreError>> {
        async move {
            if series.is_empty() {
                return Ok(Vec::new());
            }
            let statement = match &self.0 {
                Backend::Postgres(_) => sql::POSTGRES.states,
                Backend::Sqlite(_) => sql::SQLITE.states,
            };
            let ids = serde_json::to_string(series).map_err(|why| unreadable(why.to_string()))?;
            let rows: Vec<StreamRow> = self.select(statement, &[ids.as_str().into()]).await?;
            rows.into_iter().map(StreamRow::read).collect()
        }
        .boxed()
    }

    /// Whether `series` has a stream that has not ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn has_stream<'a>(
        &'a self,
        series: &'a SeriesId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        async move {
            let rows: Vec<(i64,)> = self.select(sql::HAS, &[series.as_str().into()]).await?;
            Ok(rows.first().is_some_and(|(count,)| *count > 0))
        }
        .boxed()
    }

    /// The number of streams that have not ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn streams_count(&self) -> BoxFuture<'_, Result<i64, StoreError>> {
        async move {
            let rows: Vec<(i64,)> = self.select(sql::COUNT, &[]).await?;
            Ok(rows.first().map_or(0, |(count,)| *count))
        }
        .boxed()
    }
}

row! {
    /// A row of `states`.
    StreamRow {
        series_id: String,
        partition: i32,
        next_offset: i64,
        run: i64,
        points: i64,
        last_timestamp: Option<i64>,
        last_arrival: i64,
        due: Option<i64>,
        begun_from: Option<i64>,
        labels: String,
        detector: Option<String>,
        phase: String,
        format: i32,
        stored_at: i64,
        state: Vec<u8>,
    }
}

impl StreamRow {
    fn read(self) -> Result<StoredStream, StoreError> {
        let labels: Labels = serde_json::from_str(&self.labels)
            .map_err(|why| unreadable(format!("labels of {}: {why}", self.series_id)))?;
        let state = StreamState {
            series_id: parse(&self.series_id)?,
            next_offset: self.next_offset,
            run: self.run,
            points: self.points,
            last_timestamp: self.last_timestamp,
            last_arrival_ms: self.last_arrival,
            due_ms: self.due,
            begun_from: self.begun_from.map(version).transpose()?,
            labels,
            detector: self.detector.as_deref().map(parse).transpose()?,
            phase: parse(&self.phase)?,
            format: self.format,
            state: self.state,
        };
        Ok(StoredStream {
            state,
            partition: self.partition,
            stored_at: Moment(self.stored_at),
        })
    }
}

/// A stream as it is stored.
struct Stored<'a> {
    partition: i32,
    state: Cow<'a, StreamState>,
    has_ended: bool,
}

/// Stores the states of `commits` and the ends of streams. Of two states of a series the one that
/// covers more counts.
pub(super) async fn store(
    connection: &mut Connection<'_>,
    commits: &[&PartitionCommit],
) -> Result<(), StoreError> {
    let streams: Vec<Stored<'_>> = newest(commits).into_values().collect();
    let state = |read: fn(&StreamState) -> Option<i64>| streams.iter().map(move |s| read(&s.state));
    Bulk::of("stream_sessions")
        .texts(
            "series_id",
            streams.iter().map(|s| s.state.series_id.as_str()),
        )
        .numbers("partition", streams.iter().map(|s| i64::from(s.partition)))
        .numbers("next_offset", state(|s| Some(s.next_offset)))
        .numbers("run", state(|s| Some(s.run)))
        .numbers("points", state(|s| Some(s.points)))
        .numbers("last_timestamp", state(|s| s.last_timestamp))
        .numbers("last_arrival", state(|s| Some(s.last_arrival_ms)))
        .numbers("due", state(|s| s.due_ms))
        .numbers("begun_from", state(|s| s.begun_from.map(number)))
        .texts("labels", streams.iter().map(|s| labels(&s.state.labels)))
        .optional_texts(
            "detector",
            streams.iter().map(|s| s.state.detector.map(|d| d.as_str())),
        )
        .texts("phase", streams.iter().map(|s| s.state.phase.as_str()))
        .numbers("format", state(|s| Some(i64::from(s.format))))
        .flags("has_ended", streams.iter().map(|s| s.has_ended))
        .bytes("state", streams.iter().map(|s| &*s.state.state))
        .insert(connection, NEWER)
        .await?;
    Ok(())
}

/// The stream of each series that covers most.
fn newest<'c>(commits: &[&'c PartitionCommit]) -> BTreeMap<&'c SeriesId, Stored<'c>> {
    let mut newest: BTreeMap<&SeriesId, Stored<'_>> = BTreeMap::new();
    for commit in commits {
        let partition = commit.partition;
        let states = commit.states.iter().map(|state| Stored {
            partition,
            state: Cow::Borrowed(state),
            has_ended: false,
        });
        let ended = commit.ended.iter().map(|ended| Stored {
            partition,
            state: Cow::Owned(tombstone(ended)),
            has_ended: true,
        });
        let series = commit.states.iter().map(|state| &state.series_id);
        let series = series.chain(commit.ended.iter().map(|ended| &ended.series_id));
        for (series, stream) in series.zip(states.chain(ended)) {
            let known = newest.get(series).map(|known| known.state.next_offset);
            if known < Some(stream.state.next_offset) {
                newest.insert(series, stream);
            }
        }
    }
    newest
}

/// What stays of a stream that has ended.
fn tombstone(ended: &EndedStream) -> StreamState {
    StreamState {
        series_id: ended.series_id.clone(),
        next_offset: ended.next_offset,
        run: ended.run,
        points: 0,
        last_timestamp: None,
        last_arrival_ms: 0,
        due_ms: None,
        begun_from: None,
        labels: Labels::new(),
        detector: None,
        phase: contract::StreamState::Learning,
        format: 0,
        state: Vec::new(),
    }
}

fn labels(labels: &Labels) -> String {
    serde_json::Value::from_iter(
        labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    )
    .to_string()
}
