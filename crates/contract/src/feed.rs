//! `GET /v1/events`: what happens, as it happens; and what gateways ask observers for it.

use serde::{Deserialize, Serialize};

use crate::{AnomalyEvent, LearnedPoint, SeriesId};

/// The most series that a stream of events may be about.
pub const MAX_FOLLOWED: usize = 200;

/// The path of the call of gateways, a `POST` of a [`FeedRequest`].
pub const FEED_PATH: &str = "/internal/feed";

/// What a gateway wants to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedRequest {
    /// The events after the one with this number, the oldest first. `None`: no events, only the
    /// number of the last one.
    pub after: Option<i64>,
}

/// What has happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeedReply {
    /// The events by rising number, at most 500.
    pub events: Vec<FeedEvent>,
    /// The number of the last of them, or of the last event at all if none was asked for.
    pub last: i64,
}

/// An event with its number, which rises with each one that is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedEvent {
    /// Its number.
    pub number: i64,
    /// What happened.
    pub event: AnomalyEvent,
}

/// The data of the event `point`: the last point of the one series that is followed.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointEvent {
    /// The series.
    pub series_id: SeriesId,
    /// The number of points that the stream has learned. If it has risen by more than one since the
    /// event before, points lie between them.
    pub points: u64,
    /// The point.
    #[serde(flatten)]
    pub point: LearnedPoint,
}
