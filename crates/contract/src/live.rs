//! What gateways ask observers of the streams in their memory. No call of clients.

use serde::{Deserialize, Serialize};

use crate::{DetectorName, LearnedPoint, Learning, SeriesId, StreamState};

/// The path of the call, a `POST` of a [`LiveRequest`].
pub const LIVE_PATH: &str = "/internal/live";

/// Which series a gateway wants to know about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LiveRequest {
    /// The series.
    pub series: Vec<SeriesId>,
}

/// The streams that the observer has in memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LiveReply {
    /// Those of the series that it has.
    pub series: Vec<LiveSeries>,
    /// The points that it judges a minute, of all series.
    pub points_per_minute: f64,
}

/// A stream as of its last record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveSeries {
    /// The series.
    pub series_id: SeriesId,
    /// What the stream does.
    pub state: StreamState,
    /// How far it has warmed up; `None` once it has.
    pub learning: Option<Learning>,
    /// The number of points that it has learned.
    pub points: u64,
    /// The last point, with what was expected of it; `None` before the first.
    pub latest: Option<LearnedPoint>,
    /// The usual distance of two timestamps; `None` before the second point.
    pub usual_step: Option<i64>,
    /// The detector; `None` before the first verdict.
    pub detector: Option<DetectorName>,
}
