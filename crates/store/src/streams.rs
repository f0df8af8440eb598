//! Streams: how far the topic `points` is judged, the state of every stream, and what was found.
//!
//! A stream is a pure fold over the records of its partition. So its rows need no lock that
//! outlives a call: a commit names the offset from which it was computed, and is applied only if
//! nobody has moved that offset. Offset, effects and states are stored in one transaction.

mod alert_tests;
mod bulk;
mod commit;
mod effects;
mod feed;
mod feedback;
mod history;
mod offsets;
mod outbox;
mod overview;
mod partitions;
mod plan;
mod query;
mod reads;
mod sessions;
mod silences;
mod sql;

pub use history::{NamedBlock, PointBlock, PointExtent};
pub use outbox::{FailedNotification, Notification};
pub use overview::{HotSeries, SeriesFacts, StepCount};
pub use query::{AnomalyOrder, AnomalyQuery};
pub use silences::MAX_SILENCES;

use contract::{
    Anomaly, AnomalyEventKind, Budget, DetectorName, Labels, Moment, Point, SeriesId, Version,
};

use crate::{Backend, Store, StoreError, registry::connection::Connection};

/// How far a partition of the topic `points` is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOffsets {
    /// The partition.
    pub partition: i32,
    /// The effects of all records below this offset are stored.
    pub effects: i64,
    /// The stored states cover all records below this offset. A replay begins here.
    pub safe: i64,
    /// The largest time of the records below `safe`, in milliseconds since 1970; 0 if there is none.
    pub now_ms: i64,
    /// How much of that time was outages, in milliseconds.
    pub outage_ms: i64,
}

/// The progress of a partition: what its records below an offset did.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionCommit {
    /// The partition.
    pub partition: i32,
    /// The offset up to which effects are stored already. If another one is stored, somebody else
    /// was here, and nothing of the commit is.
    pub expected: i64,
    /// The offset up to which effects are stored by this commit.
    pub effects: i64,
    /// The offset at which a replay may begin afterwards. The stored one never goes back.
    pub safe: i64,
    /// The largest time of the records below `safe`, in milliseconds since 1970.
    pub now_ms: i64,
    /// How much of that time was outages, in milliseconds.
    pub outage_ms: i64,
    /// What became of anomalies, in order.
    pub anomalies: Vec<AnomalyChange>,
    /// States of streams.
    pub states: Vec<StreamState>,
    /// Points to be kept.
    pub points: Vec<PointBlock>,
    /// Streams that have ended.
    pub ended: Vec<EndedStream>,
}

/// The state of a stream after some of its records.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamState {
    /// The series.
    pub series_id: SeriesId,
    /// The first offset of the partition that the state does not cover. A state takes the place of
    /// one that covers less.
    pub next_offset: i64,
    /// The number of the run, which rises when the stream begins anew.
    pub run: i64,
    /// The number of points that were learned.
    pub points: i64,
    /// The timestamp of the last of them.
    pub last_timestamp: Option<i64>,
    /// When the last record arrived, in milliseconds since 1970.
    pub last_arrival_ms: i64,
    /// When the series counts as missing, in milliseconds of the partition's time without outages.
    /// `None`: never.
    pub due_ms: Option<i64>,
    /// The version of the model that it began from. `None`: it warmed up.
    pub begun_from: Option<Version>,
    /// The labels.
    pub labels: Labels,
    /// The detector. `None` before the first verdict.
    pub detector: Option<DetectorName>,
    /// What it does.
    pub phase: contract::StreamState,
    /// The format of `state`.
    pub format: i32,
    /// The state. Not empty, unless the stream has ended.
    pub state: Vec<u8>,
}

/// A stored state.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredStream {
    /// The state. That of a stream that has ended is empty: then records below `next_offset` belong
    /// to the past, and those from there on begin the stream anew.
    pub state: StreamState,
    /// The partition of the series.
    pub partition: i32,
    /// When it was stored, by the clock of the database.
    pub stored_at: Moment,
}

/// The end of a stream.
///
/// Its row stays without a state until no replay can meet earlier records, that is until `safe` of
/// its partition has reached `next_offset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedStream {
    /// The series.
    pub series_id: SeriesId,
    /// The offset after the record that ended it.
    pub next_offset: i64,
    /// The run that ended.
    pub run: i64,
    /// Whether its anomalies are removed.
    pub forget: bool,
}

/// What became of an anomaly.
#[derive(Clone, Debug, PartialEq)]
pub struct AnomalyChange {
    /// The anomaly, as it is now. The store says which incident it belongs to.
    pub anomaly: Anomaly,
    /// What happened. `None`: nothing that is told.
    pub event: Option<AnomalyEventKind>,
    /// What anomalies of one incident have in common.
    pub group: String,
    /// The most anomalies of the series that people want to be told of.
    pub budget: Option<Budget>,
    /// The points before it. Stored with the first change of an anomaly only.
    pub context: Vec<Point>,
    /// The W3C `traceparent` of the points that it came of, if those had one.
    pub traceparent: Option<String>,
}

impl Store {
    /// Does `work` in one transaction.
    async fn transact<T>(
        &self,
        work: impl AsyncFnOnce(&mut Connection<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &self.0 {
            Backend::Postgres(store) => store.transact(work).await,
            Backend::Sqlite(store) => store.transact(work).await,
        }
    }
}
